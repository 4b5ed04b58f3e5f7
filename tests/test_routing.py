"""Waiting for routes, against an API that answers what a test says; the clock is the test's."""

from typing import Any

import pytest

from deployer import routing
from deployer.cluster import Forbidden, NotFound, Unreachable
from deployer.errors import IndeterminateError, UnhealthyError

GROUP = "gateway.networking.k8s.io/v1"
ROUTE = {"apiVersion": GROUP, "kind": "HTTPRoute", "metadata": {"name": "web"}}
Answer = dict[str, Any] | Exception


def live(status: str, generation: int = 1) -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": status, "observedGeneration": generation, "message": "no such service"}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parents = [{"parentRef": {"name": "public"}, "conditions": conditions}]
    spec = {"parentRefs": [{"name": "public"}]}
    return {**ROUTE, "metadata": {"name": "web", "generation": 1}, "spec": spec, "status": {"parents": parents}}


class Api:
    """Answers for the route one after the other, the last one for good."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def get(self, path: str) -> dict[str, Any]:
        if path == f"/apis/{GROUP}":
            return {"resources": [{"name": "httproutes", "kind": "HTTPRoute", "namespaced": True}]}
        assert path == f"/apis/{GROUP}/namespaces/shop/httproutes/web"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settle(clock: Clock, *answers: Answer) -> tuple[dict[str, Any], ...]:
    return routing.settle(Api(*answers), "shop", [ROUTE], timeout=60, clock=clock, sleep=clock.sleep)  # type: ignore[arg-type]


def test_a_route_that_is_taken_up(clock: Clock) -> None:
    assert settle(clock, live("True")) == (ROUTE,)
    assert clock.now == 0


def test_a_route_that_may_not_be_read_is_not_said_to_be_taken_up(clock: Clock) -> None:
    assert settle(clock, Forbidden("no")) == ()
    assert clock.now == 0


def test_a_moment_is_waited_for(clock: Clock) -> None:
    gone = NotFound("no such route", status=404)
    assert settle(clock, gone, live("True", 0), live("False"), Unreachable("away"), live("True")) == (ROUTE,)
    assert 0 < clock.now < 5


def test_a_refusal_that_stays(clock: Clock) -> None:
    with pytest.raises(UnhealthyError, match="route web: gateway public refuses it: no such service"):
        settle(clock, live("False"))
    assert routing.REFUSAL <= clock.now < routing.REFUSAL + 2


def test_nobody_takes_it_up(clock: Clock) -> None:
    with pytest.raises(UnhealthyError, match="has not taken up its newest state, after 60 s"):
        settle(clock, live("True", 0))


def test_an_api_that_stays_away_is_no_refusal(clock: Clock) -> None:
    with pytest.raises(IndeterminateError, match="no word of the routes"):
        settle(clock, Unreachable("away"))
