"""docs/gitops.md lets a newcomer do it: its snippets are run from top to bottom, with the lab's names in them."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Project, kubectl, run
from delivered import Config, config, until  # noqa: F401  # a fixture

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

# ruff: noqa: F811  # a fixture is imported, and named as a parameter

ARGOCD = os.environ.get("LAB_ARGOCD_NAMESPACE", "argocd")
PAGE = (ROOT / "docs" / "gitops.md").read_text()
SNIPPETS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CHANGE = "deploy rollback"
"""Before this snippet somebody has deployed something else."""


class Newcomer:
    """Somebody with the page in one hand: what it shows as YAML goes into the profile, what as shell is run."""

    def __init__(self, project: Project, config: Config, folder: Path) -> None:
        self.project, self.config = project, config
        release = project.namespace
        self.names = {
            "https://git.example.com/team/config.git": config.url,
            "--namespace dev ": f"--namespace {release} ",
            "s/NAMESPACE/dev/": f"s/NAMESPACE/{release}/",
            "repo-config": f"repo-{release}",
            "gitops init": f"gitops init --app-project {release}",
            "eu-1": os.environ["LAB_ARGOCD_CLUSTER"],
        }
        programs = folder / "programs"
        programs.mkdir()
        (programs / "deploy").write_text(f'#!/bin/sh\nexec {sys.executable} -m deployer "$@"\n')
        (programs / "deploy").chmod(0o755)
        home = folder / "home"
        (home / ".docker").mkdir(parents=True)
        login = {"username": os.environ["REG_USER"], "password": os.environ["REG_PASS"]}
        (home / ".docker/config.json").write_text(json.dumps({"auths": {os.environ["REGISTRY_URL"]: login}}))
        shutil.copytree(ROOT / "lab", project.folder / "lab", ignore=shutil.ignore_patterns("__pycache__"))
        self.environ = {
            **project.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "KUBECONFIG": os.environ["LAB_ADMIN_KUBECONFIG"],
            "ARGOCD_USER": os.environ["LAB_GIT_READER"],
            "ARGOCD_TOKEN": os.environ["LAB_GIT_READER_PASSWORD"],
            "CONFIG_USER": os.environ["LAB_GIT_USERNAME"],
            "CONFIG_TOKEN": os.environ["LAB_GIT_PASSWORD"],
        }

    def follow(self, language: str, snippet: str) -> str:
        """Do what a snippet says; what was printed."""
        for theirs, ours in self.names.items():
            snippet = snippet.replace(theirs, ours)
        match language:
            case "yaml":
                self.project.profile("base", **yaml.safe_load(snippet))
                return ""
            case "sh":
                done = run("bash", "-euo", "pipefail", "-c", snippet, cwd=self.project.folder, env=self.environ)
                assert os.environ["LAB_GIT_PASSWORD"] not in done.stdout + done.stderr
                return done.stdout
            case _:
                pytest.fail(f"docs/gitops.md has a snippet that nobody runs: {snippet}")


@pytest.fixture
def newcomer(small: Project, config: Config, tmp_path: Path) -> Iterator[Newcomer]:
    """A service that has been deployed by helm, and an empty configuration repository."""
    image = {"repository": small.namespace, "context": "small", "tag": "commit"}
    small.profile("base", release={"name": small.namespace, "timeout": "120s"})
    # Both environments are in one namespace here, so they are two releases.
    small.profile("test", image=image, release={"name": f"{small.namespace}-t"}, values={"replicaCount": 1})
    yield Newcomer(small, config, tmp_path)
    for kind in ("applicationset", "application", "appproject", "secret", "rolebinding"):
        listed = json.loads(kubectl("--namespace", ARGOCD, "get", kind, "--output", "json"))["items"]
        names = [one["metadata"]["name"] for one in listed if small.namespace in one["metadata"]["name"]]
        if names:
            kubectl("--namespace", ARGOCD, "delete", kind, *names, "--wait=false")


def status(newcomer: Newcomer, environment: str) -> dict[str, Any]:
    done = newcomer.project.deploy("status", "--env", environment, "--output", "json", environ=newcomer.environ)
    assert done.code == 0, done
    found: dict[str, Any] = done.json["environments"][0]
    return found


def early(newcomer: Newcomer, snippet: str) -> None:
    """Apply the Application before its project, and wait until Argo CD has found that wrong: it is looked at again."""
    newcomer.follow("sh", snippet.splitlines()[0])
    newcomer.follow("sh", "kubectl apply --filename gitops/environment-dev.yaml")
    name = f"{newcomer.project.namespace}-dev"
    seen = ("--namespace", ARGOCD, "get", "application", name, "--output", "jsonpath={.status.conditions[*].type}")
    until(lambda: "InvalidSpecError" in kubectl(*seen), lambda: "Argo CD takes an Application without its project")


def test_the_page_from_top_to_bottom(newcomer: Newcomer) -> None:
    project, config = newcomer.project, newcomer.config
    hurried = False
    for language, snippet in SNIPPETS:
        if "kubectl apply --filename gitops/" in snippet and not hurried:
            hurried = True
            early(newcomer, snippet)
        if CHANGE in snippet:
            project.profile("dev", values={"env": {"VERSION": "v2"}})
            newcomer.follow("sh", "deploy up --env dev\n")
        newcomer.follow(language, snippet)
        if "deploy up" in snippet:
            assert status(newcomer, "dev")["verdict"] == "healthy"
    # dev: begun, changed, put back.
    values = yaml.safe_load(config.read(f"{project.namespace}/dev/values.yaml"))
    assert values["env"]["VERSION"] == "v1"
    promoted = yaml.safe_load(config.read(f"{project.namespace}-t/test/values.yaml"))
    assert promoted["image"]["digest"] == values["image"]["digest"]
    # The Applications are those that the page says, and may do what the AppProject says.
    apps = json.loads(kubectl("--namespace", ARGOCD, "get", "application", "--output", "json"))["items"]
    ours = {one["metadata"]["name"]: one["spec"]["project"] for one in apps if project.namespace in str(one["spec"])}
    assert ours == dict.fromkeys((f"{project.namespace}-dev", f"{project.namespace}-t-test"), project.namespace)
    # What the page says last counts: by merge request.
    project.profile("dev", values={"env": {"VERSION": "v3"}})
    newcomer.follow("sh", "deploy up --env dev\n")
    branch = f"deploy/{project.namespace}/dev"
    assert yaml.safe_load(config.read(f"{project.namespace}/dev/values.yaml", branch))["env"]["VERSION"] == "v3"
    config.git("update-ref", "refs/heads/main", f"refs/heads/{branch}")
    newcomer.follow("sh", "deploy up --env dev\n")
    assert status(newcomer, "dev")["revision"]["verdict"] == "healthy"
