"""`delivery: argocd` on the lab's Argo CD: `up`, `plan`, `status`, `history`, `rollback`, `promote`."""

import pytest
import yaml
from conftest import Project
from delivered import Deliver, config, deliver  # noqa: F401  # fixtures

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

V1 = ("--tag", "v1")
CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")


# ruff: noqa: F811  # a fixture is imported, and named as a parameter


def test_a_commit_is_judged_and_what_is_there_is_not_committed_again(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    first = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert first.code == 0, first
    said = first.json
    assert said["release"]["commit"] == there.config.commits[0]
    assert said["release"]["revision"] == 1
    values = yaml.safe_load(there.config.read("web/dev/values.yaml"))
    assert values["image"]["digest"] == said["image"]["digest"]
    assert there.app()["status"]["sync"]["revision"] == there.config.commits[0]
    pods = fault.objects("pods")
    assert len(pods) == 2

    again = fault.deploy("up", "--env", "dev", *V1)
    assert again.code == 0, again
    assert "unchanged" in again.out
    assert len(there.config.commits) == 2
