"""What is put right before the next deed, for every way a killed run leaves a release."""

from pathlib import Path

import pytest

from deployer.errors import PreflightError
from deployer.model import Job, Revision, Target
from deployer.plan import repair
from deployer.plan.rollback import rollback
from deployer.plan.steps import Abandon, Rollback


def history(*statuses: str) -> tuple[Revision, ...]:
    return tuple(Revision(number, status, "", "web-1") for number, status in enumerate(statuses, 1))


@pytest.mark.parametrize(
    ("found", "deeds", "after"),
    [
        ((), [], []),
        (("deployed",), [], ["deployed"]),
        (("superseded", "failed"), [], ["superseded", "failed"]),
        (("pending-install",), [Abandon(1, "pending-install", removed=True)], []),
        (("uninstalled", "pending-install"), [Abandon(2, "pending-install", removed=True)], ["uninstalled"]),
        (("deployed", "pending-upgrade"), [Abandon(2, "pending-upgrade", removed=False)], ["deployed", "failed"]),
        (("deployed", "pending-rollback"), [Abandon(2, "pending-rollback", removed=False)], ["deployed", "failed"]),
        (("uninstalling",), [Abandon(1, "uninstalling", removed=False)], ["failed"]),
        (
            ("deployed", "pending-upgrade", "pending-rollback"),
            [Abandon(2, "pending-upgrade", removed=False), Abandon(3, "pending-rollback", removed=False)],
            ["deployed", "failed", "failed"],
        ),
    ],
)
def test_repair(found: tuple[str, ...], deeds: list[Abandon], after: list[str]) -> None:
    steps = repair.steps(history(*found))
    assert [step.deed for step in steps] == deeds
    assert {step.stage for step in steps} <= {"repair"}
    settled = repair.settled(history(*found))
    assert [revision.status for revision in settled] == after
    assert repair.steps(settled) == ()


def test_a_rollback_repairs_first_and_goes_to_what_was_good() -> None:
    target = Target(Path("k"), "dev", "dev")
    plan = rollback("dev", "web", target, history("superseded", "deployed", "pending-upgrade"), None, Job("", "ann"))
    assert [step.deed for step in plan.steps][:2] == [Abandon(3, "pending-upgrade", removed=False), Rollback(2)]
    with pytest.raises(PreflightError, match="there is no release"):
        rollback("dev", "web", target, history("pending-install"), None, Job("", "ann"))
