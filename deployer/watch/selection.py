"""Which objects a rollout is made of."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer import cluster as api
from deployer.cluster import Json
from deployer.health.services import OF_SERVICE
from deployer.health.verdict import Workload
from deployer.watch.pace import PACE, Pace

_CHILDREN = {
    "Deployment": ("ReplicaSet", "Pod"),
    "StatefulSet": ("ControllerRevision", "Pod"),
    "DaemonSet": ("ControllerRevision", "Pod", "Node"),
    "ReplicaSet": ("Pod",),
    "Job": ("Pod",),
    "Pod": (),
}


@dataclass(frozen=True)
class Source:
    """One list+watch: a kind, narrowed by selectors."""

    kind: str
    labels: str | None = None
    fields: str | None = None

    @property
    def needed(self) -> bool:
        """A verdict needs it; the others only explain."""
        return self.kind not in ("Node", "HorizontalPodAutoscaler", "PodDisruptionBudget")

    @property
    def watched(self) -> bool:
        """Nodes change every few seconds and matter little: they are only listed now and then."""
        return self.kind != "Node"


@dataclass(frozen=True)
class Selection:
    """What to read of a namespace."""

    namespace: str
    sources: tuple[Source, ...]


def select(namespace: str, workloads: Iterable[Workload], labels: str) -> Selection:
    """Workloads whose pods share labels, as those of a helm release do: "app.kubernetes.io/instance=web".

    None of them needs to exist yet. A Job's pods are found by the Job's name instead.
    """
    wanted = tuple(workloads)
    sources: dict[Source, None] = {}
    for kind in dict.fromkeys(one.kind for one in wanted):
        names = [one.name for one in wanted if one.kind == kind]
        sources[_own(kind, names, labels)] = None
        pods = f"batch.kubernetes.io/job-name in ({','.join(names)})" if kind == "Job" else labels
        sources |= dict.fromkeys(_children(kind, pods))
    return Selection(namespace, (*sources, *_beside(wanted)))


def discover(
    cluster: api.Cluster, namespace: str, workloads: Iterable[Workload], *, deadline: float = 0.0, pace: Pace = PACE
) -> Selection:
    """Workloads that exist: each says itself, by its selector, which pods are its own. NotFound when one does not,
    but for a Job that was removed once it had ended.

    The claims of their pods are read too, and what the release has beside them; a kind of which there is none is not.

    An API out of reach is asked again until the deadline, in time.monotonic()'s terms.
    """
    sources: dict[Source, None] = {}
    claims: set[str] = set()
    wanted = tuple(workloads)
    for one in wanted:
        sources[_own(one.kind, [one.name], "")] = None
        try:
            found = _get(cluster, api.path(one.kind, namespace, one.name), deadline, pace)
        except api.NotFound:
            if one.expires:
                continue
            raise
        selector = found.get("spec", {}).get("selector") or {}
        sources |= dict.fromkeys(_children(one.kind, _written(selector)))
        if found.get("spec", {}).get("volumeClaimTemplates"):  # their claims get the labels of the selector
            labels = _written({"matchLabels": selector.get("matchLabels")})
            sources[Source("PersistentVolumeClaim", labels=labels)] = None
        claims |= _claims(found if one.kind == "Pod" else found.get("spec", {}).get("template") or {})
    if claims:
        sources[_own("PersistentVolumeClaim", sorted(claims), "")] = None
    return Selection(namespace, (*sources, *_beside(wanted)))


def _beside(workloads: Iterable[Workload]) -> list[Source]:
    """What a release has beside its workloads, and where its Services lead."""
    found: dict[str, set[str]] = {}
    for kind, name in (one for workload in workloads for one in workload.beside):
        found.setdefault(kind, set()).add(name)
    sources = [_own(kind, sorted(names), "") for kind, names in sorted(found.items())]
    if "Service" in found:
        sources.append(Source("EndpointSlice", labels=f"{OF_SERVICE} in ({','.join(sorted(found['Service']))})"))
    return sources


def _claims(pod: Json) -> set[str]:
    """Names of claims in a pod or its template."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return {one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one}


def _get(cluster: api.Cluster, path: str, deadline: float, pace: Pace) -> Json:
    failures = 0
    while True:
        try:
            return cluster.get(path)
        except api.Unreachable as error:
            pause = max(error.retry_after, pace.pause(failures))
            if time.monotonic() + pause >= deadline:
                raise
            failures += 1
            time.sleep(pause)


def _own(kind: str, names: list[str], labels: str) -> Source:
    return Source(kind, fields=f"metadata.name={names[0]}") if len(names) == 1 else Source(kind, labels=labels)


def _children(kind: str, labels: str) -> list[Source]:
    return [Source(child, labels=None if child == "Node" else labels) for child in _CHILDREN[kind]]


def _written(selector: Mapping[str, Any]) -> str:
    """A selector object in the words of a query."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, values = one["key"], ",".join(one.get("values") or ())
        match one["operator"]:
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)
