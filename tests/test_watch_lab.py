"""The watch against a real API server, through a wire that can be cut."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from wire import Wire

from deployer import cluster, watch
from deployer.errors import PreflightError
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.watch import Disconnected, Ended, Pace, Reconnected

pytestmark = pytest.mark.lab

WEB = Workload("Deployment", "web")
IMAGE = "registry.lab:5443/mirror/pause:1"


@pytest.fixture
def admin() -> Iterator[cluster.Cluster]:
    found = cluster.connect(Path(os.environ["LAB_ADMIN_KUBECONFIG"]), "lab-admin")
    yield found
    found.close()


@pytest.fixture
def namespace(admin: cluster.Cluster) -> Iterator[str]:
    name = f"watch-{secrets.token_hex(3)}"
    admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[tuple[Wire, Path]]:
    """A wire to the API server, and a kubeconfig that leads through it."""
    content = yaml.safe_load(Path(os.environ["LAB_ADMIN_KUBECONFIG"]).read_text())
    server = urlsplit(content["clusters"][0]["cluster"]["server"])
    found = Wire(server.hostname or "", server.port or 443)
    content["clusters"][0]["cluster"] |= {"server": f"https://127.0.0.1:{found.port}"}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    yield found, file
    found.cut()


def release(door: cluster.Cluster, namespace: str, *, image: str = IMAGE, replicas: int = 2, delay: int = 0) -> None:
    """A new version of the Deployment; its pods are ready after a delay."""
    container: dict[str, Any] = {"name": "web", "image": image, "imagePullPolicy": "IfNotPresent"}
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": {"stamp": secrets.token_hex(4)}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    spec |= {"minReadySeconds": delay}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    door.apply(cluster.path("Deployment", namespace, "web"), body)


def rolled_out(snapshot: Snapshot, now: float) -> Judgement:
    for one in snapshot.of("Deployment"):
        status, wanted = one.get("status", {}), one["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= one["metadata"]["generation"]
        counts = [status.get(f"{word}Replicas", 0) for word in ("updated", "available")]
        done = seen and min(counts) >= wanted and status.get("replicas", 0) <= counts[0]
        return Judgement(WEB, Verdict.HEALTHY if done else Verdict.PROGRESSING, f"{seen} {counts}")
    return Judgement(WEB, Verdict.PROGRESSING, "none")


def follow(door: cluster.Cluster, namespace: str, *, within: float = 60.0, **options: Any) -> watch.Outcome:
    selection = watch.select(namespace, [WEB], "app=web")
    return watch.follow(door, selection, [rolled_out], deadline=time.monotonic() + within, **options)


def later(seconds: float, *deeds: Callable[[], object]) -> None:
    def do() -> None:
        for deed in deeds:
            time.sleep(seconds)
            deed()

    threading.Thread(target=do, daemon=True).start()


def test_an_account_with_few_rights_knows_what_it_may() -> None:
    door = cluster.connect(Path(os.environ["DEPLOY_KUBECONFIG"]), "dev")
    checks = [
        cluster.Access("list", "pods", namespace="dev"),
        cluster.Access("get", "pods/log", namespace="dev"),
        cluster.Access("list", "pods", namespace="kube-system"),
        cluster.Access("delete", "nodes"),
    ]
    assert door.can_i(checks) == (checks[2], checks[3])
    with pytest.raises(cluster.Forbidden) as caught:
        door.list(cluster.path("Secret", "kube-system"))
    assert (caught.value.verb, caught.value.resource) == ("list", "secrets")
    with pytest.raises(PreflightError, match="no context `prd`"):
        cluster.connect(Path(os.environ["DEPLOY_KUBECONFIG"]), "prd")
    assert door.version()["gitVersion"].startswith("v1.")
    assert abs(door.server_time() - time.time()) < 1.0
    door.close()


def test_objects_come_and_go(admin: cluster.Cluster, namespace: str) -> None:
    maps = cluster.path("ConfigMap", namespace)
    made = admin.create(maps, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    with pytest.raises(cluster.Conflict):
        admin.create(maps, {"metadata": {"name": "a"}})
    admin.replace(f"{maps}/a", made | {"data": {"x": "2"}})
    with pytest.raises(cluster.Conflict):
        admin.replace(f"{maps}/a", made)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "3"}}
    assert admin.apply(f"{maps}/a", body, dry_run=True)["data"] == {"x": "3"}
    assert admin.get(f"{maps}/a")["data"] == {"x": "2"}
    assert admin.apply(f"{maps}/a", body)["data"] == {"x": "3"}
    with pytest.raises(cluster.Conflict):
        admin.delete(f"{maps}/a", uid="another")
    admin.delete(f"{maps}/a", uid=made["metadata"]["uid"])
    with pytest.raises(cluster.NotFound):
        admin.get(f"{maps}/a")


def test_a_watch_over_tls_ends_at_once_when_closed(admin: cluster.Cluster, namespace: str) -> None:
    maps = cluster.path("ConfigMap", namespace)
    _, version = admin.list(maps)
    stream = admin.watch(maps, version, field_selector="metadata.name=a")
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(kind for kind, _ in stream))
    reader.start()
    admin.create(maps, {"metadata": {"name": "a"}})
    until = time.monotonic() + 5
    while not seen and time.monotonic() < until:
        time.sleep(0.01)
    began = time.monotonic()
    stream.close()
    reader.join(5)
    assert time.monotonic() - began < 0.2
    assert seen == ["ADDED"]


def test_a_verdict_comes_right_after_the_last_pod_is_ready(admin: cluster.Cluster, namespace: str) -> None:
    release(admin, namespace, replicas=3)
    before = admin.requests
    outcome = follow(admin, namespace)
    ended = admin.server_time()
    assert (outcome.ended, outcome.verdict) == (Ended.SETTLED, Verdict.HEALTHY)
    assert admin.requests - before <= 14
    ready = [
        datetime.fromisoformat(one["lastTransitionTime"]).timestamp()
        for pod in outcome.snapshot.of("Pod")
        for one in pod["status"]["conditions"]
        if one["type"] == "Ready"
    ]
    assert len(ready) == 3
    assert ended - max(ready) < 1.0 + 0.3 + 0.5  # that time is in whole seconds, and our idea of the server's half one


def test_events_are_read_for_pods_that_are_stuck(admin: cluster.Cluster, namespace: str) -> None:
    release(admin, namespace, image="registry.lab:5443/mirror/Absent!")
    outcome = follow(admin, namespace, within=10.0)
    assert (outcome.ended, outcome.verdict) == (Ended.DEADLINE, Verdict.PROGRESSING)
    assert {"InspectFailed"} <= {one["reason"] for one in outcome.snapshot.of("Event")}


def test_an_api_server_away_for_a_while(admin: cluster.Cluster, namespace: str, wire: tuple[Wire, Path]) -> None:
    line, file = wire
    door = cluster.connect(file, "lab-admin")
    said: list[object] = []
    release(admin, namespace, delay=4)
    later(1.0, line.cut)
    later(6.0, line.mend)
    began = time.monotonic()
    outcome = follow(door, namespace, tell=said.append)
    assert outcome.verdict is Verdict.HEALTHY
    assert time.monotonic() - began < 6 + 5 + 1
    assert [type(one) for one in said if not isinstance(one, Judgement)] == [Disconnected, Reconnected]
    door.close()


def test_an_api_server_away_past_the_deadline(admin: cluster.Cluster, namespace: str, wire: tuple[Wire, Path]) -> None:
    line, file = wire
    door = cluster.connect(file, "lab-admin")
    release(admin, namespace, delay=60)
    later(1.0, line.cut)
    outcome = follow(door, namespace, within=4.0)
    assert (outcome.ended, outcome.verdict) == (Ended.DEADLINE, Verdict.INDETERMINATE)
    assert "refused" in (outcome.unreachable or "")
    door.close()


def test_a_line_gone_silent(admin: cluster.Cluster, namespace: str, wire: tuple[Wire, Path]) -> None:
    """Nothing passes for some seconds, and what was lost is not sent again: the watches must be given up."""
    line, file = wire
    door = cluster.connect(file, "lab-admin", read_timeout=1.0)
    release(admin, namespace, delay=2)
    later(1.0, line.silence)
    later(6.0, line.mend)
    outcome = follow(door, namespace, pace=Pace(relist=3.0, silence=1.0))
    assert outcome.verdict is Verdict.HEALTHY
    door.close()
