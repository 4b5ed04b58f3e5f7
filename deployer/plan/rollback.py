"""`deploy rollback`, and what is put back after a failed rollout."""

from dataclasses import replace

from deployer.errors import PreflightError
from deployer.model import Job, Record, Revision, Target
from deployer.plan import repair
from deployer.plan.facts import current
from deployer.plan.steps import Plan, Rollback, Step, Verify


def last_good(history: tuple[Revision, ...]) -> Revision | None:
    """The newest revision that was judged healthy; where nobody judged, the newest that helm saw through."""
    for revision in reversed(history):
        if revision.verdict == "healthy" or (
            revision.verdict is None and revision.status in ("deployed", "superseded")
        ):
            return revision
    return None


def steps(revision: int) -> tuple[Step, ...]:
    """Put a revision back and watch it to healthy."""
    return (Step("rollback", Rollback(revision)), Step("rollback", Verify("deleted")))


def rollback(
    environment: str, release: str, target: Target, history: tuple[Revision, ...], to: int | None, job: Job
) -> Plan:
    """The plan of a rollback to a revision, or to the last good one before the present one.

    Raises PreflightError where there is nothing to go back to.
    """
    mending, history = repair.steps(history), repair.settled(history)
    deployed = current(history)
    if deployed is None:
        raise PreflightError(f"there is no release {release} in {target.namespace}, so nothing to roll back")
    earlier = history[:-1]
    if to is None:
        good = last_good(tuple(r for r in earlier if r.origin != deployed.origin))
        if good is None:
            raise PreflightError(
                f"revision {deployed.number} of {release} has no good revision before it to go back to",
                hint="deploy a good version with `deploy up`",
            )
        to = good.number
    chosen = next((revision for revision in history if revision.number == to), None)
    if chosen is None:
        kept = ", ".join(str(revision.number) for revision in history)
        raise PreflightError(f"{release} has no revision {to}", hint=f"revisions that helm keeps: {kept}")
    return Plan(
        verb="rollback",
        environment=environment,
        target=target,
        release=release,
        steps=(*mending, *steps(to)),
        previous=deployed.number,
        record=again(chosen, job),
        notes=(f"revision {deployed.number} → what revision {to} was",),
    )


def again(chosen: Revision, job: Job) -> Record:
    """The facts of what is put back, under the name of who puts it back."""
    return replace(chosen.record or Record(), verb="rollback", actor=job.actor, job=job.url, cause="", overrides={})
