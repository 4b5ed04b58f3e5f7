import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from deployer.dockerconfig import private


def made(tmp_path: Path, settings: Any = None) -> Path:
    """The configuration made from the user's, which holds these settings."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    if settings is not None:
        (theirs / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    ours = tmp_path / "ours"
    ours.mkdir()
    return private(ours, {"DOCKER_CONFIG": str(theirs)})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_nobody_else_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = made(tmp_path)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(folder / "config.json") == 0o600


def test_the_store_is_left_out_and_the_rest_kept(tmp_path: Path) -> None:
    settings = {"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"}, "auths": {"a": {}}, "proxies": {}}
    config = made(tmp_path, settings) / "config.json"
    assert json.loads(config.read_text()) == {key: settings[key] for key in ("credHelpers", "auths", "proxies")}
    assert json.loads((tmp_path / "theirs/config.json").read_text()) == settings


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', "null", '{"a": 1}x'])
def test_a_configuration_that_is_none(tmp_path: Path, text: str | None) -> None:
    assert json.loads((made(tmp_path, text) / "config.json").read_text()) == {}


def test_plugins_contexts_and_builders_are_still_there(tmp_path: Path) -> None:
    for name in ("cli-plugins", "contexts", "buildx", "trust"):
        (tmp_path / "theirs" / name).mkdir(parents=True)
        (tmp_path / "theirs" / name / "file").write_text(name)
    folder = private(tmp_path, {"DOCKER_CONFIG": str(tmp_path / "theirs")})
    assert {path.name for path in folder.iterdir()} == {"config.json", "cli-plugins", "contexts", "buildx"}
    assert (folder / "cli-plugins" / "file").read_text() == "cli-plugins"


def test_by_default_it_is_under_home(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"psFormat": "x"}')
    assert json.loads((private(tmp_path, {"HOME": str(tmp_path)}) / "config.json").read_text()) == {"psFormat": "x"}


def test_the_helpers_of_our_own_registries_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    hosts = ("registry.example.com", "other.example.com", "mirror.example.com:5000")
    helpers = {"credHelpers": dict.fromkeys(hosts, "store")}
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(helpers))
    folder = private(tmp_path, {"DOCKER_CONFIG": str(tmp_path / "theirs")}, hosts[0], hosts[2], "none.example.com")
    assert json.loads((folder / "config.json").read_text()) == {"credHelpers": {"other.example.com": "store"}}
