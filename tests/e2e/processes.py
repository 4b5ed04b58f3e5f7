"""Processes of the tests: started, watched, killed with or without their children."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from string import Template

from conftest import Project

CI = {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ann", "CI_JOB_URL": "https://gitlab.example/shop/-/jobs/7"}

HOOK = Template("""apiVersion: batch/v1
kind: Job
metadata:
  name: slow-$moment
  annotations: {"helm.sh/hook": $moment, "helm.sh/hook-delete-policy": before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      imagePullSecrets: [{ name: registry }]
      containers:
        - { name: slow, image: "$registry/fault:v1", env: [{ name: RUN_FOR, value: ${seconds}s }] }
""")


def until(true: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Await a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def job(project: Project, *argv: str, log: Path | None = None, **environ: str) -> "subprocess.Popen[str]":
    """Start `deploy` as a CI job: nobody at a terminal. With `log`, both streams go there, to be read meanwhile."""
    stream = log.open("w") if log else subprocess.PIPE
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "deployer", *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            text=True,
            cwd=project.folder,
            env={**project.environ, **CI, **environ},
        )
    finally:
        if log:
            stream.close()  # type: ignore[union-attr]  # a file


def descendants(pid: int) -> list[int]:
    """All children of a process and theirs, deepest last; they may sit in sessions of their own."""
    found: list[int] = []
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split():
        found += [int(child), *descendants(int(child))]
    return found


def kill(process: "subprocess.Popen[str]", *, children: bool) -> list[int]:
    """SIGKILL, alone or with all its children; what is left running."""
    below = descendants(process.pid)
    process.kill()
    if children:
        for pid in below:
            _kill(pid)
    process.communicate(timeout=30)
    return [] if children else below


def end(pids: list[int]) -> None:
    """Kill what a test has left running."""
    for pid in pids:
        _kill(pid)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def slowed(project: Project, moment: str, seconds: int = 4) -> Path:
    """Keep helm busy for so long at that moment, a hook's name such as pre-upgrade; the file of the chart.

    Without it helm is through with these charts in a tenth of a second, and nothing would ever be pending.
    """
    file = project.folder / "chart" / "templates" / f"{moment}.yaml"
    file.write_text(HOOK.substitute(moment=moment, seconds=seconds, registry=os.environ["REGISTRY_URL"]))
    return file
