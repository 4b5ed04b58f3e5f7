"""Watch what helm waits for while it waits, and stop it when there is no hope: hooks, and workloads before those."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from deployer import cluster as api
from deployer import evidence, rollout, watch
from deployer.health.diagnosis import Diagnosis
from deployer.health.limits import Limits
from deployer.health.objects import created, name
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.model import Rendered
from deployer.result import Event, Progress

LAST_WORD = 3.0
"""Seconds that a verdict may come later than helm's own failure."""


@dataclass
class Doom:
    """What the watch beside helm has found, if anything."""

    judgement: Judgement | None = None
    diagnosis: Diagnosis | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def found(self) -> bool:
        """Whether helm waits for something that can never come. Asked while helm runs."""
        return self.judgement is not None

    def last_word(self) -> bool:
        """The same, once helm has failed by itself: the watch may be a moment behind."""
        self._ended.wait(LAST_WORD)
        return self.found()


@contextmanager
def watching(
    cluster: api.Cluster,
    namespace: str,
    rendered: Rendered,
    *,
    since: float,
    timeout: float,
    limits: Limits,
    tell: Callable[[Event], None],
) -> Iterator[Doom]:
    """Watch the hooks, and with post hooks the workloads too, for as long as helm runs."""
    doom = Doom()
    plain = rendered.workloads if rendered.waits else ()
    waited = (*rendered.hooks, *(replace(one, expires=False) for one in plain))  # it is not there: it is still to come
    if not waited:
        yield doom
        return
    over = threading.Event()

    def look() -> None:
        try:
            ended = watch.follow(
                cluster,
                watch.select(namespace, waited, rendered.labels),
                [_judging(one, one in rendered.hooks, since, limits) for one in waited],
                deadline=time.monotonic() + timeout,
                tell=lambda said: tell(Progress(said)) if isinstance(said, Judgement) else tell(rollout.notice(said)),
                cancelled=over.is_set,
            )
            worst = next((one for one in ended.judgements if one.verdict is Verdict.FAILED), None)
            if ended.ended is watch.Ended.SETTLED and worst:
                doom.diagnosis = evidence.collect(cluster, namespace, worst, ended.snapshot, since=since)
                doom.judgement = worst
        except api.ClusterError:  # helm meets the same trouble, and it is helm's to tell
            pass
        finally:
            doom._ended.set()

    thread = threading.Thread(target=look, name="watch beside helm", daemon=True)
    thread.start()
    try:
        yield doom
    finally:
        over.set()
        thread.join(timeout=1)
        if doom.found():
            _remove(cluster, namespace, rendered.hooks, since)


def _judging(workload: Workload, hook: bool, since: float, limits: Limits) -> watch.Judge:
    """The rules, but what helm has not touched yet is no news: a hook of an earlier release, a workload as it was."""
    judge = rollout.judging(workload, since, limits)
    before: dict[str, Any] = {}

    def look(snapshot: Snapshot, now: float) -> Judgement:
        items = snapshot.objects.get(workload.kind, {})
        ours = {uid: item for uid, item in items.items() if name(item) == workload.name}
        if hook:
            old = {uid for uid, item in ours.items() if created(item) < int(since)}
        else:
            before.setdefault("generations", {uid: item["metadata"].get("generation") for uid, item in ours.items()})
            known = before["generations"]
            old = {uid for uid, item in ours.items() if item["metadata"].get("generation") == known.get(uid)}
        rest = {uid: item for uid, item in items.items() if uid not in old}
        found = judge(replace(snapshot, objects={**snapshot.objects, workload.kind: rest}), now)
        gone = bool(found.causes) and found.causes[0].rule == "deleted"  # helm deletes a hook that succeeded
        return replace(found, verdict=Verdict.HEALTHY, causes=()) if gone else found

    return look


def _remove(cluster: api.Cluster, namespace: str, hooks: Sequence[Workload], since: float) -> None:
    """A stopped helm leaves its hook running (seen on a cluster with helm 3 and 4)."""
    for hook in hooks:
        with suppress(api.ClusterError):
            where = api.path(hook.kind, namespace, hook.name)
            if created(cluster.get(where)) >= int(since):
                cluster.delete(where)
