"""For CI and pipes: a line when something changes, and nothing in between."""

import threading
import time
from collections.abc import Callable
from typing import Literal, assert_never

from deployer.health.verdict import Judgement
from deployer.metrics.judge import Reading
from deployer.report import diagnosis, words
from deployer.report.folds import Fold
from deployer.result import Diagnosed, Event, Finished, Line, Measured, Notice, Progress, Severity, Started


class Plain:
    """Tells a run line by line. `write` takes one line; `verbose` adds the output of the programs.

    `platform`: the CI system whose log folds that output away.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        verbose: bool = False,
        platform: Literal["github", "gitlab", "ci", ""] = "",
    ) -> None:
        self._write, self._verbose, self._platform = write, verbose, platform
        self._began = time.monotonic()
        self._said: dict[str, str] = {}
        self._telling = threading.Lock()  # helm and the watch beside it tell at once
        self._fold: Fold | None = None
        self._folds = 0

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def tell(self, event: Event) -> None:
        """One event, as a line or as silence."""
        with self._telling:
            if isinstance(event, Line):
                self._output(event)
            else:
                self._tell(event)

    def _tell(self, event: Started | Progress | Measured | Notice | Finished | Diagnosed) -> None:
        match event:
            case Started(stage):
                self._line(f"{stage} …")
            case Progress(judgement):
                self._progress(judgement)
            case Measured(reading, patience, _):
                self._metric(reading, patience)
            case Notice(text, severity):
                self._line(f"warning: {text}" if severity is Severity.WARNING else text)
            case Finished(stage, seconds, ok, note):
                word = "done" if ok else "FAILED"
                self._line(f"{stage} {word} in {words.seconds(seconds)}" + (f": {note}" if note else ""))
            case Diagnosed(found):
                self._close()
                for line in diagnosis.lines(found):
                    self._write(line)
            case _:
                assert_never(event)

    def _output(self, line: Line) -> None:
        if not self._verbose or not line.text.strip():
            return
        if self._fold is None or self._fold.stage != line.stage:
            self._close()
            self._folds += 1
            self._fold = Fold(self._platform, line.stage, self._folds)
            if opened := self._fold.opened(time.time()):
                self._write(opened)
        self._timed(f"{line.stage} | {line.text}")

    def _close(self) -> None:
        if self._fold and (closed := self._fold.closed(time.time())):
            self._write(closed)
        self._fold = None

    def _progress(self, judgement: Judgement) -> None:
        text = words.judgement(judgement)
        if self._said.get(str(judgement.workload)) != text:
            self._said[str(judgement.workload)] = text
            self._line(text)

    def _metric(self, reading: Reading, patience: int) -> None:
        """A line where it begins, where a breach begins, goes on or is over, and where there is no answer."""
        state = f"{reading.breaches} {reading.unanswered > 0} {reading.value is None}"
        if self._said.get(f"metric {reading.name}") != state:
            self._said[f"metric {reading.name}"] = state
            self._line(words.metric(reading, patience))

    def _line(self, text: str) -> None:
        self._close()
        self._timed(text)

    def _timed(self, text: str) -> None:
        self._write(f"[{time.monotonic() - self._began:6.1f}s] {text}")
