"""One kind, kept up to date by one thread: list, watch, list again."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from deployer import cluster as api
from deployer.cluster import Json
from deployer.watch.pace import Pace
from deployer.watch.selection import Source


@dataclass(frozen=True)
class Listed:
    """All there is, read after `refresh` had been called `asked` times."""

    feed: "Feed"
    objects: dict[str, Json]
    asked: int


@dataclass(frozen=True)
class Changed:
    """One object was added, changed or deleted."""

    feed: "Feed"
    type: str
    object: Json


@dataclass(frozen=True)
class Lost:
    """The list could not be read: what was known may be stale."""

    feed: "Feed"
    reason: str


@dataclass(frozen=True)
class Refused:
    """We may not list this kind, or not watch it."""

    feed: "Feed"
    verb: str
    reason: str
    asked: int


Message = Listed | Changed | Lost | Refused


class Feed(threading.Thread):
    """Says what it sees through `say`, for ever; trouble never ends it, only `stop` does.

    The list is the ground truth and is read again every `pace.relist` seconds, so a watch lives no longer than that.
    Whatever goes wrong with a watch, the answer is a new list; only a list that fails means the API is out of reach.
    """

    def __init__(
        self, cluster: api.Cluster, namespace: str, source: Source, pace: Pace, say: Callable[[Message], None]
    ) -> None:
        super().__init__(name=f"watch {source.kind}", daemon=True)
        self.source = source
        self._cluster = cluster
        self._path = api.path(source.kind, namespace)
        self._pace = pace
        self._say = say
        self._watch_from = 0.0 if source.watched else math.inf
        self._listed_at: float | None = None
        self._asked = 0
        self._failures = 0
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._stream: api.Stream | None = None

    def run(self) -> None:
        """List and watch until stopped."""
        while not self._ended.is_set():
            self._wake.clear()
            asked, started = self._asked, time.monotonic()
            try:
                version = self._list(asked)
                self._watch(version, started + self._pace.relist)
            except (api.Forbidden, api.NotFound) as error:  # a cluster may be too old to have the kind
                self._refused(error, asked)
            except api.ClusterError as error:
                self._say(Lost(self, error.message))
                self._pause(error)

    def refresh(self) -> int:
        """List again at once; the answer is a Listed, Refused or Lost with at least the number returned here."""
        self._asked += 1
        asked = self._asked
        self._interrupt()
        return asked

    def stop(self) -> None:
        """End soon; nothing more is said."""
        self._ended.set()
        self._interrupt()

    def _interrupt(self) -> None:
        self._wake.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def _list(self, asked: int) -> str:
        items, version = self._cluster.list(
            self._path, label_selector=self.source.labels, field_selector=self.source.fields
        )
        found = {one["metadata"]["uid"]: one for one in items}
        self._listed_at = time.monotonic()
        if not self._ended.is_set():
            self._say(Listed(self, found, asked))
        return version

    def _refused(self, error: api.ClusterError, asked: int) -> None:
        """What could be read a moment ago and is forbidden now is doubt: a server that has just started says that."""
        if self._listed_at is not None and time.monotonic() - self._listed_at < self._pace.relist:
            self._say(Lost(self, error.message))
            self._pause(error)
        else:
            self._say(Refused(self, "list", error.message, asked))
            self._wake.wait(self._pace.poll)

    def _watch(self, version: str, until: float) -> None:
        """Pass changes on until it is time to list again."""
        while (left := until - time.monotonic()) > 0 and not self._wake.is_set():
            if time.monotonic() < self._watch_from:
                self._wake.wait(min(left, self._pace.poll) if self.source.watched else left)
                return
            opened = time.monotonic()
            try:
                version = self._read(version, left)
            except api.Forbidden as error:
                self._watch_from = until
                self._say(Refused(self, "watch", error.message, -1))
                return
            except api.ClusterError as error:  # Gone as well: never twice in a row without a pause
                if time.monotonic() - opened > self._pace.spacing:
                    self._failures = 0
                self._pause(error)
                return
            self._failures = 0
            self._wake.wait(max(0.0, opened + self._pace.spacing - time.monotonic()))

    def _read(self, version: str, left: float) -> str:
        """One watch, to its end; returns the version to go on from."""
        stream = self._cluster.watch(
            self._path,
            version,
            label_selector=self.source.labels,
            field_selector=self.source.fields,
            timeout_seconds=math.ceil(left),
            read_timeout=left + self._pace.silence,
        )
        self._stream = stream
        if self._wake.is_set():
            stream.close()
        try:
            for kind, found in stream:
                version = found["metadata"]["resourceVersion"]
                if kind != "BOOKMARK" and not self._ended.is_set():
                    self._say(Changed(self, kind, found))
        finally:
            self._stream = None
        return version

    def _pause(self, error: api.ClusterError) -> None:
        """Wait a while; as long as the server asks nothing but the end of the watch cuts that short."""
        if isinstance(error, api.Unreachable):
            self._ended.wait(error.retry_after)
        self._wake.wait(self._pace.pause(self._failures))
        self._failures += 1
