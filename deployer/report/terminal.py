"""For people at a terminal: stages with times, the present one alive. The only rich import."""

from types import TracebackType
from typing import assert_never

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer.health.verdict import Judgement
from deployer.mask import Mask
from deployer.report import diagnosis, words
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
