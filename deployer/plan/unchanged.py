"""Whether anything has to be released at all. What is not proven to be as wanted is released."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.health.verdict import Judgement, Verdict
from deployer.model import Target, Values
from deployer.plan import address
from deployer.plan import values as release_values
from deployer.plan.drift import Drift
from deployer.plan.facts import Facts, current
from deployer.plan.steps import Kept, Plan, PullSecret, Step
from deployer.profile import Profile
from deployer.values.compare import changes, dotted
from deployer.values.document import objects

NAMED = 5
"""Paths of values that are named before `and N more`."""


@dataclass(frozen=True)
class Standing:
    """The newest revision, seen once."""

    judgements: tuple[Judgement, ...]  # of every workload of its manifest
    drift: tuple[Drift, ...] = ()
    unreadable: tuple[str, ...] = ()  # objects that could not be read, and why
    pull_secret: bool = True  # whether the pull secret holds the run's login


def differences(facts: Facts, values: Values, pull_secret: str | None) -> tuple[str, ...]:
    """What the records say is to be released; nothing where only a look at the cluster can tell.

    `pull_secret`: the name that the release would get, None without a login.
    """
    return tuple(_differences(facts, values, pull_secret))


def left(standing: Standing) -> tuple[str, ...]:
    """Where the cluster is not as a healthy release would be."""
    ill = tuple(f"{one.workload} is {one.verdict}" for one in standing.judgements if one.verdict != Verdict.HEALTHY)
    # What somebody added, a release would leave as it is: it is told, and no reason to release.
    drift = [one for one in standing.drift if not one.added]
    drifted = dict.fromkeys(one.object for one in drift)
    return (
        *ill,
        *(f"{name} is not as released: {_fields(drift, name)}" for name in drifted),
        *(f"cannot be compared: {one}" for one in standing.unreadable),
    )


def kept(environment: str, profile: Profile, facts: Facts, target: Target, standing: Standing) -> Plan:
    """The plan where nothing is released: at most the pull secret gets the login of today."""
    deployed = current(facts.history)
    assert deployed is not None
    name = profile.registry.pull_secret
    url = address.url(objects(facts.released.manifest)) if facts.released else ""
    added = [one for one in standing.drift if one.added]
    steps = (Step("pull secret", PullSecret(name)),) if name and not standing.pull_secret else ()
    return Plan(
        verb="up",
        environment=environment,
        target=target,
        release=profile.release.name,
        steps=steps,
        image=facts.image,
        previous=deployed.number,
        kept=Kept(deployed.number, standing.judgements, url),
        notes=tuple(f"{one.object}: {one.field} was added by somebody; helm leaves it alone" for one in added),
    )


def _differences(facts: Facts, values: Values, pull_secret: str | None) -> Iterator[str]:
    deployed, image = current(facts.history), facts.image
    if deployed is None or facts.released is None:
        yield "nothing is released yet"
        return
    if deployed.canary:
        yield f"revision {deployed.number} is a {deployed.canary}, whose run did not come to its end"
        return
    if deployed.status != "deployed":
        yield f"revision {deployed.number} is {deployed.status}"
    if deployed.verdict != "healthy":
        yield f"revision {deployed.number} was judged {deployed.verdict or 'by nobody'}"
    if not image.digest:
        yield f"{image.tagged} is not in the registry"
    record = deployed.record
    if record and record.chart != facts.chart:
        yield "the chart changed" if record.chart else f"revision {deployed.number} has no chart on record"
    found = changes(facts.released.values, release_values.release(values, image, pull_secret))
    of_image = [one for one in found if one.keys[0] == "image"]
    others = [dotted(one.keys) for one in found if one not in of_image]
    if of_image and image.digest:
        yield f"the image changed: {', '.join(dotted(one.keys) for one in of_image)}"
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        yield f"values changed: {', '.join(others[:NAMED])}{more}"


def _fields(drift: Sequence[Drift], name: str) -> str:
    return ", ".join(one.field or "it is gone" for one in drift if one.object == name)
