"""`deploy plan` says what `up` then does, on the lab with both helms."""

import json
import stat

import pytest
from conftest import Project

pytestmark = pytest.mark.lab

V1 = ("--env", "dev", "--tag", "v1")
HELMS = ["helm", "helm3"]


@pytest.mark.parametrize("helm", HELMS)
def test_a_plan_is_what_the_release_then_changes(fault: Project, helm: str) -> None:
    fault.environ["DEPLOY_HELM"] = helm
    fault.profile("dev", secrets={"secret.data.token": "TOKEN"}, values={"config": {"data": {"mode": "slow"}}})
    fault.environ["TOKEN"] = "first-secret"  # a test's own
    first = fault.deploy("plan", *V1, "-o", "json")
    assert first.code == 11, first
    assert {one["action"] for one in first.json["objects"]} == {"create"}
    assert "deployment/web" in {one["object"] for one in first.json["objects"]}
    assert fault.objects("deployments") == []
    assert fault.deploy("up", *V1).code == 0
    nothing = fault.deploy("plan", *V1, "-o", "json")
    assert (nothing.code, nothing.json["outcome"], nothing.json["objects"]) == (0, "ok", []), nothing

    fault.environ["TOKEN"] = "other-secret"
    change = ("--set", "replicaCount=3", "--set", "config.data.mode=fast", "--set", "env.VERSION=null")
    before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in fault.objects("pods")}
    plan = fault.deploy("plan", *V1, *change, "-o", "json")
    assert plan.code == 11, plan
    assert "-secret" not in plan.out + plan.err
    values = {one["path"]: one for one in plan.json["values"]}
    assert set(values) == {"replicaCount", "config.data.mode", "env.VERSION", "secret.data.token"}
    assert (values["replicaCount"]["old"], values["replicaCount"]["new"]) == ("2", "3")
    assert (values["secret.data.token"]["old"], values["secret.data.token"]["new"]) == ("***", "***")
    fields = {
        one["object"]: {field["field"]: (field["old"], field["new"]) for field in one["fields"]}
        for one in plan.json["objects"]
    }
    assert fields["deployment/web"]["spec.replicas"] == ("2", "3")
    assert fields["deployment/web"]["spec.template.spec.containers[web].env[VERSION].value"] == ("v1", None)
    assert any(name.startswith("configmap/") for name in fields)
    assert any(name.startswith("secret/") for name in fields)
    (roll,) = plan.json["rolls"]
    assert any(why.startswith("configmap/") for why in roll["why"]), roll
    assert {one["metadata"]["name"]: one["metadata"]["uid"] for one in fault.objects("pods")} == before
    assert fault.deploy("up", *V1, *change).code == 0
    assert fault.deploy("plan", *V1, *change).code == 0

    fault.kubectl("scale", "deployment/web", "--replicas=1")
    drifted = fault.deploy("plan", *V1, *change, "-o", "markdown")
    assert drifted.code == 11, drifted
    assert "-     spec.replicas: 1" in drifted.out
    assert "deployment/web is not as released" in drifted.out


def test_a_saved_plan_is_done_or_refused(fault: Project) -> None:
    file = fault.folder.parent / "plan.json"
    assert fault.deploy("plan", *V1, "--out", str(file)).code == 11
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["plan"]["tag"] == "v1"
    other = fault.deploy("up", "--env", "dev", "--plan", str(file), "--set", "replicaCount=3")
    assert other.code == 3, other
    assert "the values are others" in other.err
    done = fault.deploy("up", "--env", "dev", "--plan", str(file), "-o", "json")
    assert done.code == 0, done
    assert done.json["image"]["tag"] == "v1"
    again = fault.deploy("up", "--env", "dev", "--plan", str(file))
    assert again.code == 3, again
    assert "the newest revision was none, and is 1" in again.err
    assert fault.deploy("up", "--env", "test", "--plan", str(file)).code == 2


def test_what_a_guard_refuses_is_in_the_plan(fault: Project) -> None:
    fault.profile("dev", guards={"cleanTree": True})
    plan = fault.deploy("plan", *V1, "-o", "json")
    assert plan.code == 11, plan
    assert "uncommitted change" in plan.json["refused"][0]["message"]
    assert fault.deploy("up", *V1).code == 3
