"""Many targets as text: lines while it works, one table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, assert_never

from deployer.errors import ExitCode
from deployer.fleet import Ended, Paused, Rolled, Said, Stopped, Told, Turn, Waved
from deployer.plan.fleet import Fleet, Outcome
from deployer.report import diagnosis, markup, words
from deployer.report.plain import Plain
from deployer.result import Event, Notice, Severity

if TYPE_CHECKING:
    from deployer.model import Image

COLUMNS = ("TARGET", "WAVE", "OUTCOME", "REVISION", "TIME", "CAUSE")
NONE = "-"
NOT_STARTED = "not started"


class Sparse:
    """Tells it line by line, each with its target's name: what began, what ended, what went wrong.

    `write` takes one line; `verbose` adds everything that a single target's run would tell.
    """

    def __init__(self, write: Callable[[str], None], *, verbose: bool = False) -> None:
        self._write, self._verbose = write, verbose
        self._began = time.monotonic()
        self._telling = threading.Lock()
        self._runs: dict[str, Plain] = {}

    def __enter__(self) -> Sparse:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is open."""

    def aside(self) -> AbstractContextManager[object]:
        """A person is asked meanwhile: lines are in nobody's way."""
        return nullcontext()

    def tell(self, told: Told) -> None:
        """One event, as lines or as silence."""
        with self._telling:
            match told:
                case Waved(wave, number, of):
                    self._line(f"wave {wave.name} ({number} of {of}): {count(len(wave.targets))}")
                case Turn(target, tries):
                    if self._verbose or tries > 1:
                        self._line(f"{target}: {'begins' if tries == 1 else f'is tried again, for the {tries}. time'}")
                case Said(target, event):
                    self._said(target, event)
                case Ended():
                    for line in ended(told):
                        self._line(f"{told.target}: {line}")
                case Paused(wave, seconds):
                    self._line(f"wave {wave} is over: {words.seconds(seconds)} of pause")
                case Stopped():
                    self._line(stopped(told))
                case _:
                    assert_never(told)

    def _said(self, target: str, event: Event) -> None:
        if self._verbose:
            if target not in self._runs:
                self._runs[target] = Plain(lambda line: self._write(f"{target}: {line}"), verbose=True)
            self._runs[target].tell(event)
        elif isinstance(event, Notice) and event.severity is Severity.WARNING:
            self._line(f"{target}: warning: {event.text}")

    def _line(self, text: str) -> None:
        self._write(f"[{time.monotonic() - self._began:6.1f}s] {text}")


def ended(one: Ended) -> Iterator[str]:
    """How a target ended: one line; of a failure the diagnosis too."""
    word = outcome(one) if one.outcome is not Outcome.DONE else "ok"
    yield f"{word} after {words.seconds(one.seconds)}: {one.message}" + restored(one)
    found = one.result.diagnosis if one.result and not one.error else None  # that of an earlier try was told with it
    if found:
        yield from (f"  {line}" for line in diagnosis.lines(found))
    elif one.outcome is Outcome.FAILED:
        detail = one.error.detail if one.error else one.result.detail if one.result else ()
        yield from (f"  {line}" for line in detail)


def stopped(told: Stopped) -> str:
    """Nothing new begins."""
    rest = f"; {count(told.running)} still at work, seen to the end" if told.running else ""
    return f"nothing new is started: {told.why}{rest}"


def table(found: Rolled) -> list[str]:
    """A heading, then a line a target, in the order of the fleet."""
    done = {one.target: one for one in found.ended}
    rows: list[tuple[str, ...]] = [COLUMNS]
    for wave in found.fleet.waves:
        for name in wave.targets:
            one = done.get(name)
            rows.append(_cells(one) if one else (name, wave.name, NOT_STARTED, NONE, NONE, ""))
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def outcome(one: Ended) -> str:
    """`done`, `unchanged`, `offline`; of a failure the word for its exit code."""
    return one.code.name.lower() if one.outcome is Outcome.FAILED else str(one.outcome)


def restored(one: Ended) -> str:
    """What serves again."""
    back = one.result.restored if one.result else None
    return f"; revision {back} serves again" if back is not None else ""


def count(number: int) -> str:
    """`1 target`, `3 targets`."""
    return f"{number} target{'' if number == 1 else 's'}"


def counts(found: Rolled) -> dict[str, int]:
    """How many targets ended how."""
    told = {str(one): 0 for one in Outcome} | {"left": len(found.left)}
    for one in found.ended:
        told[str(one.outcome)] += 1
    return told


def message(found: Rolled) -> str:
    """All of it in one sentence: `web on 50 targets of edge: 45 done, 2 failed, 3 offline`."""
    told = [f"{number} {word}" for word, number in counts(found).items() if number and word != "left"]
    told += [f"{len(found.left)} not started"] if found.left else []
    made = found.fleet
    why = f"; {found.stopped}" if found.stopped else ""
    return f"{made.release} on {count(len(made.targets))} of {made.environment}: {', '.join(told)}{why}"


def hint(found: Rolled) -> str | None:
    """What to do next."""
    if found.code is ExitCode.OK:
        return None
    if found.code is ExitCode.PREFLIGHT:
        return "no target could be reached; see fleet.connectTimeout, the network and the kubeconfig"
    verb = f"deploy {found.fleet.verb} --env {found.fleet.environment}"
    if found.fleet.verb == "rollback":
        return f"`{verb} --target NAME` tries one of them again"
    return (
        f"mend the cause, then `{verb}` again: it does only what is left, targets that have it already stay as they are"
    )


def lines(found: Rolled) -> Iterator[str]:
    """How it ended."""
    yield from table(found)
    yield ""
    mark = {ExitCode.OK: "ok", ExitCode.PARTIAL: "partial", ExitCode.STOPPED: "stopped"}.get(found.code, "failed")
    yield f"{mark}: {message(found)} ({words.seconds(found.seconds)})"
    if found.image:
        yield f"image: {found.image.reference}"
    if told := hint(found):
        yield f"hint: {told}"


def summary(found: Rolled) -> Iterator[str]:
    """The same in Markdown, for the page of a CI job."""
    made = found.fleet
    yield f"### {'✅' if found.code is ExitCode.OK else '❌'} deploy {made.verb} {markup.plain(made.environment)}"
    yield ""
    yield markup.plain(message(found))
    yield ""
    yield "| target | wave | outcome | revision | time | cause |"
    yield "|---|---|---|---|---|---|"
    done = {one.target: one for one in found.ended}
    for wave in made.waves:
        for name in wave.targets:
            one = done.get(name)
            cells = _cells(one) if one else (name, wave.name, NOT_STARTED, NONE, NONE, "")
            yield "| " + " | ".join(markup.plain(" ".join(cell.split())) for cell in cells) + " |"
    if told := hint(found):
        yield ""
        yield f"**Next:** {markup.plain(told)}"


def plan(made: Fleet, image: Image | None, notes: Sequence[str]) -> Iterator[str]:
    """What would be done, a wave a line."""
    yield f"plan: {made.verb} {made.environment}: {made.release} on {count(len(made.targets))}"
    if image:
        yield f"  image {image.reference}" + ("" if image.digest else ", which would be built and pushed once")
    yield from (f"  {note}" for note in notes)
    yield (
        f"  {made.concurrency} at a time; {made.budget} failures are tolerated; "
        f"{made.retries} further tries; offline: {made.offline}"
    )
    for wave in made.waves:
        gate = {"budget": "", "healthy": ", then only if none failed", "ask": ", then only if a person agrees"}[
            wave.gate
        ]
        pause = f", {words.seconds(wave.pause)} of pause" if wave.pause else ""
        own = f", {wave.budget} failures are tolerated" if wave.budget is not None else ""
        yield f"  wave {wave.name}: {count(len(wave.targets))}{own}{pause}{gate}"
        yield f"    {', '.join(wave.targets)}"
    yield "nothing was touched"


def _cells(one: Ended) -> tuple[str, ...]:
    revision = one.result.revision if one.result else None
    back = one.result.restored if one.result else None
    number = NONE if revision is None else str(revision)
    cause = one.message if one.outcome in (Outcome.FAILED, Outcome.OFFLINE) else ""
    tried = f" ({one.tries} tries)" if one.tries > 1 else ""
    return (
        one.target,
        one.wave,
        outcome(one),
        f"{number}, back to {back}" if back is not None else number,
        words.seconds(one.seconds) + tried,
        cause,
    )
