"""Two sets of values, path by path. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNSET = ""
"""What stands for a value that is not set: no JSON text is empty."""


@dataclass(frozen=True)
class Difference:
    """One path whose value is not the same. Values are JSON text; empty: not set."""

    path: str  # a.b.c; a dot in a key is written `\\.`
    before: str
    after: str


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], shown: Callable[[tuple[str, ...], str], str]
) -> tuple[Difference, ...]:
    """Every leaf that differs, in the order of the paths; a list is one leaf, as helm has it.

    `shown`: the path and the JSON text of a value that is set → what may be seen of it.
    """
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    return tuple(
        Difference(_dotted(path), *(shown(path, side[path]) if path in side else UNSET for side in (old, new)))
        for path in sorted({*old, *new})
        if old.get(path, UNSET) != new.get(path, UNSET)
    )


def _leaves(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), json.dumps(value, ensure_ascii=False)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(key.replace(".", r"\.") for key in path)
