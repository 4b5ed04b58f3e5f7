"""From workloads to an outcome: the watch, the rules and the evidence put together."""

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from deployer import evidence, watch
from deployer.cluster import Cluster
from deployer.health.diagnosis import Diagnosis
from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.objects import containers, live, name
from deployer.health.verdict import Cause, Judgement, Object, Snapshot, Verdict, Workload
from deployer.metricguard import Watched
from deployer.metrics.judge import State, sampled
from deployer.result import Event, Notice, Progress, Severity
from deployer.stop import Stop


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended: the worst verdict of its workloads, in one line, and the evidence."""

    verdict: Verdict
    headline: str
    judgements: tuple[Judgement, ...]
    diagnosis: Diagnosis | None = None
    rolled: bool = True  # whether any pod was made since
    snapshot: Snapshot = field(default_factory=Snapshot, repr=False)  # what the verdict rests on


def follow(
    cluster: Cluster,
    namespace: str,
    workloads: Sequence[Workload],
    *,
    since: float,
    timeout: float,
    limits: Limits,
    tell: Callable[[Event], None],
    stop: Stop | None = None,
    hold: float = 0.0,
) -> Outcome:
    """Watch workloads that exist until they are judged; `since` is the server's time before they were changed.

    `hold`: seconds for which healthy ones are watched all the same; `timeout` counts from their end.
    Raises Interrupted where the run is to end.
    """
    if not workloads:
        return Outcome(Verdict.HEALTHY, "the release has nothing that rolls out", ())
    until = time.monotonic() + hold
    deadline = until + timeout
    selection = watch.discover(cluster, namespace, workloads, deadline=deadline)
    ended = watch.follow(
        cluster,
        selection,
        [lasting(judging(workload, since, limits), until) for workload in workloads],
        deadline=deadline,
        tell=lambda said: tell(Progress(said) if isinstance(said, Judgement) else notice(said)),
        cancelled=stop.came if stop else lambda: False,
    )
    if stop:
        stop.check()
    worst = next((one for one in ended.judgements if one.verdict is ended.verdict), None)
    diagnosis = None
    if worst and ended.verdict in (Verdict.FAILED, Verdict.PROGRESSING):
        diagnosis = evidence.collect(cluster, namespace, worst, ended.snapshot, since=since)
    # A creationTimestamp has whole seconds.
    rolled = any(_created(pod) >= int(since) for pod in ended.snapshot.of("Pod"))
    return Outcome(ended.verdict, _headline(ended, worst, timeout), ended.judgements, diagnosis, rolled, ended.snapshot)


@contextmanager
def following(follow: Callable[[Stop], Outcome]) -> Iterator[Future[Outcome]]:
    """Follow a rollout in a thread of its own while the block runs: how it ended, once it has. The block ends it."""
    over, ended = Stop(), Future[Outcome]()

    def look() -> None:
        try:
            ended.set_result(follow(over))
        except BaseException as error:  # it is for who asks for the result
            ended.set_exception(error)

    thread = threading.Thread(target=look, name="rollout beside its metrics", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        over.set(0)
        thread.join(timeout=1)


def breached(
    cluster: Cluster,
    namespace: str,
    metrics: Watched,
    workloads: Collection[Workload],
    pods: str,
    seen: Outcome,
    *,
    since: float,
) -> Outcome:
    """A rollout whose pods are well and whose metrics are not, with the same evidence as any failure.

    `workloads`: those whose metrics they are; `pods`: a regular expression of the new pods' names; `seen`: how the
    rollout was when the metrics were over.
    """
    reading = next(one for one in metrics.readings if one.state is State.BREACHED)
    judged = (one for one in seen.judgements if one.workload in workloads)
    first = next((one for one in judged if one.workload.kind != "Job"), None)
    if first is None:
        return Outcome(Verdict.FAILED, metrics.headline, seen.judgements, rolled=seen.rolled)
    mine = [pod for pod in live(seen.snapshot.of("Pod")) if re.fullmatch(pods, name(pod))]
    cause = Cause(
        rule="metric",
        reason="MetricBreach",
        message=metrics.headline,
        object=str(first.workload),
        container=next((spec["name"] for pod in mine for spec, _, init in containers(pod) if not init), None),
        hint="the pods are ready, and what they do is not as it was: their logs and traces say why",
        pods=tuple(map(name, mine)),
        logs=True,
    )
    failed = replace(first, verdict=Verdict.FAILED, causes=(cause,))
    found = evidence.collect(cluster, namespace, failed, seen.snapshot, since=since)
    facts = (f"query {reading.query}", f"samples {sampled(reading.samples)}", *found.facts)
    judgements = tuple(failed if one is first else one for one in seen.judgements)
    headline = f"{first.workload}: {metrics.headline}"
    return Outcome(Verdict.FAILED, headline, judgements, replace(found, facts=facts), seen.rolled)


def judging(workload: Workload, since: float, limits: Limits) -> watch.Judge:
    """The rules over one workload, with the memory they need from one look to the next."""
    memory = Memory()

    def look(snapshot: Snapshot, now: float) -> Judgement:
        nonlocal memory
        found, memory = judge(workload, snapshot, memory, since=since, now=now, limits=limits)
        return found

    return look


def lasting(judge: watch.Judge, until: float) -> watch.Judge:
    """The same judge, but nothing is healthy for good before that moment (in time.monotonic()'s terms)."""

    def look(snapshot: Snapshot, now: float) -> Judgement:
        found = judge(snapshot, now)
        left = until - time.monotonic()
        if found.verdict is not Verdict.HEALTHY or left <= 0:
            return found
        return replace(found, verdict=Verdict.PROGRESSING, summary=f"{found.summary}; still watched", recheck=left)

    return look


def notice(said: watch.Notice) -> Notice:
    """What the watch says about itself, for people."""
    match said:
        case watch.Disconnected(reason=reason):
            return Notice(f"the API server cannot be asked ({reason}); reconnecting", Severity.WARNING)
        case watch.Reconnected(after=seconds):
            return Notice(f"the API server answers again after {seconds:.0f} s")
        case watch.Degraded(kind, verb, _):
            lost = "it is listed every other second instead" if verb == "watch" else "the verdict goes without it"
            return Notice(f"no permission to {verb} {kind}: {lost}", Severity.WARNING)


def _created(pod: Object) -> float:
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()


def _headline(ended: watch.Outcome, worst: Judgement | None, timeout: float) -> str:
    if ended.verdict is Verdict.INDETERMINATE:
        return f"no verdict: {ended.unreachable or (f'{worst.workload} {worst.summary}' if worst else 'nothing seen')}"
    if worst is None:
        return "no verdict"
    cause = f": {worst.causes[0].message}" if worst.causes else ""
    if ended.verdict is Verdict.PROGRESSING:
        return f"{worst.workload} is not done after {timeout:.0f} s: {worst.summary}{cause}"
    return f"{worst.workload}{cause or ': ' + worst.summary}"
