"""`deploy rollback`, and what is put back after a failed rollout."""

from collections.abc import Iterator
from dataclasses import replace

from deployer.errors import PreflightError
from deployer.model import Job, Record, Revision, Target
from deployer.plan import canary, repair
from deployer.plan.facts import current
from deployer.plan.steps import Plan, Revert, Rollback, Step, Sync, Verify


def good(revision: Revision) -> bool:
    """Judged healthy; where nobody judged, seen through by helm. Never one that is midway between two versions."""
    if revision.canary:
        return False
    if revision.verdict is None:
        return revision.status in ("deployed", "superseded")
    return revision.verdict == "healthy"


def last_good(history: tuple[Revision, ...]) -> Revision | None:
    """The newest good revision."""
    return next(filter(good, reversed(history)), None)


def steps(revision: Revision, history: tuple[Revision, ...], keep: int = 0) -> tuple[Step, ...]:
    """Put a revision back, in the way it came, and watch it to healthy. `keep`: revisions that helm keeps at least."""
    if revision.commit:
        return (
            Step("revert", Revert(revision.number, revision.commit)),
            Step("sync", Sync("ended")),
            Step("rollout", Verify()),
        )
    put_back = Step("rollback", Rollback(revision.number, max(keep, canary.room(history, revision))))
    return (put_back, *canary.clearing(history, "rollback"), Step("rollback", Verify("deleted")))


def rollback(
    environment: str,
    release: str,
    target: Target,
    history: tuple[Revision, ...],
    to: int | None,
    job: Job,
    *,
    force: bool = False,
) -> Plan:
    """The plan of a rollback to a revision, or to the last good one before the present one.

    `force` allows a revision that was not good, or that runs already. Raises PreflightError where there is nothing to
    go back to, or where the revision named is refused.
    """
    mending, history = repair.steps(history), repair.settled(history)
    deployed = current(history)
    if deployed is None:
        raise PreflightError(f"there is no release {release} in {target.namespace}, so nothing to roll back")
    chosen = _before(release, deployed, history) if to is None else _named(release, deployed, history, to, force=force)
    return Plan(
        verb="rollback",
        environment=environment,
        target=target,
        release=release,
        steps=(*mending, *steps(chosen, history)),
        previous=deployed.number,
        record=again(chosen, job),
        notes=tuple(_notes(deployed, chosen, history, to)),
    )


def content(revision: Revision, history: tuple[Revision, ...]) -> int:
    """The revision whose content this one has, through rollbacks of rollbacks; it may be pruned already."""
    known = {one.number: one for one in history}
    number = revision.number
    while (found := known.get(number)) and found.origin < number:
        number = found.origin
    return number


def _before(release: str, deployed: Revision, history: tuple[Revision, ...]) -> Revision:
    """Where a rollback goes that names no revision.

    Whoever rolls back leaves what runs. So after a rollback the next one goes further back, never to what was left;
    a rollback that did not come to its end is done again, and so is one that nobody judged: whoever was to may have
    been killed when helm was through.
    """
    present = content(deployed, history)
    candidates = history[:-1]
    if present != deployed.number:
        judged = deployed.verdict is not None
        candidates = tuple(one for one in candidates if content(one, history) < present + (not judged))
    found = last_good(candidates)
    if found:
        return found
    if present == deployed.number:
        raise PreflightError(
            f"revision {deployed.number} of {release} has no good revision before it to go back to",
            hint="deploy a good version with `deploy up`",
        )
    left = _left(deployed, history)
    raise PreflightError(
        f"revision {deployed.number} of {release} is itself a rollback to what revision {present} was, "
        "which has no good revision before it to go back to",
        hint=f"`--to {left.number}` returns to what was left then"
        if left
        else "deploy a good version with `deploy up`",
    )


def _named(release: str, deployed: Revision, history: tuple[Revision, ...], to: int, *, force: bool) -> Revision:
    chosen = next((revision for revision in history if revision.number == to), None)
    if chosen is None:
        kept = ", ".join(str(revision.number) for revision in history)
        raise PreflightError(f"{release} has no revision {to}", hint=f"revisions that are kept: {kept}")
    if force:
        return chosen
    if not good(chosen):
        cause = f": {chosen.record.cause}" if chosen.record and chosen.record.cause else ""
        if chosen.canary and chosen.verdict in (None, "canary"):
            raise PreflightError(
                f"revision {to} of {release} is midway between two versions ({chosen.canary})",
                hint="--force puts it back all the same",
            )
        state = f"was judged {chosen.verdict}" if chosen.verdict else f"is {chosen.status}"
        raise PreflightError(f"revision {to} of {release} {state}{cause}", hint="--force puts it back all the same")
    if content(chosen, history) == content(deployed, history) and good(deployed):
        what = "is the present one" if chosen is deployed else f"is what revision {deployed.number} is already"
        raise PreflightError(
            f"revision {to} of {release} {what}, so nothing to go back to", hint="--force releases it again"
        )
    return chosen


def _notes(deployed: Revision, chosen: Revision, history: tuple[Revision, ...], to: int | None) -> Iterator[str]:
    midway = f" ({deployed.canary})" if deployed.canary else ""
    yield f"revision {deployed.number}{midway} → what revision {chosen.number} was"
    left = _left(deployed, history)
    if to is None and left and left.number != chosen.number and content(deployed, history) != content(chosen, history):
        yield (
            f"revision {deployed.number} was a rollback from revision {left.number}, so this goes further back; "
            f"`--to {left.number}` returns to what was left"
        )


def _left(deployed: Revision, history: tuple[Revision, ...]) -> Revision | None:
    """The revision that a rollback left; None where it was no rollback, or that revision was not good."""
    before = next((one for one in reversed(history) if one.number < deployed.number), None)
    return before if before and deployed.origin != deployed.number and good(before) else None


def again(chosen: Revision, job: Job) -> Record:
    """The facts of what is put back, under the name of who puts it back."""
    return replace(
        chosen.record or Record(), verb="rollback", actor=job.actor, job=job.url, cause="", overrides={}, commit=""
    )
