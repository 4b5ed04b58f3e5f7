"""A release's revisions as text: a line each, the newest first, what needs a sentence below; then the figures."""

from collections.abc import Iterator, Sequence

from deployer.model import Record, Revision, Target
from deployer.plan.figures import Figures
from deployer.report import words
from deployer.report.status import NONE, moment, short

COLUMNS = ("REVISION", "VERDICT", "STATUS", "RELEASED", "TOOK", "IMAGE", "COMMIT", "BY")


def lines(
    environment: str, release: str, target: Target, revisions: Sequence[Revision], figures: Figures
) -> Iterator[str]:
    """All of it."""
    where = f"{environment}: {release} in {target.namespace} (context {target.context})"
    if not figures.revisions:
        yield f"{where}: nothing was released"
        return
    yield f"{where}: {_count(figures.revisions, 'revision')}"
    newest_first = list(reversed(revisions))
    rows = [COLUMNS, *(_cells(one) for one in newest_first)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    notes: list[Iterator[str]] = [iter(()), *map(_notes, newest_first)]
    for row, below in zip(rows, notes, strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield from (f"{'':>10}{note}" for note in below)
    yield from measured(figures)


def measured(found: Figures) -> Iterator[str]:
    """The figures, and over what they are."""
    yield f"over {_count(found.revisions, 'revision')} that are kept, {_days(found.days)}:"
    rates = [
        f"{rate:g} a {period}"
        for rate, period in ((found.per_day, "day"), (found.per_week, "week"))
        if rate is not None
    ]
    yield f"  deploys          {found.deploys}" + (f", {', '.join(rates)}" if rates else "")
    if found.failure_rate is not None:
        yield f"  failure rate     {found.failure_rate:.0%} ({found.failed} of {found.judged})"
    if found.seconds_to_recover is not None:
        times = _count(found.recoveries, "time")
        yield f"  time to recover  {words.seconds(found.seconds_to_recover)} on average ({times})"
    if found.broken_since:
        yield f"  broken since     {moment(found.broken_since)}"


def _cells(one: Revision) -> tuple[str, ...]:
    record = one.record or Record()
    return (
        str(one.number),
        one.verdict or NONE,
        one.status,
        moment(one.updated),
        words.seconds(record.seconds) if record.seconds else NONE,
        _image(record.image),
        record.sha[:12] or NONE,
        record.actor or NONE,
    )


def _notes(one: Revision) -> Iterator[str]:
    record = one.record or Record()
    if one.canary:
        yield str(one.canary)
    if one.origin != one.number:
        yield f"rollback to {one.origin}"
    elif not one.record and one.description:
        yield one.description
    if record.source:
        yield f"promoted from {record.source}"
    if record.cause:
        yield f"reason: {record.cause}"
    yield from (f"override of {guard}: {reason}" for guard, reason in record.overrides.items())
    if record.job:
        yield f"run: {record.job}"


def _image(reference: str) -> str:
    """`web:1.2.3@9f1c0a2b44de`: enough of the digest to tell images apart."""
    if not reference:
        return NONE
    digest = reference.partition("@")[2].partition(":")[2]
    return short(reference) + (f"@{digest[:12]}" if digest else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _days(days: float) -> str:
    return _count(round(days), "day") if days >= 1 else "less than a day"
