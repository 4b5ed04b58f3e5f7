"""Rules over one container of a new pod: rows 15 to 27 and 34."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.health import images
from deployer.health.limits import Limits
from deployer.health.objects import created, seconds, status
from deployer.health.symptom import NEVER, Stage, Symptom, of_pod
from deployer.health.verdict import Object

_NOT_STARTED = re.compile(
    r"executable file not found|no such file or directory|permission denied|exec format error|not a directory", re.I
)
_CACHE = re.compile(r"failed to sync .* cache", re.I)
START_REASONS = ("CreateContainerError", "RunContainerError", "PostStartHookError", "StartError", "ContainerCannotRun")


@dataclass(frozen=True)
class Seen:
    """One container, and what must be remembered of it."""

    pod: Object
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    init: bool
    events: Sequence[Object]  # of the pod
    events_readable: bool
    pull_text: str | None  # why the last pull failed, if it ever said so
    restarts_before: int  # restarts that were there before the rollout
    limits: Limits
    since: float = 0.0  # the moment before the rollout began, in seconds since the epoch

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def words(self) -> str:
        """ "container web", or "init container migrate"."""
        return f"{'init ' if self.init else ''}container {self.name}"

    @property
    def waiting(self) -> Mapping[str, Any]:
        """state.waiting."""
        return (self.status.get("state") or {}).get("waiting") or {}

    @property
    def ended(self) -> Mapping[str, Any]:
        """How the present or else the last run ended."""
        now = (self.status.get("state") or {}).get("terminated")
        return now or (self.status.get("lastState") or {}).get("terminated") or {}

    @property
    def exits(self) -> int:
        """Failed ends since the rollout began: every restart had one, and an ended run that waits is one more.

        CrashLoopBackOff as a word comes late and flips back, so it is never waited for.
        """
        state = self.status.get("state") or {}
        over = bool((state.get("terminated") or {}).get("exitCode")) or self.waiting.get("reason") == "CrashLoopBackOff"
        return int(self.status.get("restartCount") or 0) - self.restarts_before + int(over)


def symptoms(seen: Seen) -> Symptom | None:
    """The first rule that applies; the order is from the earliest stage of a container to the latest."""
    for rule in (
        *(image_name, image_absent_never, image_pull, config_missing),
        *(not_startable, crashing, restarted, not_made, waits),
    ):
        found = rule(seen)
        if found:
            return found
    return None


def image_name(seen: Seen) -> Symptom | None:
    """[15] state.waiting.reason InvalidImageName: no retry can help (kubelet images/types.go)."""
    if seen.waiting.get("reason") != "InvalidImageName":
        return None
    return _fault(
        seen,
        "image_name",
        f"`{seen.spec['image']}` is no image name",
        0,
        "write the image as registry/repository:tag, in small letters",
        Stage.PULLED,
    )


def image_absent_never(seen: Seen) -> Symptom | None:
    """[15] state.waiting.reason ErrImageNeverPull: imagePullPolicy Never, and the node does not have the image."""
    if seen.waiting.get("reason") != "ErrImageNeverPull":
        return None
    return _fault(
        seen,
        "image_absent_never",
        f"image {seen.spec['image']} is not on the node, and imagePullPolicy is Never",
        0,
        "let the kubelet pull: imagePullPolicy IfNotPresent",
        Stage.PULLED,
    )


def image_pull(seen: Seen) -> Symptom | None:
    """[16-19] ErrImagePull, ImagePullBackOff: by what the registry said (krane pod.rb, skaffold#8032, krane#477).

    Before Kubernetes 1.32 only ErrImagePull carries the text (k8s#127918), so it is remembered.
    """
    if seen.waiting.get("reason") not in images.PULLING:
        return None
    image, text = seen.spec["image"], images.clean(seen.pull_text or "")
    kind = images.why(text, image)
    limits = seen.limits
    if kind == "absent":
        foreign = images.foreign(text)
        return _fault(
            seen,
            "image_not_found",
            f"image {image} is there, but not for the node's platform" if foreign else f"image {image} not found",
            limits.image_pull,
            "build the image for the nodes' platform" if foreign else "push the image, or name a tag the registry has",
            Stage.PULLED,
        )
    if kind == "denied":
        unseen = images.secret_unseen(seen.events) or not seen.events_readable
        newest = images.why(images.clean(images.told(seen.events, image) or ""), image)
        behind = newest not in (None, "denied")  # the next pull said something else: the pod's status is still to come
        unsure = unseen or behind or not seen.events  # the events that would tell are still to come
        return _fault(
            seen,
            "image_pull_denied",
            f"image {image}: the registry refuses the pull: {_last(text)}",
            limits.pull_secret if unsure else limits.image_pull,
            "check the image pull secret of the pods and its login",
            Stage.PULLED,
        )
    why = f"the registry does not answer: {_last(text)}" if kind else _last(text) or "the pull fails"
    return _fault(
        seen,
        "image_pull_transient" if kind else "image_pull_unknown",
        f"image {image}: {why}",
        images.grace(kind, limits),
        "check that the nodes reach the registry",
        None,
    )


def config_missing(seen: Seen) -> Symptom | None:
    """[20, 21] CreateContainerConfigError: a Secret, ConfigMap or key is not there (krane; cache: krane PR#885)."""
    if seen.waiting.get("reason") != "CreateContainerConfigError":
        return None
    text = str(seen.waiting.get("message") or "")
    late = bool(_CACHE.search(text))
    root = "runAsNonRoot" in text
    return _fault(
        seen,
        "config_cache" if late else "config_missing",
        text,
        seen.limits.config_cache if late else seen.limits.config,
        "give the image a user by its number, or set runAsUser"
        if root
        else "create what is missing, or mend the reference in the values",
        None if late else Stage.STARTED,
    )


def not_startable(seen: Seen) -> Symptom | None:
    """[22] RunContainerError, StartError and their kin, and a text that no retry changes (skaffold, krane PR#694)."""
    if "running" in (seen.status.get("state") or {}):
        return None  # it started after all
    reason = next((r for r in (seen.waiting.get("reason"), seen.ended.get("reason")) if r in START_REASONS), None)
    texts = (str(part.get("message") or "") for part in (seen.waiting, seen.ended))
    text = next((text for text in texts if _NOT_STARTED.search(text)), None)
    if reason is None or text is None:
        return None
    wrong = re.search(r'exec: "([^"]+)": (.*)', text)
    said = f"cannot start `{wrong[1]}`: {wrong[2]}" if wrong else _last(text)
    foreign = "exec format error" in text
    return _fault(
        seen,
        "not_startable",
        said[:200],
        seen.limits.start,
        "build the image for the nodes' platform" if foreign else "mend command and args, or the image's entrypoint",
        Stage.STARTED,
        reason=reason,
    )


def crashing(seen: Seen) -> Symptom | None:
    """[24-26, 34] Not ready, and failed as often as `crash_exits` allows: restartCount and state.terminated.

    One failed exit may be a dependency that was not there yet (skaffold#5210, #8032). Where all were before the
    rollout, what it lacked may just have been mended: it has `readiness` seconds, or until it fails again.
    """
    if seen.exits < seen.limits.crash_exits or seen.status.get("ready") or _ended_well(seen):
        return None
    rule, message, hint = _why_crashed(seen)
    ended = seconds(seen.ended.get("finishedAt"))
    earlier = ended is not None and ended < int(seen.since)
    grace = seen.limits.readiness if earlier else 0
    return _fault(seen, rule, f"{message}, {_times(seen)}", grace, hint, None, logs=True)


def restarted(seen: Seen) -> Symptom | None:
    """[24] It failed, but less often: a suspect; one exit short of too many, it has `crash_grace` to become ready.

    The kubelet waits 10 to 20 s before the start that would be the third failure: nothing new can come until then.
    """
    if seen.exits < 1 or seen.status.get("ready") or _ended_well(seen):
        return None
    rule, message, hint = _why_crashed(seen)
    ended = seconds(seen.ended.get("finishedAt"))
    last = ended is not None and seen.exits == seen.limits.crash_exits - 1 > 1
    at = ended + seen.limits.crash_grace if last and ended is not None else None
    return _fault(seen, rule, f"{message}, {_times(seen)}", NEVER, hint, None, logs=True, at=at)


def not_made(seen: Seen) -> Symptom | None:
    """[23] CreateContainerError and its kin with a text that may pass (containerd#9160): no restart ever counts it."""
    if seen.waiting.get("reason") not in START_REASONS or seen.exits:
        return None
    text = _last(str(seen.waiting.get("message") or "")) or "the container cannot be made"
    return _fault(seen, "crash", text, seen.limits.sandbox, "look at the node's container runtime", None)


def waits(seen: Seen) -> Symptom | None:
    """A reason to wait that no rule knows, such as SignatureValidationFailed or ImageInspectError: only told."""
    reason = seen.waiting.get("reason")
    if reason in (None, "ContainerCreating", "PodInitializing", "CrashLoopBackOff"):
        return None
    text = images.clean(str(seen.waiting.get("message") or ""))
    return _fault(seen, "container_waits", f"{reason}: {_last(text)}", NEVER, "kubectl describe the pod", None)


def _why_crashed(seen: Seen) -> tuple[str, str, str]:
    ended = seen.ended
    code, reason = ended.get("exitCode"), ended.get("reason")
    probe = next((e for e in seen.events if e.get("reason") == "Unhealthy" and _kill(e)), None)
    if reason == "OOMKilled":
        limit = ((seen.spec.get("resources") or {}).get("limits") or {}).get("memory")
        over = f"over its memory limit of {limit}" if limit else "out of memory"
        return "out_of_memory", f"OOMKilled: {over} (exit {code})", "raise the memory limit, or find what takes it"
    if probe and code in (None, 0, 2, 137, 143):
        text = str(probe.get("message", ""))
        kind = "startup" if text.startswith("Startup") else "liveness"
        return (
            f"{kind}_probe",
            f"killed by its {kind} probe: {_probe_text(text)}",
            f"mend the {kind} probe or what it asks",
        )
    return (
        "crash",
        f"exit {code}" + (f" ({reason})" if reason not in (None, "Error") else ""),
        "its log says why",
    )


def _kill(event: Object) -> bool:
    return str(event.get("message", "")).startswith(("Liveness probe failed", "Startup probe failed"))


def _probe_text(text: str) -> str:
    return text.partition("failed: ")[2].strip() or text


def _ended_well(seen: Seen) -> bool:
    """An init container that is done, or any that ended with 0 and need not run on.

    A native sidecar is ended when the work is done, and its exit code says nothing of it (KEP-753).
    """
    ended = (seen.status.get("state") or {}).get("terminated") or {}
    return bool(ended) and (ended.get("exitCode") == 0 or _work_is_over(seen))


def _work_is_over(seen: Seen) -> bool:
    """Of a native sidecar: the pod is one that ends, as a Job's, and no other container runs any more."""
    states = [one.get("state") or {} for one in status(seen.pod).get("containerStatuses") or ()]
    ends = seen.pod["spec"].get("restartPolicy", "Always") != "Always"
    return ends and seen.spec.get("restartPolicy") == "Always" and all("terminated" in one for one in states)


def _times(seen: Seen) -> str:
    count = int(seen.status.get("restartCount") or 0) - seen.restarts_before
    return f"{count} restart{'' if count == 1 else 's'}"


def _last(text: str) -> str:
    """The end of a chain of wrapped errors says what happened; the words before it say where."""
    parts = [part.strip() for part in re.split(r": (?=[A-Za-z])", text) if part.strip()]
    return ": ".join(parts[-2:])[:200] if parts else ""


def _fault(
    seen: Seen,
    rule: str,
    message: str,
    grace: float,
    hint: str,
    stage: Stage | None,
    *,
    reason: str | None = None,
    logs: bool = False,
    at: float | None = None,
) -> Symptom:
    running = "running" in (seen.status.get("state") or {})
    return of_pod(
        seen.pod,
        rule,
        reason or str(seen.waiting.get("reason") or seen.ended.get("reason") or "Error"),
        f"{seen.words}: {message}",
        grace,
        container=seen.name,
        init=seen.init,
        hint=hint,
        stage=stage,
        logs=logs,
        # While it waits or has just begun anew, the run that failed is the one before.
        previous=logs and (running or bool(seen.waiting)) and bool(seen.status.get("restartCount")),
        at=at,
    )


def before(pod: Object, status: Mapping[str, Any], since: float) -> int:
    """Restarts that a rollout is not to blame for: those of a pod that was there before, unless it loops.

    A pod of last month that is just starting again has not failed nine times since.
    """
    back_off = ((status.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    if created(pod) >= int(since) or back_off:
        return 0
    return int(status.get("restartCount") or 0)
