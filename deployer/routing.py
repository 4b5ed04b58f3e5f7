"""Wait until the routes of a release are taken up by what implements them: the Gateway's controller, the mesh."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from deployer.cluster import Cluster, Unreachable
from deployer.cluster.manifest import fetch
from deployer.errors import IndeterminateError, UnhealthyError
from deployer.health.routes import Standing, State, standing

EVERY = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Seconds between looks, the last one from then on: a controller takes a moment, and rarely more."""

REFUSAL = 15.0
"""Seconds for which a refusal may pass: a Service that is new is not seen by everybody yet."""


def settle(
    cluster: Cluster,
    namespace: str,
    routes: Sequence[dict[str, Any]],
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[dict[str, Any], ...]:
    """The routes that are said to be taken up. Raises UnhealthyError where one is refused, or not taken up in time.

    An API that does not answer is no answer: IndeterminateError where it stays away. A route that may not be read is
    not waited for, nor one of which nobody says anything.
    """
    began, look = clock(), 0
    while True:
        try:
            found = [(route, _standing(route, live)) for route, live in fetch(cluster, namespace, routes).pairs]
        except Unreachable as error:
            if clock() - began >= timeout:
                raise IndeterminateError(f"no word of the routes: {error.message}") from None
            sleep(EVERY[-1])
            continue
        left = [one for _, one in found if one.state in (State.WAITING, State.REFUSED)]
        waited = clock() - began
        if not left:
            return tuple(route for route, one in found if one.state is State.TAKEN_UP)
        refused = next((one for one in left if one.state is State.REFUSED), None)
        if refused and waited >= min(REFUSAL, timeout):
            raise UnhealthyError(f"route {refused.why}")
        if waited >= timeout:
            raise UnhealthyError(
                f"route {left[0].why}, after {waited:.0f} s",
                hint="is its Gateway there, and does its controller run?",
            )
        sleep(EVERY[min(look, len(EVERY) - 1)])
        look += 1


def _standing(route: dict[str, Any], live: dict[str, Any] | None) -> Standing:
    if live is None:
        return Standing(State.WAITING, f"{route['metadata']['name']}: it is not there")
    return standing(live)
