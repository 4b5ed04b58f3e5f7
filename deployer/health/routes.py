"""Whether what implements a route has taken up its newest state: an HTTPRoute, a VirtualService. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deployer.health.objects import name
from deployer.health.verdict import Object


class State(StrEnum):
    """How far a route is."""

    TAKEN_UP = "taken up"
    WAITING = "waiting"  # nobody has looked at its newest state yet
    REFUSED = "refused"  # it may be that something it leads to is not seen yet
    UNTOLD = "untold"  # nobody says


@dataclass(frozen=True)
class Standing:
    """A route, and why it is not taken up."""

    state: State
    why: str = ""


def standing(route: Object) -> Standing:
    """The state of a live route."""
    return _http_route(route) if route["kind"] == "HTTPRoute" else _virtual_service(route)


def _http_route(route: Object) -> Standing:
    """status.parents[]: conditions Accepted and ResolvedRefs of each Gateway, for this generation (Gateway API v1)."""
    generation = int(route["metadata"].get("generation") or 0)
    wanted = route["spec"].get("parentRefs") or ()
    found = (route.get("status") or {}).get("parents") or ()
    for parent in wanted:
        mine = [one for one in found if _same(one.get("parentRef") or {}, parent)]
        gateway = f"gateway {parent['name']}"
        if not mine:
            return Standing(State.WAITING, f"{name(route)}: {gateway} has not answered")
        for one in mine:
            for kind in ("Accepted", "ResolvedRefs"):
                condition: Object = next((c for c in one.get("conditions") or () if c.get("type") == kind), {})
                if not condition or int(condition.get("observedGeneration") or 0) < generation:
                    return Standing(State.WAITING, f"{name(route)}: {gateway} has not taken up its newest state")
                if condition.get("status") != "True":
                    said = condition.get("message") or condition.get("reason") or kind
                    return Standing(State.REFUSED, f"{name(route)}: {gateway} refuses it: {said}")
    return Standing(State.TAKEN_UP)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a status is about a parentRef: the API server has filled in what the one of them leaves out."""
    keys = ("name", "namespace", "sectionName", "port")
    return all(one.get(key) == other.get(key) for key in keys if key in one and key in other)


def _virtual_service(route: Object) -> Standing:
    """Istio says nothing unless it is told to: status.validationMessages of its analysis, level ERROR."""
    status = route.get("status") or {}
    for message in status.get("validationMessages") or ():
        if str(message.get("level", "")).upper() == "ERROR":
            code = (message.get("type") or {}).get("name") or "an error"
            return Standing(State.REFUSED, f"{name(route)}: Istio's analysis says {code}")
    return Standing(State.UNTOLD)
