"""Where a rollback goes: a truth table."""

from pathlib import Path

import pytest

from deployer.errors import PreflightError
from deployer.model import Job, Record, Revision, Target
from deployer.plan.rollback import last_good, rollback
from deployer.plan.steps import Abandon, Rollback, Verify

TARGET = Target(Path("k"), "dev", "dev")
JOB = Job("", "ann")


def history(*revisions: str) -> tuple[Revision, ...]:
    """`"deployed"`, `"superseded healthy"`, `"superseded failed"`, `"superseded <1"` (what a rollback to 1 made)."""
    made = []
    for number, text in enumerate(revisions, 1):
        status, *words = text.split()
        verdict = next((word for word in words if not word.startswith("<")), None)
        back = next((word[1:] for word in words if word.startswith("<")), None)
        made.append(Revision(number, status, "", "web-1", f"Rollback to {back}" if back else "", verdict))
    return tuple(made)


@pytest.mark.parametrize(
    ("revisions", "good"),
    [
        ((), None),
        (("deployed",), 1),
        (("failed",), None),
        (("superseded", "failed"), 1),
        (("superseded", "pending-upgrade"), 1),
        (("superseded healthy", "deployed failed"), 1),
        (("superseded healthy", "superseded failed", "deployed"), 3),
        (("deployed indeterminate",), None),
    ],
)
def test_last_good(revisions: tuple[str, ...], good: int | None) -> None:
    found = last_good(history(*revisions))
    assert (found.number if found else None) == good


def goes_to(revisions: tuple[str, ...], to: int | None = None, *, force: bool = False) -> int:
    """The revision that is put back."""
    made = rollback("dev", "web", TARGET, history(*revisions), to, JOB, force=force)
    return next(step.deed.revision for step in made.steps if isinstance(step.deed, Rollback))


@pytest.mark.parametrize(
    ("revisions", "to"),
    [
        # what runs was an up: the newest good one before it
        (("superseded", "deployed"), 1),
        (("superseded", "superseded", "deployed"), 2),
        (("superseded", "failed", "deployed"), 1),
        (("superseded healthy", "superseded failed", "deployed failed"), 1),
        (("superseded healthy", "superseded progressing", "superseded paused", "deployed healthy"), 1),
        (("superseded healthy", "pending-upgrade"), 1),
        (("superseded healthy", "superseded failed", "superseded healthy <1", "deployed healthy"), 3),
        # what runs was put back after a failure: further back, not to what runs already
        (("superseded healthy", "superseded healthy", "superseded failed", "deployed <2 healthy"), 1),
        # … after a good revision that somebody left: still further back, never to what was left
        (("superseded healthy", "superseded healthy", "superseded healthy", "deployed <2 healthy"), 1),
        (("superseded healthy", "superseded failed", "superseded healthy", "deployed <1 healthy", "failed"), 4),
        # a rollback of a rollback of a rollback: 5 is 3 is 2
        (
            ("superseded healthy",) * 2 + ("superseded <2 healthy", "superseded failed", "deployed <3 healthy"),
            1,
        ),
        # … and an up after it: what was put back last, not what was left before
        (("superseded healthy",) * 2 + ("superseded <1 healthy", "deployed healthy"), 3),
        # a rollback that was judged failed: its content is no good any more
        (("superseded healthy", "superseded healthy", "superseded failed", "deployed <2 failed"), 1),
        # a rollback that did not come to its end: it is done again
        (("superseded healthy", "superseded healthy", "pending-rollback <1"), 1),
        (("superseded healthy", "superseded healthy", "superseded healthy", "failed <2"), 2),
        (("superseded healthy", "superseded failed", "pending-rollback <1"), 1),
        # … or that helm came to the end of, and nobody judged
        (("superseded healthy", "superseded healthy", "superseded failed", "deployed <2"), 2),
        (("superseded healthy", "superseded failed", "deployed <1"), 1),
    ],
)
def test_default_target(revisions: tuple[str, ...], to: int) -> None:
    assert goes_to(revisions) == to


@pytest.mark.parametrize(
    "revisions", [("deployed",), ("failed", "deployed"), ("superseded failed", "deployed healthy")]
)
def test_nothing_to_go_back_to(revisions: tuple[str, ...]) -> None:
    with pytest.raises(PreflightError, match=f"revision {len(revisions)} of web has no good revision before it"):
        goes_to(revisions)


def test_nothing_to_go_back_to_after_a_rollback() -> None:
    with pytest.raises(PreflightError, match="itself a rollback to what revision 1 was, which has no good") as caught:
        goes_to(("superseded healthy", "superseded healthy", "deployed <1 healthy"))
    assert caught.value.hint == "`--to 2` returns to what was left then"
    with pytest.raises(PreflightError, match="itself a rollback") as caught:
        goes_to(("superseded healthy", "superseded failed", "deployed <1 healthy"))
    assert caught.value.hint == "deploy a good version with `deploy up`"


def test_a_rollback_of_a_rollback_says_how_to_return() -> None:
    made = rollback("dev", "web", TARGET, history(*("superseded healthy",) * 3, "deployed <2 healthy"), None, JOB)
    assert made.notes == (
        "revision 4 → what revision 1 was",
        "revision 4 was a rollback from revision 3, so this goes further back; `--to 3` returns to what was left",
    )


HISTORY = ("superseded healthy", "superseded failed", "superseded healthy", "deployed <1 healthy")


@pytest.mark.parametrize(
    ("revisions", "to", "said"),
    [
        (HISTORY, 2, "revision 2 of web was judged failed"),
        (HISTORY, 4, "revision 4 of web is the present one"),
        (HISTORY, 1, "revision 1 of web is what revision 4 is already"),
        (("superseded", "pending-upgrade", "deployed"), 2, "revision 2 of web is failed"),
        (("superseded", "failed", "deployed"), 2, "revision 2 of web is failed"),
        (("superseded", "superseded indeterminate", "deployed"), 2, "revision 2 of web was judged indeterminate"),
    ],
)
def test_a_revision_that_is_refused_unless_forced(revisions: tuple[str, ...], to: int, said: str) -> None:
    with pytest.raises(PreflightError, match=said) as caught:
        goes_to(revisions, to)
    assert (caught.value.hint or "").startswith("--force ")
    assert goes_to(revisions, to, force=True) == to


@pytest.mark.parametrize(
    ("revisions", "to"),
    [(HISTORY, 3), (("superseded healthy", "deployed failed <1"), 1), (("superseded healthy", "failed"), 1)],
)
def test_a_revision_that_is_named(revisions: tuple[str, ...], to: int) -> None:
    assert goes_to(revisions, to) == to


def test_why_a_revision_was_no_good() -> None:
    bad = Revision(1, "superseded", "", "web-1", "", "failed", Record("failed", cause="exit 1"))
    with pytest.raises(PreflightError, match="revision 1 of web was judged failed: exit 1"):
        rollback("dev", "web", TARGET, (bad, *history("failed", "deployed")[1:]), 1, JOB)


def test_what_a_killed_run_left_is_put_right_first() -> None:
    made = rollback("dev", "web", TARGET, history("superseded healthy", "pending-upgrade"), None, JOB)
    assert [type(step.deed) for step in made.steps] == [Abandon, Rollback, Verify]


def test_no_release() -> None:
    with pytest.raises(PreflightError, match="there is no release web"):
        rollback("dev", "web", TARGET, (), None, JOB)


def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(PreflightError, match="has no revision 7"):
        rollback("dev", "web", TARGET, history("superseded", "deployed"), 7, JOB)
