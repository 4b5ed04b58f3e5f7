"""What a run tells while it works, and how it ended."""

from dataclasses import dataclass
from enum import StrEnum

from deployer.errors import ExitCode
from deployer.health.diagnosis import Diagnosis
from deployer.health.verdict import Judgement
from deployer.metrics.judge import Reading
from deployer.model import Image
from deployer.plan.steps import Plan


class Severity(StrEnum):
    """How loud a notice is."""

    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True)
class Started:
    """A stage begins."""

    stage: str


@dataclass(frozen=True)
class Line:
    """A line of a program's output."""

    stage: str
    text: str


@dataclass(frozen=True)
class Progress:
    """A workload's judgement changed."""

    judgement: Judgement


@dataclass(frozen=True)
class Measured:
    """A metric was looked at."""

    reading: Reading
    patience: int  # breaches in a row that fail the rollout
    left: float  # seconds that the watch goes on


@dataclass(frozen=True)
class Notice:
    """Something a person should know that is no stage of its own."""

    text: str
    severity: Severity = Severity.NOTE


@dataclass(frozen=True)
class Finished:
    """A stage ended; `note` says with what."""

    stage: str
    seconds: float
    ok: bool = True
    note: str = ""


@dataclass(frozen=True)
class Diagnosed:
    """The evidence, collected before anything is put back."""

    diagnosis: Diagnosis


Event = Started | Line | Progress | Measured | Notice | Finished | Diagnosed


@dataclass(frozen=True)
class Stage:
    """A stage that ran, and how long it took."""

    name: str
    seconds: float
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class Result:
    """How a plan ended: the one thing that text and JSON are made of."""

    plan: Plan
    exit_code: ExitCode
    message: str
    seconds: float
    stages: tuple[Stage, ...] = ()
    image: Image | None = None
    revision: int | None = None
    url: str = ""  # where it answers from outside; empty where nothing leads to it
    commit: str | None = None  # of the configuration repository, where Argo CD delivers
    proposed: str | None = None  # the branch of a merge request, which people have to merge
    judgements: tuple[Judgement, ...] = ()
    metrics: tuple[Reading, ...] = ()  # what the metric guards saw
    diagnosis: Diagnosis | None = None
    restored: int | None = None  # the good revision that was put back
    changed: bool = False  # whether anything in the registry or the cluster was touched
    hint: str | None = None
    detail: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
