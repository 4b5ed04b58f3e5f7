"""What an environment runs now: helm's record, the pods, their health. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployer import release, storage, watch
from deployer.cluster import Cluster, NotFound, path
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.model import Revision, Target
from deployer.standing import judged, snapshot


@dataclass(frozen=True)
class Running:
    """One image that the release's pods run."""

    image: str  # as the pod asks for it
    digest: str  # "sha256:…" of what runs; empty where nothing runs yet
    pods: int


@dataclass(frozen=True)
class Status:
    """One environment, at one moment."""

    environment: str
    context: str
    namespace: str
    release: str
    revision: Revision | None  # None: nothing is released
    verdict: Verdict | None = None
    judgements: tuple[Judgement, ...] = ()
    running: tuple[Running, ...] = ()


def look(
    environment: str, target: Target, name: str, cluster: Cluster, history: Sequence[Revision], limits: Limits
) -> Status:
    """The state of a release, judged by one look."""
    namespace = target.namespace
    if not history:
        return Status(environment, target.context, namespace, name, None)
    workloads = release.workloads(storage.history(cluster, namespace, name)[-1].manifest)
    there = [workload for workload in workloads if _exists(cluster, namespace, workload)]
    seen = snapshot(cluster, watch.discover(cluster, namespace, there))
    now = cluster.server_time()
    judgements = [
        Judgement(workload, Verdict.FAILED, "is in the release, but not in the cluster")
        for workload in workloads
        if workload not in there
    ]
    judgements.extend(judged(seen, there, now, limits))
    return Status(
        environment,
        target.context,
        namespace,
        name,
        history[-1],
        watch.together(judgements),
        tuple(judgements),
        _running(seen),
    )


def _exists(cluster: Cluster, namespace: str, workload: Workload) -> bool:
    try:
        cluster.get(path(workload.kind, namespace, workload.name))
    except NotFound:
        return False
    return True


def _running(seen: Snapshot) -> tuple[Running, ...]:
    found: dict[tuple[str, str], int] = {}
    for pod in seen.of("Pod"):
        if pod["metadata"].get("deletionTimestamp"):
            continue
        states = {state["name"]: state for state in pod.get("status", {}).get("containerStatuses") or ()}
        for container in pod["spec"]["containers"]:
            digest = states.get(container["name"], {}).get("imageID", "").rpartition("@")[2]
            key = (container["image"], digest)
            found[key] = found.get(key, 0) + 1
    return tuple(Running(image, digest, pods) for (image, digest), pods in sorted(found.items()))
