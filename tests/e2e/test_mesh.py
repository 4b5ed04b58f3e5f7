"""What the chart makes for Istio, before the real CRDs, the real istiod and an Envoy that it programs."""

import json
import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Project, kubectl
from processes import CI, end, job, kill, until
from requests_through import MESH, Traffic, ask, measured

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.canary]

ISTIO = ("networking.istio.io", "security.istio.io")
GOOD = ("up", "--env", "dev", "--tag", "v1")
NEXT = ("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2")


def objects(golden: str) -> list[dict[str, Any]]:
    """Istio's own of a recorded rendering."""
    text = (ROOT / "tests" / "chart" / "golden" / f"{golden}.yaml").read_text()
    found = [item for item in yaml.safe_load_all(text) if item]
    return [item for item in found if item["apiVersion"].partition("/")[0] in ISTIO]


def reviewed(item: dict[str, Any]) -> dict[str, Any]:
    """istiod's verdict, as the API server would ask for it."""
    group, _, version = item["apiVersion"].partition("/")
    kind = {"group": group, "version": version, "kind": item["kind"]}
    asked = {"uid": "1", "kind": kind, "operation": "CREATE", "namespace": "default", "object": item}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    request = urllib.request.Request(
        os.environ["LAB_ISTIOD"] + "/validate", json.dumps(review).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        verdict: dict[str, Any] = json.load(answer)["response"]
    return verdict


@pytest.mark.parametrize("golden", ["mesh", "prod"])
def test_the_crds_and_istiod_take_what_the_chart_makes(namespace: str, golden: str) -> None:
    found = objects(golden)
    kinds = {item["kind"] for item in found}
    assert kinds >= {"VirtualService", "DestinationRule"}
    assert golden != "mesh" or kinds >= {"Gateway", "PeerAuthentication"}
    text = yaml.safe_dump_all(found)
    said = kubectl("-n", namespace, "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(found)
    for item in found:
        answer = reviewed(item)
        assert answer["allowed"], answer
        assert not answer.get("warnings"), answer


def test_istiod_would_refuse_more(namespace: str) -> None:
    """The test above means something."""
    (service,) = [item for item in objects("mesh") if item["kind"] == "VirtualService"]
    service["spec"]["http"][0]["route"][0]["weight"] = -1
    assert not reviewed(service)["allowed"]


@pytest.fixture
def meshed(fault: Project) -> Project:
    """The fault service behind Istio's gateway, released in steps."""
    fault.profile(
        "dev",
        strategy="canary",
        canary={"route": "istio", "steps": [{"weight": 25, "pause": "600s"}]},
        health={"soak": 0, "crashExits": 1, "crashGrace": 1},
        lock={"ttl": "5s", "wait": "120s"},
        values={
            "istio": {
                "enabled": True,
                "hosts": [host(fault)],
                "gateway": {"enabled": True, "port": int(os.environ[MESH].rpartition(":")[2])},
                "timeout": "5s",
                "retries": {"attempts": 2, "perTryTimeout": "2s"},
                "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5}},
            }
        },
    )
    return fault


def host(project: Project) -> str:
    return f"{project.namespace}.mesh.example.com"


def test_istio_gives_the_canary_its_share(meshed: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = meshed.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    until(lambda: set(ask(host(meshed), 20, MESH)) == {"v1"}, "v1 through Istio's gateway", 60)
    log = tmp_path / "log"
    process = job(meshed, *NEXT, log=log)
    try:
        until(lambda: "still watched" in log.read_text().partition("canary 25% …")[2], "the step", 240)
    finally:
        end(kill(process, children=True))
    until(lambda: ask(host(meshed), 100, MESH)["v2"], "the canary's requests", 60)
    found, count = measured(host(meshed), "v2", 25, gateway=MESH)
    with capfd.disabled():
        print(f"\n25 % asked for, {found:.2f} % of {count} requests through Istio's gateway")
    assert abs(found - 25) < 1
    meshed.profile("dev", canary={"steps": [{"weight": 25, "pause": "0s"}]})
    done = meshed.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    until(lambda: set(ask(host(meshed), 100, MESH)) == {"v2"}, "v2 alone", 60)


def test_istio_answers_every_request_from_the_first_step_to_the_last(meshed: Project) -> None:
    """In the last revision the second version goes together with its share; Envoy hears of both a moment later."""
    drained = {"lifecycle": {"preStop": {"sleep": {"seconds": 10}}}}
    once = {"istio": {"retries": {"attempts": 0}}}
    meshed.profile("dev", canary={"steps": [{"weight": 50, "pause": "1s"}]}, values={**drained, **once})
    done = meshed.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    until(lambda: set(ask(host(meshed), 20, MESH)) == {"v1"}, "v1 through Istio's gateway", 60)
    with Traffic(host(meshed), MESH) as one, Traffic(host(meshed), MESH) as other:
        done = meshed.deploy(*NEXT, environ=CI)
        assert done.code == 0, done
        until(lambda: len(meshed.objects("pods")) == 2, "the end of the pods that were replaced", 120)
    assert {said for _, said in one.answers + other.answers} == {"v1", "v2"}


GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: PORT, name: http, protocol: HTTP}, hosts: [HOST]}
"""


def test_the_profile_of_the_page_releases_in_steps(fault: Project) -> None:
    """docs/canary.md: its profile with a Gateway of the lab's port, and without its pauses. There are no sidecars."""
    port = os.environ[MESH].rpartition(":")[2]
    fault.kubectl("apply", "-f", "-", stdin=GATEWAY.replace("PORT", port).replace("HOST", host(fault)))
    page = (ROOT / "docs" / "canary.md").read_text()
    (text,) = re.findall(r"<!-- profile: istio -->\n```yaml\n(.*?)```", page, re.DOTALL)
    assert "istio-system/public" in text
    assert "web.example.com" in text
    text = text.replace("istio-system/public", f"{fault.namespace}/public").replace("web.example.com", host(fault))
    fault.profile("dev", **yaml.safe_load(re.sub(r"pause: \w+", "pause: 0s", text)))
    done = fault.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    until(lambda: set(ask(host(fault), 20, MESH)) == {"v1"}, "v1 through Istio's gateway", 60)
    assert len(fault.objects("peerauthentications.security.istio.io")) == 1
    done = fault.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    assert "canary 10% done" in done.err
    assert "canary 50% done" in done.err
    until(lambda: set(ask(host(fault), 100, MESH)) == {"v2"}, "v2 alone", 60)
