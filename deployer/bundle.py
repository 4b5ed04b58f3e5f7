"""Archives that bring a release to where no source registry is: image, chart and profiles, each with its SHA-256."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deployer.errors import PreflightError, UsageError
from deployer.model import Image
from deployer.plan import bundle as plans
from deployer.plan.bundle import FILES, IMAGE, MANIFEST, Bundle
from deployer.plan.facts import Source
from deployer.registry import Registry, RegistryError

PIECE = 1 << 20
SMALL = 1 << 24
"""Bytes that a manifest may have: it is read whole."""


@dataclass(frozen=True)
class Opened:
    """A bundle whose every file is what was packed, unpacked into a private folder."""

    made: Bundle
    project: Path  # profiles and chart
    image: Path  # an OCI image layout


def pack(
    file: Path,
    environment: str,
    image: Image,
    source: Source | None,
    registry: Registry,
    project: Path,
    paths: Iterable[Path],
) -> str:
    """Write a bundle, whole or not at all: the image as the registry has it, and these files of the project.

    `image` with its digest. The answer is the SHA-256 (hex) of its manifest, which names the SHA-256 of all else.
    Raises UsageError where the file cannot be written, PreflightError where the registry does not give the image.
    """
    assert image.digest
    known = sorted({Path(os.path.normpath(project / path)) for path in paths})
    common = Path(os.path.commonpath([project, *known]))
    try:
        with tempfile.TemporaryDirectory(prefix="deploy-") as name:
            layout = Path(name)
            registry.pull(image, layout)
            _index(layout, image)
            packed = {f"{FILES}/{path.relative_to(common).as_posix()}": path for path in known}
            packed |= {
                f"{IMAGE}/{path.relative_to(layout).as_posix()}": path for path in layout.rglob("*") if path.is_file()
            }
            made = Bundle(
                environment,
                project.relative_to(common).as_posix(),
                image.repository,
                image.tag,
                image.digest,
                source,
                {name: _sha(path) for name, path in sorted(packed.items())},
            )
            text = plans.text(made).encode()
            _write(file, text, packed)
            return hashlib.sha256(text).hexdigest()
    except OSError as error:
        raise UsageError(f"--out {file}: {error.strerror or error}") from None


@contextmanager
def opened(file: Path, environment: str, expected: str | None = None) -> Iterator[Opened]:
    """A bundle, checked before anything of it is used; what was unpacked is gone when the block ends.

    `expected`: sha256:… of what `pack` answered. Raises UsageError where one is none or for another environment,
    PreflightError that names what was changed.
    """
    wanted = None if expected is None else plans.expected(expected)
    with tempfile.TemporaryDirectory(prefix="deploy-") as name:
        folder = Path(name)
        try:
            with tarfile.open(file, "r:") as archive:
                text = _manifest(file, archive)
                made = plans.parse(str(file), text.decode(errors="replace"))
                if wanted is not None and hashlib.sha256(text).hexdigest() != wanted:
                    raise PreflightError(
                        f"{file}: {MANIFEST} is not the one that was expected; nothing of it is used",
                        hint="`deploy bundle` says the digest of what it made",
                    )
                plans.demand(str(file), made, _unpacked(file, archive, made, folder), environment)
        except (tarfile.TarError, ValueError) as error:  # the latter of numbers in a header that are none
            raise UsageError(f"--bundle {file}: is no bundle, or is cut off: {error}") from None
        except OSError as error:
            raise UsageError(f"--bundle {file}: {error.strerror or error}") from None
        yield Opened(made, folder / FILES / made.project, folder / IMAGE)


def supply(registry: Registry, image: Image, packed: Opened) -> bool:
    """Put the image into the registry, unless it is there; whether it had to be.

    Raises PreflightError where the registry has another image under that tag, RegistryError with the exit code of its
    refusal where it does not take this one.
    """
    there = registry.digest(image)
    if there not in (None, image.digest):
        raise PreflightError(
            f"registry {image.registry} has another image as {image.tagged}: {there}, not {image.digest}",
            hint="what runs from it there would lose its name: give the version in the bundle a tag of its own",
        )
    if there:
        return False
    try:
        registry.push(image, packed.image)
    except RegistryError as error:  # that is no check before the first deed any more
        error.exit_code = error.refusal.exit_code
        raise
    return True


def _index(layout: Path, image: Image) -> None:
    """What makes a folder of blobs an OCI image layout (image-spec, image-layout.md)."""
    assert image.digest
    root = layout / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
    described = {
        "mediaType": json.loads(root.read_bytes()).get("mediaType", "application/vnd.oci.image.manifest.v1+json"),
        "digest": image.digest,
        "size": root.stat().st_size,
        "annotations": {"org.opencontainers.image.ref.name": image.tag},
    }
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}) + "\n")


def _write(file: Path, manifest: bytes, packed: Mapping[str, Path]) -> None:
    """The same archive for the same contents: no times, no owners."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with (
            os.fdopen(handle, "wb") as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as out,
        ):
            out.addfile(_member(MANIFEST, len(manifest)), io.BytesIO(manifest))
            for each, path in sorted(packed.items()):
                with open(path, "rb") as content:
                    out.addfile(_member(each, path.stat().st_size), content)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


def _member(name: str, size: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, 0o644
    return found


def _manifest(file: Path, archive: tarfile.TarFile) -> bytes:
    first = archive.next()
    stream = archive.extractfile(first) if first and first.isreg() and first.size <= SMALL else None
    if first is None or first.name != MANIFEST or stream is None:
        raise UsageError(f"--bundle {file}: is no bundle: it does not begin with {MANIFEST}")
    return stream.read()


def _unpacked(file: Path, archive: tarfile.TarFile, made: Bundle, folder: Path) -> dict[str, str]:
    """Name: SHA-256 of what is in the archive. Only what the manifest names is written, and only as a plain file."""
    found: dict[str, str] = {}
    while (member := archive.next()) is not None:
        stream = archive.extractfile(member) if member.isreg() else None
        if stream is None or member.name in found or member.name == MANIFEST:
            raise PreflightError(f"{file}: {member.name} is no plain file, or is there twice; nothing of it is used")
        path = folder / member.name if member.name in made.files else Path(os.devnull)
        if member.name in made.files:
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as out:
            found[member.name] = _copied(stream, out)
    return found


def _copied(stream: IO[bytes], out: IO[bytes]) -> str:
    known = hashlib.sha256()
    while piece := stream.read(PIECE):
        known.update(piece)
        out.write(piece)
    return known.hexdigest()


def _sha(path: Path) -> str:
    with open(path, "rb") as stream, open(os.devnull, "wb") as nowhere:
        return _copied(stream, nowhere)
