"""The decision loop: what the feeds say becomes snapshots, judged in the caller's thread."""

import dataclasses
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployer import cluster as api
from deployer.health.pods import BY_EVENTS
from deployer.health.verdict import Judgement, Snapshot, Verdict
from deployer.watch.events import EventFeed, EventsRefused, Happened, Reread
from deployer.watch.feed import Feed, Listed, Message, Refused
from deployer.watch.known import Known
from deployer.watch.notice import Degraded, Notice
from deployer.watch.outage import Outage
from deployer.watch.pace import PACE, Pace
from deployer.watch.selection import Selection

Judge = Callable[[Snapshot, float], Judgement]
"""What is known, and the server's time less all outages → the verdict over one workload."""

Tell = Callable[[Judgement | Notice], None]


class Ended(StrEnum):
    """Why the wait is over."""

    SETTLED = "settled"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Outcome:
    """How it ended. `verdict` is that of all workloads together; `snapshot` is what it was based on."""

    ended: Ended
    verdict: Verdict
    judgements: tuple[Judgement, ...]
    snapshot: Snapshot
    unreachable: str | None = None  # why the API could not be asked, when that is why there is no verdict


def follow(
    cluster: api.Cluster,
    selection: Selection,
    judges: Sequence[Judge],
    *,
    deadline: float,
    tell: Tell = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    pace: Pace = PACE,
) -> Outcome:
    """Wait until all workloads are judged healthy or paused, or one has failed; `deadline` is in `clock`'s time.

    A verdict that ends the wait always rests on lists read after it was first reached, and a failure that only events
    tell on events read after it. While a kind cannot be read,
    nothing is judged, and that time does not count against any grace.
    """
    inbox: Inbox = queue.SimpleQueue()
    feeds = [Feed(cluster, selection.namespace, source, pace, inbox.put) for source in selection.sources]
    events = EventFeed(cluster, selection.namespace, pace, inbox.put)
    threads: tuple[Feed | EventFeed, ...] = (*feeds, events)
    try:
        for thread in threads:
            thread.start()
        return _Loop(cluster, inbox, Known(feeds), events, judges, tell, clock, pace).run(deadline, cancelled)
    finally:
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(timeout=0.05)  # one that still waits for an answer is a daemon and ends with it


Inbox = queue.SimpleQueue[Message | Happened | EventsRefused | Reread]


class _Loop:
    def __init__(
        self,
        cluster: api.Cluster,
        inbox: Inbox,
        known: Known,
        events: EventFeed,
        judges: Sequence[Judge],
        tell: Tell,
        clock: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._cluster = cluster
        self._inbox = inbox
        self._known = known
        self._events = events
        self._judges = judges
        self._tell = tell
        self._clock = clock
        self._pace = pace
        self._outage = Outage(tell, patience=pace.outage)
        self._snapshot = Snapshot()
        self._judgements: tuple[Judgement, ...] = ()
        self._told: dict[int, Judgement] = {}
        self._degraded: set[tuple[str, str]] = set()
        self._epoch: float | None = None  # the server's time when `clock` was 0
        self._recheck = 0.0
        self._asked: dict[Feed, int] | None = None  # lists that have to be read again before a verdict counts
        self._doubted: frozenset[str] = frozenset()  # uids of the pods whose events have to be, too
        self._awaited = 0  # the number of that reading
        self._reread = 0  # and of the last that is over

    def run(self, deadline: float, cancelled: Callable[[], bool]) -> Outcome:
        """Receive, judge, tell, until it is over."""
        while True:
            now = self._clock()
            if cancelled():
                return self._outcome(Ended.CANCELLED, now)
            if now >= deadline + (self._pace.outage if self._asked else 0.0):
                return self._outcome(Ended.DEADLINE, now)
            changed = self._receive(self._patience(now))
            now = self._clock()
            self._outage.note(self._known.trouble, now)
            if self._known.trouble is not None or not self._known.complete:
                self._asked = None
                self._recheck = now  # once it answers, whatever it says
            elif self._asked is not None:
                if self._confirmed() and self._decide(now):
                    return self._outcome(Ended.SETTLED, now)
            elif changed or now >= self._recheck:
                self._decide(now)

    def _patience(self, now: float) -> float:
        """How long to wait for a message; not long, for `cancelled` is only looked at afterwards."""
        blind = self._asked is not None or self._known.trouble is not None or not self._known.complete
        return self._pace.tick if blind else min(self._pace.tick, max(0.0, self._recheck - now))

    def _receive(self, timeout: float) -> bool:
        """Wait for news, then for what comes with it: changes come in bursts. False when there was none."""
        news, until = False, time.monotonic() + timeout
        while True:
            try:
                heard = self._take(self._inbox.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                return news
            if self._confirmed():
                return True
            if heard and not news:
                news, until = True, time.monotonic() + self._pace.burst

    def _confirmed(self) -> bool:
        """All that was asked again has been read."""
        return self._asked is not None and self._known.confirmed(self._asked) and self._reread >= self._awaited

    def _take(self, message: Message | Happened | EventsRefused | Reread) -> bool:
        if isinstance(message, Reread):
            self._reread = max(message.number, self._reread)
            return True
        back = isinstance(message, Listed) and self._known.lost(message.feed)
        news = self._known.take(message)
        if back:
            self._known.retry()
        match message:
            case Refused(feed, verb, reason, _):
                self._degrade(feed.source.kind, verb, reason)
            case EventsRefused(reason):
                self._degrade("Event", "list", reason)
        return news

    def _degrade(self, kind: str, verb: str, reason: str) -> None:
        if (kind, verb) not in self._degraded:
            self._degraded.add((kind, verb))
            self._tell(Degraded(kind, verb, reason))

    def _decide(self, now: float) -> bool:
        """Judge what is known; true when that ends the wait. The first time it would, all is read again instead."""
        if self._epoch is None:  # once: graces must not jump with a better guess at the server's clock
            self._epoch = self._cluster.server_time() - now
        seen = self._epoch + now - self._outage.total(now)
        self._snapshot = self._known.snapshot()
        self._events.look(self._snapshot)
        self._judgements = tuple(judge(self._snapshot, seen) for judge in self._judges)
        graces = (max(one.recheck, self._pace.burst) for one in self._judgements if one.recheck is not None)
        self._recheck = now + min(graces, default=float("inf"))
        over = settled(self._judgements)
        told = by_events(self._judgements, self._snapshot) if over else frozenset()
        if over and (self._asked is None or not told <= self._doubted):
            self._asked, self._doubted = self._known.refresh(), told
            self._awaited = self._events.refresh(sorted(told)) if told else 0
            return False
        self._asked = None
        for index, one in enumerate(self._judgements):
            steady = dataclasses.replace(one, recheck=None)
            if self._told.get(index) != steady:
                self._told[index] = steady
                self._tell(one)
        return over

    def _outcome(self, ended: Ended, now: float) -> Outcome:
        unreachable = self._known.trouble
        if unreachable is None and not self._known.complete:
            unreachable = "the API has not answered yet"
        if unreachable is None and self._outage.over_for(now) < self._pace.relist:
            unreachable = "the API has only just come back"
        if ended is Ended.SETTLED:
            unreachable = None
        verdict = Verdict.INDETERMINATE if unreachable else together(self._judgements)
        if ended is not Ended.SETTLED and verdict in (Verdict.HEALTHY, Verdict.FAILED, Verdict.PAUSED):
            verdict = Verdict.PROGRESSING  # reached, but not confirmed
        return Outcome(ended, verdict, self._judgements, self._snapshot, unreachable)


def by_events(judgements: Sequence[Judgement], snapshot: Snapshot) -> frozenset[str]:
    """The uids of the pods of which only events say why they fail: what these said may be over by now."""
    if "Event" in snapshot.unreadable:
        return frozenset()
    causes = [cause for one in judgements if one.verdict is Verdict.FAILED for cause in one.causes]
    names = {pod for cause in causes if cause.rule in BY_EVENTS for pod in cause.pods}
    return frozenset(str(pod["metadata"]["uid"]) for pod in snapshot.of("Pod") if pod["metadata"]["name"] in names)


def settled(judgements: Sequence[Judgement]) -> bool:
    """Nothing more to wait for: one failed, or all have come to an end; doubt that has a cause is an end too."""
    ended = (Verdict.HEALTHY, Verdict.PAUSED)
    return any(one.verdict is Verdict.FAILED for one in judgements) or all(
        one.verdict in ended or (one.verdict is Verdict.INDETERMINATE and one.causes) for one in judgements
    )


def together(judgements: Sequence[Judgement]) -> Verdict:
    """One verdict for many: the worst counts."""
    order = (Verdict.FAILED, Verdict.INDETERMINATE, Verdict.PROGRESSING, Verdict.PAUSED, Verdict.HEALTHY)
    return min((one.verdict for one in judgements), key=order.index, default=Verdict.HEALTHY)
