"""Another cluster under the right name: a renamed context, a swapped kubeconfig, the same name on another API server.

The other cluster is a stand-in that would answer anything: what it was asked shows how far a deploy came.
"""

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Deployed, Project

from deployer import cluster

pytestmark = pytest.mark.lab

OTHER_UID = "11111111-2222-3333-4444-555555555555"
VERBS = (("up", "--env", "prod", "--tag", "v1"), ("rollback", "--env", "prod"))


class Impostor:
    """An API server of another cluster, with a certificate of its own CA."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        key, self.certificate = folder / "impostor.key", folder / "impostor.crt"
        subject = ("-subj", "/CN=impostor", "-addext", "subjectAltName=IP:127.0.0.1")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject),
                *("-keyout", str(key), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
        )
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.dumps({"kind": "Namespace", "metadata": {"uid": OTHER_UID, "name": "kube-system"}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def authority(self) -> str:
        """Its CA, as a kubeconfig has it."""
        return base64.b64encode(self.certificate.read_bytes()).decode()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    made = Impostor(tmp_path)
    yield made
    made.stop()


def pinned(project: Project, *keys: str) -> dict[str, str]:
    """Pin prod to the lab's cluster by these keys alone; all there is to pin by."""
    door = cluster.connect(Path(project.environ["DEPLOY_KUBECONFIG"]), "prod")
    uid = door.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    identity = {"server": door.server, "caSha256": str(door.ca_sha256), "uid": str(uid)}
    door.close()
    given = {key: (value if key in keys else None) for key, value in identity.items()}
    project.profile("prod", target={"identity": given})
    return identity


def rewritten(project: Project, change: Any) -> None:
    """Change the kubeconfig that the job has."""
    file = Path(project.environ["DEPLOY_KUBECONFIG"])
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config))


def renamed_context(config: dict[str, Any], other: dict[str, Any]) -> None:
    """The other cluster is in the file too, and its context bears our name; the real one is called otherwise."""
    config["clusters"].append({"name": "other", "cluster": other})
    real = next(one for one in config["contexts"] if one["name"] == "prod")
    config["contexts"].append({"name": "prod", "context": {**real["context"], "cluster": "other"}})
    real["name"] = "prod-real"
    config["current-context"] = "prod-real"


def swapped_kubeconfig(config: dict[str, Any], other: dict[str, Any]) -> None:
    """Another file: all names in it are the same, and all lead elsewhere."""
    config["clusters"] = [{"name": one["name"], "cluster": other} for one in config["clusters"]]


def same_name_elsewhere(config: dict[str, Any], other: dict[str, Any]) -> None:
    """Cluster, context, user and even the CA are the same; only the API server is another."""
    for one in config["clusters"]:
        one["cluster"]["server"] = other["server"]


def same_name_unverified(config: dict[str, Any], other: dict[str, Any]) -> None:
    """The same, and nobody looks at certificates."""
    for one in config["clusters"]:
        one["cluster"] = {"server": other["server"], "insecure-skip-tls-verify": True}


CASES = [
    pytest.param(renamed_context, ("uid",), "uid is " + OTHER_UID, True, id="renamed context, by uid"),
    pytest.param(renamed_context, ("caSha256",), "caSha256 is ", False, id="renamed context, by CA"),
    pytest.param(swapped_kubeconfig, ("uid",), "uid is " + OTHER_UID, True, id="swapped kubeconfig, by uid"),
    pytest.param(swapped_kubeconfig, ("caSha256", "uid"), "caSha256 is ", False, id="swapped kubeconfig, by CA"),
    pytest.param(
        same_name_elsewhere, ("server", "uid"), "server is https://127.0.0.1:", False, id="elsewhere, by server"
    ),
    pytest.param(same_name_elsewhere, ("uid",), "certificate", False, id="elsewhere, by its certificate"),
    pytest.param(same_name_unverified, ("caSha256",), "caSha256 is None", False, id="unverified, by CA"),
    pytest.param(same_name_unverified, ("uid",), "uid is " + OTHER_UID, True, id="unverified, by uid"),
]


@pytest.mark.parametrize(("change", "keys", "said", "asked"), CASES)
def test_another_cluster_is_refused_before_anything_is_touched(
    project: Project, impostor: Impostor, change: Any, keys: tuple[str, ...], said: str, asked: bool
) -> None:
    pinned(project, *keys)
    other = {"server": impostor.url, "certificate-authority-data": impostor.authority}
    rewritten(project, lambda config: change(config, other))
    before = [one["metadata"]["name"] for one in project.objects("secrets,configmaps,deployments,services,pods")]
    for verb in VERBS:
        impostor.asked.clear()
        done = project.deploy(*verb, "--output", "json")
        assert done.code == 3, done
        assert done.json["changed"] is False
        assert said in done.json["message"] + done.json["hint"], done
        assert all(one.startswith("GET ") for one in impostor.asked), impostor.asked
        assert any("kube-system" in one for one in impostor.asked) is asked, impostor.asked
        assert bool(impostor.asked) is asked, "who is known by URL or CA is sent no request, and so no token"
    after = [one["metadata"]["name"] for one in project.objects("secrets,configmaps,deployments,services,pods")]
    assert after == before


def test_the_right_cluster_under_all_three_pins(project: Project) -> None:
    pinned(project, "server", "caSha256", "uid")
    done = project.deploy("doctor", "--env", "prod", "-o", "json")
    assert done.json["checks"]["cluster"] == "ok", done


def test_where_prod_may_not_lead(project: Project) -> None:
    """The rest of it is in tests/profile/test_load.py."""
    for target, said in (
        ({"namespace": "kube-system"}, "target.namespace is `kube-system`"),
        ({"namespace": "default"}, "target.namespace is `default`"),
        ({"namespace": "x", "identity": {"uid": None}}, "`prod` is protected, so target.identity must pin its cluster"),
    ):
        project.profile("prod", target=target)
        for verb in VERBS:
            done = project.deploy(*verb)
            assert done.code == 2, done
            assert said in done.err


def test_pin_makes_the_cluster_known(project: Project, impostor: Impostor) -> None:
    file = project.folder / "environments/dev.yaml"
    pin = project.deploy("config", "pin", "--env", "dev", "-o", "json")
    assert pin.code == 0, pin
    assert yaml.safe_load(file.read_text())["target"]["identity"] == pin.json["identity"]
    assert pin.json["identity"] == pinned(project, "uid")
    assert "# BRANCH-SHA" in file.read_text(), "comments stay"
    _cluster_is(project.deploy("doctor", "--env", "dev", "-o", "json"), "ok")
    other = {"server": impostor.url, "certificate-authority-data": impostor.authority}
    rewritten(project, lambda config: swapped_kubeconfig(config, other))
    _cluster_is(project.deploy("doctor", "--env", "dev", "-o", "json"), "context `dev` leads to another cluster")
    refused = project.deploy("config", "pin", "--env", "dev")
    assert refused.code == 2, refused
    assert f"uid is {pin.json['identity']['uid']}, and the cluster says {OTHER_UID}" in refused.err
    moved = project.deploy("config", "pin", "--env", "dev", "--yes")
    assert moved.code == 0, moved
    assert yaml.safe_load(file.read_text())["target"]["identity"]["server"] == impostor.url


def _cluster_is(doctor: Deployed, said: str) -> None:
    assert doctor.json["checks"]["cluster"].startswith(said), doctor
