import base64
import json
import logging
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apiserver
import pytest
from apiserver import ApiServer

from deployer import cluster
from deployer.cluster.clock import ServerClock
from deployer.cluster.kinds import resource
from deployer.errors import ExitCode, PreflightError

PODS = cluster.path("Pod", "dev")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    yield server
    server.stop()


@pytest.fixture
def door(api: ApiServer, tmp_path: Path) -> Iterator[cluster.Cluster]:
    found = cluster.connect(api.kubeconfig(tmp_path), "dev", read_timeout=0.3)
    yield found
    found.close()


# connect


LEAN = """
import sys
from pathlib import Path
from deployer import cluster
from deployer.cluster import session
if sys.argv[2] == "other":
    session._stand_in = lambda: 1 / 0
door = cluster.connect(Path(sys.argv[1]), "dev")
assert door.version()
assert ("kubernetes.client.models" in sys.modules) == (sys.argv[2] == "other"), "the models"
loader = sys.modules["kubernetes.config.kube_config"]
assert session._api_client().rest_client.pool_manager
assert loader.OAuth2Session.refresh_token
assert loader.oauthlib.oauth2.rfc6749.errors.InvalidClientIdError
assert door.version()
"""


@pytest.mark.parametrize("version", ["this", "other"])
def test_the_client_comes_without_its_models_where_that_works(api: ApiServer, tmp_path: Path, version: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAN, str(api.kubeconfig(tmp_path)), version], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="nowhere"):
        cluster.connect(tmp_path / "nowhere", "dev")


def test_a_missing_context_is_told_with_those_there_and_the_nearest(api: ApiServer, tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as caught:
        cluster.connect(api.kubeconfig(tmp_path, context="shop-prod"), "shop-prd")
    assert "kubeconfig has no context `shop-prd`" in caught.value.message
    assert "did you mean `shop-prod`?" in caught.value.message
    assert caught.value.hint == "contexts there: shop-prod"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "line 1"),
        ("users:\n- name: me\n  user: {token: hush-hush\n", "line"),
        ("", "empty"),
        ("- 1\n", "is not a kubeconfig"),
        ("contexts: 5\n", "is not a kubeconfig"),
        ("contexts: [{name: dev}]\n", "unusable"),
        ("contexts: [{name: dev, context: {cluster: c, user: u}}]\nclusters: []\nusers: []\n", "unusable"),
    ],
)
def test_a_broken_kubeconfig_is_an_error_that_shows_no_token(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(PreflightError, match=said) as caught:
        cluster.connect(file, "dev")
    assert "hush-hush" not in str(caught.value)


def plugin(tmp_path: Path, script: str) -> dict[str, object]:
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": str(file), "interactiveMode": "Never"}


def test_a_plugin_that_fails_is_an_error_with_its_own_words(
    api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = plugin(tmp_path, "echo session expired >&2; exit 3")
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(PreflightError, match="gives no credentials") as caught:
        cluster.connect(api.kubeconfig(tmp_path, exec=failing), "dev")
    assert "session expired" in "\n".join(caught.value.detail)
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


def test_a_plugin_gives_a_token(api: ApiServer, tmp_path: Path) -> None:
    status = {"token": api.token, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    (tmp_path / "answer").write_text(json.dumps(answer))
    counting = plugin(tmp_path, f"echo >> {tmp_path}/runs; cat {tmp_path}/answer")
    door = cluster.connect(api.kubeconfig(tmp_path, exec=counting), "dev")
    assert door.version() == {"gitVersion": "v1.34.0"}
    assert len((tmp_path / "runs").read_text().splitlines()) >= 2  # it had expired, so it ran again
    door.close()


def test_a_context_without_credentials_is_refused_over_https(api: ApiServer, tmp_path: Path) -> None:
    file = api.kubeconfig(tmp_path, username="only a name")
    file.write_text(file.read_text().replace("http://", "https://"))
    with pytest.raises(PreflightError, match="gives no credentials"):
        cluster.connect(file, "dev")


def test_without_credentials_one_may_still_use_a_plain_local_proxy(api: ApiServer, tmp_path: Path) -> None:
    api.token = None
    door = cluster.connect(api.kubeconfig(tmp_path, username="only a name"), "dev")
    assert door.version()
    door.close()


def test_several_kubeconfigs_are_merged_as_kubectl_does(api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = api.kubeconfig(tmp_path / "other", context="prod")
    door = cluster.connect(Path(f"{api.kubeconfig(tmp_path)}:{other}:{tmp_path}/absent"), "prod")
    assert door.version()
    door.close()


def test_a_private_key_in_the_kubeconfig_is_never_written_to_disk(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = {name: base64.b64encode(name.encode()).decode() for name in ("client-certificate-data", "client-key-data")}
    file = api.kubeconfig(tmp_path, **data)
    file.write_text(file.read_text().replace("http://", "https://"))  # the client reads no keys for plain HTTP
    doors = [cluster.connect(file, "dev") for _ in range(2)]
    for door in doors:
        settings = door._session._configuration
        assert Path(settings.cert_file).read_text() == "client-certificate-data"
        assert Path(settings.key_file).read_text() == "client-key-data"
    assert list(temporary.iterdir()) == []


def test_the_fingerprint_of_the_ca_is_openssls(api: ApiServer, tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -text -keyout /dev/null -out {ca}",
        shell=True,
        check=True,
        capture_output=True,
    )
    file = api.kubeconfig(tmp_path)
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"] = {"server": "https://127.0.0.1:1", "certificate-authority": str(ca)}
    file.write_text(json.dumps(content))
    printed = subprocess.run(
        ["openssl", "x509", "-in", ca, "-noout", "-fingerprint", "-sha256"], check=True, capture_output=True, text=True
    ).stdout
    assert cluster.connect(file, "dev").ca_sha256 == printed.strip().rpartition("=")[2].replace(":", "").lower()
    for nonsense in (b"no certificate", b"\xff-----END CERTIFICATE-----"):
        ca.write_bytes(nonsense)
        with pytest.raises(PreflightError, match="cannot be read"):
            cluster.connect(file, "dev")


def test_a_certificate_of_another_ca_is_unreachable_with_a_hint() -> None:
    error = cluster.errors.unanswered(ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED"), "https://x")
    assert "CA" in (error.hint or "")


# requests


def test_lists_come_page_by_page_lean_and_with_their_kind(
    api: ApiServer, door: cluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer.cluster.api.PAGE", 2)
    for number in range(5):
        api.put(PODS, f"p{number}", {"kind": "Pod"}, labels={"app": "web"})
    api.put(PODS, "other", {"kind": "Pod"})
    items, version = door.list(PODS, label_selector="app=web")
    assert [one["metadata"]["name"] for one in items] == ["p0", "p1", "p2", "p3", "p4"]
    assert {(one["kind"], one["apiVersion"]) for one in items} == {("Pod", "v1")}
    assert not any("managedFields" in one["metadata"] for one in items)
    assert version == "106"
    assert door.requests == api.count("list") == 3
    assert not any("resourceVersion" in one.query for one in api.requests)


def test_a_list_that_expires_between_pages_begins_again(
    api: ApiServer, door: cluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer.cluster.api.PAGE", 2)
    for number in range(3):
        api.put(PODS, f"p{number}")

    def expire(handler: apiserver.Handler) -> None:
        if "continue" in handler.path:
            handler.refuse(410, "the continue token has expired")
        else:
            api.fail("list", expire)
            handler._list(PODS, {"limit": "2"}, {})

    api.fail("list", expire)
    items, _ = door.list(PODS)
    assert len(items) == 3
    api.fail("list", apiserver.status(410), 9)
    with pytest.raises(cluster.Unreachable, match="faster"):
        door.list(PODS)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, cluster.ClusterError),
        (403, cluster.Forbidden),
        (404, cluster.NotFound),
        (409, cluster.Conflict),
        (410, cluster.Gone),
        (422, cluster.ClusterError),
        (302, cluster.Unreachable),
        (429, cluster.Unreachable),
        (500, cluster.Unreachable),
        (503, cluster.Unreachable),
    ],
)
def test_every_status_has_its_class(
    api: ApiServer, door: cluster.Cluster, code: int, kind: type[cluster.ClusterError]
) -> None:
    api.fail("get", apiserver.status(code, "in its own words"))
    with pytest.raises(cluster.ClusterError, match="in its own words") as caught:
        door.get(f"{PODS}/web-1")
    assert type(caught.value) is kind
    assert caught.value.status == code


def test_a_missing_permission_is_named(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("log", apiserver.status(403))
    with pytest.raises(cluster.Forbidden) as caught:
        door.logs("dev", "web-1", "web")
    assert (caught.value.verb, caught.value.resource) == ("get", "pods/log")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/namespaces/dev/pods/x/log", "pods/log"),
        ("/apis/apps/v1/namespaces/dev/deployments", "deployments"),
        ("/api/v1/nodes", "nodes"),
        ("/api/v1/namespaces/dev", "namespaces"),
        ("/version", "/version"),
    ],
)
def test_the_resource_of_a_path(path: str, name: str) -> None:
    assert resource(path) == name


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (apiserver.hang, "no answer in time"),
        (apiserver.reset, "broke off"),
        (apiserver.html, "does not speak JSON"),
        (lambda handler: handler.answer(200, b"[]"), "did not answer with an object"),
        (lambda handler: handler.answer(502, b"<html>bad gateway</html>"), "502: <html>"),
    ],
)
def test_no_sensible_answer_is_unreachable(api: ApiServer, door: cluster.Cluster, fault: object, said: str) -> None:
    api.fail("get", fault)  # type: ignore[arg-type]
    with pytest.raises(cluster.Unreachable, match=said) as caught:
        door.version()
    assert caught.value.exit_code is ExitCode.INDETERMINATE
    assert door.version()


def test_a_list_that_is_none_is_unreachable(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("list", lambda handler: handler.answer(200, b"{}"))
    with pytest.raises(cluster.Unreachable, match="did not answer with a list"):
        door.list(PODS)


def test_a_server_that_is_down_and_comes_back(api: ApiServer, door: cluster.Cluster) -> None:
    assert door.version()
    api.stop()
    with pytest.raises(cluster.Unreachable, match="refused"):
        door.version()
    api.start()
    assert door.version()


def test_the_pause_a_server_asks_for(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("get", apiserver.status(429, Retry_After="7"))
    with pytest.raises(cluster.Unreachable) as caught:
        door.version()
    assert caught.value.retry_after == 7.0


def test_credentials_are_read_again_once(api: ApiServer, door: cluster.Cluster, tmp_path: Path) -> None:
    assert door.version()
    api.token = "renewed"
    with pytest.raises(cluster.Unauthorized) as caught:
        door.version()
    assert "secret-token" not in f"{caught.value}{caught.value.hint}"
    api.kubeconfig(tmp_path)
    with pytest.raises(cluster.Unauthorized):  # not for every refused request: a plugin may open a browser
        door.version()
    assert api.count("get") == 4


def test_a_rotated_token_is_picked_up_by_all_threads_at_once(api: ApiServer, tmp_path: Path) -> None:
    door = cluster.connect(api.kubeconfig(tmp_path), "dev")
    api.token = "renewed"
    api.kubeconfig(tmp_path)
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(door.version())) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == [{"gitVersion": "v1.34.0"}] * 8
    door.close()


def test_credentials_that_vanish_are_unauthorized(api: ApiServer, door: cluster.Cluster, tmp_path: Path) -> None:
    api.token = "renewed"
    (tmp_path / "kubeconfig").unlink()
    with pytest.raises(cluster.Unauthorized, match="there is no kubeconfig"):
        door.version()


def test_proxy_variables_count(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    with pytest.raises(cluster.Unreachable):
        cluster.connect(api.kubeconfig(tmp_path), "dev").version()
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    door = cluster.connect(api.kubeconfig(tmp_path), "dev")
    assert door.version()
    door.close()


# deeds


def test_apply_forces_our_fields(api: ApiServer, door: cluster.Cluster) -> None:
    door.apply(f"{PODS}/web-1", {"metadata": {"name": "web-1"}, "spec": {"a": 1}})
    request = api.requests[-1]
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "deploy", "force": "true"}
    door.apply(f"{PODS}/web-2", {"metadata": {"name": "web-2"}}, dry_run=True)
    assert api.requests[-1].query["dryRun"] == "All"
    assert [one["metadata"]["name"] for one in door.list(PODS)[0]] == ["web-1"]


def test_create_replace_and_delete(api: ApiServer, door: cluster.Cluster) -> None:
    made = door.create(PODS, {"metadata": {"name": "web-1"}})
    with pytest.raises(cluster.Conflict):
        door.create(PODS, {"metadata": {"name": "web-1"}})
    door.replace(f"{PODS}/web-1", made)
    with pytest.raises(cluster.Conflict):
        door.replace(f"{PODS}/web-1", made)
    door.delete(f"{PODS}/web-1", uid="uid-web-1")
    assert json.loads(api.requests[-1].body)["preconditions"] == {"uid": "uid-web-1"}
    with pytest.raises(cluster.NotFound):
        door.get(f"{PODS}/web-1")


def test_logs_survive_bytes_that_are_no_text(api: ApiServer, door: cluster.Cluster) -> None:
    api.logs["web-1", "web", False] = b"one\n\xff two\n"
    assert door.logs("dev", "web-1", "web", tail_lines=5) == "one\n\ufffd two\n"
    assert api.requests[-1].query == {"container": "web", "tailLines": "5", "limitBytes": "65536"}
    with pytest.raises(cluster.ClusterError, match="previous terminated") as caught:
        door.logs("dev", "web-1", "web", previous=True)
    assert caught.value.status == 400


def test_the_permissions_that_are_missing(api: ApiServer, door: cluster.Cluster) -> None:
    api.denied = {"get pods/log", "watch deployments"}
    wanted = [
        cluster.Access("list", "pods", namespace="dev"),
        cluster.Access("get", "pods/log", namespace="dev"),
        cluster.Access("watch", "deployments", "apps", "dev"),
    ]
    assert [str(one) for one in door.can_i(wanted)] == ["get pods/log", "watch deployments.apps"]
    assert door.can_i([]) == ()


def test_a_permission_may_be_one_object_s(api: ApiServer, door: cluster.Cluster) -> None:
    door.can_i([cluster.Access("patch", "applications", "argoproj.io", "argocd", "web-prod")])
    asked = json.loads(api.requests[-1].body)["spec"]["resourceAttributes"]
    assert (asked["resource"], asked["name"]) == ("applications", "web-prod")


def test_a_path_of_a_service(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("get", lambda handler: handler.answer(200, b"hello"))
    assert door.proxy("dev", "web", 8080, "/healthz") == "hello"
    assert api.requests[-1].path == "/api/v1/namespaces/dev/services/web:8080/proxy/healthz"


# time


def test_the_servers_clock_may_be_hours_away(api: ApiServer, door: cluster.Cluster) -> None:
    api.skew = 7200.0
    assert abs(door.server_time() - (time.time() + 7200)) < 1.0
    before = door.requests
    door.server_time()
    assert door.requests == before


def test_every_answer_narrows_the_servers_clock() -> None:
    clock = ServerClock()
    clock.hear("Thu, 01 Jan 1970 00:01:40 GMT", sent=10.0, received=10.2)
    assert clock.offset == pytest.approx(90.4)
    clock.hear("Thu, 01 Jan 1970 00:01:41 GMT", sent=10.4, received=10.4)  # the second has just turned
    assert clock.offset == pytest.approx(90.8)
    clock.hear("Thu, 01 Jan 1970 00:10:00 GMT", sent=20.0, received=20.0)  # this machine has slept
    assert clock.offset == pytest.approx(580.5)
    clock.hear(None, sent=30.0, received=30.0)
    assert clock.offset == pytest.approx(580.5)


def test_without_a_date_our_own_clock_has_to_do() -> None:
    clock = ServerClock()
    clock.hear("yesterday", sent=time.monotonic(), received=time.monotonic())
    assert clock.now() == pytest.approx(time.time(), abs=0.1)


# watches


def test_a_watch_tells_what_changes(api: ApiServer, door: cluster.Cluster) -> None:
    _, version = door.list(PODS)
    api.put(PODS, "web-1", labels={"app": "web"})
    api.put(PODS, "other")
    stream = door.watch(PODS, version, label_selector="app=web")
    events = iter(stream)
    kind, item = next(events)
    assert (kind, item["metadata"]["name"]) == ("ADDED", "web-1")
    assert "managedFields" not in item["metadata"]
    api.disturb("bookmark")
    assert next(events) == ("BOOKMARK", {"kind": "Thing", "metadata": {"resourceVersion": "102"}})
    api.disturb("eof")
    assert list(events) == []


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("gone", cluster.Gone),
        ("garbage", cluster.Unreachable),
        ("cut", cluster.Unreachable),
        ("rst", cluster.Unreachable),
        ("silence", cluster.Unreachable),
    ],
)
def test_trouble_in_a_watch(api: ApiServer, door: cluster.Cluster, how: str, kind: type[Exception]) -> None:
    stream = door.watch(PODS, "100", read_timeout=0.3)
    await_true(lambda: api.watches() == 1)
    api.disturb(how)
    with pytest.raises(cluster.ClusterError) as caught:
        list(stream)
    assert type(caught.value) is kind


def test_a_watch_from_a_version_long_gone(api: ApiServer, door: cluster.Cluster) -> None:
    api.put(PODS, "web-1")
    api.compact()
    with pytest.raises(cluster.Gone):
        door.watch(PODS, "100")


def test_closing_a_watch_wakes_the_thread_that_reads_it(api: ApiServer, door: cluster.Cluster) -> None:
    stream = door.watch(PODS, "100", read_timeout=30.0)
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.extend(stream))
    reader.start()
    await_true(lambda: api.watches() == 1)
    stream.close()
    reader.join(1.0)
    assert not reader.is_alive()
    assert read == []
    stream.close()


def await_true(condition: object, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.005)
