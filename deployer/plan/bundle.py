"""What a bundle holds, and whether it is what was packed. Pure: names and hashes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from deployer.errors import PreflightError, UsageError
from deployer.model import Image
from deployer.plan.facts import Source

FORMAT = "deploy/bundle/v1"
MANIFEST = "manifest.json"
IMAGE, FILES = "image", "files"
"""The folders of a bundle: an OCI image layout; chart and profiles, as they lie beside each other."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """What the manifest of a bundle says. Nothing secret."""

    environment: str
    project: str  # the project's folder in `files/`: "." or a path
    repository: str
    tag: str
    digest: str  # sha256:… of the image's manifest, or of its index
    source: Source | None  # the commit it was built from
    files: Mapping[str, str]  # every other file of the bundle: its SHA-256, hex

    def image(self, registry: str, repository: str) -> Image:
        """The image in a registry that it is loaded into."""
        return Image(registry, repository, self.tag, self.digest)


def text(made: Bundle) -> str:
    """The manifest: the same for the same contents."""
    return json.dumps({"format": FORMAT, **asdict(made)}, indent=1, sort_keys=True) + "\n"


def expected(given: str) -> str:
    """The SHA-256 (hex) that --bundle-digest names. Raises UsageError where it names none: an empty one is no check."""
    if not _DIGEST.fullmatch(given):
        raise UsageError(
            f"--bundle-digest `{given}` is no digest: sha256: and 64 hex digits are expected",
            hint="`deploy bundle` says the digest of what it made",
        )
    return given.removeprefix("sha256:")


def parse(file: str, given: str) -> Bundle:
    """A manifest. Raises UsageError where it is none, or of a later `deploy`."""
    try:
        data: Any = json.loads(given)
    except (ValueError, RecursionError):  # the latter of many brackets
        data = None
    if not isinstance(data, dict) or not str(data.get("format", "")).startswith("deploy/bundle/"):
        raise UsageError(f"{file} is no bundle", hint="`deploy bundle --env ENV --out FILE` makes one")
    if data.pop("format") != FORMAT:
        raise UsageError(f"{file} was made by another version of deploy", hint="make it with the deploy that reads it")
    names = {one.name for one in fields(Bundle)}
    tree = data.get("source")
    whole = (
        set(data) == names
        and all(isinstance(data[key], str) for key in names - {"source", "files"})
        and isinstance(data["files"], dict)
        and _DIGEST.fullmatch(data["digest"])
        and (tree is None or (isinstance(tree, dict) and set(tree) == {one.name for one in fields(Source)}))
        and all(_safe(name) and isinstance(sha, str) for name, sha in data["files"].items())
        and (data["project"] == "." or _safe(data["project"]))
    )
    if not whole:
        raise UsageError(f"{file}: its {MANIFEST} is damaged", hint="make or fetch it anew")
    given_tree: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in (tree or {}).items()
    }
    return replace(Bundle(**data), source=Source(**given_tree) if tree else None)


def demand(file: str, made: Bundle, found: Mapping[str, str], environment: str) -> None:
    """Raises PreflightError that names every file which is not what was packed, UsageError for another environment.

    `found`: name: SHA-256, hex, of each file that is in the archive but for the manifest.
    """
    problems = tuple(_problems(made, found))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise PreflightError(
            f"{file}: {problems[0]}{more}; nothing of it is used",
            detail=problems[1:],
            hint="it was changed or cut off on its way: fetch it anew",
        )
    if made.environment != environment:
        raise UsageError(f"{file} is a bundle for {made.environment}, not for {environment}")


def _problems(made: Bundle, found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*made.files, *found}):
        if name not in found:
            yield f"{name} is missing"
        elif name not in made.files:
            yield f"{name} was added"
        elif made.files[name] != found[name]:
            yield f"{name} was changed"
        elif name.startswith(f"{IMAGE}/blobs/sha256/") and not name.endswith(f"/{found[name]}"):
            yield f"{name} is not what its name says"
    if f"{IMAGE}/blobs/sha256/{made.digest.removeprefix('sha256:')}" not in made.files:
        yield f"the image {made.digest} is not in it"


def _safe(name: str) -> bool:
    """A relative path that stays where it is."""
    parts = name.split("/")
    return bool(name) and not {"", ".", ".."} & {*parts} and "\\" not in name and "\0" not in name
