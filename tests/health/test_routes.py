"""Whether a route is taken up: a row a state."""

from typing import Any

import pytest

from deployer.health.routes import State, standing


def condition(kind: str, status: str = "True", generation: int = 3, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": kind, "message": message}


def parent(*conditions: dict[str, Any], name: str = "public", **more: str) -> dict[str, Any]:
    return {"parentRef": {"group": "gateway.networking.k8s.io", "name": name, **more}, "conditions": list(conditions)}


GOOD = (condition("Accepted"), condition("ResolvedRefs"))
OLD = (condition("Accepted", generation=2), condition("ResolvedRefs", generation=2))


def http_route(*parents: dict[str, Any], refs: Any = ({"name": "public"},)) -> dict[str, Any]:
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "generation": 3},
        "spec": {"parentRefs": list(refs)},
        "status": {"parents": list(parents)} if parents else {},
    }


@pytest.mark.parametrize(
    ("route", "state", "why"),
    [
        pytest.param(http_route(parent(*GOOD)), State.TAKEN_UP, "", id="accepted"),
        pytest.param(http_route(), State.WAITING, "gateway public has not answered", id="nobody looked"),
        pytest.param(http_route(parent(*OLD)), State.WAITING, "has not taken up its newest state", id="an older state"),
        pytest.param(http_route(parent(GOOD[0])), State.WAITING, "has not taken up", id="half a word"),
        pytest.param(
            http_route(parent(condition("Accepted", "False", message="no listener"), GOOD[1])),
            State.REFUSED,
            "web: gateway public refuses it: no listener",
            id="not accepted",
        ),
        pytest.param(
            http_route(parent(GOOD[0], condition("ResolvedRefs", "False"))),
            State.REFUSED,
            "refuses it: ResolvedRefs",
            id="leads to nothing",
        ),
        pytest.param(
            http_route(parent(*GOOD), parent(*OLD, name="other"), refs=({"name": "public"}, {"name": "other"})),
            State.WAITING,
            "gateway other",
            id="one of two",
        ),
        pytest.param(
            http_route(parent(*GOOD, name="other")), State.WAITING, "gateway public has not answered", id="another's"
        ),
        pytest.param(
            http_route(parent(*GOOD, sectionName="http"), refs=({"name": "public", "sectionName": "https"},)),
            State.WAITING,
            "has not answered",
            id="another listener's",
        ),
        pytest.param(http_route(refs=()), State.TAKEN_UP, "", id="no Gateway asked"),
        pytest.param({"kind": "VirtualService", "metadata": {"name": "web"}}, State.UNTOLD, "", id="Istio is silent"),
        pytest.param(
            {
                "kind": "VirtualService",
                "metadata": {"name": "web"},
                "status": {"validationMessages": [{"level": "ERROR", "type": {"name": "ReferencedResourceNotFound"}}]},
            },
            State.REFUSED,
            "ReferencedResourceNotFound",
            id="Istio's analysis",
        ),
    ],
)
def test_standing(route: dict[str, Any], state: State, why: str) -> None:
    found = standing(route)
    assert found.state is state
    assert why in found.why
