import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apiserver
import pytest
from apiserver import ApiServer

from deployer import cluster, evidence
from deployer.health.diagnosis import Diagnosis
from deployer.health.verdict import Cause, Counts, Judgement, Snapshot, Verdict, Workload

EVENTS = cluster.path("Event", "dev")
SINCE = 1_790_000_000.0


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    server.logs["web-1", "web", True] = b"starting\npanic: no database\n"
    server.logs["web-1", "web", False] = b"starting\n"
    event(server, "one", "uid-pod", "BackOff", "Back-off restarting failed container")
    event(server, "two", "uid-deployment", "ReplicaSetCreateError", "quota")
    event(server, "three", "uid-stranger", "BackOff", "none of ours")
    yield server
    server.stop()


@pytest.fixture
def door(api: ApiServer, tmp_path: Path) -> Iterator[cluster.Cluster]:
    found = cluster.connect(api.kubeconfig(tmp_path), "dev")
    yield found
    found.close()


def event(api: ApiServer, name: str, uid: str, reason: str, message: str) -> None:
    body = {
        "kind": "Event",
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(SINCE + 10)),
        "involvedObject": {"kind": "Pod", "name": uid, "uid": uid},
    }
    api.put(EVENTS, name, body)


def collect(door: cluster.Cluster, *, previous: bool = True, logs: bool = True, patience: float = 5.0) -> Diagnosis:
    cause = Cause(
        "crash", "CrashLoopBackOff", "exit 1", "pod/web-1", "web", pods=("web-1",), logs=logs, previous=previous
    )
    judgement = Judgement(Workload("Deployment", "web"), Verdict.FAILED, "no", Counts(1, 1), (cause,))
    pod: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {"name": "web-1", "uid": "uid-pod"},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    deployment = {"kind": "Deployment", "metadata": {"name": "web", "uid": "uid-deployment"}}
    snapshot = Snapshot({"Pod": {"uid-pod": pod}, "Deployment": {"uid-deployment": deployment}})
    return evidence.collect(door, "dev", judgement, snapshot, since=SINCE, patience=patience)


def test_logs_and_events_of_what_failed(api: ApiServer, door: cluster.Cluster) -> None:
    found = collect(door)
    assert [(one.previous, one.lines) for one in found.logs] == [(True, ("starting", "panic: no database"))]
    assert sorted(one.reason for one in found.events) == ["BackOff", "ReplicaSetCreateError"]
    assert found.missing == ()
    assert api.count("list", "events") == 2


@pytest.mark.parametrize("text", [None, b"", b" \n"])
def test_without_a_previous_run_the_present_one_speaks(
    api: ApiServer, door: cluster.Cluster, text: bytes | None
) -> None:
    del api.logs["web-1", "web", True]
    if text is not None:
        api.logs["web-1", "web", True] = text
    assert [(one.previous, one.lines) for one in collect(door).logs] == [(False, ("starting",))]


def test_a_container_just_started_anew_is_told_by_its_previous_run(api: ApiServer, door: cluster.Cluster) -> None:
    api.logs["web-1", "web", False] = b""
    assert [one.previous for one in collect(door, previous=False).logs] == [True]


@pytest.mark.parametrize("previous", [True, False])
def test_a_silent_container_has_a_log_without_lines(api: ApiServer, door: cluster.Cluster, previous: bool) -> None:
    api.logs["web-1", "web", False] = b""
    del api.logs["web-1", "web", True]
    found = collect(door, previous=previous)
    assert ([one.lines for one in found.logs], found.missing) == ([()], ())


def test_a_container_that_never_started_has_no_log_and_that_is_said(api: ApiServer, door: cluster.Cluster) -> None:
    api.logs.clear()
    found = collect(door)
    assert found.logs == ()
    assert "logs: previous terminated" in found.missing[0]


def test_missing_permissions_are_said_once_each(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("log", apiserver.status(403), 1e9)
    api.fail("list", apiserver.status(403), 1e9)
    found = collect(door)
    assert sorted(found.missing) == ["no permission to read events", "no permission to read logs"]
    assert "exit 1" in found.headline


def test_an_api_out_of_reach_still_gives_a_diagnosis(api: ApiServer, door: cluster.Cluster) -> None:
    api.stop()
    found = collect(door)
    assert "exit 1" in found.headline
    assert any("does not answer" in one for one in found.missing)


def test_nobody_waits_for_a_log_that_does_not_come(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("log", apiserver.hang)
    began = time.monotonic()
    found = collect(door, patience=0.3)
    assert time.monotonic() - began < 0.6
    assert found.missing == ("logs did not come within 0 s",)
    assert len(found.events) == 2


def test_nothing_is_asked_that_cannot_be_answered(api: ApiServer, door: cluster.Cluster) -> None:
    assert collect(door, logs=False).logs == ()
    assert api.count("log") == 0


def secret(api: ApiServer, name: str, kind: str, **data: bytes) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    api.put(cluster.path("Secret", "dev"), name, {"kind": "Secret", "type": kind, "data": encoded})


def test_what_secrets_hold(api: ApiServer, door: cluster.Cluster) -> None:
    secret(api, "web", "Opaque", TOKEN=b"long-enough", SHORT=b"short", KEYSTORE=b"\xff\xfe" * 8, BOOK=b"x" * 5000)
    secret(api, "empty", "Opaque")
    assert evidence.secrets(door, "dev") == evidence.Held(("long-enough",))


PEM = "-----BEGIN {0}-----\nMIIEvQIBADAN\n-----END {0}-----\n"
KEY, CERTIFICATE = PEM.format("PRIVATE KEY"), PEM.format("CERTIFICATE")
DOCKER = {
    "a.example": {"username": "deployer", "password": "registry-password"},
    "b.example": {"auth": base64.b64encode(b"deployer:another-password").decode()},
    "c.example": {"identitytoken": "identity-token", "auth": "no base64"},
}


@pytest.mark.parametrize(
    ("kind", "data", "known"),
    [
        ("kubernetes.io/basic-auth", {"username": "postgres", "password": "basic-password"}, ["basic-password"]),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": KEY}, [KEY]),
        ("kubernetes.io/tls", {"tls.crt": CERTIFICATE, "tls.key": KEY, "ca.crt": CERTIFICATE}, [KEY]),
        (
            "bootstrap.kubernetes.io/token",
            {"token-id": "a1b2c3", "token-secret": "0123456789abcdef", "description": "for the new nodes"},
            ["0123456789abcdef"],
        ),
        ("istio.io/key-and-cert", {"cert-chain.pem": CERTIFICATE + CERTIFICATE, "both.pem": CERTIFICATE + KEY}, None),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": json.dumps({"auths": DOCKER})},
            ["identity-token", "another-password", "registry-password"],
        ),
        ("kubernetes.io/dockercfg", {".dockercfg": json.dumps(dict(list(DOCKER.items())[:1]))}, ["registry-password"]),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "no such JSON"}, ["no such JSON"]),
        ("example.org/operator", {"PASSWORD": "of-an-operator"}, ["of-an-operator"]),
        ("helm.sh/release.v1", {"release": "a whole release"}, []),
        ("kubernetes.io/service-account-token", {"token": "a long token", "namespace": "some-namespace"}, []),
    ],
)
def test_secrets_of_every_type(
    api: ApiServer, door: cluster.Cluster, kind: str, data: dict[str, str], known: list[str] | None
) -> None:
    """All that is worth hiding: no name of a user, no certificate, nothing that stands beside a token."""
    secret(api, "web", kind, **{key: value.encode() for key, value in data.items()})
    assert evidence.secrets(door, "dev").texts == tuple([data["both.pem"]] if known is None else known)


def test_secrets_that_are_too_many_to_hide(api: ApiServer, door: cluster.Cluster) -> None:
    """The shortest first, each once, and the rest is told."""
    many = {f"K{number}": b"%04d" % number * 1000 for number in range(12)}
    secret(api, "books", "Opaque", **many)
    secret(api, "small", "Opaque", **{f"K{number}": b"password-%d" % (number % 200) for number in range(400)})
    found = evidence.secrets(door, "dev")
    assert {f"password-{number}" for number in range(200)} < set(found.texts)
    assert sum(map(len, found.texts)) <= evidence.MOST
    assert found.left == 212 - len(found.texts) > 0
    assert (
        found.warning == f"{found.left} long texts of the namespace's Secrets are too much to hide: see docs/secrets.md"
    )


def test_secrets_that_may_not_be_read(api: ApiServer, door: cluster.Cluster) -> None:
    secret(api, "web", "Opaque", TOKEN=b"long-enough")
    api.fail("list", apiserver.status(403), 1e9)
    found = evidence.secrets(door, "dev")
    assert (found.texts, found.warning) == ((), None)
