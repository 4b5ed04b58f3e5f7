"""A job's own folders and processes: fresh, watched, cancelled as its platform does it, and cleared away."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

TRACK = "RUNNER_TRACKING_ID"
"""A variable of every process of a job, by which GitHub's runner finds those that outlive it. Here it does for both."""

STREAMS = 5.0
"""Seconds that a runner waits for the output of a program's children when the program itself has ended."""


@dataclass(frozen=True)
class Cancelling:
    """How a platform tells a job to end: each signal and its seconds, then SIGKILL."""

    signals: tuple[tuple[signal.Signals, float], ...]
    reach: Literal["process", "group", "container"]


GITHUB = Cancelling(((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5)), "process")
"""actions/runner, ProcessInvoker.cs: the process of the step is told, and none of its children."""

GITLAB = {
    "shell": Cancelling(((signal.SIGTERM, 600.0),), "group"),
    "docker": Cancelling(((signal.SIGTERM, 10.0),), "container"),
}
"""gitlab-runner. shell: the script's process group. docker: every process in the container but the first, which has no
handler and so does not see it; when that one ends, the container does, and all that is in it."""


@dataclass
class Workplace:
    """One job's place. `folder` holds home/, work/ (the clone), temp/ (of the runner), tmp/ (TMPDIR) and the log."""

    folder: Path
    track: str
    cancelling: Cancelling
    stop: Callable[[str], bool]  # the log so far → whether to cancel now
    hidden: Callable[[str], bool] = lambda line: False  # lines that are for the runner, and never in its log
    cancelled: bool = False
    orphans: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("home", "work", "temp", "tmp"):
            (self.folder / name).mkdir(parents=True)

    @property
    def home(self) -> Path:
        """HOME."""
        return self.folder / "home"

    @property
    def work(self) -> Path:
        """The clone."""
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP, and where GitLab keeps variables that are files: cleared when the job is over."""
        return self.folder / "temp"

    @property
    def log(self) -> str:
        """What the job has said, unmasked: a stand-in hides nothing that the program did not hide itself."""
        return "".join(f"{line}\n" for line in list(self._lines))

    def say(self, text: str) -> None:
        """A line of the runner's own."""
        self._lines.append(text)

    def environ(self, machine: Mapping[str, str]) -> dict[str, str]:
        """The variables that every program of the job has."""
        return {**machine, "HOME": str(self.home), "TMPDIR": str(self.folder / "tmp"), TRACK: self.track}

    def run(self, argv: Sequence[str], environ: Mapping[str, str], work: Path | None = None) -> int:
        """A program to its end, or to the end that cancelling makes of it; its exit code."""
        process = subprocess.Popen(
            argv,
            cwd=work or self.work,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                if not self.cancelled and self.stop(self.log):
                    self._cancel(process)
                time.sleep(0.1)
        except BaseException:
            self.clear()
            raise
        if self.cancelled and self.cancelling.reach == "container":
            self.clear()
        reader.join(self.cancelling.signals[-1][1] if self.cancelling.reach == "group" else STREAMS)
        return process.returncode

    def clear(self) -> None:
        """Kill what is left of the job."""
        for pid in self._processes():
            with suppress(OSError):
                self.orphans.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.orphans:
            self.say(f"killed what was left running: {self.orphans}")

    def left(self) -> tuple[str, ...]:
        """Files in TMPDIR."""
        return tuple(str(one.relative_to(self.folder)) for one in sorted((self.folder / "tmp").rglob("*")))

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                text = line.rstrip("\n")
                if not self.hidden(text):
                    self._lines.append(text)

    def _cancel(self, process: "subprocess.Popen[str]") -> None:
        self.cancelled = True
        self.say("the run is cancelled")
        for number, seconds in self.cancelling.signals:
            self.say(f"{number.name} to the {self.cancelling.reach}")
            self._signal(process, number)
            deadline = time.monotonic() + seconds
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if process.poll() is not None:
                return
        self.say("SIGKILL")
        self.clear()

    def _signal(self, process: "subprocess.Popen[str]", number: signal.Signals) -> None:
        match self.cancelling.reach:
            case "process":
                process.send_signal(number)
            case "group":
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            case "container":
                for pid in self._processes():
                    if pid != process.pid:
                        with suppress(ProcessLookupError):
                            os.kill(pid, number)

    def _processes(self) -> list[int]:
        return [pid for pid in _all() if self._is_mine(pid)]

    def _is_mine(self, pid: int) -> bool:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            return f"{TRACK}={self.track}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False


def _all() -> Iterable[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
