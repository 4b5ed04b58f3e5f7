"""One look at a release as it stands: healthy or not, where the cluster has left it. Reads only."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from deployer import release, rollout, watch
from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.cluster.manifest import fetch
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Workload
from deployer.plan.drift import drift
from deployer.plan.unchanged import Standing
from deployer.values.document import objects

SETTLED = 120.0
"""A look has no past: what is seen is judged as if it had stood like this for so many seconds."""


def look(cluster: Cluster, namespace: str, manifest: str, limits: Limits, pull_secret: Callable[[], bool]) -> Standing:
    """The objects and the workloads of a manifest, everything asked side by side. Raises ClusterError."""
    items = objects(manifest)
    wanted = release.rendered(items, first=False)
    with ThreadPoolExecutor(3) as pool:
        live = pool.submit(fetch, cluster, namespace, items)
        secret = pool.submit(pull_secret)
        seen = pool.submit(snapshot, cluster, watch.select(namespace, wanted.workloads, wanted.labels))
    judgements = judged(seen.result(), wanted.workloads, cluster.server_time(), limits)
    found = live.result()
    return Standing(judgements, drift(found.pairs), found.unreadable, secret.result())


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
        except (Forbidden, NotFound):  # not allowed to, or a cluster too old to have the kind
            unreadable.add(source.kind)
            continue
        objects.setdefault(source.kind, {}).update({item["metadata"]["uid"]: item for item in items})
    return Snapshot(objects, frozenset(unreadable))


def judged(seen: Snapshot, workloads: Sequence[Workload], now: float, limits: Limits) -> tuple[Judgement, ...]:
    """The verdict over each workload that is there; `now` in the API server's time."""
    found = []
    for workload in workloads:
        judge = rollout.judging(workload, now - SETTLED, limits)
        judge(seen, now - SETTLED)
        found.append(judge(seen, now))
    return tuple(found)
