"""Whole rollouts as a real cluster told them: recorded ones, and those noted second by second (Kubernetes 1.34).

What is expected of each is the verdict, the rule of the first cause, and the second in which it is said.
"""

from collections.abc import Callable
from typing import Any

import pytest
from build import (
    IMAGE,
    LIVENESS,
    REVISION,
    T0,
    at,
    condition,
    container,
    deployment,
    ended,
    event,
    pod,
    replicaset,
    rollout,
    running,
    snapshot,
    waiting,
)
from replay import FOLDER, Look, end, first_final, follow, load, looks

from deployer.health.verdict import Workload

P, H, F, PAUSED = "progressing", "healthy", "failed", "paused"

# name: verdict, rule, earliest and latest second, words of the message
RECORDED: dict[str, tuple[str, str | None, float, float, str]] = {
    "absent-pull-secret": (F, "image_pull_denied", 11, 30, "the registry refuses the pull"),
    "bad-name": (F, "image_name", 0, 2, "is no image name"),
    "claim-lost": (F, "claim_lost", 0, 2, "claim data has lost its volume: rec-claim-lost-data"),
    "claim-unbound": (F, "claim_unbound", 60, 64, "claim data is not bound: no persistent volumes available"),
    "command-not-found": (F, "not_startable", 5, 8, "cannot start `/nope`: stat /nope: no such file or directory"),
    "daemon-bad-node": (F, "crash", 8, 17, "container web: exit 1, "),
    "deadline": (F, "never_ready", 15, 20, "HTTP probe failed with statuscode: 503"),
    "deadline-undone": (H, None, 0, 8, ""),
    "exit-at-once": (F, "crash", 8, 17, "container web: exit 1, "),
    "exit-later": (F, "crash", 20, 36, "container web: exit 1, "),
    "exit-once": (H, None, 1, 8, ""),
    "foreign-program": (F, "crash", 8, 17, "container web: exit "),
    "good": (H, None, 1, 5, ""),
    "init-crash": (F, "crash", 8, 17, "init container init: exit 1, "),
    "job": (H, None, 2, 8, ""),
    "job-fails": (F, "job_failed", 8, 30, "container web: exit 1; the job failed: BackoffLimitExceeded"),
    "job-without-image": (F, "image_not_found", 3, 8, "/fault:absent not found"),
    "liveness-loop": (
        F,
        "liveness_probe",
        8,
        20,
        "killed by its liveness probe: HTTP probe failed with statuscode: 500",
    ),
    "missing-secret-env": (F, "config_missing", 18, 22, 'container web: secret "nope" not found'),
    "missing-secret-volume": (F, "volume_not_mounted", 32, 37, 'secret "nope" not found'),
    "missing-tag": (F, "image_not_found", 3, 8, "/fault:absent not found"),
    "never-ready": (F, "never_ready", 60, 64, "HTTP probe failed with statuscode: 503"),
    "no-replicas": (H, None, 0, 2, ""),
    "nothing-changes": (H, None, 0, 1, ""),
    "old-crash-loop": (H, None, 1, 8, ""),
    "old-ignore-the-end": (H, None, 1, 8, ""),
    "out-of-memory": (F, "out_of_memory", 8, 22, "OOMKilled: over its memory limit of 32Mi (exit 137)"),
    "over-a-bad-one": (H, None, 1, 8, ""),
    "paused": (PAUSED, None, 0, 2, ""),
    "pod-security": (F, "pods_refused", 10, 12, 'violates PodSecurity "restricted:latest"'),
    "pull-never": (F, "image_absent_never", 0, 3, "imagePullPolicy is Never"),
    "quota": (F, "quota_exceeded", 30, 34, "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
    "quota-replicasets": (F, "replicaset_not_made", 10, 12, "exceeded quota: q"),
    "quota-throttle": (H, None, 10, 75, ""),
    "recreate": (F, "crash", 8, 17, "container web: exit 1, "),
    "registry-away": (F, "image_pull_transient", 90, 95, "the registry does not answer: connect: connection refused"),
    "registry-comes-back": (H, None, 30, 75, ""),
    "scaled-meanwhile": (H, None, 1, 12, ""),
    "scaled-up-without-image": (F, "image_not_found", 3, 8, "/fault:absent not found"),
    "secret-late": (H, None, 6, 25, ""),
    "service": (H, None, 1, 5, ""),
    "service-nowhere": (F, "no_endpoints", 10, 16, "service web leads to no ready endpoint: no new pod has app=wbe"),
    "sidecar": (H, None, 10, 16, ""),
    "sidecar-crash": (F, "crash", 8, 17, "container init: exit 1, "),
    "slow-init": (H, None, 40, 48, ""),
    "slow-start": (H, None, 50, 60, ""),
    "stateful-bad": (F, "image_not_found", 3, 10, "/fault:absent not found"),
    "stateful-on-delete": (H, None, 0, 2, ""),
    "stateful-partition": (H, None, 1, 8, ""),
    "stateful-trap": (F, "rollback_trap", 60, 63, "pod web-2 of another revision is broken"),
    "stateful-trap-freed": (H, None, 1, 8, ""),
    "unschedulable-cpu": (F, "no_room", 60, 63, "0/2 nodes are available: 2 Insufficient cpu."),
    "unschedulable-selector": (F, "no_node_matches", 30, 33, "2 node(s) didn't match Pod's node affinity/selector."),
    "update": (H, None, 1, 8, ""),
    "wrong-pull-secret": (F, "image_pull_denied", 3, 30, "the registry refuses the pull"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    verdict, rule, earliest, latest, words = RECORDED[name]
    found = end(load(name), until=150)
    causes = found.judgement.causes
    assert (str(found.judgement.verdict), causes[0].rule if causes else None) == (verdict, rule)
    assert earliest <= found.t <= latest
    assert words in (causes[0].message if causes else "")


def test_every_recording_is_expected_of_something() -> None:
    assert {one.stem for one in FOLDER.glob("*.jsonl")} == set(RECORDED)


def test_all_pods_of_a_recording_are_one_cause() -> None:
    """Two replicas with one fault: one cause over both, once both have had the time to show it."""
    found = list(looks(load("missing-secret-env"), until=21))
    causes = found[-1].judgement.causes
    assert len(causes) == 1
    assert len(causes[0].pods) == 2


@pytest.mark.parametrize("name", ["quota", "pod-security"])
def test_refusals_are_said_in_plain_words(name: str) -> None:
    """Kubernetes puts its own words before a message that it has repeated too often."""
    (cause,) = end(load(name), until=100).judgement.causes
    assert cause.message.startswith('pods "web-')


@pytest.mark.parametrize("name", [name for name, expected in RECORDED.items() if expected[0] == F])
def test_never_healthy_on_the_way_to_a_failure(name: str) -> None:
    """A recording of a failure, watched on to its end, is never once called healthy."""
    assert not [one.t for one in looks(load(name), until=100) if str(one.judgement.verdict) == H]


# ---- second by second, as noted; two replicas that go alike


def both(*steps: tuple[float, Any], since_ready: float = 2, told: tuple[str, str] | None = None) -> list[Look]:
    """(second, container of both pods), followed for as long as it takes."""
    moments = []
    for t, one in steps:
        ready = one["status"]["ready"]
        objects = rollout(*({"of": one, "ready_at": t if ready else since_ready} for _ in range(2)))
        if told:
            objects += [event(item, *told) for item in objects if item["kind"] == "Pod"]
        moments.append((t, snapshot(*objects)))
    return list(follow(Workload("Deployment", "web"), moments, since=T0, until=700))


def exited(code: int, reason: str, restarts: int, t: float, *, back_off: bool = False, **spec: Any) -> Any:
    """A container that has ended at `t`, and waits or not."""
    gone = ended(code, reason)
    gone["terminated"]["finishedAt"] = at(t)
    state = waiting("CrashLoopBackOff", "back-off 10s restarting failed container") if back_off else gone
    return container(state, last=gone if restarts else None, restarts=restarts, **spec)


def again(restarts: int, t: float, code: int = 1, *, ready: bool = True, gone: float | None = None, **spec: Any) -> Any:
    """A container that runs once more."""
    last = ended(code)
    last["terminated"]["finishedAt"] = at(t - 1 if gone is None else gone)
    return container(running(t), last=last, restarts=restarts, ready=ready, **spec)


CREATING = container(waiting("ContainerCreating"))
NOPE = 'runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory'
PLAIN = {"readinessProbe": None}
LIVE = {"livenessProbe": LIVENESS}


def start_error(restarts: int, *, back_off: bool = False) -> Any:
    reason = "CrashLoopBackOff" if back_off else "RunContainerError"
    return container(
        waiting(reason, "back-off" if back_off else NOPE), restarts=restarts, last=ended(128, "StartError", NOPE)
    )


def secret_missing(what: str) -> Any:
    return container(waiting("CreateContainerConfigError", what))


NOTED: dict[str, tuple[Callable[[], list[Look]], str, str | None, float, float]] = {
    "good": (lambda: both((1.2, CREATING), (3.4, container())), H, None, 3.4, 3.5),
    "invalidimage": (
        lambda: both((1, CREATING), (2.5, container(waiting("InvalidImageName")))), F, "image_name", 2.5, 2.6
    ),
    "never": (
        lambda: both((1.2, CREATING), (2.2, container(waiting("ErrImageNeverPull")))), F, "image_absent_never", 2.2, 2.3
    ),
    "nosecretenv": (
        lambda: both((1.2, CREATING), (3.2, secret_missing('secret "nope" not found'))), F, "config_missing", 21.2, 21.3
    ),
    "badconfigmapkey": (
        lambda: both((1.1, CREATING), (2.4, secret_missing("couldn't find key zz in ConfigMap NS/cm"))),
        F, "config_missing", 20.4, 20.5,
    ),
    "nosecretvol": (
        lambda: both((0.5, CREATING), told=("FailedMount", 'MountVolume.SetUp failed : secret "nope" not found')),
        F, "volume_not_mounted", 32.5, 32.6,
    ),
    "nocommand": (
        lambda: both(
            (1.2, CREATING), (2.1, start_error(0)), (3.5, start_error(1)), (5.1, start_error(1, back_off=True)),
            (17.3, start_error(2)),
        ),
        F, "not_startable", 7.1, 7.2,
    ),
    "exit1": (
        lambda: both(
            (1.1, CREATING), (2.4, exited(1, "Error", 0, 2, **PLAIN)), (3.1, exited(1, "Error", 1, 3, **PLAIN)),
            (13.9, exited(1, "Error", 2, 13, **PLAIN)), (17.8, exited(1, "Error", 1, 3, back_off=True, **PLAIN)),
        ),
        F, "crash", 10.9, 14,
    ),
    "exit8noprobe": (
        lambda: both(
            (0.6, CREATING), (1.7, container(running(1.7), **PLAIN)), (9.5, exited(1, "Error", 0, 9, **PLAIN)),
            (10.7, again(1, 10, **PLAIN)), (18.4, exited(1, "Error", 1, 18, **PLAIN)),
            (31.5, exited(1, "Error", 1, 18, back_off=True, **PLAIN)), (32, again(2, 32, gone=18, **PLAIN)),
            (39.8, exited(1, "Error", 2, 39, **PLAIN)),
        ),
        F, "crash", 25.9, 40,
    ),
    "oom": (
        lambda: both(
            (0.3, CREATING), (1.8, exited(137, "OOMKilled", 0, 1)), (2.5, exited(137, "OOMKilled", 1, 2)),
            (3.8, exited(137, "OOMKilled", 1, 2, back_off=True)), (17.7, again(2, 17, 137, ready=False, gone=2)),
            (19, exited(137, "OOMKilled", 2, 19)),
        ),
        F, "out_of_memory", 9.9, 19.1,
    ),
    "neverready": (
        lambda: both(
            (1, CREATING), (1.9, container(running(1.9), ready=False)),
            told=("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ),
        F, "never_ready", 60.9, 62.1,
    ),
    "liveness": (
        lambda: both(
            (0.5, CREATING), (1.9, container(running(1.9), **LIVE)), (6.3, again(1, 6, **LIVE)),
            (10.1, again(2, 10, **LIVE)), (14.5, exited(2, "Error", 2, 14, back_off=True, **LIVE)),
            told=("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        ),
        F, "liveness_probe", 10, 14.6,
    ),
    "late": (  # exits once as a dependency is late, then runs: no failure
        lambda: both(
            (1.1, CREATING), (2.4, exited(1, "Error", 0, 2)), (3.1, again(1, 3, ready=False)), (5, again(1, 3)),
        ),
        H, None, 5, 5.1,
    ),
    "pull once refused": (  # the first try without the pull secret, the second with it
        lambda: both(
            (1, CREATING),
            (2, container(waiting("ErrImagePull", f"{IMAGE}: unexpected status: 401 Unauthorized"))),
            (3, container(waiting("ImagePullBackOff", f"{IMAGE}: unexpected status: 401 Unauthorized"))),
            (18, container(running(18))),
            told=("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (pull)"),
        ),
        H, None, 18, 18.1,
    ),
    "registry away for a minute": (
        lambda: both(
            (1, CREATING), (3, container(waiting("ErrImagePull", "dial tcp: connect: connection refused"))),
            (63, container(running(63))),
        ),
        H, None, 63, 63.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_noted(name: str) -> None:
    looked, verdict, rule, earliest, latest = NOTED[name]
    found = first_final(looked())
    causes = found.judgement.causes
    assert (str(found.judgement.verdict), causes[0].rule if causes else None) == (verdict, rule)
    assert earliest <= found.t <= latest
    if causes:
        assert len(causes[0].pods) == 2


def test_deadline_of_the_version_before() -> None:
    """`stalepde`: bad since 9.2 s, timed out at 19.7 s, undone at 28.6 s. The undo is a rollout of its own."""
    undone = 28.6

    def at_second(t: float, generation: int, observed: int, *, revision: int, good: bool) -> Any:
        timed_out = condition(
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            'ReplicaSet "web-bf6" has timed out progressing.',
            t=19.7,
        )
        up = condition("Progressing", "True", "NewReplicaSetAvailable", 'ReplicaSet "web-b7c" has progressed.', t=t)
        frame = deployment(
            generation=generation, observed=observed, revision=revision, total=1 if good else 2,
            conditions=[up if good else timed_out],
        )  # fmt: skip
        first = replicaset(frame, "web-b7c", revision=3 if observed == 3 else 1)
        bad = replicaset(frame, "web-bf6", revision=2, replicas=0 if good else 1, available=0)
        assert frame["metadata"]["annotations"][REVISION]
        old = pod(bad, "web-bf6-0", container(ready=False), leaving=observed == 3)
        return t, snapshot(frame, first, bad, pod(first, "web-b7c-0", t=-20, ready_at=-18), old)

    moments = [
        at_second(28.8, 3, 2, revision=2, good=False),
        at_second(29.0, 3, 3, revision=3, good=False),
        at_second(29.3, 3, 3, revision=3, good=True),
    ]
    found = list(follow(Workload("Deployment", "web"), moments, since=T0 + undone, until=40))
    said = [str(one.judgement.verdict) for one in found]
    assert F not in said
    assert said[-1] == H
