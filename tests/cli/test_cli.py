"""The command line up to the first deed: what it says, and its exit codes. The deeds are in tests/e2e."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import check

from deployer import __version__, cli
from deployer.cli import run
from deployer.errors import Interrupted

ROOT = Path(__file__).parents[2]
VERBS = (
    "up",
    "plan",
    "build",
    "bundle",
    "promote",
    "status",
    "history",
    "rollback",
    "down",
    "unlock",
    "verify",
    "doctor",
    "init",
)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A command line listens to signals; the tests do so no more when it is over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one environment, where no tool is and nobody answers."""
    for name in ("REG_USER", "REG_PASS", "TOKEN", "DEPLOY_DEBUG", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text(
        "target: {kubeconfig: none, context: dev, namespace: dev}\n"
        "registry: {url: '127.0.0.1:1'}\n"
        "image: {repository: web}\n"
        "release: {name: web}\n"
        "tools: {helm: ./no-helm, docker: ./no-docker}\n"
    )
    return tmp_path


def more(project: Path, text: str) -> None:
    with open(project / "environments/dev.yaml", "a") as file:
        file.write(text)


def python(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ},
        timeout=30,
    )


def test_the_version() -> None:
    done = python("-m", "deployer", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"deploy {__version__}\n", "")


def test_the_version_among_other_things(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version", "up"]) == 0
    assert capsys.readouterr().out == f"deploy {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], ["typer", "kubernetes", "pydantic", "rich", "yaml"]),
        (["up", "--help"], ["kubernetes", "rich"]),
        (["up", "--env", "nope"], ["kubernetes", "rich"]),
    ],
)
def test_what_need_not_be_imported_is_not(arguments: list[str], absent: list[str]) -> None:
    code = (
        "import os, sys, runpy\n"
        "os._exit = sys.exit\n"
        f"sys.argv = ['deploy', *{arguments!r}]\n"
        "try: runpy.run_module('deployer', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('imported', *sorted(sys.modules))\n"
    )
    imported = python("-c", code).stdout.splitlines()[-1].split()
    assert imported[0] == "imported"
    assert not set(absent) & set(imported)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(verb: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, option]) == 0
    told = capsys.readouterr()
    assert f"Usage: deploy {verb}" in told.out
    assert "--output" in told.out
    assert told.err == ""


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    told = capsys.readouterr().out
    assert all(f"  {verb} " in told for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--env", "dev", "--fast"], "No such option: --fast"),
        (["upp"], "No such command 'upp'"),
        (["up"], "Missing option '--env'"),
        (["up", "--env", "dev", "--output", "xml"], "'xml' is not one of 'text', 'json'"),
        (["rollback", "--env", "dev", "--to", "x"], "Invalid value for '--to'"),
        (["verify", "deployment/web"], "Missing option '--context'"),
        (["status", "more"], "unexpected extra argument"),
    ],
)
def test_a_request_that_is_wrong(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.startswith("error: ")
    assert f"hint: deploy{'' if arguments[0] == 'upp' else ' ' + arguments[0]} --help says how" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--env", "stag"], "error: unknown environment `stag`"),
        (["promote", "--from", "dev", "--to", "dev", "--yes"], "error: --from and --to are both dev"),
        (["promote", "--from", "stag", "--to", "dev", "--yes"], "error: stag: unknown environment `stag`"),
        (["rollback", "--env", "stag"], "error: unknown environment `stag`"),
        (["doctor", "--env", "stag"], "error: unknown environment `stag`"),
        (["up", "--env", "dev", "--set", "a"], "error: --set `a`: the form is key.path=value"),
        (["up", "--env", "dev", "--set", "a=[1"], "error: `[1` is not a YAML value"),
        (["up", "--env", "dev", "--timeout", "soon"], "error: --timeout: `soon` is not a duration"),
        (["up", "--env", "dev", "--timeout", "0s"], "error: --timeout: `0s` is no time at all"),
        (
            ["up", "--env", "dev", "--override", "windw", "--reason", "x"],
            "error: --override: there is no guard `windw`",
        ),
        (["rollback", "--env", "dev", "--override", "freeze", "--reason", "x"], "error: --override: this environment"),
        (["up", "--env", "dev", "--reason", "x"], "error: --reason is given without --override"),
        (["up", "--env", "dev", "--env-file", "nowhere"], "error: there is no --env-file nowhere"),
        (["verify", "web", "--context", "x", "--timeout", "soon"], "error: --timeout: `soon` is not a duration"),
    ],
)
def test_a_request_that_cannot_be_met(
    arguments: list[str], said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [] if arguments[0] == "verify" else ["-C", str(project)]
    assert run([*arguments, *where]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(said)
    assert told.out == ""


@pytest.mark.parametrize("verb", ["up", "rollback", "doctor"])
def test_under_json_an_error_is_a_document(verb: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--env", "de", "--output", "json", "-C", str(project)]) == 2
    told = capsys.readouterr()
    made = json.loads(told.out)
    assert (made["schema"], made["verb"], made["environment"]) == ("deploy/v1", verb, "de")
    assert (made["outcome"], made["exitCode"], made["changed"]) == ("usage", 2, False)
    assert made["message"] == "unknown environment `de`; did you mean `dev`?"
    assert made["hint"] == "environments here: dev"
    assert "error: unknown environment `de`" in told.err


def test_status_of_a_folder_without_environments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "-C", str(tmp_path)]) == 2
    assert "there is no environments/<name>.yaml" in capsys.readouterr().err
    assert run(["status", "-C", str(tmp_path), "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["outcome"] == "usage"


def test_status_tells_of_every_environment(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "environments" / "bad.yaml").write_text("what: 1\n")
    assert run(["status", "-C", str(project), "--output", "json"]) == 3
    found = json.loads(capsys.readouterr().out)["environments"]
    assert [one["environment"] for one in found] == ["bad", "dev"]
    assert "unknown key `what`" in found[0]["error"] + "".join(found[0]["detail"])
    assert run(["status", "-C", str(project)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ENVIRONMENT  HEALTH")
    assert [line.split()[:2] for line in lines[1:3]] == [["bad", "error"], ["dev", "error"]]
    assert any(line.startswith("bad: error: ") for line in lines[3:])


@pytest.mark.parametrize("output", ["text", "json"])
def test_status_of_one_environment_that_cannot_be_asked(
    output: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "-C", str(project), "--env", "dev", "--fail-on-drift", "-o", output]) == 3
    assert "there is no kubeconfig" in capsys.readouterr().out


def test_watching_is_for_people(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "-C", str(project), "--watch", "-o", "json"]) == 2
    assert "--watch is for people" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_watching_says_what_changes_until_it_is_stopped(
    number: signal.Signals,
    code: int,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0

    def wait(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr("deployer.cli.status.time.sleep", wait)
    assert run(["status", "-C", str(project), "--watch"]) == code
    told = capsys.readouterr()
    assert told.err == ""
    assert len(told.out.splitlines()) == 1, "it said the same three times"
    assert "dev: error: there is no kubeconfig" in told.out


def test_watching_on_a_terminal_draws_the_screen_anew(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    waits = iter((lambda: None, lambda: os.kill(os.getpid(), signal.SIGINT)))
    monkeypatch.setattr("deployer.cli.status.time.sleep", lambda seconds: next(waits)())
    assert run(["status", "-C", str(project), "--env", "dev", "--watch"]) == 130
    screens = capsys.readouterr().out.split("\x1b[H\x1b[2J\x1b[3J")[1:]
    assert len(screens) == 2
    for screen in screens:
        lines = screen.splitlines()
        assert lines[0].startswith("dev: error: there is no kubeconfig")
        assert lines[-1].endswith(", again every 3 s")


def test_doctor_tells_every_lack(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--env", "dev", "-C", str(project)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith(" ")] == [
        ["✗", "image"],
        ["✗", "cluster"],
        ["✗", "release"],
        ["✗", "docker"],
        ["✗", "helm"],
        ["✗", "chart"],
        ["✗", "permissions"],
    ]
    assert "✗ helm         `./no-helm` is not installed or not on PATH" in lines
    assert "✗ chart        not checked: needs helm" in lines
    assert run(["doctor", "--env", "dev", "-C", str(project), "-o", "json"]) == 3
    made = json.loads(capsys.readouterr().out)
    assert made["checks"]["docker"] == "`./no-docker` is not installed or not on PATH"


def test_doctor_tells_what_the_guards_wait_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more(project, "guards: {cleanTree: true}\n")
    assert run(["doctor", "--env", "dev", "-C", str(project)]) == 3
    assert "✗ guards       not checked: needs image" in capsys.readouterr().out.splitlines()


def test_a_secret_that_is_not_set(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more(project, "secrets: {secret.token: TOKEN}\n")
    assert run(["up", "--env", "dev", "-C", str(project)]) == 3
    assert "secrets: needs variables that are not set: TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["text", "json"])
def test_an_error_before_the_first_deed_shows_no_secret(
    output: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chart's schema, and a template's `fail`, say which value they do not take."""
    more(project, "secrets: {secret.token: TOKEN}\n")
    (project / ".env").write_text("TOKEN=s3cret-value\n")
    (project / "chart").mkdir()
    (project / "chart/Chart.yaml").write_text("name: web\n")
    script = project / "helm"
    script.write_text('#!/bin/sh\n[ "$1" = version ] && echo v4.3.0 && exit\ncat >&2\nexit 1\n')
    script.chmod(0o755)
    file = project / "environments/dev.yaml"
    file.write_text(file.read_text().replace("./no-helm", str(script)))
    for verb in ("up", "doctor"):
        assert run([verb, "--env", "dev", "-C", str(project), "-o", output]) == 3
        told = capsys.readouterr()
        assert "s3cret-value" not in told.out + told.err
        assert "does not render" in told.out + told.err


def test_a_bug_of_ours_shows_no_traceback(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("with a s3cret in it")

    monkeypatch.setattr("deployer.cli.session.load", broken)
    assert run(["up", "--env", "dev", "-C", str(project)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: internal error: ZeroDivisionError at test_cli.py:")
    assert "DEPLOY_DEBUG=1" in told
    assert "Traceback" not in told
    assert "s3cret" not in told
    assert run(["up", "--env", "dev", "-C", str(project), "-o", "json"]) == 1
    made = json.loads(capsys.readouterr().out)
    check(made)
    assert made["message"].startswith("internal error: ZeroDivisionError at ")
    monkeypatch.setenv("DEPLOY_DEBUG", "1")
    assert run(["up", "--env", "dev", "-C", str(project)]) == 1
    assert 'raise ZeroDivisionError("with a s3cret in it")' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/tmp/x"), "error: No space left on device: /tmp/x\n"),
        (OSError(28, "No space left on device"), "error: No space left on device\n"),
        (OSError("plain"), "error: plain\n"),
    ],
)
def test_what_the_system_refuses(
    error: OSError, said: str, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("deployer.cli.session.load", full)
    assert run(["up", "--env", "dev", "-C", str(project)]) == 1
    assert capsys.readouterr().err == said
    assert run(["up", "--env", "dev", "-C", str(project), "--output=json"]) == 1
    made = json.loads(capsys.readouterr().out)
    check(made)
    assert f"error: {made['message']}\n" == said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(
    number: signal.Signals,
    code: int,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deployer.cli.session.load", lambda *arguments: os.kill(os.getpid(), number))
    assert run(["up", "--env", "dev", "-o", "json", "-C", str(project)]) == code
    told = capsys.readouterr()
    assert told.err == "error: interrupted\n"
    assert json.loads(told.out)["exitCode"] == code


def test_a_reader_that_went_away() -> None:
    code = "import sys; from deployer.cli import run; sys.exit(run(['up', '--help']))"
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | true; echo "${PIPESTATUS[0]}"', sys.executable, code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert done.stdout.strip() in ("0", "1")
    assert "Traceback" not in done.stderr


def test_every_verb_is_known() -> None:
    known = cli.program().registered_commands
    assert [command.callback.__name__ for command in known if command.callback] == list(VERBS)


def test_a_run_imports_its_own_verb_alone() -> None:
    code = "import sys; from deployer.cli import run; run(['status', '--help']); print(*sys.modules)"
    imported = python("-c", code).stdout.split()
    assert "deployer.cli.status" in imported
    assert {"deployer.cli.up", "deployer.cli.config", "deployer.cli.plan"} & set(imported) == set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_a_signal_breaks_on_its_way_is_the_signal(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*arguments: object, **settings: object) -> None:
        try:
            os.kill(os.getpid(), number)
        except Interrupted:
            raise RuntimeError("cannot release un-acquired lock") from None

    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/dev.yaml").write_text(
        "target: {kubeconfig: none, context: dev, namespace: dev}\n"
        "registry: {url: 127.0.0.1:1}\nimage: {repository: web}\nrelease: {name: web}\n"
    )
    monkeypatch.setattr("deployer.checks.Checks.for_release", broken)
    assert run(["up", "--env", "dev", "-C", str(tmp_path)]) == code
    assert capsys.readouterr().err == "error: interrupted\n"
