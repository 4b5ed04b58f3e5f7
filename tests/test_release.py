"""Reading what helm answers, and what a chart makes."""

import json
from typing import Any

import pytest

from deployer.errors import DeployError
from deployer.health.verdict import Workload
from deployer.model import Rendered
from deployer.release import pods, rendered, upgraded, workloads
from deployer.values.document import objects


@pytest.mark.parametrize(
    "text", ['{"version": 3, "manifest": "a: 1"}', 'coalesce.go: warning\n{"version":3,"manifest":"a: 1"}']
)
def test_an_upgrade(text: str) -> None:
    assert upgraded(text) == (3, "a: 1")


@pytest.mark.parametrize(
    "text", ["", "done", "{", '{"version": 3}', '{"manifest": ""}', '{"version": "x", "manifest": ""}']
)
def test_no_upgrade(text: str) -> None:
    with pytest.raises(DeployError, match="no release"):
        upgraded(text)


def test_workloads_in_the_manifests_order() -> None:
    manifest = """\
---
# Source: web/templates/nothing.yaml
---
{kind: Service, metadata: {name: web}}
---
{kind: Deployment, metadata: {name: web}}
---
kind: List
items:
- {kind: StatefulSet, metadata: {name: db}}
- {kind: List, items: [{kind: Job, metadata: {name: migrate}}]}
- {kind: ConfigMap, metadata: {name: c}}
---
{kind: List}
---
{kind: DaemonSet, metadata: {name: agent}}
"""
    assert list(map(str, workloads(manifest))) == ["deployment/web", "statefulset/db", "job/migrate", "daemonset/agent"]
    assert workloads("") == ()


def hook(kind: str, name: str, when: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "annotations": {"helm.sh/hook": when}}}


WEB = {
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"selector": {"matchLabels": {"app": "web", "part": "front"}}},
}
DB = {
    "kind": "StatefulSet",
    "metadata": {"name": "db"},
    "spec": {"selector": {"matchLabels": {"app": "web", "part": "db"}}},
}
JOB = {"kind": "Job", "metadata": {"name": "once"}, "spec": {}}
PLAIN = Workload("Deployment", "web")
LABELS = "app=web,part=front"


@pytest.mark.parametrize(
    ("items", "first", "expected"),
    [
        pytest.param([], True, Rendered(), id="nothing"),
        pytest.param([WEB], True, Rendered((PLAIN,), labels=LABELS), id="a workload"),
        pytest.param(
            [WEB, DB], True, Rendered((PLAIN, Workload("StatefulSet", "db")), labels="app=web"), id="labels of both"
        ),
        pytest.param([WEB, JOB], True, Rendered((PLAIN, Workload("Job", "once")), labels=""), id="no labels of both"),
        pytest.param(
            [WEB, hook("Job", "m", "pre-install")],
            True,
            Rendered((PLAIN,), (Workload("Job", "m"),), labels=LABELS),
            id="a hook before",
        ),
        pytest.param(
            [WEB, hook("Pod", "m", "post-install,post-upgrade")],
            False,
            Rendered((PLAIN,), (Workload("Pod", "m"),), True, LABELS),
            id="a hook after",
        ),
        pytest.param(
            [WEB, hook("Job", "m", "pre-upgrade")], True, Rendered((PLAIN,), labels=LABELS), id="of another moment"
        ),
        pytest.param([hook("ConfigMap", "c", "pre-upgrade")], False, Rendered(), id="nothing to wait for"),
    ],
)
def test_what_is_waited_for(items: list[dict[str, Any]], first: bool, expected: Rendered) -> None:
    assert rendered(items, first=first) == expected
    assert rendered(objects(json.dumps({"kind": "List", "items": items})), first=first) == expected


def test_a_job_that_is_removed_once_it_has_ended_is_marked() -> None:
    items = [JOB, {"kind": "Job", "metadata": {"name": "seed"}, "spec": {"ttlSecondsAfterFinished": 0}}]
    found = rendered(items, first=True).workloads
    assert [(one.name, one.expires) for one in found] == [("once", False), ("seed", True)]
    assert workloads(json.dumps({"kind": "List", "items": items})) == found
    assert [one.expires for one in workloads(json.dumps({"kind": "List", "items": items}))] == [False, True]


def labelled(kind: str, name: str, **labels: str) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {"template": template}}


def service(name: str, **selector: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": selector}}


FRONT, BACK = (
    labelled("Deployment", "web", app="shop", part="web"),
    labelled("StatefulSet", "db", app="shop", part="db"),
)
CUSTOM = {"apiVersion": "db.example.com/v1", "kind": "Cluster", "metadata": {"name": "db"}}


@pytest.mark.parametrize(
    ("items", "web", "db"),
    [
        pytest.param([service("s", app="shop", part="db")], [], ["s"], id="its selector matches"),
        pytest.param([service("s", app="shop")], ["s"], ["s"], id="it leads to both"),
        pytest.param([service("s", app="shop", part="dbb")], ["s"], [], id="a slip: the first of those nearly meant"),
        pytest.param([service("s", app="shp", part="db")], [], ["s"], id="a slip: the one nearly meant"),
        pytest.param([service("s", app="shop", role="leader")], [], [], id="a label that a pod gets while it runs"),
        pytest.param([service("s", app="shp", part="db"), CUSTOM], [], [], id="the pods may be an operator's"),
        pytest.param([service("s", app="shop", part="db"), CUSTOM], [], ["s"], id="an operator is no matter here"),
        pytest.param([{"kind": "Service", "metadata": {"name": "s"}}], [], [], id="no selector"),
        pytest.param(
            [
                {
                    "kind": "HorizontalPodAutoscaler",
                    "metadata": {"name": "a"},
                    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
                }
            ],
            ["a"],
            [],
            id="an autoscaler",
        ),
        pytest.param(
            [
                {
                    "kind": "PodDisruptionBudget",
                    "metadata": {"name": "p"},
                    "spec": {"selector": {"matchLabels": {"part": "db"}}},
                }
            ],
            [],
            ["p"],
            id="a budget",
        ),
    ],
)
def test_what_a_release_has_beside_its_workloads(items: list[dict[str, Any]], web: list[str], db: list[str]) -> None:
    found = workloads(json.dumps({"kind": "List", "items": [FRONT, BACK, JOB, *items]}))
    assert [[name for _, name in one.beside] for one in found] == [web, db, []]


def template(**read: str) -> dict[str, Any]:
    """A Deployment whose pods read what is named."""
    return {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "template": {"reads": read}}}


def data(kind: str, name: str, value: str, **annotations: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "annotations": annotations}, "data": {"a": value}}


BEFORE = [template(config="web"), data("ConfigMap", "web", "1"), data("ConfigMap", "dashboard", "1")]


@pytest.mark.parametrize(
    ("now", "same"),
    [
        pytest.param(BEFORE, True, id="nothing"),
        pytest.param([{**BEFORE[0], "spec": {**BEFORE[0]["spec"], "replicas": 3}}, *BEFORE[1:]], True, id="replicas"),
        pytest.param([*BEFORE[:2], data("ConfigMap", "dashboard", "2")], True, id="what no pod reads"),
        pytest.param([*BEFORE, service("web", a="b")], True, id="a Service"),
        pytest.param(
            [*BEFORE, {**template(), "metadata": {"name": "h", "annotations": {"helm.sh/hook": "test"}}}],
            True,
            id="a hook",
        ),
        pytest.param([BEFORE[0], data("ConfigMap", "web", "2")], False, id="what a pod reads"),
        pytest.param([template(config="webb"), *BEFORE[1:]], False, id="a template"),
        pytest.param([*BEFORE, DB], False, id="another workload"),
    ],
)
def test_what_pods_run(now: list[dict[str, Any]], same: bool) -> None:
    assert (pods(now) == pods(BEFORE)) is same
