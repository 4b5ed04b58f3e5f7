"""How often a release is deployed, how often that fails, how soon it is mended: from its revisions. Pure.

The measures are those of DORA (dora.dev), as far as one release's history can tell them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.model import Revision

DAY = 86_400.0

FAILED = ("failed", "progressing")
"""Verdicts of a deploy that did not get healthy; `progressing`: its time was over."""


@dataclass(frozen=True)
class Figures:
    """Over the revisions that are kept."""

    revisions: int  # all, rollbacks included
    since: str  # when the oldest was released; empty where there is none
    days: float  # from then until now
    deploys: int  # revisions that somebody released, so without rollbacks
    per_day: float | None  # None where the time seen is too short to say
    per_week: float | None
    judged: int  # deploys that ended one way or the other
    failed: int
    failure_rate: float | None  # 0 to 1; None where nothing was judged
    recoveries: int  # times a failed deploy was followed by a healthy revision
    seconds_to_recover: float | None  # the mean, from the failed release to the healthy verdict
    broken_since: str = ""  # when the newest deploy failed that nothing has mended yet


def figures(history: Sequence[Revision], now: float) -> Figures:
    """The figures of a history, oldest first; `now` in seconds since 1970.

    The revisions of a canary that went well are one deploy with the last of them; one that failed is where it ended.
    """
    revisions = len(history)
    history = [one for one in history if not one.canary or _failed(one)]
    deploys = [one for one in history if not rolled_back(one)]
    ended = [one for one in deploys if _failed(one) or _healthy(one)]
    failed = [one for one in ended if _failed(one)]
    since = _released(history[0]) if history else None
    span = max(now - since, 0.0) if since is not None else 0.0
    mended, broken = _recoveries(history)
    return Figures(
        revisions=revisions,
        since=_utc(since),
        days=round(span / DAY, 2),
        deploys=len(deploys),
        per_day=_rate(len(deploys), span, DAY),
        per_week=_rate(len(deploys), span, 7 * DAY),
        judged=len(ended),
        failed=len(failed),
        failure_rate=round(len(failed) / len(ended), 3) if ended else None,
        recoveries=len(mended),
        seconds_to_recover=round(sum(mended) / len(mended), 1) if mended else None,
        broken_since=_utc(broken),
    )


def rolled_back(revision: Revision) -> bool:
    """Whether a rollback made it, ours or helm's own."""
    return revision.origin != revision.number or bool(revision.record and revision.record.verb == "rollback")


def _failed(revision: Revision) -> bool:
    return revision.verdict in FAILED or (revision.verdict is None and revision.status == "failed")


def _healthy(revision: Revision) -> bool:
    return revision.verdict == "healthy" or (revision.verdict is None and revision.status in ("deployed", "superseded"))


def _recoveries(history: Sequence[Revision]) -> tuple[list[float], float | None]:
    """The seconds of each outage, from the first failed release to the next healthy verdict; when the last began."""
    mended: list[float] = []
    began: float | None = None
    for one in history:
        if _failed(one):
            began = _released(one) if began is None else began
        elif _healthy(one) and began is not None:
            ended = _judged(one)
            if ended is not None:
                mended.append(max(ended - began, 0.0))
            began = None
    return mended, began


def _rate(count: int, span: float, period: float) -> float | None:
    """Two deploys within an hour are no forty a day, so at least one period must have been seen."""
    return round(count * period / span, 2) if span >= period else None


def _released(revision: Revision) -> float | None:
    try:
        return datetime.fromisoformat(revision.updated).timestamp()
    except ValueError:
        return None


def _judged(revision: Revision) -> float | None:
    """When the verdict fell; for a revision of somebody else's, when it was released."""
    record = revision.record
    if record and record.began and record.seconds:
        try:
            return datetime.fromisoformat(record.began).timestamp() + record.seconds
        except ValueError:
            pass
    return _released(revision)


def _utc(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
