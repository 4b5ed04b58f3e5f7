"""docker: build, push, copy, log in; and what it says of its builders and of a cache."""

import re
from collections.abc import Mapping, Sequence
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
            *(docker, "buildx", "build", "--load", "--progress", "plain", "--provenance=false"),
            *_built(image, context, dockerfile, arguments),
        )
    )


def build_and_push(
    docker: str,
    image: Image,
    *,
    context: Path,
    dockerfile: Path | None,
    arguments: Mapping[str, str],
    builder: str | None,
    platforms: Sequence[str],
    cache: str | None,
    provenance: str,
    sbom: str | bool,
) -> Command:
    """Build the image with a builder of buildx, and let that push it under its tag.

    `builder`: None is the one that is in use. `platforms`: none are the builder's own. `cache`:
    registry/repository:tag; what of it cannot be read or written fails no build. `provenance`: false, min or max.
    `sbom`: whether, or with which generator's image.
    """
    attestations = {
        "provenance": "false" if provenance == "false" else f"mode={provenance}",
        "sbom": f"generator={sbom}" if isinstance(sbom, str) else str(sbom).lower(),
    }
    return Command(
        (
            *(docker, "buildx", "build", "--push", "--progress", "plain"),
            *(("--builder", builder) if builder else ()),
            *(("--platform", ",".join(platforms)) if platforms else ()),
            *(f"--{name}={value}" for name, value in attestations.items()),
            *(
                (
                    *("--cache-from", f"type=registry,ref={cache}"),
                    *("--cache-to", f"type=registry,ref={cache},mode=max,{_CACHE}"),
                )
                if cache
                else ()
            ),
            *_built(image, context, dockerfile, arguments),
        )
    )


_CACHE = "image-manifest=true,oci-mediatypes=true,ignore-error=true"
"""A manifest of a form that every registry takes."""


def _built(image: Image, context: Path, dockerfile: Path | None, arguments: Mapping[str, str]) -> tuple[str, ...]:
    return (
        *("--tag", image.tagged),
        *(("--file", str(dockerfile)) if dockerfile else ()),
        *(part for name, value in sorted(arguments.items()) for part in ("--build-arg", f"{name}={value}")),
        str(context),
    )


def inspect(docker: str, builder: str | None) -> Command:
    """What a builder is; fails where there is none of that name."""
    return Command((docker, "buildx", "inspect", *((builder,) if builder else ())))


def store(docker: str) -> Command:
    """Where the engine keeps its images, as JSON."""
    return Command((docker, "info", "--format", "{{json .DriverStatus}}"))


def driver(inspected: str) -> tuple[str, str]:
    """The driver of a builder, and what is the matter with it: empty where nothing is.

    A container that does not run yet is started by the build; nobody starts what is remote.
    """
    said: dict[str, str] = {}
    for line in inspected.splitlines():
        key, _, value = line.partition(":")
        said.setdefault(key.strip(), value.strip())
    kind, trouble = said.get("Driver", ""), said.get("Error", "")
    if kind == "remote" and said.get("Status") == "inactive":
        trouble = trouble or f"nobody answers at {said.get('Endpoint', 'its endpoint')}"
    return kind, trouble


def cache_trouble(lines: Sequence[str]) -> tuple[str, ...]:
    """What went wrong with the cache in a build that went well: a cache that is not there yet is no trouble.

    `lines`: the output under --progress plain, `#10 importing cache manifest from …` and `#10 ERROR: …`.
    """
    names: dict[str, str] = {}
    found: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        number, text = match.groups()
        if text.startswith(("importing cache manifest", "exporting cache to")):
            names[number] = "read" if text.startswith("importing") else "written"
        elif number in names and text.startswith("ERROR: ") and not text.endswith(": not found"):
            found[names[number]] = text.removeprefix("ERROR: ")
    return tuple(f"the cache could not be {how}: {why}" for how, why in found.items())


def advice(lines: Sequence[str]) -> str | None:
    """What to do about a build that failed, where its output tells."""
    if any("exec format error" in line for line in lines):
        return (
            "the Dockerfile runs a program of another platform than the builder's: let that step run on the builder's, "
            "FROM --platform=$BUILDPLATFORM, and compile for $TARGETOS and $TARGETARCH; or install QEMU for the builder"
        )
    return None


_LINE = re.compile(r"#(\d+) (.*)")


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
