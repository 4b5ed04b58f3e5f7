"""Fifty targets, three of them offline: time, memory and programs against one target; the budget; what is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Project
from fleets import Edge, Sampled, edge, outcomes, sampled, timed
from processes import alive, descendants, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.fleet]

COUNT, AWAY, AT_ONCE = 50, 3, 8
HERE = COUNT - AWAY
BAD = ("edge-07", "edge-19")
NOWHERE = {"nodeSelector": {"place": "nowhere"}}
Record = Callable[[str, object], None]
Used = Callable[[str, float, Sampled], None]


@pytest.fixture
def fifty(project: Project, faults: str) -> Iterator[Edge]:
    with edge(project, faults, COUNT, away=AWAY) as made:
        made.profile(fleet={"concurrency": AT_ONCE, "waves": [{"name": "first", "select": "10%", "gate": "healthy"}]})
        yield made


@pytest.fixture
def record(record_property: Record) -> Used:
    """A line of the table of docs/fleet.md."""

    def told(name: str, seconds: float, used: Sampled) -> None:
        below = f"{used.processes} children with {used.children // 1024} MiB, {used.helms} helms among them"
        record_property(name, f"{seconds:.1f} s, {used.memory // 1024} MiB, {used.threads} threads; {below}")

    return told


def test_fifty(fifty: Edge, record: Used, tmp_path: Path) -> None:
    alone, used, code, _ = timed(fifty, "--target", "edge-01", "--set", "env.RUN=0")
    assert code == 0
    record("one target", alone, used)

    seconds, used, code, document = timed(fifty, "--set", "env.RUN=1")
    targets = {one["target"]: one for one in document["targets"]}
    assert code == 0, document["message"]
    assert outcomes(targets) == {"done": HERE, "offline": AWAY}
    assert 1 < used.helms <= AT_ONCE, "no more helm programs than targets at work"
    assert used.processes <= AT_ONCE + 1, "and the lifeline"
    assert seconds < HERE * alone / 2, "side by side"
    record("fifty targets", seconds, used)
    assert [one.name for one in tmp_path.glob("deploy-*")] == [], "no folder is left"

    seconds, used, code, document = timed(fifty, "--set", "env.RUN=1")
    assert (code, document["counts"]["unchanged"], document["counts"]["offline"]) == (0, HERE, AWAY)
    assert used.helms <= 1, "helm is asked for its version"
    record("nothing to do", seconds, used)


def test_two_fail_within_the_budget(fifty: Edge, record: Used) -> None:
    fifty.profile(fleet={"failureBudget": 2})
    assert fifty.up("--set", "env.RUN=1")[0] == 0
    for name in BAD:
        fifty.targets[name]["values"] = NOWHERE
    fifty.write()
    seconds, used, code, document = timed(fifty, "--set", "env.RUN=2")
    record("two fail", seconds, used)
    targets = {one["target"]: one for one in document["targets"]}
    assert code == 13, document["message"]
    assert used.helms <= AT_ONCE
    assert outcomes(targets) == {"done": HERE - 2, "failed": 2, "offline": AWAY}
    for name in BAD:
        assert (targets[name]["exitCode"], targets[name]["release"]["restored"]) == (5, 1)
        assert fifty.running(name) == "1"
    assert fifty.running("edge-01") == "2"


def test_the_budget_stops_it_and_the_next_run_does_what_is_left(fifty: Edge, record_property: Record) -> None:
    assert fifty.up("--set", "env.RUN=1")[0] == 0
    fifty.profile(fleet={"failureBudget": 1})
    for name in BAD:
        fifty.targets[name]["values"] = NOWHERE
    fifty.write()
    code, targets, done = fifty.up("--set", "env.RUN=2")
    assert code == 14, done
    found = outcomes(targets)
    record_property("stopped by the budget", f"after {HERE - found['left'] + AWAY} targets")
    assert found["failed"] == 2
    assert found["left"] > COUNT // 3
    assert done.json["stopped"] == "2 targets failed, and 1 is tolerated"
    for name, one in targets.items():
        if one["outcome"] == "left":
            assert one["tries"] == 0
            if fifty.targets[name]["context"] != "away":
                assert fifty.running(name) == "1"
    before = {name for name, one in targets.items() if one["outcome"] == "done"}

    for name in BAD:
        fifty.targets[name].pop("values")
    fifty.write()
    code, targets, done = fifty.up("--set", "env.RUN=2")
    assert code == 0, done
    assert {name for name, one in targets.items() if one["outcome"] == "unchanged"} == before
    assert outcomes(targets) == {"unchanged": len(before), "done": HERE - len(before), "offline": AWAY}


def test_after_a_kill_the_next_run_does_what_is_left(fifty: Edge, record_property: Record) -> None:
    run = fifty.project.start("up", "--env", "edge", "--tag", "v1", "--set", "env.RUN=1", "--output", "json")
    with sampled(run) as used:
        until(lambda: "web" in fifty.kubectl("edge-20", "get", "secrets", check=False), "the twentieth's turn", 300)
        below = descendants(run.pid)
        run.kill()
        run.communicate(timeout=60)
    assert used.helms <= AT_ONCE
    until(lambda: not any(alive(one) for one in below), "the end of its programs")
    code, targets, done = fifty.up("--set", "env.RUN=1")
    assert code == 0, done
    found = outcomes(targets)
    record_property("after kill -9", f"{found['unchanged']} were done, {found['done']} were left")
    assert found["unchanged"] >= 5
    assert found["unchanged"] + found["done"] == HERE
    code, targets, done = fifty.up("--set", "env.RUN=1")
    assert (code, outcomes(targets)) == (0, {"unchanged": HERE, "offline": AWAY}), done
