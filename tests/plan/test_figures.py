"""Deploy frequency, failure rate and time to recover, from a history."""

from datetime import UTC, datetime, timedelta

import pytest

from deployer.model import Record, Revision
from deployer.plan.figures import Figures, figures

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def revision(number: int, hours: float, text: str) -> Revision:
    """`"superseded healthy"`, `"deployed"`, `"superseded healthy <1"`; judged 60 s after it began."""
    status, *words = text.split()
    verdict = next((word for word in words if not word.startswith("<")), None)
    back = next((word[1:] for word in words if word.startswith("<")), "")
    at = (BEGAN + timedelta(hours=hours)).isoformat()
    record = Record(verdict, "rollback" if back else "up", began=at, seconds=60.0) if verdict else None
    return Revision(number, status, at, "web-1", f"Rollback to {back}" if back else "", verdict, record)


def history(*revisions: tuple[float, str]) -> tuple[Revision, ...]:
    return tuple(revision(number, hours, text) for number, (hours, text) in enumerate(revisions, 1))


def counted(days: float, *revisions: tuple[float, str]) -> Figures:
    return figures(history(*revisions), (BEGAN + timedelta(days=days)).timestamp())


def test_nothing() -> None:
    assert figures((), 0.0) == Figures(0, "", 0.0, 0, None, None, 0, 0, None, 0, None)


def test_all_of_them() -> None:
    found = counted(
        14,
        (0, "superseded healthy"),
        (24, "superseded failed"),
        (24.5, "superseded healthy <1"),
        (48, "superseded healthy"),
        (72, "superseded failed"),
        (73, "superseded progressing"),
        (74, "deployed healthy"),
    )
    assert found == Figures(
        revisions=7,
        since="2026-01-01T00:00:00+00:00",
        days=14.0,
        deploys=6,
        per_day=0.43,
        per_week=3.0,
        judged=6,
        failed=3,
        failure_rate=0.5,
        recoveries=2,
        seconds_to_recover=(1800 + 60 + 7200 + 60) / 2,
    )


@pytest.mark.parametrize(
    ("days", "per_day", "per_week"), [(0.5, None, None), (1, 2.0, None), (6.9, 0.29, None), (7, 0.29, 2.0)]
)
def test_a_rate_needs_a_whole_period(days: float, per_day: float | None, per_week: float | None) -> None:
    found = counted(days, (0, "superseded healthy"), (1, "deployed healthy"))
    assert (found.per_day, found.per_week) == (per_day, per_week)


@pytest.mark.parametrize(
    ("revisions", "judged", "failed"),
    [
        (("deployed",), 1, 0),
        (("failed",), 1, 1),
        (("superseded", "pending-upgrade"), 1, 0),
        (("superseded healthy", "deployed paused"), 1, 0),
        (("superseded failed", "deployed failed <1"), 1, 1),
        (("superseded progressing", "deployed healthy"), 2, 1),
    ],
)
def test_what_counts_as_failed(revisions: tuple[str, ...], judged: int, failed: int) -> None:
    found = counted(1, *((hour, text) for hour, text in enumerate(revisions)))
    assert (found.judged, found.failed) == (judged, failed)


def test_what_nothing_has_mended_yet() -> None:
    found = counted(1, (0, "superseded healthy"), (2, "superseded failed"), (3, "deployed failed"))
    assert (found.recoveries, found.seconds_to_recover) == (0, None)
    assert found.broken_since == "2026-01-01T02:00:00+00:00"


def test_revisions_of_somebody_elses() -> None:
    found = counted(1, (0, "superseded"), (1, "failed"), (3, "deployed"))
    assert (found.deploys, found.failed, found.seconds_to_recover) == (3, 1, 7200.0)


def test_times_that_cannot_be_read() -> None:
    odd = (Revision(1, "failed", "yesterday", "web-1"), Revision(2, "deployed", "today", "web-1"))
    found = figures(odd, 1e9)
    assert (found.since, found.days, found.per_day, found.recoveries) == ("", 0.0, None, 0)
