"""Reading Kubernetes' JSON: nothing here judges."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from deployer.health.verdict import Object


def name(item: Object) -> str:
    """metadata.name."""
    return str(item["metadata"]["name"])


def uid(item: Object) -> str:
    """metadata.uid."""
    return str(item["metadata"].get("uid", ""))


def status(item: Object) -> dict[str, Any]:
    """status, empty where the controller has not written it yet."""
    return item.get("status") or {}


@lru_cache(4096)
def seconds(timestamp: str | None) -> float | None:
    """An RFC 3339 time as seconds since the epoch; the API rounds down to whole seconds."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def created(item: Object) -> float:
    """metadata.creationTimestamp."""
    return seconds(item["metadata"].get("creationTimestamp")) or 0.0


def condition(item: Object, kind: str) -> dict[str, Any]:
    """The condition of a type, or an empty one."""
    for one in status(item).get("conditions") or ():
        if one.get("type") == kind:
            return one  # type: ignore[no-any-return]
    return {}


def expires(item: Object) -> bool:
    """A Job that Kubernetes removes once it has ended."""
    return item.get("kind") == "Job" and item["spec"].get("ttlSecondsAfterFinished") is not None


def expired(item: Object) -> bool:
    """Such a Job, and it has ended."""
    return expires(item) and any(condition(item, kind).get("status") == "True" for kind in ("Complete", "Failed"))


def owner(item: Object) -> str | None:
    """uid of the controller that owns the object."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return None


def owned(items: Iterable[Object], by: str) -> list[Object]:
    """The objects that a controller owns."""
    return [item for item in items if owner(item) == by]


def label(item: Object, key: str) -> str | None:
    """A label, or None."""
    return (item["metadata"].get("labels") or {}).get(key)


def live(pods: Iterable[Object]) -> list[Object]:
    """Pods that nobody has told to go, and that have not ended."""
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and status(pod).get("phase") not in ("Failed", "Succeeded")
    ]


def ready(pod: Object) -> bool:
    """Condition Ready."""
    return condition(pod, "Ready").get("status") == "True"


def ready_since(pod: Object) -> float | None:
    """Since when the pod is Ready with the containers it has; None while it is not.

    A container may be started again so quickly that the condition does not change: its own start counts too.
    """
    found = condition(pod, "Ready")
    if found.get("status") != "True":
        return None
    runs = ((state.get("state") or {}).get("running") or {} for _, state, init in containers(pod) if not init)
    times = (found.get("lastTransitionTime"), *(run.get("startedAt") for run in runs))
    return max((at for at in map(seconds, times) if at), default=None)


def containers(pod: Object) -> Iterator[tuple[dict[str, Any], dict[str, Any], bool]]:
    """(spec, status, init) of each container, init containers first; a native sidecar counts as no init container.

    initContainers[].restartPolicy=Always makes a sidecar (KEP-753).
    """
    for part, init in (("initContainers", True), ("containers", False)):
        found = {one["name"]: one for one in status(pod).get(f"{part[:-1]}Statuses") or ()}
        for spec in pod["spec"].get(part) or ():
            yield spec, found.get(spec["name"], {}), init and spec.get("restartPolicy") != "Always"


def of_object(events: Iterable[Object], item: Object) -> list[Object]:
    """The events about an object."""
    wanted = uid(item)
    return [event for event in events if (event.get("involvedObject") or {}).get("uid") == wanted]


def times(event: Object) -> int:
    """How often an event was seen."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def happened(event: Object) -> float:
    """When an event was last seen: the newest of the three forms it may have."""
    series = event.get("series") or {}
    times = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"))
    return max((found for found in map(seconds, times) if found), default=created(event))
