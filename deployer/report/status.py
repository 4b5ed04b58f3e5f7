"""Environments as text: one screen for one, a line each for many."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from deployer.errors import DeployError
from deployer.health.application import Delivered
from deployer.health.verdict import Verdict
from deployer.model import Record
from deployer.report import words
from deployer.status import Status

Found = Sequence[tuple[str, Status | DeployError]]
"""Environments by name; one that could not be asked has its error."""

COLUMNS = ("ENVIRONMENT", "HEALTH", "REVISION", "RUNS", "NEXT", "PODS", "DRIFT", "DEPLOYED", "BY", "LOCK")
NONE = "-"


def table(found: Found) -> list[str]:
    """A heading, then a line each."""
    rows = [COLUMNS, *((name, *_cells(one)) if isinstance(one, Status) else (name, "error") for name, one in found)]
    widths = [max(len(row[n]) if n < len(row) else 0 for row in rows) for n in range(len(COLUMNS))]
    lines = []
    for row, (_, one) in zip(rows, [("", None), *found], strict=True):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        lines.append(f"{text}  {one.message}" if isinstance(one, DeployError) else text)
    return lines


def wrong(one: Status | DeployError) -> bool:
    """Whether a person should look closer."""
    if isinstance(one, DeployError):
        return True
    return one.verdict not in (None, Verdict.HEALTHY) or bool(one.drift or one.unreadable)


def screen(name: str, one: Status | DeployError) -> Iterator[str]:
    """All of one environment."""
    if isinstance(one, DeployError):
        first, *rest = words.error(one)
        yield f"{name}: {first}"
        yield from (f"  {line}" for line in rest)
        return
    yield f"{name}: {_headline(one)}"
    for title, lines in _parts(one):
        for index, line in enumerate(lines):
            yield f"  {title if index == 0 else '':<9} {line}"


def headline(name: str, one: Status | DeployError) -> str:
    """One line, for a log that tells only what changes."""
    if isinstance(one, DeployError):
        return f"{name}: error: {one.message}"
    where = f", revision {one.revision.number}" if one.revision else ""
    states = [words.judgement(judged) for judged in one.judgements]
    lock = [words.holder(one.holder, None)] if one.holder else []
    return "; ".join((f"{name}: {_headline(one)}{where}", *states, *lock))


def moment(text: str) -> str:
    """A time of helm's or of the API server's, to the minute: `2026-01-02 03:04 UTC`."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return text[:16]


def _cells(one: Status) -> Iterator[str]:
    record = (one.revision.record if one.revision else None) or Record()
    runs = ", ".join(dict.fromkeys(short(running.image) for running in one.running)) or NONE
    following = short(one.wanted.image) if one.wanted.image else "?"
    midway = one.revision.canary if one.revision else None
    yield f"{_health(one)}, canary {midway.weight} %" if midway else _health(one)
    yield str(one.revision.number) if one.revision else NONE
    yield runs
    yield "same" if following in runs.split(", ") else following
    counts = [judged.counts for judged in one.judgements]
    yield f"{sum(each.ready for each in counts)}/{sum(each.desired for each in counts)}" if counts else NONE
    yield str(len(one.drift)) if one.drift else ("?" if one.unreadable else NONE)
    yield moment(one.revision.updated) if one.revision else NONE
    yield record.actor or NONE
    yield (one.holder.actor or "somebody") if one.holder else NONE


def _headline(one: Status) -> str:
    midway = f", {one.revision.canary}" if one.revision and one.revision.canary else ""
    drifted = f", {len(one.drift)} field{'s' if len(one.drift) > 1 else ''} drifted" if one.drift else ""
    return _health(one) + midway + drifted


def _health(one: Status) -> str:
    if one.revision is None:
        return "nothing released"
    return str(one.verdict) if one.verdict else one.revision.status


def _parts(one: Status) -> Iterator[tuple[str, list[str]]]:
    where = f"{one.release} in {one.namespace} (context {one.context})"
    revision = one.revision
    if revision is None:
        yield "release", [where]
    else:
        when = moment(revision.updated)
        yield "release", [f"{where}, revision {revision.number} {revision.status} {when}, chart {revision.chart}"]
        yield "record", [verdict_on_record(revision.verdict, revision.record)]
        if revision.record:
            yield from _deploy(revision.record)
    if one.application:
        yield "argocd", list(_application(one.application))
    yield "wants", [_wanted(one)]
    if one.running:
        yield "runs", [_running(running.pods, running.image, running.digest) for running in one.running]
    if one.judgements:
        yield "health", [words.judgement(judged) for judged in one.judgements]
    if one.verdict or one.unreadable:
        unreadable = [f"not compared: {text}" for text in one.unreadable]
        yield "drift", [*map(words.drift, one.drift), *unreadable] or ["none"]
    yield "lock", [words.holder(one.holder, one.silent) if one.holder else "free"]


def verdict_on_record(verdict: str | None, record: Record | None) -> str:
    """`failed: pod/web-1: …`; or that nobody judged."""
    if not verdict:
        return "not judged by deploy"
    return f"{verdict}: {record.cause}" if record and record.cause else verdict


def _deploy(record: Record) -> Iterator[tuple[str, list[str]]]:
    facts = [f"by {record.actor or 'nobody named'} with `deploy {record.verb}`"]
    facts += [f"commit {record.sha[:12]}"] if record.sha else []
    facts += [f"promoted from {record.source}"] if record.source else []
    facts += [f"took {words.seconds(record.seconds)}"] if record.seconds else []
    yield "deployed", [", ".join(facts), *([record.job] if record.job else [])]


def _application(one: Delivered) -> Iterator[str]:
    """How Argo CD sees it, and at which commit."""
    state = f"{one.sync}, {one.health}" if one.sync else "unknown"
    ours = f"commit {one.commit[:12]}" if one.commit else "no commit yet"
    at = ours if one.current else f"commit {one.compared[:12] or 'none'}, and not at {ours}"
    yield f"{one.name} in {one.namespace}: {state} at {at}"
    yield from one.said


def _wanted(one: Status) -> str:
    replicas = f", {one.wanted.replicas} replica{'' if one.wanted.replicas == '1' else 's'}"
    return (one.wanted.image or f"no image: {one.wanted.why}") + (replicas if one.wanted.replicas else "")


def _running(pods: int, image: str, digest: str) -> str:
    if not digest:
        return f"{pods} × {image} (not running)"
    return f"{pods} × {image}" + ("" if digest in image else f" ({digest})")


def short(image: str) -> str:
    """`web:1.2.3` of `registry/team/web:1.2.3@sha256:…`."""
    return image.partition("@")[0].rpartition("/")[2]
