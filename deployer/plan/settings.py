"""Everything that is set in an environment, the profile and the values, with where it comes from and what is wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from deployer.plan.values import RUN
from deployer.profile.schema import seconds
from deployer.profile.sources import VALUES, nearest
from deployer.values import layers as stack
from deployer.values.assign import shown
from deployer.values.layers import Layer, Leaf, Origin
from deployer.values.reads import Reads

Path = tuple[str, ...]


class Severity(StrEnum):
    """A problem fails `deploy config check`; a warning and a note do not."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """Something that `deploy config check` has to say. `place` may be empty, where it is in the sentence."""

    severity: Severity
    place: str
    message: str
    environments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A setting that two environments have differently; None where one does not have it."""

    keys: Path
    left: Leaf | None
    right: Leaf | None


def settings(
    defaults: Layer, chart: Iterable[Layer], profile: Iterable[Layer], over: Iterable[Layer]
) -> tuple[Leaf, ...]:
    """All effective settings: the profile's keys, and below `values` the chart's values.

    `defaults` are the profile's, `chart` the chart's; `profile` lies over both, `over` (values) over everything.
    """
    inner = [one.under(VALUES) for one in chart]
    outer = [one.under(VALUES) for one in over]
    found = stack.leaves([*profile, *outer], [defaults, *inner])
    return tuple(
        kept
        for leaf in sorted(found, key=lambda leaf: leaf.keys[0] == VALUES)
        if not leaf.keys[0].startswith("x-") and (kept := leaf if leaf.keys[0] == VALUES else _defaulted(leaf))
    )


def _defaulted(leaf: Leaf) -> Leaf | None:
    """A null takes a setting of the profile back to its default; None where it has none."""
    if leaf.value is not None:
        return leaf
    for index, one in enumerate(leaf.overrode):
        if one.layer == stack.DEFAULT:
            return Leaf(leaf.keys, one, (leaf.origin, *leaf.overrode[:index]))
    return None


def image(registry: str, repository: str) -> Layer:
    """What the image of a run will say; its tag and digest are known when it runs."""
    of_the_run = {"registry": registry, "repository": repository, "tag": "(of the run)", "digest": "(of the run)"}
    return stack.everywhere(stack.IMAGE, {"image": of_the_run}, "the image of the run")


def chosen(found: Sequence[Leaf], path: Path) -> tuple[Leaf, ...]:
    """The settings at a key path or below it, or the one above it that is a list or a scalar."""
    return tuple(leaf for leaf in found if leaf.keys[: len(path)] == path or path[: len(leaf.keys)] == leaf.keys)


def differences(left: Sequence[Leaf], right: Sequence[Leaf]) -> tuple[Difference, ...]:
    """Where two environments differ, in the left one's order. Two secrets are told apart by where they come from."""
    ours, theirs = ({leaf.keys: leaf for leaf in side} for side in (left, right))
    found = (Difference(keys, ours.get(keys), theirs.get(keys)) for keys in dict.fromkeys((*ours, *theirs)))
    return tuple(one for one in found if not _same(one.left, one.right))


def _same(left: Leaf | None, right: Leaf | None) -> bool:
    if left is None or right is None:
        return left is right
    if left.origin.secret or right.origin.secret:
        return left.origin.secret == right.origin.secret and left.value == right.value
    return _equal(left.value, right.value)


def unread(profile: Iterable[Layer], over: Iterable[Layer], reads: Reads) -> Iterator[Finding]:
    """Values that nothing reads: no default of the chart, no template, or the image of the run in their place."""
    for leaf in stack.leaves([*(one.section(VALUES) for one in profile), *over]):
        name, origin = shown(leaf.keys), leaf.origin
        if leaf.keys[0] == "image" and leaf.keys[1:] and leaf.keys[1] in RUN:
            hint = f"; `image:` of the profile names it, `--set {name}=…` replaces it"
            yield Finding(
                Severity.PROBLEM, origin.place, f"values.{name} is not used: the image of the run says it{hint}"
            )
        elif not reads.any_use(leaf.keys):
            known = reads.beside(leaf.keys)
            wrong = next((key for key in leaf.keys if key not in known), leaf.keys[-1])
            meant = nearest(wrong, known)
            yield Finding(Severity.PROBLEM, origin.place, f"values.{name}: nothing in the chart reads it{meant}")


def redundant(defaults: Layer, chart: Iterable[Layer], profile: Sequence[Layer]) -> Iterator[Finding]:
    """Settings that say what is so without them."""
    under = [defaults, *(one.under(VALUES) for one in chart)]
    for index, layer in enumerate(profile):
        below = [*under, *profile[:index]]
        for keys in stack.paths(layer.data):
            leaf = stack.leaf([*below, layer], keys)
            if keys[0].startswith("x-") or leaf.origin.secret or leaf.origin.variables:
                continue
            before = leaf.overrode[0] if leaf.overrode else None
            if before is None and leaf.value is None:
                yield Finding(
                    Severity.WARNING, leaf.origin.place, f"{shown(keys)} is null, and nothing is there to take away"
                )
            elif (
                before is not None
                and not before.secret
                and not before.variables
                and _unchanged(keys, leaf.origin, before)
            ):
                value = f"`{before.value}`" if not isinstance(before.value, list | Mapping) else "the same"
                # A default that is said again may be meant to stay when the default changes.
                severity = Severity.NOTE if before.layer in (stack.DEFAULT, stack.CHART) else Severity.WARNING
                yield Finding(severity, leaf.origin.place, f"{shown(keys)} is {value} already: {before.place}")


def _unchanged(keys: Path, now: Origin, before: Origin) -> bool:
    if _equal(now.value, before.value):
        return True
    if keys[0] == VALUES or not isinstance(before.value, int | float) or not isinstance(now.value, str):
        return False
    try:
        return bool(seconds(now.value) == before.value)  # 5m is 300
    except ValueError:
        return False


def _equal(left: Any, right: Any) -> bool:
    """As YAML tells values apart: true is no 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def gathered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, with all the environments it is true of; problems first."""
    names: dict[Finding, tuple[str, ...]] = {}
    for one in found:
        key = replace(one, environments=())
        names[key] = tuple(dict.fromkeys((*names.get(key, ()), *one.environments)))
    order = list(Severity)
    return tuple(
        replace(one, environments=names[one]) for one in sorted(names, key=lambda one: order.index(one.severity))
    )
