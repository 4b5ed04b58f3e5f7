"""Waves, budget and what comes next: tables, and every order in which targets may end."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import ExitCode, UsageError
from deployer.plan import fleet as plans
from deployer.plan.fleet import Fleet, Gate, Outcome, Over, Start, State, Wait, Wave, fleet
from deployer.profile import Profile, load

D, U, F, O = Outcome.DONE, Outcome.UNCHANGED, Outcome.FAILED, Outcome.OFFLINE  # noqa: E741  # as in the tables
BASE = {"registry": {"url": "r.lab"}, "image": {"repository": "web"}, "release": {"name": "web"}}


def profile(folder: Path, count: int = 10, **settings: Any) -> Profile:
    """An environment of targets t1, t2, …: odd ones are north, even ones south."""
    targets = [
        {"name": f"t{n}", "labels": {"region": "north" if n % 2 else "south"}, "namespace": f"n{n}"}
        for n in range(1, count + 1)
    ]
    (folder / "environments").mkdir(exist_ok=True)
    text = yaml.safe_dump({**BASE, "target": {"context": "c"}, "targets": targets, "fleet": settings})
    (folder / "environments" / "edge.yaml").write_text(text)
    return load(folder, "edge", {})


def made(folder: Path, count: int = 10, **settings: Any) -> Fleet:
    found = profile(folder, count, **settings)
    return fleet("up", "edge", found, found.targets)


def simple(*waves: Wave, **more: Any) -> Fleet:
    return Fleet("up", "edge", "web", waves, **more)


WAVES: list[tuple[str, list[dict[str, Any]], list[tuple[str, str]]]] = [
    ("none", [], [("all", "1 2 3 4 5 6 7 8 9 10")]),
    ("count", [{"name": "a", "select": 2}], [("a", "1 2"), ("rest", "3 4 5 6 7 8 9 10")]),
    ("share", [{"name": "a", "select": "15%"}], [("a", "1 2"), ("rest", "3 4 5 6 7 8 9 10")]),
    ("labels", [{"name": "a", "select": {"region": "south"}}], [("a", "2 4 6 8 10"), ("rest", "1 3 5 7 9")]),
    (
        "one after the other",
        [{"name": "a", "select": 1}, {"name": "b", "select": {"region": "north"}}, {"name": "c", "select": "20%"}],
        [("a", "1"), ("b", "3 5 7 9"), ("c", "2 4"), ("rest", "6 8 10")],
    ),
    ("nothing is left", [{"name": "a", "select": "100%"}], [("a", "1 2 3 4 5 6 7 8 9 10")]),
    ("too many", [{"name": "a", "select": 99}, {"name": "b", "select": 1}], [("a", "1 2 3 4 5 6 7 8 9 10")]),
]


@pytest.mark.parametrize(("waves", "wanted"), [row[1:] for row in WAVES], ids=[row[0] for row in WAVES])
def test_waves(tmp_path: Path, waves: list[dict[str, Any]], wanted: list[tuple[str, str]]) -> None:
    found = made(tmp_path, waves=waves).waves
    assert [(one.name, " ".join(name[1:] for name in one.targets)) for one in found] == wanted


def test_a_target_is_in_its_wave_however_few_are_chosen(tmp_path: Path) -> None:
    found = profile(tmp_path, waves=[{"name": "a", "select": "50%"}])
    chosen = plans.chosen(found, "edge", [], ["region=south"])
    waves = fleet("up", "edge", found, chosen).waves
    assert [(one.name, one.targets) for one in waves] == [("a", ("t2", "t4")), ("rest", ("t6", "t8", "t10"))]


@pytest.mark.parametrize(
    ("given_", "total", "wanted"),
    [(3, 50, 3), ("10%", 50, 5), ("10%", 9, 0), ("7%", 100, 7), ("100%", 3, 3), (0, 9, 0)],
)
def test_a_budget_is_rounded_down(tmp_path: Path, given_: int | str, total: int, wanted: int) -> None:
    assert made(tmp_path, total, failureBudget=given_).budget == wanted


def test_choosing(tmp_path: Path) -> None:
    found = profile(tmp_path)

    def names(targets: list[str], labels: list[str]) -> list[str]:
        return [one.name for one in plans.chosen(found, "edge", targets, labels)]

    assert names([], ["region=north"]) == ["t1", "t3", "t5", "t7", "t9"]
    assert names(["t3", "t2"], []) == ["t2", "t3"]
    assert names(["t3", "t2"], ["region=south"]) == ["t2"]
    assert names([], ["region=north", "region=south"]) == [f"t{n}" for n in range(1, 11)]
    for targets, labels, words in (
        (["t11"], [], "no target `t11`; did you mean `t1"),
        ([], ["region=sout"], "did you mean `south`"),
        ([], ["regoin=south"], "did you mean `region`"),
        ([], ["region"], "key=value is expected"),
        (["t1"], ["region=south"], "is all that"),
    ):
        with pytest.raises(UsageError, match=words):
            names(targets, labels)


def test_an_environment_of_one_has_nothing_to_choose_from(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    text = yaml.safe_dump({**BASE, "target": {"context": "c", "namespace": "ns"}})
    (tmp_path / "environments" / "dev.yaml").write_text(text)
    found = load(tmp_path, "dev", {})
    assert plans.chosen(found, "dev", [], []) == ()
    with pytest.raises(UsageError, match="`dev` has no targets"):
        plans.chosen(found, "dev", ["a"], [])


def test_a_target_has_a_profile_of_its_own(tmp_path: Path) -> None:
    found = profile(tmp_path)
    one = found.targets[1].model_copy(update={"context": "mine", "values": {"env": {"SITE": "2"}}})
    there = plans.at(found.model_copy(update={"values": {"env": {"A": "1"}}}), one)
    assert (there.target.context, there.target.namespace) == ("mine", "n2")
    assert there.values == {"env": {"A": "1", "SITE": "2"}}
    assert there.targets == ()


TWO = (Wave("a", ("a1", "a2")), Wave("b", ("b1",)))


def after(made: Fleet, *ends: tuple[str, Outcome] | tuple[str, Outcome, ExitCode]) -> State:
    """The state after targets that began and ended one after the other."""
    state = State()
    for name, outcome, *code in ends:
        bad = ExitCode.UNHEALTHY if outcome is F else ExitCode.OK
        state = plans.ended(made, state.began(name), name, outcome, code[0] if code else bad)
    return state


STEPS: list[tuple[str, Fleet, State, plans.Step]] = [
    ("the first wave begins", simple(*TWO), State(), Start(("a1", "a2"))),
    ("no more than so many", simple(*TWO, concurrency=1), State(), Start(("a1",))),
    ("no room", simple(*TWO, concurrency=1), State().began("a1"), Wait()),
    ("room for one", simple(*TWO, concurrency=2), State().began("a1"), Start(("a2",))),
    ("a wave is seen to its end", simple(*TWO), State().began("a1").began("a2"), Wait()),
    ("then its gate", simple(*TWO), after(simple(*TWO), ("a1", D), ("a2", U)), Gate(*TWO)),
    ("then the next", simple(*TWO), after(simple(*TWO), ("a1", D), ("a2", O)).through("a"), Start(("b1",))),
    ("all is over", simple(TWO[0]), after(simple(TWO[0]), ("a1", D), ("a2", D)), Over()),
    ("no failure is tolerated", simple(*TWO), after(simple(*TWO), ("a1", F)), Over()),
    ("one is", simple(*TWO, budget=1), after(simple(*TWO, budget=1), ("a1", F)), Start(("a2",))),
    ("two are not", simple(*TWO, budget=1), after(simple(*TWO, budget=1), ("a1", F), ("a2", F)), Over()),
    ("what runs is seen to its end", simple(*TWO), after(simple(*TWO), ("a1", F)).began("a2"), Wait()),
    ("offline is no failure", simple(*TWO), after(simple(*TWO), ("a1", O)), Start(("a2",))),
    ("or is one", simple(*TWO, offline="fail"), after(simple(*TWO, offline="fail"), ("a1", O)), Over()),
    (
        "a try more, after the others",
        simple(*TWO, retries=1, budget=1),
        after(simple(*TWO, retries=1, budget=1), ("a1", F)),
        Start(("a2", "a1")),
    ),
    (
        "before them, where it decides",
        simple(*TWO, retries=1),
        after(simple(*TWO, retries=1), ("a1", F)),
        Start(("a1",)),
    ),
    (
        "and they wait for it",
        simple(*TWO, retries=1),
        after(simple(*TWO, retries=1), ("a1", F)).began("a1"),
        Wait(),
    ),
    (
        "and go on after it",
        simple(*TWO, retries=1),
        after(simple(*TWO, retries=1), ("a1", F), ("a1", D)),
        Start(("a2",)),
    ),
    (
        "the budget of the wave decides too",
        simple(Wave("a", ("a1", "a2"), budget=0), budget=9, retries=1),
        after(simple(Wave("a", ("a1", "a2"), budget=0), budget=9, retries=1), ("a1", F)),
        Start(("a1",)),
    ),
    (
        "and no more",
        simple(*TWO, retries=1),
        after(simple(*TWO, retries=1), ("a1", F), ("a1", F)),
        Over(),
    ),
    (
        "what cannot change is not tried again",
        simple(*TWO, retries=5),
        after(simple(*TWO, retries=5), ("a1", F, ExitCode.USAGE)),
        Over(),
    ),
    (
        "the wave has a budget of its own",
        simple(Wave("a", ("a1", "a2"), budget=0), TWO[1], budget=9),
        after(simple(Wave("a", ("a1", "a2"), budget=0), TWO[1], budget=9), ("a1", F)),
        Over(),
    ),
]


@pytest.mark.parametrize(("fleet_", "state", "wanted"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_what_comes_next(fleet_: Fleet, state: State, wanted: plans.Step) -> None:
    assert plans.step(fleet_, state) == wanted


def test_why_it_was_stopped_is_told() -> None:
    assert after(simple(*TWO), ("a1", F)).stopped == "1 target failed, and none is tolerated"
    found = after(simple(*TWO, budget=1), ("a1", F), ("a2", F))
    assert found.stopped == "2 targets failed, and 1 is tolerated"
    own = simple(Wave("a", ("a1", "a2"), budget=0), budget=9)
    assert after(own, ("a1", F)).stopped == "1 target failed in wave a, and none is tolerated"


def test_a_gate_that_wants_a_healthy_wave() -> None:
    made = simple(*TWO, budget=2)
    assert plans.unproven(made, after(made, ("a1", D), ("a2", O)), TWO[0]) == ""
    assert "1 of 2 targets of wave a failed" in plans.unproven(made, after(made, ("a1", D), ("a2", F)), TWO[0])
    assert "could be reached" in plans.unproven(made, after(made, ("a1", O), ("a2", O)), TWO[0])


CODES = [
    ((("a1", D), ("a2", U), ("b1", D)), {}, ExitCode.OK),
    ((("a1", D), ("a2", O), ("b1", D)), {}, ExitCode.OK),
    ((("a1", O), ("a2", O), ("b1", O)), {}, ExitCode.PREFLIGHT),
    ((("a1", D), ("a2", F), ("b1", D)), {"budget": 1}, ExitCode.PARTIAL),
    ((("a1", D), ("a2", O), ("b1", D)), {"budget": 1, "offline": "fail"}, ExitCode.PARTIAL),
    ((("a1", D), ("a2", F)), {}, ExitCode.STOPPED),
    ((("a1", D), ("a2", D), ("b1", F)), {}, ExitCode.STOPPED),
]


@pytest.mark.parametrize(("ends", "more", "code"), CODES)
def test_the_code_of_the_whole(ends: Any, more: dict[str, Any], code: ExitCode) -> None:
    made = simple(*TWO, **more)
    assert plans.verdict(made, after(made, *ends)) is code


def test_a_version_that_fails_everywhere_reaches_no_more_targets_for_the_sake_of_a_second_try() -> None:
    made = simple(Wave("all", tuple(f"t{n}" for n in range(50))), concurrency=8, budget=2, retries=1)
    state = State()
    while not isinstance(found := plans.step(made, state), Over):
        for name in found.targets if isinstance(found, Start) else ():
            state = state.began(name)
        if isinstance(found, Wait):
            state = plans.ended(made, state, min(state.running), F, ExitCode.UNHEALTHY)
    assert state.stopped == "3 targets failed, and 2 are tolerated"
    assert len(state.tries) == 8 + 2


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_whatever_order_they_end_in(data: st.DataObject) -> None:
    """No more at once than allowed, no wave before the one below, nothing new after the budget, each ends once."""
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    waves = tuple(Wave(f"w{n}", tuple(f"w{n}-{m}" for m in range(size))) for n, size in enumerate(sizes))
    made = simple(
        *waves,
        concurrency=data.draw(st.integers(1, 4)),
        budget=data.draw(st.integers(0, 4)),
        retries=data.draw(st.integers(0, 2)),
        offline=data.draw(st.sampled_from(("skip", "fail"))),
    )
    state, opened, over = State(), {waves[0].name}, False
    for _ in range(500):
        match plans.step(made, state):
            case Start(targets):
                assert not state.stopped
                for name in targets:
                    assert made.wave(name) in opened
                    assert name not in state.ended
                    assert name not in state.running
                    state = state.began(name)
                assert len(state.running) <= made.concurrency
            case Wait():
                name = data.draw(st.sampled_from(sorted(state.running)))
                outcome = data.draw(st.sampled_from(list(Outcome)))
                code = ExitCode.UNHEALTHY if outcome is F else ExitCode.OK
                state = plans.ended(made, state, name, outcome, code)
            case Gate(wave, following):
                assert not state.running
                assert all(name in state.ended for name in wave.targets)
                opened.add(following.name)
                state = state.through(wave.name)
            case Over():
                over = True
                break
    assert over
    assert not state.running
    assert not state.again
    assert {*state.ended} | {*plans.left(made, state)} == {*made.targets}
    assert all(tries <= 1 + made.retries for tries in state.tries.values())
    failed = plans.failures(made, state, made.targets)
    assert bool(state.stopped) == (failed > made.budget)
    if not state.stopped:
        assert plans.left(made, state) == ()


def test_a_rollback_is_not_tried_again(tmp_path: Path) -> None:
    """A second try would go back from what the first one put there."""
    found = profile(tmp_path, retries=3)
    assert [fleet(verb, "edge", found, found.targets).retries for verb in ("up", "rollback")] == [3, 0]
