"""For people at a terminal: stages with times, the present one alive. The only rich import."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import assert_never

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer.fleet import Ended, Paused, Said, Stopped, Told, Turn, Waved
from deployer.health.verdict import Judgement
from deployer.mask import Mask
from deployer.plan.fleet import Fleet, Outcome
from deployer.report import diagnosis, fleet, words
from deployer.result import Diagnosed, Event, Finished, Line, Measured, Notice, Progress, Severity, Started


class Terminal:
    """Shows a run on stderr. Finished stages scroll away as plain lines; the present one is redrawn."""

    def __init__(self, mask: Mask, *, verbose: bool = False) -> None:
        self._console, self._mask, self._verbose = Console(stderr=True), mask, verbose
        self._live = Live(console=self._console, transient=True, refresh_per_second=8)
        self._stage: Table | None = None
        self._last = ""
        self._workloads: dict[str, Judgement] = {}
        self._metrics: dict[str, str] = {}

    def __enter__(self) -> "Terminal":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, event: Event) -> None:
        """One event, on the screen."""
        match event:
            case Started(stage):
                self._last, self._workloads, self._metrics = "", {}, {}
                self._stage = Table.grid(padding=(0, 1))
                self._stage.add_row(Spinner("dots"), Text(stage, style="bold"))
            case Line(_, text):
                self._last = text.strip() or self._last
                if self._verbose:
                    self._print(Text(f"  {self._mask(text)}", style="dim"))
            case Progress(judgement):
                self._workloads[str(judgement.workload)] = judgement
            case Measured(reading, patience, left):
                row = f"{words.metric(reading, patience)}, {words.seconds(left)} to go"
                self._metrics[reading.name] = row
            case Notice(text, severity):
                style, word = ("yellow", "! ") if severity is Severity.WARNING else ("dim", "  ")
                self._print(Text(word + self._mask(text), style=style))
            case Finished(stage, seconds, ok, note):
                line = Text.assemble(
                    ("✓ " if ok else "✗ ", "green" if ok else "bold red"),
                    (f"{stage:<9}", "bold"),
                    (f"{words.seconds(seconds):>12}", "cyan"),
                    f"  {self._mask(note)}",
                )
                self._stage = None
                self._print(line)
            case Diagnosed(found):
                for text in diagnosis.lines(found):
                    self._print(Text(self._mask(text)))
            case _:
                assert_never(event)
        self._live.update(self._now())

    def _now(self) -> RenderableType:
        if self._stage is None:
            return Text("")
        rows = [Text(f"    {self._mask(words.judgement(j))}") for j in self._workloads.values()]
        rows += [Text(f"    {self._mask(row)}") for row in self._metrics.values()]
        last = (
            [Text(f"    {self._mask(self._last)}", style="dim", no_wrap=True, overflow="ellipsis")]
            if self._last
            else []
        )
        return Group(self._stage, *(rows or last))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


class FleetTerminal:
    """Shows many targets on stderr: those that are over scroll away, those at work are redrawn."""

    def __init__(self, made: Fleet, mask: Mask) -> None:
        self._made, self._console, self._mask = made, Console(stderr=True), mask
        self._live = Live(console=self._console, transient=True, refresh_per_second=4)
        self._telling = threading.Lock()
        self._doing: dict[str, str] = {}  # target at work: what it does
        self._counts: Counter[Outcome] = Counter()

    def __enter__(self) -> "FleetTerminal":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A person is asked meanwhile: nothing is drawn, since rich would eat the question and hide the cursor."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def tell(self, told: Told) -> None:
        """One event, on the screen."""
        with self._telling:
            self._tell(told)
            self._live.update(self._now())

    def _tell(self, told: Told) -> None:
        match told:
            case Waved(wave, number, of):
                self._print(
                    Text(f"wave {wave.name} ({number} of {of}): {fleet.count(len(wave.targets))}", style="bold")
                )
            case Turn(target, tries):
                self._doing[target] = "begins" if tries == 1 else f"try {tries}"
            case Said(target, event):
                self._said(target, event)
            case Ended():
                self._doing.pop(told.target, None)
                if told.final:
                    self._counts[told.outcome] += 1
                bad = told.outcome is Outcome.FAILED
                style = "bold red" if bad else "yellow" if told.outcome is Outcome.OFFLINE else "green"
                first, *rest = fleet.ended(told)
                self._print(
                    Text.assemble(("✗ " if bad else "✓ ", style), (told.target, "bold"), f" {self._mask(first)}")
                )
                for line in rest:
                    self._print(Text(f"    {self._mask(line)}"))
            case Paused(wave, seconds):
                self._print(Text(f"wave {wave} is over: {words.seconds(seconds)} of pause", style="dim"))
            case Stopped():
                self._print(Text(f"! {self._mask(fleet.stopped(told))}", style="yellow"))
            case _:
                assert_never(told)

    def _said(self, target: str, event: Event) -> None:
        match event:
            case Started(stage):
                self._doing[target] = stage
            case Progress(judgement):
                self._doing[target] = words.judgement(judgement)
            case Notice(text, Severity.WARNING):
                self._print(Text(f"! {target}: {self._mask(text)}", style="yellow"))
            case _:
                pass

    def _now(self) -> RenderableType:
        over = sum(self._counts.values())
        told = ", ".join(f"{number} {outcome}" for outcome, number in self._counts.items())
        rows = [Text(f"{over} of {fleet.count(len(self._made.targets))}{': ' * bool(told)}{told}", style="bold")]
        for target, doing in self._doing.items():
            text = Text.assemble(f"  {target} ", (self._mask(doing), "dim"), no_wrap=True, overflow="ellipsis")
            rows.append(text)
        return Group(*rows)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)
