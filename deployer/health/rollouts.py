"""What each kind of workload says of its own rollout: rows 1 to 9 and 36 to 43. One function a kind."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployer.health.containers import Seen, not_startable
from deployer.health.limits import Limits
from deployer.health.objects import (
    condition,
    containers,
    created,
    label,
    live,
    name,
    owned,
    owner,
    ready,
    seconds,
    status,
    uid,
)
from deployer.health.pods import due
from deployer.health.symptom import Symptom, of_owner
from deployer.health.verdict import Cause, Counts, Object, Snapshot, Verdict

EVICTED = ("Evicted", "Preempting", "NodeShutdown")
"""Why a pod ended and is replaced, though nothing is wrong with it: status.reason."""


@dataclass(frozen=True)
class Rollout:
    """One workload, with its new pods told apart from the old ones."""

    counts: Counts
    complete: bool  # the controller has done all it will do
    summary: str
    pods: tuple[Object, ...] = ()  # new, live
    old: tuple[Object, ...] = ()  # of other revisions, still there; of a Job: whatever leaves and makes room
    owner: Object | None = None  # who makes the new pods
    template: Object = field(default_factory=dict)
    may_lack: int = 0  # pods that may be unavailable before the rollout blocks
    verdict: Verdict | None = None  # where the controller's word alone decides
    symptoms: tuple[Symptom, ...] = ()
    warnings: tuple[str, ...] = ()
    evicted: int = 0
    revision: str | None = None  # the name of what the new pods are made from, once the controller has seen the change
    revised: float = 0.0  # when that was made; 0 where nobody knows
    ended: tuple[Object, ...] = ()  # pods of a Job that have come to their end, one way or the other


def deployment(item: Object, snapshot: Snapshot, since: float, limits: Limits) -> Rollout:
    """[1-9] Deployment: kubectl's counters, the new ReplicaSet's, and the conditions about this rollout."""
    state, spec = status(item), item["spec"]
    wanted = int(spec.get("replicas", 1))
    observed = int(state.get("observedGeneration") or 0) >= int(item["metadata"].get("generation") or 0)
    new = _new_replicaset(item, snapshot) if observed else None
    theirs = {uid(one): one for one in owned(snapshot.of("ReplicaSet"), uid(item))}
    all_pods = [pod for pod in snapshot.of("Pod") if owner(pod) in theirs]
    pods = live(owned(all_pods, uid(new))) if new else []
    old = [pod for pod in all_pods if new is not None and owner(pod) != uid(new)]
    updated, available = int(state.get("updatedReplicas") or 0), int(state.get("availableReplicas") or 0)
    total = int(state.get("replicas") or 0)
    mine = int(status(new).get("availableReplicas") or 0) if new else (available if _blind(snapshot) else 0)
    counts = Counts(wanted, updated, sum(map(ready, pods)), min(mine, updated), len(old))
    complete = (
        observed
        and updated >= wanted
        and total <= updated
        and available >= updated
        and (mine >= wanted or _blind(snapshot) or wanted == 0)
    )
    symptoms = tuple(
        filter(None, (_not_made(item, since, observed, limits), _past_deadline(item, new, since, observed, limits)))
    )
    verdict = Verdict.PAUSED if spec.get("paused") and not (observed and complete) else None
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    slack = 0
    if (spec.get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
        surge, lack = (
            _share(rolling.get(k, "25%"), wanted, up=k == "maxSurge") for k in ("maxSurge", "maxUnavailable")
        )
        slack = surge + lack
    return Rollout(
        counts,
        complete,
        _says(counts, observed, "updated pods available"),
        tuple(pods),
        tuple(old),
        new,
        spec.get("template") or {},
        max(1, slack),
        verdict,
        symptoms,
        _leaving(old) if complete else (),
        sum(1 for pod in owned(all_pods, uid(new)) if status(pod).get("reason") in EVICTED) if new else 0,
        revision=name(new) if new else None,
        revised=created(new) if new else 0.0,
    )


def _new_replicaset(item: Object, snapshot: Snapshot) -> Object | None:
    """The ReplicaSet of the Deployment's own revision: never the newest, since a rollback uses an old one (krane)."""
    key = "deployment.kubernetes.io/revision"
    wanted = (item["metadata"].get("annotations") or {}).get(key)
    mine = owned(snapshot.of("ReplicaSet"), uid(item))
    return next((one for one in mine if (one["metadata"].get("annotations") or {}).get(key) == wanted), None)


def _not_made(item: Object, since: float, observed: bool, limits: Limits) -> Symptom | None:
    """[2] Progressing=False, ReplicaSetCreateError: while observedGeneration lags (k8s deployment/sync.go).

    The condition keeps its time while it stays, so one from before `since` may be about this rollout as well: the
    controller has three times as long to see the change. Once it has, such a one is over.
    """
    found = condition(item, "Progressing")
    old = (seconds(found.get("lastUpdateTime")) or 0) < int(since)
    if found.get("reason") != "ReplicaSetCreateError" or (old and observed):
        return None
    text = str(found.get("message") or "")
    return of_owner(
        item,
        "replicaset_not_made",
        "ReplicaSetCreateError",
        text,
        3 * limits.replicaset if old else limits.replicaset,
        hint="mend what the message says",
        timer="old" if old else "",
    )


def _past_deadline(item: Object, new: Object | None, since: float, observed: bool, limits: Limits) -> Symptom | None:
    """[3, 4] Progressing=False, ProgressDeadlineExceeded, about this rollout: one of an earlier rollout stays for a
    while after a rollback to an existing ReplicaSet (kubernaut#199, k8s#49637).

    One of an earlier try of the same ReplicaSet stays until that is available: what it lacked may just have been made.
    """
    found = condition(item, "Progressing")
    if not observed or found.get("reason") != "ProgressDeadlineExceeded":
        return None
    named = re.search(r'ReplicaSet "([^"]+)"', str(found.get("message") or ""))
    old = (seconds(found.get("lastUpdateTime")) or 0) < int(since)
    if named and new is not None:
        if named[1] != name(new):
            return None
    elif old:
        return None
    limit = item["spec"].get("progressDeadlineSeconds", 600)
    return of_owner(
        item,
        "progress_deadline",
        "ProgressDeadlineExceeded",
        f"no progress for {limit} s (progressDeadlineSeconds)",
        limits.readiness if old else 0,
        hint="see the pods below",
    )


def statefulset(item: Object, snapshot: Snapshot, since: float, limits: Limits) -> Rollout:
    """[37-40] StatefulSet: by status.updateRevision and the partition (helm ready.go, kubectl)."""
    state, spec = status(item), item["spec"]
    wanted, generation = int(spec.get("replicas", 1)), int(item["metadata"].get("generation") or 0)
    observed = int(state.get("observedGeneration") or 0) >= generation >= 1
    strategy = spec.get("updateStrategy") or {}
    by_hand = strategy.get("type") == "OnDelete"
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    revision = state.get("updateRevision")
    # Until the change is observed, updateRevision is that of the version before, whose pods are none of ours.
    mine = owned(snapshot.of("Pod"), uid(item)) if observed else []
    new = [pod for pod in live(mine) if label(pod, "controller-revision-hash") == revision]
    old = [pod for pod in live(mine) if label(pod, "controller-revision-hash") != revision]
    target = max(0, wanted - partition)
    updated, standing = int(state.get("updatedReplicas") or 0), int(state.get("readyReplicas") or 0)
    available = int(state.get("availableReplicas", standing) or 0)
    counts = Counts(target, updated, standing, available, len(old))
    complete = observed and standing >= wanted and available >= wanted and (by_hand or updated >= target)
    if complete and not by_hand and partition == 0 and wanted:
        complete = state.get("currentRevision") == revision or updated >= wanted
    warnings = []
    if by_hand and old:
        warnings.append(
            f"updateStrategy OnDelete: {len(old)} pods are still of the old revision until they are deleted"
        )
    if partition:
        warnings.append(f"partition {partition}: pods below it keep the old revision")
    trapped = _trap(item, old, limits) if not by_hand else None
    may_lack = 1
    if spec.get("podManagementPolicy") == "Parallel":  # else one pod is made after the other, whatever may lack
        may_lack = max(1, _share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), wanted, up=False))
    return Rollout(
        counts,
        complete,
        _says(counts, observed, "pods ready", standing, wanted),
        tuple(new),
        tuple(old),
        item,
        spec.get("template") or {},
        may_lack,
        symptoms=(trapped,) if trapped else (),
        warnings=tuple(warnings),
        revision=revision if observed else None,
        revised=next((created(one) for one in snapshot.of("ControllerRevision") if name(one) == revision), 0.0),
    )


def _trap(item: Object, old: list[Object], limits: Limits) -> Symptom | None:
    """[40] A broken pod of another revision that OrderedReady waits for and never replaces (k8s#67250, #60164).

    It has `trap` seconds to become well: an old pod may start anew just now. One that merely is not Ready has
    `readiness` seconds from the last change of the condition, and what its init containers and its own probes allow,
    but for `trap_cap` seconds at most.
    """
    if item["spec"].get("podManagementPolicy", "OrderedReady") != "OrderedReady":
        return None
    stuck = sorted((pod for pod in old if not ready(pod)), key=lambda pod: (not broken(pod), name(pod)))
    if not stuck:
        return None
    first = stuck[0]
    unready = seconds(condition(first, "Ready").get("lastTransitionTime")) or created(first)
    allowed = max(unready + limits.readiness, min(due(first, unready, limits), unready + limits.trap_cap))
    ill = ("broken", " for ever") if broken(first) else ("not ready", "")
    found = of_owner(
        item,
        "rollback_trap",
        "OrderedReady",
        f"pod {name(first)} of another revision is {ill[0]}, and the controller waits for it{ill[1]}",
        limits.trap,
        hint=f"delete it: kubectl delete pod {name(first)}",
        timer=uid(first),
    )
    names = tuple(name(pod) for pod in stuck if pod is first or broken(pod))
    cause = Cause(**{**vars(found.cause), "object": f"pod/{name(first)}", "pods": names})
    return Symptom(cause, found.grace, found.key, at=None if broken(first) else allowed)


def broken(pod: Object) -> bool:
    """It waits for what will not come, or failed again and does not run."""
    states = [*(status(pod).get("containerStatuses") or ()), *(status(pod).get("initContainerStatuses") or ())]
    reasons = {((one.get("state") or {}).get("waiting") or {}).get("reason") for one in states}
    return bool(reasons - {None, "ContainerCreating", "PodInitializing"}) or any(
        one.get("restartCount", 0) > 1 and ((one.get("state") or {}).get("terminated") or {}).get("exitCode")
        for one in states
    )


def daemonset(item: Object, snapshot: Snapshot, since: float, limits: Limits) -> Rollout:
    """[41, 42] DaemonSet: every node that can run it (krane#881, k8s#53023).

    A node that was not Ready when the rollout began does not count; one that is lost since may be the DaemonSet's work.
    """
    state, spec = status(item), item["spec"]
    observed = int(state.get("observedGeneration") or 0) >= int(item["metadata"].get("generation") or 0)
    revisions = owned(snapshot.of("ControllerRevision"), uid(item))
    newest = max(revisions, key=lambda one: int(one.get("revision") or 0), default=None)
    revision = label(newest, "controller-revision-hash") if newest else None
    theirs = owned(snapshot.of("Pod"), uid(item)) if observed else []  # before that, `revision` is the one before
    mine = live(theirs)
    lost = {name(node) for node in snapshot.of("Node") if _was_lost(node, since)}
    new = [pod for pod in mine if label(pod, "controller-revision-hash") == revision]
    old = [pod for pod in mine if label(pod, "controller-revision-hash") != revision]
    # Its pods may be told to go and never go, since no kubelet is there to end them.
    excused = len({pod["spec"].get("nodeName") for pod in theirs if not ready(pod)} & lost)
    desired = int(state.get("desiredNumberScheduled") or 0) - excused
    updated, available = int(state.get("updatedNumberScheduled") or 0), int(state.get("numberAvailable") or 0)
    if excused:  # the counters do not say which nodes they count
        updated = sum(1 for pod in new if pod["spec"].get("nodeName") not in lost)
    counts = Counts(desired, updated, int(state.get("numberReady") or 0), available, len(old))
    by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    warnings = [f"{excused} pods are on nodes that are not Ready: not counted"] if excused else []
    if observed and not state.get("desiredNumberScheduled"):
        warnings.append("it matches no node")
    if by_hand and old:
        warnings.append(
            f"updateStrategy OnDelete: {len(old)} pods are still of the old revision until they are deleted"
        )
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    shares = (
        _share(rolling.get(key, usual), desired, up=True) for key, usual in (("maxUnavailable", 1), ("maxSurge", 0))
    )
    may_lack = max(1, sum(shares))
    return Rollout(
        counts,
        observed and (by_hand or updated >= desired) and available >= desired,
        _says(counts, observed, "pods available"),
        tuple(pod for pod in new if pod["spec"].get("nodeName") not in lost),
        tuple(old),
        item,
        spec.get("template") or {},
        may_lack,
        warnings=tuple(warnings),
        revision=name(newest) if newest and observed else None,
        revised=created(newest) if newest else 0.0,
    )


def job(item: Object, snapshot: Snapshot, since: float, limits: Limits) -> Rollout:
    """[43] Job: condition Complete or Failed (FailureTarget comes first), suspended, or still running (helm#30533)."""
    state, spec = status(item), item["spec"]
    wanted, succeeded = int(spec.get("completions") or 1), int(state.get("succeeded") or 0)
    theirs = owned(snapshot.of("Pod"), uid(item))
    ended = [pod for pod in theirs if status(pod).get("phase") in ("Failed", "Succeeded")]
    counts = Counts(wanted, int(state.get("active") or 0), succeeded, succeeded)
    failed = next(
        (c for c in (condition(item, k) for k in ("Failed", "FailureTarget")) if c.get("status") == "True"), None
    )
    symptoms = _never_started(ended, limits)
    if failed:
        bad = [pod for pod in ended if status(pod).get("phase") == "Failed"]
        symptoms = (_job_failed(item, failed, max(bad, key=created, default=None)),)
    suspended = spec.get("suspend") and condition(item, "Suspended").get("status") == "True"
    return Rollout(
        counts,
        condition(item, "Complete").get("status") == "True",
        f"{succeeded} of {wanted} completions",
        tuple(live(theirs)),
        tuple(pod for pod in snapshot.of("Pod") if pod["metadata"].get("deletionTimestamp")),
        owner=item,
        template={},  # no soak: it ends
        verdict=Verdict.PAUSED if suspended else None,
        symptoms=symptoms,
        ended=tuple(ended),
    )


def _never_started(ended: Sequence[Object], limits: Limits) -> tuple[Symptom, ...]:
    """[22] A program that cannot be started ends a pod of restartPolicy Never; the Job tries it in six more.

    Only where all have ended so: one that came further shows that the template is sound.
    """
    found = [_not_startable(pod, limits) for pod in ended]
    return tuple(filter(None, found)) if all(found) else ()


def _not_startable(pod: Object, limits: Limits) -> Symptom | None:
    seen = (
        Seen(pod, spec, state, init, (), events_readable=True, pull_text=None, restarts_before=0, limits=limits)
        for spec, state, init in containers(pod)
    )
    return next(filter(None, map(not_startable, seen)), None)


def _job_failed(item: Object, failed: Object, pod: Object | None) -> Symptom:
    text = f"the job failed: {failed.get('reason')}: {failed.get('message')}"
    found = of_owner(item, "job_failed", str(failed.get("reason")), text, 0, hint="the log of its pod says why")
    if pod is None:
        return found
    ends = [
        (one["name"], ((one.get("state") or {}).get("terminated") or {}))
        for one in status(pod).get("containerStatuses") or ()
    ]
    bad = next(((one, end) for one, end in ends if end.get("exitCode")), None)
    cause = vars(found.cause) | {"object": f"pod/{name(pod)}", "pods": (name(pod),), "logs": bad is not None}
    if bad:
        cause |= {"container": bad[0], "message": f"container {bad[0]}: exit {bad[1]['exitCode']}; {text}"}
    return Symptom(Cause(**cause), 0, found.key)


def pod(item: Object, snapshot: Snapshot, since: float, limits: Limits) -> Rollout:
    """A bare Pod, such as a helm hook's: Succeeded is done; Running and Ready too, where it is to stay."""
    phase = status(item).get("phase")
    stays = item["spec"].get("restartPolicy", "Always") == "Always"
    counts = Counts(1, 1, int(ready(item)), int(ready(item) or phase == "Succeeded"))
    symptoms: tuple[Symptom, ...] = ()
    if phase == "Failed":
        failed = {"reason": status(item).get("reason") or "Error", "message": status(item).get("message") or "it ended"}
        symptoms = (_job_failed(item, failed, item),)
    done = phase == "Succeeded" or (stays and ready(item))
    return Rollout(
        counts,
        done,
        f"phase {phase}",
        (item,) if phase in ("Pending", "Running") else (),
        template=item if stays else {},
        symptoms=symptoms,
    )


def _was_lost(node: Object, since: float) -> bool:
    """Condition Ready is not True, and was not when the rollout began."""
    found = condition(node, "Ready")
    return found.get("status") != "True" and (seconds(found.get("lastTransitionTime")) or 0.0) <= since


KINDS: dict[str, Callable[[Object, Snapshot, float, Limits], Rollout]] = {
    "Deployment": deployment,
    "StatefulSet": statefulset,
    "DaemonSet": daemonset,
    "Job": job,
    "Pod": pod,
}


def _says(counts: Counts, observed: bool, what: str, have: int | None = None, wanted: int | None = None) -> str:
    if not observed:
        return "the controller has not seen the change yet"
    have = counts.available if have is None else have
    return f"{have} of {counts.desired if wanted is None else wanted} {what}"


def _leaving(old: list[Object]) -> tuple[str, ...]:
    """[9] status.replicas does not count pods that are terminating (kubectl#1628)."""
    count = sum(1 for one in old if one["metadata"].get("deletionTimestamp"))
    return (f"{count} old pod{'s are' if count > 1 else ' is'} still terminating",) if count else ()


def _blind(snapshot: Snapshot) -> bool:
    """[51] ReplicaSets or pods may not be read: the workload's own counters have to do."""
    return bool({"ReplicaSet", "Pod"} & snapshot.unreadable)


def _share(value: object, of: int, *, up: bool) -> int:
    """An IntOrString: 2 or "25%", surge rounded up and unavailable down."""
    if isinstance(value, str) and value.endswith("%"):
        exact = of * int(value[:-1])
        return -(-exact // 100) if up else exact // 100
    return int(str(value))
