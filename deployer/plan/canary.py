"""A release in steps: the new version runs beside the stable one, and gets more and more of the requests. Pure.

Each step is a revision of helm's. Until the new version has been seen through all of them, a revision has the values of
the stable version, as helm has them on record, and under `canary` what the chart needs to run the other beside it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.errors import PreflightError
from deployer.health.verdict import Verdict
from deployer.metrics.judge import Guard
from deployer.model import Canary, Revision, Values
from deployer.plan import metrics
from deployer.plan import values as release_values
from deployer.plan.facts import Base, Facts
from deployer.plan.steps import Clear, Hold, Observe, Portion, Routed, Step, Upgrade, Verify
from deployer.profile import Profile
from deployer.values.compare import changes
from deployer.values.merge import merge

KEY = "canary"
"""The key in the values that the chart reads all of it from."""

COUNTS = frozenset({KEY, "replicaCount", "autoscaling", "podDisruptionBudget"})
"""Keys that are never about what a pod runs: the canary's are the stable version's."""

ROUTES = {
    "httproute": ("gateway.networking.k8s.io", "HTTPRoute", "values.httpRoute.enabled and parentRefs"),
    "istio": ("networking.istio.io", "VirtualService", "values.istio.enabled"),
}
"""What splits the requests: API group, kind, and the values that make it."""

LEAVING = 5.0
"""Seconds that the second version stays without requests: a proxy that has not heard of it yet still sends some."""

ROOM = 3
"""Revisions that helm keeps beside those of a canary: the one before it, and two for what may go wrong."""


def standing(values: Values) -> Canary | None:
    """Where a revision with these values stands between two versions; None where it has one.

    Other charts know a `canary.enabled` of their own, which is none of ours: we always say the step too.
    """
    found = values.get(KEY)
    if not isinstance(found, Mapping) or not found.get("enabled") or not {"step", "steps"} <= found.keys():
        return None
    weight, step, steps = (_number(found.get(key)) for key in ("weight", "step", "steps"))
    return Canary(weight, step, steps)


def steps(profile: Profile, facts: Facts, base: Base, given: Values, pull_secret: str | None) -> tuple[Step, ...]:
    """From the stable version to the new one; where a killed run has come some of the way, from there on.

    Where there are metric guards, they watch each step for its pause: afterwards nothing is left to compare with.
    `given`: the values of the new version. `pull_secret`: the name that the release gets, None without a login.
    """
    portions = _portions(profile, base, facts.history)
    begin = _reached(portions, facts, given, pull_secret)
    pauses = [0.0, *(step.pause for step in profile.canary.steps), 0.0, LEAVING]
    guards = _guards(profile)
    made: list[Step] = []
    for portion, pause in list(zip(portions, pauses, strict=True))[begin:]:
        stage = f"canary {portion.weight}%"
        if portion.promoted:
            stage = "stable" if portion.weight else "release"
        made += [Step(stage, Upgrade(given, facts.midway, portion)), Step(stage, Verify()), Step(stage, Routed())]
        watched = guards and not portion.promoted
        made += [Step(stage, Observe(guards, pause) if watched else Hold(pause))] if pause else []
    made.append(Step("release", Upgrade(given, facts.rendered, keep=portions[-1].keep)))
    return (*made, *clearing(facts.history, "rollout"), Step("rollout", Verify()), Step("rollout", Routed()))


def wanted(profile: Profile, facts: Facts, given: Values, pull_secret: str | None) -> Base | None:
    """What the canary stands on; None where there is to be none: nothing runs yet, or no pod would be another."""
    base = facts.base
    if profile.strategy != "canary" or base is None or facts.same_pods:
        return None
    new = release_values.release(given, facts.image, pull_secret)
    return base if not facts.image.digest or _differing(base, new) else None


def layered(portion: Portion, new: Values) -> Values:
    """The values of a revision of the canary; `new`: those of the new version, its image included."""
    base = portion.base
    section = {
        "enabled": True,
        "weight": portion.weight,
        "share": portion.share,
        **({"replicas": portion.replicas} if portion.replicas else {}),
        "step": portion.step,
        "steps": portion.steps,
    }
    if portion.promoted:
        return {**new, KEY: section}
    complete = _complete(base.defaults, new)
    # A map without anything in it, where the new version has nothing: a null would leave the stable version's.
    differing = {key: {} if complete.get(key) is None else complete[key] for key in _differing(base, new)}
    return {**base.values, KEY: {**section, "values": differing}}


@dataclass(frozen=True)
class Trial:
    """A revision that the chart is to make of a canary, before any is made."""

    values: Values = field(repr=False)
    where: str  # " beside revision 4"
    hint: str  # what to do where the chart makes no canary of them


def trials(profile: Profile, base: Base | None, history: Sequence[Revision], new: Values) -> tuple[Trial, ...]:
    """What a chart is tried with; `base`: what the canary stands on, None where there is to be none yet."""
    hint = "docs/canary.md says what a chart needs"
    if base is None:
        return (Trial({**new, KEY: {"enabled": True, "weight": 1}}, "", hint),)
    portions = _portions(profile, base, history)
    lacking = (
        "until the last step the stable pods, and the route, have the values of that revision: release what they lack "
        "with `strategy: rolling` once, then go on with canaries"
    )
    beside = f" beside revision {base.revision.number}"
    return (Trial(layered(portions[-1], new), "", hint), Trial(layered(portions[1], new), beside, lacking))


def secrets(paths: Iterable[str]) -> set[str]:
    """The paths of secret values, and those where a revision of a canary has them for the new version."""
    return {where for path in paths for where in (path, f"{KEY}.values.{path}")}


def kept(made: Sequence[Step]) -> int:
    """How many revisions helm keeps while these steps are done."""
    return max(step.deed.keep for step in made if isinstance(step.deed, Upgrade))


def notes(profile: Profile, facts: Facts, base: Base, made: Sequence[Step]) -> Iterator[str]:
    """What people should know of a release in steps."""
    portions = [step.deed.portion for step in made if isinstance(step.deed, Upgrade) and step.deed.portion]
    weights = ", ".join(f"{step.weight} %" for step in profile.canary.steps)
    yield f"canary beside revision {base.revision.number}: {weights} of the requests, then all"
    if portions and portions[0].step:
        left = facts.history[-1]
        yield f"revision {left.number} of a killed run is this very release, {left.canary}: it goes on from there"
    yield from unwatched(profile)
    record = base.revision.record
    if record and record.chart and record.chart != facts.chart:
        yield "the chart changed: what it changes of the stable pods reaches them at once, before any step"


def skipped(profile: Profile, facts: Facts) -> Iterator[str]:
    """Why a release is in no steps, though the profile says so."""
    if profile.strategy != "canary":
        return
    if facts.base is None:
        yield "no good version runs yet, so there is nothing to run a canary beside: released at once"
    else:
        yield "no pod would run anything else, so there is no canary: released at once"


def clearing(history: Sequence[Revision], stage: str) -> tuple[Step, ...]:
    """What a canary that did not come to its end may have left, where there was one since the newest good revision.

    To be done before the verdict is on record: a run that ends in between is not taken for one that came to its end.
    """
    for revision in reversed(history):
        if revision.canary:
            return (Step(stage, Clear()),)
        if revision.verdict == "healthy":
            break
    return ()


def room(history: Sequence[Revision], good: Revision) -> int:
    """How many revisions helm has to keep for that one to be among them; 0 where no canary came after it."""
    since = [one for one in history if one.number > good.number]
    return len(since) + ROOM if any(one.canary for one in since) else 0


def demand(route: str, chart: str, trial: Trial, manifest: Sequence[Mapping[str, Any]]) -> None:
    """That a chart, rendered with a canary, splits requests. Raises PreflightError that says what it lacks."""
    group, kind, values = ROUTES[route]
    split = [one for one in manifest if is_route(one) and one["kind"] == kind and _backends(one) > 1]
    if not split:
        raise PreflightError(
            f"chart {chart} makes no {kind}.{group} that splits requests{trial.where} (canary.route: {route})",
            hint=f"set {values}; {trial.hint}",
        )
    if sum(one.get("kind") == "Deployment" for one in manifest) < 2:
        raise PreflightError(f"chart {chart} makes no second Deployment for the canary{trial.where}", hint=trial.hint)


def unwatched(profile: Profile) -> Iterator[str]:
    """Guards that a step cannot fail by, so short is its pause."""
    for guard in _guards(profile):
        short = [f"{step.weight} %" for step in profile.canary.steps if step.pause <= metrics.least(guard)]
        if short:
            yield (
                f"at {', '.join(short)} the pause is too short for metric {guard.name} to fail the step: "
                f"{metrics.takes(guard)}"
            )


def is_route(item: Mapping[str, Any]) -> bool:
    """Whether it is one of the objects that say where requests go."""
    group = str(item.get("apiVersion", "")).partition("/")[0]
    return (group, item.get("kind")) in {(group, kind) for group, kind, _ in ROUTES.values()}


def _backends(route: Mapping[str, Any]) -> int:
    spec = route.get("spec") or {}
    http = [len(rule.get("route") or ()) for rule in spec.get("http") or ()]
    return max([len(rule.get("backendRefs") or ()) for rule in spec.get("rules") or ()] + http, default=0)


def _guards(profile: Profile) -> tuple[Guard, ...]:
    return metrics.guards(profile, max((step.pause for step in profile.canary.steps), default=0))


def _portions(profile: Profile, base: Base, history: Sequence[Revision]) -> list[Portion]:
    settings = profile.canary
    count, heaviest = len(settings.steps), max(step.weight for step in settings.steps)
    share = heaviest if settings.share is None else math.ceil(settings.share * 100)
    since = sum(one.number > base.revision.number for one in history)
    keep = max(profile.release.history_max, since + count + 4 + ROOM)
    weights = [0, *(step.weight for step in settings.steps), settings.steps[-1].weight, 0]
    return [
        Portion(base, weight, share, settings.replicas, step, count, promoted=step > count, keep=keep)
        for step, weight in enumerate(weights)
    ]


def _reached(portions: Sequence[Portion], facts: Facts, given: Values, pull_secret: str | None) -> int:
    """The step that a killed run of the very same release was at; it is done again as a whole.

    One that was judged failed is none to go on from, though nobody came to take it back. With another chart it is
    another release. A revision that was not judged has no record, and the one before it tells.
    """
    records = [one.record for one in facts.history if one.canary and one.record and one.record.chart]
    if not facts.released or not facts.image.digest or (records and records[-1].chart != facts.chart):
        return 0
    if facts.history[-1].verdict in (Verdict.FAILED, Verdict.PROGRESSING):
        return 0
    new = release_values.release(given, facts.image, pull_secret)
    there = facts.released.values
    return next((n for n, one in enumerate(portions) if not changes(layered(one, new), there)), 0)


def _differing(base: Base, new: Values) -> list[str]:
    before, after = _complete(base.defaults, base.values), _complete(base.defaults, new)
    return [key for key in sorted({*before, *after} - COUNTS) if changes({key: before.get(key)}, {key: after.get(key)})]


def _complete(defaults: Values, given: Values) -> dict[str, Any]:
    """The values as a template gets them: nulls take defaults away."""
    return _present(merge(defaults, given))


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _present(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
