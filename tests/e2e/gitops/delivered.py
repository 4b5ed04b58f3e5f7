"""A configuration repository on the lab's git server, and Applications of its Argo CD that follow it."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Project, kubectl, run

PATIENCE = 180.0
"""Seconds for what takes two on a machine that has nothing else to do."""


@dataclass
class Config:
    """A bare repository of the git server; the test looks into it and pushes to it as a person with a clone would."""

    bare: Path
    url: str
    clone: Path

    def git(self, *argv: str) -> str:
        """git in the bare repository."""
        return run("git", "--git-dir", self.bare, *argv).stdout

    @property
    def commits(self) -> list[str]:
        """The branch's commits, the newest one first."""
        return self.git("log", "--format=%H", "main").split()

    def read(self, file: str, commit: str = "main") -> str:
        return self.git("show", f"{commit}:{file}")

    def push(self, file: str, text: str, message: str = "By hand") -> str:
        """A commit of somebody else's; its sha."""
        run("git", "-C", self.clone, "fetch", "-q", "origin", "main")
        run("git", "-C", self.clone, "reset", "-q", "--hard", "origin/main")
        (self.clone / file).parent.mkdir(parents=True, exist_ok=True)
        (self.clone / file).write_text(text)
        run("git", "-C", self.clone, "add", ".")
        run("git", "-C", self.clone, "commit", "-q", "-m", message)
        run("git", "-C", self.clone, "push", "-q", "origin", "HEAD:main")
        return run("git", "-C", self.clone, "rev-parse", "HEAD").stdout.strip()

    def merge(self, branch: str) -> None:
        """Merge a branch as a git host does where somebody presses the button."""
        run("git", "-C", self.clone, "fetch", "-q", "origin", "main", branch)
        run("git", "-C", self.clone, "reset", "-q", "--hard", "origin/main")
        run("git", "-C", self.clone, "merge", "-q", "--no-ff", "-m", f"Merge branch '{branch}'", f"origin/{branch}")
        run("git", "-C", self.clone, "push", "-q", "origin", "HEAD:main")


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """A repository with one commit that is nobody's release."""
    name = f"t-{secrets.token_hex(4)}"
    bare = Path(os.environ["LAB_GIT_ROOT"], f"{name}.git")
    run("git", "init", "-q", "--bare", "--initial-branch", "main", bare)
    clone = tmp_path / "clone"
    run("git", "init", "-q", "-b", "main", clone)
    run("git", "-C", clone, "remote", "add", "origin", str(bare))
    run("git", "-C", clone, "config", "user.name", "Ann")
    run("git", "-C", clone, "config", "user.email", "ann@example.com")
    (clone / "README.md").write_text("What runs where.\n")
    run("git", "-C", clone, "add", ".")
    run("git", "-C", clone, "commit", "-q", "-m", "Begin")
    run("git", "-C", clone, "push", "-q", "origin", "HEAD:main")
    yield Config(bare, f"{os.environ['LAB_GIT_URL']}/{name}.git", clone)
    shutil.rmtree(bare)


@dataclass
class Delivery:
    """A project that Argo CD delivers, and its configuration repository."""

    project: Project
    config: Config
    application: str

    def app(self) -> dict[str, Any]:
        """The Application as it is."""
        found: dict[str, Any] = json.loads(self.argocd("get", "application", self.application, "-o", "json"))
        return found

    def argocd(self, *argv: str, stdin: str | None = None) -> str:
        """kubectl in Argo CD's namespace."""
        return kubectl("-n", os.environ["LAB_ARGOCD_NAMESPACE"], *argv, stdin=stdin)

    def patch(self, **spec: Any) -> None:
        """Change the Application's spec; null takes a field away."""
        self.argocd("patch", "application", self.application, "--type=merge", "-p", json.dumps({"spec": spec}))


def until(ready: Callable[[], bool], said: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, said()
        time.sleep(0.3)


Deliver = Callable[..., Delivery]


@pytest.fixture
def deliver(config: Config) -> Iterator[Deliver]:
    """Make Argo CD deliver an environment of a project; the Applications are removed afterwards."""
    made: list[str] = []
    bound: list[str] = []

    def begin(project: Project, environment: str = "dev", release: str = "web", **sync: Any) -> Delivery:
        name = f"{project.namespace}-{environment}"
        project.environ |= {"GIT_USER": os.environ["LAB_GIT_USERNAME"], "GIT_PASS": os.environ["LAB_GIT_PASSWORD"]}
        project.profile(
            environment,
            delivery="argocd",
            argocd={
                "application": name,
                "repository": config.url,
                "usernameVariable": "GIT_USER",
                "passwordVariable": "GIT_PASS",
            },
        )
        done = Delivery(project, config, name)
        spec = {
            "project": "default",
            "source": {
                "repoURL": config.url,
                "targetRevision": "main",
                "path": f"{release}/{environment}/chart",
                "helm": {"releaseName": release, "valueFiles": ["../values.yaml"]},
            },
            "destination": {"name": os.environ["LAB_ARGOCD_CLUSTER"], "namespace": project.namespace},
            "syncPolicy": sync if sync else {"automated": {}},
        }
        manifest = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": os.environ["LAB_ARGOCD_NAMESPACE"]},
            "spec": spec,
        }
        done.argocd("create", "-f", "-", stdin=json.dumps(manifest))
        made.append(name)
        _pull_secret(project.namespace)
        rights = (ROOT / "lab" / "access-gitops.yaml").read_text().replace("NAMESPACE", project.namespace)
        kubectl("apply", "-f", "-", stdin=rights)
        bound.append(f"deployer-{project.namespace}")
        return done

    yield begin
    for name in made:
        kubectl("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "delete", "application", name, "--ignore-not-found")
    for name in bound:
        kubectl("-n", os.environ["LAB_ARGOCD_NAMESPACE"], "delete", "rolebinding", name, "--ignore-not-found")


def _pull_secret(namespace: str) -> None:
    """What Argo CD does not make: the registry's login, in the release's namespace."""
    secret = kubectl(
        *("create", "secret", "docker-registry", "registry", "--dry-run=client", "-o", "json"),
        *(f"--docker-server={os.environ['REGISTRY_URL']}", f"--docker-username={os.environ['REG_USER']}"),
        f"--docker-password={os.environ['REG_PASS']}",
    )
    kubectl("-n", namespace, "apply", "-f", "-", stdin=secret)
