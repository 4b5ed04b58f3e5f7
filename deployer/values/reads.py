"""Which values a chart can have a use for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class Reads:
    """What a chart has defaults for, what its templates name, and the same of the charts in it (None: unknown)."""

    defaults: Mapping[str, Any]
    mentioned: frozenset[Path]
    charts: Mapping[str, "Reads | None"]

    def any_use(self, keys: Path) -> bool:
        """Whether a value at these keys may matter: in doubt it does.

        A template that names `a.b` reads all below it, since it may pass that on whole; and a map that is empty by
        default takes any key.
        """
        if keys[0] == "global" or self._known(keys):
            return True
        if any(keys[: len(one)] == one or one[: len(keys)] == keys for one in self.mentioned):
            return True
        if keys[0] in self.charts:
            inner = self.charts[keys[0]]
            return inner is None or not keys[1:] or inner.any_use(keys[1:])
        return False

    def beside(self, keys: Path) -> tuple[str, ...]:
        """The keys that are known where the first unknown one of `keys` stands."""
        if keys[0] in self.charts and (inner := self.charts[keys[0]]):
            return inner.beside(keys[1:]) if keys[1:] else ()
        here: Any = self.defaults
        for key in keys:
            if not isinstance(here, Mapping) or key not in here:
                break
            here = here[key]
        return tuple(here) if isinstance(here, Mapping) else ()

    def _known(self, keys: Path) -> bool:
        here: Any = self.defaults
        for depth, key in enumerate(keys):
            if here == {} and depth:
                return True
            if not isinstance(here, Mapping) or key not in here:
                return False
            here = here[key]
        return True
