"""What `deploy gitops init` writes is what a real Argo CD takes, and does."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Project, kubectl, run
from waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

ARGOCD = os.environ.get("LAB_ARGOCD_NAMESPACE", "argocd")
CLUSTER = os.environ.get("LAB_ARGOCD_CLUSTER", "lab")
VALUES = {"image": {"tag": "none"}, "replicaCount": 0, "test": {"enabled": False}}
"""Nothing has to run: a Deployment that wants no pods is healthy."""


@pytest.fixture
def repository(project: Project, tmp_path: Path) -> Iterator[str]:
    """A configuration repository in which dev and test have been delivered once."""
    name = f"t-{secrets.token_hex(4)}"
    bare = Path(os.environ["LAB_GIT_ROOT"], f"{name}.git")
    run("git", "init", "--quiet", "--bare", "--initial-branch", "main", bare)
    seed = tmp_path / "seed"
    run("git", "clone", "--quiet", bare, seed)
    for environment in ("dev", "test"):
        shutil.copytree(project.folder / "chart", seed / project.namespace / environment / "chart")
        (seed / project.namespace / environment / "values.yaml").write_text(json.dumps(VALUES))
    run("git", "-C", seed, "add", ".")
    run("git", "-C", seed, "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Begin")
    run("git", "-C", seed, "push", "--quiet", "origin", "HEAD:main")
    yield f"{os.environ['LAB_GIT_URL']}/{name}.git"
    shutil.rmtree(bare)


@pytest.fixture
def delivered(project: Project, repository: str) -> Iterator[Project]:
    """The project, with two environments that Argo CD is to deliver."""
    for environment in ("dev", "test"):
        project.profile(
            environment,
            delivery="argocd",
            release={"name": project.namespace},
            argocd={"repository": repository, "context": "hub"},
            values=VALUES,
        )
    yield project
    # The sets first: they would make their Applications anew.
    for kind in ("applicationset", "application", "appproject"):
        names = [
            one["metadata"]["name"] for one in argocd(kind) if one["metadata"]["name"].startswith(project.namespace)
        ]
        if names:
            kubectl("--namespace", ARGOCD, "delete", kind, *names, "--wait=false")


def argocd(kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(kubectl("--namespace", ARGOCD, "get", kind, "--output", "json"))["items"]
    return items


def init(project: Project, *more: str) -> None:
    done = project.deploy("gitops", "init", "--env", "dev", "--cluster", CLUSTER, *more)
    assert done.code == 0, done


def healthy(name: str) -> bool:
    found = next((one for one in argocd("application") if one["metadata"]["name"] == name), {})
    status = found.get("status") or {}
    return (status.get("sync", {}).get("status"), status.get("health", {}).get("status")) == ("Synced", "Healthy")


def test_the_real_definitions_take_every_form(delivered: Project) -> None:
    scaled = {"autoscaling": {"enabled": True, "maxReplicas": 5}, "ingress": {"enabled": False}}
    delivered.profile("test", values={**VALUES, **scaled})
    forms = {
        "plain": (),
        "manual": ("--sync", "manual"),
        "two": ("--env", "test", "--sync", "test=auto", "--server", "test=https://example.com"),
        "list": ("--env", "test", "--application-set"),
        "mixed": ("--env", "test", "--application-set", "--sync", "test=manual"),
    }
    for name, more in forms.items():
        out = delivered.folder / name
        if name == "two":
            more = (*more, "--cluster", f"dev={CLUSTER}")
            done = delivered.deploy("gitops", "init", "--env", "dev", "--out", name, *more)
            assert done.code == 0, done
        else:
            init(delivered, *more, "--out", name)
        kubectl("apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename", str(out))
    fleet = ("gitops", "init", "--env", "dev", "--cluster-label", "region=eu", "--out", "fleet")
    assert delivered.deploy(*fleet).code == 0
    fleet_folder = str(delivered.folder / "fleet")
    kubectl("apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename", fleet_folder)
    assert "ignoreDifferences" in (delivered.folder / "two/environment-test.yaml").read_text()


def test_an_application_delivers_within_its_project(delivered: Project) -> None:
    init(delivered)
    kubectl("apply", "--filename", str(delivered.folder / "gitops"))
    name = f"{delivered.namespace}-dev"
    until(lambda: healthy(name), "Argo CD has synced it", 300)
    assert [one["metadata"]["name"] for one in delivered.objects("deployment")]


def test_a_set_generates_its_applications_and_they_deliver(delivered: Project) -> None:
    init(delivered, "--application-set", "--env", "test", "--sync", "test=manual")
    kubectl("apply", "--filename", str(delivered.folder / "gitops"))
    dev, test = f"{delivered.namespace}-dev", f"{delivered.namespace}-test"
    until(
        lambda: {dev, test} <= {one["metadata"]["name"] for one in argocd("application")}, "the set has made both", 300
    )
    until(lambda: healthy(dev), "dev is synced by itself", 300)
    made = {one["metadata"]["name"]: one["spec"] for one in argocd("application")}
    assert made[dev]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "automated" not in made[test]["syncPolicy"]
    assert made[test]["source"]["path"] == f"{delivered.namespace}/test/chart"


def test_the_git_server_takes_what_is_committed(delivered: Project, repository: str) -> None:
    for environment in ("dev", "test"):
        login = {"usernameVariable": "LAB_GIT_USERNAME", "passwordVariable": "LAB_GIT_PASSWORD"}
        delivered.profile(environment, argocd=login)
    init(delivered, "--env", "test", "--commit")
    bare = Path(os.environ["LAB_GIT_ROOT"], repository.rpartition("/")[2])
    listed = subprocess.run(
        ("git", "-C", str(bare), "ls-tree", "-r", "--name-only", "main", f"gitops/{delivered.namespace}/"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert len(listed.stdout.split()) == 3
