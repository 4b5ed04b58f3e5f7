"""What a rule sees: a cause, and how long it must last to count."""

from dataclasses import dataclass
from enum import StrEnum

from deployer.health.objects import name
from deployer.health.verdict import Cause, Object

NEVER = float("inf")
"""The grace of what explains a wait, but never fails a rollout by itself."""


class Stage(StrEnum):
    """How far a pod has to have come to disprove that a fault lies in the template."""

    PLACED = "placed"
    CREATED = "created"  # volumes mounted, network there
    PULLED = "pulled"
    STARTED = "started"


@dataclass(frozen=True)
class Symptom:
    """One fault of one object."""

    cause: Cause
    grace: float
    key: str  # whose timer: object, container and rule; and what a change of starts it anew
    stage: Stage | None = None  # of a deterministic cause: a pod that came past it shows that the node is to blame
    at: float | None = None  # when it counts, where that hangs on the object's own times and not on our first look

    @property
    def passive(self) -> bool:
        """It explains a wait, but never fails a rollout by itself."""
        return self.grace == NEVER and self.at is None


def of_pod(
    pod: Object,
    rule: str,
    reason: str,
    message: str,
    grace: float,
    *,
    container: str | None = None,
    init: bool = False,
    hint: str | None = None,
    stage: Stage | None = None,
    logs: bool = False,
    previous: bool = False,
    at: float | None = None,
    timer: str = "",
) -> Symptom:
    """A symptom of a pod. With a `stage` it is deterministic: true of the template, so every pod will show it."""
    cause = Cause(
        rule=rule,
        reason=reason,
        message=message,
        object=f"pod/{name(pod)}",
        container=container,
        init=init,
        hint=hint,
        pods=(name(pod),),
        logs=logs,
        previous=previous,
        deterministic=stage is not None,
    )
    return Symptom(cause, grace, f"{pod['metadata']['uid']}/{container}/{rule}/{timer}", stage, at)


def of_owner(
    item: Object, rule: str, reason: str, message: str, grace: float, *, hint: str, timer: str = ""
) -> Symptom:
    """A symptom of a controller: no pod is to blame."""
    cause = Cause(rule, reason, message, f"{item['kind'].lower()}/{name(item)}", hint=hint, deterministic=True)
    return Symptom(cause, grace, f"{item['metadata']['uid']}/{rule}/{timer}")
