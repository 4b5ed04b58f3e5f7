"""Where a rollback goes: a truth table."""

from pathlib import Path

import pytest

from deployer.errors import PreflightError
from deployer.model import Job, Revision, Target
from deployer.plan.rollback import last_good, rollback
from deployer.plan.steps import Rollback

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


@pytest.mark.parametrize(
    ("revisions", "to"),
    [
        (("superseded", "deployed"), 1),
        (("superseded", "superseded", "deployed"), 2),
        (("superseded", "failed", "deployed"), 1),
        (("superseded healthy", "superseded failed", "deployed failed"), 1),
        # 2 was bad, 3 put 1 back: going back again must not land on 1, which is what runs
        (("superseded healthy", "superseded healthy", "superseded failed", "deployed <2 healthy"), 1),
    ],
)
def test_default_target(revisions: tuple[str, ...], to: int) -> None:
    assert rollback("dev", "web", TARGET, history(*revisions), None, JOB).steps[0].deed == Rollback(to)


@pytest.mark.parametrize("revisions", [("deployed",), ("failed", "deployed"), ("superseded", "deployed <1")])
def test_nothing_to_go_back_to(revisions: tuple[str, ...]) -> None:
    with pytest.raises(PreflightError, match="no good revision before it"):
        rollback("dev", "web", TARGET, history(*revisions), None, JOB)


def test_no_release() -> None:
    with pytest.raises(PreflightError, match="there is no release web"):
        rollback("dev", "web", TARGET, (), None, JOB)


def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(PreflightError, match="has no revision 7"):
        rollback("dev", "web", TARGET, history("superseded", "deployed"), 7, JOB)
