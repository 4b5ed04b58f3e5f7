"""Placeholders, and whose pods they name."""

import re
from typing import Any

import pytest

from deployer.health.verdict import Workload
from deployer.metrics import pods
from deployer.metrics.query import READY_MADE, Side, filled, ready_made, unknown

SIDE = Side("web", "shop", "prod", "web-7c9-[a-z0-9]+", 4)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ('up{pod=~"$pods"}[$window]', 'up{pod=~"web-7c9-[a-z0-9]+"}[30s]'),
        ("${release}-$namespace-$environment-$revision", "web-shop-prod-4"),
        ('{a=~"x$"}', '{a=~"x$"}'),  # an anchor
        ('label_replace(a, "b", "$1", "c", "(.*)")', 'label_replace(a, "b", "$1", "c", "(.*)")'),
        ("$$pods", "$pods"),
    ],
)
def test_filled(query: str, asked: str) -> None:
    assert filled(query, SIDE, 30) == asked
    assert not list(unknown(query))


def test_unknown_placeholders_are_found() -> None:
    assert list(unknown("$pod + ${nmaespace} + $$free + $release")) == ["pod", "nmaespace"]


@pytest.mark.parametrize("name", READY_MADE)
def test_ready_made_ones_leave_nothing_open(name: str) -> None:
    query = filled(ready_made(name, 20), SIDE, 60)
    assert "$" not in query
    assert query.endswith(">= 20")
    assert ready_made(name, 0) == READY_MADE[name]


def deployment(name: str, revision: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "uid": name, "annotations": {"deployment.kubernetes.io/revision": str(revision)}},
    }


def replicaset(owner: str, suffix: str, revision: int) -> dict[str, Any]:
    about = deployment(f"{owner}-{suffix}", revision)["metadata"]
    return {
        "kind": "ReplicaSet",
        "metadata": {**about, "ownerReferences": [{"uid": owner, "controller": True}]},
    }


def test_pods_of_a_revision() -> None:
    workloads = (Workload("Deployment", "web"), Workload("StatefulSet", "redis"), Workload("Job", "once"))
    deployments = [deployment("web", 3), deployment("web-api", 1)]
    sets = [replicaset("web", "a1", 2), replicaset("web", "b2", 3), replicaset("web-api", "b2", 3)]
    new, old = (one(workloads, deployments, sets) for one in (pods.present, pods.earlier))
    assert new == "web-b2-[a-z0-9]+|redis-[0-9]+"
    assert old == "web-a1-[a-z0-9]+|redis-[0-9]+"
    assert re.fullmatch(new, "web-b2-x7f2k")
    assert not re.fullmatch(new, "web-api-b2-x7f2k")
    assert pods.present((), deployments, sets) == pods.NOBODY


WEB, CANARY, REDIS = (
    Workload("Deployment", "web"),
    Workload("Deployment", "web-canary"),
    Workload("StatefulSet", "redis"),
)


@pytest.mark.parametrize(
    ("stable", "new", "rest"),
    [
        pytest.param((WEB, REDIS), (CANARY,), (WEB, REDIS), id="the canary's own name"),
        pytest.param((WEB,), (CANARY, REDIS), (WEB,), id="what the new version brings with it"),
        pytest.param((WEB, REDIS, Workload("Job", "once")), (CANARY,), (WEB, REDIS), id="what is gone"),
        pytest.param((Workload("StatefulSet", "web"),), (WEB, CANARY, REDIS), (), id="another kind is another"),
    ],
)
def test_a_canary_apart_from_the_stable_version(
    stable: tuple[Workload, ...], new: tuple[Workload, ...], rest: tuple[Workload, ...]
) -> None:
    assert pods.apart((WEB, CANARY, REDIS), stable) == (new, rest)


def test_the_pods_of_a_canary_and_of_the_stable_version() -> None:
    new, stable = pods.apart((WEB, CANARY), (WEB,))
    deployments = [deployment("web", 3), deployment("web-canary", 1)]
    sets = [replicaset("web", "a1", 2), replicaset("web", "b2", 3), replicaset("web-canary", "c3", 1)]
    assert pods.present(new, deployments, sets) == "web-canary-c3-[a-z0-9]+"
    assert pods.present(stable, deployments, sets) == "web-b2-[a-z0-9]+"
    assert not re.fullmatch("web-b2-[a-z0-9]+", "web-canary-c3-x7f2k")


@pytest.mark.parametrize("length", [46, 47, 52, 57, 58, 63])
def test_the_pods_of_a_long_name(length: int) -> None:
    owner, name = "w" * length, f"{'w' * length}-6d5f9c7b8d"
    found = pods.present([Workload("Deployment", owner)], [deployment(owner, 1)], [replicaset(owner, "6d5f9c7b8d", 1)])
    assert re.fullmatch(found, f"{name}-"[:58] + "x7f2k"), "Kubernetes cuts what is before the random part"
