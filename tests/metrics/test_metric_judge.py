"""Samples in, verdicts out."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from deployer.metrics.judge import Guard, Look, Reading, Series, State, breach, ended, judge

GUARD = Guard("errors", "q", maximum=0.01, interval=1, window=3, fail_after=3)
AWAY = None


def looked(guard: Guard, seen: Sequence[float | Series | None], previous: Series | None = None) -> Reading:
    """A look a second: a number is a query's only value, {} is no data, None no answer."""
    reading = Reading(guard.name, "q")
    for at, one in enumerate(seen):
        series = {"{}": one} if isinstance(one, float | int) else one
        reading = judge(guard, reading, Look(float(at), series, previous, "" if series is not None else "away"))
        if reading.state is State.BREACHED:
            break
    return replace(reading, state=ended(guard, reading, len(seen) - 1.0))


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ([0.0, 0.01, 0.0], State.PASSED),
        ([0.02, 0.02, 0.02], State.BREACHED),
        ([0.02, 0.02], State.PASSED),  # fewer than it takes
        ([0.02, 0.02, 0.0, 0.02, 0.02], State.PASSED),  # not in a row
        ([0.02, 0.02, AWAY, 0.02], State.BREACHED),  # silence is no break
        ([0.02, 0.02, {}, 0.02], State.BREACHED),
        ([0.02, 0.02, math.nan, 0.02], State.BREACHED),
        ([], State.UNANSWERED),
        ([AWAY], State.UNANSWERED),
        ([AWAY, AWAY, 0.0], State.PASSED),
        ([0.0, AWAY, AWAY], State.PASSED),  # a short silence
        ([0.0, AWAY, AWAY, AWAY], State.UNANSWERED),  # blind at the end
        ([{}, {}, {}, {}, {}, {}, {}], State.NO_DATA),
        ([math.nan, math.nan], State.NO_DATA),
        ([0.0, {}, {}, {}], State.PASSED),
        ([math.inf, math.inf, math.inf], State.BREACHED),
        ([{'{pod="a"}': 0.0, '{pod="b"}': 0.5}] * 3, State.BREACHED),  # the worst counts
    ],
)
def test_states(seen: Sequence[float | Series | None], state: State) -> None:
    assert looked(GUARD, seen).state is state


@pytest.mark.parametrize(
    ("bounds", "value", "previous", "good"),
    [
        ({"maximum": 5.0}, 5.0, None, True),
        ({"maximum": 5.0}, 5.1, None, False),
        ({"minimum": 5.0}, 4.9, None, False),
        ({"minimum": 5.0}, 5.0, None, True),
        ({"max_ratio": 1.5}, 1.5, 1.0, True),
        ({"max_ratio": 1.5}, 1.6, 1.0, False),
        ({"max_ratio": 1.5}, 1000.0, None, True),  # nothing to compare with
        ({"max_ratio": 1.5}, 1000.0, math.nan, True),
        ({"min_ratio": 0.5}, 1000.0, math.inf, True),
        ({"max_ratio": 1.5}, math.inf, math.inf, True),
        ({"max_ratio": 1.5, "maximum": 5.0}, math.inf, math.inf, False),
        ({"max_ratio": 1.5, "margin": 0.01}, 0.009, 0.0, True),
        ({"max_ratio": 1.5, "margin": 0.01}, 0.011, 0.0, False),
        ({"min_ratio": 0.5}, 49.0, 100.0, False),
        ({"min_ratio": 0.5, "margin": 2.0}, 49.0, 100.0, True),
        ({"max_ratio": 2.0, "maximum": 0.05}, 0.06, 0.04, False),  # the tighter one counts
        ({"max_ratio": 2.0, "maximum": 0.5}, 0.09, 0.04, False),
    ],
)
def test_bounds(bounds: dict[str, float], value: float, previous: float | None, good: bool) -> None:
    guard = Guard("g", "q", fail_after=1, **bounds)  # type: ignore[arg-type]
    found = looked(guard, [value], None if previous is None else {"{}": previous})
    assert (found.state is State.PASSED) is good, found


def test_a_series_that_divides_by_nothing_on_both_sides_hides_no_breach_of_another() -> None:
    guard = Guard("g", "q", max_ratio=1.5, fail_after=1)
    found = looked(guard, [{'{pod="a"}': math.inf, '{pod="b"}': 0.5}], {'{pod="a"}': math.inf, '{pod="b"}': 0.1})
    assert found.state is State.BREACHED
    assert found.series == '{pod="b"}'


def test_no_data_may_be_a_failure_but_not_before_the_first_scrape_can_have_come() -> None:
    strict = replace(GUARD, no_data="fail")
    assert looked(strict, [{}] * 3).state is State.NO_DATA
    found = looked(strict, [{}] * 6)
    assert found.state is State.BREACHED
    assert breach(found) == "errors has no data"
    assert looked(strict, [{}, {}, {}, {}, 0.0, {}, {}]).state is State.PASSED
    assert looked(strict, [AWAY] * 6).state is State.UNANSWERED


def test_a_watch_of_a_window_without_any_data_is_a_failure_however_few_looks_it_had() -> None:
    found = looked(replace(GUARD, no_data="fail"), [{}] * 4)
    assert found.breaches == 1
    assert found.state is State.BREACHED
    assert breach(found) == "errors has no data"


def test_a_breach_names_value_bound_and_series() -> None:
    guard = Guard("p99", "q", max_ratio=1.5, margin=0.05, fail_after=2)
    seen = {'{le="x"}': 0.5}
    found = looked(guard, [seen, seen], {'{le="x"}': 0.1})
    assert breach(found) == (
        'p99 of {le="x"} is 0.5, and may be at most 0.2 (1.5 × 0.1 of the previous revision + 0.05)'
    )
    assert [one.value for one in found.samples] == [0.5, 0.5]
    assert found.previous == 0.1
