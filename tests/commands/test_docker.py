"""docker's argv, by equality."""

from pathlib import Path

import pytest

from deployer.commands import docker
from deployer.model import Command, Image

IMAGE = Image("registry.lab:5443/team", "web", "1.2.3")
TAGGED = "registry.lab:5443/team/web:1.2.3"
BUILD = ("docker", "buildx", "build", "--load", "--progress", "plain", "--tag", TAGGED)


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        pytest.param(docker.version("docker"), ("docker", "version", "--format", "{{json .}}"), id="version"),
        pytest.param(docker.buildx("podman"), ("podman", "buildx", "version"), id="buildx"),
        pytest.param(docker.push("docker", IMAGE), ("docker", "push", TAGGED), id="push"),
        pytest.param(
            docker.copy("docker", Image("a.lab", "web", "1", "sha256:c"), IMAGE),
            (
                *("docker", "buildx", "imagetools", "create", "--progress", "plain", "--prefer-index=false"),
                *("--tag", TAGGED, "a.lab/web:1@sha256:c"),
            ),
            id="copy",
        ),
        pytest.param(
            docker.build("docker", IMAGE, context=Path("/p/service"), dockerfile=None, arguments={}),
            (*BUILD, "/p/service"),
            id="build",
        ),
        pytest.param(
            docker.build("docker", IMAGE, context=Path("/"), dockerfile=Path("/D"), arguments={"B": "2", "A": "1 +"}),
            (*BUILD, "--file", "/D", "--build-arg", "A=1 +", "--build-arg", "B=2", "/"),
            id="build with everything",
        ),
    ],
)
def test_commands(command: Command, argv: tuple[str, ...]) -> None:
    assert command == Command(argv)


@pytest.mark.parametrize("registry", ["registry.lab:5443", "registry.lab:5443/team/a"])
def test_the_password_is_on_stdin_alone(registry: str) -> None:
    command = docker.login("docker", registry, "deploy", "s3cret")
    assert command.argv == ("docker", "login", "--username", "deploy", "--password-stdin", "registry.lab:5443")
    assert command.stdin == "s3cret"
    assert command.env == {}


def test_a_command_can_always_be_shown() -> None:
    command = docker.login("docker", "registry.lab", "deploy", "s3cret")
    for text in (repr(command), str(command), f"{command}", repr([command])):
        assert "s3cret" not in text
        assert "deploy" in text
