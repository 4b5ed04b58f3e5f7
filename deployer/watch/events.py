"""Events, asked for only where something seems stuck: they cost the API server more than any other list."""

import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from deployer import cluster as api
from deployer.cluster import Json
from deployer.health.claims import of as claims_of
from deployer.health.verdict import Object, Snapshot
from deployer.watch.pace import Pace

TRIES = 3  # before a verdict does without an object's newest events
LONGEST = 10.0  # the same object's events are asked for at most this many seconds apart
FEW = 3  # pods whose events are asked for one by one; those of more come with all pods'


@dataclass(frozen=True)
class Happened:
    """The events of one object."""

    uid: str
    events: dict[str, Json]


@dataclass(frozen=True)
class EventsRefused:
    """We may not read events."""

    reason: str


@dataclass(frozen=True)
class Reread:
    """The events that were asked for again have been read, as far as the API gives them."""

    number: int


class EventFeed(threading.Thread):
    """Looks at the newest snapshot now and then, and asks for the events of what is not well, one request a second.

    What a failure rests on is read again when the loop asks for it, at once.
    """

    def __init__(
        self, cluster: api.Cluster, namespace: str, pace: Pace, say: Callable[[Happened | EventsRefused | Reread], None]
    ) -> None:
        super().__init__(name="watch Event", daemon=True)
        self._cluster = cluster
        self._path = api.path("Event", namespace)
        self._pace = pace
        self._say = say
        self._seen = Snapshot()
        self._times: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._clock = 0.0
        self._numbers = itertools.count(1)
        self._wanted: queue.SimpleQueue[tuple[int, Sequence[str]]] = queue.SimpleQueue()
        self._ended = threading.Event()

    def run(self) -> None:
        """Ask until stopped."""
        pause = self._pace.events
        while not self._ended.is_set():
            try:
                number, uids = self._wanted.get(timeout=pause)
            except queue.Empty:
                allowed = self._patrol()
            else:
                allowed = self._again(uids)
                self._say(Reread(number))
            pause = self._pace.events if allowed else self._pace.relist

    def _patrol(self) -> bool:
        """One request, for what is due; false where events may not be read."""
        self._clock += self._pace.events
        if not self._seen.objects:
            return True
        try:
            stuck = unwell(self._seen, self._cluster.server_time(), self._pace.doubt)
        except api.ClusterError:
            return True
        due = [uid for uid in stuck if self._due.get(uid, 0.0) <= self._clock]
        uid = min(due, key=lambda one: self._due.get(one, 0.0), default=None)
        if uid is None:
            return True
        self._times[uid] = self._times.get(uid, 0) + 1
        self._due[uid] = self._clock + min(LONGEST, self._pace.doubt * self._times[uid])
        try:
            self._ask(uid)
        except api.Forbidden as error:
            self._say(EventsRefused(error.message))
            return False
        except api.ClusterError:  # the feeds will notice if it lasts
            pass
        return True

    def _again(self, uids: Sequence[str]) -> bool:
        """A request for each of a few, one for all of many, until it is answered; false where events may not be read.

        The API server reads all events of the namespace for either.
        """
        deeds = [partial(self._ask, uid) for uid in uids] if len(uids) <= FEW else [partial(self._ask_all, uids)]
        for deed in deeds:
            for failures in range(TRIES):
                if self._ended.is_set():
                    return True
                try:
                    deed()
                    break
                except api.Forbidden as error:
                    self._say(EventsRefused(error.message))
                    return False
                except api.ClusterError:
                    self._ended.wait(self._pace.pause(failures))
        return True

    def _ask(self, uid: str) -> None:
        items, _ = self._cluster.list(self._path, field_selector=f"involvedObject.uid={uid}")
        self._say(Happened(uid, {one["metadata"]["uid"]: one for one in items}))

    def _ask_all(self, uids: Sequence[str]) -> None:
        """The events of these pods, out of those of all pods."""
        items, _ = self._cluster.list(self._path, field_selector="involvedObject.kind=Pod")
        found: dict[str, dict[str, Json]] = {uid: {} for uid in uids}
        for one in items:
            about = found.get(str((one.get("involvedObject") or {}).get("uid")))
            if about is not None:
                about[one["metadata"]["uid"]] = one
        for uid, events in found.items():
            self._say(Happened(uid, events))

    def look(self, snapshot: Snapshot) -> None:
        """This is how things stand."""
        self._seen = snapshot

    def refresh(self, uids: Sequence[str]) -> int:
        """Read the events of these objects again, now; the number of the `Reread` that will say so."""
        number = next(self._numbers)
        self._wanted.put((number, uids))
        return number

    def stop(self) -> None:
        """End soon."""
        self._ended.set()
        self._wanted.put((0, ()))


def unwell(snapshot: Snapshot, now: float, doubt: float) -> list[str]:
    """The uids of pods, their claims and controllers that events could say more about, newest first."""
    pods = [one for one in snapshot.of("Pod") if _troubled(one)]
    owners = [
        one for kind in ("ReplicaSet", "StatefulSet", "DaemonSet", "Job") for one in snapshot.of(kind) if _short(one)
    ]
    claims = [one for pod in pods for one in claims_of(pod, snapshot.of("PersistentVolumeClaim")) if _unbound(one)]
    old_enough = [one for one in (*owners, *pods, *claims) if now - _created(one) >= doubt]
    return list(dict.fromkeys(str(one["metadata"]["uid"]) for one in sorted(old_enough, key=_created, reverse=True)))


def _unbound(claim: Object) -> bool:
    return (claim.get("status") or {}).get("phase") == "Pending"


def _troubled(pod: Object) -> bool:
    """Not ready although it should be, or restarted."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Succeeded":
        return False
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    return not ready or any(one.get("restartCount") for one in status.get("containerStatuses") or ())


def _short(owner: Object) -> bool:
    """It wants more pods than it has."""
    spec, status = owner.get("spec") or {}, owner.get("status") or {}
    if owner["metadata"].get("deletionTimestamp"):
        return False
    if owner["kind"] == "DaemonSet":
        return bool(status.get("desiredNumberScheduled", 0) > status.get("currentNumberScheduled", 0))
    if owner["kind"] == "Job":
        return not any(status.get(word) for word in ("active", "ready", "succeeded", "failed", "conditions"))
    return bool(spec.get("replicas", 1) > status.get("replicas", 0))


def _created(item: Object) -> float:
    return datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp()
