"""Every row of docs/exit-codes.md, reached by a command as a job runs it."""

import json
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from between import Answer, Between, times
from conftest import ROOT, Deployed, Project, smaller
from waiting import until

pytestmark = pytest.mark.lab

JSON = ("--output", "json")
UP = ("up", "--env", "dev", "--tag", "v1", *JSON)
CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")
ROWS = {
    int(code): outcome
    for code, outcome in re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
}


def ok(project: Project) -> Deployed:
    return project.deploy(*UP)


def failed(project: Project) -> Deployed:
    """helm does not take over what is somebody else's."""
    project.kubectl("create", "service", "clusterip", "web", "--tcp=80")
    return project.deploy(*UP)


def usage(project: Project) -> Deployed:
    return project.deploy("up", "--env", "nope", *JSON)


def preflight(project: Project) -> Deployed:
    return project.deploy(*UP, environ={"REG_PASS": "wrong-password"})


def build(project: Project) -> Deployed:
    with open(project.folder / "service" / "main.go", "a") as file:
        file.write("func broken( {\n")
    return project.deploy("up", "--env", "dev", *JSON)


def unhealthy(project: Project) -> Deployed:
    return project.deploy(*UP, *CRASH)


def deadline(project: Project) -> Deployed:
    """Ready, but not long enough to be available."""
    _deployment(project, minReadySeconds=500)
    return project.deploy("verify", "deployment/slow", *_where(project), "--timeout", "5s", *JSON)


def indeterminate(project: Project) -> Deployed:
    file = Path(project.environ["DEPLOY_KUBECONFIG"])
    file.write_text(re.sub(r":6443\b", ":6444", file.read_text()))
    return project.deploy("verify", "deployment/web", *_where(project), "--timeout", "5s", *JSON)


def paused(project: Project) -> Deployed:
    assert project.deploy(*UP).code == 0
    project.kubectl("rollout", "pause", "deployment/web")
    project.kubectl("set", "env", "deployment/web", "VERSION=v2")
    return _settled(project, 8)


def drifted(project: Project) -> Deployed:
    assert project.deploy(*UP).code == 0
    project.kubectl("scale", "deployment/web", "--replicas=1")
    return _settled(project, 9)


def locked(project: Project) -> Deployed:
    project.profile("dev", lock={"wait": "1s"})
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "deploy.web", "annotations": {"deploy/actor": "ann", "deploy/verb": "up"}},
        "spec": {"holderIdentity": "x", "leaseDurationSeconds": 600, "acquireTime": now, "renewTime": now},
    }
    project.kubectl("create", "-f", "-", stdin=json.dumps(lease))
    return project.deploy(*UP)


def changes(project: Project) -> Deployed:
    return project.deploy("plan", "--env", "dev", "--tag", "v1", *JSON)


def kept(project: Project) -> Deployed:
    return project.deploy("init", "--ci", "github", *JSON)


def partial(project: Project) -> Deployed:
    return _fleet(project, budget=1)


def stopped(project: Project) -> Deployed:
    return _fleet(project, budget=0)


def refused(project: Project) -> Deployed:
    return _pushed(project, Answer(403, '{"errors": [{"code": "DENIED", "message": "this account only reads"}]}'))


def unavailable(project: Project) -> Deployed:
    return _pushed(project, Answer(503))


def full(project: Project) -> Deployed:
    return _pushed(project, Answer(507))


def interrupted(project: Project) -> Deployed:
    return _stopped(project, signal.SIGINT)


def terminated(project: Project) -> Deployed:
    return _stopped(project, signal.SIGTERM)


CASES: dict[int, Callable[[Project], Deployed]] = {
    0: ok,
    1: failed,
    2: usage,
    3: preflight,
    4: build,
    5: unhealthy,
    6: deadline,
    7: indeterminate,
    8: paused,
    9: drifted,
    10: locked,
    11: changes,
    12: kept,
    13: partial,
    14: stopped,
    15: refused,
    16: unavailable,
    17: full,
    130: interrupted,
    143: terminated,
}


def test_every_row_has_a_command() -> None:
    assert {code: case.__name__ for code, case in CASES.items()} == ROWS


@pytest.mark.parametrize("code", CASES, ids=lambda code: f"{code}-{CASES[code].__name__}")
def test_a_command_ends_with_its_code(fault: Project, code: int) -> None:
    done = CASES[code](fault)
    assert done.code == code, done
    assert (done.json["outcome"], done.json["exitCode"]) == (ROWS[code], code), done


def _fleet(project: Project, budget: int) -> Deployed:
    """Two targets, of which one leads to a namespace that is not there."""
    targets = [{"name": "good", "namespace": project.namespace}, {"name": "lost", "namespace": "not-there"}]
    project.profile("dev", targets=targets, fleet={"failureBudget": budget, "retries": 0})
    return project.deploy(*UP)


def _pushed(project: Project, answer: Answer) -> Deployed:
    """To a registry that answers so when it gets a layer."""
    host, port = os.environ["REGISTRY_URL"].split(":")
    between = Between("registry", f"{host}:{port}")
    between.script = times(10**6, answer, lambda asked: "/blobs/uploads/" in asked.path)
    project.environ["REGISTRY_URL"] = f"{host}:{between.server_port}"
    try:
        return smaller(project).deploy("build", "--env", "dev", *JSON)
    finally:
        between.shutdown()
        between.server_close()


def _where(project: Project) -> tuple[str, ...]:
    return ("-n", project.namespace, "--context", "dev", "--kubeconfig", project.environ["DEPLOY_KUBECONFIG"])


def _deployment(project: Project, **spec: object) -> None:
    """Somebody's own, beside the release."""
    labels = {"app": "slow"}
    container = {"name": "slow", "image": f"{os.environ['REGISTRY_URL']}/fault:v1"}
    login = json.dumps({"auths": {os.environ["REGISTRY_URL"]: {k: os.environ[v] for k, v in _LOGIN.items()}}})
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": login},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "slow"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "imagePullSecrets": [{"name": "pull"}]},
            },
            **spec,
        },
    }
    for item in (secret, deployment):
        project.kubectl("create", "-f", "-", stdin=json.dumps(item))


_LOGIN = {"username": "REG_USER", "password": "REG_PASS"}


def _settled(project: Project, code: int) -> Deployed:
    """The status, once the cluster has caught up with what was done to it."""
    found: list[Deployed] = []

    def settled() -> bool:
        found[:] = [project.deploy("status", "--env", "dev", "--fail-on-drift", *JSON)]
        return found[0].code == code

    until(settled, f"exit code {code}", seconds=180, told=lambda: str(found[0]))
    return found[0]


def _stopped(project: Project, number: signal.Signals) -> Deployed:
    """Stopped while it watches."""
    _deployment(project, minReadySeconds=500)
    process = project.start("verify", "deployment/slow", *_where(project), "--timeout", "5m", *JSON)
    try:
        assert process.stderr
        told = process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return Deployed(process.returncode, out, told + err)
