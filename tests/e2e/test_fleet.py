"""An environment of many targets, on the lab's fleet clusters."""

import json
import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from conftest import Project
from fleets import Edge, edge, outcomes
from processes import alive, descendants, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.fleet]

NOWHERE = {"nodeSelector": {"place": "nowhere"}}
"""Values that no node can take: the pods stay Pending."""


@pytest.fixture
def six(project: Project, faults: str) -> Iterator[Edge]:
    """Six targets, the last of which leads to nobody."""
    with edge(project, faults, 6, away=1) as made:
        yield made


def test_each_target_gets_the_release_with_its_own_values(six: Edge) -> None:
    six.targets["edge-02"]["values"] = {"env": {"RUN": "own"}}
    six.write()
    six.profile(values={"env": {"RUN": "all"}})
    code, targets, done = six.up()
    assert code == 0, done
    assert outcomes(targets) == {"done": 5, "offline": 1}
    assert targets["edge-06"]["outcome"] == "offline"
    assert "no connection in time" in targets["edge-06"]["message"]
    assert (six.running("edge-01"), six.running("edge-02")) == ("all", "own")
    assert six.leases() == []

    code, targets, done = six.up()
    assert (code, outcomes(targets)) == (0, {"unchanged": 5, "offline": 1}), done
    assert done.json["changed"] is False

    code, targets, done = six.up("--set", "env.RUN=set", "--target", "edge-02")
    assert (code, outcomes(targets)) == (0, {"done": 1}), done
    assert (six.running("edge-01"), six.running("edge-02")) == ("all", "set")
    assert targets["edge-02"]["release"]["revision"] == 2

    shown = json.loads(six.deploy("status", "--output", "json").out)["environments"]
    assert {one["target"]: one.get("verdict") for one in shown} == {
        **{f"edge-0{number}": "healthy" for number in range(1, 6)},
        "edge-06": None,
    }
    history = six.deploy("history", "--target", "edge-02", "--output", "json").json
    assert [one["number"] for one in history["revisions"]] == [1, 2]
    assert "6 targets" in six.deploy("history").err


def test_a_target_that_fails_is_explained_and_put_back_and_the_budget_stops_the_rest(six: Edge) -> None:
    assert six.up("--set", "env.RUN=1")[0] == 0
    six.profile(fleet={"concurrency": 1, "failureBudget": 0, "retries": 0})
    six.targets["edge-02"]["values"] = NOWHERE
    six.write()
    code, targets, done = six.up("--set", "env.RUN=2")
    assert code == 14, done
    assert [targets[f"edge-0{number}"]["outcome"] for number in range(1, 7)] == [
        "done",
        "failed",
        "left",
        "left",
        "left",
        "left",
    ]
    failed = targets["edge-02"]
    assert failed["exitCode"] == 5
    assert failed["release"]["restored"] == 1
    assert failed["diagnosis"]["causes"]
    assert six.running("edge-02") == "1"
    assert six.replicas("edge-02")["status"]["availableReplicas"] == 1
    assert "edge-02: unhealthy" in done.err
    assert "none is tolerated" in done.json["stopped"]

    six.targets["edge-02"].pop("values")
    six.write()
    code, targets, done = six.up("--set", "env.RUN=2")
    assert code == 0, done
    assert outcomes(targets) == {"unchanged": 1, "done": 4, "offline": 1}
    assert targets["edge-01"]["outcome"] == "unchanged"


def test_failures_within_the_budget_are_tried_again_and_told(six: Edge) -> None:
    six.profile(
        fleet={"concurrency": 4, "failureBudget": 2, "retries": 1, "waves": [{"name": "first", "select": 2}]},
        health={"placement": 2},
    )
    six.targets["edge-01"]["values"] = NOWHERE
    six.write()
    code, targets, done = six.up("--set", "env.RUN=1")
    assert code == 13, done
    assert outcomes(targets) == {"failed": 1, "done": 4, "offline": 1}
    assert (targets["edge-01"]["tries"], targets["edge-02"]["tries"]) == (2, 1)
    assert {one["wave"] for one in targets.values()} == {"first", "rest"}
    text = six.deploy("up", "--tag", "v1", "--set", "env.RUN=1", "--select", "region=south")
    row = next(line for line in text.out.splitlines() if line.startswith("edge-01"))
    assert row.split()[1:3] == ["first", "unhealthy"], text


def test_offline_may_count_as_a_failure(six: Edge) -> None:
    six.profile(fleet={"offline": "fail", "failureBudget": 1, "retries": 0})
    code, targets, done = six.up("--target", "edge-06", "--target", "edge-05")
    assert code == 13, done
    assert outcomes(targets) == {"offline": 1, "done": 1}
    code, _, done = six.up("--target", "edge-06")
    assert code == 13, done


def test_a_gate_waits_for_a_yes(six: Edge) -> None:
    six.profile(fleet={"waves": [{"name": "first", "select": 1, "gate": "ask"}]})
    code, targets, done = six.up("--set", "env.RUN=1")
    assert code == 14, done
    assert outcomes(targets) == {"done": 1, "left": 5}
    assert "--yes" in done.json["stopped"]
    code, targets, done = six.up("--set", "env.RUN=1", "--yes")
    assert code == 0, done
    assert outcomes(targets) == {"unchanged": 1, "done": 4, "offline": 1}


def test_a_bundle_reaches_all_of_them(six: Edge) -> None:
    environ = six.project.environ
    six.profile(registry={"url": "${SITE_REGISTRY}"}, values={"env": {"RUN": "bundled"}})
    environ["SITE_REGISTRY"] = os.environ["REGISTRY_URL"]
    file = six.project.folder.parent / "edge.tar"
    packed = six.deploy("bundle", "--tag", "v1", "--out", str(file))
    assert packed.code == 0, packed
    for name in ("environments", "chart", "service"):
        shutil.rmtree(six.project.folder / name)
    environ["SITE_REGISTRY"] = f"{os.environ['REGISTRY_URL']}/site-{six.project.namespace}"
    environ["DEPLOY_HELM"] = "/nope/helm"
    refused = six.deploy("up", "--bundle", str(file))
    assert refused.code == 3, refused
    del environ["DEPLOY_HELM"]
    done = six.deploy("up", "--bundle", str(file), "--output", "json")
    assert done.code == 0, done
    assert "is sent" in done.err, "nothing was, before helm was looked for"
    assert done.json["image"]["reference"].startswith(environ["SITE_REGISTRY"])
    assert done.json["counts"] == {"done": 5, "unchanged": 0, "failed": 0, "offline": 1, "left": 0}
    assert six.running("edge-05") == "bundled"


def test_a_dry_run_touches_nothing(six: Edge) -> None:
    six.profile(fleet={"waves": [{"name": "north", "select": {"region": "north"}}]})
    planned = six.deploy("up", "--tag", "v1", "--dry-run", "--output", "json").json
    assert [(one["name"], len(one["targets"])) for one in planned["waves"]] == [("north", 3), ("rest", 3)]
    assert "nothing was touched" in six.deploy("up", "--tag", "v1", "--dry-run").out
    assert six.kubectl("edge-01", "get", "all", "--ignore-not-found") == ""


def test_rollback_puts_back_each_targets_own(six: Edge) -> None:
    assert six.up("--set", "env.RUN=1")[0] == 0
    assert six.up("--set", "env.RUN=2")[0] == 0
    done = six.deploy("rollback", "--yes", "--output", "json")
    assert done.code == 0, done
    assert outcomes({one["target"]: one for one in done.json["targets"]}) == {"done": 5, "offline": 1}
    assert [six.running(f"edge-0{number}") for number in range(1, 6)] == ["1"] * 5
    refused = six.deploy("rollback", "--to", "1", "--yes")
    assert refused.code == 2
    assert "each target has its own" in refused.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(six: Edge, number: signal.Signals) -> None:
    six.profile(fleet={"concurrency": 4}, health={"placement": 90})
    for name in ("edge-01", "edge-02"):
        six.targets[name]["values"] = NOWHERE
    six.write()
    run = six.project.start("up", "--env", "edge", "--tag", "v1", "--output", "json")
    until(lambda: len(six.leases()) >= 2, "two targets at work")
    below = descendants(run.pid)
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 128 + number, err
    found = json.loads(out)
    assert {one["outcome"] for one in found["targets"]} <= {"failed", "done", "left", "offline"}
    assert found["stopped"] == "interrupted"
    assert six.leases() == []
    until(lambda: not any(alive(one) for one in below), "the end of its programs")


def test_after_a_kill_only_what_is_left_is_done(six: Edge) -> None:
    six.profile(fleet={"concurrency": 2})
    run = six.project.start("up", "--env", "edge", "--tag", "v1", "--set", "env.RUN=1", "--output", "json")
    until(lambda: "web" in six.kubectl("edge-03", "get", "secrets", check=False), "the third target's turn")
    below = descendants(run.pid)
    run.kill()
    run.communicate(timeout=60)
    until(lambda: not any(alive(one) for one in below), "the end of its programs")
    code, targets, done = six.up("--set", "env.RUN=1")
    assert code == 0, done
    found = outcomes(targets)
    assert found["offline"] == 1
    assert found["done"] + found.get("unchanged", 0) == 5
    assert [six.running(f"edge-0{number}") for number in range(1, 6)] == ["1"] * 5
    over = {six.targets[name]["namespace"] for name, one in targets.items() if one["outcome"] == "done"}
    assert not over & set(six.leases()), "a run that does anything takes over what a killed one left"
