"""Rules over one new pod as a whole: rows 28 to 33, 35 and 45."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.health import claims
from deployer.health.limits import Limits
from deployer.health.objects import condition, containers, created, happened, name, ready, seconds, status, uid
from deployer.health.symptom import NEVER, Stage, Symptom, of_pod
from deployer.health.verdict import Object, Snapshot

_NOWHERE = re.compile(
    r"didn't match|node\(s\) had untolerated taint|persistentvolumeclaim .* not found|not found", re.I
)
_ROOM = re.compile(r"Insufficient|Too many pods", re.I)
_HELD = re.compile(
    r"anti-affinity|topology spread|free ports|ReadWriteOncePod|no available disk|max volume count", re.I
)
"""What other pods hold, besides room: it is free again once they are gone."""
_PASSING = re.compile(
    r"untolerated taint(\(s\)| \{node\.cloudprovider"
    r"| \{node\.kubernetes\.io/(not-ready|unreachable|unschedulable|[a-z]+-(pressure|unavailable)))",
    re.I,
)
"""Taints that Kubernetes itself puts on a node and takes away again, and those that newer schedulers do not name."""
_CACHE = re.compile(r"failed to sync .* cache", re.I)
LATE = 10.0
"""Seconds a pod may outlive its grace period: the kubelet is busy."""
SCALING = ("TriggeredScaleUp", "Nominated", "NominatedMachine")
UNPLACED = ("no_room", "no_node_matches")
"""The rules that a new node ends."""
BY_EVENTS = frozenset({*UNPLACED, "volume_not_mounted", "volume_not_attached", "no_sandbox"})
"""The rules that an event brings about, or an event ends."""
CREATING = 20.0
"""Seconds a pod may be made before that is worth a word, where no event says why."""


def symptoms(
    pod: Object, events: Sequence[Object], snapshot: Snapshot, limits: Limits, now: float, *, leaving: bool
) -> Symptom | None:
    """The first rule over the pod that applies; `leaving`: old pods are terminating and will make room."""
    volumes = snapshot.of("PersistentVolumeClaim")
    for found in (
        claims.claim_lost(pod, volumes),
        claims.claim_unbound(pod, volumes, snapshot.of("Event"), limits),
        unschedulable(pod, events, limits, leaving=leaving, readable="Event" not in snapshot.unreadable),
        not_created(pod, events, limits, now, leaving=leaving),
        never_ready(pod, events, limits, now),
        gate_missing(pod),
    ):
        if found:
            return found
    return None


def unschedulable(
    pod: Object, events: Sequence[Object], limits: Limits, *, leaving: bool, readable: bool
) -> Symptom | None:
    """[29-31] Condition PodScheduled=False, reason Unschedulable: no place, or no room (kstatus: 15 s; k8s#16737).

    An autoscaler speaks by events alone: where these are not `readable`, a node may always be on its way.
    """
    found = condition(pod, "PodScheduled")
    if found.get("status") != "False":
        return None
    text = str(found.get("message") or "").partition(" no new claims")[0].partition(" preemption:")[0].strip()
    reason = str(found.get("reason") or "Unschedulable")
    if reason == "SchedulingGated":
        return of_pod(pod, "scheduling_gated", reason, "waits for its scheduling gates", NEVER, hint="remove the gates")
    room = bool(_ROOM.search(text))
    scaling = not readable or any(event.get("reason") in SCALING for event in events)
    chosen = bool(status(pod).get("nominatedNodeName"))  # the pods that it drives out are still going
    coming = scaling or chosen or (leaving and bool(room or _HELD.search(text)))
    timer = "coming" if coming else ""  # what has just become free is the scheduler's to see first
    if room:
        return of_pod(
            pod,
            "no_room",
            reason,
            f"cannot be scheduled: {text}",
            NEVER if coming else limits.resources,
            hint="lower the resource requests, or add nodes",
            timer=timer,
        )
    nowhere = bool(_NOWHERE.search(text)) and not _PASSING.search(text)
    return of_pod(
        pod,
        "no_node_matches",
        reason,
        f"cannot be scheduled: {text}",
        NEVER if coming else limits.placement if nowhere else limits.resources,
        hint="mend nodeSelector, affinity, tolerations or the claim, or label a node",
        stage=Stage.PLACED if nowhere else None,
        timer=timer,
    )


def not_created(pod: Object, events: Sequence[Object], limits: Limits, now: float, *, leaving: bool) -> Symptom | None:
    """[32] Containers wait in ContainerCreating: only events say why (FailedMount, FailedAttachVolume, krane#116).

    A disk is free for the new pod's node only when the old pod that has it is gone.
    """
    waiting = [
        (spec["name"], (state.get("state") or {}).get("waiting") or {}) for spec, state, _ in containers(pod) if state
    ]
    creating = [name for name, one in waiting if one.get("reason") in ("ContainerCreating", "PodInitializing")]
    if len(creating) < len(waiting) or not waiting or status(pod).get("phase") != "Pending":
        return None
    told = _told(events)
    text = told.get("FailedMount", "").rpartition(" : ")[2]
    missing = "not found" in text
    if "FailedMount" in told and (missing or "FailedAttachVolume" not in told):
        text = text or told["FailedMount"]
        return of_pod(
            pod,
            "volume_not_mounted",
            "FailedMount",
            f"a volume cannot be mounted: {text}",
            limits.volume if missing else limits.volume_attach,
            hint="create what the volume names, or mend the reference in the values",
            stage=Stage.CREATED if missing else None,
        )
    if "FailedAttachVolume" in told:
        text = told["FailedAttachVolume"]
        return of_pod(
            pod,
            "volume_not_attached",
            "FailedAttachVolume",
            text,
            NEVER if leaving else limits.volume_attach,
            hint="look at the volume's disk",
            timer="coming" if leaving else "",
        )
    if "FailedCreatePodSandBox" in told:
        text = told["FailedCreatePodSandBox"][-200:]
        return of_pod(
            pod, "no_sandbox", "FailedCreatePodSandBox", text, limits.sandbox, hint="look at the node's network plugin"
        )
    if now - created(pod) < CREATING:
        return None
    return of_pod(
        pod, "stuck_creating", "ContainerCreating", "stuck in ContainerCreating", NEVER, hint="kubectl describe the pod"
    )


def _told(events: Sequence[Object]) -> dict[str, str]:
    """What keeps a pod from being made, by the reason of its events; nothing once an image is pulled, for that comes
    after. Of several texts the one that names what is missing, for the others follow from it; else the newest."""
    pulled = max((happened(e) for e in events if e.get("reason") in ("Pulling", "Pulled", "Created")), default=0.0)
    texts = [
        (str(event.get("reason")), str(event.get("message") or ""))
        for event in sorted(events, key=lambda event: ("not found" in str(event.get("message")), happened(event)))
        if happened(event) > pulled
    ]
    return {reason: text for reason, text in texts if not _CACHE.search(text)}


def never_ready(pod: Object, events: Sequence[Object], limits: Limits, now: float) -> Symptom | None:
    """[33] Containers run, and a readiness probe fails longer than its own budget allows (kubedog#169, samson#1567).

    The time runs from the last change of condition Ready: a pod that was well has as long to become well again. With a
    startup probe the readiness probe first asks once that has passed. Nothing says when it did, but that we see it, and
    that it can have been no later than its own budget allows.
    """
    if ready(pod) or status(pod).get("phase") != "Running":
        return None
    unready = seconds(condition(pod, "Ready").get("lastTransitionTime")) or 0.0
    for spec, state, init in containers(pod):
        began = seconds(((state.get("state") or {}).get("running") or {}).get("startedAt"))
        probe = spec.get("readinessProbe")
        if init or not probe or state.get("ready") or began is None or state.get("started") is False:
            continue
        grace = patience(probe, limits)
        startup = spec.get("startupProbe")
        latest = asked(spec, began, unready) + grace
        said = next(
            (str(e["message"]) for e in events if str(e.get("message", "")).startswith("Readiness probe failed")), ""
        )
        text = f": {said.partition('failed: ')[2]}" if said else ""
        return of_pod(
            pod,
            "never_ready",
            "Unready",
            f"container {spec['name']}: runs, but is not ready{text}",
            grace,
            container=spec["name"],
            hint=f"see what {where(probe)} needs to answer; a slow start wants a startupProbe",
            logs=True,
            at=None if startup and now < latest else latest,
        )
    return None


def gate_missing(pod: Object) -> Symptom | None:
    """[35] A readinessGate's condition is missing or False: somebody else's controller has to set it (kubedog#169)."""
    if ready(pod):
        return None
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if condition(pod, kind).get("status") != "True":
            return of_pod(
                pod,
                "readiness_gate",
                "ReadinessGate",
                f"waits for its gate {kind}",
                NEVER,
                hint="look at the gate's controller",
            )
    return None


def rejected(owner: Object, ended: Sequence[Object]) -> Symptom | None:
    """The newest pod that a kubelet refused to run, such as UnexpectedAdmissionError or OutOfcpu: its controller makes
    the next one at once, so only told."""
    refused = [pod for pod in ended if status(pod).get("reason") and not status(pod).get("containerStatuses")]
    newest = max(refused, key=lambda pod: (created(pod), name(pod)), default=None)
    if newest is None:
        return None
    reason, text = str(status(newest)["reason"]), str(status(newest).get("message") or "")
    node = newest["spec"].get("nodeName") or "its node"
    found = of_pod(
        newest, "pod_rejected", reason, f"{node} refuses to run it: {text or reason}", NEVER, hint="look at the node"
    )
    return Symptom(found.cause, found.grace, f"{uid(owner)}/pod_rejected")


def stays(pod: Object, now: float) -> Symptom | None:
    """A pod that was told to go, and still is there `LATE` seconds after its grace period: only told."""
    if now < overdue(pod):
        return None
    node, finalizers = pod["spec"].get("nodeName"), pod["metadata"].get("finalizers")
    holds = f"; its finalizers are {', '.join(finalizers)}" if finalizers else f"; it is on {node}" if node else ""
    return of_pod(
        pod,
        "stuck_terminating",
        "Terminating",
        f"was told to go, and is still there after its grace period{holds}",
        NEVER,
        hint="see who removes its finalizers" if finalizers else "see whether its node is Ready",
    )


def overdue(pod: Object) -> float:
    """When a pod that was told to go should long be gone; never where it was not told."""
    gone = seconds(pod["metadata"].get("deletionTimestamp"))
    return NEVER if gone is None else gone + LATE


def patience(probe: Mapping[str, Any], limits: Limits) -> float:
    """Seconds a container may run and not be ready; the answers in a row that a probe asks for (successThreshold) come
    on top, for it may be well as late as one that needs a single answer."""
    proof = probe.get("periodSeconds", 10) * (probe.get("successThreshold", 1) - 1)
    return float(max(limits.readiness, 2 * budget(probe)) + proof)


def asked(spec: Object, began: float, unready: float) -> float:
    """When the readiness probe of a container that `began` asks at the latest: its startup probe has to pass first."""
    startup = spec.get("startupProbe")
    return max(began + (budget(startup) if startup else 0.0), unready)


def due(pod: Object, unready: float, limits: Limits) -> float:
    """When a pod, not Ready since `unready`, ought to be by its own probes; never while an init container runs."""
    latest = unready + limits.readiness
    for spec, state, init in containers(pod):
        began = seconds(((state.get("state") or {}).get("running") or {}).get("startedAt"))
        over = seconds(((state.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        if init and began is not None:
            return NEVER
        if init and over is not None:  # the next one, or the containers, begin only then
            latest = max(latest, over + limits.readiness)
        if not init and began is not None and not state.get("ready"):
            probe = spec.get("readinessProbe")
            grace = patience(probe, limits) if probe else limits.readiness
            latest = max(latest, asked(spec, began, unready) + grace)
    return latest


def budget(probe: Mapping[str, Any]) -> float:
    """Seconds a probe may fail before Kubernetes acts on it."""
    period, threshold = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
    return float(probe.get("initialDelaySeconds", 0) + period * threshold + probe.get("timeoutSeconds", 1))


def where(probe: Mapping[str, Any]) -> str:
    """What a probe asks."""
    if "httpGet" in probe:
        return f"GET {probe['httpGet'].get('path', '/')}"
    if "tcpSocket" in probe:
        return f"port {probe['tcpSocket'].get('port')}"
    if "grpc" in probe:
        return f"gRPC port {probe['grpc'].get('port')}"
    return " ".join(map(str, (probe.get("exec") or {}).get("command") or ["the probe"]))


def soak(template: Mapping[str, Any], limits: Limits) -> float:
    """[7] Seconds that a pod, or pods of a template, must stay ready to count as healthy (konflux-ci#268, k8s#31319).

    A container without a readiness probe is ready the moment it starts, so it has to run for a while. A liveness probe
    whose handler is neither that of the readiness probe nor that of the startup probe has proven nothing by the time
    the pod is ready: a wrong one first kills when its budget is spent.
    """
    longest, spec = 0.0, template.get("spec") or {}
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in (*sidecars, *(spec.get("containers") or ())):
        readiness, liveness = container.get("readinessProbe"), container.get("livenessProbe")
        if not readiness:
            longest = max(longest, limits.soak)
        if liveness and _handler(liveness) not in (_handler(readiness), _handler(container.get("startupProbe"))):
            longest = max(longest, min(budget(liveness) + 1, limits.soak_cap))
    return longest


def _handler(probe: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (
        {key: (probe or {}).get(key) for key in ("httpGet", "tcpSocket", "exec", "grpc")} if probe else {"none": True}
    )
