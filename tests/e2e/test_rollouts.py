"""Every rollout scenario on the lab: the verdict, its cause, how soon it comes and what is left."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Deployed, Project
from scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.lab

Note = Callable[[str, object], None]


def sets(values: dict[str, str]) -> list[str]:
    """Values as options."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def up(project: Project, tag: str, values: dict[str, str], *more: str) -> Deployed:
    """`deploy up` of a version."""
    return project.deploy(
        "up", "--env", "dev", "--tag", tag, *sets({"env.VERSION": tag, **values}), "-o", "json", *more
    )


def start(project: Project, tag: str, values: dict[str, str], *more: str) -> Callable[[], Deployed]:
    """`deploy up` in the background; the answer awaits its end."""
    argv = ("up", "--env", "dev", "--tag", tag, *sets({"env.VERSION": tag, **values}), "-o", "json", *more)
    process = project.start(*argv)

    def end() -> Deployed:
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Deployed(process.returncode, out, err)

    return end


def rollout_seconds(done: Deployed) -> float:
    """From helm's return to the verdict."""
    return float(next(stage["seconds"] for stage in done.json["stages"] if stage["name"] == "rollout"))


def within(done: Deployed, bound: float, record_property: Note, no_sooner: float = 0) -> None:
    """The verdict came in time; the row goes to the report."""
    seconds = rollout_seconds(done)
    record_property("verdict", done.json["outcome"])
    record_property("seconds", round(seconds, 1))
    record_property("bound", bound)
    record_property("words", done.json["message"])
    assert no_sooner <= seconds <= bound, f"{seconds:.1f} s is not within {no_sooner}..{bound} s\n{done}"


def names(project: Project, kind: str = "pods") -> set[str]:
    """Names of all objects of a kind."""
    return {item["metadata"]["name"] for item in project.objects(kind)}


def about(done: Deployed) -> str:
    """All that is said of causes."""
    document = done.json
    return json.dumps([document["message"], document["workloads"], document["diagnosis"]])


def cause(done: Deployed) -> dict[str, Any]:
    """The first cause of the workload that failed."""
    failed = [one for one in done.json["workloads"] if one["causes"]]
    assert failed, done
    return dict(failed[0]["causes"][0])


def serves(project: Project, version: str, replicas: int = 2, kind: str = "deployments") -> None:
    """All replicas of a version are Ready."""
    status = project.objects(kind)[0]["status"]
    assert status.get("readyReplicas", 0) == replicas, status
    if replicas:
        assert project.answer().strip() == version


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_scenario(fault: Project, scenario: Scenario, record_property: Note) -> None:
    record_property("scenario", scenario.id)
    first = up(fault, "v1", {**scenario.both, **scenario.base})
    assert first.code == 0, first
    if scenario.before:
        scenario.before(fault)
    old = names(fault)
    tag = "v2" if scenario.rolled else "v1"
    replicas = int({**scenario.both, **scenario.change}.get("replicaCount", "2"))
    process = start(fault, tag, {**scenario.both, **scenario.change})
    if scenario.meanwhile:
        scenario.meanwhile(fault)
    done = process()
    if scenario.code == 0:
        replicas = fault.objects("deployments")[0]["spec"]["replicas"]
    assert done.code == scenario.code, done
    record_property("rule", cause(done)["rule"] if scenario.code else "")
    if scenario.code:
        told = cause(done)
        assert told["rule"] == scenario.rule, done
        assert told["container"] == scenario.container, done
        message = done.json["message"]
        assert all(word in message for word in scenario.words), message
        assert (scenario.container or "") in message
        if told["pods"]:
            assert told["pods"][0] in about(done)
            assert done.json["diagnosis"]["headline"].startswith("pod/"), done
        assert not [name for name in old if name in about(done)], f"old pods are spoken of\n{done}"
        assert done.json["release"]["restored"] == 1, done
        serves(fault, "v1", int({**scenario.both, **scenario.base}.get("replicaCount", "2")))
    else:
        assert done.json["workloads"][0]["causes"] == [], done
        serves(fault, tag, replicas)
        assert ("no pod was rolled" in done.json["message"]) is not scenario.rolled, done
    if scenario.log:
        assert any(scenario.log in line for log in done.json["diagnosis"]["logs"] for line in log["lines"]), done
    if scenario.warning:
        assert scenario.warning in json.dumps(done.json["warnings"]), done
    within(done, scenario.bound, record_property, scenario.no_sooner)
