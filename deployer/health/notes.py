"""What is worth a word beside a verdict, and never a failure: row 46."""

from deployer.health.objects import condition, name, seconds, status
from deployer.health.verdict import Object, Snapshot, Workload

LONG = 60.0
"""Seconds an autoscaler may be without figures: the first come after a while."""


def notes(workload: Workload, snapshot: Snapshot, now: float) -> tuple[str, ...]:
    """The trouble of what the release has beside a workload."""
    found = (
        *(autoscaler_blind(one, now) for one in beside(workload, snapshot, "HorizontalPodAutoscaler")),
        *(drain_blocked(one) for one in beside(workload, snapshot, "PodDisruptionBudget")),
        *(no_address(one) for one in beside(workload, snapshot, "Service")),
    )
    return tuple(one for one in found if one)


def beside(workload: Workload, snapshot: Snapshot, kind: str) -> list[Object]:
    """The objects of a kind that the release has for a workload."""
    return sorted((one for one in snapshot.of(kind) if (kind, name(one)) in workload.beside), key=name)


def autoscaler_blind(item: Object, now: float) -> str | None:
    """[46] HorizontalPodAutoscaler condition ScalingActive=False for a minute, but for one that rests at no replicas.

    Argo CD's Degraded for it is a known false alarm: metrics come late, and the pods serve without.
    """
    found = condition(item, "ScalingActive")
    since = seconds(found.get("lastTransitionTime"))
    if (
        found.get("status") != "False"
        or found.get("reason") == "ScalingDisabled"
        or since is None
        or now < since + LONG
    ):
        return None
    return f"horizontalpodautoscaler/{name(item)} does not scale: {found.get('message') or found.get('reason')}"


def drain_blocked(item: Object) -> str | None:
    """[46] PodDisruptionBudget status.desiredHealthy ≥ status.expectedPods: no pod may ever be evicted (policy/v1)."""
    state = status(item)
    expected, wanted = int(state.get("expectedPods") or 0), int(state.get("desiredHealthy") or 0)
    if not expected or wanted < expected:
        return None
    return f"poddisruptionbudget/{name(item)} wants {wanted} of {expected} pods: no node of theirs can be drained"


def no_address(item: Object) -> str | None:
    """[46] Service of type LoadBalancer with an empty status.loadBalancer.ingress (core/v1)."""
    if item["spec"].get("type") != "LoadBalancer" or (status(item).get("loadBalancer") or {}).get("ingress"):
        return None
    return f"service/{name(item)} has no load balancer yet"
