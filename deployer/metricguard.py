"""Watch metrics for a while: ask, judge, tell, until a guard is breached or the time is over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from deployer.errors import DeployError, Interrupted
from deployer.health.verdict import Verdict
from deployer.metrics import judge
from deployer.metrics.judge import Guard, Look, Reading, Series, State
from deployer.metrics.query import Side, filled
from deployer.result import Event, Measured


class Ask(Protocol):
    """The door to Prometheus: a query, at a moment (seconds since the epoch) or now. Raises DeployError."""

    def __call__(self, promql: str, at: float | None = None) -> Series:
        """The value of each series."""


@dataclass(frozen=True)
class Watched:
    """How the watch ended. HEALTHY: nothing speaks against it; FAILED: a breach; INDETERMINATE: nobody answered."""

    verdict: Verdict
    headline: str
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...] = ()  # guards that could not be judged, and why


def watch(
    ask: Ask,
    guards: Sequence[Guard],
    present: Side,
    previous: Side | None,
    *,
    duration: float,
    tell: Callable[[Event], None],
    alive: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Watched:
    """Watch the guards for so many seconds, or until the first is breached.

    `previous`: whom the present side is compared with; None: nobody, so only absolute bounds count. `alive` is called
    before each look and may raise (the lease is lost). Never raises for what Prometheus says or does not say.
    """
    began = clock()
    readings = {one.name: Reading(one.name, filled(one.query, present, one.window)) for one in guards}
    baselines: dict[str, Series] = {}
    due, failed = dict.fromkeys(readings, 0.0), dict.fromkeys(readings, 0)
    while True:
        alive()
        away = ""
        for guard in sorted(guards, key=lambda one: failed[one.name]):  # one bad query does not blind the others
            if due[guard.name] > clock() - began:
                continue
            seen, before = Look(clock() - began, None, trouble=away), readings[guard.name]
            if not away:
                seen = _look(ask, guard, present, previous, baselines, seen.at)
                away = seen.trouble
                failed[guard.name] += bool(away)
            readings[guard.name] = judge.judge(guard, before, seen)
            due[guard.name] = clock() - began + guard.interval
            tell(Measured(readings[guard.name], guard.fail_after, max(0.0, duration - (clock() - began))))
            if readings[guard.name].state is State.BREACHED:
                return _breached(tuple(readings.values()))
        left = duration - (clock() - began)
        if left <= 0:
            return _ended(guards, readings, duration)
        pause = min(min(due.values()) - (clock() - began), left)
        sleep(max(0.05, pause))


def _look(
    ask: Ask, guard: Guard, present: Side, previous: Side | None, baselines: dict[str, Series], at: float
) -> Look:
    """One look; what the previous revision had is asked once, since it does not change any more."""
    try:
        if guard.compares and previous is not None and guard.name not in baselines:
            found = ask(filled(guard.query, previous, guard.window), previous.at)
            if previous.at is None:  # it serves beside the present one
                return Look(at, ask(filled(guard.query, present, guard.window), present.at), found)
            baselines[guard.name] = found
        return Look(at, ask(filled(guard.query, present, guard.window), present.at), baselines.get(guard.name))
    except Interrupted:
        raise
    except DeployError as error:
        return Look(at, None, trouble=error.message)


def _breached(readings: tuple[Reading, ...]) -> Watched:
    first = next(one for one in readings if one.state is State.BREACHED)
    return Watched(Verdict.FAILED, judge.breach(first), readings)


def _ended(guards: Sequence[Guard], found: dict[str, Reading], lasted: float) -> Watched:
    readings = tuple(replace(found[one.name], state=judge.ended(one, found[one.name], lasted)) for one in guards)
    if any(one.state is State.BREACHED for one in readings):
        return _breached(readings)
    warnings = [
        f"metric {one.name} had no data, so it was not judged" for one in readings if one.state is State.NO_DATA
    ]
    doubtful = [one for one in readings if one.state is State.UNANSWERED]
    if not doubtful:
        return Watched(Verdict.HEALTHY, _within(readings), readings, tuple(warnings))
    headline = f"the metrics were not judged: {doubtful[0].trouble or 'there was no time to ask'}"
    return Watched(Verdict.INDETERMINATE, headline, readings, tuple(warnings))


def _within(readings: Sequence[Reading]) -> str:
    values = [f"{one.name} {judge.number(one.value)}" for one in readings if one.value is not None]
    return ", ".join(values) + " within bounds" if values else "no metric had data"
