"""Environments of many targets on the lab's fleet clusters: namespaces of a test's own, spread over three contexts."""

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Deployed, Project, run
from processes import descendants


def kubectl(context: str, *argv: str, stdin: str | None = None, check: bool = True) -> str:
    """kubectl as the administrator of one of the clusters."""
    kubeconfig = os.environ["FLEET_ADMIN_KUBECONFIG"]
    return run("kubectl", "--kubeconfig", kubeconfig, "--context", context, *argv, stdin=stdin, check=check).stdout


@dataclass
class Edge:
    """A project with an environment `edge` of many targets."""

    project: Project
    targets: dict[str, dict[str, Any]]  # by name, as the profile has them

    def deploy(self, verb: str, *argv: str, environ: dict[str, str] | None = None) -> Deployed:
        """Run `deploy` on it, as a job would."""
        return self.project.deploy(verb, "--env", "edge", *argv, environ=environ)

    def up(self, *argv: str) -> tuple[int, dict[str, Any], Deployed]:
        """`deploy up` with JSON: the code, the targets by name, and all of it."""
        done = self.deploy("up", "--tag", "v1", "--output", "json", *argv)
        return done.code, {one["target"]: one for one in done.json.get("targets", ())}, done

    def profile(self, **sections: Any) -> None:
        """Lay sections over the environment's profile."""
        self.project.profile("edge", **sections)

    def write(self) -> None:
        """Write the targets down."""
        file = self.project.folder / "environments" / "edge.targets.yaml"
        file.write_text(yaml.safe_dump({"targets": list(self.targets.values())}, sort_keys=False))

    def kubectl(self, target: str, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl in the namespace of a target."""
        one = self.targets[target]
        return kubectl(one["context"], "--namespace", one["namespace"], *argv, stdin=stdin, check=check)

    def replicas(self, target: str) -> dict[str, Any]:
        """The deployment of a target."""
        found: dict[str, Any] = json.loads(self.kubectl(target, "get", "deployment", "web", "--output", "json"))
        return found

    def running(self, target: str) -> str:
        """What RUN is in the pods that a target's deployment makes now; empty where there is none."""
        container = self.replicas(target)["spec"]["template"]["spec"]["containers"][0]
        names = {one["name"]: one.get("value", "") for one in container.get("env", ())}
        return names.get("RUN", "")

    def leases(self) -> list[str]:
        """Leases that are left anywhere."""
        found = []
        for context in os.environ["FLEET_CONTEXTS"].split():
            items = json.loads(kubectl(context, "get", "leases", "--all-namespaces", "--output", "json"))["items"]
            ours = {one["namespace"] for one in self.targets.values()}
            found += [one["metadata"]["namespace"] for one in items if one["metadata"]["namespace"] in ours]
        return found


@contextmanager
def edge(project: Project, repository: str, count: int, *, away: int = 0) -> Iterator[Edge]:
    """An environment of so many targets; the last ones of them lead to nobody."""
    if "FLEET_KUBECONFIG" not in os.environ:
        pytest.skip("the fleet is not there: make fleet brings it up")
    contexts = os.environ["FLEET_CONTEXTS"].split()
    word = secrets.token_hex(3)
    targets: dict[str, dict[str, Any]] = {}
    for number in range(1, count + 1):
        name = f"edge-{number:02}"
        lost = number > count - away
        context = os.environ["FLEET_AWAY"] if lost else contexts[number % len(contexts)]
        region = ("north", "south")[number % 2]
        targets[name] = {
            "name": name,
            "labels": {"region": region, "site": name},
            "context": context,
            "namespace": f"f-{word}-{number:02}",
        }
    made = Edge(project, targets)
    made.write()
    (project.folder / "environments" / "edge.yaml").write_text(
        yaml.safe_dump(
            {
                "target": {"kubeconfig": os.environ["FLEET_KUBECONFIG"]},
                "image": {"repository": repository},
                "release": {"timeout": "90s"},
                "health": {"placement": 3},
                "lock": {"wait": "60s", "ttl": "10s"},
                "fleet": {"concurrency": 4, "connectTimeout": "2s", "retries": 0},
                "values": {"replicaCount": 1, "env": {"VERSION": "v1"}},
            }
        )
    )
    for context in contexts:
        names = [one["namespace"] for one in targets.values() if one["context"] == context]
        items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
        kubectl(context, "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    try:
        yield made
    finally:
        for context in contexts:
            names = [one["namespace"] for one in targets.values() if one["context"] == context]
            kubectl(context, "delete", "namespace", *names, "--wait=false", check=False)


@dataclass
class Sampled:
    """What a run used at most, looked at many times a second."""

    helms: int = 0  # helm programs at once
    processes: int = 0  # all of its children at once
    memory: int = 0  # KiB of the run itself, resident, at its peak
    threads: int = 0
    children: int = 0  # KiB of all its children together
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self, pid: int) -> None:
        """Until it is over."""
        while not self._over.wait(0.05):
            below = descendants(pid)
            names = [Path(_link(one)).name for one in below]
            self.helms = max(self.helms, sum(name.startswith("helm") for name in names))
            self.processes = max(self.processes, len(below))
            status = _status(pid)
            self.memory = max(self.memory, status.get("VmHWM", 0))
            self.threads = max(self.threads, status.get("Threads", 0))
            self.children = max(self.children, sum(_status(one).get("VmRSS", 0) for one in below))


def _link(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name: int(value.split()[0]) for name, value in pairs if value.split() and value.split()[0].isdigit()}


@contextmanager
def sampled(process: "subprocess.Popen[str]") -> Iterator[Sampled]:
    """Look at a run while the block lasts."""
    found = Sampled()
    thread = threading.Thread(target=found.look, args=(process.pid,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found._over.set()
        thread.join()


def outcomes(targets: dict[str, dict[str, Any]], names: Sequence[str] = ()) -> dict[str, int]:
    """How many ended how."""
    found: dict[str, int] = {}
    for name, one in targets.items():
        if not names or name in names:
            found[one["outcome"]] = found.get(one["outcome"], 0) + 1
    return found


def timed(edge: Edge, *argv: str) -> tuple[float, Sampled, int, dict[str, Any]]:
    """`deploy up` to its end: seconds, what it used, its code and its document."""
    began = time.monotonic()
    process = edge.project.start("up", "--env", "edge", "--tag", "v1", "--output", "json", *argv)
    with sampled(process) as used:
        out, err = process.communicate(timeout=900)
    seconds = time.monotonic() - began
    assert "Traceback" not in err, err
    return seconds, used, process.returncode, json.loads(out)
