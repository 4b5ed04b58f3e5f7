"""A release in steps: what each revision is made of, when there is none, and where a killed run is taken up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import PreflightError
from deployer.health.verdict import Workload
from deployer.model import Canary, Image, Record, Rendered, Revision, Target
from deployer.plan import canary
from deployer.plan import values as release_values
from deployer.plan.facts import Base, Facts, Released
from deployer.plan.rollback import good, last_good
from deployer.plan.rollback import rollback as plan_rollback
from deployer.plan.steps import Abandon, Clear, Hold, Observe, Plan, Portion, Rollback, Routed, Step, Upgrade, Verify
from deployer.plan.up import up
from deployer.profile import Profile

OLD = Image("registry.lab", "web", "v1", "sha256:" + "a" * 64)
NEW = Image("registry.lab", "web", "v2", "sha256:" + "b" * 64)
DEFAULTS: dict[str, Any] = {
    "image": {"registry": "", "repository": "web", "tag": "", "digest": "", "pullPolicy": "IfNotPresent"},
    "replicaCount": 3,
    "env": {},
    "readinessProbe": {"httpGet": {"path": "/readyz"}},
    "canary": {"enabled": False, "weight": 0},
}
STABLE = Revision(4, "deployed", "", "web-1", verdict="healthy", record=Record(chart="c1"))
GIVEN = {"env": {"A": "1"}}
TARGET = Target(Path("/k"), "dev", "shop")
STEPS = [{"weight": 5, "pause": "30s"}, {"weight": 50, "pause": 0}]


def profile(**sections: Any) -> Profile:
    data: dict[str, Any] = {
        "target": {"context": "dev", "namespace": "shop"},
        "registry": {"url": "registry.lab"},
        "image": {"repository": "web"},
        "release": {"name": "web"},
        "strategy": "canary",
        "canary": {"steps": STEPS},
    }
    return Profile.model_validate(data | sections)


def base(given: dict[str, Any] = GIVEN) -> Base:
    return Base(STABLE, release_values.release(given, OLD, None), DEFAULTS)


def facts(image: Image = NEW, history: tuple[Revision, ...] = (STABLE,), **more: Any) -> Facts:
    return Facts(image, history, base=base(), chart="c1", **more)


def planned(found: Facts, given: dict[str, Any] = GIVEN, made: Profile | None = None) -> Plan:
    return up("dev", made or profile(), found, project=Path("/p"), target=TARGET, values=given, login=None)


def outline(steps: tuple[Step, ...]) -> list[str]:
    return [f"{one.stage}: {type(one.deed).__name__}" for one in steps]


def portions(plan: Plan) -> list[Portion]:
    return [one.deed.portion for one in plan.steps if isinstance(one.deed, Upgrade) and one.deed.portion]


def layered(plan: Plan, step: int, given: dict[str, Any] = GIVEN) -> dict[str, Any]:
    """The values of the revision of a step."""
    return dict(canary.layered(portions(plan)[step], release_values.release(given, NEW, None)))


def test_steps() -> None:
    plan = planned(facts())
    assert outline(plan.steps) == [
        *("canary 0%: Upgrade", "canary 0%: Verify", "canary 0%: Routed"),
        *("canary 5%: Upgrade", "canary 5%: Verify", "canary 5%: Routed", "canary 5%: Hold"),
        *("canary 50%: Upgrade", "canary 50%: Verify", "canary 50%: Routed"),
        *("stable: Upgrade", "stable: Verify", "stable: Routed"),
        *("release: Upgrade", "release: Verify", "release: Routed", "release: Hold"),
        *("release: Upgrade", "rollout: Verify", "rollout: Routed"),
    ]
    assert [one.deed.seconds for one in plan.steps if isinstance(one.deed, Hold)] == [30, 5]
    assert [(one.weight, one.step, one.steps, one.promoted) for one in portions(plan)] == [
        (0, 0, 2, False),
        (5, 1, 2, False),
        (50, 2, 2, False),
        (50, 3, 2, True),
        (0, 4, 2, True),
    ]
    assert outline(plan.recovery) == ["rollback: Rollback", "rollback: Verify", "rollback: Routed"]
    assert plan.recovery[-1].deed == Routed("told")
    assert "canary beside revision 4: 5 %, 50 % of the requests, then all" in plan.notes


def test_the_canary_is_watched_beside_helm_too() -> None:
    """helm waits for it where a hook comes after it."""
    alone, both = (tuple(Workload("Deployment", name) for name in names) for names in (["web"], ["web", "web-canary"]))
    plan = planned(facts(rendered=Rendered(alone, waits=True), midway=Rendered(both, waits=True)))
    watched = [one.deed.rendered.workloads for one in plan.steps if isinstance(one.deed, Upgrade)]
    assert watched == [both, both, both, both, both, alone]


WATCHED = {"url": "http://prometheus", "interval": "10s", "failAfter": 3, "guards": ["errorRatio"]}


@pytest.mark.parametrize(
    ("pauses", "watched", "unwatched"),
    [
        pytest.param(("30s", 0), [("canary 5%", 30)], "at 50 % the", id="a step without a pause is not watched"),
        pytest.param((0, 0), [], "at 5 %, 50 % the", id="no pause, no guard"),
        pytest.param(
            ("20s", "21s"), [("canary 5%", 20), ("canary 50%", 21)], "at 5 % the", id="the third look is late"
        ),
        pytest.param(("21s", "21s"), [("canary 5%", 21), ("canary 50%", 21)], "", id="each is long enough"),
    ],
)
def test_metric_guards_watch_each_step_for_its_pause(
    pauses: tuple[Any, ...], watched: list[tuple[str, float]], unwatched: str
) -> None:
    steps = [{"weight": weight, "pause": pause} for weight, pause in zip((5, 50), pauses, strict=True)]
    plan = planned(facts(), made=profile(canary={"steps": steps}, metrics=WATCHED))
    found = [(one.stage, one.deed) for one in plan.steps if isinstance(one.deed, Observe)]
    assert [(stage, deed.seconds) for stage, deed in found] == watched
    assert all([one.name for one in deed.guards] == ["errorRatio"] for _, deed in found)
    assert [one.stage for one in plan.steps if isinstance(one.deed, Hold)] == ["release"]
    told = [note for note in plan.notes if "too short for metric errorRatio to fail the step" in note]
    assert bool(told) is bool(unwatched)
    assert all(note.startswith(unwatched) for note in told)


def test_a_canary_is_watched_for_its_longest_pause_and_its_first_release_for_the_duration() -> None:
    steps = [{"weight": 5, "pause": "1m"}, {"weight": 50, "pause": "10m"}]
    made = profile(canary={"steps": steps}, metrics={"url": "http://p", "window": "4m"})
    for found, looks in ((facts(), 25), (replace(facts(), base=None), 7)):
        deeds = [one.deed for one in planned(found, made=made).steps if isinstance(one.deed, Observe)]
        assert {guard.fail_after for deed in deeds for guard in deed.guards} == {looks}
    made = profile(canary={"steps": steps}, metrics={**WATCHED, "duration": "20s"})
    assert any("metrics.duration is too short" in one for one in planned(replace(facts(), base=None), made=made).notes)


def test_without_a_canary_the_metrics_are_watched_after_the_rollout() -> None:
    plan = planned(replace(facts(), base=None), made=profile(metrics={**WATCHED, "duration": "5m"}))
    assert outline(plan.steps) == ["release: Upgrade", "rollout: Verify", "metrics: Observe"]
    assert [one.deed.seconds for one in plan.steps if isinstance(one.deed, Observe)] == [300]


def test_until_the_end_the_stable_version_is_what_it_was() -> None:
    plan = planned(facts(), {"env": {"A": "2"}})
    for step in range(3):
        made = layered(plan, step, {"env": {"A": "2"}})
        assert {key: value for key, value in made.items() if key != "canary"} == base().values
    last = layered(plan, 3, {"env": {"A": "2"}})
    assert last["image"]["tag"] == "v2"
    assert last["env"] == {"A": "2"}
    assert "values" not in last["canary"]


@pytest.mark.parametrize(
    ("given", "differing"),
    [
        pytest.param(GIVEN, {}, id="the image alone"),
        pytest.param({"env": {"A": "2"}}, {"env": {"A": "2"}}, id="a variable"),
        pytest.param({}, {"env": {}}, id="a variable that is gone"),
        pytest.param({"env": {"A": "1", "B": None}}, {}, id="a null takes nothing away"),
        pytest.param({**GIVEN, "readinessProbe": None}, {"readinessProbe": {}}, id="a default that is taken away"),
        pytest.param({**GIVEN, "replicaCount": 9, "canary": {"x": 1}}, {}, id="what is not about a pod"),
    ],
)
def test_the_canary_has_what_differs_each_key_whole(given: dict[str, Any], differing: dict[str, Any]) -> None:
    found = layered(planned(facts(), given), 1, given)["canary"]["values"]
    image = {"registry": "registry.lab", "repository": "web", "tag": "v2", "digest": NEW.digest}
    assert found == {"image": {**image, "pullPolicy": "IfNotPresent"}, **differing}


@pytest.mark.parametrize(
    ("settings", "share", "replicas"),
    [({}, 50, None), ({"share": "20%"}, 20, None), ({"share": 1}, 100, None), ({"replicas": 2}, 50, 2)],
)
def test_how_many_pods_it_has(settings: dict[str, Any], share: int, replicas: int | None) -> None:
    plan = planned(facts(), made=profile(canary={"steps": STEPS, **settings}))
    assert {(one.share, one.replicas) for one in portions(plan)} == {(share, replicas)}
    section = layered(plan, 0)["canary"]
    assert (section["share"], section.get("replicas")) == (share, replicas)


@pytest.mark.parametrize(
    ("found", "given", "why"),
    [
        pytest.param(replace(facts(), base=None), GIVEN, "no good version runs yet", id="first install"),
        pytest.param(facts(OLD), GIVEN, "no pod would run anything else", id="the same again"),
        pytest.param(facts(OLD), {**GIVEN, "replicaCount": 5}, "no pod would run anything else", id="more replicas"),
        pytest.param(facts(OLD, same_pods=True), {"a": 1}, "no pod would run anything else", id="the same pods"),
    ],
)
def test_where_there_is_no_canary(found: Facts, given: dict[str, Any], why: str) -> None:
    plan = planned(found, given)
    assert outline(plan.steps) == ["release: Upgrade", "rollout: Verify"]
    assert any(why in note for note in plan.notes)


def test_an_image_that_has_to_be_built_is_another() -> None:
    assert portions(planned(facts(replace(OLD, digest=None))))


def test_strategy_rolling_knows_no_steps() -> None:
    plan = planned(facts(), made=profile(strategy="rolling"))
    assert outline(plan.steps) == ["release: Upgrade", "rollout: Verify"]


# -- what a killed run left --------------------------------------------------------------------------------------------


def left(step: int, status: str = "deployed", given: dict[str, Any] = GIVEN) -> Facts:
    """A run of the same release was killed at a step."""
    values = layered(planned(facts(), given), step, given)
    revision = Revision(5 + step, status, "", "web-1", canary=canary.standing(values))
    return facts(history=(STABLE, revision), released=Released(values, ""))


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_the_same_release_goes_on_where_it_was(step: int) -> None:
    plan = planned(left(step))
    assert portions(plan)[0].step == step
    assert any("goes on from there" in note for note in plan.notes) is bool(step)
    assert outline(plan.steps)[-3:] == ["rollout: Clear", "rollout: Verify", "rollout: Routed"]
    assert outline(plan.recovery)[1:] == ["rollback: Clear", "rollback: Verify", "rollback: Routed"]


def test_a_revision_that_helm_was_cut_off_in_is_done_again() -> None:
    plan = planned(left(1, "pending-upgrade"))
    assert isinstance(plan.steps[0].deed, Abandon)
    assert portions(plan)[0].step == 1


def test_another_release_begins_anew() -> None:
    assert portions(planned(left(2), {"env": {"A": "9"}}))[0].step == 0
    assert portions(planned(left(2), made=profile(canary={"steps": STEPS, "replicas": 2})))[0].step == 0


@pytest.mark.parametrize(
    ("charts", "step"),
    [(("c1", None), 2), (("c1", "c1"), 2), (("c0", "c1"), 2), (("c0", None), 0), (("c1", "c0"), 0), ((None, None), 2)],
)
def test_with_another_chart_it_is_another_release(charts: tuple[str | None, str | None], step: int) -> None:
    """`charts`: on record of the revision before the newest one, and of that; the chart is c1."""
    found = left(2)
    _, newest = found.history
    both = (replace(newest, number=6), newest)
    records = [replace(one, record=Record(chart=c) if c else None) for one, c in zip(both, charts, strict=True)]
    assert portions(planned(replace(found, history=(STABLE, *records))))[0].step == step


@pytest.mark.parametrize(
    ("verdict", "step"), [(None, 2), ("canary", 2), ("paused", 2), ("failed", 0), ("progressing", 0)]
)
def test_a_step_that_was_judged_failed_is_not_gone_on_from(verdict: str | None, step: int) -> None:
    """Whoever was to take it back was killed, or could not."""
    found = left(2)
    stable, newest = found.history
    plan = planned(replace(found, history=(stable, replace(newest, verdict=verdict))))
    assert portions(plan)[0].step == step
    assert any("goes on from there" in note for note in plan.notes) is bool(step)


def test_a_step_is_gone_on_from_that_helm_was_at_after_one_that_failed() -> None:
    """The run that began anew was killed at its first step."""
    found = left(1, "pending-upgrade")
    failed = Revision(5, "deployed", "", "web-1", verdict="failed", canary=Canary(5, 1, 2))
    assert portions(planned(replace(found, history=(STABLE, failed, found.history[1]))))[0].step == 1


def test_other_pauses_are_the_same_release() -> None:
    longer = [{**one, "pause": "10m"} for one in STEPS]
    assert portions(planned(left(2), made=profile(canary={"steps": longer})))[0].step == 2


def test_what_was_left_is_cleared_where_there_is_no_canary_any_more() -> None:
    found = replace(left(1), image=OLD)
    assert outline(planned(found).steps) == ["release: Upgrade", "rollout: Clear", "rollout: Verify"]
    history = left(1).history
    plan = plan_rollback("dev", "web", TARGET, history, None, found.job)
    assert [step.deed for step in plan.steps] == [Rollback(4, keep=4), Clear(), Verify("deleted")]
    assert "revision 6 (canary 5 % at step 1 of 2) → what revision 4 was" in plan.notes


def test_nothing_is_cleared_after_a_canary_that_was_put_right() -> None:
    history = (*left(1).history, Revision(7, "deployed", "", "web-1", "Rollback to 4", "healthy"))
    assert canary.clearing(history, "rollout") == ()


# -- revisions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "found", "words"),
    [
        (None, None, ""),
        ({"enabled": False, "weight": 5}, None, ""),
        ({"enabled": True, "weight": 0, "step": 0, "steps": 2}, Canary(0, 0, 2), "canary 0 % at step 0 of 2"),
        ({"enabled": True, "weight": 5, "step": 1, "steps": 2}, Canary(5, 1, 2), "canary 5 % at step 1 of 2"),
        (
            {"enabled": True, "weight": 0, "step": 4, "steps": 2},
            Canary(0, 4, 2),
            "canary 0 %, the stable version has followed",
        ),
        ({"enabled": True, "weight": 50, "step": 3, "steps": 2}, Canary(50, 3, 2), "canary 50 %, the stable version"),
        ({"enabled": True, "weight": 10}, None, ""),  # another chart's
        ("nonsense", None, ""),
    ],
)
def test_standing(section: Any, found: Canary | None, words: str) -> None:
    assert canary.standing({"canary": section}) == found
    assert not found or str(found).startswith(words)


@pytest.mark.parametrize("verdict", [None, "canary", "healthy", "failed"])
def test_a_revision_midway_is_nothing_to_go_back_to(verdict: str | None) -> None:
    midway = Revision(5, "deployed", "", "web-1", verdict=verdict, canary=Canary(5, 1, 2))
    assert not good(midway)
    assert last_good((STABLE, midway)) is STABLE
    with pytest.raises(PreflightError, match=r"midway between two versions|was judged"):
        plan_rollback("dev", "web", TARGET, (STABLE, midway, replace(STABLE, number=6)), 5, Facts(NEW, ()).job)


def test_helm_keeps_what_may_have_to_be_put_back() -> None:
    many = [{"weight": weight} for weight in range(1, 31)]
    plan = planned(facts(), made=profile(canary={"steps": many}))
    keeps = {one.deed.keep for one in plan.steps if isinstance(one.deed, Upgrade) and not one.deed.portion}
    assert keeps == {one.keep for one in portions(plan)} == {37}
    assert next(one.deed.keep for one in plan.recovery if isinstance(one.deed, Rollback)) == 37


def test_helm_keeps_the_good_one_while_a_killed_canary_is_put_right() -> None:
    """Revision 4 is good, 5 to 8 were a canary; 9 is the old version again, 10 would put 4 back."""
    midway = tuple(Revision(number, "superseded", "", "web-1", canary=Canary(5, 1, 2)) for number in range(5, 9))
    plan = planned(replace(facts(OLD), history=(STABLE, *midway)))
    (keep,) = [one.deed.keep for one in plan.steps if isinstance(one.deed, Upgrade)]
    assert keep == plan.recovery[0].deed.keep == 7  # type: ignore[union-attr]
    healthy = Revision(9, "deployed", "", "web-1", verdict="healthy")
    assert canary.room((STABLE, *midway, healthy), healthy) == 0
    assert canary.room((STABLE, healthy), STABLE) == 0


# -- what a chart must make --------------------------------------------------------------------------------------------

DEPLOYMENTS: list[dict[str, Any]] = [{"kind": "Deployment"}, {"kind": "Deployment"}]
TRIAL = canary.Trial({}, " beside revision 4", "strategy: rolling once")


def http_route(*backends: str) -> dict[str, Any]:
    rules = [{"backendRefs": [{"name": name} for name in backends]}]
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": {"rules": rules}}


def virtual_service(*backends: str) -> dict[str, Any]:
    http = [{"route": [{"destination": {"host": name}} for name in backends]}]
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": {"http": http}}


def test_a_chart_that_can() -> None:
    canary.demand("httproute", "chart", TRIAL, [*DEPLOYMENTS, http_route("web", "web-canary")])
    canary.demand("istio", "chart", TRIAL, [*DEPLOYMENTS, virtual_service("web", "web-canary")])


@pytest.mark.parametrize(
    ("route", "manifest", "lacks"),
    [
        ("httproute", DEPLOYMENTS, "no HTTPRoute"),
        ("httproute", [*DEPLOYMENTS, http_route("web")], "no HTTPRoute"),
        ("istio", [*DEPLOYMENTS, http_route("web", "web-canary")], "no VirtualService"),
        ("httproute", [*DEPLOYMENTS[:1], http_route("web", "web-canary")], "no second Deployment"),
    ],
)
def test_a_chart_that_cannot(route: str, manifest: list[dict[str, Any]], lacks: str) -> None:
    with pytest.raises(PreflightError, match=lacks) as refused:
        canary.demand(route, "chart", TRIAL, manifest)
    assert "beside revision 4" in refused.value.message
    assert str(refused.value.hint).endswith("strategy: rolling once")


def test_a_chart_is_tried_with_the_route_of_the_stable_version_too() -> None:
    """Until the last step the values are the stable version's: a route that is new is not among them."""
    new = release_values.release({**GIVEN, "httpRoute": {"enabled": True}}, NEW, None)
    promoted, beside = canary.trials(profile(), base(), (STABLE,), new)
    assert promoted.values["httpRoute"] == {"enabled": True}
    assert "httpRoute" not in beside.values
    assert (beside.values["canary"]["weight"], beside.where) == (5, " beside revision 4")
    assert "strategy: rolling" in beside.hint
    (alone,) = canary.trials(profile(), None, (), new)
    assert alone.values == {**new, "canary": {"enabled": True, "weight": 1}}


def test_a_chart_that_changed_is_told() -> None:
    assert any("the chart changed" in note for note in planned(replace(facts(), chart="c2")).notes)
    assert not any("the chart changed" in note for note in planned(facts()).notes)


def test_a_secret_is_one_in_the_values_of_the_canary_too() -> None:
    assert canary.secrets(["env.DSN"]) == {"env.DSN", "canary.values.env.DSN"}


def test_a_plan_in_words() -> None:
    from deployer.report import words

    plan = planned(facts())
    said = "\n".join(words.plan(plan))
    assert "would give registry.lab/web:v2@sha256" in said
    assert "5 % of the requests, beside revision 4" in said
    assert "would release it for the stable pods too, while it keeps 50 % of the requests" in said
    assert "if the rollout fails, would put revision 4 back" in said
    assert outline(tuple(step for step in plan.steps if isinstance(step.deed, Routed)))
