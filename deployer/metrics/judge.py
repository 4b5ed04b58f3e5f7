"""One look after another at a metric, and what they come to. Pure: samples in, a verdict out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

KEPT = 30
"""Samples of a guard that are kept for the report, the newest."""

Series = Mapping[str, float]
"""What a query answers: the labels of a series, as PromQL writes them: its value. One without labels is `{}`."""


@dataclass(frozen=True)
class Guard:
    """A metric, and what it may be."""

    name: str
    query: str  # PromQL with placeholders
    maximum: float | None = None
    minimum: float | None = None
    max_ratio: float | None = None  # times the previous revision's value
    min_ratio: float | None = None
    margin: float = 0.0  # by how much more than that it may differ
    window: float = 60.0  # seconds, for `$window`
    interval: float = 10.0  # seconds between looks
    fail_after: int = 3  # breaches in a row
    no_data: str = "ignore"  # or fail

    @property
    def compares(self) -> bool:
        """Whether the previous revision is asked about."""
        return self.max_ratio is not None or self.min_ratio is not None


class State(StrEnum):
    """What a guard's looks have come to."""

    PASSED = "passed"
    BREACHED = "breached"
    NO_DATA = "noData"  # nothing to judge, which is no failure unless the guard says so
    UNANSWERED = "unanswered"  # Prometheus could not be asked: doubt


@dataclass(frozen=True)
class Look:
    """What was learnt at one moment."""

    at: float  # seconds since the watch began
    series: Series | None  # None: no answer
    previous: Series | None = None  # None: not asked, or no answer
    trouble: str = ""  # why there is no answer


@dataclass(frozen=True)
class Sample:
    """The value that was nearest to a bound, or beyond it."""

    at: float
    value: float


@dataclass(frozen=True)
class Reading:
    """All that is known of one guard so far."""

    name: str
    query: str  # as Prometheus was asked
    state: State = State.UNANSWERED
    value: float | None = None  # of the newest sample
    series: str = ""  # whose it is; empty for a query with one answer
    bound: str = ""  # what it may be, in words: "at most 0.01"
    previous: float | None = None
    breaches: int = 0  # in a row, up to now
    looks: int = 0
    unanswered: int = 0  # looks in a row, up to now
    trouble: str = ""
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class _Bound:
    limit: float
    above: bool  # whether a value above it breaches it
    words: str

    def excess(self, value: float) -> float:
        """How far beyond the bound; negative within."""
        return value - self.limit if self.above else self.limit - value


def judge(guard: Guard, before: Reading, look: Look) -> Reading:
    """One look more. A breach counts once it came `fail_after` times in a row; looks that say nothing are no break."""
    seen = replace(before, looks=before.looks + 1)
    if look.series is None:
        return replace(seen, unanswered=before.unanswered + 1, trouble=look.trouble)
    seen = replace(seen, unanswered=0, trouble="")
    worst = max(_compared(guard, look), key=lambda one: one[0], default=None)
    if worst is None:
        return _empty(guard, seen, look)
    excess, name, value, bound, previous = worst
    breaches = before.breaches + 1 if excess > 0 else 0
    return replace(
        seen,
        state=State.BREACHED if breaches >= guard.fail_after else State.PASSED,
        value=value,
        series="" if name == "{}" else name,
        bound=bound,
        previous=previous,
        breaches=breaches,
        samples=(*before.samples, Sample(round(look.at, 1), value))[-KEPT:],
    )


def ended(guard: Guard, reading: Reading, lasted: float) -> State:
    """What a guard comes to at the end of a watch of so many seconds: blind then is doubt, whatever was seen before.

    A watch may be too short for `fail_after` looks from the first window on: one without any data says it all the same.
    """
    if reading.state is State.BREACHED:
        return State.BREACHED
    if not reading.looks or reading.unanswered >= min(guard.fail_after, reading.looks):
        return State.UNANSWERED
    if reading.samples:
        return State.PASSED
    return State.BREACHED if guard.no_data == "fail" and lasted >= guard.window else State.NO_DATA


def breach(reading: Reading) -> str:
    """`errorRatio is 0.052, and may be at most 0.01`."""
    whose = f" of {reading.series}" if reading.series else ""
    if reading.value is None:
        return f"{reading.name} has no data"
    return f"{reading.name}{whose} is {number(reading.value)}, and may be {reading.bound}"


def number(value: float) -> str:
    """Four digits that count."""
    return f"{value:.4g}"


def sampled(samples: Sequence[Sample]) -> str:
    """`0.048 at 4 s, 0.051 at 6 s`."""
    return ", ".join(f"{number(one.value)} at {one.at:.0f} s" for one in samples)


def _empty(guard: Guard, seen: Reading, look: Look) -> Reading:
    """No data: before a window is over, the first scrape may be to come."""
    if guard.no_data == "ignore" or look.at < guard.window:
        state = State.PASSED if seen.samples else State.NO_DATA
        return replace(seen, state=state)
    breaches = seen.breaches + 1
    state = State.BREACHED if breaches >= guard.fail_after else State.NO_DATA
    return replace(seen, state=state, value=None, bound="without data for no longer", breaches=breaches)


def _compared(guard: Guard, look: Look) -> Iterator[tuple[float, str, float, str, float | None]]:
    """Each series with the bound that it is nearest to, or furthest beyond."""
    for name, value in (look.series or {}).items():
        if math.isnan(value):  # 0/0: nobody asked the service
            continue
        previous = (look.previous or {}).get(name)
        if previous is not None and not math.isfinite(previous):  # of a division by nothing no bound can be made
            previous = None
        bounds = list(_bounds(guard, previous))
        if not bounds:
            yield -math.inf, name, value, "anything: there is nothing to compare it with", previous
            continue
        tightest = max(bounds, key=lambda one: one.excess(value))
        yield tightest.excess(value), name, value, tightest.words, previous


def _bounds(guard: Guard, previous: float | None) -> Iterator[_Bound]:
    if guard.maximum is not None:
        yield _Bound(guard.maximum, True, f"at most {number(guard.maximum)}")
    if guard.minimum is not None:
        yield _Bound(guard.minimum, False, f"at least {number(guard.minimum)}")
    if previous is None:
        return
    if guard.max_ratio is not None:
        limit = previous * guard.max_ratio + guard.margin
        yield _Bound(limit, True, f"at most {number(limit)}{_why(guard.max_ratio, previous, '+', guard.margin)}")
    if guard.min_ratio is not None:
        limit = previous * guard.min_ratio - guard.margin
        yield _Bound(limit, False, f"at least {number(limit)}{_why(guard.min_ratio, previous, '-', guard.margin)}")


def _why(ratio: float, previous: float, sign: str, margin: float) -> str:
    more = f" {sign} {number(margin)}" if margin else ""
    return f" ({number(ratio)} × {number(previous)} of the previous revision{more})"
