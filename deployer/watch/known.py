"""What the feeds have said so far, and whether it can be trusted."""

from collections.abc import Sequence

from deployer.cluster import Json
from deployer.health.objects import expired
from deployer.health.verdict import Snapshot
from deployer.watch.events import EventsRefused, Happened
from deployer.watch.feed import Changed, Feed, Listed, Lost, Message, Refused


class Known:
    """The objects of every feed. A failed list leaves them as they are; a forbidden one takes them away.

    A Job that is removed because it has ended stays until the next list, as it was in the end: it may be news.
    """

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._needed = tuple(feed for feed in feeds if feed.source.needed)
        self._objects: dict[Feed, dict[str, Json]] = {feed: {} for feed in feeds}
        self._answered: dict[Feed, int] = dict.fromkeys(feeds, -1)
        self._lost: dict[Feed, str] = {}
        self._refused: dict[Feed, None] = {}
        self._events: dict[str, dict[str, Json]] = {}
        self._blind_to_events = False

    def take(self, message: Message | Happened | EventsRefused) -> bool:
        """Remember what a feed said; true when it was news."""
        match message:
            case Listed(feed, objects, asked):
                news = self._objects[feed] != objects or feed in self._refused or asked > self._answered[feed]
                self._objects[feed] = objects
                self._hear(feed, asked)
                self._refused.pop(feed, None)
                return news
            case Changed(feed, "DELETED", item) if not expired(item):
                self._objects[feed].pop(item["metadata"]["uid"], None)
            case Changed(feed, _, item):
                self._objects[feed][item["metadata"]["uid"]] = item
            case Lost(feed, reason):
                self._lost[feed] = reason
            case Refused(feed, "list", _, asked):
                news = feed not in self._refused or asked > self._answered[feed]
                self._objects[feed] = {}
                self._hear(feed, asked)
                self._refused[feed] = None
                return news
            case Happened(uid, events):
                news = self._events.get(uid, {}) != events or self._blind_to_events
                self._events[uid] = events
                self._blind_to_events = False
                return news
            case EventsRefused():
                self._blind_to_events = True
        return True

    def _hear(self, feed: Feed, asked: int) -> None:
        self._answered[feed] = max(asked, self._answered[feed])
        self._lost.pop(feed, None)

    @property
    def trouble(self) -> str | None:
        """Why the cluster cannot be asked at present, if it cannot."""
        return next((self._lost[feed] for feed in self._needed if feed in self._lost), None)

    @property
    def complete(self) -> bool:
        """Every kind a verdict needs has been read at least once, or refused."""
        return all(self._answered[feed] >= 0 for feed in self._needed)

    def confirmed(self, asked: dict[Feed, int]) -> bool:
        """Every kind a verdict needs was read after it had been asked again."""
        return all(self._answered[feed] >= asked[feed] for feed in self._needed)

    def refresh(self) -> dict[Feed, int]:
        """Ask for every kind that a verdict needs to be read again, now."""
        return {feed: feed.refresh() for feed in self._needed}

    def lost(self, feed: Feed) -> bool:
        """The last try to read it failed."""
        return feed in self._lost

    def retry(self) -> None:
        """Ask again at once for what is lost: something that was lost has just answered."""
        for feed in self._lost:
            feed.refresh()

    def snapshot(self) -> Snapshot:
        """All of it, as it stands; later messages do not change what is returned."""
        objects: dict[str, dict[str, Json]] = {}
        for feed, found in self._objects.items():
            if feed not in self._refused:
                objects.setdefault(feed.source.kind, {}).update(found)
        for events in self._events.values():
            objects.setdefault("Event", {}).update(events)
        unreadable = {feed.source.kind for feed in self._refused} | ({"Event"} if self._blind_to_events else set())
        return Snapshot(objects, frozenset(unreadable))
