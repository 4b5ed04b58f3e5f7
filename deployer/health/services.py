"""The rule over the Services of a release: row 47."""

from collections.abc import Mapping, Sequence
from typing import Any

from deployer.health.limits import Limits
from deployer.health.objects import label, name
from deployer.health.symptom import Symptom, of_owner
from deployer.health.verdict import Object

OF_SERVICE = "kubernetes.io/service-name"
"""The label that says whose EndpointSlice it is."""


def no_endpoints(
    services: Sequence[Object], slices: Sequence[Object], pods: Sequence[Object], limits: Limits
) -> Symptom | None:
    """[47] EndpointSlice endpoints[].conditions.ready is true of no endpoint of a Service (krane; discovery.k8s.io/v1).

    Asked once all `pods` are ready, so the Service leads elsewhere: its selector or its targetPort is wrong. One
    without a selector has its endpoints from somebody else, an ExternalName has none.
    """
    for service in sorted(services, key=name):
        spec = service["spec"]
        if not spec.get("selector") or spec.get("type") == "ExternalName":
            continue
        mine = [one for one in slices if label(one, OF_SERVICE) == name(service)]
        ready = [one for one in mine if any(map(_ready, one.get("endpoints") or ()))]
        if any(one.get("ports") for one in ready) or (ready and not spec.get("ports")):
            continue
        selector = ",".join(f"{key}={value}" for key, value in sorted(spec["selector"].items()))
        matched = [pod for pod in pods if matches(spec["selector"], pod["metadata"].get("labels") or {})]
        if ready:
            why, hint = "no targetPort of it is a port of the pods", "name a port of the container as its targetPort"
        elif matched or not pods:
            why, hint = f"of its selector {selector}", "see its EndpointSlices, and the readiness of its pods"
        else:
            why, hint = f"no new pod has {selector}", "mend the service's selector, or the labels of the pods"
        text = f"service {name(service)} leads to no ready endpoint: {why}"
        return of_owner(service, "no_endpoints", "NoEndpoints", text, limits.endpoints, hint=hint)
    return None


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels have all that a Service's selector asks for."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _ready(endpoint: Mapping[str, Any]) -> bool:
    """`ready` that is not said counts as true."""
    return (endpoint.get("conditions") or {}).get("ready") is not False
