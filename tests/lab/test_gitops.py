"""The git server and Argo CD of the lab are what they say they are: `make gitops`."""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

PATIENCE = 180.0
"""Seconds for what takes two on a machine that has nothing else to do."""


def run(*argv: str | Path, stdin: str | None = None, check: bool = True, **environ: str) -> str:
    done = subprocess.run(
        [str(one) for one in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **environ},
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout if check else done.stdout + done.stderr


def admin(*argv: str, stdin: str | None = None) -> str:
    return run("kubectl", "--kubeconfig", os.environ["LAB_ADMIN_KUBECONFIG"], *argv, stdin=stdin)


def login(user: str, password: str) -> dict[str, str]:
    """The environment in which git logs in as a user; the password is in no argument and in no file."""
    helper = '!f() { echo "username=$LOGIN_USER"; echo "password=$LOGIN_PASSWORD"; }; f'
    return {
        "LOGIN_USER": user,
        "LOGIN_PASSWORD": password,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": helper,
    }


def writer() -> dict[str, str]:
    return login(os.environ["LAB_GIT_USERNAME"], os.environ["LAB_GIT_PASSWORD"])


def reader() -> dict[str, str]:
    return login(os.environ["LAB_GIT_READER"], os.environ["LAB_GIT_READER_PASSWORD"])


@dataclass
class Repository:
    """A repository of the git server, and a clone of it with one commit."""

    url: str
    clone: Path

    def commit(self, message: str, *how: str) -> str:
        """Commit what is in the clone; its sha."""
        run("git", "-C", self.clone, "add", ".")
        run("git", "-C", self.clone, "commit", "--quiet", "--message", message, *how)
        return run("git", "-C", self.clone, "rev-parse", "HEAD").strip()

    def push(self, *how: str) -> None:
        run("git", "-C", self.clone, "push", "--quiet", *how, "origin", "main", **writer())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    name = f"t-{secrets.token_hex(4)}"
    bare = Path(os.environ["LAB_GIT_ROOT"], f"{name}.git")
    run("git", "init", "--quiet", "--bare", "--initial-branch", "main", bare)
    made = Repository(f"{os.environ['LAB_GIT_URL']}/{name}.git", tmp_path / "clone")
    run("git", "clone", "--quiet", made.url, made.clone, **writer())
    run("git", "-C", made.clone, "config", "user.name", "Team")
    run("git", "-C", made.clone, "config", "user.email", "team@example.com")
    (made.clone / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 1.0.0\n")
    (made.clone / "values.yaml").write_text("word: first\n")
    (made.clone / "templates").mkdir()
    (made.clone / "templates" / "settings.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tiny\ndata:\n  word: {{ .Values.word }}\n"
    )
    made.commit("Begin")
    made.push()
    yield made
    shutil.rmtree(bare)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"t-{secrets.token_hex(4)}"
    admin("create", "namespace", name)
    yield name
    admin("delete", "namespace", name, "--wait=false")


@pytest.fixture
def application(repository: Repository, namespace: str) -> Iterator[str]:
    """The name of an Application that follows the repository into the namespace by itself."""
    spec = {
        "project": "default",
        "source": {"repoURL": repository.url, "path": ".", "targetRevision": "main"},
        "destination": {"name": os.environ["LAB_ARGOCD_CLUSTER"], "namespace": namespace},
        "syncPolicy": {"automated": {}},
    }
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": namespace, "namespace": os.environ["LAB_ARGOCD_NAMESPACE"]},
        "spec": spec,
    }
    admin("create", "-f", "-", stdin=json.dumps(manifest))
    yield namespace
    admin("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "delete", "application", namespace)


def status(application: str) -> dict[str, Any]:
    text = admin("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "get", "application", application, "-o", "json")
    found: dict[str, Any] = json.loads(text).get("status", {})
    return found


def until(ready: Callable[[], bool], said: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, said()
        time.sleep(0.3)


def healthy(application: str, sha: str) -> bool:
    now = status(application)
    synced = now.get("sync", {}).get("status") == "Synced" and now["sync"].get("revision") == sha
    return bool(synced and now.get("health", {}).get("status") == "Healthy")


def test_the_git_server_wants_a_login_even_to_read(repository: Repository) -> None:
    nobody = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": ""}
    assert "could not read Username" in run("git", "ls-remote", repository.url, check=False, **nobody)
    wrong = login(os.environ["LAB_GIT_READER"], "wrong")
    assert "Authentication failed" in run("git", "ls-remote", repository.url, check=False, **wrong)
    assert "refs/heads/main" in run("git", "ls-remote", repository.url, **reader())


def test_the_reader_may_not_push_and_the_writer_may_rewrite(repository: Repository) -> None:
    (repository.clone / "large").write_bytes(secrets.token_bytes(3_000_000))  # more than git sends in one piece
    repository.commit("A large file")
    push = ("git", "-C", repository.clone, "push", "origin", "main")
    assert "error: 403" in run(*push, check=False, **reader())
    repository.push()
    rewritten = repository.commit("Another", "--amend")
    assert "non-fast-forward" in run(*push, check=False, **writer())
    repository.push("--force")
    assert rewritten in run("git", "ls-remote", repository.url, **reader())


def test_argo_cd_follows_a_repository_and_sees_a_commit_when_asked(repository: Repository, application: str) -> None:
    first = run("git", "-C", repository.clone, "rev-parse", "HEAD").strip()
    until(lambda: healthy(application, first), lambda: status(application))
    assert admin("-n", application, "get", "configmap", "tiny", "-o", "jsonpath={.data.word}") == "first"
    (repository.clone / "values.yaml").write_text("word: second\n")
    second = repository.commit("Second")
    repository.push()
    # As a CI job asks, with a CI job's rights.
    account = "system:serviceaccount:dev:deployer"
    annotate = ("annotate", "application", application, "argocd.argoproj.io/refresh=normal", "--overwrite")
    admin("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "--as", account, *annotate)
    until(lambda: healthy(application, second), lambda: status(application))
    assert admin("-n", application, "get", "configmap", "tiny", "-o", "jsonpath={.data.word}") == "second"


def test_an_application_set_makes_applications(repository: Repository, namespace: str) -> None:
    template = {
        "metadata": {"name": "{{.name}}"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository.url, "path": ".", "targetRevision": "main"},
            "destination": {"name": "{{.cluster}}", "namespace": namespace},
            "syncPolicy": {"automated": {}},
        },
    }
    elements = [{"name": namespace, "cluster": os.environ["LAB_ARGOCD_CLUSTER"]}]
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": namespace, "namespace": os.environ["LAB_ARGOCD_NAMESPACE"]},
        "spec": {"goTemplate": True, "generators": [{"list": {"elements": elements}}], "template": template},
    }
    admin("create", "-f", "-", stdin=json.dumps(manifest))
    try:
        listing = ("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "get", "applications", "-o", "name")
        until(lambda: f"application.argoproj.io/{namespace}" in admin(*listing).split(), lambda: admin(*listing))
        first = run("git", "-C", repository.clone, "rev-parse", "HEAD").strip()
        until(lambda: healthy(namespace, first), lambda: status(namespace))
    finally:
        admin("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "delete", "applicationset", namespace)


def test_an_account_may_ask_and_no_more() -> None:
    def can(*what: str) -> bool:
        asked = ("auth", "can-i", *what, "-n", os.environ["LAB_ARGOCD_NAMESPACE"])
        kubeconfig = ("kubectl", "--kubeconfig", os.environ["DEPLOY_KUBECONFIG"], "--context", "prod")
        return "yes" in run(*kubeconfig, *asked, check=False).split()

    for verb in ("get", "list", "watch", "patch"):
        assert can(verb, "applications.argoproj.io")
    assert not can("delete", "applications.argoproj.io")
    assert not can("get", "secrets")


def test_status_tells_and_once_more_changes_nothing() -> None:
    root = Path(__file__).parents[2]
    environ = {"PYTHONPATH": str(root)}
    assert "gitops ready" in run("python3", "-m", "lab", "gitops", **environ)
    told = run("python3", "-m", "lab", "status", **environ)
    for part in ("git server", "argocd"):
        assert any(part in line and line.endswith(" ready") for line in told.splitlines()), told
