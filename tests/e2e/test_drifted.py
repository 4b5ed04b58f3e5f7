"""What people do to a release behind helm's back: `status` tells it, the next `up` puts it right."""

import json
import os
from typing import Any

import pytest
from conftest import Project
from waiting import until

pytestmark = pytest.mark.lab


def drift(project: Project, code: int) -> dict[str, tuple[str | None, str | None]]:
    """What `status` says has drifted, by object and field, once the release has settled to this exit code."""
    found: list[Any] = []

    def settled() -> bool:
        done = project.deploy("status", "--env", "dev", "--fail-on-drift", "-o", "json")
        found[:] = [done]
        return done.code == code

    until(settled, f"exit code {code}", seconds=120, told=lambda: str(found[-1]))
    environment = found[-1].json["environments"][0]
    assert environment["unreadable"] == []
    return {f"{one['object']} {one['field']}".strip(): (one["wanted"], one["found"]) for one in environment["drift"]}


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_what_people_change_is_told_and_put_right(fault: Project, helm: str) -> None:
    fault.environ["DEPLOY_HELM"] = helm
    fault.profile("dev", values={"config": {"data": {"COLOUR": "blue"}}, "secret": {"data": {"WORD": "hush"}}})
    up = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert up.code == 0, up
    assert drift(fault, 0) == {}
    image = f"{os.environ['REGISTRY_URL']}/fault:v2"
    for command in (
        ("scale", "deployment/web", "--replicas=3"),
        ("set", "image", "deployment/web", f"web={image}"),
        ("patch", "configmap/web", "--type=merge", "--patch", json.dumps({"data": {"COLOUR": "red"}})),
        ("patch", "secret/web", "--type=merge", "--patch", json.dumps({"stringData": {"WORD": "shout"}})),
        ("delete", "service/web"),
    ):
        fault.kubectl(*command)
    found = drift(fault, 9)
    wanted_image, found_image = found.pop("deployment/web spec.template.spec.containers[web].image")
    assert (wanted_image or "").rpartition("@")[0].endswith("/fault:v1")
    assert found_image == image
    assert found == {
        "deployment/web spec.replicas": ("2", "3"),
        "configmap/web data.COLOUR": ("blue", "red"),
        "secret/web data.WORD": ("***", "differs"),
        "service/web": ("present", None),
    }
    text = fault.deploy("status", "--env", "dev")
    assert text.code == 0, text
    assert "deployment/web spec.replicas is 3, and should be 2" in text.out
    assert "service/web is missing" in text.out
    assert "shout" not in text.out

    again = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert again.code == 0, again
    assert "service/web is not as released: it is gone" in again.err
    assert drift(fault, 0) == {}


def test_an_autoscalers_replicas_are_no_drift(fault: Project) -> None:
    fault.profile("dev", values={"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 4}})
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    _scaled(fault, 2)
    assert drift(fault, 0) == {}
    fault.kubectl("scale", "deployment/web", "--replicas=3")
    assert drift(fault, 0) == {}


def test_an_autoscaler_beside_the_release_is_none_either(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    fault.kubectl("autoscale", "deployment/web", "--min=3", "--max=4")
    _scaled(fault, 3)
    assert drift(fault, 0) == {}


def test_what_people_add_is_told(fault: Project) -> None:
    fault.profile("dev", values={"config": {"data": {"COLOUR": "blue"}}})
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    fault.kubectl("set", "env", "deployment/web", "MORE=x")
    fault.kubectl("patch", "configmap/web", "--type=merge", "--patch", json.dumps({"data": {"MORE": "y"}}))
    assert drift(fault, 9) == {
        "deployment/web spec.template.spec.containers[web].env[MORE]": (None, '{"name": "MORE", "value": "x"}'),
        "configmap/web data.MORE": (None, "y"),
    }
    again = fault.deploy("up", "--env", "dev", "--tag", "v1", "-o", "json")
    assert again.code == 0, again
    assert again.json["release"]["revision"] == 1, "a release would leave it as it is"
    assert "configmap/web: data.MORE was added by somebody; helm leaves it alone" in again.err


def _scaled(project: Project, replicas: int) -> None:
    until(
        lambda: bool(project.objects("deployments")[0]["spec"].get("replicas") == replicas),
        f"{replicas} replicas",
        seconds=180,
    )
