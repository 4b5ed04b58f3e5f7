"""Rules over the ReplicaSets: pods that are refused, and pods that may not be deleted. Rows 10 to 14."""

import re
from collections.abc import Sequence

from deployer.health.limits import Limits
from deployer.health.objects import condition, happened, of_object, status
from deployer.health.symptom import NEVER, Symptom, of_owner
from deployer.health.verdict import Object

_QUOTA = re.compile(r"exceeded quota", re.I)
_TRANSIENT = re.compile(
    r"no PriorityClass|serviceaccount .* not found|failed calling webhook|connection refused|timed? ?out|deadline", re.I
)
_PREFIX = re.compile(r"^(\(combined from similar events\): )?(Error creating: )?")
_REFUSED = re.compile(r"admission webhook|violates PodSecurity|is forbidden|is invalid|denied the request", re.I)


def pods_refused(
    owner: Object, events: Sequence[Object], limits: Limits, *, moving: str, leaving: bool, since: float, made: float
) -> Symptom | None:
    """[10-12, 14] Condition ReplicaFailure=True, reason FailedCreate, of the new ReplicaSet itself.

    The condition's text is not rewritten while it stays, so the newest FailedCreate event speaks. [13] A failure of an
    old ReplicaSet, which the Deployment copies, is none of ours. `moving` changes as the rollout moves: quota as a
    throttle (krane#173, helm#3875) is no failure, nor while old pods are `leaving`.

    Where there is no condition, only events speak, and they outlive what they tell of: none does that is older than the
    newest pod, which was `made` then. One from before the rollout, at `since`, may be about the version before: the
    controller has as long to make a pod, or to be refused anew, as what may pass.
    """
    found = condition(owner, "ReplicaFailure")
    if _of_delete(owner):
        return None
    refusals = [event for event in of_object(events, owner) if event.get("reason") == "FailedCreate"]
    newest = max(refusals, key=happened, default=None)
    old = False
    if found.get("status") != "True":
        if owner["kind"] == "ReplicaSet" or newest is None or happened(newest) <= made or not _short(owner):
            return None
        old = happened(newest) < int(since)
    text = str((newest or found).get("message") or "")
    text = _PREFIX.sub("", text)
    if _QUOTA.search(text):
        return of_owner(
            owner,
            "quota_exceeded",
            "FailedCreate",
            text,
            NEVER if leaving else limits.quota,
            hint="raise the quota, or lower replicas or maxSurge",
            timer=moving,
        )
    if _TRANSIENT.search(text):
        return of_owner(
            owner,
            "pods_refused_for_now",
            "FailedCreate",
            text,
            limits.admission_transient,
            hint="create what is missing",
            timer="old" if old else "",
        )
    grace = limits.admission if _REFUSED.search(text) and not old else limits.admission_transient
    return of_owner(
        owner,
        "pods_refused",
        "FailedCreate",
        text,
        grace,
        hint="mend the pod template as the message says",
        timer="old" if old else "",
    )


def deletion_refused(owner: Object, events: Sequence[Object]) -> Symptom | None:
    """[13] Condition ReplicaFailure=True, reason FailedDelete, of any ReplicaSet: a pod too many has to stay.

    Only told: no new pod lacks for it, and a webhook may keep a pod until its connections are closed.
    """
    if not _of_delete(owner):
        return None
    told = [event for event in of_object(events, owner) if event.get("reason") == "FailedDelete"]
    text = str((max(told, key=happened, default=None) or condition(owner, "ReplicaFailure")).get("message") or "")
    text = text.removeprefix("Error deleting: ")
    return of_owner(
        owner,
        "deletion_refused",
        "FailedDelete",
        f"a pod may not be deleted: {text}",
        NEVER,
        hint="see who refuses to delete the pod, as the message says",
    )


def _of_delete(owner: Object) -> bool:
    """The condition keeps its reason while it stays: it is no longer about a delete where pods are missing."""
    found = condition(owner, "ReplicaFailure")
    return found.get("status") == "True" and found.get("reason") == "FailedDelete" and not _short(owner)


def _short(owner: Object) -> bool:
    """A StatefulSet, DaemonSet or Job has no ReplicaFailure: its events speak while pods are missing."""
    state = status(owner)
    if owner["kind"] == "DaemonSet":
        return bool(state.get("currentNumberScheduled", 0) < state.get("desiredNumberScheduled", 0))
    if owner["kind"] == "Job":
        return not state.get("active") and not state.get("succeeded")
    return bool(state.get("replicas", 0) < owner["spec"].get("replicas", 1))
