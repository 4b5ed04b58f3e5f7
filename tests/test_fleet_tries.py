"""What the tries of one target come to together, and what a signal leaves of a run on many: no cluster is asked."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import ExitCode, Interrupted, PreflightError
from deployer.fleet import Ended, Stopped, Told, after, roll
from deployer.model import Target
from deployer.plan.fleet import Fleet, Outcome, Wave
from deployer.plan.steps import Plan
from deployer.result import Event, Result
from deployer.stop import Stop

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


@pytest.mark.parametrize(
    ("looks", "outcome", "message"),
    [
        ((None, "nobody answers"), O, "nobody answers"),
        ((None, None), F, "2 checks failed"),
    ],
)
def test_who_goes_away_before_anything_was_touched_is_offline(
    looks: tuple[str | None, ...], outcome: Outcome, message: str
) -> None:
    """Between the first look at a target and the checks of its deed."""
    answers = iter(looks)

    def deed(name: str, tell: Callable[[Event], None]) -> Result:
        raise PreflightError("2 checks failed")

    def offline(name: str) -> PreflightError | None:
        said = next(answers)
        return PreflightError(said) if said else None

    fleet = Fleet("up", "edge", "web", (Wave("all", ("t1",)),))
    (found,) = roll(fleet, deed, offline, lambda event: None, lambda wave, following: "", Stop()).ended
    assert (found.outcome, found.code, found.message) == (outcome, ExitCode.PREFLIGHT, message)
    assert (str(found.error), found.changed) == (message, False)


def test_a_target_that_nobody_can_ask_has_failed() -> None:
    def offline(name: str) -> None:
        raise PreflightError("there is no kubeconfig")

    def deed(name: str, tell: Callable[[Event], None]) -> Result:
        raise AssertionError

    fleet = Fleet("up", "edge", "web", (Wave("all", ("t1",)),))
    (found,) = roll(fleet, deed, offline, lambda event: None, lambda wave, following: "", Stop()).ended
    assert (found.outcome, found.message) == (F, "there is no kubeconfig")


def test_a_second_signal_leaves_a_report() -> None:
    """What was done is told; what is still at work is as well, since it may have touched something."""
    told, over, free = threading.Event(), threading.Event(), threading.Event()

    def deed(name: str, tell: Callable[[Event], None]) -> Result:
        if name == "t1":
            return Result(PLAN, ExitCode.OK, "is done", 1.0, changed=True)
        assert over.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        assert told.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)
        free.wait(60)
        raise PreflightError("too late")

    def tell(event: Told) -> None:
        match event:
            case Ended("t1"):
                over.set()
            case Stopped():
                told.set()

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    fleet = Fleet("up", "edge", "web", (Wave("all", ("t1", "t2")), Wave("rest", ("t3",))))
    try:
        found = roll(fleet, deed, lambda name: None, tell, lambda wave, following: "", Stop())
    finally:
        free.set()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (found.code, found.changed, found.left) == (ExitCode.INTERRUPTED, True, ("t3",))
    assert [(one.target, one.outcome, one.code, one.changed) for one in found.ended] == [
        ("t1", D, ExitCode.OK, True),
        ("t2", F, ExitCode.INTERRUPTED, True),
    ]
