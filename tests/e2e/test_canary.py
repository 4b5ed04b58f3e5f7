"""A release in steps on the lab: real requests through Envoy, each weight measured, each fault stopped at its step."""

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Project
from processes import CI, end, job, kill, until
from requests_through import ask, measured

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


def hold(project: Project, step: int) -> None:
    """From now on a run stays at that step, and goes through those before it at once."""
    paused = [{**one, "pause": "600s" if number == step else "0s"} for number, one in enumerate(STEPS, 1)]
    project.profile("dev", canary={"steps": paused})


def standing(project: Project) -> dict[str, Any] | None:
    """Where `deploy status` says the canary is."""
    done = project.deploy("status", "--env", "dev", "--output", "json")
    (found,) = done.json["environments"]
    midway: dict[str, Any] | None = found["revision"]["canary"]
    return midway


def stopped_at(project: Project, step: int, log: Path) -> None:
    """Run until that step is held, and end the run there by kill -9: the cluster stays as it is."""
    hold(project, step)
    process = job(project, *NEXT, log=log)
    try:
        until(lambda: "still watched" in _since(log, f"canary {STEPS[step - 1]['weight']}% …"), "the step", 240)
    finally:
        end(kill(process, children=True))


def _since(log: Path, text: str) -> str:
    return log.read_text().partition(text)[2] if log.exists() else ""


def test_weights_are_what_the_step_says(canary: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    released(canary)
    for number, step in enumerate(STEPS, 1):
        stopped_at(canary, number, tmp_path / "log")
        weight = int(str(step["weight"]))
        assert weights(canary) == {"web": 100 - weight, "web-canary": weight}
        assert standing(canary) == {"weight": weight, "step": number, "steps": 3}
        screen = canary.deploy("status", "--env", "dev")
        assert f"canary {weight} % at step {number} of 3" in screen.out, screen
        found, count = measured(host(canary), "v2", weight)
        with capfd.disabled():
            print(f"\n{weight} % asked for, {found:.2f} % of {count} requests")
        assert abs(found - weight) < 1
    hold(canary, 0)
    done = canary.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    assert "it goes on from there" in done.err
    assert "canary 5%" not in done.err
    counted = ask(host(canary), 10_000)
    assert set(counted) == {"v2"}
    verdicts = [(one["verdict"], one["canary"] and one["canary"]["weight"]) for one in history(canary)]
    assert verdicts[0] == ("healthy", None)
    assert verdicts[-1] == ("healthy", None)
    assert ("canary", 50) in verdicts
