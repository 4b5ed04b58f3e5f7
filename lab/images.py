"""Stand-ins for the public base images, which cannot be pulled here: in the registry, like a company's mirror."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from lab import place, programs, registry
from lab.processes import attempt, run

GO_FILES = ("bin", "src", "pkg", "lib", "go.env", "VERSION")


def up() -> str:
    """Build and push what the registry does not have; keep the registry's files for the next lab."""
    sign = place.CACHE / "mirror" / "sign"
    docker = Docker()
    if (
        sign.exists()
        and sign.read_text() == _sign()
        and (registry.STORAGE / "docker/registry/v2/repositories/mirror").exists()
    ):
        said = "cached"
    else:
        said = "built"
        rootfs = _rootfs()
        _runtime(docker)
        _base(docker, rootfs)
        kept = place.CACHE / "mirror"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        shutil.copytree(registry.STORAGE / "docker", kept / "docker")
        (kept / "sign").write_text(_sign())
    pause = place.CACHE / "pause.tar"
    if not pause.exists():
        _pause(docker, pause)
    return said


class Docker:
    """The lab's docker, logged in to the lab's registry for as long as it lives."""

    def __init__(self) -> None:
        self._config = tempfile.TemporaryDirectory(prefix="deploy-lab-")
        self.environment = {"DOCKER_HOST": f"unix://{place.DOCKER}", "DOCKER_CONFIG": self._config.name}
        self("login", "--username", place.REGISTRY_USER, "--password-stdin", place.REGISTRY, stdin=place.password())

    def __call__(self, *arguments: str | Path, stdin: str | bytes | None = None) -> str:
        """Run a docker command."""
        return run("docker", *arguments, stdin=stdin, env=self.environment)


def _sign() -> str:
    """What the stand-ins are made of: this file, Go and the machine's certificate authorities."""
    parts = (Path(__file__).read_bytes(), run("go", "version"), Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    return hashlib.sha256(b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def rootfs() -> str:
    """The Debian base of the stand-ins; made early, since it takes half a minute and needs no docker."""
    _rootfs()
    return "there"


def _rootfs() -> Path:
    """A minimal Debian with what the stand-ins need, from the machine's own mirror."""
    kept = place.CACHE / "rootfs"
    if not kept.exists():
        fresh = place.CACHE / f"rootfs.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        suite, mirror = _debian()
        run(
            *("debootstrap", "--variant=minbase", "--include=ca-certificates,git,redis-server", suite, fresh, mirror),
        )
        for waste in (
            "var/cache/apt/archives",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
        ):
            shutil.rmtree(fresh / waste, ignore_errors=True)
        fresh.rename(kept)
    return kept


def _debian() -> tuple[str, str]:
    """The suite and the mirror that this machine's apt uses."""
    suite = next(
        line.partition("=")[2].strip()
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    uris = run("apt-get", "indextargets", "--format", "$(SITE)", f"Codename: {suite}", "Created-By: Packages").split()
    return suite, uris[0]


def _runtime(docker: Docker) -> None:
    """Like distroless static: certificates, a user, a folder for temporary files; no shell."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("etc/ssl/certs", "tmp", "home/nonroot"):
            (root / name).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        root.chmod(0o755)
        (root / "etc/passwd").write_text(
            "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
        )
        (root / "etc/group").write_text("root:x:0:\nnonroot:x:65532:\n")
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
        archive = f"{folder}.tar"
        run("tar", "-C", folder, "-cf", archive, ".")
        docker(
            "import", "--change", "USER 65532:65532", "--change", "WORKDIR /", archive, place.MIRROR["RUNTIME_IMAGE"]
        )
        Path(archive).unlink()
    docker("push", "--quiet", place.MIRROR["RUNTIME_IMAGE"])


def _base(docker: Docker, rootfs: Path) -> None:
    """Debian for redis; and with the machine's Go, its module settings and its certificate authorities, for builds."""
    redis, golang = place.MIRROR["REDIS_IMAGE"], place.MIRROR["GO_IMAGE"]
    archive = place.CACHE / "rootfs.tar"
    run("tar", "-C", rootfs, "--exclude=./dev/*", "-cf", archive, ".")
    docker("import", "--change", 'ENTRYPOINT ["redis-server"]', "--change", "EXPOSE 6379", archive, redis)
    archive.unlink()
    docker("push", "--quiet", redis)
    settings = json.loads(
        run("go", "env", "-json", "GOROOT", "GOPROXY", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOFLAGS")
    )
    root = Path(settings.pop("GOROOT"))
    with tempfile.TemporaryDirectory(dir=place.CACHE) as folder:
        context = Path(folder)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", context / "ca.crt")
        run(
            "tar",
            "-C",
            root,
            "--exclude=testdata",
            "--exclude=*_test.go",
            "-cf",
            context / "go.tar",
            *(name for name in GO_FILES if (root / name).exists()),
        )
        lines = [f"ENV {name}={json.dumps(value)}" for name, value in settings.items() if value]
        (context / "Dockerfile").write_text(
            "\n".join(
                (
                    f"FROM {redis}",
                    "ENTRYPOINT []",
                    "ADD go.tar /usr/local/go/",
                    "COPY ca.crt /etc/ssl/certs/ca-certificates.crt",
                    "ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "ENV GOTOOLCHAIN=local GOPATH=/go",
                    *lines,
                    "",
                )
            )
        )
        docker("buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", golang, context)
    docker("push", "--quiet", golang)


def _pause(docker: Docker, archive: Path) -> None:
    program = programs.pause()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(program, Path(folder) / "pause")
        run("tar", "-C", folder, "-cf", f"{folder}.tar", "pause")
        docker("import", "--change", 'ENTRYPOINT ["/pause"]', f"{folder}.tar", place.PAUSE)
        Path(f"{folder}.tar").unlink()
    docker("save", "--output", archive, place.PAUSE)


def ready() -> bool:
    """Whether the registry holds the stand-ins."""
    return all(
        attempt("test", "-d", registry.STORAGE / "docker/registry/v2/repositories/mirror" / name)
        for name in ("golang", "redis")
    )
