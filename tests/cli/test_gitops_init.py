"""`deploy gitops init`: which files it writes, keeps, and refuses to write."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployer.cli import run
from deployer.errors import ExitCode
from deployer.values.document import parse

ROOT = Path(__file__).parents[2]
RENDERED = """\
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
"""
BASE = """\
registry: {url: registry.example.com}
image: {repository: web}
release: {name: web}
delivery: argocd
argocd: {repository: REPOSITORY, usernameVariable: CONFIG_USER, passwordVariable: CONFIG_PASS, context: hub}
tools: {helm: HELM}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two environments that deliver by Argo CD; a helm that says what it always says; a repository with a branch."""
    bare, seed = tmp_path / "config.git", tmp_path / "seed"
    for command in (
        ("init", "--quiet", "--bare", "--initial-branch", "main", bare),
        ("clone", "--quiet", bare, seed),
        ("-C", seed, "commit", "--quiet", "--allow-empty", "--message", "Begin"),
        ("-C", seed, "push", "--quiet", "origin", "HEAD:main"),
    ):
        author = ("-c", "user.name=Team", "-c", "user.email=team@example.com")
        subprocess.run(("git", *author, *map(str, command)), check=True, capture_output=True)
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\ncat >> {tmp_path}/stdin\ncat <<'END'\n{RENDERED}END\n")
    helm.chmod(0o755)
    folder = tmp_path / "project"
    (folder / "environments").mkdir(parents=True)
    (folder / "chart").mkdir()
    (folder / "environments/base.yaml").write_text(BASE.replace("HELM", str(helm)).replace("REPOSITORY", str(bare)))
    for name in ("dev", "test"):
        (folder / f"environments/{name}.yaml").write_text(f"target: {{context: {name}, namespace: shop-{name}}}\n")
    monkeypatch.setenv("CONFIG_USER", "robot")
    monkeypatch.setenv("CONFIG_PASS", "s3cret-of-git")
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CI"):
        monkeypatch.delenv(name, raising=False)
    return folder


def init(project: Path, *more: str) -> int:
    return run(["gitops", "init", "-C", str(project), "--env", "dev", "--cluster", "lab", *more])


def data(file: Path) -> dict[str, Any]:
    return dict(parse(file, file.read_text()).data)


def test_a_project_and_an_application_for_each_environment(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(project, "--env", "test", "--cluster", "test=eu-1", "--sync", "test=manual") == 0
    told = capsys.readouterr()
    assert sorted(file.name for file in (project / "gitops").iterdir()) == [
        "appproject.yaml",
        "environment-dev.yaml",
        "environment-test.yaml",
    ]
    assert data(project / "gitops/appproject.yaml")["spec"]["destinations"] == [
        {"name": "eu-1", "namespace": "shop-test"},
        {"name": "lab", "namespace": "shop-dev"},
    ]
    test = data(project / "gitops/environment-test.yaml")
    assert test["metadata"] == {"name": "web-test", "namespace": "argocd"}
    assert "automated" not in test["spec"]["syncPolicy"]
    assert "  written environment-test.yaml: Application web-test: web/test/chart of " in told.out
    assert "kubectl --context hub apply" in told.out
    assert "s3cret" not in told.out + told.err


def test_what_people_changed_is_kept_and_what_nobody_changed_is_made_anew(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project) == 0
    file = project / "gitops/environment-dev.yaml"
    first = file.read_text()
    assert init(project) == 0
    assert "there    environment-dev.yaml" in capsys.readouterr().out
    assert init(project, "--sync", "manual") == 0
    assert file.read_text() != first
    file.write_text(file.read_text() + "# ours now\n")
    assert init(project, "--sync", "auto") == ExitCode.KEPT
    assert file.read_text().endswith("# ours now\n")
    assert "KEPT     environment-dev.yaml" in capsys.readouterr().out
    assert init(project, "--sync", "auto", "--force") == 0
    assert "ours now" not in file.read_text()


def test_a_link_is_not_written_through(project: Path) -> None:
    other = project / "other.yaml"
    assert init(project) == 0
    file = project / "gitops/environment-dev.yaml"
    other.write_text(file.read_text())
    file.unlink()
    file.symlink_to(other)
    before = other.read_text()
    assert init(project, "--sync", "manual") == 0
    assert other.read_text() == before
    assert not file.is_symlink()


def test_a_dry_run_shows_the_files_and_writes_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(project, "--dry-run") == 0
    told = capsys.readouterr().out
    assert not (project / "gitops").exists()
    assert told.count("\n---\n") + told.startswith("---\n") == 2
    assert "kind: AppProject\n" in told
    assert init(project, "--dry-run", "--output", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["environments"], found["written"], found["commit"]) == (["dev"], [], None)
    assert "kind: Application\n" in found["files"]["environment-dev.yaml"]


def test_sets_for_lists_and_for_fleets(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(project, "--env", "test", "--application-set", "--out", "sets") == 0
    spec = data(project / "sets/environments.yaml")["spec"]
    assert [one["cluster"] for one in spec["generators"][0]["list"]["elements"]] == ["lab", "lab"]
    fleet = ["gitops", "init", "-C", str(project), "--env", "dev", "--cluster-label", "region=eu", "--out", "fleet"]
    assert run(fleet) == 0
    assert data(project / "fleet/fleet-dev.yaml")["metadata"]["name"] == "web-dev"
    assert "every cluster with region=eu" in capsys.readouterr().out


def test_the_command_of_the_page_on_fleets(project: Path) -> None:
    """docs/fleet.md: one environment, so the same values, for a group of clusters."""
    (command,) = re.findall(r"`deploy (gitops init [^`]+)`", (ROOT / "docs" / "fleet.md").read_text())
    (project / "environments/north.yaml").write_text("target: {context: north, namespace: shop}\n")
    assert run([*command.split(), "-C", str(project)]) == 0
    made = data(project / "gitops/fleet-north.yaml")
    assert made["kind"] == "ApplicationSet"
    assert made["spec"]["generators"] == [{"clusters": {"selector": {"matchLabels": {"region": "north"}}}}]


def test_encrypted_values_are_rendered_as_they_stand_and_need_no_key(project: Path) -> None:
    (project / "environments/dev.secrets.yaml").write_text(
        "secret:\n  data:\n    TOKEN: ENC[AES256_GCM,data:AAAA]\nsops:\n  mac: ENC[x]\n  version: 3.11.0\n"
    )
    assert init(project) == 0
    source = data(project / "gitops/environment-dev.yaml")["spec"]["source"]
    assert source["helm"]["valueFiles"] == ["../values.yaml", "secrets://../secrets/environments/dev.secrets.yaml"]
    assert '"TOKEN": "ENC[AES256_GCM,data:AAAA]"' in (project.parent / "stdin").read_text()


def git(project: Path, *argv: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(project.parent / "config.git"), *argv), check=True, capture_output=True, text=True
    )
    return done.stdout


def test_into_the_configuration_repository_beside_what_is_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "--commit", "--output", "json") == 0
    first = json.loads(capsys.readouterr().out)
    assert first["commit"] == git(project, "rev-parse", "main").strip()
    assert run(["gitops", "init", "-C", str(project), "--env", "test", "--cluster", "eu-1", "--commit"]) == 0
    assert git(project, "ls-tree", "-r", "--name-only", "main").split() == [
        "gitops/web/appproject.yaml",
        "gitops/web/environment-dev.yaml",
        "gitops/web/environment-test.yaml",
    ]
    both = parse(Path("p"), git(project, "show", "main:gitops/web/appproject.yaml")).data["spec"]["destinations"]
    assert [one["namespace"] for one in both] == ["shop-test", "shop-dev"]
    count = git(project, "rev-list", "--count", "main")
    capsys.readouterr()
    assert run(["gitops", "init", "-C", str(project), "--env", "test", "--cluster", "eu-1", "--commit"]) == 0
    assert git(project, "rev-list", "--count", "main") == count
    assert "nothing to commit" in capsys.readouterr().out


def test_a_folder_of_the_configuration_repository_that_somebody_removed_is_made_anew(project: Path) -> None:
    assert init(project, "--commit") == 0
    author = ("-c", "user.name=Team", "-c", "user.email=team@example.com")
    empty = git(project, "hash-object", "-w", "-t", "tree", "/dev/null").strip()
    removed = git(project, *author, "commit-tree", "-p", "main", "-m", "Remove", empty).strip()
    git(project, "update-ref", "refs/heads/main", removed)
    assert init(project, "--commit") == 0
    assert git(project, "ls-tree", "-r", "--name-only", "main").split() == [
        "gitops/web/appproject.yaml",
        "gitops/web/environment-dev.yaml",
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--cluster", "tset=eu"), "there is no --env tset"),
        (("--sync", "selfheal"), "did you mean `self-heal`"),
        (("--server", "https://a"), "has a --cluster and a --server"),
        (("--cluster-label", "eu"), "KEY=VALUE"),
        (("--cluster-label", "region=eu"), "do not go with it"),
        (("--env", "prod"), "prod"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    assert init(project, *more) == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert not (project / "gitops").exists()


def test_where_to_has_to_be_said_for_another_cluster_and_not_for_its_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["gitops", "init", "-C", str(project), "--env", "dev"]
    assert run(asked) == ExitCode.USAGE
    assert "--cluster dev=NAME" in capsys.readouterr().err
    base = project / "environments/base.yaml"
    base.write_text(base.read_text().replace(", context: hub", ""))
    assert run(asked) == 0
    destination = data(project / "gitops/environment-dev.yaml")["spec"]["destination"]
    assert destination == {"server": "https://kubernetes.default.svc", "namespace": "shop-dev"}


def test_an_environment_that_helm_delivers_has_no_part_in_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = project / "environments/base.yaml"
    base.write_text(base.read_text().replace("delivery: argocd", "delivery: helm"))
    assert init(project) == ExitCode.USAGE
    assert "delivery: argocd" in capsys.readouterr().err
