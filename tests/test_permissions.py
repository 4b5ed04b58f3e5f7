import json
from typing import Any

import pytest

from deployer.cluster import Access
from deployer.permissions import COMMITTED, LEASE, RECORDS, WATCHING, needed, plural, removing, watching
from deployer.values.document import objects


def item(api: str, kind: str, hook: str | None = None) -> dict[str, Any]:
    annotations = {"annotations": {"helm.sh/hook": hook}} if hook else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "x", **annotations}}


def verbs(found: tuple[Access, ...], resource: str, group: str = "") -> list[str]:
    return [one.verb for one in found if (one.resource, one.group) == (resource, group)]


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Deployment", "deployments"),
        ("Ingress", "ingresses"),
        ("NetworkPolicy", "networkpolicies"),
        ("Gateway", "gateways"),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
        ("Switch", "switches"),
        ("Mutex", "mutexes"),
    ],
)
def test_plurals(kind: str, resource: str) -> None:
    assert plural(kind) == resource


def test_helms_records_and_the_watch_are_always_needed() -> None:
    found = needed([], "shop")
    assert {(one.verb, one.resource, one.group) for one in found} == {
        (one.verb, one.resource, one.group) for one in (*RECORDS, *LEASE, *WATCHING)
    }
    assert {one.namespace for one in found} == {"shop"}


def test_each_kind_once() -> None:
    found = needed([item("v1", "Service"), item("v1", "Service"), item("networking.k8s.io/v1", "Ingress")], "shop")
    assert verbs(found, "services") == ["get", "create", "patch"]
    assert verbs(found, "ingresses", "networking.k8s.io") == ["get", "create", "patch"]
    assert len(set(found)) == len(found)


def test_what_a_canary_takes_away() -> None:
    found = removing([item("apps/v1", "Deployment"), item("v1", "Service"), item("v1", "Service")], "shop")
    assert found == (Access("delete", "deployments", "apps", "shop"), Access("delete", "services", "", "shop"))


def test_a_hook_is_deleted_and_never_patched() -> None:
    assert verbs(needed([item("batch/v1", "Job", "pre-upgrade")], "shop"), "jobs", "batch") == [
        "get",
        "create",
        "delete",
    ]


def test_a_kind_that_is_hook_and_object() -> None:
    found = needed([item("v1", "ConfigMap", "pre-install"), item("v1", "ConfigMap")], "shop")
    assert sorted(verbs(found, "configmaps")) == ["create", "delete", "get", "patch"]


def test_the_objects_of_a_list() -> None:
    found = needed(objects(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item("v1", "Service")]})), "shop")
    assert verbs(found, "services") == ["get", "create", "patch"]
    assert verbs(found, "lists") == []


def test_what_argo_cd_delivers_is_not_ours_to_write() -> None:
    found = watching("shop")
    assert {one.namespace for one in found} == {"shop"}
    assert verbs(found, "configmaps") == [one.verb for one in COMMITTED]
    writing = {one.resource for one in found if one.verb not in ("get", "list", "watch")}
    assert writing == {"configmaps", "leases"}
