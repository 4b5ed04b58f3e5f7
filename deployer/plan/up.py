"""`deploy up`: from a commit to a judged release."""

from collections.abc import Collection
from pathlib import Path

from deployer.model import Command, Record, Target, Values
from deployer.plan import build, canary, metrics, repair, rollback
from deployer.plan.facts import Facts, current
from deployer.plan.steps import Observe, Plan, PullSecret, Routed, Step, Upgrade, Verify
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
    if pull_secret:
        steps.append(Step("release", PullSecret(pull_secret)))
    good = rollback.last_good(history)
    recovery: tuple[Step, ...] = ()
    if profile.rollback.automatic and good:
        recovery = rollback.steps(good.number)
    base = canary.wanted(profile, facts, values, pull_secret)
    if base:
        in_steps = canary.steps(profile, facts, base, values, pull_secret)
        notes += canary.notes(profile, facts, base, in_steps)
        steps += in_steps
        recovery = (*rollback.steps(base.revision.number, canary.kept(in_steps)), Step("rollback", Routed()))
    else:
        notes += canary.skipped(profile, facts)
        steps.append(Step("release", Upgrade(values, facts.rendered)))
        if watched := metrics.guards(profile):
            steps += [Step("rollout", Verify(healthy="observed")), Step("metrics", Observe(watched))]
        else:
            steps.append(Step("rollout", Verify()))
        steps += canary.clearing(facts.history)
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
