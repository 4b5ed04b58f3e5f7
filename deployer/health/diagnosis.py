"""The report of a failure: which questions to ask the cluster, and what the answers say together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deployer.health import claims, images, pods
from deployer.health.objects import containers, happened, name, owner, times, uid
from deployer.health.verdict import Cause, Counts, Judgement, Object, Snapshot

EVENTS = 10
LINES = 25
OTHERS = {"rollback_trap": "old pods", "stuck_terminating": "pods"}
"""The rules whose pods are not the new ones, and what these are called."""
NOISE = ("failed to sync configmap cache", "failed to sync secret cache")


@dataclass(frozen=True)
class LogQuestion:
    """The end of one container's log; `previous`: of the run before the present one."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True)
class Questions:
    """What a diagnosis needs to know."""

    logs: tuple[LogQuestion, ...]
    uids: tuple[str, ...]  # objects whose events tell more


@dataclass(frozen=True)
class Happening:
    """One warning event, as many times as it was seen."""

    at: float  # seconds since the epoch, of the last time
    object: str
    reason: str
    message: str
    count: int


@dataclass(frozen=True)
class LogTail:
    """The end of a log."""

    pod: str
    container: str
    previous: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """Why a rollout failed, as far as the cluster knows."""

    workload: str
    verdict: str
    headline: str
    counts: Counts
    causes: tuple[Cause, ...]
    events: tuple[Happening, ...] = ()
    logs: tuple[LogTail, ...] = ()
    facts: tuple[str, ...] = ()  # image, limits and probes that matter
    hint: str | None = None
    missing: tuple[str, ...] = ()  # what could not be asked, and why


def questions(judgement: Judgement, snapshot: Snapshot) -> Questions:
    """The log of the first cause that has one; events of the workload, of who makes its pods, and of that pod."""
    logs = tuple(
        LogQuestion(cause.pods[0], cause.container, cause.previous)
        for cause in judgement.causes
        if cause.logs and cause.container and cause.pods
    )[:1]
    items = [one for one in snapshot.of(judgement.workload.kind) if name(one) == judgement.workload.name]
    pods_of_cause = {cause.pods[0] for cause in judgement.causes[:1] if cause.pods}
    chosen = [pod for pod in snapshot.of("Pod") if name(pod) in pods_of_cause]
    makers = {owner(pod) for pod in chosen}
    makers |= {cause.object.partition("/")[2] for cause in judgement.causes[:1]}
    volumes = [claim for pod in chosen for claim in claims.of(pod, snapshot.of("PersistentVolumeClaim"))]
    sets = [one for one in snapshot.of("ReplicaSet") if uid(one) in makers or name(one) in makers]
    return Questions(logs, tuple(dict.fromkeys(uid(one) for one in (*items, *sets, *chosen, *volumes))))


def diagnose(
    judgement: Judgement,
    snapshot: Snapshot,
    *,
    since: float,
    events: Sequence[Object] = (),
    logs: Mapping[LogQuestion, str] | None = None,
    missing: Sequence[str] = (),
) -> Diagnosis:
    """Put the answers together. `since`: events from five seconds before it on are of this rollout."""
    first = judgement.causes[0] if judgement.causes else None
    return Diagnosis(
        workload=str(judgement.workload),
        verdict=str(judgement.verdict),
        headline=_headline(judgement, first),
        counts=judgement.counts,
        causes=judgement.causes,
        events=_events(events, since),
        logs=tuple(
            LogTail(asked.pod, asked.container, asked.previous, tuple(text.splitlines()[-LINES:]))
            for asked, text in (logs or {}).items()
        ),
        facts=_facts(first, snapshot),
        hint=_hint(first, (logs or {}).values()),
        missing=tuple(missing),
    )


def _hint(first: Cause | None, logs: Iterable[str]) -> str | None:
    """What to change. A program for another machine has started when the kernel refuses it: the log alone says so."""
    if first and first.rule == "crash" and any("exec format error" in text for text in logs):
        return "build the image for the nodes' platform"
    return first.hint if first else None


def _headline(judgement: Judgement, first: Cause | None) -> str:
    if first is None:
        return f"{judgement.workload}: {judgement.summary}"
    count = len(first.pods)
    if first.rule in OTHERS:
        many = f" ({count} {OTHERS[first.rule]})" if count > 1 else ""
    else:
        many = f" ({count} of {max(judgement.counts.updated, count)} new pods)" if count else ""
    return f"{first.object}: {first.message}{many}"


def _events(events: Sequence[Object], since: float) -> tuple[Happening, ...]:
    """Warnings of this rollout, the same one once, the newest last; what every start shows is left out."""
    found: dict[tuple[str, str, str], Happening] = {}
    for event in sorted(events, key=happened):
        message = images.clean(str(event.get("message") or ""))
        if event.get("type") != "Warning" or happened(event) < since - 5 or any(noise in message for noise in NOISE):
            continue
        about = event.get("involvedObject") or {}
        place = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
        key = (place, str(event.get("reason")), message)
        count = times(event)
        before = found.pop(key, None)
        found[key] = Happening(happened(event), *key, count + (before.count if before else 0))
    return tuple(found.values())[-EVENTS:]


def _facts(first: Cause | None, snapshot: Snapshot) -> tuple[str, ...]:
    if first is None or not first.pods:
        return ()
    pod = next((one for one in snapshot.of("Pod") if name(one) == first.pods[0]), None)
    spec = next((one for one, _, _ in containers(pod) if one["name"] == first.container), None) if pod else None
    if pod is None or spec is None:
        return ()
    facts = [f"image {spec['image']}"]
    limits = (spec.get("resources") or {}).get("limits") or {}
    if limits:
        facts.append("limits " + ", ".join(f"{key} {value}" for key, value in sorted(limits.items())))
    for kind in ("startup", "readiness", "liveness"):
        probe = spec.get(f"{kind}Probe")
        if probe:
            facts.append(f"{kind} probe {pods.where(probe)}, gives up after {pods.budget(probe):.0f} s")
    node = pod["spec"].get("nodeName")
    return (*facts, f"node {node}") if node else tuple(facts)
