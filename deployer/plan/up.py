"""`deploy up`: from a commit to a judged release."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from deployer.model import Command, Record, Revision, Target, Values
from deployer.plan import build, canary, gitops, metrics, repair, rollback
from deployer.plan.facts import Facts, current
from deployer.plan.steps import Commit, Observe, Plan, PullSecret, Routed, Step, Sync, Upgrade, Verify
from deployer.profile import Profile
from deployer.values.fingerprint import fingerprint


def up(
    environment: str,
    profile: Profile,
    facts: Facts,
    *,
    project: Path,
    target: Target,
    values: Values,
    login: Command | None,
    secrets: Collection[str] = (),
    because: tuple[str, ...] = (),
) -> Plan:
    """The plan of an `up` that releases. `secrets`: paths of the secret values; `because`: why."""
    image, history = facts.image, repair.settled(facts.history)
    deployed = current(history)
    steps: list[Step] = [*repair.steps(facts.history)]
    notes = [f"to be released: {one}" for one in because] if deployed else []
    if image.digest:
        notes.append(build.unbuilt(image))
    else:
        steps += build.steps(profile, facts, project, login)
    pull_secret = profile.registry.pull_secret if login else None
    if pull_secret and profile.delivery == "helm":
        steps.append(Step("release", PullSecret(pull_secret)))
    good = rollback.last_good(history)
    recovery: tuple[Step, ...] = ()
    if profile.rollback.automatic and good:
        recovery = rollback.steps(good, history)
    base = canary.wanted(profile, facts, values, pull_secret)
    if base:
        in_steps = canary.steps(profile, facts, base, values, pull_secret)
        notes += canary.notes(profile, facts, base, in_steps)
        steps += in_steps
        put_back = rollback.steps(base.revision, history, canary.kept(in_steps))
        recovery = (*put_back, Step("rollback", Routed("told")))
    else:
        notes += (*canary.skipped(profile, facts), *metrics.unwatched(profile))
        keep = canary.room(history, good) if good else 0
        steps += _release(environment, profile, facts, values, deployed, keep)
    return Plan(
        verb="up",
        environment=environment,
        target=target,
        release=profile.release.name,
        steps=tuple(steps),
        image=image,
        recovery=recovery,
        previous=deployed.number if deployed else None,
        record=Record(
            verb="up",
            image=image.reference,
            sha=facts.source.sha if facts.source else "",
            actor=facts.job.actor,
            job=facts.job.url,
            values=fingerprint(values, secrets),
            secrets=tuple(sorted(secrets)),
            chart=facts.chart,
        ),
        restores=rollback.again(good, facts.job) if good else Record(),
        notes=tuple(notes),
    )


def _release(
    environment: str,
    profile: Profile,
    facts: Facts,
    values: Values,
    deployed: Revision | None,
    keep: int,
) -> Iterator[Step]:
    match profile.delivery:
        case "helm":
            yield Step("release", Upgrade(values, facts.rendered, keep=keep))
        case "argocd":
            own = profile.argocd.push == "mergeRequest"
            yield Step("commit", Commit(values, gitops.proposal(profile.release.name, environment) if own else ""))
            # A sync to what has failed may wait for ever for pods that never come.
            yield Step("sync", Sync("ended" if deployed and deployed.verdict == "failed" else "awaited"))
    yield from canary.clearing(facts.history, "rollout")
    stuck: Literal["told", "awaited"] = "awaited" if profile.delivery == "helm" else "told"
    if watched := metrics.guards(profile):
        yield Step("rollout", Verify(stuck, healthy="observed"))
        yield Step("metrics", Observe(watched, profile.metrics.duration))
    else:
        yield Step("rollout", Verify(stuck))
