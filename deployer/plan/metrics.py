"""What is watched after a rollout, from the profile. Pure."""

import math
from collections.abc import Iterator

from deployer.metrics.judge import Guard
from deployer.metrics.query import READY_MADE, ready_made
from deployer.profile import Profile
from deployer.profile.schema import MetricGuard, Metrics

REQUESTS = {"errorRatio": 20, "latencyP99": 200}
"""Fewer requests in a window say nothing of a ratio; of one in a hundred, with two of them at least."""

BOUNDS = {
    "errorRatio": {"maximum": 0.05, "max_ratio": 1.5, "margin": 0.01},
    "latencyP99": {"max_ratio": 1.5, "margin": 0.05},
}
"""Of the ready-made guards: at most 5 % of errors, 1 % where the previous revision had none; half more and 50 ms."""


def guards(profile: Profile, watch: float | None = None) -> tuple[Guard, ...]:
    """The metric guards with all that they do not say themselves; none where there is no Prometheus.

    `watch`: seconds of the longest watch; None: the one after a rollout.
    """
    metrics = profile.metrics
    if not metrics.url:
        return ()
    wanted = metrics.guards or tuple(MetricGuard.model_validate(name) for name in READY_MADE)
    return tuple(_guard(one, metrics, metrics.duration if watch is None else watch) for one in wanted)


def unwatched(profile: Profile) -> Iterator[str]:
    """Guards that a rollout cannot fail by, so short is its watch."""
    for guard in guards(profile):
        if profile.metrics.duration <= least(guard):
            yield f"metrics.duration is too short for metric {guard.name} to fail the rollout: {takes(guard)}"


def least(guard: Guard) -> float:
    """Seconds from its first look to the one that fails. A look takes its time: a watch as long is not enough."""
    return (guard.fail_after - 1) * guard.interval


def takes(guard: Guard) -> str:
    """How long a watch has to be, in words."""
    return f"that takes more than {least(guard):g} s ({guard.fail_after} looks, one every {guard.interval:g} s)"


def _guard(given: MetricGuard, metrics: Metrics, watch: float) -> Guard:
    bounds = {
        "maximum": given.max,
        "minimum": given.min,
        "max_ratio": given.max_ratio_to_previous,
        "min_ratio": given.min_ratio_to_previous,
        "margin": given.margin,
    }
    said = {key: value for key, value in bounds.items() if value is not None}
    if given.name in READY_MADE:
        requests = REQUESTS[given.name] if given.min_requests is None else given.min_requests
        query, said = ready_made(given.name, requests), BOUNDS[given.name] | said
    else:
        assert given.query is not None
        query = given.query
    window, interval = given.window or metrics.window, given.interval or metrics.interval
    return Guard(
        name=given.name,
        query=query,
        window=window,
        interval=interval,
        fail_after=given.fail_after or metrics.fail_after or _fail_after(window, interval, watch),
        no_data=given.no_data or metrics.no_data,
        **said,
    )


def _fail_after(window: float, interval: float, watch: float) -> int:
    """Looks in a row. What happened once is in every look of a window: only what outlasts it happened again.

    In a short watch as many as fit into half of it, for a new pod's first figures take a while; three at least.
    """
    return min(math.ceil(window / interval) + 1, max(3, int(watch / 2 / interval) + 1))
