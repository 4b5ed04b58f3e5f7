"""What looks like a failure and is none, and what looks well too soon: each case was once judged wrongly.

The same table as in test_rules.py: objects, then what is said of them at each second.
"""

from typing import Any

import pytest
from build import (
    READINESS,
    T0,
    at,
    condition,
    container,
    daemonset,
    deployment,
    ended,
    event,
    job,
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
    UNREADY,
    Case,
    F,
    H,
    Objects,
    P,
    crash,
    daemons,
    jobs,
    progressing,
    pulling,
    said,
    stateful,
    unscheduled,
    with_events,
)

from deployer.health.verdict import Snapshot

DOUBT = "indeterminate"
DEPLOYMENT_LOST = snapshot(replicaset(deployment()), unreadable=["Deployment"])
FULL = "0/2 nodes are available: 2 Insufficient cpu."
SELECTOR = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
NOT_READY_TAINT = "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."


def blip(t: float) -> Objects:
    """Ready since 2 s; not Ready from 100 s to 110 s."""
    lost = 100 <= t < 110
    one = container(running(2), ready=not lost)
    changed = 2 if t < 100 else 100 if lost else 110
    return rollout({"of": one, "conditions": [condition("Ready", str(not lost), t=changed)]})


def room_is_made(t: float) -> Objects:
    """No room until an old pod that takes 70 s to stop is gone; the scheduler needs a moment more."""
    objects = unscheduled(FULL) if t < 74 else rollout(container())
    old = replicaset(objects[0], "web-old", revision=0, replicas=0)
    return [*objects, old, *([pod(old, "old-0", leaving=True)] if t < 73 else [])]


def revision(observed: int, *, good: bool) -> Objects:
    """A StatefulSet whose old pod crashes; the update that mends it is seen by the controller in a moment."""
    item = statefulset(generation=2, observed=observed, updated=int(good), ready=int(good), revision="db-2")
    hash_ = {"controller-revision-hash": "db-2"}
    item["status"]["updateRevision"] = "db-2"
    return [item, pod(item, "db-0", container() if good else crash(9), labels=hash_, t=-500)]


def old_daemons(observed: int) -> Objects:
    item, first, second = daemonset(available=0)
    item["metadata"]["generation"] = 2
    item["status"]["observedGeneration"] = observed
    mine = pod(item, "agent-0", crash(9), labels={"controller-revision-hash": "r2"}, t=-500, node="a")
    return [item, first, second, mine, node("a")]


def quick_restart(t: float) -> Objects:
    """It exits at 9 s and is started so quickly that nobody saw it unready: the condition Ready has not changed."""
    one = container(running(2), **PLAIN) if t < 9 else container(running(9), restarts=1, last=ended(), **PLAIN)
    return rollout({"of": one, "ready_at": 2})


def trapped(one: Any, **more: Any) -> Objects:
    """A pod of the revision that was rolled back, and OrderedReady waits for it."""
    item = statefulset(updated=0, ready=0, current="db-2")
    return [item, pod(item, "db-0", one, labels={"controller-revision-hash": "db-1"}, **more)]


def hook(state: Any, **more: Any) -> Objects:
    item = job(active=1)
    return [item, pod(item, "migrate-0", container(state, **PLAIN), restartPolicy="Never", **more)]


CASES = [
    # ---- no failure
    Case(
        "a right is taken away while it rolls",
        lambda t: DEPLOYMENT_LOST if t > 5 else snapshot(*rollout(CREATING)),  # type: ignore[arg-type, return-value]
        [(3, P, None), (9, DOUBT, None), (60, DOUBT, None)],
        warning="no permission",
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
    Case("room once the old pods are gone", room_is_made, [(3, P, None), (72, P, ANY), (73, P, ANY), (75, H, None)]),
    Case(
        "an autoscaler makes a node that matches",
        with_events(unscheduled(SELECTOR), ("TriggeredScaleUp", "pod triggered scale-up: 0->1")),
        [(3, P, None), (32, P, ANY), (200, P, "no_node_matches")],
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
    Case("a migration of half an hour", hook(running(2)), [(3, P, None), (700, P, ANY), (1800, P, ANY)], "Job", "migrate"),
    Case(
        "the StatefulSet's controller has not seen the mended version",
        lambda t: revision(1 if t < 4 else 2, good=t >= 4),
        [(3, P, None), (5, H, None)],
        "StatefulSet",
        "db",
    ),
    Case("the DaemonSet's controller has not seen it", old_daemons(1), [(3, P, None)], "DaemonSet", "agent"),
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
    # ---- no success
    Case("a restart that nobody saw unready", quick_restart, [(3, P, None), (13, P, None), (18.9, P, None), (19, H, None)]),
    Case(
        "a pod that is not Ready, which the counters have not heard of",
        rollout({"of": UNREADY}, available=1),
        [(3, P, None), (30, P, ANY)],
    ),
    Case(
        "no probes, and no right to see pods: the counters must stand for a while",
        snapshot(
            deployment(template={"spec": {"containers": [container(**PLAIN)["spec"]]}}), unreadable=BLIND
        ),
        [(3, P, None), (12.9, P, None), (13, H, None)],
        warning="no permission",
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
        rollout({"init": [container(running(2), name="proxy", restartPolicy="Always", **PLAIN)]}),
        [(3, P, None), (12, H, None)],
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
            extra=[node("a"), node("b"), node("c", ready=False)],
        ),
        [(3, P, None), (60, P, ANY)],
        "DaemonSet",
        "agent",
        warning="not Ready: not counted",
    ),
    Case(
        "a DaemonSet that ruins its nodes",
        lambda t: daemons(
            (container() if t < 5 else UNREADY, "r2", "a"),
            available=int(t < 5),
            updated=int(t >= 5),
            extra=[node("a", ready=t < 5)],
        ),
        [(3, P, None), (6, P, None), (40, P, ANY)],
        "DaemonSet",
        "agent",
    ),
    # ---- what hid behind something else
    Case(
        "one failed exit, and then never ready",
        rollout(container(running(4), restarts=1, last=ended(), ready=False)),
        [(5, P, None), (63, P, ANY), (64, F, "never_ready")],
    ),
    Case(
        "the second container's image, behind the first one's restart",
        rollout([container(running(4), restarts=1, last=ended(), ready=False), pulling(ABSENT) | {"spec": PULLED_LATER}]
                if False else [crash(1), renamed(pulling(ABSENT), "proxy")])
        if False
        else [],
        [],
    ),
]
