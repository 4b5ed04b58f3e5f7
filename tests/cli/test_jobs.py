"""What a run leaves for the job it ran in, and never a secret in it."""

import stat
from pathlib import Path

import pytest

from deployer.cli import run

SECRET = "s3cret-of-a-test"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/dev.yaml").write_text(
        "target: {kubeconfig: none, context: dev, namespace: dev}\n"
        "registry: {url: 127.0.0.1:1}\nimage: {repository: web}\nrelease: {name: web}\n"
        "secrets: {secret.token: TOKEN}\n"
    )
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return tmp_path


def test_a_refusal_is_left_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "output").write_text("earlier=1\n")
    arguments = ["up", "--env", "dev", "-C", str(project), "--dotenv", str(project / "deploy.env")]
    report = project / "health.xml"
    assert run([*arguments, "--tag", f"{SECRET} ", "--junit", str(report)]) in (2, 3)
    assert SECRET not in report.read_text()
    assert '<testsuite name="deploy up dev"' in report.read_text()
    assert run(["build", "--env", "nope", "-C", str(project)]) == 2
    told = capsys.readouterr().err
    assert "::error title=deploy build nope::" in told
    assert not [line for line in told.splitlines() if SECRET in line and not line.startswith("::add-mask::")]
    summary = (project / "summary").read_text()
    assert summary.startswith("### ❌ deploy up dev\n")
    assert "### ❌ deploy build nope\n" in summary
    assert SECRET not in summary
    output = (project / "output").read_text().splitlines()
    assert output[:4] == ["earlier=1", "image=", "digest=", "revision="]
    assert output[-1] == "outcome=usage"
    dotenv = project / "deploy.env"
    assert dotenv.read_text().splitlines()[0] == "DEPLOYED_IMAGE="
    assert stat.S_IMODE(dotenv.stat().st_mode) == 0o644


def test_what_cannot_be_written_is_a_warning(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(project / "none" / "output"))
    assert run(["build", "--env", "nope", "-C", str(project)]) == 2
    assert "warning: GITHUB_OUTPUT: No such file or directory" in capsys.readouterr().err


def test_elsewhere_nothing_is_left(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert run(["build", "--env", "nope", "-C", str(project)]) == 2
    assert not (project / "summary").exists()
    assert not (project / "output").exists()


@pytest.mark.parametrize(
    ("verb", "option"), [("build", "--dotenv"), ("build", "--out"), ("up", "--junit"), ("rollback", "--junit")]
)
def test_a_file_that_cannot_be_is_told_before_the_work(
    project: Path, verb: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (project / "none" / "file", project):
        assert run([verb, "--env", "dev", "-C", str(project), option, str(file)]) == 2
        told = capsys.readouterr().err
        assert f"error: {option} {file}: " in told
        assert "warning" not in told


def test_a_build_needs_no_secret_of_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOKEN")
    run(["build", "--env", "dev", "-C", str(project), "--tag", "1"])
    assert "TOKEN" not in capsys.readouterr().err
    run(["up", "--env", "dev", "-C", str(project), "--tag", "1"])
    assert "TOKEN" in capsys.readouterr().err


def test_an_image_is_named_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = str(project / "image.json")
    up = ["up", "--env", "dev", "-C", str(project), "--image", report]
    assert run([*up, "--tag", "1"]) == 2
    assert "--image names the image, so --tag has nothing to say" in capsys.readouterr().err
    assert run(up) == 2
    assert f"--image {report}: No such file or directory" in capsys.readouterr().err
