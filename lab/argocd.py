"""Argo CD: its application controller, repo server and ApplicationSet controller, beside the cluster they work on."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any

from lab import certificates, gitserver, place
from lab.controlplane import kubectl
from lab.processes import attempt, run, start, stop, until

NAMESPACE = "argocd"
CLUSTER = "lab"
"""The name by which an Application says where it goes: `destination: {name: lab}`."""

REDIS, REPO_SERVER = "127.0.0.1:16379", "127.0.0.1:8281"
HEALTH = {
    "argocd-repo-server": "127.0.0.1:8284/healthz",
    "argocd-application-controller": "127.0.0.1:8282/healthz",
    "argocd-applicationset-controller": "127.0.0.1:8285/metrics",  # its probes answer 404
}
"""Program: where it says that it runs."""

PARTS = ("argocd-applicationset-controller", "argocd-application-controller", "argocd-repo-server", "argocd-redis")
FOLDER = place.STATE / "argocd"


def up() -> str:
    """Apply what Argo CD reads from the cluster, and start its programs."""
    manifests = (place.BIN / "argocd").resolve().with_name("manifests")
    run(*kubectl("apply", "--filename", "-"), stdin=_list({"kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    # By the server: the ApplicationSets' definition is longer than the annotation of a client's apply may be.
    run(
        *kubectl("apply", "--server-side", "--force-conflicts", "--namespace", NAMESPACE),
        *(part for file in sorted(manifests.glob("*.yaml")) for part in ("--filename", str(file))),
    )
    # The address inside the cluster does not exist: the API server is reached from the machine alone.
    settings = {"data": {"cluster.inClusterEnabled": "false"}}
    run(
        *kubectl("patch", "configmap", "argocd-cm", "--namespace", NAMESPACE),
        "--type=merge",
        "-p",
        json.dumps(settings),
    )
    key = {"server.secretkey": certificates.password("argocd-server")}
    run(
        *kubectl("patch", "secret", "argocd-secret", "--namespace", NAMESPACE, "--patch-file", "/dev/stdin"),
        stdin=json.dumps({"stringData": key}),
    )
    # The cluster knows a new kind a moment after its definition.
    until(
        "the kinds of Argo CD", lambda: attempt(*kubectl("get", "appprojects,applications,applicationsets")), seconds=60
    )
    run(*kubectl("apply", "--filename", "-"), stdin=_list(_project(), _cluster(), _credentials()))
    rights = (place.SOURCES / "access-gitops.yaml").read_text()
    run(
        *kubectl("apply", "--filename", "-"),
        stdin="\n---\n".join(rights.replace("NAMESPACE", name) for name in place.ENVIRONMENTS),
    )
    _start()
    return f"namespace {NAMESPACE}"


def _start() -> None:
    programs = FOLDER / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, file in {"helm": "helm3", "argocd": "argocd"}.items():  # the helm that this Argo CD is made for
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to((place.BIN / file).resolve())
    for name in ("tmp", "tls", "ssh"):
        (FOLDER / name).mkdir(exist_ok=True)
    start(
        "argocd-redis", ("redis-server", *("--bind", "127.0.0.1"), *("--port", REDIS.partition(":")[2]), "--save", "")
    )
    environ = {
        "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(FOLDER),
        "TMPDIR": str(FOLDER / "tmp"),
        "KUBECONFIG": str(place.ADMIN),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_TLS_DATA_PATH": str(FOLDER / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(FOLDER / "ssh"),
        "ARGOCD_ASK_PASS_SOCK": str(FOLDER / "askpass.sock"),
        "SSL_CERT_FILE": str(place.BUNDLE),
        "GIT_SSL_CAINFO": str(place.BUNDLE),
    }
    binary = place.BIN / "argocd"
    start(
        "argocd-repo-server",
        (
            *(binary, "argocd-repo-server", "--redis", REDIS, "--disable-tls", "--address", "127.0.0.1"),
            *("--port", REPO_SERVER.partition(":")[2], "--metrics-address", "127.0.0.1"),
            *("--metrics-port", "8284"),
        ),
        environ,
    )
    start(
        "argocd-application-controller",
        (
            *(binary, "argocd-application-controller", "--namespace", NAMESPACE, "--redis", REDIS),
            *("--repo-server", REPO_SERVER, "--repo-server-plaintext"),
            *("--metrics-port", "8282"),
        ),
        environ,
    )
    start(
        "argocd-applicationset-controller",
        (
            *(binary, "argocd-applicationset-controller", "--namespace", NAMESPACE),
            *("--argocd-repo-server", REPO_SERVER, "--repo-server-plaintext", "--metrics-addr", "127.0.0.1:8285"),
            *("--probe-addr", "127.0.0.1:8286", "--webhook-addr", "127.0.0.1:8287"),
        ),
        environ,
    )
    for name in HEALTH:
        until(name, lambda name=name: _healthy(name), seconds=180, needs=(name,))  # type: ignore[misc]


def ready() -> bool:
    """Whether every program answers."""
    redis = attempt("redis-cli", "-p", REDIS.partition(":")[2], "ping")
    return redis and all(_healthy(name) for name in HEALTH)


def environment() -> dict[str, str]:
    """The variables by which tests find it."""
    return {"LAB_ARGOCD_NAMESPACE": NAMESPACE, "LAB_ARGOCD_CLUSTER": CLUSTER}


def down() -> None:
    """Stop all of it."""
    for name in PARTS:
        stop(name)


def _healthy(name: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HEALTH[name]}", timeout=10) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _project() -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def _cluster() -> dict[str, Any]:
    def inline(name: str) -> str:
        return base64.b64encode((place.PKI / name).read_bytes()).decode()

    tls = {"caData": inline("ca.crt"), "certData": inline("admin.crt"), "keyData": inline("admin.key")}
    return _secret(
        "cluster-lab", "cluster", name=CLUSTER, server=place.API, config=json.dumps({"tlsClientConfig": tls})
    )


def _credentials() -> dict[str, Any]:
    """The reader's login for every repository of the git server."""
    login = {"username": gitserver.READER, "password": gitserver.password(gitserver.READER)}
    return _secret("git-lab", "repo-creds", type="git", url=gitserver.URL, **login)


def _secret(name: str, kind: str, /, **data: str) -> dict[str, Any]:
    labels = {"argocd.argoproj.io/secret-type": kind}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "stringData": data,
    }


def _list(*items: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **item} for item in items]})
