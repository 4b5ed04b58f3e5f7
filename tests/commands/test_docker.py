"""docker's argv, by equality."""

from pathlib import Path

import pytest

from deployer.commands import docker
from deployer.model import Command, Image

IMAGE = Image("registry.lab:5443/team", "web", "1.2.3")
TAGGED = "registry.lab:5443/team/web:1.2.3"
BUILD = ("docker", "buildx", "build", "--load", "--progress", "plain", "--provenance=false", "--tag", TAGGED)
PUSH = ("docker", "buildx", "build", "--push", "--progress", "plain")


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
        pytest.param(
            docker.build_and_push(
                "docker",
                IMAGE,
                context=Path("/p"),
                dockerfile=None,
                arguments={},
                builder=None,
                platforms=(),
                cache=None,
                provenance="false",
                sbom=False,
            ),
            (*PUSH, "--provenance=false", "--sbom=false", "--tag", TAGGED, "/p"),
            id="build and push",
        ),
        pytest.param(
            docker.build_and_push(
                "docker",
                IMAGE,
                context=Path("/p"),
                dockerfile=Path("/D"),
                arguments={"A": "1"},
                builder="ours",
                platforms=("linux/amd64", "linux/arm64"),
                cache="registry.lab/web:cache",
                provenance="max",
                sbom="mirror/sbom:1",
            ),
            (
                *(*PUSH, "--builder", "ours", "--platform", "linux/amd64,linux/arm64"),
                *("--provenance=mode=max", "--sbom=generator=mirror/sbom:1"),
                *("--cache-from", "type=registry,ref=registry.lab/web:cache", "--cache-to"),
                "type=registry,ref=registry.lab/web:cache,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true",
                *("--tag", TAGGED, "--file", "/D", "--build-arg", "A=1", "/p"),
            ),
            id="build and push everything",
        ),
        pytest.param(docker.inspect("docker", None), ("docker", "buildx", "inspect"), id="the builder in use"),
        pytest.param(docker.inspect("docker", "a"), ("docker", "buildx", "inspect", "a"), id="a builder"),
        pytest.param(docker.store("docker"), ("docker", "info", "--format", "{{json .DriverStatus}}"), id="store"),
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


def inspected(driver: str, *node: str, error: str = "") -> str:
    """As buildx 0.29 has it."""
    head = [f"Name:          ours\nDriver:        {driver}", *([f"Error:         {error}"] if error else [])]
    nodes = ["", "Nodes:", "Name:             ours0", "Endpoint:         unix:///run/sock", *node]
    return "\n".join([*head, "Last Activity: 2026-11-26 11:18:12 +0000 UTC", *nodes])


@pytest.mark.parametrize(
    ("said", "driver", "trouble"),
    [
        (inspected("docker", "Status:           running"), "docker", ""),
        (inspected("remote", "Status:           running", "Platforms:        linux/amd64"), "remote", ""),
        (inspected("remote", "Status:           inactive"), "remote", "nobody answers at unix:///run/sock"),
        (inspected("docker-container", "Status:           inactive"), "docker-container", ""),
        (inspected("kubernetes", "Error:            no cluster: away"), "kubernetes", "no cluster: away"),
        (inspected("", error="Cannot connect: is it running?"), "", "Cannot connect: is it running?"),
        ("", "", ""),
    ],
)
def test_what_a_builder_is(said: str, driver: str, trouble: str) -> None:
    assert docker.driver(said) == (driver, trouble)


IMPORTING = "#10 importing cache manifest from r.lab/web:cache"


@pytest.mark.parametrize(
    ("lines", "troubles"),
    [
        ((), ()),
        ((IMPORTING, "#10 DONE 0.1s", "#11 exporting cache to registry", "#11 DONE 3.1s"), ()),
        ((IMPORTING, "#10 ERROR: failed to configure registry cache importer: r.lab/web:cache: not found"), ()),
        ((IMPORTING, "#9 ERROR: process", "------", " > importing cache manifest from r.lab/web:cache:"), ()),
        (
            (IMPORTING, "#10 ERROR: failed to configure registry cache importer: 503 Service Unavailable"),
            ("the cache could not be read: failed to configure registry cache importer: 503 Service Unavailable",),
        ),
        (
            ("#11 exporting cache to registry", "#11 preparing build cache for export", "#11 ERROR: denied: no"),
            ("the cache could not be written: denied: no",),
        ),
    ],
)
def test_what_went_wrong_with_a_cache(lines: tuple[str, ...], troubles: tuple[str, ...]) -> None:
    assert docker.cache_trouble(lines) == troubles
