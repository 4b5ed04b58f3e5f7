"""`make chaos ROUNDS=n`: `deploy` killed at every stage, and the next `up` has to put everything right.

Each stage is met twice a round, at a random moment within it: once `deploy` alone is killed (-9), once its children are
killed too. Afterwards a plain `up` must converge to healthy. STAGE=… takes the stages whose name has it, SEED=n the
same moments again. Not collected by `make test`.
"""

import atexit
import base64
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Project
from processes import CI, alive, end, job, kill, slowed, until

pytestmark = pytest.mark.lab

TTL = 5.0
GOOD = ("up", "--env", "dev", "--tag", "v1")
BAD = (*GOOD, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")
BUILD = ("up", "--env", "dev")
ROLLBACK = ("rollback", "--env", "dev", "--yes")

WRAPPER = """#!/bin/sh
# Says when a program begins and ends.
echo "begin $(basename PROGRAM) $1" >> MARKS
PROGRAM "$@"
code=$?
echo "end $(basename PROGRAM) $1" >> MARKS
exit $code
"""


@dataclass(frozen=True)
class Stage:
    """A moment to be killed in."""

    name: str
    verb: tuple[str, ...]
    since: str  # what a program or `deploy` says when it begins, or helm's word for the newest revision
    seconds: float  # the stage takes about that long


STAGES = (
    Stage("up: after the checks", GOOD, "end helm template", 0.4),
    Stage("up: mid build", BUILD, "begin docker buildx build", 1.0),
    Stage("up: mid push", BUILD, "begin docker push", 0.5),
    Stage("up: before helm", GOOD, "release …", 0.1),
    Stage("up: mid helm", GOOD, "pending-upgrade", 3.0),
    Stage("up: after helm", GOOD, "end helm upgrade", 0.2),
    Stage("up: mid watch", GOOD, "rollout …", 4.0),
    Stage("up: mid rollback", BAD, "pending-rollback", 3.0),
    Stage("canary: mid helm", GOOD, "pending-upgrade", 12.0),
    Stage("canary: mid step", GOOD, "canary 5% …", 8.0),
    Stage("canary: mid rollback", BAD, "pending-rollback", 3.0),
    Stage("rollback: before helm", ROLLBACK, "rollback …", 0.1),
    Stage("rollback: mid helm", ROLLBACK, "pending-rollback", 3.0),
    Stage("rollback: mid watch", ROLLBACK, "end helm rollback", 4.0),
)


@dataclass
class Wrapped:
    """The project with programs that say what they do."""

    project: Project
    folder: Path

    @property
    def marks(self) -> Path:
        return self.folder / "marks"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def said(self) -> str:
        """Everything so far."""
        return "".join(file.read_text() for file in (self.marks, self.log) if file.exists())

    def forget(self) -> None:
        """A new run begins."""
        for file in (self.marks, self.log):
            file.unlink(missing_ok=True)


@pytest.fixture
def wrapped(fault: Project, tmp_path: Path) -> Wrapped:
    made = Wrapped(fault, tmp_path / "wrapped")
    made.folder.mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    fault.environ["TMPDIR"] = str(temporary)
    tools = {}
    for name in ("helm", "docker"):
        file = made.folder / name
        text = WRAPPER.replace("PROGRAM", name).replace("MARKS", str(made.marks))
        file.write_text(text.replace('docker) $1"', 'docker) $1 $2"'))
        file.chmod(0o755)
        tools[name] = str(file)
    context = fault.folder / "small"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {os.environ['REGISTRY_URL']}/fault:v1\nCOPY stamp /stamp\n")
    fault.profile(
        "dev",
        tools=tools,
        image={"context": "small", "tag": "commit"},
        lock={"ttl": f"{TTL:.0f}s", "wait": "120s"},
        health={"soak": 0, "crashExits": 1, "crashGrace": 1},
        canary={"steps": [{"weight": 5, "pause": "1s"}, {"weight": 50, "pause": "1s"}]},
        values={
            "terminationGracePeriodSeconds": 1,
            "httpRoute": {
                "enabled": True,
                "parentRefs": [
                    {"name": os.environ["LAB_GATEWAY_NAME"], "namespace": os.environ["LAB_GATEWAY_NAMESPACE"]}
                ],
                "hostnames": [f"{fault.namespace}.example.com"],
            },
        },
    )
    slowed(fault, "pre-rollback")
    return made


def test_chaos(wrapped: Wrapped, capfd: pytest.CaptureFixture[str]) -> None:
    rounds = int(os.environ.get("ROUNDS", "1"))
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    chance = random.Random(seed)
    stages = [stage for stage in STAGES if os.environ.get("STAGE", "") in stage.name]
    runs = [(stage, children) for _ in range(rounds) for stage in stages for children in (False, True)]
    converged, rows = 0, []
    with capfd.disabled():
        print(f"\nseed {seed}; SEED={seed} makes the same moments again")
    first = wrapped.project.deploy(*GOOD, environ=CI)
    assert first.code == 0, first
    for number, (stage, children) in enumerate(runs):
        left, seconds, trouble = _one(wrapped, stage, children, number, chance)
        converged += not trouble
        rows.append(trouble)
        with capfd.disabled():
            how = "with its children" if children else "alone"
            print(f"{stage.name:<24}{how:<18}{left:<42}{seconds:>5.1f} s  {trouble or 'converged'}", flush=True)
    atexit.register(print, f"{converged} of {len(runs)} runs converged")  # the last word, after pytest's
    assert converged == len(runs), [row for row in rows if row]


def _one(wrapped: Wrapped, stage: Stage, children: bool, number: int, chance: random.Random) -> tuple[str, float, str]:
    """Kill one run, then let another mend it: what was left, the seconds the mending took, and what was wrong."""
    project = wrapped.project
    if stage.verb == BUILD:
        (project.folder / "small" / "stamp").write_text(f"{time.time_ns()}\n")
        project.git("add", ".")
        project.git("commit", "-q", "-m", f"Run {number}")
    verb = stage.verb if stage.verb == ROLLBACK else (*stage.verb, "--set", f"env.RUN={number}")
    wrapped.forget()
    project.profile("dev", strategy="canary" if stage.name.startswith("canary") else "rolling")
    hook = slowed(project, "pre-upgrade") if stage.since == "pending-upgrade" else None
    process = job(project, *verb, log=wrapped.log)
    try:
        until(lambda: _begun(wrapped, stage) or process.poll() is not None, stage.since)
        until(_passed(chance.uniform(0, stage.seconds)), "the moment")
        over = process.poll() is not None
    finally:
        left = kill(process, children=children)
        if hook:
            hook.unlink()
    state = "over already" if over else _state(project)
    try:
        files = _temporary(project)
        began = time.monotonic()
        done = project.deploy(*GOOD, "--set", f"env.RUN=after{number}", environ=CI)
        return state, time.monotonic() - began, files or _wrong(project, done)
    finally:
        until(lambda: not any(map(alive, left)), "the end of its children", 60)
        end(left)


def _begun(wrapped: Wrapped, stage: Stage) -> bool:
    if stage.since.startswith("pending-"):
        return _history(wrapped.project)[-1] == stage.since
    return stage.since in wrapped.said()


def _passed(seconds: float) -> Callable[[], bool]:
    moment = time.monotonic() + seconds
    return lambda: time.monotonic() >= moment


def _history(project: Project) -> list[str]:
    labels = [item["metadata"].get("labels", {}) for item in project.objects("secrets")]
    return [
        one["status"]
        for one in sorted((one for one in labels if one.get("owner") == "helm"), key=lambda one: int(one["version"]))
    ]


def _state(project: Project) -> str:
    held = "lease held" if project.objects("leases") else "no lease"
    return f"{_history(project)[-1]}, {held}"


def _temporary(project: Project) -> str:
    """What secret is on disk after the kill; then the folder is empty again."""
    password = os.environ["REG_PASS"]
    login = base64.b64encode(f"{os.environ['REG_USER']}:{password}".encode()).decode()
    folder = Path(project.environ["TMPDIR"])
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    texts = {file.name: file.read_bytes().decode(errors="replace") for file in files}
    shutil.rmtree(folder)
    folder.mkdir()
    return next(
        (f"a secret was left in {name}" for name, text in texts.items() if password in text or login in text), ""
    )


def _wrong(project: Project, done: Any) -> str:
    """What is not as it should be after the run that mends."""
    if done.code != 0:
        return f"exit {done.code}: {(done.err + done.out)[-600:]}"
    if pending := [status for status in _history(project) if status not in ("deployed", "superseded", "failed")]:
        return f"left {pending}"
    if _history(project)[-1] != "deployed" or _history(project).count("deployed") != 1:
        return f"history {_history(project)}"
    if project.objects("leases"):
        return "the lease is still there"
    if (found := [one["metadata"]["name"] for one in project.objects("deployments")]) != ["web"]:
        return f"deployments {found}"
    status = json.loads(project.kubectl("get", "deployment", "web", "--output", "json"))["status"]
    if status.get("readyReplicas") != 2 or status.get("updatedReplicas") != 2:
        return f"not ready: {status}"
    return ""
