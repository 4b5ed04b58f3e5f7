"""Where the kinds we speak of live in the API, and what one must be allowed to do with them."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_KINDS = {
    "Application": ("apis/argoproj.io/v1alpha1", "applications"),
    "AppProject": ("apis/argoproj.io/v1alpha1", "appprojects"),
    "ConfigMap": ("api/v1", "configmaps"),
    "ControllerRevision": ("apis/apps/v1", "controllerrevisions"),
    "DaemonSet": ("apis/apps/v1", "daemonsets"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices"),
    "Event": ("api/v1", "events"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Job": ("apis/batch/v1", "jobs"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "ReplicaSet": ("apis/apps/v1", "replicasets"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
}
_CLUSTER_WIDE = {"Namespace", "Node"}


@dataclass(frozen=True)
class Access:
    """One permission to ask for; `resource` may name a subresource, as in "pods/log"."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""  # of the one object that is meant; empty: any

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


def path(kind: str, namespace: str | None, name: str | None = None) -> str:
    """Where a kind lives, or one object of it."""
    version, plural = _KINDS[kind]
    scope = f"/namespaces/{namespace}" if namespace and kind not in _CLUSTER_WIDE else ""
    return f"/{version}{scope}/{plural}" + (f"/{name}" if name else "")


def lean(item: Json) -> Json:
    """The object without its managedFields, which are a third of it and of use to nobody here."""
    item["metadata"].pop("managedFields", None)
    return item


def resource(path: str) -> str:
    """What RBAC calls the thing at a path: "pods", "pods/log"."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join(parts[::2]) or path
