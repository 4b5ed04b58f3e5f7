"""From workloads to an outcome: the watch, the rules and the evidence put together."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer import evidence, watch as watching
from deployer.health.diagnosis import Diagnosis
from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.result import Event, Notice, Progress

if TYPE_CHECKING:
    from deployer.cluster import Cluster


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended: the worst verdict of its workloads, in one line, and the evidence."""

    verdict: Verdict
    headline: str
    judgements: tuple[Judgement, ...]
    diagnosis: Diagnosis | None = None
