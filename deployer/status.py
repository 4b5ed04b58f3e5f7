"""What an environment runs now: what the profile wants, helm's record, the pods, their health, drift. Reads only."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer import lock, release, source, watch
from deployer.checks import Checks
from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.cluster.manifest import fetch
from deployer.errors import DeployError
from deployer.health.application import Delivered
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.lock import Holder
from deployer.model import Revision
from deployer.plan.drift import Drift, drift
from deployer.plan.tag import tag
from deployer.profile import Profile
from deployer.standing import judged, snapshot
from deployer.values.document import objects


@dataclass(frozen=True)
class Wanted:
    """What the profile asks for, as far as files and git can tell."""

    image: str  # registry/repository:tag that an `up` would deploy now; empty where git cannot name it
    why: str = ""  # why not
    replicas: str = ""  # "2", or "2 to 5" under an autoscaler; empty where the values do not say


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
    wanted: Wanted = Wanted("")
    verdict: Verdict | None = None
    judgements: tuple[Judgement, ...] = ()
    running: tuple[Running, ...] = ()
    drift: tuple[Drift, ...] = ()
    unreadable: tuple[str, ...] = ()  # objects that could not be compared, and why
    holder: Holder | None = None  # None: nobody is deploying
    silent: float | None = None  # seconds since the holder's last sign of life
    application: Delivered | None = None  # where Argo CD delivers


def look(environment: str, checks: Checks, cluster: Cluster) -> Status:
    """The state of a release, judged by one look; independent questions go out side by side.

    Raises ClusterError where the cluster does not answer.
    """
    target, profile = checks.target, checks.profile
    namespace, name = target.namespace, profile.release.name
    with ThreadPoolExecutor(6) as pool:
        wish = pool.submit(_wanted, checks)
        lease = pool.submit(_lease, cluster, namespace, name)
        kept = checks.kept(cluster)
        newest = kept[-1] if kept else None
        if newest is None or newest.revision.status == "uninstalled":
            revision = newest.revision if newest else None
            holder, silent = lease.result()
            application = checks.delivery.look(cluster, revision)
            facts = (environment, target.context, namespace, name, revision, wish.result())
            return Status(*facts, holder=holder, silent=silent, application=application)
        manifest = objects(newest.manifest)
        live = pool.submit(fetch, cluster, namespace, manifest)
        delivered = pool.submit(checks.delivery.look, cluster, newest.revision)
        seen, judgements = _judged(cluster, namespace, release.workloads(newest.manifest), profile.health)
    unreadable = live.result().unreadable
    verdict: Verdict | None = watch.together(judgements)
    if newest.revision.commit and not manifest:  # somebody's hand, mostly: what runs is of an older commit
        unreadable, verdict = (f"the chart of commit {newest.revision.commit[:12]} does not render", *unreadable), None
    return Status(
        environment,
        target.context,
        namespace,
        name,
        newest.revision,
        wish.result(),
        verdict,
        judgements,
        _running(seen),
        drift(live.result().pairs),
        unreadable,
        *lease.result(),
        delivered.result(),
    )


def _wanted(checks: Checks) -> Wanted:
    profile = checks.profile
    replicas = _replicas(profile)
    try:
        tree = source.source(checks.programs, checks.project, profile.image.context)
        name = tag(profile.image.tag, tree, None, checks.job)
    except DeployError as error:
        return Wanted("", error.message, replicas)
    return Wanted(f"{profile.registry.url}/{profile.image.repository}:{name}", "", replicas)


def _replicas(profile: Profile) -> str:
    """By the names that `helm create` gives them."""
    scaling = profile.values.get("autoscaling")
    if isinstance(scaling, dict) and scaling.get("enabled"):
        return f"{scaling.get('minReplicas', 1)} to {scaling.get('maxReplicas', '…')}"
    count = profile.values.get("replicaCount")
    return "" if count is None else str(count)


def _lease(cluster: Cluster, namespace: str, name: str) -> tuple[Holder | None, float | None]:
    """The lease is only told: without the right to read it a status is still worth having."""
    try:
        holder = lock.holder(cluster, namespace, name)
    except Forbidden:
        return None, None
    return holder, holder.silent(cluster.server_time()) if holder else None


def _judged(
    cluster: Cluster, namespace: str, workloads: tuple[Workload, ...], limits: Limits
) -> tuple[Snapshot, tuple[Judgement, ...]]:
    with ThreadPoolExecutor(8) as pool:
        exist = list(pool.map(lambda workload: _exists(cluster, namespace, workload), workloads))
    there = [one for one, exists in zip(workloads, exist, strict=True) if exists or one.expires]
    seen = snapshot(cluster, watch.discover(cluster, namespace, there))
    now = cluster.server_time()
    judgements = [
        Judgement(workload, Verdict.FAILED, "is in the release, but not in the cluster")
        for workload in workloads
        if workload not in there
    ]
    judgements.extend(judged(seen, there, now, limits))
    return seen, tuple(judgements)


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
