"""docker: build, push, copy, log in."""

from collections.abc import Mapping
from pathlib import Path

from deployer.model import Command, Image


def version(docker: str) -> Command:
    """Client and engine versions as JSON; fails where no engine answers."""
    return Command((docker, "version", "--format", "{{json .}}"))


def buildx(docker: str) -> Command:
    """The version of the BuildKit plugin."""
    return Command((docker, "buildx", "version"))


def login(docker: str, registry: str, username: str, password: str) -> Command:
    """Log in to a registry; the password goes in on stdin."""
    host = registry.partition("/")[0]
    return Command((docker, "login", "--username", username, "--password-stdin", host), stdin=password)


def build(
    docker: str, image: Image, *, context: Path, dockerfile: Path | None, arguments: Mapping[str, str]
) -> Command:
    """Build the image into the engine under its tag."""
    return Command(
        (
            *(docker, "buildx", "build", "--load", "--progress", "plain"),
            *("--tag", image.tagged),
            *(("--file", str(dockerfile)) if dockerfile else ()),
            *(part for name, value in sorted(arguments.items()) for part in ("--build-arg", f"{name}={value}")),
            str(context),
        )
    )


def push(docker: str, image: Image) -> Command:
    """Push the tag."""
    return Command((docker, "push", image.tagged))


def copy(docker: str, image: Image, target: Image) -> Command:
    """Copy an image between registries under its digest, and whatever hangs on it: an index, its attestations.

    It needs no engine. Without --prefer-index=false a single manifest is wrapped, and the digest is another.
    """
    return Command(
        (
            *(docker, "buildx", "imagetools", "create", "--progress", "plain", "--prefer-index=false"),
            *("--tag", target.tagged, image.reference),
        )
    )
