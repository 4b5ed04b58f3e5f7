"""The net under every mask: nothing that a run has learnt gets onto stdout or stderr."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer import cli
from deployer.cli import run, streams
from deployer.mask import Mask

SECRET = 's3cret-"value'


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A command line listens to signals; the tests do so no more when it is over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_both_streams_hide_what_was_learnt_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with streams.hiding():
        streams.hide([SECRET])
        print(f"out {SECRET}")
        sys.stderr.writelines([f"err {SECRET}\n"])
        assert not hasattr(sys.stderr, "buffer")
        assert not sys.stdout.isatty()
        print("bare", SECRET, file=streams.bare(sys.stderr))
    assert (sys.stdout, sys.stderr) == before
    told = capsys.readouterr()
    assert told.out == "out ***\n"
    assert told.err == f"err ***\nbare {SECRET}\n"
    streams.hide([SECRET])
    assert streams.bare(sys.stdout) is sys.stdout


def test_a_document_stays_one_whatever_a_secret_looks_like(capsys: pytest.CaptureFixture[str]) -> None:
    made = {
        "schema": "deploy/v1",
        "verb": "deploy",
        "message": f"no {SECRET}",
        "detail": ["message: no"],
        "exitCode": 1,
    }
    with streams.hiding():
        streams.hide(["message", "deploy", "exitCode"])
        streams.answer(made, Mask([SECRET]))
    assert json.loads(capsys.readouterr().out) == {
        "schema": "deploy/v1",
        "verb": "deploy",
        "message": "no ***",
        "detail": ["***: no"],
        "exitCode": 1,
    }


def test_a_traceback_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **settings: object) -> None:
        raise ZeroDivisionError(f"with {SECRET} in it")

    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/dev.yaml").write_text(
        "target: {kubeconfig: none, context: dev, namespace: dev}\n"
        "registry: {url: 127.0.0.1:1}\nimage: {repository: web}\nrelease: {name: web}\n"
        "secrets: {secret.token: TOKEN}\n"
    )
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("DEPLOY_DEBUG", "1")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("deployer.checks.Checks.for_release", broken)
    assert run(["up", "--env", "dev", "-C", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "Traceback" in told.err
    assert "with *** in it" in told.err
    assert "s3cret" not in told.out + told.err
    assert cli.run(["--version"]) == 0
