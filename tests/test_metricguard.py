"""The watch: when it ends, whom it asks, what it says of silence."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from deployer import metricguard
from deployer.errors import DeployError, Interrupted, LockedError
from deployer.health.verdict import Verdict
from deployer.metrics.judge import Guard, Series, State
from deployer.metrics.query import Side
from deployer.result import Event, Measured

NOW = Side("web", "shop", "dev", "new", 2)
THEN = Side("web", "shop", "dev", "old", 1, at=1000.0)
GUARD = Guard("errors", "errors $pods", maximum=1.0, max_ratio=2.0, interval=2, window=4, fail_after=2)


class World:
    """A clock that only sleep moves, and a Prometheus that says what a function says."""

    def __init__(self, answer: Callable[[str, float], float | None]) -> None:
        self.now, self.answer = 0.0, answer
        self.asked: list[tuple[str, float | None]] = []
        self.told: list[Event] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self, promql: str, at: float | None = None) -> Series:
        self.asked.append((promql, at))
        value = self.answer(promql, self.now)
        if value is None:
            raise DeployError("Prometheus does not answer")
        return {"{}": value}

    def watch(self, *guards: Guard, previous: Side | None = None, **more: Callable[[], None]) -> metricguard.Watched:
        return metricguard.watch(
            self.ask,
            guards,
            NOW,
            previous,
            duration=10,
            tell=self.told.append,
            clock=lambda: self.now,
            sleep=self.sleep,
            **more,
        )


def test_good_metrics_are_watched_to_the_end() -> None:
    world = World(lambda _, __: 0.0)
    seen = world.watch(GUARD)
    assert seen.verdict is Verdict.HEALTHY
    assert world.now == 10
    assert seen.readings[0].looks == 6
    assert seen.headline == "errors 0 within bounds"
    assert [type(one) for one in world.told] == [Measured] * 6


def test_a_breach_ends_it_at_once() -> None:
    world = World(lambda _, at: 5.0 if at >= 4 else 0.0)
    seen = world.watch(GUARD)
    assert seen.verdict is Verdict.FAILED
    assert world.now == 6
    assert seen.headline == "errors is 5, and may be at most 1"


def test_what_was_before_is_asked_once() -> None:
    world = World(lambda query, _: 0.1 if "old" in query else 0.5)
    seen = world.watch(GUARD, previous=THEN)
    assert seen.verdict is Verdict.FAILED
    assert seen.headline == "errors is 0.5, and may be at most 0.2 (2 × 0.1 of the previous revision)"
    assert [at for _, at in world.asked] == [1000.0, None, None]


def test_who_serves_beside_it_is_asked_each_time() -> None:
    world = World(lambda query, at: (0.1 if at < 5 else 0.3) if "old" in query else 0.5)
    seen = world.watch(GUARD, previous=Side("web", "shop", "dev", "old", 1))
    assert seen.verdict is Verdict.FAILED
    assert [query for query, _ in world.asked] == ["errors old", "errors new"] * 2


@pytest.mark.parametrize(
    ("silent", "verdict"),
    [
        (lambda at: True, Verdict.INDETERMINATE),
        (lambda at: at < 9, Verdict.HEALTHY),
        (lambda at: at > 7, Verdict.INDETERMINATE),
        (lambda at: at > 9, Verdict.HEALTHY),
    ],
    ids=["always", "at first", "at the end", "once"],
)
def test_silence_is_doubt(silent: Callable[[float], bool], verdict: Verdict) -> None:
    seen = World(lambda _, at: None if silent(at) else 0.0).watch(GUARD)
    assert seen.verdict is verdict
    if verdict is Verdict.INDETERMINATE:
        assert seen.headline == "the metrics were not judged: Prometheus does not answer"


def test_who_does_not_answer_one_question_is_not_asked_the_next() -> None:
    world = World(lambda _, __: None)
    seen = world.watch(GUARD, Guard("other", "other", maximum=1.0, interval=2))
    assert [query for query, _ in world.asked] == ["errors new", "other"] * 3
    assert [one.looks for one in seen.readings] == [6, 6]


def test_a_query_that_has_no_answer_hides_no_breach_of_another_guard() -> None:
    """Two series where there may be one, say: Prometheus refuses that only while both are there."""
    joined = Guard("joined", "joined", maximum=1.0, interval=2)
    seen = World(lambda query, _: None if query == "joined" else 5.0).watch(joined, GUARD)
    assert seen.verdict is Verdict.FAILED
    assert seen.headline == "errors is 5, and may be at most 1"


def test_no_data_is_told() -> None:
    seen = World(lambda _, __: float("nan")).watch(GUARD)
    assert seen.verdict is Verdict.HEALTHY
    assert seen.readings[0].state is State.NO_DATA
    assert seen.warnings == ("metric errors had no data, so it was not judged",)


def test_no_data_to_the_end_is_the_failure_that_it_is_to_be_though_each_look_takes_its_time() -> None:
    """With the defaults' proportions: 6 looks fit in from a window on, and `fail_after` is 7."""
    strict = Guard("errors", "errors", maximum=1.0, interval=1, window=5, fail_after=6, no_data="fail")

    def slowly(_: str, __: float) -> float:
        world.now += 0.05
        return float("nan")

    world = World(slowly)
    seen = world.watch(strict)
    assert seen.verdict is Verdict.FAILED
    assert seen.headline == "errors has no data"
    assert seen.readings[0].state is State.BREACHED


def test_each_guard_has_its_own_pace() -> None:
    world = World(lambda _, __: 0.0)
    slow = Guard("slow", "slow", maximum=1.0, interval=5)
    world.watch(GUARD, slow)
    assert [query for query, _ in world.asked].count("slow") == 3


@pytest.mark.parametrize("error", [LockedError("gone"), Interrupted(15)])
def test_a_lost_lease_and_a_signal_end_it(error: DeployError) -> None:
    turns: Iterator[int] = itertools.count()

    def alive() -> None:
        if next(turns) == 2:
            raise error

    with pytest.raises(type(error)):
        World(lambda _, __: 0.0).watch(GUARD, alive=alive)


def test_a_signal_in_the_middle_of_a_question_ends_it() -> None:
    def interrupted(_: str, __: float) -> float:
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        World(interrupted).watch(GUARD)
