"""A release in steps on the lab: real requests through Envoy, each weight measured, each fault stopped at its step."""

import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Project
from processes import CI, job, until
from requests_through import ask, measured, share

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.canary]

STEPS = [{"weight": 5, "pause": "1s"}, {"weight": 25, "pause": "1s"}, {"weight": 50, "pause": "1s"}]
GOOD = ("up", "--env", "dev", "--tag", "v1")
NEXT = ("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2")


@pytest.fixture
def canary(fault: Project) -> Project:
    """The fault service behind the lab's Gateway, released in steps; nothing is released yet."""
    fault.profile(
        "dev",
        strategy="canary",
        canary={"steps": STEPS},
        health={"soak": 0, "crashExits": 1, "crashGrace": 1},
        lock={"ttl": "5s", "wait": "120s"},
        values={
            "httpRoute": {
                "enabled": True,
                "parentRefs": [
                    {"name": os.environ["LAB_GATEWAY_NAME"], "namespace": os.environ["LAB_GATEWAY_NAMESPACE"]}
                ],
                "hostnames": [host(fault)],
            },
        },
    )
    return fault


def host(project: Project) -> str:
    return f"{project.namespace}.example.com"


def released(project: Project) -> None:
    """The first version, answering through the Gateway."""
    done = project.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    assert "no good version runs yet" in done.err
    until(lambda: set(ask(host(project), 20)) == {"v1"}, "v1 through the Gateway", 60)


def weights(project: Project) -> dict[str, int]:
    """What the route says now: backend: weight."""
    (route,) = project.objects("httproutes")
    (rule,) = route["spec"]["rules"]
    return {one["name"]: one["weight"] for one in rule["backendRefs"]}


def history(project: Project) -> list[dict[str, Any]]:
    done = project.deploy("history", "--env", "dev", "--output", "json")
    assert done.code == 0, done
    return list(done.json["revisions"])


def test_a_good_version_gets_its_requests_step_by_step(canary: Project) -> None:
    released(canary)
    done = canary.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    print(done)
    assert weights(canary) == {"web": 1}
    assert set(ask(host(canary), 200)) == {"v2"}
    assert [one["metadata"]["name"] for one in canary.objects("deployments")] == ["web"]
    assert [one["metadata"]["name"] for one in canary.objects("services")] == ["web"]
