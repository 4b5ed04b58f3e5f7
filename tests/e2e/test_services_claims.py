"""Claims and Services on the lab: rows 45 to 47 of docs/health.md, as a real cluster says them."""

import json
from typing import Any

import pytest
from conftest import Deployed, Project, kubectl
from scenarios import until

pytestmark = pytest.mark.lab

MOUNTED = (
    *("--set", "volumes=[{name: v, persistentVolumeClaim: {claimName: data}}]"),
    *("--set", "volumeMounts=[{name: v, mountPath: /data}]"),
)


def up(project: Project, tag: str, *more: str) -> Deployed:
    return project.deploy("up", "--env", "dev", "--tag", tag, "--set", f"env.VERSION={tag}", "-o", "json", *more)


def cause(done: Deployed) -> dict[str, Any]:
    assert done.code == 5, done
    assert done.json["release"]["restored"] == 1, done
    return dict(next(one for one in done.json["workloads"] if one["causes"])["causes"][0])


def claim(project: Project, **spec: Any) -> None:
    """The claim `data`."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}} | spec
    item = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    project.kubectl("apply", "-f", "-", stdin=json.dumps(item))


def phase(project: Project) -> str:
    return str(project.objects("persistentvolumeclaims")[0]["status"]["phase"])


def slip(project: Project) -> None:
    """The Service asks for another application's pods."""
    file = project.folder / "chart" / "templates" / "service.yaml"
    right = '{{- include "web.selectorLabels" . | nindent 4 }}'
    wrong = right.replace("| nindent", '| replace .Release.Name "slip" | nindent')
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))


def test_a_service_that_leads_nowhere_is_put_back(fault: Project) -> None:
    assert up(fault, "v1").code == 0
    slip(fault)
    told = cause(done := up(fault, "v2"))
    assert (told["rule"], told["object"]) == ("no_endpoints", "service/web"), done
    assert "service web leads to no ready endpoint: no new pod has" in done.json["message"]
    assert "slip" in done.json["message"]
    until(lambda: fault.answer().strip() == "v1", "the old version behind its service")
    fault.profile("dev", health={"endpoints": 0})
    assert up(fault, "v2").code == 0


def test_without_a_right_to_endpoints_it_goes_without(fault: Project) -> None:
    slip(fault)
    role = json.loads(fault.kubectl("get", "role", "deployer", "-o", "json"))
    for rule in role["rules"]:
        rule["resources"] = [one for one in rule["resources"] if one != "endpointslices"] or ["nothing"]
    fault.kubectl("replace", "-f", "-", stdin=json.dumps(role))
    done = up(fault, "v1")
    assert done.code == 0, done
    assert "no permission to list EndpointSlice: the verdict goes without it" in done.err


def test_what_stands_beside_only_warns(fault: Project) -> None:
    budget = ("--set", "podDisruptionBudget.enabled=true", "--set", "podDisruptionBudget.minAvailable=2")
    done = up(fault, "v1", *budget, "--set", "service.type=LoadBalancer")
    assert done.code == 0, done
    warned = " ".join(done.json["warnings"])
    assert "poddisruptionbudget/web wants 2 of 2 pods" in warned, done
    assert "service/web has no load balancer yet" in warned, done


def test_a_claim_that_nobody_binds(fault: Project) -> None:
    fault.profile("dev", health={"claim": 5})
    assert up(fault, "v1").code == 0
    claim(fault)
    told = cause(done := up(fault, "v2", *MOUNTED))
    assert told["rule"] == "claim_unbound", done
    assert "claim data is not bound" in done.json["message"], done


def test_a_claim_that_lost_its_volume(fault: Project) -> None:
    assert up(fault, "v1").code == 0
    volume = f"{fault.namespace}-data"
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/tmp"},
        "storageClassName": "",
        "claimRef": {"namespace": fault.namespace, "name": "data"},
    }
    item = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(item))
    try:
        claim(fault, storageClassName="", volumeName=volume)
        until(lambda: phase(fault) == "Bound", "the claim bound")
        kubectl("delete", "persistentvolume", volume, "--wait=false")
        kubectl("patch", "persistentvolume", volume, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        until(lambda: phase(fault) == "Lost", "the claim lost")
        told = cause(done := up(fault, "v2", *MOUNTED))
        assert told["rule"] == "claim_lost", done
        assert f"claim data has lost its volume: {volume}" in done.json["message"], done
    finally:
        kubectl("delete", "persistentvolume", volume, "--ignore-not-found", "--wait=false")
