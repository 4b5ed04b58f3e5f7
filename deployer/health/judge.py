"""The verdict over one workload: what its controller says, what its new pods show, and how long they have shown it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployer.health import containers, images, notes, pods, replicasets, services
from deployer.health.limits import Limits
from deployer.health.objects import (
    condition,
    created,
    expires,
    name,
    of_object,
    owned,
    owner,
    ready,
    ready_since,
    status,
    uid,
)
from deployer.health.objects import containers as containers_of
from deployer.health.rollouts import EVICTED, KINDS, Rollout
from deployer.health.symptom import NEVER, Stage, Symptom
from deployer.health.verdict import Cause, Judgement, Object, Snapshot, Verdict, Workload

SUSPECT = 3.0
"""Seconds a symptom lasts before it is worth a word: every start shows some that pass."""
NEEDED = frozenset({"Pod", "ReplicaSet", "ControllerRevision"})
"""What tells the new pods: where one of them may not be read, the workload's own counters have to do."""


@dataclass(frozen=True)
class Ours:
    """The version whose rollout is watched, as it was first seen."""

    revision: str
    generation: int
    images: tuple[str, ...]


@dataclass(frozen=True)
class Memory:
    """What one look leaves for the next. Times are seconds since the epoch."""

    uid: str | None = None  # of the workload, once seen
    expires: bool = False  # it is a Job that goes once it has ended
    ours: Ours | None = None
    first: Mapping[str, float] = field(default_factory=dict)  # symptom: since when it lasts
    pulls: Mapping[str, str] = field(default_factory=dict)  # container: why its last pull failed
    restarts: Mapping[str, int] = field(default_factory=dict)  # container: restarts from before the rollout
    moved: tuple[object, ...] = ()  # all that shows that something moves
    moved_at: float = 0.0
    last: Judgement | None = None


def judge(
    workload: Workload, snapshot: Snapshot, memory: Memory, *, since: float, now: float, limits: Limits
) -> tuple[Judgement, Memory]:
    """Judge a workload by what is known of its namespace.

    `since` is the moment before the rollout began, `now` the present one, both in the API server's time. Pure: the
    same objects at the same times give the same verdict, in whatever order they were learned.
    """
    if workload.kind in snapshot.unreadable:
        said = f"no permission to read {workload.kind}"
        return Judgement(workload, Verdict.INDETERMINATE, said, warnings=(said,)), memory
    item = next((one for one in snapshot.of(workload.kind) if name(one) == workload.name), None)
    if item is None or (memory.uid and uid(item) != memory.uid):
        return _absent(workload, memory)
    if _told_to_go(item):
        return _deleted(workload), memory
    rollout = KINDS[workload.kind](item, snapshot, since, limits)
    memory = _remember(memory, item, rollout, since, now)
    changed = _changed(memory, item, rollout, since)
    if changed:
        made = _overtaken(workload, rollout, changed)
        return made, replace(memory, last=made)
    # The pods may be ahead of the counters: one that has just crashed is no longer Ready.
    complete = rollout.complete and (workload.kind in ("Job", "Pod") or all(map(ready, rollout.pods)))
    unserved = _unserved(workload, rollout, snapshot, limits) if complete else ()
    found = [*rollout.symptoms, *_symptoms(rollout, snapshot, memory, since, now, limits), *unserved]
    memory = replace(memory, first={one.key: memory.first.get(one.key, now) for one in found})
    due = {one.key: one.at if one.at is not None else memory.first[one.key] + one.grace for one in found}
    doomed = [one for one in found if due[one.key] <= now]
    failed = _failed(workload, rollout, doomed)
    if failed and all(one.cause.rule == "progress_deadline" for one in failed):
        kept = [one for one in found if one.cause.pods or one.cause.rule == "deletion_refused"]
        failed = (*kept, *failed)  # what kept it from progressing
    shown = {one.key: memory.first[one.key] + SUSPECT for one in found}
    suspects = [one for one in found if shown[one.key] <= now]
    late = () if complete else map(pods.overdue, _going(rollout, snapshot))
    waits = [at - now for at in (*due.values(), *shown.values(), *late) if now < at < NEVER]
    if failed:
        made = _judgement(workload, rollout, Verdict.FAILED, failed, snapshot, limits)
    elif rollout.verdict is Verdict.PAUSED:
        made = replace(
            _judgement(workload, rollout, Verdict.PAUSED, (), snapshot, limits), summary="paused, not rolled out"
        )
    elif complete and (left := _soak_left(rollout, snapshot, memory, now, limits)) <= 0 and not unserved:
        made = _judgement(workload, rollout, Verdict.HEALTHY, (), snapshot, limits)
    elif complete and left <= 0:
        made = _judgement(workload, rollout, Verdict.PROGRESSING, suspects, snapshot, limits)
        made = replace(made, summary=f"{made.summary}; {unserved[0].cause.message}")
    elif complete:
        made = _judgement(workload, rollout, Verdict.PROGRESSING, suspects, snapshot, limits)
        made = replace(made, summary=f"{made.summary}; watched for {left:.0f} s more")
        waits.append(left)
    else:
        patience = _patience(workload, item, rollout, limits)
        going = max(map(pods.overdue, _going(rollout, snapshot)), default=0.0)  # a pod has its grace period to end in
        left = max(memory.moved_at + patience, going) - now
        made = _judgement(workload, rollout, Verdict.PROGRESSING, suspects, snapshot, limits)
        if left <= 0:
            made = _stuck(made, patience)
        waits.append(left)
    others = ("somebody else changed its pod template during the rollout",) if changed is not None else ()
    made = replace(made, warnings=(*made.warnings, *others, *notes.notes(workload, snapshot, now)))
    made = replace(made, recheck=min((wait for wait in waits if 0 < wait < NEVER), default=None))
    return made, replace(memory, last=made)


def _absent(workload: Workload, memory: Memory) -> tuple[Judgement, Memory]:
    """[48] Deleted, or deleted and made anew by somebody else: this rollout is over. [43] A Job may be cleaned up."""
    if memory.uid is None and workload.expires:
        return Judgement(workload, Verdict.HEALTHY, "has ended and was removed (ttlSecondsAfterFinished)"), memory
    if memory.uid is None:
        return Judgement(workload, Verdict.PROGRESSING, "is not there yet"), memory
    if workload.kind == "Job" and memory.last and memory.last.verdict in (Verdict.HEALTHY, Verdict.FAILED):
        return memory.last, memory  # ttlSecondsAfterFinished took it
    if memory.expires:
        said = "was removed before anybody saw how it ended (ttlSecondsAfterFinished)"
        return Judgement(workload, Verdict.INDETERMINATE, said), memory
    return _deleted(workload), memory


def _told_to_go(item: Object) -> bool:
    """[48] Told to go, and held by a finalizer until its pods are gone: its counters may be complete all the while.

    A Job and a Pod that have ended are removed by who made them, and how they ended stands.
    """
    ended = status(item).get("phase") in ("Succeeded", "Failed") or any(
        condition(item, kind).get("status") == "True" for kind in ("Complete", "Failed", "FailureTarget")
    )
    return bool(item["metadata"].get("deletionTimestamp")) and not ended


def _deleted(workload: Workload) -> Judgement:
    cause = Cause("deleted", "Deleted", "it was deleted during the rollout", str(workload), hint="see who deleted it")
    return Judgement(workload, Verdict.FAILED, "deleted", causes=(cause,))


def _remember(memory: Memory, item: Object, rollout: Rollout, since: float, now: float) -> Memory:
    pulls, restarts = dict(memory.pulls), dict(memory.restarts)
    stages: list[object] = []
    for pod in rollout.pods:
        for spec, state, _ in containers_of(pod):
            key = f"{uid(pod)}/{spec['name']}"
            waiting = (state.get("state") or {}).get("waiting") or {}
            text = str(waiting.get("message") or "")
            if waiting.get("reason") in images.PULLING and images.why(text, spec["image"]):
                pulls[key] = text
            restarts.setdefault(key, containers.before(pod, state, since))
            stages.append((key, bool(state.get("imageID")), state.get("started"), state.get("ready")))
    moved = (rollout.counts, rollout.complete, item["metadata"].get("generation"), frozenset(stages))
    changed = moved != memory.moved
    return Memory(
        uid(item),
        expires(item),
        _ours(memory, item, rollout),
        memory.first,
        pulls,
        restarts,
        moved,
        now if changed else memory.moved_at,
        memory.last,
    )


def _ours(memory: Memory, item: Object, rollout: Rollout) -> Ours | None:
    """The first version that was seen. What makes its pods may be seen a moment after the controller's word of it."""
    ours, generation = memory.ours, int(item["metadata"].get("generation") or 0)
    if rollout.revision is None or (ours and (rollout.revision == ours.revision or generation > ours.generation)):
        return ours
    return Ours(rollout.revision, generation, _images(item))


def _images(item: Object) -> tuple[str, ...]:
    spec = (item["spec"].get("template") or {}).get("spec") or {}
    return tuple(one["image"] for part in ("initContainers", "containers") for one in spec.get(part) or ())


def _changed(memory: Memory, item: Object, rollout: Rollout, since: float) -> str | None:
    """[48] Somebody else changed the pod template; what the version is called that rolls out instead of ours.

    Empty where it is ours all the same: the same images, made anew, as by `kubectl rollout restart` or a controller
    that restarts pods whose ConfigMap has changed.
    """
    ours = memory.ours
    if ours is None or rollout.revision in (None, ours.revision):
        return None
    if 0 < rollout.revised < int(since):
        return "an earlier version"
    return "another version" if _images(item) != ours.images else ""


def _overtaken(workload: Workload, rollout: Rollout, what: str) -> Judgement:
    """Whether ours would have come to its end, nobody knows; a rollback would undo what somebody else has done."""
    said = f"was changed by somebody else during the rollout: {what} rolls out ({rollout.revision})"
    cause = Cause(
        "changed_by_others", "Changed", f"it {said}", str(workload), hint="see who changed it, and deploy anew"
    )
    return Judgement(workload, Verdict.INDETERMINATE, said, rollout.counts, (cause,))


def _symptoms(
    rollout: Rollout, snapshot: Snapshot, memory: Memory, since: float, now: float, limits: Limits
) -> Sequence[Symptom]:
    """What the owner of the new pods and each of them shows; at most one a pod, the earliest stage first."""
    events = snapshot.of("Event")
    readable = "Event" not in snapshot.unreadable
    found: list[Symptom] = []
    leaving = any(pod["metadata"].get("deletionTimestamp") for pod in rollout.old)
    if rollout.owner is not None:
        moving = f"{rollout.counts}{status(rollout.owner).get('replicas')}"
        made = max(map(created, owned(snapshot.of("Pod"), uid(rollout.owner))), default=0.0)
        refused = replicasets.pods_refused(
            rollout.owner, events, limits, moving=moving, leaving=leaving, since=since, made=made
        )
        found += [refused] if refused else []
    found += filter(None, (replicasets.deletion_refused(one, events) for one in _sets(rollout, snapshot)))
    for pod in rollout.pods:
        about = of_object(events, pod)
        one = _of_containers(pod, about, readable, memory, since, limits)
        found += [one] if one else []
        if one is None or one.passive:
            whole = pods.symptoms(pod, about, snapshot, limits, now, leaving=leaving)
            found += [whole] if whole else []
    if not found and not rollout.complete:
        found += filter(
            None, (_rejected(rollout, snapshot, since), *(pods.stays(pod, now) for pod in _going(rollout, snapshot)))
        )
    return found


def _sets(rollout: Rollout, snapshot: Snapshot) -> list[Object]:
    """The ReplicaSets of the pods that there are, old and new."""
    makers = {owner(pod) for pod in (*rollout.pods, *rollout.old)}
    return [one for one in snapshot.of("ReplicaSet") if uid(one) in makers]


def _going(rollout: Rollout, snapshot: Snapshot) -> list[Object]:
    """The pods of the workload that were told to go: the next may have to wait for them."""
    if rollout.owner is None or rollout.owner["kind"] == "Job":
        return []
    mine = {uid(pod): pod for pod in (*rollout.old, *owned(snapshot.of("Pod"), uid(rollout.owner)))}
    return [pod for pod in mine.values() if pod["metadata"].get("deletionTimestamp")]


def _rejected(rollout: Rollout, snapshot: Snapshot, since: float) -> Symptom | None:
    """A pod of this rollout that never ran. A Job counts its own."""
    if rollout.owner is None or rollout.owner["kind"] == "Job":
        return None
    ended = [
        pod
        for pod in owned(snapshot.of("Pod"), uid(rollout.owner))
        if status(pod).get("phase") == "Failed"
        and status(pod).get("reason") not in EVICTED
        and created(pod) >= int(since)
    ]
    return pods.rejected(rollout.owner, ended)


def _unserved(workload: Workload, rollout: Rollout, snapshot: Snapshot, limits: Limits) -> tuple[Symptom, ...]:
    """The Service of the release that leads to none of these ready pods, unless nobody asks or nobody may look."""
    if not limits.endpoints or not rollout.counts.desired or snapshot.unreadable & {"Service", "EndpointSlice"}:
        return ()
    theirs = notes.beside(workload, snapshot, "Service")
    found = services.no_endpoints(theirs, snapshot.of("EndpointSlice"), rollout.pods, limits)
    return (found,) if found else ()


def _of_containers(
    pod: Object, events: Sequence[Object], readable: bool, memory: Memory, since: float, limits: Limits
) -> Symptom | None:
    """The first container that may fail the pod, else the first that shows anything."""
    waits: Symptom | None = None
    for spec, state, init in containers_of(pod):
        key = f"{uid(pod)}/{spec['name']}"
        pull = memory.pulls.get(key) or images.told(events, spec["image"])
        before = memory.restarts.get(key, 0)
        seen = containers.Seen(pod, spec, state, init, events, readable, pull, before, limits, since)
        found = containers.symptoms(seen)
        if found and not found.passive:
            return found
        waits = waits or found
    return waits


def _failed(workload: Workload, rollout: Rollout, doomed: Sequence[Symptom]) -> tuple[Symptom, ...]:
    """From doomed pods to a failed workload; empty where the others may still make it.

    A controller's symptom fails it. A pod's does where all new pods are doomed, where the doomed ones block the
    rollout, where the fault lies in the template and no other pod disproves that, and for a StatefulSet that goes one
    pod at a time always; for one that goes by more, also where nothing else is left to wait for. A Job has its own
    count of failed pods; one of which no pod can ever begin is not counted.
    """
    by_pod = {
        one.cause.pods[0]: one
        for one in doomed
        if one.cause.pods and one.cause.rule not in ("job_failed", "rollback_trap")
    }
    of_owner = tuple(one for one in doomed if one.cause.object not in {s.cause.object for s in by_pod.values()})
    of_template = tuple(one for one in by_pod.values() if one.stage and not _disproved(one, rollout))
    if of_owner and not by_pod:
        return of_owner
    if not by_pod:
        return ()
    lacking = [pod for pod in rollout.pods if condition(pod, "Ready").get("status") != "True"]
    everyone = len(by_pod) == len(rollout.pods)
    blocked = len(lacking) >= rollout.may_lack and all(name(pod) in by_pod for pod in lacking)
    if workload.kind == "Job":
        return of_template or of_owner or _never_begun(rollout, tuple(by_pod.values()))
    if workload.kind == "StatefulSet":
        blocked |= rollout.may_lack == 1 or (
            len(rollout.pods) >= rollout.counts.desired and all(name(pod) in by_pod for pod in lacking)
        )
    if everyone or blocked or of_template or of_owner or workload.kind == "Pod":
        return (*by_pod.values(), *of_owner)
    return ()


def _never_begun(rollout: Rollout, doomed: tuple[Symptom, ...]) -> tuple[Symptom, ...]:
    """[44] All pods of a Job are kept from their first start: no room, no volume, no image.

    Where one has ended before, the others may only have to wait for the room that it leaves.
    """
    kept = tuple(one for one in doomed if not one.cause.logs)
    begun = rollout.ended or rollout.counts.ready
    return kept if len(kept) == len(rollout.pods) and not begun else ()


def _disproved(symptom: Symptom, rollout: Rollout) -> bool:
    """Another new pod came past the stage, so the template is sound and the node is to blame."""
    others = [pod for pod in (*rollout.pods, *rollout.ended) if name(pod) != symptom.cause.pods[0]]
    return any(_past(pod, symptom) for pod in others)


def _past(pod: Object, symptom: Symptom) -> bool:
    if symptom.stage is Stage.PLACED:
        return condition(pod, "PodScheduled").get("status") == "True"
    states = {spec["name"]: state for spec, state, _ in containers_of(pod)}
    if symptom.stage is Stage.CREATED:
        return any(state.get("imageID") for state in states.values())
    state = states.get(symptom.cause.container or "", {})
    if symptom.stage is Stage.PULLED:
        return bool(state.get("imageID"))
    over = (state.get("state") or {}).get("terminated") or {}
    ran = bool(over) and over.get("reason") not in (*containers.START_REASONS, "ContainerStatusUnknown")
    return "running" in (state.get("state") or {}) or bool(state.get("ready")) or ran


def _soak_left(rollout: Rollout, snapshot: Snapshot, memory: Memory, now: float, limits: Limits) -> float:
    """[7] Seconds until the youngest new pod has been ready for long enough; a restart makes it young again.

    Where nobody may say which pods are new, the counters have to stand still for as long.
    """
    needed = pods.soak(rollout.template, limits) if rollout.template else 0.0
    if not needed:
        return 0.0
    if not rollout.pods:
        return memory.moved_at + needed - now if snapshot.unreadable & NEEDED and rollout.counts.desired else 0.0
    return max(ready_since(pod) or now for pod in rollout.pods) + needed - now


def _patience(workload: Workload, item: Object, rollout: Rollout, limits: Limits) -> float:
    """[36] How long nothing may move. A Job's pod that runs, works: how long that takes is its own to limit.

    The workload's own deadline, longer or shorter than our default; a profile's `stuck` can only shorten it.
    """
    if workload.kind in ("Job", "Pod") and any(status(pod).get("phase") == "Running" for pod in rollout.pods):
        return NEVER
    spec = item["spec"]
    own = float(spec.get("progressDeadlineSeconds") or limits.stuck)
    least = own if limits.stuck == Limits.stuck else min(limits.stuck, own)
    return least + float(spec.get("minReadySeconds") or 0)


def _stuck(made: Judgement, patience: float) -> Judgement:
    """[36] Nothing has moved for so long: a change of replicas alone gets no deadline from Kubernetes (k8s#78678)."""
    cause = Cause(
        "stuck", "Stuck", f"nothing has moved for {patience:.0f} s", str(made.workload), hint="see its events"
    )
    return replace(made, verdict=Verdict.FAILED, causes=(*made.causes, cause))


def _judgement(
    workload: Workload,
    rollout: Rollout,
    verdict: Verdict,
    found: Sequence[Symptom],
    snapshot: Snapshot,
    limits: Limits,
) -> Judgement:
    lost = sorted(snapshot.unreadable & NEEDED)
    blind = tuple(f"no permission to read {kind}: judged by the {workload.kind}'s own counters" for kind in lost)
    evicted = (f"{rollout.evicted} pods were evicted and replaced",) if rollout.evicted > limits.evictions else ()
    unplaced = "Event" in snapshot.unreadable and any(one.cause.rule in pods.UNPLACED for one in found)
    unseen = ("no permission to read Event: a node may be on its way, and nobody can see it",) if unplaced else ()
    warnings = (*rollout.warnings, *evicted, *blind, *unseen)
    return Judgement(workload, verdict, rollout.summary, rollout.counts, grouped(found), warnings)


def grouped(found: Sequence[Symptom]) -> tuple[Cause, ...]:
    """One cause for all pods that show the same; those that most pods show, and that fail, first."""
    groups: dict[tuple[str, str | None, str], list[Cause]] = {}
    for one in found:
        alike = one.cause.message if not one.cause.container else one.cause.reason
        groups.setdefault((one.cause.rule, one.cause.container, alike), []).append(one.cause)
    made = []
    for causes in groups.values():
        worst = max(causes, key=lambda cause: (len(cause.message), cause.object))
        others = sorted({pod for cause in causes for pod in cause.pods} - set(worst.pods[:1]))
        made.append(replace(worst, pods=(*worst.pods[:1], *others)))
    return tuple(sorted(made, key=lambda cause: (-len(cause.pods), cause.rule, cause.object)))
