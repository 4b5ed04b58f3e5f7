"""BuildKit beside docker: for what an engine as old as 20.10 cannot, such as many platforms, attestations and caches.

Not a part of `lab up`: `python3 -m lab buildkit` starts it.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from lab import images, place, programs
from lab.processes import alive, attempt, run, start, stop, until

NAME = "buildkitd"
BUILDER = "lab"
PLATFORMS = "linux/amd64,linux/arm64"
RUNTIME = f"{place.REGISTRY}/mirror/static-debian12:platforms"
"""Like RUNTIME_IMAGE, for both platforms."""

GENERATOR = f"{place.REGISTRY}/mirror/sbom:1"
"""The generator of SBOMs."""


def up() -> str:
    """Start buildkitd, name it to buildx, and push the images that builds with it are made from."""
    programs.buildkitd()
    daemon(place.BUILDKIT)
    environment = {"BUILDX_CONFIG": str(place.BUILDX)}
    if not attempt("test", "-e", place.BUILDX / "instances" / BUILDER):
        create = ("buildx", "create", "--name", BUILDER, "--driver", "remote", f"unix://{place.BUILDKIT}/sock")
        run("docker", *create, env={"DOCKER_HOST": f"unix://{place.DOCKER}", **environment})
    return f"builder {BUILDER}, images {_images(environment)}"


def daemon(folder: Path, name: str = NAME) -> None:
    """Start a buildkitd with its root, its socket and its settings in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "buildkitd.toml"
    settings.write_text(
        f"""root = "{folder}/root"
[grpc]
  address = ["unix://{folder}/sock"]
[worker.oci]
  enabled = true
  binary = "runc"
[worker.containerd]
  enabled = false
[registry."{place.REGISTRY}"]
  ca = ["{place.PKI}/ca.crt"]
"""
    )
    start(name, (place.BIN / "buildkit", "--config", settings), {"SSL_CERT_FILE": str(place.BUNDLE)})
    until("buildkitd", (folder / "sock").is_socket, seconds=120, needs=(name,))


def _images(environment: dict[str, str]) -> str:
    """What builds are made from, once for what its files say."""
    sources = sorted((place.SOURCES / "sbom").iterdir())
    sign = hashlib.sha256(b"".join(file.read_bytes() for file in (Path(__file__), *sources))).hexdigest()
    done = place.BUILDKIT / "images"
    if done.exists() and done.read_text() == sign:
        return "there"
    docker = images.Docker()
    docker.environment |= environment
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copy(programs.sbom(), context / "sbom")
        (context / "Dockerfile").write_text('FROM scratch\nCOPY sbom /sbom\nENTRYPOINT ["/sbom"]\n')
        _push(docker, context, GENERATOR, "linux/amd64")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(
            f"FROM --platform=$BUILDPLATFORM {place.MIRROR['RUNTIME_IMAGE']} AS files\n"
            "FROM scratch\nCOPY --from=files / /\nUSER 65532:65532\nWORKDIR /\n"
        )
        _push(docker, context, RUNTIME, PLATFORMS)
    done.write_text(sign)
    return "pushed"


def _push(docker: images.Docker, context: Path, image: str, platforms: str) -> None:
    docker(
        *("buildx", "build", "--builder", BUILDER, "--push", "--quiet", "--provenance=false"),
        *("--platform", platforms, "--tag", image, context),
    )


def ready() -> bool:
    """Whether it runs."""
    return alive(NAME)


def environment() -> dict[str, str]:
    """The variables of a shell that uses it; none where it does not run."""
    if not ready():
        return {}
    return {
        "LAB_BUILDER": BUILDER,
        "LAB_RUNTIME_IMAGE": RUNTIME,
        "LAB_SBOM_GENERATOR": GENERATOR,
        "BUILDX_CONFIG": str(place.BUILDX),
    }


def down() -> None:
    """Stop it."""
    stop(NAME, patience=20)
