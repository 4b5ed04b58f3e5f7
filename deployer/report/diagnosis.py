"""A diagnosis in lines of text: the headline first, what to do last, nearest to the prompt."""

from collections.abc import Iterator
from datetime import UTC, datetime

from deployer.health.diagnosis import Diagnosis


def lines(found: Diagnosis) -> Iterator[str]:
    """The whole report."""
    yield f"{found.workload} {found.verdict}: {found.headline}"
    counts = found.counts
    yield f"  pods: {counts.updated} of {counts.desired} updated, {counts.ready} ready, {counts.available} available"
    for cause in found.causes[1:4]:
        more = f" ({len(cause.pods)} pods)" if len(cause.pods) > 1 else ""
        yield f"  also: {cause.object}: {cause.message}{more}"
    for fact in found.facts:
        yield f"  {fact}"
    if found.events:
        yield "  events:"
        for event in found.events:
            at = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S")
            times = f" ×{event.count}" if event.count > 1 else ""
            yield f"    {at} {event.object} {event.reason}{times}: {event.message[:300]}"
    for log in found.logs:
        run = ", the run before this one" if log.previous else ""
        if log.lines:
            yield f"  log of pod/{log.pod}, container {log.container}{run}:"
            yield from (f"    | {line}" for line in log.lines)
        else:
            yield f"  pod/{log.pod}, container {log.container}, has logged nothing"
    for lack in found.missing:
        yield f"  ({lack})"
    if found.hint:
        yield f"  hint: {found.hint}"
