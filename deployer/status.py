"""What an environment runs now: helm's record, the pods, their health. Reads only."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer import release, rollout, storage, watch
from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.model import Revision, Target

STANDING = 120.0
"""A look has no past: what is seen is judged as if it had stood like this for so many seconds."""


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
    for workload in there:
        judge = rollout.judging(workload, now - STANDING, limits)
        judge(seen, now - STANDING)
        judgements.append(judge(seen, now))
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


def snapshot(cluster: Cluster, selection: watch.Selection) -> Snapshot:
    """Everything of a selection, listed once. What may not be read is told as unreadable."""
    with ThreadPoolExecutor(8) as pool:
        lists = {
            source: pool.submit(
                cluster.list,
                path(source.kind, selection.namespace),
                label_selector=source.labels,
                field_selector=source.fields,
            )
            for source in selection.sources
        }
    objects: dict[str, dict[str, dict[str, object]]] = {}
    unreadable = set()
    for source, found in lists.items():
        try:
            items, _ = found.result()
        except Forbidden:
            unreadable.add(source.kind)
            continue
        objects.setdefault(source.kind, {}).update({item["metadata"]["uid"]: item for item in items})
    return Snapshot(objects, frozenset(unreadable))


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
