"""Start and end programs by recorded id: a pid with its start time, so that no other process is taken for ours."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import place

_STARTED: list[subprocess.Popen[bytes]] = []
"""Held, since Python complains of a child that outlives its handle, and these are meant to outlive us."""


class PartFailed(Exception):
    """A part did not come up; the message says why, `log` names the program whose log tells more."""

    def __init__(self, message: str, log: str | None = None) -> None:
        super().__init__(message)
        self.log = log


def start(name: str, argv: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None) -> None:
    """Start a program in the background, unless it runs already; its output goes to the lab's log folder."""
    if alive(name):
        return
    place.LOGS.mkdir(parents=True, exist_ok=True)
    place.PIDS.mkdir(parents=True, exist_ok=True)
    with open(place.LOGS / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            cwd="/",
        )
    _STARTED.append(process)
    born = _born(process.pid)
    if born is None:
        raise PartFailed(f"{name} ended at once", name)
    (place.PIDS / f"{name}.json").write_text(json.dumps({"pid": process.pid, "born": born}))


def alive(name: str) -> bool:
    """Whether the program that was recorded under this name still runs."""
    return _pid(name) is not None


def started(name: str) -> float:
    """When the program that was recorded under this name was started, in seconds since the epoch."""
    return (place.PIDS / f"{name}.json").stat().st_mtime


def stop(name: str, patience: float = 10) -> None:
    """End a program: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = _pid(name)
        if pid is None:
            break
        os.kill(pid, number)
        until = time.monotonic() + patience
        while _pid(name) is not None and time.monotonic() < until:
            _reap(pid)
            time.sleep(0.02)
    (place.PIDS / f"{name}.json").unlink(missing_ok=True)


@contextmanager
def halted(name: str) -> Iterator[None]:
    """Keep a program from doing anything for as long as this lasts (SIGSTOP, SIGCONT). Raises PartFailed without one.

    A shell of its own lets it go on: also where we are killed meanwhile, which ends the shell's input.
    """
    pid = _pid(name)
    if pid is None:
        raise PartFailed(f"{name} does not run", name)
    script = "trap '' HUP INT TERM; kill -STOP $0 && echo halted; read -r _; kill -CONT $0"
    argv = ("sh", "-c", script, str(pid))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout
        if not shell.stdout.readline():
            raise PartFailed(f"{name} could not be halted", name)
        yield


def recorded() -> list[str]:
    """Names of all programs that were started, the newest first."""
    files = sorted(place.PIDS.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [file.stem for file in files]


def run(*argv: str | os.PathLike[str], stdin: str | bytes | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; its stdout. Raises PartFailed with the end of its stderr."""
    done = subprocess.run(
        [str(part) for part in argv],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    if done.returncode != 0:
        end = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-30:]
        raise PartFailed(f"{' '.join(map(str, argv[:4]))} … ended with {done.returncode}:\n" + "\n".join(end))
    return done.stdout.decode(errors="replace")


def fetch(*argv: str | os.PathLike[str], env: Mapping[str, str] | None = None) -> str:
    """Run a program that asks the network: a mirror that stumbles is asked three times. Raises as `run` does."""
    for pause in (5, 20):
        try:
            return run(*argv, env=env)
        except PartFailed:
            time.sleep(pause)
    return run(*argv, env=env)


def attempt(*argv: str | os.PathLike[str]) -> bool:
    """Run a program whose failure is an answer."""
    return subprocess.run([str(part) for part in argv], capture_output=True, check=False).returncode == 0


def until(what: str, ready: Callable[[], bool], *, seconds: float, needs: Sequence[str] = ()) -> None:
    """Wait until something is true. Raises PartFailed at the deadline, or at once where a needed program has ended."""
    deadline = time.monotonic() + seconds
    while not ready():
        for name in needs:
            if not alive(name):
                raise PartFailed(f"{name} ended while waiting for {what}", name)
        if time.monotonic() > deadline:
            raise PartFailed(f"{what} did not come in {seconds:.0f} s", needs[0] if needs else None)
        time.sleep(0.1)


def _pid(name: str) -> int | None:
    try:
        record = json.loads((place.PIDS / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    pid: int = record["pid"]
    return pid if _born(pid) == record["born"] else None


def _born(pid: int) -> str | None:
    """Clock ticks from boot to the process' start; None where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{fields[19]}@{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"


def _reap(pid: int) -> None:
    for process in _STARTED:
        if process.pid == pid:
            process.poll()
