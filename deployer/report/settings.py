"""Settings with where they come from, findings and differences, in lines. A secret is never in them."""

import json
from collections.abc import Iterator, Sequence

from deployer.mask import MASK
from deployer.plan.settings import Difference, Finding, Severity
from deployer.values import layers as stack
from deployer.values.assign import shown
from deployer.values.layers import Leaf, Origin

MARKS = {Severity.PROBLEM: "✗", Severity.WARNING: "!", Severity.NOTE: "·"}


def value(origin: Origin) -> str:
    """A value as JSON writes it; `***` for a secret."""
    return MASK if origin.secret else json.dumps(origin.value, ensure_ascii=False)


def where(origin: Origin) -> str:
    """Layer, place, and the variables it was filled from: `base, environments/base.yaml:9, from ${REGISTRY_URL}`."""
    names = (f"{'default of' if one.defaulted else 'from'} ${{{one.name}}}" for one in dict.fromkeys(origin.variables))
    layer = () if origin.layer == stack.DEFAULT else (origin.layer,)
    return ", ".join((*layer, origin.place, *names))


def settings(found: Sequence[Leaf]) -> Iterator[str]:
    """Every setting with its place, and below it what it overrode."""
    for leaf in found:
        yield f"{shown(leaf.keys)}: {value(leaf.origin)}  # {where(leaf.origin)}"
        for one in leaf.overrode:
            yield f"    over {value(one)}  # {where(one)}"


def findings(found: Sequence[Finding], environments: Sequence[str]) -> Iterator[str]:
    """Every finding, then the count of them."""
    for one in found:
        of = f" ({', '.join(one.environments)})" if len(environments) > 1 else ""
        yield f"{MARKS[one.severity]} {': '.join(filter(None, (one.place, one.message)))}{of}"
    told = ", ".join(
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in Severity
        if (count := sum(one.severity is severity for one in found))
    )
    mark = "failed" if any(one.severity is Severity.PROBLEM for one in found) else "ok"
    yield f"{mark}: {', '.join(environments)}" + (f": {told}" if told else "")


def differences(found: Sequence[Difference], left: str, right: str) -> Iterator[str]:
    """Each setting that differs, both sides below one another."""
    width = max(len(left), len(right))
    for one in found:
        yield shown(one.keys)
        for name, leaf in ((left, one.left), (right, one.right)):
            yield f"  {name:<{width}}  " + (f"{value(leaf.origin)}  # {where(leaf.origin)}" if leaf else "not set")
    yield f"{len(found)} setting{'' if len(found) == 1 else 's'} differ{'s' if len(found) == 1 else ''}"
