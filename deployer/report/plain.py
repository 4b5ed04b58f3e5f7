"""For CI and pipes: a line when something changes, and nothing in between."""

import time
from collections.abc import Callable
from typing import assert_never

from deployer.health.verdict import Judgement
from deployer.report import diagnosis, words
from deployer.result import Diagnosed, Event, Finished, Line, Notice, Progress, Severity, Started


class Plain:
    """Tells a run line by line. `write` takes one line; `verbose` adds the output of the programs."""

    def __init__(self, write: Callable[[str], None], *, verbose: bool = False) -> None:
        self._write, self._verbose = write, verbose
        self._began = time.monotonic()
        self._said: dict[str, str] = {}

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def tell(self, event: Event) -> None:
        """One event, as a line or as silence."""
        match event:
            case Started(stage):
                self._line(f"{stage} …")
            case Line(stage, text):
                if self._verbose and text.strip():
                    self._line(f"{stage} | {text}")
            case Progress(judgement):
                self._progress(judgement)
            case Notice(text, severity):
                self._line(f"warning: {text}" if severity is Severity.WARNING else text)
            case Finished(stage, seconds, ok, note):
                word = "done" if ok else "FAILED"
                self._line(f"{stage} {word} in {words.seconds(seconds)}" + (f": {note}" if note else ""))
            case Diagnosed(found):
                for line in diagnosis.lines(found):
                    self._write(line)
            case _:
                assert_never(event)

    def _progress(self, judgement: Judgement) -> None:
        text = words.judgement(judgement)
        if self._said.get(str(judgement.workload)) != text:
            self._said[str(judgement.workload)] = text
            self._line(text)

    def _line(self, text: str) -> None:
        self._write(f"[{time.monotonic() - self._began:6.1f}s] {text}")
