"""`deploy init` in repositories of all kinds, and from the wheel: what it writes, keeps and asks for."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deployer import scaffold
from deployer.cli import run
from deployer.profile import load

OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
"""The tests may run under a make of their own, which would tell this one to say which folder it is in."""

ROOT = Path(__file__).parents[2]
MAIN = 'package main\n\nimport "net/http"\n\nfunc main() { http.ListenAndServe(":8080", nil) }\n'
KNOWN = {
    **{"REGISTRY_URL": "registry.example.com", "REG_USER": "u", "REG_PASS": "p"},
    "PROD_CLUSTER_UID": "5f1e0c1e-0000-4000-8000-000000000000",
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go service and nothing else."""
    for name in ("REGISTRY_URL", "CI"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/team/orders\n\ngo 1.26\n")
    (folder / "main.go").write_text(MAIN)
    return folder


def init(repository: Path, *more: str) -> int:
    return run(["init", "-C", str(repository), *more])


def there(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and ".git/" not in file.as_posix()
    }


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_what_it_writes_is_read_again(repository: Path, ci: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(repository, "--ci", ci) == 0
    told = capsys.readouterr()
    assert "  written  chart" in told.out
    assert told.err == ""
    for environment in ("dev", "test", "prod"):
        profile = load(repository, environment, KNOWN)
        assert (profile.release.name, profile.image.repository) == ("orders", "orders")
        assert (repository / profile.image.context / "Dockerfile").is_file()
        assert (repository / profile.release.chart / "Chart.yaml").is_file()


@pytest.mark.parametrize("flags", [(), ("--port", "9000", "--health", "/up"), ("--registry", "r.example.com/a")])
def test_config_check_has_nothing_against_it(
    repository: Path, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = repository.parent / "helm"
    helm.write_text('#!/bin/sh\n[ "$1" = version ] && echo v4.3.0 && exit\nexec cat > /dev/null\n')
    helm.chmod(0o755)
    for name, value in {**KNOWN, "DEPLOY_HELM": str(helm)}.items():
        monkeypatch.setenv(name, value)
    assert init(repository, "--ci", "github", *flags) == 0
    capsys.readouterr()
    assert run(["config", "check", "-C", str(repository), "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["environments"] == ["dev", "prod", "test"]
    assert [one for one in found["findings"] if one["severity"] != "note"] == []


def test_the_schema_that_the_profiles_name_is_there(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(repository, "--ci", "github") == 0
    for file in (repository / "environments").glob("*.yaml"):
        named = re.match(r"# yaml-language-server: \$schema=(.+)\n", file.read_text())
        assert named, file
        assert (file.parent / named[1]).is_file()
    capsys.readouterr()
    assert run(["config", "schema", "-C", str(repository)]) == 0
    assert "schema.json is up to date" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ci", "schema", "file"),
    [
        ("github", "vendor.github-workflows", ".github/workflows/deploy.yml"),
        ("gitlab", "vendor.gitlab-ci", ".gitlab-ci.yml"),
    ],
)
def test_the_platforms_take_the_pipelines(repository: Path, ci: str, schema: str, file: str) -> None:
    assert init(repository, "--ci", ci) == 0
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, repository / file],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pipelines_call_targets_that_exist(repository: Path) -> None:
    assert init(repository, "--ci", "github") == 0
    assert init(repository, "--ci", "gitlab") == 0
    text = (repository / ".github/workflows/deploy.yml").read_text() + (repository / ".gitlab-ci.yml").read_text()
    called = set(re.findall(r"make -f deploy\.mk ([a-z-]+)", text))
    targets = set(re.findall(r"^([a-z-]+):", (repository / "deploy.mk").read_text(), re.MULTILINE))
    assert called == targets
    assert not re.findall(r"^.*(?<!exec )\bdeploy (?:build|up|promote) --.*$", text, re.MULTILINE), "a shell in between"


@pytest.mark.skipif(not shutil.which("go"), reason="needs go")
def test_the_targets_lint_test_and_compile(repository: Path) -> None:
    (repository / "main.go").write_text("package main\n\nfunc main() {\n}\n")
    assert init(repository, "--ci", "github") == 0

    def make(target: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", target], cwd=repository, env=OUTSIDE, capture_output=True, text=True, timeout=300
        )

    for target in ("deploy-lint", "deploy-unit", "deploy-build"):
        done = make(target)
        assert done.returncode == 0, done.stdout + done.stderr
    (repository / "main.go").write_text("package main\nfunc main( ) {}\n")
    done = make("deploy-lint")
    assert done.returncode != 0
    assert "main.go" in done.stdout


def test_a_second_time_nothing_changes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(repository, "--ci", "gitlab") == 0
    before = there(repository)
    capsys.readouterr()
    assert init(repository, "--ci", "gitlab") == 0
    assert there(repository) == before
    told = capsys.readouterr().out
    assert "written" not in told
    assert "  there    chart\n" in told


def test_nothing_is_overwritten(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = {
        "chart/Chart.yaml": "name: mine\n",
        "environments/dev.yaml": "x-mine: true\n",
        "Makefile": "all:\n",
        ".gitignore": "bin\n.env\n",
        ".gitlab-ci.yml": "mine: {script: [true]}\n",
        "Dockerfile": "FROM scratch\nEXPOSE 9000\n",
    }
    for name, text in mine.items():
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(text)
    (repository / "deploy.mk").symlink_to("nowhere")
    assert init(repository, "-o", "json") == 12
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"] == "kept"
    assert document["kept"] == [".gitlab-ci.yml", "Makefile", "chart", "deploy.mk", "environments/dev.yaml"]
    assert document["same"] == [".gitignore"]
    assert document["service"] == {"name": "orders", "module": ".", "port": 9000, "ci": "gitlab"}
    assert {name: (repository / name).read_text() for name in mine} == mine
    assert not (repository / "chart/values.yaml").exists(), "a chart of somebody's is not mixed with ours"
    assert not (repository / "nowhere").exists()
    assert init(repository) == 12
    told = capsys.readouterr().out
    assert "  KEPT     chart: exists and is another; compare it by hand" in told
    assert "hint: add `include deploy.mk` to your Makefile" in told


def test_a_service_in_a_folder(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = repository.parent
    (repository / "main.go").unlink()
    for name in ("orders", "tool"):
        (repository / "cmd" / name).mkdir(parents=True)
        (repository / "cmd" / name / "main.go").write_text(MAIN)
    assert run(["init", "-C", str(project), "--ci", "github"]) == 2
    assert "error: --main is needed: ./cmd/orders, ./cmd/tool" in capsys.readouterr().err
    flags = ["--main", "./cmd/orders", "--registry", "registry.example.com/a", "--port", "9000", "--health", "/up"]
    assert run(["init", "-C", str(project), "--ci", "github", *flags]) == 0
    profile = load(project, "dev", {name: value for name, value in KNOWN.items() if name != "REGISTRY_URL"})
    assert profile.registry.url == "registry.example.com/a"
    assert str(profile.image.context) == "orders"
    assert profile.values["containerPort"] == 9000
    assert profile.values["readinessProbe"] == {"httpGet": {"path": "/up"}}
    assert "./cmd/orders" in (repository / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "--ci is needed: github, gitlab"),
        (["--ci", "jenkins"], "--ci jenkins: it is one of github, gitlab"),
        (["--ci", "github", "--name", "My_Service"], "--name: `My_Service` cannot be the name of a release"),
        (["--ci", "github", "--service", "nowhere"], "--service nowhere: there is no go.mod in such a folder"),
        (["--ci", "github", "--service", "../orders"], "--service ../orders: there is no go.mod in such a folder"),
        (["--ci", "github", "--health", "up"], "--health up: a path begins with /"),
        (["--ci", "github", "--registry", "https://x/y"], "`https://x/y` is no registry"),
    ],
)
def test_what_cannot_be_seen_is_asked_for(
    repository: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = there(repository)
    assert init(repository, *flags) == 2
    assert f"error: {said}" in capsys.readouterr().err
    assert there(repository) == before


def test_on_a_terminal_it_asks_for_the_rest(repository: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"jenkins\ngitlab\nregistry.example.com/a\n9000\n")
        done = subprocess.run(
            [sys.executable, "-m", "deployer", "init", "-C", repository],
            stdin=theirs,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / ".gitlab-ci.yml").is_file()
    profile = load(repository, "dev", {name: value for name, value in KNOWN.items() if name != "REGISTRY_URL"})
    assert profile.registry.url == "registry.example.com/a"
    assert profile.values["containerPort"] == 9000


def test_no_service_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, "--ci", "github") == 2
    assert "there is no go.mod" in capsys.readouterr().err


def test_the_wheel_has_all_that_is_written(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "dist"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = "import json; from deployer import scaffold; print(json.dumps(scaffold.shipped()))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == scaffold.shipped()
