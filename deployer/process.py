"""The only module that starts programs."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import IO

from deployer.errors import DeployError, Interrupted, PreflightError
from deployer.model import Command
from deployer.stop import Stop

TAIL = 40
"""Lines of a failed program's output that its error keeps."""

GRACE = 5.0
"""Seconds a program gets between SIGTERM and SIGKILL: helm needs them to mark its release failed.

GitLab kills a cancelled job 10 s after SIGTERM, GitHub 10 s after SIGINT: the lease is to be given back in that time.
"""


_LIFELINE = f"""
import os, signal, sys, time
ours = set()
for line in sys.stdin:
    number = int(line)
    ours.add(number) if number > 0 else ours.discard(-number)
def ended(number, what):
    try:
        os.killpg(number, what)
    except ProcessLookupError:
        return True
ours = [number for number in ours if not ended(number, signal.SIGTERM)]
time.sleep({GRACE} if ours else 0)
for number in ours:
    ended(number, signal.SIGKILL)
"""


class Lifeline:
    """Ends the programs of a run that was killed: else they would work on what nobody holds any more.

    It is a small process at the other end of a pipe. The pipe ends when we do, however that comes.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None  # started with the first program
        self._starting = threading.Lock()  # the targets of a fleet share one

    def __enter__(self) -> "Lifeline":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def start(self) -> None:
        """Be there before the program is: what takes time here would be time in which nothing ends it."""
        with self._starting:
            if self._process is None:
                self._process = subprocess.Popen(
                    (sys.executable, "-I", "-S", "-c", _LIFELINE),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )

    @contextmanager
    def tied(self, group: int) -> Iterator[None]:
        """While the block runs, this process group ends with us. Once started."""
        self._say(group)
        try:
            yield
        finally:
            self._say(-group)

    def _say(self, number: int) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # somebody has killed it: then it does no harm, and no good
            os.write(self._process.stdin.fileno(), b"%d\n" % number)


class ProgramFailed(DeployError):
    """A program ended with a code other than 0; `detail` is the end of its output."""

    def __init__(self, command: Command, code: int, tail: tuple[str, ...]) -> None:
        name = os.path.basename(command.argv[0])
        how = f"ended with code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        super().__init__(f"{name} {command.argv[1]} {how}", detail=tail)
        self.code = code  # -9 where it was killed by signal 9


@dataclass(frozen=True)
class Programs:
    """Programs under an environment of the run's own.

    `HELM_*` and `KUBECONFIG` of the surrounding job never reach a program, so they cannot redirect a deploy;
    nor do the variables that hold secrets, since what a program needs of them goes in on stdin.
    """

    environ: Mapping[str, str] = field(repr=False)
    secrets: frozenset[str] = frozenset()  # names of variables to withhold
    lifeline: Lifeline | None = None  # for deeds; what only asks may outlive us for its second
    stop: Stop | None = None  # for threads, which no signal reaches: where it comes, Interrupted is raised

    def run(self, command: Command, on_line: Callable[[str], None]) -> None:
        """Do something: both streams go to `on_line`. Raises ProgramFailed, or PreflightError if it is not there."""
        self._start(command, on_line, on_line)

    def read(
        self,
        command: Command,
        on_line: Callable[[str], None] = lambda line: None,
        hopeless: Callable[[], bool] | None = None,
    ) -> str:
        """Ask something: stdout is the answer, stderr goes to `on_line`. Raises as `run` does.

        Where `hopeless` becomes true the program is ended, and ProgramFailed raised.
        """
        answer: list[str] = []
        self._start(command, answer.append, on_line, hopeless)
        return "\n".join(answer)

    def attach(self, command: Command) -> int:
        """Let a person work in a program on our own terminal; its exit code. Raises PreflightError as `run` does."""
        environ = {**self._environment(), **command.env}
        try:
            return subprocess.run(command.argv, cwd=command.cwd, env=environ, check=False).returncode
        except FileNotFoundError:
            raise PreflightError(f"`{command.argv[0]}` is not installed or not on PATH") from None
        except PermissionError:
            raise PreflightError(f"`{command.argv[0]}` is not executable") from None

    def _start(
        self,
        command: Command,
        on_out: Callable[[str], None],
        on_err: Callable[[str], None],
        hopeless: Callable[[], bool] | None = None,
    ) -> None:
        tails = [deque[str](maxlen=TAIL) for _ in range(2)]
        if self.lifeline:
            self.lifeline.start()
        try:
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE if command.stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=command.cwd,
                env={**self._environment(), **command.env},
                text=True,
                encoding="utf-8",
                errors="replace",
                # A group of its own: Ctrl-C on a terminal reaches us alone, and we end helm politely.
                start_new_session=True,
            )
        except FileNotFoundError:
            raise PreflightError(f"`{command.argv[0]}` is not installed or not on PATH") from None
        except PermissionError:
            raise PreflightError(f"`{command.argv[0]}` is not executable") from None

        def follow(stream: IO[str], tell: Callable[[str], None], tail: deque[str]) -> None:
            with stream:
                for line in stream:
                    text = line.rstrip("\r\n")
                    tail.append(text)
                    tell(text)

        readers = [
            threading.Thread(target=follow, args=one, daemon=True)
            for one in zip((process.stdout, process.stderr), (on_out, on_err), tails, strict=True)
        ]
        with self.lifeline.tied(process.pid) if self.lifeline else nullcontext():
            try:
                for reader in readers:
                    reader.start()
                if process.stdin is not None:
                    # A program that ends before it read everything is judged by its exit code.
                    with suppress(BrokenPipeError), process.stdin:
                        process.stdin.write(command.stdin or "")
                code = self._wait(process, hopeless)
                for reader in readers:
                    reader.join()
            except BaseException:
                _end(process)
                raise
        if code != 0:
            raise ProgramFailed(command, code, (*tails[0], *tails[1])[-TAIL:])  # stderr has the last word: it says why

    def _wait(self, process: subprocess.Popen[str], hopeless: Callable[[], bool] | None) -> int:
        while hopeless or self.stop:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=0.1)
            if self.stop:
                self.stop.check()
            if hopeless and hopeless():
                _end(process)
        return process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self.environ.items()
            if not name.startswith("HELM_") and name != "KUBECONFIG" and name not in self.secrets
        }


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and its children: politely, then not. A signal to us meanwhile ends the politeness."""
    hurried: Interrupted | None = None
    for signal_number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        try:
            with suppress(ProcessLookupError):  # SIGKILL goes out in any case: a child may outlive a polite program
                os.killpg(process.pid, signal_number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=patience)
        except Interrupted as error:
            hurried = error
    if hurried:
        raise hurried
