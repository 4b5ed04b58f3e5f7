"""One case a row of the decision table in docs/health.md: objects, then what is said of them at each second.

The row's number begins the id. A step is (seconds after T0, verdict, rule of the first cause); the rule `ANY` is not
looked at, None means there must be no cause.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from build import (
    IMAGE,
    LIVENESS,
    T0,
    at,
    autoscaler,
    budget,
    claim,
    condition,
    container,
    daemonset,
    deployment,
    ended,
    endpoints,
    event,
    job,
    node,
    pod,
    replicaset,
    rollout,
    running,
    service,
    snapshot,
    statefulset,
    waiting,
)

from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Workload

P, H, F, PAUSED = "progressing", "healthy", "failed", "paused"
ANY = "any"
BLIND = ("ReplicaSet", "Pod")
J = ("Job", "migrate")
Objects = list[Any]


@dataclass(frozen=True)
class Case:
    id: str
    objects: Objects | Snapshot | Callable[[float], Objects | Snapshot]
    steps: Iterable[tuple[float, str, str | None]]
    kind: str = "Deployment"
    name: str = "web"
    warning: str | None = None
    summary: str | None = None
    message: str | None = None
    hint: str | None = None
    beside: tuple[tuple[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    expires: bool = False


def said(case: Case) -> list[Judgement]:
    memory, found = Memory(), []
    for t, _, _ in case.steps:
        objects = case.objects(t) if callable(case.objects) else case.objects
        seen = objects if isinstance(objects, Snapshot) else snapshot(*objects)
        one, memory = judge(
            Workload(case.kind, case.name, case.beside, case.expires),
            seen,
            memory,
            since=T0,
            now=T0 + t,
            limits=case.limits,
        )
        found.append(one)
    return found


def fails(rule: str, grace: float, seen: float = 3) -> list[tuple[float, str, str | None]]:
    """Seen first at `seen`: progressing to the end of the grace, then failed."""
    if not grace:
        return [(seen, F, rule)]
    return [(seen, P, None), (seen + grace - 0.1, P, ANY), (seen + grace, F, rule)]


def never(rule: str | None) -> list[tuple[float, str, str | None]]:
    """Shown as a suspect, and no failure however long it lasts; `stuck` alone ends it."""
    return [(3, P, None), (6.1, P, rule), (500, P, rule)]


def pulling(message: str | None, reason: str = "ImagePullBackOff") -> Any:
    return container(waiting(reason, message))


# ---- what the containers say

ABSENT = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
DENIED = f'failed to resolve reference "{IMAGE}": failed to authorize: unexpected status: 401 Unauthorized'
NO_REPO = (
    'failed to resolve reference "docker.io/o/web:v1": pull access denied, repository does not exist or may require '
    "authorization: server message: insufficient_scope: authorization failed"
)
REFUSED = "dial tcp 10.0.0.9:443: connect: connection refused"
NOPE = 'runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory'
SHIM = "failed to create containerd task: failed to create shim task: context deadline exceeded"
ROOT = 'runAsNonRoot and image will run as root (pod: "web_n", container: web)'
CONDITION = "ReplicaFailure"
SECURITY = 'pods "db-0" is forbidden: violates PodSecurity "restricted:latest": x'


def refused(message: str, **more: Any) -> Objects:
    """A ReplicaSet that may make no pods."""
    frame = deployment(replicas=2, updated=0, available=0)
    broken = condition(CONDITION, "True", "FailedCreate", message)
    return [frame, replicaset(frame, replicas=2, available=0, conditions=[broken]) | more]


DELETES = 'admission webhook "keep.io" denied the request: not now'


def surplus(*, ready: bool) -> Objects:
    """A ReplicaSet that was scaled down to one pod, and may delete none of its two."""
    one, two = container(), container(ready=ready)
    frame, maker, *pods = rollout(one, two, available=1 + ready, total=2, updated=2)
    frame["spec"]["replicas"] = maker["spec"]["replicas"] = 1
    maker["status"]["conditions"] = [condition(CONDITION, "True", "FailedDelete", DELETES)]
    return [frame, maker, *pods]


def kept(t: float) -> Objects:
    """The new pod is ready, and the old one may not be deleted; the deadline of 600 s ends that."""
    over = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out', t=602)
    frame = deployment(total=2, conditions=[over] if t >= 602 else [])
    broken = condition(CONDITION, "True", "FailedDelete", DELETES)
    old = replicaset(frame, "web-old", revision=0, replicas=0, conditions=[broken])
    old["status"]["replicas"] = 1
    new = replicaset(frame)
    return [frame, new, old, pod(new, "web-b7c-0"), pod(old, "web-old-0", t=-900)]


def with_events(objects: Objects, *told: tuple[str, str], **more: Any) -> Objects:
    """The objects, and events about the first pod."""
    first = next(one for one in objects if one["kind"] == "Pod")
    return [*objects, *(event(first, reason, text, n=n, **more) for n, (reason, text) in enumerate(told))]


def progressing(reason: str, message: str, t: float, *, generation: int = 2, observed: int = 2, **more: Any) -> Objects:
    """A Deployment whose pods are not there yet, and what its condition Progressing says."""
    found = condition("Progressing", "False", reason, message, t=t)
    frame = deployment(
        replicas=2, updated=1, available=0, generation=generation, observed=observed, conditions=[found], **more
    )
    return [frame, replicaset(frame, available=0)]


def throttled(t: float) -> Objects:
    """Quota lets one more pod in every 20 s."""
    count = int(t // 20)
    frame = deployment(replicas=9, updated=count, available=count)
    broken = condition(CONDITION, "True", "FailedCreate", "exceeded quota: q, requested: pods=1")
    return [frame, replicaset(frame, replicas=count, available=count, conditions=[broken])]


def quota_beside_old_pods() -> Objects:
    """Quota is full until old pods that take long to stop are gone."""
    frame = deployment(replicas=1, updated=0, available=0, total=0)
    old = replicaset(frame, "web-old", revision=0, replicas=0, available=0)
    broken = condition(CONDITION, "True", "FailedCreate", "exceeded quota: q, requested: pods=1")
    new = replicaset(frame, replicas=0, available=0, conditions=[broken])
    return [frame, old, new, pod(old, "web-old-0", leaving=True)]


def old_set_fails() -> Objects:
    frame = deployment(
        replicas=1, updated=1, available=0, conditions=[condition(CONDITION, "True", "FailedCreate", "is forbidden")]
    )
    broken = condition(CONDITION, "True", "FailedCreate", "is forbidden")
    old = replicaset(frame, "web-old", revision=0, conditions=[broken])
    new = replicaset(frame, available=0)
    return [frame, old, new, pod(new, "web-0", container(waiting("ContainerCreating")))]


def leaving_old(**more: Any) -> Objects:
    frame = deployment(replicas=1, **more)
    old, new = replicaset(frame, "web-old", revision=0, replicas=0), replicaset(frame)
    return [frame, old, new, pod(new, "web-0"), pod(old, "old-0", leaving=True)]


def recovers(until: float, bad: Any, good: Any) -> Callable[[float], Objects]:
    """Bad, but for one good look at `until`."""
    return lambda t: rollout(good if t == until else bad)


def evicted(count: int, *, old: bool = False) -> Objects:
    frame, new, *pods = rollout(container())
    before = replicaset(frame, "web-old", revision=0, replicas=0)
    gone = [pod(before if old else new, f"gone-{n}", phase="Failed", reason="Evicted") for n in range(count)]
    return [frame, new, before, *pods, *gone]


def turned_away(t: float = 1) -> Objects:
    """A kubelet refuses each pod, and the ReplicaSet makes the next."""
    frame = deployment(updated=1, available=0)
    maker = replicaset(frame, available=0)
    gone = [
        pod(maker, f"web-{n}", container(waiting("x")), phase="Failed", reason="UnexpectedAdmissionError", t=t)
        for n in range(3)
    ]
    for one in gone:
        one["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "Allocate failed"}
    return [frame, maker, *gone]


def going(**head: Any) -> Objects:
    """A StatefulSet's pod of the old version, told to go, with 30 s to do so."""
    item = statefulset(replicas=2, updated=1, ready=1, total=2)
    old = pod(
        item, "db-0", container(ended(137), ready=False), labels={"controller-revision-hash": "db-1"}, leaving=True, t=5
    )
    old["metadata"] |= head
    return [item, pod(item, "db-1", labels={"controller-revision-hash": "db-2"}), old]


def never_recreated() -> Objects:
    """The strategy Recreate: the Deployment keeps the old revision until its last pod is gone."""
    frame = deployment(updated=0, available=0, total=0, strategy={"type": "Recreate"})
    old = replicaset(frame, "web-old", replicas=0)
    return [frame, old, pod(old, "old-0", leaving=True, t=5)]


def unscheduled(text: str, reason: str = "Unschedulable") -> Objects:
    lost = {"of": container(waiting("x")), "conditions": [condition("PodScheduled", "False", reason, text)]}
    return rollout(lost)


def beside_leaving(objects: Objects, until: float = 1e9) -> Callable[[float], Objects]:
    """The objects, and an old pod that is on its way out until then."""
    old = replicaset(objects[0], "web-old", revision=0, replicas=0)
    return lambda t: [*objects, old, *([pod(old, "old-0", leaving=True)] if t < until else [])]


def nominated(text: str) -> Objects:
    """A pod for which the scheduler drives others out."""
    objects = unscheduled(text)
    objects[2]["status"]["nominatedNodeName"] = "node-1"
    return objects


def creating(*told: tuple[str, str]) -> Objects:
    return with_events(rollout(container(waiting("ContainerCreating"))), *told)


def mounting(*claims: Any, text: str | None = None, of: Any = None, scheduled: bool = False) -> Objects:
    """A pod that mounts the claim `data`, and cannot be scheduled for what `text` says; no text: nobody has tried."""
    unplaced = condition("PodScheduled", "False", "Unschedulable", text) if text else condition("PodScheduled", "")
    one: dict[str, Any] = {
        "of": of or container(waiting("ContainerCreating")),
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    return [*rollout(one | ({} if scheduled else {"conditions": [unplaced]})), *claims]


def served(*items: Any, selector: Any = None, pods: int = 1, **more: Any) -> Objects:
    """Good pods with the label app=web, and a Service."""
    up = [{"of": container(), "labels": {"app": "web"}} for _ in range(pods)]
    return [*rollout(*up), service(selector={"app": "web"} if selector is None else selector, **more), *items]


SERVICE = (("Service", "web"),)
DB = ("StatefulSet", "db")


def stateful(*pods: Any, **more: Any) -> Objects:
    """Pods are (container, revision)."""
    item = statefulset(**more)
    made = [
        pod(item, f"db-{n}", one, labels={"controller-revision-hash": revision})
        for n, (one, revision) in enumerate(pods)
    ]
    return [item, *made]


def refused_set(text: str, t: float = 3, *, pods: int = 0, made: float = 1, **more: Any) -> Objects:
    """A StatefulSet of three that lacks pods, and the event that says why, last seen at `t`."""
    item = statefulset(replicas=3, updated=pods, ready=0, total=pods, **more)
    mine = [
        pod(item, f"db-{n}", container(ready=False), labels={"controller-revision-hash": "db-2"}, t=made)
        for n in range(pods)
    ]
    return [
        item,
        *mine,
        event(item, "FailedCreate", f"create Pod db-{pods} in StatefulSet db failed error: {text}", t=t),
    ]


def daemons(*pods: Any, extra: Iterable[Any] = (), **more: Any) -> Objects:
    """Pods are (container, revision, node)."""
    item, *revisions = daemonset(**more)
    made = [
        pod(item, f"agent-{n}", one, labels={"controller-revision-hash": revision}, node=where)
        for n, (one, revision, where) in enumerate(pods)
    ]
    return [item, *revisions, *made, *extra]


def jobs(*pods: Any, **more: Any) -> Objects:
    item = job(**more)
    containers = [(one if isinstance(one, list) else [one], phase) for one, phase in pods]
    return [item, *(pod(item, f"migrate-{n}", *some, phase=phase) for n, (some, phase) in enumerate(containers))]


def unplaced(text: str) -> Any:
    """What keeps a pod from a node."""
    return {"conditions": [condition("PodScheduled", "False", "Unschedulable", text)]}


def mounts() -> Any:
    """A pod that mounts the claim `data`."""
    return {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}


def job_without(what: Any, **more: Any) -> Objects:
    """A Job whose one pod cannot begin."""
    item = job(**({"active": 1} | more))
    return [item, pod(item, "migrate-0", container(waiting("x"), **PLAIN), restartPolicy="Never", **what)]


def with_sidecar(native: Any, work: Any, phase: str = "Running", **more: Any) -> Objects:
    """A Job whose one pod has a native sidecar."""
    item = job(**more)
    return [item, pod(item, "migrate-0", work, init=[native], phase=phase, restartPolicy="Never")]


def crash(exits: int, **more: Any) -> Any:
    """A container that has failed so often, and waits to be started anew."""
    last = more.pop("last", ended())
    return container(waiting("CrashLoopBackOff", "back-off"), restarts=exits - 1, last=last, **more)


IMMEDIATE = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are"
NO_PLACE = "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. preemption: 0/2"
HELD = {
    "a place": "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. preemption: 0/3 nodes are",
    "a place by its own rules": "0/3: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
    "a spread": "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
    "a host port": "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
    "a claim": "0/3: 3 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.",
}
NO_CPU = "0/2 nodes are available: 2 Insufficient cpu."
NO_VOLUMES = "no persistent volumes available for this claim and no storage class is set"
UNREADY = container(ready=False)
CREATING = container(waiting("ContainerCreating"))
PLAIN = {"readinessProbe": None}
DONE = container(ended(0, "Completed"), name="migrate", ready=True, **PLAIN)


def sidecar(state: Any = None, **more: Any) -> Any:
    """A native sidecar: an init container that runs on."""
    return container(state, name="proxy", restartPolicy="Always", **more)


def beside(one: Any, **more: Any) -> Objects:
    """A pod with a container that is an init container by its place, and the good container after it."""
    template = {"spec": {"containers": [container()["spec"]], "initContainers": [one["spec"]]}}
    return rollout({"init": [one], **more}, template=template)


TWO_OF_TEN = [pulling(ABSENT, "ErrImagePull")] + [container() for _ in range(9)]

TWO_AT_ONCE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}
OLD, NEW, DOOMED = (container(), "db-1"), (container(), "db-2"), (crash(3), "db-2")
CREATED = (container(waiting("ContainerCreating")), "db-2")

CASES = [
    # ---- Deployment
    Case("1 not observed", [deployment(generation=2, observed=1)], [(40, P, None)], summary="not seen the change"),
    Case("1 observed", rollout(container()), [(3, H, None)]),
    Case(
        "2 replicaset not made",
        progressing("ReplicaSetCreateError", "exceeded quota: q", 1, observed=1),
        fails("replicaset_not_made", 10),
    ),
    Case(
        "2 it stays from before the rollout",
        progressing("ReplicaSetCreateError", "exceeded quota: q", -5, observed=1),
        fails("replicaset_not_made", 30),
    ),
    Case(
        "2 of the version before, and this one is seen in time",
        lambda t: progressing("ReplicaSetCreateError", "exceeded quota: q", -5, observed=1 if t < 20 else 2),
        [(3, P, None), (19, P, "replicaset_not_made"), (20, P, None), (60, P, None)],
    ),
    Case(
        "3 deadline",
        progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out progressing.', 5),
        [(6, F, "progress_deadline")],
    ),
    Case(
        "3 deadline of ours, older than T0: its pods have a chance",
        progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out progressing.', -5),
        fails("progress_deadline", 60),
    ),
    Case(
        "3 deadline, not observed",
        progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out progressing.', 5, observed=1),
        [(6, P, None)],
    ),
    Case(
        "4 deadline of another replicaset",
        progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-bad" has timed out progressing.', -5),
        [(6, P, None), (60, P, None)],
    ),
    Case("5 paused", [deployment(updated=0, paused=True)], [(3, PAUSED, None)], summary="paused"),
    Case(
        "6 the new replicaset lacks",
        (lambda frame: [frame, replicaset(frame, available=1), pod(replicaset(frame), "web-0")])(
            deployment(replicas=2)
        ),
        [(3, P, None)],
    ),
    Case("6 one of two available", rollout(container(), UNREADY), [(3, P, None)], summary="1 of 2"),
    Case("7 no readiness probe", rollout(container(**PLAIN)), [(3, P, None), (11.9, P, None), (12, H, None)]),
    Case(
        "7 a restart begins the soak anew",
        rollout({"of": container(restarts=1, last=ended(), **PLAIN), "ready_at": 20}),
        [(21, P, None), (29.9, P, ANY), (30, H, None)],
    ),
    Case(
        "7 liveness unlike readiness",
        rollout(container(livenessProbe=LIVENESS)),
        [(3, P, None), (7.9, P, None), (8, H, None)],
    ),
    Case(
        "7 liveness like readiness",
        rollout(container(livenessProbe={"httpGet": {"path": "/readyz", "port": 8080}})),
        [(3, H, None)],
    ),
    Case(
        "7 a long liveness budget is capped",
        rollout(container(livenessProbe=LIVENESS | {"initialDelaySeconds": 300})),
        [(3, P, None), (16.9, P, None), (17, H, None)],
    ),
    Case("8 no replicas", (lambda frame: [frame, replicaset(frame)])(deployment(replicas=0)), [(3, H, None)]),
    Case("9 old replicas still there", leaving_old(total=2), [(3, P, None)]),
    Case("9 old pods terminating", leaving_old(), [(3, H, None)], warning="1 old pod is still terminating"),
    # ---- ReplicaSet
    Case("10 quota", refused("pods web is forbidden: exceeded quota: q"), fails("quota_exceeded", 30)),
    Case("10 quota as a throttle", throttled, [(3, P, None), (19, P, ANY), (39, P, ANY), (59, P, ANY), (79, P, ANY)]),
    Case("10 quota, old pods terminating", quota_beside_old_pods(), [(3, P, None), (32, P, ANY), (40, P, ANY)]),
    Case("11 pod security", refused('pods "web" is forbidden: violates PodSecurity'), fails("pods_refused", 10)),
    Case(
        "11 webhook",
        refused('admission webhook "p.io" denied the request: no'),
        fails("pods_refused", 10),
        message="no",
    ),
    Case("11 invalid", refused('Pod "web" is invalid: spec'), fails("pods_refused", 10)),
    Case("12 priority class", refused("no PriorityClass with name high was found"), fails("pods_refused_for_now", 30)),
    Case(
        "12 service account",
        refused('pods "web" is forbidden: error looking up service account n/x: serviceaccount "x" not found'),
        fails("pods_refused_for_now", 30),
    ),
    Case("12 webhook down", refused(f"failed calling webhook: {REFUSED}"), fails("pods_refused_for_now", 30)),
    Case("13 an old replicaset fails", old_set_fails(), [(3, P, None), (60, P, None)]),
    Case("11 a pod too many may not be deleted", surplus(ready=True), [(3, H, None)]),
    Case(
        "11 a pod too many may not be deleted, and is not ready",
        surplus(ready=False),
        [(3, P, None), (14, P, "never_ready"), (61, P, "never_ready")],
    ),
    Case(
        "11 an old pod may not be deleted",
        kept,
        [(3, P, None), (6, P, "deletion_refused"), (601, P, "deletion_refused"), (602, F, "deletion_refused")],
        message='a pod may not be deleted: admission webhook "keep.io" denied the request: not now',
    ),
    Case(
        "14 the event is newer than the condition",
        (lambda all_: [*all_, event(all_[1], "FailedCreate", "Error creating: violates PodSecurity: new", t=9)])(
            refused("exceeded quota: old")
        ),
        fails("pods_refused", 10, 10),
        message="PodSecurity: new",
    ),
    Case("11 a StatefulSet's", refused_set(SECURITY), fails("pods_refused", 10), "StatefulSet", "db"),
    Case(
        "11 a StatefulSet's, refused after its first pod",
        refused_set(SECURITY, 9, pods=1, made=8, podManagementPolicy="Parallel"),
        fails("pods_refused", 10, 9),
        "StatefulSet",
        "db",
    ),
    Case(
        "11 a StatefulSet's, told before the rollout: nothing was made since",
        refused_set(SECURITY, -300),
        fails("pods_refused", 30),
        "StatefulSet",
        "db",
    ),
    Case(
        "10 a StatefulSet's quota",
        refused_set('pods "db-0" is forbidden: exceeded quota: q'),
        fails("quota_exceeded", 30),
        "StatefulSet",
        "db",
    ),
    # ---- images
    Case("15 no image name", rollout(container(waiting("InvalidImageName"))), fails("image_name", 0)),
    Case("15 pull never", rollout(container(waiting("ErrImageNeverPull"))), fails("image_absent_never", 0)),
    Case("16 absent", rollout(pulling(ABSENT)), fails("image_not_found", 3)),
    *(
        Case(
            f"16 not for this platform, says {runtime}",
            rollout(pulling(text)),
            fails("image_not_found", 3),
            message="is there, but not for the node's platform",
            hint="build the image for the nodes' platform",
        )
        for runtime, text in (
            ("containerd", f'failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not found'),
            ("docker", "no matching manifest for linux/arm64/v8 in the manifest list entries"),
        )
    ),
    Case("16 manifest unknown", rollout(pulling("manifest unknown", "ErrImagePull")), fails("image_not_found", 3)),
    Case(
        "16 the timer runs on from ErrImagePull to ImagePullBackOff",
        lambda t: rollout(pulling(ABSENT, "ErrImagePull" if t < 5 else "ImagePullBackOff")),
        fails("image_not_found", 3),
    ),
    Case(
        "16 words of the image's name",
        rollout(
            container(
                waiting("ErrImagePull", ABSENT.replace(IMAGE, "r.lab/timeout:1.502")), image="r.lab/timeout:1.502"
            )
        ),
        fails("image_not_found", 3),
    ),
    Case(
        "17 refused",
        with_events(rollout(pulling(DENIED)), ("Failed", f'Failed to pull image "{IMAGE}": {DENIED}')),
        fails("image_pull_denied", 3),
    ),
    Case(
        "17 x509",
        with_events(rollout(pulling("x509: unknown authority")), ("Failed", "x")),
        fails("image_pull_denied", 3),
    ),
    Case(
        "17 the kubelet had not seen the secret",
        with_events(rollout(pulling(DENIED)), ("FailedToRetrieveImagePullSecret", "Unable to retrieve some")),
        fails("image_pull_denied", 25),
    ),
    Case(
        "17 the second pull is refused too",
        lambda t: [
            *(objects := rollout(pulling(DENIED))),
            event(objects[2], "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (pull)"),
            event(objects[2], "Failed", f'Failed to pull image "{IMAGE}": {DENIED}', count=1 if t < 18 else 2),
        ],
        [(3, P, None), (17, P, ANY), (18, F, "image_pull_denied")],
    ),
    Case(
        "17 the second pull says more, and its event is there before the pod's status",
        lambda t: [
            *(objects := rollout(pulling(DENIED if t < 20 else ABSENT, "ErrImagePull"))),
            event(objects[2], "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (pull)"),
            event(objects[2], "Failed", f'Failed to pull image "{IMAGE}": {DENIED}'),
            *([event(objects[2], "Failed", f'Failed to pull image "{IMAGE}": {ABSENT}', t=18, n=1)] if t >= 18 else []),
        ],
        [(3, P, None), (19, P, ANY), (20, P, ANY), (23, F, "image_not_found")],
    ),
    Case(
        "17 a registry that says both, the secret not seen",
        with_events(rollout(pulling(NO_REPO)), ("FailedToRetrieveImagePullSecret", "Unable to retrieve some")),
        [(3, P, None), (20, P, ANY)],
    ),
    Case("18 connection refused", rollout(pulling(REFUSED)), fails("image_pull_transient", 90)),
    Case("18 too many", rollout(pulling("429 Too Many Requests: toomanyrequests")), fails("image_pull_transient", 90)),
    Case("18 5xx", rollout(pulling("unexpected status: 503 Service")), fails("image_pull_transient", 90)),
    Case("19 no word why", rollout(pulling(f'Back-off pulling image "{IMAGE}"')), fails("image_pull_unknown", 45)),
    Case(
        "19 the text of the pull before",
        lambda t: rollout(pulling(ABSENT, "ErrImagePull") if t < 4 else pulling(f'Back-off pulling image "{IMAGE}"')),
        fails("image_not_found", 3),
    ),
    Case(
        "19 the text of the event",
        with_events(
            rollout(pulling(f'Back-off pulling image "{IMAGE}"')),
            ("Failed", f'Failed to pull image "{IMAGE}": {ABSENT}'),
        ),
        fails("image_not_found", 3),
    ),
    *(
        Case(
            f"19 of two events the newest speaks, learned {order}",
            (lambda all_, told: [*all_, *(told if order == "in order" else told[::-1])])(
                objects := rollout(pulling(f'Back-off pulling image "{IMAGE}"')),
                [
                    event(objects[2], "Failed", f'Failed to pull image "{IMAGE}": {REFUSED}', t=2, n=1),
                    event(objects[2], "Failed", f'Failed to pull image "{IMAGE}": {ABSENT}', t=3, n=2),
                ],
            ),
            fails("image_not_found", 3),
        )
        for order in ("in order", "backwards")
    ),
    # ---- starting
    Case(
        "20 no secret",
        rollout(container(waiting("CreateContainerConfigError", 'secret "nope" not found'))),
        fails("config_missing", 18),
        message='secret "nope" not found',
    ),
    Case(
        "20 a user that may not be root",
        rollout(container(waiting("CreateContainerConfigError", f"container has {ROOT}"))),
        fails("config_missing", 18),
        hint="set runAsUser",
    ),
    Case(
        "20 the secret comes in time",
        recovers(8, container(waiting("CreateContainerConfigError", 'secret "s" not found')), CREATING),
        [(3, P, None), (8, P, None), (14, P, ANY), (31, P, ANY), (32, F, "config_missing")],
    ),
    Case(
        "21 cache",
        rollout(container(waiting("CreateContainerConfigError", "failed to sync secret cache: timed out"))),
        fails("config_cache", 60),
    ),
    Case(
        "22 no such command",
        rollout(container(waiting("RunContainerError", NOPE))),
        fails("not_startable", 5),
        message="cannot start `/nope`",
    ),
    Case(
        "22 said by the last run alone",
        rollout(crash(2, last=ended(128, "StartError", NOPE))),
        fails("not_startable", 5),
    ),
    Case(
        "22 ContainerCannotRun",
        rollout(container(ended(127, "ContainerCannotRun", "exec format error"))),
        fails("not_startable", 5),
    ),
    Case(
        "22 it starts after all",
        rollout(container(restarts=1, last=ended(128, "StartError", NOPE))),
        [(3, H, None), (9, H, None)],
    ),
    Case("23 shim, once", rollout(container(waiting("RunContainerError", SHIM))), [(3, P, None), (60, P, ANY)]),
    Case("23 shim, thrice", rollout(crash(3, last=ended(128, "StartError", SHIM))), fails("crash", 0)),
    Case(
        "23 a container that is never made is at least named",
        rollout(container(waiting("CreateContainerError", "context deadline exceeded"))),
        [(3, P, None), (30, P, "crash")],
    ),
    # ---- crashing
    Case("24 exit, once", rollout(container(ended())), [(3, P, None), (6.1, P, "crash"), (400, P, "crash")]),
    Case("24 exit, twice", rollout(container(ended(), restarts=1, last=ended())), [(3, P, None), (60, P, "crash")]),
    Case("24 exit, thrice", rollout(container(ended(), restarts=2, last=ended())), fails("crash", 0), message="exit 1"),
    Case("24 CrashLoopBackOff is no failure of its own", rollout(crash(2)), [(3, P, None), (60, P, "crash")]),
    Case("24 third exit, in back-off", rollout(crash(3)), fails("crash", 0), message="2 restarts"),
    Case(  # one exit short of too many, and no start to come within `crash_grace`
        "24 exit, twice, 8 s ago",
        rollout(crash(2, last={"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": at(2)}})),
        [(3, P, None), (9.9, P, "crash"), (10, F, "crash")],
    ),
    Case(
        "24 restarts from before the rollout",
        rollout({"of": container(restarts=7, last=ended()), "t": -100}),
        [(3, H, None)],
    ),
    Case(
        "25 out of memory, twice",
        rollout(crash(2, last=ended(137, "OOMKilled"))),
        [(3, P, None), (9, P, "out_of_memory")],
    ),
    Case(
        "25 out of memory",
        rollout(crash(3, last=ended(137, "OOMKilled"), resources={"limits": {"memory": "32Mi"}})),
        fails("out_of_memory", 0),
        message="limit of 32Mi",
    ),
    Case(
        "26 init crashes",
        rollout({"of": container(waiting("PodInitializing")), "init": [crash(3, name="migrate", **PLAIN)]}),
        fails("crash", 0),
        message="init container migrate",
    ),
    Case(
        "26 init image absent",
        rollout({"of": container(waiting("PodInitializing")), "init": [container(waiting("ErrImagePull", ABSENT))]}),
        fails("image_not_found", 3),
    ),
    Case(
        "26 init succeeded at last",
        rollout({"init": [container(ended(0, "Completed"), name="i", ready=True, restarts=3, last=ended(), **PLAIN)]}),
        [(3, H, None)],
    ),
    Case(
        "27 sidecar runs",
        rollout(
            {
                "of": container(waiting("PodInitializing")),
                "init": [container(name="proxy", restartPolicy="Always")],
            }
        ),
        [(3, P, None), (19, P, None)],
    ),
    Case(
        "27 sidecar crashes",
        rollout({"init": [crash(3, name="proxy", restartPolicy="Always")]}),
        fails("crash", 0),
        message="container proxy",
    ),
    Case("27 sidecar is ready", beside(sidecar()), [(3, H, None)]),
    Case(
        "27 sidecar without readiness probe has to run for a while",
        beside(sidecar(**PLAIN)),
        [(3, P, None), (11.9, P, None), (12, H, None)],
    ),
    Case(
        "27 sidecar that began anew has to run for a while again",
        beside(sidecar(running(20), restarts=1, last=ended(), **PLAIN)),
        [(21, P, None), (29.9, P, ANY), (30, H, None)],
    ),
    Case("27 an init container that is done is no sidecar", beside(DONE), [(3, H, None)]),
    Case(
        "27 sidecar is not ready",
        beside(sidecar(ready=False), phase="Running", conditions=[condition("Ready", "False", t=2)]),
        [(3, P, None), (31, P, ANY), (62, F, "never_ready")],
        message="container proxy: runs, but is not ready",
    ),
    Case(
        "27 sidecar crashes beside a container that is well",
        beside(
            sidecar(waiting("CrashLoopBackOff", "back-off"), restarts=2, last=ended(2)),
            phase="Running",
            conditions=[condition("Ready", "False", t=2)],
        ),
        fails("crash", 0),
        message="container proxy: exit 2",
    ),
    Case(
        "27 sidecar crashes before the others begin",
        rollout(
            {"of": container(waiting("PodInitializing")), "init": [crash(3, name="proxy", restartPolicy="Always")]}
        ),
        fails("crash", 0),
        message="container proxy",
    ),
    Case(
        "27 sidecar ends with 0 again and again",
        beside(
            sidecar(waiting("CrashLoopBackOff", "back-off"), restarts=2, last=ended(0, "Completed")),
            phase="Running",
            conditions=[condition("Ready", "False", t=2)],
        ),
        fails("crash", 0),
        message="container proxy: exit 0 (Completed)",
    ),
    Case(
        "27 sidecar's image is absent",
        rollout({"of": container(waiting("PodInitializing")), "init": [sidecar(waiting("ErrImagePull", ABSENT))]}),
        fails("image_not_found", 3),
        message="container proxy",
    ),
    Case(
        "27 the step after a sidecar crashes",
        rollout(
            {
                "of": container(waiting("PodInitializing")),
                "init": [sidecar(), crash(3, name="migrate", **PLAIN)],
            }
        ),
        fails("crash", 0),
        message="init container migrate",
    ),
    Case(
        "27 classic sidecar is not ready",
        rollout([container(), container(name="proxy", ready=False)]),
        [(3, P, None), (31, P, ANY), (62, F, "never_ready")],
        message="container proxy: runs, but is not ready",
    ),
    Case(
        "27 classic sidecar crashes", rollout([container(), crash(3, name="proxy")]), fails("crash", 0), message="proxy"
    ),
    Case("28 evicted", evicted(3), [(3, H, None)]),
    Case("28 evicted again and again", evicted(4), [(3, H, None)], warning="4 pods were evicted"),
    Case("28 evicted last week, of an old version", evicted(9, old=True), [(3, H, None)]),
    # ---- places
    Case(
        "29 selector",
        unscheduled("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2"),
        fails("no_node_matches", 30),
        message="node affinity/selector.",
    ),
    Case("29 claim", unscheduled('persistentvolumeclaim "data" not found'), fails("no_node_matches", 30)),
    Case("30 cpu", unscheduled("0/2 nodes are available: 2 Insufficient cpu."), fails("no_room", 60)),
    Case(
        "30 mixed", unscheduled("0/3: 1 Insufficient cpu, 2 node(s) didn't match node selector"), fails("no_room", 60)
    ),
    Case("30 scaling up", with_events(unscheduled("Insufficient cpu"), ("TriggeredScaleUp", "1->2")), never("no_room")),
    Case(
        "30 old pods make room",
        (lambda all_, old: [*all_, old, pod(old, "old-0", leaving=True)])(
            unscheduled("Insufficient memory"), replicaset(deployment(), "web-old", revision=0, replicas=0)
        ),
        never("no_room"),
    ),
    Case(
        "30 pods are driven out for it", nominated("Insufficient cpu. preemption: not eligible due"), never("no_room")
    ),
    *(
        Case(f"29 {what} that an old pod holds", beside_leaving(unscheduled(text)), never("no_node_matches"))
        for what, text in HELD.items()
    ),
    *(
        Case(f"29 {what} that nobody gives up", unscheduled(text), fails("no_node_matches", grace))
        for what, text, grace in (
            ("a place", HELD["a place"], 30),
            ("a spread", HELD["a spread"], 30),
            ("a host port", HELD["a host port"], 60),
        )
    ),
    Case(
        "29 once the old pod is gone the scheduler has as long again",
        beside_leaving(unscheduled(HELD["a place"]), until=50),
        [(3, P, None), (49, P, ANY), (50, P, ANY), (79.9, P, ANY), (80, F, "no_node_matches")],
    ),
    Case(
        "29 a selector is nobody's to give up",
        beside_leaving(unscheduled("2 node(s) didn't match Pod's node affinity/selector")),
        fails("no_node_matches", 30),
    ),
    Case(
        "29 taints without a name",
        unscheduled("0/2 nodes are available: 2 node(s) had untolerated taint(s). no new claims"),
        fails("no_node_matches", 60),
    ),
    *(
        Case(
            f"30 no right to events: a node may be on its way, {rule}",
            snapshot(*unscheduled(text), unreadable=["Event"]),
            never(rule),
            warning="no permission to read Event: a node may be on its way",
        )
        for rule, text in (("no_room", "Insufficient cpu"), ("no_node_matches", "2 node(s) didn't match node selector"))
    ),
    Case("31 gated", unscheduled("gates", "SchedulingGated"), never("scheduling_gated")),
    Case(
        "32 no such secret",
        creating(("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "nope" not found')),
        fails("volume_not_mounted", 32),
        message='secret "nope" not found',
    ),
    Case(
        "32 the cause, then what comes of it",
        creating(
            ("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "nope" not found'),
            ("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[v]: timed out waiting"),
        ),
        fails("volume_not_mounted", 32),
        message='secret "nope" not found',
    ),
    Case(
        "32 mounted by now, a large image is pulled",
        (lambda all_: [*all_, event(all_[-2], "Pulling", f'Pulling image "{IMAGE}"', t=5, kind="Normal")])(
            creating(("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "late" not found'))
        ),
        [(6, P, None), (60, P, None)],
    ),
    Case(
        "32 mounted and pulling within the same second",
        (lambda all_: [*all_, event(all_[-2], "Pulling", f'Pulling image "{IMAGE}"', t=3, kind="Normal")])(
            creating(("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "late" not found'))
        ),
        [(6, P, None), (60, P, None)],
    ),
    Case("32 not mounted", creating(("FailedMount", "mount failed: exit status 32")), fails("volume_not_mounted", 120)),
    Case("32 not attached", creating(("FailedAttachVolume", "Multi-Attach error")), fails("volume_not_attached", 120)),
    Case(
        "32 not attached: an old pod has the disk until it is gone",
        beside_leaving(creating(("FailedAttachVolume", "Multi-Attach error")), until=200),
        [(3, P, None), (124, P, "volume_not_attached"), (200, P, ANY), (319.9, P, ANY), (320, F, ANY)],
    ),
    Case(
        "32 not attached, and what comes of it",
        creating(("FailedAttachVolume", "Multi-Attach error"), ("FailedMount", "timed out waiting for the condition")),
        fails("volume_not_attached", 120),
        message="Multi-Attach",
    ),
    Case("32 no network", creating(("FailedCreatePodSandBox", "cni: no")), fails("no_sandbox", 60)),
    Case(
        "32 the cache is late",
        creating(("FailedMount", "MountVolume.SetUp failed : failed to sync configmap cache: timed out")),
        [(3, P, None), (15, P, None), (190, P, None), (200, P, "stuck_creating")],
    ),
    # ---- probes
    Case(
        "33 never ready",
        with_events(rollout(UNREADY), ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")),
        [(3, P, None), (6.1, P, "never_ready"), (61.9, P, "never_ready"), (62, F, "never_ready")],
        message="statuscode: 503",
    ),
    Case(
        "33 a long budget",
        rollout(container(ready=False, readinessProbe={"initialDelaySeconds": 100})),
        [(3, P, None), (263, P, ANY), (265, F, "never_ready")],
    ),
    Case(
        "33 ten answers in a row make it ready",
        rollout(container(ready=False, readinessProbe={"periodSeconds": 10, "successThreshold": 10})),
        [(3, P, None), (153, P, ANY), (155, F, "never_ready")],
    ),
    Case("33 ready at last", lambda t: rollout(container(ready=t > 61)), [(3, P, None), (61, P, ANY), (61.5, H, None)]),
    Case(
        "34 liveness",
        with_events(
            rollout(container(restarts=3, last=ended(2), ready=False, livenessProbe=LIVENESS)),
            ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        ),
        fails("liveness_probe", 0),
        message="statuscode: 500",
    ),
    Case(
        "34 startup",
        with_events(rollout(crash(3, last=ended(137))), ("Unhealthy", "Startup probe failed: connection refused")),
        fails("startup_probe", 0),
    ),
    Case(
        "35 gate",
        rollout(
            {
                "of": container(),
                "conditions": [condition("Ready", "False")],
                "readinessGates": [{"conditionType": "lb/ok"}],
            }
        ),
        never("readiness_gate"),
        message="lb/ok",
    ),
    # ---- claims
    Case(
        "45 lost", mounting(claim(phase="Lost", volume="pv-7"), scheduled=True), fails("claim_lost", 0), message="pv-7"
    ),
    Case("45 lost under a pod that runs", mounting(claim(phase="Lost"), of=container()), fails("claim_lost", 0)),
    Case("45 bound", mounting(claim(phase="Bound"), of=container(), scheduled=True), [(3, H, None)]),
    Case("45 lost, of somebody else", mounting(claim("other", "Lost"), of=container(), scheduled=True), [(3, H, None)]),
    Case(
        "45 unbound, and it may not be read", mounting(text=IMMEDIATE), fails("claim_unbound", 60), message="a claim is"
    ),
    Case(
        "45 unbound, and what its controller says of it",
        (lambda item: [*mounting(item, text=IMMEDIATE), event(item, "FailedBinding", NO_VOLUMES, kind="Normal")])(
            claim()
        ),
        fails("claim_unbound", 60),
        message="claim data is not bound: no persistent volumes available",
    ),
    Case(
        "45 unbound, somebody makes its volume",
        mounting(claim(annotations={"storage-provisioner": "disk.csi"}), text=IMMEDIATE),
        fails("claim_unbound", 120),
    ),
    Case("45 no volume where the pod could go", mounting(claim(), text=NO_PLACE), fails("claim_unbound", 60)),
    Case("45 waits for its first consumer, who has no place", mounting(claim(), text=NO_CPU), fails("no_room", 60)),
    Case("45 waits for its first consumer", mounting(claim()), [(3, P, None), (500, P, None)]),
    Case(
        "45 waits for a volume on the node that was chosen",
        mounting(claim(annotations={"selected-node": "node-1", "storage-provisioner": "disk.csi"})),
        fails("claim_unbound", 120),
    ),
    # ---- what stands beside
    Case(
        "46 an autoscaler without figures",
        [*rollout(container()), autoscaler()],
        [(60.9, H, None), (61, H, None)],
        warning="horizontalpodautoscaler/web does not scale: no metrics known",
        beside=(("HorizontalPodAutoscaler", "web"),),
    ),
    Case(
        "46 a budget that blocks every drain",
        [*rollout(container()), budget(wanted=1, expected=1)],
        [(3, H, None)],
        warning="poddisruptionbudget/web wants 1 of 1 pods",
        beside=(("PodDisruptionBudget", "web"),),
    ),
    Case(
        "46 a load balancer that is not there",
        served(endpoints(True), type="LoadBalancer"),
        [(3, H, None), (600, H, None)],
        warning="service/web has no load balancer yet",
        beside=SERVICE,
    ),
    Case("47 served", served(endpoints(False, None)), [(3, H, None)], beside=SERVICE),
    Case(
        "47 nobody has the label",
        served(endpoints(), selector={"app": "wbe"}),
        fails("no_endpoints", 10),
        message="service web leads to no ready endpoint: no new pod has app=wbe",
        beside=SERVICE,
    ),
    Case("47 no slice at all", served(), fails("no_endpoints", 10), message="its selector app=web", beside=SERVICE),
    Case("47 none is ready", served(endpoints(False, False)), fails("no_endpoints", 10), beside=SERVICE),
    Case(
        "47 no such port",
        served(endpoints(True, ports=False)),
        fails("no_endpoints", 10),
        message="targetPort",
        beside=SERVICE,
    ),
    Case(
        "47 a headless one has no ports",
        served(endpoints(True, ports=False), ports=None),
        [(3, H, None)],
        beside=SERVICE,
    ),
    Case(
        "47 served a moment later",
        lambda t: served(endpoints(t > 11)),
        [(3, P, None), (11, P, "no_endpoints"), (11.5, H, None)],
        beside=SERVICE,
    ),
    Case(
        "47 the time runs from when the pods are ready",
        lambda t: rollout(UNREADY) if t < 50 else served(),
        [(3, P, None), (49, P, ANY), (50, P, None), (59.9, P, "no_endpoints"), (60, F, "no_endpoints")],
        beside=SERVICE,
    ),
    Case("47 no selector", served(selector={}), [(3, H, None)], beside=SERVICE),
    Case("47 another name for a host", served(type="ExternalName"), [(3, H, None)], beside=SERVICE),
    Case("47 not of the release", served(), [(3, H, None)]),
    Case("47 switched off", served(), [(3, H, None)], beside=SERVICE, limits=Limits(endpoints=0)),
    Case("47 nobody to serve", [deployment(replicas=0), service(selector={"a": "b"})], [(3, H, None)], beside=SERVICE),
    Case("47 may not be read", snapshot(*served(), unreadable=["EndpointSlice"]), [(3, H, None)], beside=SERVICE),
    *(
        Case(
            f"23 waits for {reason}",
            rollout(container(waiting(reason, "no valid signature"))),
            [(3, P, None), (6.1, P, "container_waits"), (602, P, ANY), (603, F, "container_waits")],
            message=f"{reason}: no valid signature",
        )
        for reason in ("SignatureValidationFailed", "ImageInspectError")
    ),
    # ---- nothing moves
    Case(
        "36 a kubelet refuses the pods",
        turned_away(),
        [(3, P, None), (6.1, P, "pod_rejected"), (602, P, ANY), (603, F, "pod_rejected")],
        message="node-1 refuses to run it: Allocate failed",
    ),
    Case("36 a kubelet refused the pods of last week", turned_away(t=-999), [(3, P, None), (60, P, None)]),
    Case(
        "36 a StatefulSet's pod that never goes",
        going(finalizers=["lab/keep"]),
        [
            (3, P, None),
            (44, P, None),
            (45, P, None),
            (48, P, "stuck_terminating"),
            (602, P, ANY),
            (603, F, "stuck_terminating"),
        ],
        *DB,
        message="its finalizers are lab/keep",
    ),
    Case("36 one that goes in its time", going(), [(3, P, None), (40, P, None)], *DB),
    Case(
        "36 Recreate: an old pod that never goes",
        never_recreated(),
        [(3, P, None), (44, P, None), (45, P, None), (48, P, "stuck_terminating"), (603, F, "stuck_terminating")],
        message="still there after its grace period; it is on node-1",
    ),
    Case("36 stuck", rollout(CREATING), [(3, P, None), (602.9, P, ANY), (603, F, ANY)]),
    Case(
        "36 its own deadline",
        rollout(CREATING, progressDeadlineSeconds=50),
        [(3, P, None), (52.9, P, ANY), (53, F, ANY)],
    ),
    Case(
        "36 its own deadline, longer than ours",
        rollout(CREATING, progressDeadlineSeconds=3600),
        [(3, P, None), (3602.9, P, ANY), (3603, F, ANY)],
    ),
    Case(
        "36 a profile's limit below its own deadline",
        rollout(CREATING, progressDeadlineSeconds=3600),
        [(3, P, None), (1202.9, P, ANY), (1203, F, ANY)],
        limits=Limits(stuck=1200),
    ),
    Case(
        "36 a profile's limit above its own deadline",
        rollout(CREATING, progressDeadlineSeconds=50),
        [(3, P, None), (52.9, P, ANY), (53, F, ANY)],
        limits=Limits(stuck=1200),
    ),
    Case("36 no deadline of its own", stateful((CREATING, "db-2"), ready=0), [(3, P, None), (603, F, ANY)], *DB),
    Case(
        "36 something moves",
        lambda t: rollout(CREATING if t < 500 else container(waiting("PodInitializing"), pulled=True)),
        [(3, P, None), (500, P, ANY), (700, P, ANY), (1100, F, ANY)],
    ),
    # ---- StatefulSet
    Case("37 complete", stateful((container(), "db-2")), [(3, H, None)], "StatefulSet", "db"),
    Case("37 not observed", stateful(generation=2, observed=1), [(3, P, None)], "StatefulSet", "db"),
    Case(
        "37 the old revision is current",
        stateful((container(), "db-1"), current="db-1", updated=0),
        [(3, P, None)],
        "StatefulSet",
        "db",
    ),
    Case(
        "37 partition",
        stateful(
            (container(), "db-1"),
            (container(), "db-2"),
            replicas=2,
            updated=1,
            current="db-1",
            updateStrategy={"rollingUpdate": {"partition": 1}},
        ),
        [(3, H, None)],
        "StatefulSet",
        "db",
        warning="partition 1",
    ),
    Case("37 one lacks", stateful((UNREADY, "db-2"), ready=0), [(3, P, None)], "StatefulSet", "db"),
    Case(
        "38 OnDelete",
        stateful((container(), "db-1"), updated=0, current="db-1", updateStrategy={"type": "OnDelete"}),
        [(3, H, None)],
        "StatefulSet",
        "db",
        warning="OnDelete",
    ),
    Case(
        "39 one doomed pod blocks all",
        stateful((container(), "db-2"), (container(), "db-2"), (crash(3), "db-2"), replicas=3, ready=2),
        [(3, F, "crash")],
        "StatefulSet",
        "db",
    ),
    *(
        Case(
            f"39 two may lack, {what}",
            stateful(*pods, replicas=4, ready=2, podManagementPolicy=policy, updateStrategy=TWO_AT_ONCE),
            steps,
            "StatefulSet",
            "db",
        )
        for what, policy, pods, steps in (
            ("and the others roll", "Parallel", [OLD, OLD, CREATED, DOOMED], [(3, P, None), (59, P, ANY)]),
            ("and an old one is next", "Parallel", [OLD, OLD, NEW, DOOMED], [(3, P, None), (59, P, ANY)]),
            ("and the next is being made", "Parallel", [NEW, NEW, DOOMED], [(3, P, None), (59, P, ANY)]),
            ("and both are doomed", "Parallel", [OLD, OLD, DOOMED, DOOMED], [(3, F, "crash")]),
            ("and only one does in the end", "Parallel", [NEW, NEW, NEW, DOOMED], [(3, F, "crash")]),
            ("but one goes after the other", "OrderedReady", [OLD, OLD, CREATED, DOOMED], [(3, F, "crash")]),
        )
    ),
    Case(
        "40 the trap",
        stateful((pulling(ABSENT), "db-1"), updated=0, ready=0, current="db-2"),
        fails("rollback_trap", 60),
        "StatefulSet",
        "db",
        message="db-0 of another revision is broken",
    ),
    Case(
        "40 the trap, when a rollback looks",
        stateful((pulling(ABSENT), "db-1"), updated=0, ready=0, current="db-2"),
        fails("rollback_trap", 5),
        "StatefulSet",
        "db",
        limits=Limits(trap=5),
    ),
    Case(
        "40 no trap where all go at once",
        stateful((pulling(ABSENT), "db-1"), updated=0, ready=0, podManagementPolicy="Parallel"),
        [(3, P, None), (60, P, None)],
        "StatefulSet",
        "db",
    ),
    # ---- DaemonSet
    Case("41 complete", daemons((container(), "r2", "a"), extra=[node("a")]), [(3, H, None)], "DaemonSet", "agent"),
    Case(
        "41 one old",
        daemons((container(), "r1", "a"), extra=[node("a")], updated=0),
        [(3, P, None)],
        "DaemonSet",
        "agent",
    ),
    Case(
        "41 a node that is not ready",
        daemons(
            (container(), "r2", "a"),
            (UNREADY, "r2", "b"),
            desired=2,
            available=1,
            extra=[node("a"), node("b", ready=False)],
        ),
        [(3, H, None)],
        "DaemonSet",
        "agent",
        warning="not Ready: not counted",
    ),
    Case(
        "41 doomed",
        daemons((crash(3), "r2", "a"), available=0, extra=[node("a")]),
        [(3, F, "crash")],
        "DaemonSet",
        "agent",
    ),
    Case("42 no node", daemons(desired=0), [(3, H, None)], "DaemonSet", "agent", warning="matches no node"),
    # ---- Job
    Case(
        "43 complete", jobs(conditions=[condition("Complete", "True")], succeeded=1), [(3, H, None)], "Job", "migrate"
    ),
    Case("43 running", jobs((container(), None), active=1), [(3, P, None)], "Job", "migrate"),
    Case(
        "43 sidecar is ended after the work",
        with_sidecar(sidecar(ended(143)), container(ended(0, "Completed"), ready=False, **PLAIN), active=1),
        [(3, P, None), (60, P, None)],
        "Job",
        "migrate",
    ),
    Case(
        "43 sidecar was ended after the work",
        with_sidecar(
            sidecar(ended(137)),
            container(ended(0, "Completed"), ready=False, **PLAIN),
            phase="Succeeded",
            conditions=[condition("Complete", "True")],
            succeeded=1,
        ),
        [(3, H, None)],
        "Job",
        "migrate",
    ),
    Case(
        "43 sidecar keeps the work from beginning",
        with_sidecar(crash(3, name="proxy", restartPolicy="Always"), container(waiting("PodInitializing")), active=1),
        never("crash"),
        "Job",
        "migrate",
    ),
    Case(
        "43 classic sidecar runs on after the work: the job is not done",
        jobs(([container(ended(0, "Completed"), ready=False, **PLAIN), container(name="proxy")], "Running"), active=1),
        [(3, P, None), (500, P, None)],
        "Job",
        "migrate",
    ),
    Case(
        "43 failed",
        jobs((container(ended(3)), "Failed"), conditions=[condition("Failed", "True", "BackoffLimitExceeded", "x")]),
        [(3, F, "job_failed")],
        "Job",
        "migrate",
        message="exit 3",
    ),
    Case(
        "43 about to fail",
        jobs(conditions=[condition("FailureTarget", "True", "BackoffLimitExceeded")]),
        [(3, F, "job_failed")],
        "Job",
        "migrate",
    ),
    Case(
        "43 one attempt failed, the next runs",
        jobs((container(ended(3)), "Failed"), (container(), None), active=1, failed=1),
        [(3, P, None), (60, P, ANY)],
        "Job",
        "migrate",
    ),
    Case(
        "43 suspended",
        jobs(suspend=True, conditions=[condition("Suspended", "True")]),
        [(3, PAUSED, None)],
        "Job",
        "migrate",
    ),
    Case(
        "43 cleaned up after success",
        lambda t: jobs(conditions=[condition("Complete", "True")], succeeded=1) if t < 5 else [],
        [(3, H, None), (9, H, None)],
        "Job",
        "migrate",
    ),
    Case(
        "43 cleaned up after failure",
        lambda t: jobs(conditions=[condition("Failed", "True", "BackoffLimitExceeded")]) if t < 5 else [],
        [(3, F, "job_failed"), (9, F, "job_failed")],
        "Job",
        "migrate",
    ),
    Case(
        "43 gone once it has ended, before the first look",
        [],
        [(3, H, None)],
        *J,
        expires=True,
        summary="has ended and",
    ),
    Case("43 not there, and nothing would remove it", [], [(3, P, None), (60, P, None)], *J),
    Case(
        "43 gone before anybody saw how it ended",
        lambda t: jobs((container(), None), active=1, ttlSecondsAfterFinished=0) if t < 5 else [],
        [(3, P, None), (9, "indeterminate", None)],
        *J,
    ),
    Case(
        "43 deleted while it ran, and nothing would remove it",
        lambda t: jobs((container(), None), active=1) if t < 5 else [],
        [(3, P, None), (9, F, "deleted")],
        *J,
    ),
    Case("44 a hook's image", jobs((pulling(ABSENT), None), active=1), fails("image_not_found", 3), "Job", "migrate"),
    Case(
        "44 a hook's registry is away", jobs((pulling(REFUSED), None), active=1), fails("image_pull_transient", 90), *J
    ),
    Case("44 a hook has no room", job_without(unplaced(NO_CPU)), fails("no_room", 60), *J),
    Case("44 a hook's claim is lost", [*job_without(mounts()), claim(phase="Lost")], fails("claim_lost", 0), *J),
    Case(
        "44 a hook's claim is unbound",
        [*job_without(unplaced(IMMEDIATE) | mounts()), claim()],
        fails("claim_unbound", 60),
        *J,
    ),
    Case(
        "44 a hook has no room while old pods leave",
        [*job_without(unplaced(NO_CPU)), pod(replicaset(deployment()), "web-old", leaving=True)],
        never("no_room"),
        *J,
    ),
    Case(
        "44 the others have no room until the first are done",
        [
            *job_without(unplaced(NO_CPU), active=1, succeeded=1),
            pod(job(), "migrate-9", container(ended(0), **PLAIN), phase="Succeeded"),
        ],
        never("no_room"),
        *J,
    ),
    Case(
        "44 one has room, the others not yet",
        [*job_without(unplaced(NO_CPU), active=2), pod(job(), "migrate-9", container(**PLAIN))],
        never("no_room"),
        *J,
    ),
    Case(
        "44 no such command, restartPolicy Never",
        jobs(*[(container(ended(128, "StartError", NOPE)), "Failed")] * 2, failed=2),
        fails("not_startable", 5),
        *J,
        message="cannot start `/nope`",
    ),
    Case(
        "44 no such command on one node, another starts it",
        jobs((container(ended(128, "StartError", NOPE)), "Failed"), (container(), None), active=1, failed=1),
        never("not_startable"),
        *J,
    ),
    Case(
        "44 no such command on one node, another started it",
        jobs((container(ended(128, "StartError", NOPE)), "Failed"), (container(ended(3)), "Failed"), failed=2),
        [(3, P, None), (60, P, None)],
        *J,
    ),
    Case("44 a hook pod runs", [pod(None, "hook", restartPolicy="Never")], [(3, P, None)], "Pod", "hook"),
    Case(
        "44 a hook pod is done",
        [pod(None, "hook", container(ended(0)), phase="Succeeded", restartPolicy="Never")],
        [(3, H, None)],
        "Pod",
        "hook",
    ),
    Case(
        "44 a hook pod fails",
        [pod(None, "hook", container(ended(4)), phase="Failed", restartPolicy="Never")],
        [(3, F, "job_failed")],
        "Pod",
        "hook",
        message="exit 4",
    ),
    # ---- the API
    Case("48 not there yet", [], [(3, P, None)], summary="not there yet"),
    Case("48 deleted", lambda t: rollout(CREATING) if t < 5 else [], [(3, P, None), (9, F, "deleted")]),
    Case(
        "48 made anew",
        lambda t: [one | {"metadata": one["metadata"] | {"uid": f"{t < 5}"}} for one in [deployment(updated=0)]],
        [(3, P, None), (9, F, "deleted")],
    ),
    Case("50 no events", snapshot(rollout(pulling(DENIED)), unreadable=["Event"]), fails("image_pull_denied", 25)),
    Case(
        "51 no pods", snapshot(deployment(), unreadable=BLIND), [(3, ANY, None), (30, H, None)], warning="no permission"
    ),
    Case(
        "51 no pods, and the deadline",
        snapshot(
            progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out progressing.', 5)[0],
            unreadable=BLIND,
        ),
        [(6, F, "progress_deadline")],
        warning="no permission",
    ),
    # ---- from pods to the workload
    Case("all: every pod is doomed", rollout(crash(3), crash(3)), [(3, F, "crash")]),
    Case("all: one of ten", rollout(*[container()] * 9, crash(3)), [(3, P, None), (60, P, "crash")]),
    Case("blocked: five of ten", rollout(*[container()] * 5, *[crash(3)] * 5), [(3, F, "crash")]),
    Case("blocked: four doomed, one slow", rollout(*[container()] * 5, *[crash(3)] * 4, CREATING), [(3, P, None)]),
    Case(
        "template: one of ten, the others not there yet",
        rollout(pulling(ABSENT), *[CREATING] * 9),
        fails("image_not_found", 3),
    ),
    Case("template: the others have the image", rollout(*TWO_OF_TEN), [(3, P, None), (60, P, "image_not_found")]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_row(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    """A row, second by second."""
    found = said(case)
    for (t, verdict, rule), one in zip(case.steps, found, strict=True):
        first = one.causes[0] if one.causes else None
        if verdict != ANY:
            assert (t, str(one.verdict)) == (t, verdict), (one.summary, first)
        if rule != ANY:
            assert (t, first and first.rule) == (t, rule), first
    last = found[-1]
    if case.message:
        assert case.message in last.causes[0].message
    if case.hint:
        assert case.hint in (last.causes[0].hint or "")
    if case.warning:
        assert any(case.warning in warning for warning in last.warnings), last.warnings
    else:
        assert not last.warnings
    if case.summary:
        assert case.summary in last.summary


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not callable(case.objects) and list(case.steps)[-1][1] in (F, H)],
    ids=lambda case: case.id,
)
def test_recheck_alone_leads_there(case: Case) -> None:
    """Objects that do not change: looking again when told to, and no sooner, reaches the same end."""
    steps = list(case.steps)
    (first, _, _), (end, verdict, rule) = steps[0], steps[-1]
    before = steps[-2][0] if len(steps) > 2 else 0
    seen = case.objects if isinstance(case.objects, Snapshot) else snapshot(*case.objects)  # type: ignore[misc]
    workload = Workload(case.kind, case.name, case.beside, case.expires)
    memory, now, looks = Memory(), first, 0
    while True:
        one, memory = judge(workload, seen, memory, since=T0, now=T0 + now, limits=case.limits)
        looks += 1
        if str(one.verdict) == verdict:
            break
        assert one.recheck is not None
        assert one.recheck > 0
        now += one.recheck
        assert looks < 20
    assert before < now <= end + 0.001
    assert rule == ANY or (one.causes[0].rule if one.causes else None) == rule


def test_image_of_a_running_container_is_judged_by_its_own_state() -> None:
    """A container that runs says nothing of a pull that failed before."""
    case = Case("", rollout(container(running(30))), [(31, H, None)])
    assert str(said(case)[0].verdict) == H
