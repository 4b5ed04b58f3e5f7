"""Two trees of values, path by path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.values.fingerprint import same

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "absent", "__bool__": lambda self: False})()
"""No value at all, which is not null."""


@dataclass(frozen=True)
class Change:
    """One value that differs: a scalar, a whole list, or a map without anything in it."""

    keys: tuple[str, ...]
    old: Any = field(repr=False)  # ABSENT where there was none
    new: Any = field(repr=False)  # ABSENT where there is none any more


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs, in the order of the paths."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return tuple(
        Change(keys, before.get(keys, ABSENT), after.get(keys, ABSENT))
        for keys in sorted({*before, *after})
        if keys not in before or keys not in after or not same(before[keys], after[keys])
    )


def dotted(keys: tuple[str, ...]) -> str:
    r"""`a.b`; a dot in a key is written `\.`, as `--set` takes it."""
    return ".".join(key.replace(".", r"\.") for key in keys)


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value
