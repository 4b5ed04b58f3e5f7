"""The words of health: what was seen, what it means and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Object = Mapping[str, Any]
"""One Kubernetes object, as the API's JSON says it."""


class Verdict(StrEnum):
    """Where a rollout stands. Doubt is its own word, never a failure."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    FAILED = "failed"
    PAUSED = "paused"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True)
class Workload:
    """What rolls out: one object that owns pods."""

    kind: str  # Deployment, StatefulSet, DaemonSet, Job or Pod, as Kubernetes spells it
    name: str
    beside: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """(kind, name) of what the release has for it: Services that lead to its pods, autoscalers, disruption budgets."""
    expires: bool = field(default=False, compare=False)
    """A Job that Kubernetes removes once it has ended (ttlSecondsAfterFinished): one that is not there is over."""

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Cause:
    """Why a rollout fails or stalls: one fault, over every pod that shows it."""

    rule: str  # the name of the rule function that saw it, e.g. "image_not_found"
    reason: str  # Kubernetes' own word, e.g. "ErrImagePull"
    message: str  # one line in words a person can act on; exit codes, limits and numbers included
    object: str  # the representative object: "pod/web-7c9-abcde", "replicaset/…", "deployment/web"
    container: str | None = None  # named where the fault is a container's
    init: bool = False  # the container is an init container
    hint: str | None = None  # what to change
    pods: tuple[str, ...] = ()  # names of all new pods that show it, the representative first
    previous: bool = False  # the log of the container's previous run says more than that of the present one
    logs: bool = False  # the container has run, so there is a log to show
    deterministic: bool = False  # true of the pod template, so every pod of it will fail alike (the table's ◆)


@dataclass(frozen=True)
class Counts:
    """Pods against the target. For a Job: succeeded counts as ready."""

    desired: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    old: int = 0  # pods of other revisions that still exist


@dataclass(frozen=True)
class Judgement:
    """The verdict over one workload at one moment."""

    workload: Workload
    verdict: Verdict
    summary: str  # "2 of 3 updated pods available"
    counts: Counts = Counts()
    causes: tuple[Cause, ...] = ()  # most telling first; while progressing: suspects under a grace
    warnings: tuple[str, ...] = ()
    recheck: float | None = None  # seconds until time alone may change the verdict (a grace, a soak)


@dataclass(frozen=True)
class Snapshot:
    """What is known of a namespace at one moment, keyed by uid within a kind.

    Kinds: Deployment, ReplicaSet, StatefulSet, ControllerRevision, DaemonSet, Job, Pod, Event, Node and the like.
    A kind that could not be read stands in `unreadable`; a kind that was never asked for is absent.
    """

    objects: Mapping[str, Mapping[str, Object]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()

    def of(self, kind: str) -> tuple[Object, ...]:
        """All objects of a kind."""
        return tuple(self.objects.get(kind, {}).values())
