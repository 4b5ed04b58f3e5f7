"""What looks like a failure and is none, and what looks well too soon: each case was once judged wrongly.

The same table as in test_rules.py: objects, then what is said of them at each second.
"""

from typing import Any

import pytest
from build import (
    IMAGE,
    at,
    condition,
    container,
    daemonset,
    deployment,
    ended,
    event,
    job,
    meta,
    node,
    pod,
    replicaset,
    rollout,
    running,
    snapshot,
    statefulset,
    waiting,
)
from test_rules import (
    ABSENT,
    ANY,
    BLIND,
    CREATING,
    PLAIN,
    SECURITY,
    UNREADY,
    Case,
    F,
    H,
    Objects,
    P,
    check,
    crash,
    daemons,
    jobs,
    progressing,
    pulling,
    refused_set,
    unscheduled,
    with_events,
)

from deployer.health.limits import Limits
from deployer.health.rollouts import broken

DOUBT = "indeterminate"
DEPLOYMENT_LOST = snapshot(replicaset(deployment()), unreadable=["Deployment"])
SIDECAR = container(running(4), name="proxy", restartPolicy="Always", **PLAIN)
FULL = "0/2 nodes are available: 2 Insufficient cpu."
SELECTOR = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
NOT_READY_TAINT = "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."


def blip(t: float) -> Objects:
    """Ready since 2 s; not Ready from 100 s to 110 s."""
    lost = 100 <= t < 110
    one = container(running(2), ready=not lost)
    changed = 2 if t < 100 else 100 if lost else 110
    return rollout({"of": one, "conditions": [condition("Ready", str(not lost), t=changed)]})


def looping(last: float) -> Objects:
    """A pod from before the rollout, in back-off since it last failed."""
    over = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": at(last)}}
    return rollout({"of": crash(6 if last < 0 else 7, last=over), "t": -900})


def room_is_made(t: float) -> Objects:
    """No room until an old pod that takes 70 s to stop is gone; the scheduler needs a moment more."""
    objects = unscheduled(FULL) if t < 74 else rollout(container())
    old = replicaset(objects[0], "web-old", revision=0, replicas=0)
    return [*objects, old, *([pod(old, "old-0", leaving=True)] if t < 73 else [])]


def mended(observed: int, *, good: bool) -> Objects:
    """A StatefulSet whose old pod crashes; the update that mends it is seen by the controller in a moment."""
    item = statefulset(generation=2, observed=observed, updated=int(good), ready=int(good), revision="db-2")
    hash_ = {"controller-revision-hash": "db-2"}
    item["status"]["updateRevision"] = "db-2"
    return [item, pod(item, "db-0", container() if good else crash(9), labels=hash_, t=-500)]


def unseen_daemons() -> Objects:
    """The newest revision that there is, is still the one that crashes."""
    item, first, second = daemonset(available=0)
    item["metadata"]["generation"] = 2
    mine = pod(item, "agent-0", crash(9), labels={"controller-revision-hash": "r2"}, t=-500, node="a")
    return [item, first, second, mine, node("a")]


def quick_restart(t: float) -> Objects:
    """It exits at 9 s and is started so quickly that nobody saw it unready: the condition Ready has not changed."""
    one = container(running(2), **PLAIN) if t < 9 else container(running(9), restarts=1, last=ended(), **PLAIN)
    return rollout({"of": one, "ready_at": 2})


def unheard() -> Objects:
    """The pod's watch is ahead of the counters."""
    frame = deployment()
    maker = replicaset(frame)
    return [frame, maker, pod(maker, "web-0", UNREADY)]


def lost_node(name: str, t: float) -> Any:
    """A node that has not been Ready since a moment."""
    made = node(name, ready=False)
    made["status"]["conditions"] = [condition("Ready", "Unknown", "NodeStatusUnknown", t=t)]
    return made


def behind_deadline(t: float) -> Objects:
    """One failed exit is no failure yet when the Deployment's own deadline is over."""
    over = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out', t=15)
    return rollout(container(ended()), conditions=[over] if t >= 15 else [], progressDeadlineSeconds=20)


def trapped(one: Any, **more: Any) -> Objects:
    """A pod of the revision that was rolled back, and OrderedReady waits for it."""
    item = statefulset(updated=0, ready=0, current="db-2")
    return [item, pod(item, "db-0", one, labels={"controller-revision-hash": "db-1"}, **more)]


def starting(t: float) -> Objects:
    """An old pod of a StatefulSet: its startup probe may fail until 251 s, the readiness probe for a minute more."""
    one = container(running(-50), ready=False, startupProbe=STARTUP)
    one["status"]["started"] = t >= 200
    return trapped(one, t=-51, ready_at=-51)


def migrating(t: float, *, over: float = 200) -> Objects:
    """An old pod of a StatefulSet: its init container runs for 200 s, and is done."""
    done = t >= over
    first = container(ended(0, "Completed") if done else running(-50), name="migrate", ready=done, **PLAIN)
    if done:
        first["status"]["state"]["terminated"]["finishedAt"] = at(over)
    one = container(waiting("PodInitializing"))
    return trapped(one, init=[first], t=-51, ready_at=-51)


def hook(state: Any, **more: Any) -> Objects:
    item = job(active=1)
    return [item, pod(item, "migrate-0", container(state, **PLAIN), restartPolicy="Never", **more)]


def overtaken(revision: str, *, made: float = 10, image: str = IMAGE, what: str = "Deployment") -> Any:
    """The new version is not ready; at 10 s somebody changes the pod template, and that version is complete."""

    def look(t: float) -> Objects:
        later = t >= 10
        one = container(image=image if later else IMAGE, ready=later)
        template = {"spec": {"containers": [one["spec"]]}}
        generation = {"generation": 3 if later else 2}
        if what == "StatefulSet":
            item = statefulset(
                revision=revision if later else "db-2", ready=int(later), template=template, **generation
            )
            sets = [
                {"kind": "ControllerRevision", "metadata": meta(of, owner=item, t=t)}
                for of, t in (("db-2", 1), (revision, made))
            ]
            mine = pod(item, "db-0", one, labels={"controller-revision-hash": revision if later else "db-2"})
            return [item, *({one["metadata"]["name"]: one for one in sets}.values()), mine]
        frame = deployment(available=int(later), revision=3 if later else 2, template=template, **generation)
        first = replicaset(frame, "web-2", revision=2)
        other = replicaset(frame, revision, revision=3, available=int(later))
        other["metadata"]["creationTimestamp"] = at(made)
        return [frame, first, *([other] if later or made < 0 else []), pod(other if later else first, "web-0", one)]

    return look


def daemons_seen_late(t: float) -> Objects:
    """The new ControllerRevision is seen a moment after the DaemonSet's status."""
    item, first, second = daemonset()
    mine = pod(item, "agent-0", container(), labels={"controller-revision-hash": "r2"}, node="a")
    return [item, first, *([second] if t > 1 else []), mine, node("a")]


def two_containers(first: Any, second: Any) -> Objects:
    """One pod; the second container is called proxy."""
    second = {part: second[part] | {"name": "proxy"} for part in second}
    return rollout([first, second])


def told_to_go(objects: Objects, t: float = 5) -> Objects:
    """The workload waits for its pods to go before it does, as `kubectl delete --cascade=foreground` has it."""
    first, *others = objects
    return [first | {"metadata": first["metadata"] | {"deletionTimestamp": at(t)}}, *others]


def outgoing(until: float) -> Objects:
    """A StatefulSet's pod of the old version, told to go; it has until then."""
    item = statefulset(replicas=2, updated=1, ready=1, total=2)
    old = pod(item, "db-0", labels={"controller-revision-hash": "db-1"}, leaving=True, t=-100)
    old["metadata"]["deletionTimestamp"] = at(until)
    return [item, pod(item, "db-1", labels={"controller-revision-hash": "db-2"}), old]


def surging(*containers: Any) -> Objects:
    """A DaemonSet of five nodes with maxSurge 3: its new pods, and the old ones beside them that still serve."""
    names = "abcde"
    new = [(one, "r2", where) for one, where in zip(containers, names, strict=False)]
    done = {where for one, _, where in new if one["status"]["ready"]}
    old = [(container(), "r1", where) for where in names if where not in done]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 0}}
    return daemons(*new, *old, desired=5, updated=len(done), available=5, updateStrategy=rolling)


DONE = (container(ended(0, "Completed")), "Succeeded")
NO_SECRET = container(waiting("CreateContainerConfigError", 'secret "db" not found'))
STARTUP = {"httpGet": {"path": "/started", "port": 8080}, "periodSeconds": 2, "failureThreshold": 150}


def slow_start(t: float, *, ready: float = 1e9) -> Objects:
    """The startup probe passes at 100 s, and only then does the readiness probe begin to ask."""
    one = container(running(2), ready=t >= ready, startupProbe=STARTUP)
    one["status"]["started"] = t >= 100
    return rollout({"of": one, "ready_at": ready if t >= ready else 1})


def probeless(down: bool) -> Objects:
    """A Deployment without probes and its pod, that runs or has ended."""
    template = {"spec": {"containers": [container(**PLAIN)["spec"]]}}
    frame = deployment(template=template, available=0 if down else 1)
    return [frame, pod(replicaset(frame), "web-0", container(ended() if down else running(), **PLAIN))]


def unrevised() -> Objects:
    """A DaemonSet without probes and its pod, but none of its revisions."""
    item, *_ = daemonset(template={"spec": {"containers": [container(**PLAIN)["spec"]]}})
    return [item, pod(item, "agent-0", container(**PLAIN), labels={"controller-revision-hash": "r2"})]


CASES = [
    # ---- no failure
    Case(
        "a right is taken away while it rolls",
        lambda t: DEPLOYMENT_LOST if t > 5 else snapshot(*rollout(CREATING)),
        [(3, P, None), (9, DOUBT, None), (60, DOUBT, None)],
        warning="no permission to read Deployment",
    ),
    Case("ready, then not for ten seconds", blip, [(3, H, None), (100, P, ANY), (109, P, ANY), (111, H, None)]),
    Case(
        "ready after three failed exits, first seen then",
        rollout(container(running(30), restarts=3, last=ended())),
        [(45, H, None), (60, H, None)],
    ),
    Case(
        "a pod of last month starts again",
        rollout({"of": container(running(1), restarts=9, last=ended(), ready=False), "t": -9999}),
        [(3, P, None), (9, P, ANY)],
    ),
    Case(
        "a pod of last month crashes in a loop",
        rollout({"of": crash(9), "t": -9999}),
        [(3, F, "crash")],
    ),
    Case(
        "the same template once more: what its pod lacked may just have been mended",
        looping(last=-200),
        [(3, P, None), (62.9, P, "crash"), (63, F, "crash")],
    ),
    Case(
        "the same template once more, mended: its pod waits to be started again",
        lambda t: looping(last=-200) if t < 50 else rollout({"of": container(running(50), restarts=8), "t": -900}),
        [(3, P, None), (49, P, "crash"), (51, H, None)],
    ),
    Case(
        "the same template once more, and its pod fails again",
        lambda t: looping(last=-200 if t < 20 else 20),
        [(3, P, None), (19, P, "crash"), (20, F, "crash")],
    ),
    Case("room once the old pods are gone", room_is_made, [(3, P, None), (72, P, ANY), (73, P, ANY), (75, H, None)]),
    Case(
        "an autoscaler makes a node that matches",
        with_events(unscheduled(SELECTOR), ("TriggeredScaleUp", "pod triggered scale-up: 0->1")),
        [(3, P, None), (34, P, ANY), (200, P, "no_node_matches")],
    ),
    Case(
        "nodes that are not ready for a moment",
        unscheduled(NOT_READY_TAINT),
        [(3, P, None), (40, P, ANY), (63, F, "no_node_matches")],
    ),
    Case(
        "a disk that is being made",
        unscheduled("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        [(3, P, None), (40, P, ANY), (63, F, "no_node_matches")],
    ),
    Case(
        "a migration of half an hour", hook(running(2)), [(3, P, None), (700, P, ANY), (1800, P, ANY)], "Job", "migrate"
    ),
    Case(
        "a long minReadySeconds is no standstill",
        rollout(container(), available=0, progressDeadlineSeconds=600, minReadySeconds=500),
        [(3, P, None), (700, P, None)],
    ),
    Case(
        "the StatefulSet's controller has not seen the mended version",
        lambda t: mended(1 if t < 4 else 2, good=t >= 4),
        [(3, P, None), (5, H, None)],
        "StatefulSet",
        "db",
    ),
    Case("the DaemonSet's controller has not seen it", unseen_daemons(), [(3, P, None)], "DaemonSet", "agent"),
    Case(
        "an old deadline of the very ReplicaSet that is tried again",
        progressing("ProgressDeadlineExceeded", 'ReplicaSet "web-b7c" has timed out progressing.', -5),
        [(3, P, ANY), (30, P, ANY), (63, F, "progress_deadline")],
    ),
    Case(
        "an old pod of a StatefulSet, restarted last month, is not ready for a moment",
        trapped(container(running(-9000), restarts=4, last=ended(), ready=False), t=-9999, ready_at=1),
        [(3, P, None), (30, P, ANY)],
        "StatefulSet",
        "db",
    ),
    Case(
        "a StatefulSet that was refused for an hour, mended: its first pod takes a while",
        refused_set(SECURITY, -300, pods=1),
        [(3, P, None), (14, P, "never_ready"), (40, P, "never_ready")],
        "StatefulSet",
        "db",
    ),
    Case(
        "a StatefulSet that was refused for an hour, mended: its controller is slow",
        lambda t: refused_set(SECURITY, -300, pods=int(t >= 20), made=20),
        [(3, P, None), (14, P, ANY), (21, P, None), (50, P, "never_ready")],
        "StatefulSet",
        "db",
    ),
    Case(
        "a quota that was raised, and a pod that is slow",
        lambda t: refused_set('pods "db-0" is forbidden: exceeded quota: q', pods=int(t >= 8), made=8),
        [(4, P, None), (9, P, None), (38, P, "never_ready"), (60, P, "never_ready")],
        "StatefulSet",
        "db",
    ),
    Case(
        "a Job that waits before its next try, and was refused before its first",
        [
            *(objects := jobs((container(ended(1)), "Failed"), failed=1)),
            event(objects[0], "FailedCreate", "Error creating: exceeded quota: q", t=1),
        ],
        [(3, P, None), (34, P, None)],
        "Job",
        "migrate",
    ),
    Case(
        "an old pod of a StatefulSet is in back-off, and well again after 25 s",
        lambda t: trapped(crash(2) if t < 25 else container(running(25), restarts=2, last=ended()), t=-9999),
        [(3, P, None), (24, P, "rollback_trap"), (26, P, None), (90, P, None)],
        "StatefulSet",
        "db",
    ),
    Case(
        "an old pod of a StatefulSet is within its startup probe",
        starting,
        [(3, P, None), (199, P, "rollback_trap"), (310, P, ANY), (311, F, "rollback_trap")],
        "StatefulSet",
        "db",
        message="pod db-0 of another revision is not ready, and the controller waits for it",
    ),
    Case(
        "the same, when a rollback looks",
        starting,
        [(3, P, None), (8.9, P, ANY), (9, F, "rollback_trap")],
        "StatefulSet",
        "db",
        limits=Limits(trap=5, trap_cap=0),
    ),
    Case(
        "an old pod of a StatefulSet is in its init container",
        migrating,
        [(3, P, None), (199, P, "rollback_trap"), (201, P, ANY), (259, P, ANY), (260, F, "rollback_trap")],
        "StatefulSet",
        "db",
    ),
    Case(
        "the init container of an old pod of a StatefulSet takes longer than anybody waits",
        lambda t: migrating(t, over=1e9),
        [(3, P, None), (548, P, ANY), (549, F, "rollback_trap")],
        "StatefulSet",
        "db",
    ),
    Case(
        "the same, when a rollback looks",
        lambda t: migrating(t, over=1e9),
        [(3, P, None), (9, F, "rollback_trap")],
        "StatefulSet",
        "db",
        limits=Limits(trap=5, trap_cap=0),
    ),
    Case(
        "restarted by somebody else while it rolls: the same images",
        overtaken("web-3"),
        [(3, P, None), (9, P, ANY), (11, H, None)],
        warning="somebody else changed its pod template",
    ),
    Case(
        "a DaemonSet's new revision, seen late",
        daemons_seen_late,
        [(0.5, ANY, ANY), (3, H, None)],
        "DaemonSet",
        "agent",
    ),
    Case(
        "the image of a StatefulSet was changed by somebody else",
        overtaken("db-3", image="r.lab/web:v3", what="StatefulSet"),
        [(3, P, None), (11, DOUBT, "changed_by_others"), (60, DOUBT, "changed_by_others")],
        "StatefulSet",
        "db",
        message="another version rolls out (db-3)",
    ),
    Case(
        "ready five seconds after a slow start",
        lambda t: slow_start(t, ready=105),
        [(3, P, None), (99, P, None), (100, P, None), (104, P, "never_ready"), (106, H, None)],
    ),
    Case(
        "never ready after a slow start",
        slow_start,
        [(3, P, None), (100, P, None), (159, P, "never_ready"), (160, F, "never_ready")],
    ),
    Case(
        "never ready, and the startup probe must have passed long ago",
        rollout({"of": container(running(-900), ready=False, startupProbe=STARTUP), "t": -901, "ready_at": -901}),
        [(3, F, "never_ready")],
    ),
    Case(
        "a Job of five: two are done, and the next one's node cannot pull the image",
        jobs(DONE, DONE, (pulling(ABSENT), None), completions=5, active=1, succeeded=2),
        [(3, P, None), (60, P, "image_not_found")],
        "Job",
        "migrate",
    ),
    Case(
        "a Job's second try finds no Secret, and the first has run",
        jobs((container(ended(3)), "Failed"), (NO_SECRET, None), active=1, failed=1),
        [(3, P, None), (60, P, "config_missing")],
        "Job",
        "migrate",
    ),
    Case(
        "a Job finds no Secret, and no try before has run",
        jobs((container(ended(128, "StartError", "shim: timeout")), "Failed"), (NO_SECRET, None), active=1, failed=1),
        [(3, P, None), (20.9, P, "config_missing"), (21, F, "config_missing")],
        "Job",
        "migrate",
    ),
    Case(
        "an old pod of a StatefulSet has an hour to end",
        outgoing(3605),
        [(3, P, None), (700, P, None), (3614, P, None), (3615, F, "stuck")],
        "StatefulSet",
        "db",
    ),
    Case(
        "an old pod that had its grace period long ago, and nothing moves",
        outgoing(35),
        [(3, P, None), (49, P, None), (602.9, P, ANY), (603, F, "stuck_terminating")],
        "StatefulSet",
        "db",
    ),
    Case(
        "a DaemonSet that goes three nodes at a time beside the old pods, ill on one",
        surging(crash(3), container(), container()),
        [(3, P, None), (60, P, "crash")],
        "DaemonSet",
        "agent",
    ),
    Case(
        "a DaemonSet that goes three nodes at a time beside the old pods, ill on three",
        surging(crash(3), crash(3), crash(3), container()),
        [(3, F, "crash")],
        "DaemonSet",
        "agent",
    ),
    # ---- no success
    Case(
        "undone by somebody else while it rolls",
        overtaken("web-1", made=-900, image="r.lab/web:v0"),
        [(3, P, None), (9, P, ANY), (11, DOUBT, "changed_by_others"), (60, DOUBT, "changed_by_others")],
        message="an earlier version rolls out (web-1)",
    ),
    Case(
        "undone by somebody else, and the images are the same",
        overtaken("db-1", made=-900, what="StatefulSet"),
        [(3, P, None), (11, DOUBT, "changed_by_others")],
        "StatefulSet",
        "db",
        message="an earlier version rolls out (db-1)",
    ),
    Case(
        "a restart that nobody saw unready",
        quick_restart,
        [(3, P, None), (13, P, None), (18.9, P, None), (19, H, None)],
    ),
    Case("a pod that is not Ready, which the counters have not heard of", unheard(), [(3, P, None), (30, P, ANY)]),
    Case(
        "no probes, and no right to see pods: the counters must stand for a while",
        snapshot(deployment(template={"spec": {"containers": [container(**PLAIN)["spec"]]}}), unreadable=BLIND),
        [(3, P, None), (12.9, P, None), (13, H, None)],
        warning="no permission",
    ),
    Case(
        "no probes, and no right to see ReplicaSets: nobody knows which pods are new",
        lambda t: snapshot(*probeless(8 < t < 20), unreadable=["ReplicaSet"]),
        [(3, P, None), (8, P, None), (9, P, None), (20, P, None), (29.9, P, None), (30, H, None)],
        warning="no permission to read ReplicaSet",
    ),
    Case(
        "no probes, and no right to see ControllerRevisions",
        snapshot(*unrevised(), unreadable=["ControllerRevision"]),
        [(3, P, None), (12.9, P, None), (13, H, None)],
        "DaemonSet",
        "agent",
        warning="no permission to read ControllerRevision",
    ),
    Case(
        "a bare pod without probes",
        [pod(None, "agent", container(**PLAIN))],
        [(3, P, None), (11.9, P, None), (12, H, None)],
        "Pod",
        "agent",
    ),
    Case(
        "a sidecar without probes",
        rollout({"init": [SIDECAR]}, template={"spec": {"initContainers": [SIDECAR["spec"]]}}),
        [(5, P, None), (13.9, P, None), (14, H, None)],
    ),
    Case(
        "a DaemonSet's old pod is not made up for by a new one on a lost node",
        daemons(
            (container(), "r2", "a"),
            (container(), "r1", "b"),
            (UNREADY, "r2", "c"),
            desired=3,
            updated=2,
            available=2,
            extra=[node("a"), node("b"), lost_node("c", -60)],
        ),
        [(3, P, None), (60, P, ANY)],
        "DaemonSet",
        "agent",
        warning="not Ready: not counted",
    ),
    Case(
        "a DaemonSet that ruins its nodes",
        daemons((UNREADY, "r2", "a"), available=0, extra=[lost_node("a", 3)]),
        [(4, P, None), (40, P, ANY)],
        "DaemonSet",
        "agent",
    ),
    Case(
        "deleted in the foreground, and its pods are still there",
        lambda t: rollout(container(), available=0) if t < 5 else told_to_go(rollout(container())),
        [(3, P, None), (6, F, "deleted")],
    ),
    Case(
        "a Job that ran is deleted",
        lambda t: hook(running(2)) if t < 5 else told_to_go(hook(running(2))),
        [(3, P, None), (6, F, "deleted")],
        "Job",
        "migrate",
    ),
    Case(
        "a Job that is removed once it has ended",
        told_to_go(jobs((container(ended(0)), "Succeeded"), conditions=[condition("Complete", "True")], succeeded=1)),
        [(6, H, None)],
        "Job",
        "migrate",
    ),
    Case(
        "a hook pod that has failed is removed",
        told_to_go([pod(None, "hook", container(ended(4)), phase="Failed", restartPolicy="Never")]),
        [(6, F, "job_failed")],
        "Pod",
        "hook",
    ),
    # ---- what hid behind something else
    Case(
        "a DaemonSet's pod that can never go from its lost node",
        [
            *daemons(
                (container(), "r2", "a"), desired=2, updated=1, available=1, extra=[node("a"), lost_node("b", -60)]
            ),
            pod(daemonset()[0], "agent-9", UNREADY, labels={"controller-revision-hash": "r1"}, node="b", leaving=True),
        ],
        [(3, H, None)],
        "DaemonSet",
        "agent",
        warning="not Ready: not counted",
    ),
    Case(
        "one failed exit, and then never ready",
        rollout(container(running(4), restarts=1, last=ended(), ready=False)),
        [(5, P, None), (63, P, "crash"), (64, F, "never_ready")],
    ),
    Case(
        "the second container's image, behind the first one's restart",
        two_containers(container(running(4), restarts=1, last=ended(), ready=False), pulling(ABSENT)),
        [(5, P, None), (7.9, P, None), (8, F, "image_not_found")],
    ),
    Case(
        "the trap of a pod that is never ready",
        trapped(container(running(-90), ready=False), t=-91, ready_at=-91),
        [(3, F, "rollback_trap")],
        "StatefulSet",
        "db",
    ),
    Case(
        "the trap of a pod that has no room",
        trapped(
            container(waiting("x")),
            t=-91,
            conditions=[condition("PodScheduled", "False", "Unschedulable", FULL, t=-91)],
            ready_at=-91,
        ),
        [(3, F, "rollback_trap")],
        "StatefulSet",
        "db",
    ),
    Case(
        "the deadline, and what led to it",
        behind_deadline,
        [(6, P, ANY), (16, F, "crash")],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_doubt(case: Case) -> None:
    check(case)


TRIED = container(ended(0, "Completed"), name="wait-for-db", restarts=2, ready=True, last=ended())


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (pod(None, "db-0", container(running(2), ready=False), init=[TRIED]), False),  # done at the third try
        (pod(None, "db-0", container(waiting("PodInitializing"), restarts=4), phase="Pending"), False),  # a new sandbox
        (pod(None, "db-0", container(running(2), restarts=4, ready=False)), False),
        (pod(None, "db-0", container(ended(1), restarts=2)), True),  # between its end and its back-off
        (pod(None, "db-0", container(waiting("PodInitializing")), init=[crash(3, name="init")]), True),
        (pod(None, "db-0", pulling(ABSENT)), True),
    ],
)
def test_a_pod_that_is_deleted_is_broken_and_not_at_work(one: Any, verdict: bool) -> None:
    """An `up` deletes the broken pod of another version that a StatefulSet waits for."""
    assert broken(one) is verdict
