"""What the tries of one target come to together, and what a signal leaves of a run on many: no cluster is asked."""

from pathlib import Path

import pytest

from deployer.errors import ExitCode, PreflightError
from deployer.fleet import Ended, after
from deployer.model import Target
from deployer.plan.fleet import Outcome
from deployer.plan.steps import Plan
from deployer.result import Result

D, U, F, O = Outcome.DONE, Outcome.UNCHANGED, Outcome.FAILED, Outcome.OFFLINE  # noqa: E741  # as in the table
PLAN = Plan("up", "edge", Target(Path("/k"), "c", "shop"), "web", ())


def ended(outcome: Outcome, code: ExitCode, message: str, tries: int, *, changed: bool = False) -> Ended:
    """A try: one without a change ended before its first deed."""
    result = Result(PLAN, code, message, 1.0, changed=True) if changed else None
    error = None if changed or outcome in (D, U) else PreflightError(message)
    return Ended("t1", "all", outcome, code, message, 1.0, tries, result, error, changed=changed)


SICK = ended(F, ExitCode.UNHEALTHY, "it is sick", 1, changed=True)
LOCKED = ended(F, ExitCode.LOCKED, "it is locked", 2)
AWAY = ended(O, ExitCode.PREFLIGHT, "nobody answers", 2)

TRIES = [
    ("failed, then away", SICK, AWAY, F, ExitCode.UNHEALTHY, "it is sick; then nobody answers", True),
    ("refused, then away", LOCKED, AWAY, F, ExitCode.LOCKED, "it is locked; then nobody answers", False),
    ("away, then away", AWAY, AWAY, O, ExitCode.PREFLIGHT, "nobody answers", False),
    ("failed, then locked", SICK, LOCKED, F, ExitCode.LOCKED, "it is locked", True),
    ("failed, then there already", SICK, ended(U, ExitCode.OK, "runs", 2), D, ExitCode.OK, "runs", True),
    ("locked, then there already", LOCKED, ended(U, ExitCode.OK, "runs", 3), U, ExitCode.OK, "runs", False),
]


@pytest.mark.parametrize(
    ("earlier", "one", "outcome", "code", "message", "changed"),
    [row[1:] for row in TRIES],
    ids=[row[0] for row in TRIES],
)
def test_two_tries(earlier: Ended, one: Ended, outcome: Outcome, code: ExitCode, message: str, changed: bool) -> None:
    found = after(earlier, one)
    assert (found.outcome, found.code, found.message, found.changed) == (outcome, code, message, changed)
    assert (found.tries, found.seconds, found.result) == (one.tries, 2.0, earlier.result)


def test_a_third_try_that_reaches_nobody_says_so_once() -> None:
    assert after(after(SICK, AWAY), AWAY).message == "it is sick; then nobody answers"
