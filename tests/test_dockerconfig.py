import json
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployer.credentials import Login
from deployer.dockerconfig import HUB, TOLD, private

HOST = "registry.example.com"
LOGIN = Login("ann", "s3cret-password")


@contextmanager
def made(
    tmp_path: Path, settings: Any = None, host: str = HOST, **others: Login
) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The configuration made from the user's, which holds these settings; and docker's variables."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(exist_ok=True)
    if settings is not None:
        (theirs / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    ours = tmp_path / "ours"
    ours.mkdir()
    environ = {"DOCKER_CONFIG": str(theirs), "PATH": os.environ["PATH"]}
    with private(ours, environ, {host: LOGIN, **others}) as variables:
        yield Path(variables["DOCKER_CONFIG"]), variables


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def ask(verb: str, variables: Mapping[str, str], said: str = HOST) -> "subprocess.CompletedProcess[str]":
    """As docker asks: the helper's name is looked up on PATH."""
    helper = next(f for part in variables["PATH"].split(":") if (f := Path(part) / "docker-credential-deploy").exists())
    return subprocess.run([helper, verb], input=said, capture_output=True, text=True, timeout=60, check=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_nobody_else_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with made(tmp_path) as (folder, _):
            assert mode(folder) == 0o700
            assert {file.name: mode(file) for file in folder.iterdir()} == {
                "config.json": 0o600,
                "helper.py": 0o600,
                "docker-credential-deploy": 0o700,
            }
    finally:
        os.umask(before)


def test_docker_gets_the_login_and_the_disk_does_not(tmp_path: Path) -> None:
    with made(tmp_path) as (folder, variables):
        assert read(folder) == {"credHelpers": {HOST: "deploy"}}
        assert json.loads(ask("get", variables).stdout) == {
            "ServerURL": HOST,
            "Username": "ann",
            "Secret": "s3cret-password",
        }
        assert ask("list", variables).stdout == "{}"
        stored = ask(
            "store", variables, json.dumps({"ServerURL": HOST, "Username": "ann", "Secret": "s3cret-password"})
        )
        assert (stored.returncode, stored.stdout) == (0, "")
        assert ask("erase", variables).returncode == 0
        assert ask("dance", variables).returncode == 1
        text = "".join(file.read_text() for file in folder.iterdir())
        assert "s3cret" not in text
    assert ask("get", variables).returncode == 1, "the run is over"


def test_each_registry_has_its_own_login(tmp_path: Path) -> None:
    settings = {"credHelpers": {"gcr.io": "gcloud", "mirror.example.com:5000": "store"}}
    with made(tmp_path, settings, **{"mirror.example.com:5000": Login("bob", "other-password")}) as (folder, variables):
        assert read(folder) == {
            "credHelpers": {"gcr.io": "gcloud", HOST: "deploy", "mirror.example.com:5000": "deploy"}
        }
        found = {host: json.loads(ask("get", variables, host).stdout) for host in (HOST, "mirror.example.com:5000\n")}
        assert [(one["Username"], one["Secret"]) for one in found.values()] == [
            ("ann", "s3cret-password"),
            ("bob", "other-password"),
        ]
        assert "password" not in "".join(file.read_text() for file in folder.iterdir())
        unknown = ask("get", variables, "another.example.com")
        assert (unknown.returncode, unknown.stdout) == (1, "credentials not found in native keychain\n")


def test_who_does_not_know_the_word_learns_nothing(tmp_path: Path) -> None:
    with made(tmp_path) as (folder, variables):
        program = folder / "helper.py"
        text = program.read_text()
        at = text.index('sendall(b"') + 10
        program.write_text(text[:at] + "0" * 32 + text[at + 32 :])
        done = ask("get", variables)
        assert done.returncode == 1
        assert done.stdout == ""


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io"])
def test_docker_hub_has_a_name_of_its_own(tmp_path: Path, host: str) -> None:
    with made(tmp_path, host=host) as (folder, variables):
        assert read(folder)["credHelpers"] == {HUB: "deploy"}
        assert json.loads(ask("get", variables, HUB).stdout)["Username"] == "ann"


def test_the_login_goes_before_the_store_and_the_rest_is_kept(tmp_path: Path) -> None:
    helpers = {"gcr.io": "gcloud", HOST: "store"}
    settings = {"credsStore": "desktop", "credHelpers": helpers, "auths": {"a": {}}, "proxies": {}}
    with made(tmp_path, settings) as (folder, _):
        assert read(folder) == {
            "credsStore": "desktop",
            "credHelpers": {"gcr.io": "gcloud", HOST: "deploy"},
            "auths": {"a": {}},
            "proxies": {},
        }
    assert json.loads((tmp_path / "theirs/config.json").read_text()) == settings


def test_a_variable_with_another_login_of_the_same_registry_is_not_believed(tmp_path: Path) -> None:
    """docker believes DOCKER_AUTH_CONFIG before any helper; GitLab's jobs have it for the images that they run in."""
    auths = {HOST: {"auth": "cmVhZDpvbmx5"}, "mirror.example.com": {"auth": "Ym9iOm90aGVy"}}
    environ = {"HOME": str(tmp_path), TOLD: json.dumps({"auths": auths})}
    with private(tmp_path, environ, {HOST: LOGIN}) as variables:
        assert json.loads(variables[TOLD]) == {"auths": {"mirror.example.com": auths["mirror.example.com"]}}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"auths": []}', '{"auths": {"mirror.example.com": {}}}'])
def test_a_variable_without_a_login_of_ours_stays_as_it_is(tmp_path: Path, text: str) -> None:
    with private(tmp_path, {"HOME": str(tmp_path), TOLD: text}, {HOST: LOGIN}) as variables:
        assert TOLD not in variables


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', "null", '{"a": 1}x', '{"credHelpers": []}'])
def test_a_configuration_that_is_none(tmp_path: Path, text: str | None) -> None:
    with made(tmp_path, text) as (folder, _):
        assert read(folder) == {"credHelpers": {HOST: "deploy"}}


def test_plugins_contexts_and_builders_are_still_there(tmp_path: Path) -> None:
    for name in ("cli-plugins", "contexts", "buildx", "trust"):
        (tmp_path / "theirs" / name).mkdir(parents=True)
        (tmp_path / "theirs" / name / "file").write_text(name)
    with made(tmp_path) as (folder, _):
        assert {path.name for path in folder.iterdir() if path.is_symlink()} == {"cli-plugins", "contexts", "buildx"}
        assert (folder / "cli-plugins" / "file").read_text() == "cli-plugins"


def test_by_default_it_is_under_home(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"psFormat": "x"}')
    with private(tmp_path, {"HOME": str(tmp_path)}, {HOST: LOGIN}) as variables:
        assert read(Path(variables["DOCKER_CONFIG"]))["psFormat"] == "x"
