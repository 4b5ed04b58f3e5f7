"""When nothing has to be released, and why something has."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.health.verdict import Judgement, Verdict, Workload
from deployer.model import Image, Record, Revision, Target
from deployer.plan import values
from deployer.plan.drift import Drift
from deployer.plan.facts import Facts, Released
from deployer.plan.steps import PullSecret
from deployer.plan.unchanged import Standing, differences, kept, left
from deployer.profile import Profile

IMAGE = Image("registry.lab", "web", "1.2.3", "sha256:" + "a" * 64)
GIVEN = {"replicaCount": 2, "env": {"A": "x", "NOTHING": None}, "secret": {"token": "s3cret"}}
CHART = "c" * 64
GOOD = Revision(5, "deployed", "", "web-1", verdict="healthy", record=Record(verdict="healthy", chart=CHART))


def facts(**changes: Any) -> Facts:
    released = Released(values.release(GIVEN, IMAGE, "registry"), "kind: Deployment\n")
    return replace(Facts(IMAGE, (GOOD,), chart=CHART, released=released), **changes)


@pytest.mark.parametrize(
    ("found", "given", "because"),
    [
        pytest.param(facts(), GIVEN, (), id="as it was"),
        pytest.param(facts(), {**GIVEN, "replicaCount": 2.0}, (), id="the same number to helm"),
        pytest.param(facts(history=(), released=None), GIVEN, ("nothing is released yet",), id="first"),
        pytest.param(
            facts(history=(replace(GOOD, status="failed"),)), GIVEN, ("revision 5 is failed",), id="helm says failed"
        ),
        pytest.param(
            facts(history=(replace(GOOD, status="pending-upgrade"),)),
            GIVEN,
            ("revision 5 is pending-upgrade",),
            id="a killed run",
        ),
        pytest.param(
            facts(history=(replace(GOOD, verdict="failed"),)), GIVEN, ("revision 5 was judged failed",), id="unhealthy"
        ),
        pytest.param(
            facts(history=(replace(GOOD, verdict=None, record=None),)),
            GIVEN,
            ("revision 5 was judged by nobody",),
            id="somebody else's",
        ),
        pytest.param(
            facts(image=replace(IMAGE, digest=None)),
            GIVEN,
            ("registry.lab/web:1.2.3 is not in the registry",),
            id="to be built",
        ),
        pytest.param(
            facts(image=replace(IMAGE, digest="sha256:" + "b" * 64)),
            GIVEN,
            ("the image changed: image.digest",),
            id="another image under the tag",
        ),
        pytest.param(facts(chart="d" * 64), GIVEN, ("the chart changed",), id="the chart"),
        pytest.param(
            facts(history=(replace(GOOD, record=Record(verdict="healthy")),)),
            GIVEN,
            ("revision 5 has no chart on record",),
            id="an older deploy's record",
        ),
        pytest.param(facts(), {**GIVEN, "replicaCount": True}, ("values changed: replicaCount",), id="a value"),
        pytest.param(
            facts(), {**GIVEN, "secret": {"token": "other"}}, ("values changed: secret.token",), id="a secret"
        ),
        pytest.param(facts(), {**GIVEN, "env": {"A": "x"}}, ("values changed: env.NOTHING",), id="a null"),
        pytest.param(
            facts(),
            {**GIVEN, **{f"v{number}": 1 for number in range(7)}},
            ("values changed: v0, v1, v2, v3, v4 and 2 more",),
            id="many",
        ),
    ],
)
def test_differences(found: Facts, given: dict[str, Any], because: tuple[str, ...]) -> None:
    assert differences(found, given, "registry") == because


def test_no_secret_is_told() -> None:
    assert "other" not in str(differences(facts(), {**GIVEN, "secret": {"token": "other"}}, "registry"))


def test_a_login_more_or_less_changes_the_release() -> None:
    assert differences(facts(), GIVEN, None) == ("values changed: imagePullSecrets",)


WEB = Judgement(Workload("Deployment", "web"), Verdict.HEALTHY, "2 of 2 updated pods available")


@pytest.mark.parametrize(
    ("standing", "because"),
    [
        (Standing((WEB,)), ()),
        (Standing(()), ()),
        (Standing((WEB,), pull_secret=False), ()),
        (Standing((replace(WEB, verdict=Verdict.PROGRESSING),)), ("deployment/web is progressing",)),
        (Standing((replace(WEB, verdict=Verdict.PAUSED),)), ("deployment/web is paused",)),
        (
            Standing(
                (WEB,),
                (
                    Drift("deployment/web", "spec.replicas", "2", "1"),
                    Drift("deployment/web", "spec.paused", "false", "true"),
                    Drift("service/web", "", "present", None),
                ),
            ),
            (
                "deployment/web is not as released: spec.replicas, spec.paused",
                "service/web is not as released: it is gone",
            ),
        ),
        (Standing((WEB,), (Drift("configmap/web", "data.more", None, "x"),)), ()),
        (Standing((WEB,), (), ("ingress/web: forbidden",)), ("cannot be compared: ingress/web: forbidden",)),
    ],
)
def test_left(standing: Standing, because: tuple[str, ...]) -> None:
    assert left(standing) == because


PROFILE = Profile.model_validate(
    {
        "target": {"context": "dev", "namespace": "shop"},
        "registry": {"url": "registry.lab", "pullSecret": "registry"},
        "image": {"repository": "web"},
        "release": {"name": "web"},
    }
)


@pytest.mark.parametrize(("current", "steps"), [(True, []), (False, [PullSecret("registry")])])
def test_the_plan_releases_nothing(current: bool, steps: list[PullSecret]) -> None:
    plan = kept("dev", PROFILE, facts(), Target(Path("/k"), "dev", "shop"), Standing((WEB,), pull_secret=current))
    assert [step.deed for step in plan.steps] == steps
    assert plan.recovery == ()
    assert plan.kept
    assert (plan.kept.revision, plan.kept.judgements, plan.previous) == (5, (WEB,), 5)


def test_the_plan_knows_where_it_answers() -> None:
    released = Released({}, "{kind: Ingress, metadata: {name: web}, spec: {rules: [{host: web.example.com}]}}\n")
    plan = kept("dev", PROFILE, facts(released=released), Target(Path("/k"), "dev", "shop"), Standing((WEB,)))
    assert plan.kept
    assert plan.kept.url == "http://web.example.com"


def test_what_somebody_added_is_told() -> None:
    standing = Standing((WEB,), (Drift("configmap/web", "data.more", None, "x"),))
    plan = kept("dev", PROFILE, facts(), Target(Path("/k"), "dev", "shop"), standing)
    assert plan.notes == ("configmap/web: data.more was added by somebody; helm leaves it alone",)
