"""A proxy for real: it takes CONNECT and whole URLs on 127.0.0.1, and leads all of them to one server of the test's."""

import json
import os
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from apiserver import ApiServer
from loopback import serving
from urllib3.exceptions import LocationParseError

from deployer import cluster, credentials, proxies
from deployer.errors import DeployError, ExitCode, PreflightError
from deployer.model import Image
from deployer.notes import MergeRequest
from deployer.prometheus import Prometheus, Unanswered
from deployer.refusal import Fault
from deployer.registry import Registry, RegistryError
from deployer.telemetry import send

LOGIN = "robot:s3cr%C3%A4t%40x"
SHOWN = "Basic cm9ib3Q6czNjcsOkdEB4"  # robot:s3crät@x
DIGEST = "sha256:" + "a" * 64


@dataclass
class Proxy:
    """What came by it, and where to it leads."""

    address: str = ""  # host:port
    upstream: tuple[str, int] = ("127.0.0.1", 9)
    refuses: int = 0  # the status
    asked: list[str] = field(default_factory=list)  # "CONNECT host:port", "POST http://…"
    logins: list[str | None] = field(default_factory=list)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """It is in the job's variables, with a login."""
    made = Proxy()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def refused(self) -> bool:
            made.asked.append(f"{self.command} {self.path}")
            made.logins.append(self.headers["Proxy-Authorization"])
            if made.refuses:
                self.send_response(made.refuses)
                self.send_header("Content-Length", "0")
                self.end_headers()
            return bool(made.refuses)

        def do_CONNECT(self) -> None:
            if self.refused():
                return
            with socket.create_connection(made.upstream) as other:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: other, other: self.connection}
                while True:
                    for one in select.select(list(ends), (), ())[0]:
                        data = one.recv(65536)
                        if not data:
                            return
                        ends[one].sendall(data)

        def do_POST(self) -> None:
            if self.refused():
                return
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving(Handler) as url:
        made.address = urlsplit(url).netloc
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@{made.address}")
        monkeypatch.setenv("HTTP_PROXY", f"{LOGIN}@{made.address}")  # curl and Go take it without a scheme
        yield made


@pytest.fixture
def registry(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`registry.example`, under a CA of its own, to which the proxy alone leads; its host."""
    key, cert = tmp_path / "key", tmp_path / "cert"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert),
            *("-subj", "/CN=registry.example", "-addext", "subjectAltName=DNS:registry.example"),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    return "registry.example:5443"


@pytest.fixture
def there(registry: str, proxy: Proxy, tmp_path: Path) -> Iterator[list[str]]:
    """The registry runs: the paths that it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Docker-Content-Digest", DIGEST)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with serving(Handler, context) as url:
        proxy.upstream = ("127.0.0.1", int(url.rpartition(":")[2]))
        yield asked


def test_a_registry_behind_a_proxy(registry: str, there: list[str], proxy: Proxy) -> None:
    door = Registry(registry)
    door.check()
    assert door.digest(Image(registry, "web", "1")) == DIGEST
    assert there == ["/v2/", "/v2/web/manifests/1"]
    assert proxy.asked == [f"CONNECT {registry}"]  # one connection for both
    assert proxy.logins == [SHOWN]
    door._pool.clear()


@pytest.mark.parametrize(("status", "said"), [(407, "407 Proxy Authentication Required"), (502, "502 Bad Gateway")])
def test_a_proxy_that_refuses_the_tunnel(registry: str, proxy: Proxy, status: int, said: str) -> None:
    proxy.refuses = status
    with pytest.raises(RegistryError) as error:
        Registry(registry).check()
    assert error.value.message == f"registry {registry} does not answer: the proxy {proxy.address} answers {said}"
    assert error.value.hint == proxies.HINT
    assert (error.value.refusal.fault, error.value.refusal.exit_code) == (Fault.AWAY, ExitCode.UNAVAILABLE)


def test_a_proxy_that_is_not_there(registry: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:9")
    with pytest.raises(RegistryError) as error:
        Registry(registry).check()
    said = "the proxy 127.0.0.1:9 cannot be reached, connection refused"
    assert error.value.message == f"registry {registry} does not answer: {said}"


@pytest.mark.parametrize("value", ["socks5://robot:s3cret@p:1", "http://robot:s3cret@[::1/x", "http://robot:s3cret@:x"])
def test_what_is_no_proxy_is_told_without_its_login(
    registry: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(RegistryError, match="the proxy in the job's variables is no URL of http or https") as error:
        Registry(registry).check()
    assert "s3cret" not in str(error.value)


def test_prometheus_behind_a_proxy(proxy: Proxy) -> None:
    door = Prometheus("http://prometheus.example/x")
    assert door.query("up") == {"{}": 2.0}
    assert proxy.asked == ["POST http://prometheus.example/x/api/v1/query"]
    assert proxy.logins == [SHOWN]
    proxy.refuses = 407
    with pytest.raises(Unanswered, match=f"does not answer: the proxy {proxy.address} answers 407 Proxy Auth"):
        door.query("up")
    door._pool.clear()


def test_gitlab_behind_a_proxy(proxy: Proxy) -> None:
    proxy.refuses = 407
    request = MergeRequest("http://gitlab.example/api/v4", "team/web", "4", "token")
    with pytest.raises(DeployError, match=f"GitLab does not answer: the proxy {proxy.address} answers 407"):
        request.leave("m", "text")
    assert proxy.asked[0].startswith("GET http://gitlab.example/api/v4/projects/team%2Fweb/")


def test_telemetry_behind_a_proxy(proxy: Proxy) -> None:
    assert send._send("POST", "http://collector.example/v1/traces", b"{}", {}, 5) == ""
    assert proxy.asked == ["POST http://collector.example/v1/traces"]
    proxy.refuses = 407
    deed = {"not sent": lambda: send._send("POST", "http://collector.example/v1/traces", b"{}", {}, 5)}
    assert send._told(deed, 5) == [f"not sent: the proxy {proxy.address} answers 407 Proxy Authentication Required"]


@pytest.mark.parametrize("said", ["variables", "kubeconfig"])
def test_a_cluster_behind_a_proxy(said: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = ApiServer()
    try:
        file = api.kubeconfig(tmp_path)
        found = json.loads(file.read_text())
        found["clusters"][0]["cluster"]["server"] = "http://api.example:6443"
        if said == "kubeconfig":
            monkeypatch.delenv("HTTP_PROXY")
            found["clusters"][0]["cluster"]["proxy-url"] = f"http://{LOGIN}@{proxy.address}"
        file.write_text(json.dumps(found))
        door = cluster.connect(file, "dev")
        door.get("/version")
        door.close()
        monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")
        if said == "variables":
            with pytest.raises(
                cluster.Unreachable, match="does not answer: its proxy cannot be reached, connection re"
            ):
                cluster.connect(file, "dev").version()
    finally:
        api.stop()
    assert proxy.asked == ["GET http://api.example:6443/version"]
    assert proxy.logins == [SHOWN]


def test_a_cluster_behind_what_is_no_proxy(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://robot:s3cret@[::1")
    api = ApiServer()
    try:
        with pytest.raises(PreflightError, match="the proxy in the job's variables is no URL of http or https"):
            cluster.connect(api.kubeconfig(tmp_path), "dev")
    finally:
        api.stop()


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxied"),
    [
        ("https://a.example/v2/", "", "http://p:1"),
        ("http://a.example/", "", "http://all:1"),
        ("https://a.example:5000/", "b.example, .example", None),
        ("https://a.example:5000/", "a.example:5000", None),
        ("https://a.example/", "*", None),
        ("https://10.1.2.3:5000/", "10.0.0.0/8", None),
        ("https://11.1.2.3:5000/", "10.0.0.0/8,x.example", "http://p:1"),
        ("https://127.0.0.1:5000/", "", None),
        ("https://[::1]:5000/", "", None),
        ("http://localhost:5000/", "", None),
    ],
)
def test_which_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str, proxied: str | None
) -> None:
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxies.named(url) == proxied


def test_a_url_that_is_none_is_what_urllib3_says_it_is() -> None:
    with pytest.raises(LocationParseError):
        proxies.Pool().request("GET", "https://[::1/x")


def test_a_redirect_goes_by_the_proxy_of_where_it_leads(proxy: Proxy) -> None:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", "http://store.example/blob")
            self.end_headers()

    with serving(Handler) as url, proxies.Pool(retries=2) as pool:
        assert pool.request("GET", f"{url}/blob").status == 200
    assert proxy.asked == ["GET http://store.example/blob"]


def test_the_password_of_a_proxy_is_a_secret() -> None:
    known = {"HTTPS_PROXY": f"http://{LOGIN}@p:1", "no_proxy": "a,b", "http_proxy": "http://p:1", "X_PROXY": "[::1/"}
    assert set(credentials.sensitive(known)) == {"s3cr%C3%A4t%40x", "s3crät@x"}


def test_a_version_is_told_without_what_is_slow_to_import() -> None:
    code = "import sys, deployer.registry, deployer.telemetry.send; assert 'urllib.request' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
