"""Small Kubernetes objects with sane defaults. Times are seconds after T0, the moment before the rollout."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from deployer.health.verdict import Snapshot

Json = dict[str, Any]

T0 = 1_760_000_000.0
IMAGE = "registry.lab:5443/demo/web:v1"
READINESS = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 3}
LIVENESS = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 2}
REVISION = "deployment.kubernetes.io/revision"


def at(t: float) -> str:
    """T0 + t as the API writes it: whole seconds, rounded down."""
    return datetime.fromtimestamp(int(T0 + t), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def snapshot(*items: Json | Iterable[Json], unreadable: Iterable[str] = ()) -> Snapshot:
    """Objects, or lists of them, as one snapshot."""
    found: dict[str, dict[str, Json]] = {}
    for item in items:
        for one in [item] if isinstance(item, dict) else item:
            found.setdefault(one["kind"], {})[one["metadata"]["uid"]] = one
    return Snapshot(found, frozenset(unreadable))


def meta(name: str, *, uid: str | None = None, owner: Json | None = None, t: float = 1, **more: Any) -> Json:
    made: Json = {"name": name, "namespace": "n", "uid": uid or f"uid-{name}", "creationTimestamp": at(t), **more}
    if owner:
        about = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        made["ownerReferences"] = [{**about, "controller": True}]
    return made


def condition(kind: str, status: str, reason: str = "", message: str = "", *, t: float = 1) -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": at(t),
        "lastTransitionTime": at(t),
    }


# ---- containers


def waiting(reason: str, message: str | None = None) -> Json:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(t: float = 2) -> Json:
    return {"running": {"startedAt": at(t)}}


def ended(code: int = 1, reason: str = "Error", message: str | None = None) -> Json:
    return {"terminated": {"exitCode": code, "reason": reason} | ({"message": message} if message else {})}


def container(
    state: Json | None = None,
    *,
    name: str = "web",
    last: Json | None = None,
    restarts: int = 0,
    ready: bool | None = None,
    pulled: bool | None = None,
    image: str = IMAGE,
    **spec: Any,
) -> Json:
    """{"spec", "status"} of one container; running and ready unless told otherwise."""
    state = running() if state is None else state
    up = "running" in state
    ready = up if ready is None else ready
    said: Json = {
        "name": name,
        "image": image,
        "imageID": f"{image}@sha256:0" if (restarts or "waiting" not in state if pulled is None else pulled) else "",
        "state": state,
        "lastState": last or {},
        "restartCount": restarts,
        "ready": ready,
        "started": up,
    }
    spec.setdefault("readinessProbe", READINESS)
    return {"spec": {"name": name, "image": image} | {k: v for k, v in spec.items() if v is not None}, "status": said}


def event(
    about: Json, reason: str, message: str, *, t: float = 3, kind: str = "Warning", count: int = 1, n: int = 0
) -> Json:
    head = about["metadata"]
    return {
        "kind": "Event",
        "metadata": meta(f"{head['name']}.{reason}.{n}", t=t),
        "involvedObject": {"kind": about["kind"], "name": head["name"], "uid": head["uid"]},
        "type": kind,
        "reason": reason,
        "message": message,
        "count": count,
        "firstTimestamp": at(t),
        "lastTimestamp": at(t),
    }


# ---- pods


def pod(
    owner: Json | None,
    name: str,
    *containers: Json,
    init: Iterable[Json] = (),
    phase: str | None = None,
    t: float = 1,
    ready_at: float = 2,
    node: str | None = "node-1",
    conditions: Iterable[Json] = (),
    leaving: bool = False,
    labels: Json | None = None,
    reason: str | None = None,
    **spec: Any,
) -> Json:
    """A pod; Ready if all its containers are, unless a condition says otherwise."""
    containers = containers or (container(),)
    first = tuple(init)
    states = [one["status"] for one in (*first, *containers)]
    up = any("waiting" not in one["state"] for one in states) or any(one["restartCount"] for one in states)
    phase = phase or ("Running" if up and not (first and not first[0]["status"]["ready"]) else "Pending")
    is_ready = phase == "Running" and all(one["status"]["ready"] for one in containers)
    found = {one["type"]: one for one in conditions}
    found.setdefault("PodScheduled", condition("PodScheduled", "True"))
    found.setdefault("Ready", condition("Ready", str(is_ready), t=ready_at))
    head = meta(name, owner=owner, t=t, labels=labels or {})
    if leaving:
        head["deletionTimestamp"] = at(t + 30)
    status: Json = {"phase": phase, "conditions": list(found.values())}
    if found["PodScheduled"]["status"] == "True":
        status["containerStatuses"] = [one["status"] for one in containers]
        if first:
            status["initContainerStatuses"] = [one["status"] for one in first]
    else:
        node = None
    if reason:
        status["reason"] = reason
    made: Json = {"kind": "Pod", "metadata": head, "spec": {"containers": [one["spec"] for one in containers], **spec}}
    if first:
        made["spec"]["initContainers"] = [one["spec"] for one in first]
    if node:
        made["spec"]["nodeName"] = node
    return made | {"status": status}


# ---- controllers


def deployment(
    name: str = "web",
    *,
    replicas: int = 1,
    generation: int = 1,
    observed: int | None = None,
    revision: int = 1,
    total: int | None = None,
    updated: int | None = None,
    available: int | None = None,
    conditions: Iterable[Json] = (),
    template: Json | None = None,
    **spec: Any,
) -> Json:
    """A Deployment, complete unless told otherwise."""
    updated = replicas if updated is None else updated
    return {
        "kind": "Deployment",
        "metadata": meta(name, t=-100, generation=generation, annotations={REVISION: str(revision)}),
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": template or {"spec": {"containers": [container()["spec"]]}},
            **spec,
        },
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": updated if total is None else total,
            "updatedReplicas": updated,
            "readyReplicas": updated if available is None else available,
            "availableReplicas": updated if available is None else available,
            "conditions": list(conditions),
        },
    }


def replicaset(
    owner: Json,
    name: str = "web-b7c",
    *,
    revision: int = 1,
    replicas: int | None = None,
    available: int | None = None,
    conditions: Iterable[Json] = (),
) -> Json:
    count = owner["spec"]["replicas"] if replicas is None else replicas
    return {
        "kind": "ReplicaSet",
        "metadata": meta(name, owner=owner, annotations={REVISION: str(revision)}),
        "spec": {"replicas": count},
        "status": {
            "replicas": count,
            "availableReplicas": count if available is None else available,
            "conditions": list(conditions),
        },
    }


def rollout(*pods: Json | list[Json], others: Iterable[Json] = (), **more: Any) -> list[Json]:
    """A Deployment with one ReplicaSet and pods, its counters as the pods say.

    Each pod is what `pod` takes but its owner and name: a container, a list of containers, or a dict of its options.
    """
    frame = deployment(replicas=len(pods))
    maker = replicaset(frame)
    made = []
    for number, one in enumerate(pods):
        options = one if isinstance(one, dict) and "status" not in one else {"of": one}
        inner = options.pop("of", ())
        inner = inner if isinstance(inner, (list, tuple)) else [inner]
        made.append(pod(maker, f"web-b7c-{number}", *inner, **options))
    up = sum(1 for one in made for c in one["status"]["conditions"] if c["type"] == "Ready" and c["status"] == "True")
    template = more.pop("template", {"spec": {"containers": made[0]["spec"]["containers"]}}) if made else None
    frame = deployment(replicas=len(pods), **({"available": up, "template": template} | more))
    return [frame, replicaset(frame, available=up), *made, *others]


def statefulset(
    name: str = "db",
    *,
    replicas: int = 1,
    generation: int = 1,
    observed: int | None = None,
    updated: int | None = None,
    ready: int | None = None,
    current: str = "db-2",
    revision: str = "db-2",
    total: int | None = None,
    **spec: Any,
) -> Json:
    ready = replicas if ready is None else ready
    return {
        "kind": "StatefulSet",
        "metadata": meta(name, t=-100, generation=generation),
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container()["spec"]]}}, **spec},
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": replicas if total is None else total,
            "updatedReplicas": replicas if updated is None else updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentRevision": current,
            "updateRevision": revision,
        },
    }


def daemonset(
    name: str = "agent",
    *,
    desired: int = 1,
    updated: int | None = None,
    available: int | None = None,
    scheduled: int | None = None,
    **spec: Any,
) -> list[Json]:
    """A DaemonSet and its newest ControllerRevision, whose hash is `r2`."""
    available = desired if available is None else available
    made: Json = {
        "kind": "DaemonSet",
        "metadata": meta(name, t=-100, generation=1),
        "spec": {"template": {"spec": {"containers": [container()["spec"]]}}, **spec},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": desired,
            "currentNumberScheduled": desired if scheduled is None else scheduled,
            "updatedNumberScheduled": desired if updated is None else updated,
            "numberReady": available,
            "numberAvailable": available,
        },
    }
    revisions = [
        {
            "kind": "ControllerRevision",
            "metadata": meta(f"{name}-r{n}", owner=made, labels={"controller-revision-hash": f"r{n}"}),
            "revision": n,
        }
        for n in (1, 2)
    ]
    return [made, *revisions]


def node(name: str, *, ready: bool = True) -> Json:
    return {"kind": "Node", "metadata": meta(name), "status": {"conditions": [condition("Ready", str(ready), t=-60)]}}


def job(name: str = "migrate", *, conditions: Iterable[Json] = (), **more: Any) -> Json:
    status = {key: more.pop(key) for key in ("active", "succeeded", "failed") if key in more}
    return {
        "kind": "Job",
        "metadata": meta(name, generation=1),
        "spec": {"completions": 1, **more},
        "status": {"conditions": list(conditions), **status},
    }


# ---- what stands beside a workload


def claim(
    name: str = "data",
    phase: str = "Pending",
    *,
    volume: str | None = None,
    annotations: Json | None = None,
) -> Json:
    head = meta(name, annotations={f"volume.kubernetes.io/{key}": value for key, value in (annotations or {}).items()})
    spec: Json = {"accessModes": ["ReadWriteOnce"]} | ({"volumeName": volume} if volume else {})
    return {"kind": "PersistentVolumeClaim", "metadata": head, "spec": spec, "status": {"phase": phase}}


def service(name: str = "web", selector: Json | None = None, **spec: Any) -> Json:
    spec.setdefault("ports", [{"port": 80, "targetPort": "http"}])
    asks = {} if selector is None else {"selector": selector}
    return {"kind": "Service", "metadata": meta(name), "spec": {"type": "ClusterIP", **asks, **spec}, "status": {}}


def endpoints(*ready: bool | None, of: str = "web", ports: bool = True) -> Json:
    """An EndpointSlice; each endpoint says that it is ready, that it is not, or nothing."""
    return {
        "kind": "EndpointSlice",
        "metadata": meta(f"{of}-x1", labels={"kubernetes.io/service-name": of}),
        "endpoints": [{"conditions": {} if one is None else {"ready": one}} for one in ready] or None,
        "ports": [{"name": "http", "port": 8080}] if ports else None,
    }


def autoscaler(name: str = "web", status: str = "False", reason: str = "FailedGetResourceMetric", t: float = 1) -> Json:
    said = condition("ScalingActive", status, reason, "no metrics known", t=t)
    return {"kind": "HorizontalPodAutoscaler", "metadata": meta(name), "status": {"conditions": [said]}}


def budget(name: str = "web", *, wanted: int, expected: int) -> Json:
    status = {"desiredHealthy": wanted, "expectedPods": expected}
    return {"kind": "PodDisruptionBudget", "metadata": meta(name), "status": status}
