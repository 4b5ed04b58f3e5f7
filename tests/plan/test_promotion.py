"""What may be promoted: a table of reasons why not. And the plan of what may."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.commands import docker
from deployer.errors import DeployError, PreflightError
from deployer.health.verdict import Verdict
from deployer.model import Image, Job, Record, Revision, Target
from deployer.plan.facts import Facts, Source
from deployer.plan.promotion import Standing, differences, promotable, promote
from deployer.plan.steps import Pin, Plan, Promotion, PullSecret, Run, Upgrade, Verify
from deployer.plan.unchanged import Standing as Running
from deployer.plan.unchanged import kept
from deployer.plan.up import up
from deployer.profile import Profile

SHA = "5ba" + "0" * 37
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGE = Image("registry.lab", "team/web", "1.2.3", DIGEST)
RECORD = Record("healthy", "up", image=IMAGE.reference, sha=SHA)
GOOD = Revision(4, "deployed", "", "web-1", "Upgrade complete", "healthy", RECORD)
BAD = replace(
    GOOD,
    number=3,
    status="superseded",
    verdict="failed",
    record=Record("failed", cause="exit 1", image="registry.lab/team/web:2@" + OTHER),
)
VALUES = {"image": {"registry": "registry.lab", "repository": "team/web", "tag": "1.2.3", "digest": DIGEST}}
STANDING = Standing(
    environment="test",
    release="web",
    registry="registry.lab",
    history=(BAD, GOOD),
    values=VALUES,
    manifest="",
    running=((IMAGE.reference, DIGEST), (IMAGE.reference, DIGEST), ("redis:7", OTHER)),
    verdict=Verdict.HEALTHY,
    headline="2 of 2 updated pods available",
)
WHERE = "revision 4 of web in test"


def newest(**facts: Any) -> dict[str, Any]:
    return {"history": (BAD, replace(GOOD, **facts))}


def recorded(**facts: Any) -> dict[str, Any]:
    return newest(record=replace(RECORD, **facts))


def test_what_everything_agrees_on_is_promoted() -> None:
    assert promotable(STANDING) == IMAGE


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param({"history": ()}, "there is no release web in test, so nothing to promote", id="nothing"),
        pytest.param(newest(status="pending-upgrade"), f"{WHERE} is still on its way (pending-upgrade)", id="pending"),
        pytest.param(newest(status="failed"), f"{WHERE} is not deployed: helm calls it failed", id="failed by helm"),
        pytest.param(newest(status="uninstalled"), f"{WHERE} is not deployed: helm calls it uninstalled", id="removed"),
        pytest.param(
            newest(description="Rollback to 2"),
            f"{WHERE} is a rollback: revision 3 (registry.lab/team/web:2@{OTHER}) was judged failed: exit 1",
            id="rolled back",
        ),
        pytest.param(
            recorded(verb="rollback"),
            f"{WHERE} is a rollback: revision 3 (registry.lab/team/web:2@{OTHER}) was judged failed: exit 1",
            id="rolled back on record",
        ),
        pytest.param(
            {"history": (replace(GOOD, number=3), replace(GOOD, description="Rollback to 2"))},
            f"{WHERE} is a rollback: revision 3 ({IMAGE.reference}) was taken back",
            id="rolled back by hand",
        ),
        pytest.param({"history": (replace(GOOD, description="Rollback to 2"),)}, f"{WHERE} is a rollback", id="pruned"),
        pytest.param(
            newest(verdict=None, record=None),
            f"{WHERE} was never judged healthy: no verdict is on record",
            id="never judged",
        ),
        pytest.param(newest(verdict=""), f"{WHERE} was not seen through: its rollout", id="under way"),
        pytest.param(
            newest(verdict="progressing", record=replace(RECORD, cause="1 of 2 pods")),
            f"{WHERE} was not seen through: 1 of 2 pods",
            id="slow",
        ),
        pytest.param(
            newest(verdict="failed", record=replace(RECORD, cause="exit 1")),
            f"{WHERE} was judged failed: exit 1",
            id="failed",
        ),
        pytest.param(newest(verdict="paused"), f"{WHERE} was judged paused: see its run", id="paused"),
        pytest.param(
            {"verdict": Verdict.PROGRESSING, "headline": "1 of 2"},
            f"{WHERE} is in the midst of a rollout: 1 of 2",
            id="mid-rollout",
        ),
        pytest.param(
            {"verdict": Verdict.FAILED, "headline": "exit 1"},
            f"{WHERE} was healthy once, and is failed now: exit 1",
            id="failed since",
        ),
        pytest.param({"values": {}}, f"{WHERE} was released without a digest", id="no image"),
        pytest.param({"values": {"image": "web"}}, f"{WHERE} was released without a digest", id="another chart"),
        pytest.param(
            {"values": {"image": VALUES["image"] | {"digest": ""}}}, "was released without a digest", id="no digest"
        ),
        pytest.param(
            recorded(image="registry.lab/team/web:1@" + OTHER),
            f"{WHERE} is on record with registry.lab/team/web:1@{OTHER}, and helm's record says {IMAGE.reference}",
            id="two records",
        ),
        pytest.param(
            {"registry": "other.lab"},
            f"{WHERE} runs from registry.lab, and its profile now says registry.url other.lab",
            id="another registry since",
        ),
        pytest.param({"running": ()}, f"no pod of {WHERE} runs {IMAGE.reference}: there is no pod at all", id="none"),
        pytest.param(
            {"running": (("redis:7", OTHER),)},
            f"no pod of {WHERE} runs {IMAGE.reference}: there is redis:7",
            id="another repository",
        ),
        pytest.param(
            {"running": ((IMAGE.reference, DIGEST), ("registry.lab/team/web:2", OTHER))},
            f"{WHERE} has drifted: pods run {OTHER}, and helm's record says {DIGEST}",
            id="drifted",
        ),
        pytest.param(
            {"running": ((IMAGE.reference, DIGEST), (IMAGE.reference, ""))},
            f"{WHERE} has drifted: pods run nothing yet",
            id="one that does not run",
        ),
    ],
)
def test_what_is_refused(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(PreflightError) as error:
        promotable(replace(STANDING, **facts))
    assert error.value.message.startswith(said) or said in error.value.message


@pytest.mark.parametrize("sha", [SHA, SHA[:7]])
def test_the_commit_that_is_asked_for(sha: str) -> None:
    assert promotable(STANDING, sha) == IMAGE


@pytest.mark.parametrize(
    ("sha", "said"),
    [
        ("0" * 40, f"{WHERE} is of commit {SHA}, and --sha asks for {'0' * 40}"),
        (SHA[:6], f"--sha `{SHA[:6]}` is no commit"),
        ("", "--sha `` is no commit"),
        ("HEAD", "--sha `HEAD` is no commit"),
    ],
)
def test_another_commit_is_refused(sha: str, said: str) -> None:
    with pytest.raises(DeployError) as error:
        promotable(STANDING, sha)
    assert error.value.message == said


def test_a_node_may_call_the_same_image_by_another_manifest() -> None:
    assert promotable(replace(STANDING, running=((IMAGE.reference, OTHER),))) == IMAGE
    by_tag = f"{IMAGE.registry}/{IMAGE.repository}:{IMAGE.tag}"
    assert promotable(replace(STANDING, running=((by_tag, DIGEST),))) == IMAGE
    with pytest.raises(PreflightError, match="has drifted"):
        promotable(replace(STANDING, running=((by_tag, OTHER),)))


def test_a_registry_with_a_port() -> None:
    image = replace(IMAGE, registry="registry.lab:5000")
    values = {"image": VALUES["image"] | {"registry": image.registry}}
    standing = replace(
        STANDING,
        registry=image.registry,
        values=values,
        running=((image.reference, DIGEST),),
        history=(replace(GOOD, record=replace(RECORD, image=image.reference)),),
    )
    assert promotable(standing) == image


def test_differences_leave_the_image_of_a_run_out_and_hide_secrets() -> None:
    here = {
        "image": VALUES["image"] | {"pullPolicy": "Always"},
        "replicaCount": 2,
        "env": {"LEVEL": "debug", "DB_PASSWORD": "old"},
        "settings": {"pin": {"a": "1234"}, "x.y": "z"},
    }
    there = {
        "image": VALUES["image"] | {"tag": "9", "pullPolicy": "Never"},
        "replicaCount": 5,
        "env": {"DB_PASSWORD": "new"},
        "settings": {"pin": {"a": "5678"}},
        "secret": {"data": {"X": "y"}},
    }
    found = differences(replace(STANDING, values=here), there, ["settings.pin", r"settings.x\.y"])
    assert [(one.what.removeprefix("values: "), one.before, one.after) for one in found] == [
        ("env.DB_PASSWORD", "***", "***"),
        ("env.LEVEL", "debug", None),
        ("image.pullPolicy", "Always", "Never"),
        ("replicaCount", "2", "5"),
        ("secret.data.X", None, "***"),
        ("settings.pin.a", "***", "***"),
        (r"settings.x\.y", "***", None),
    ]


def test_what_was_named_a_secret_when_it_was_released_is_hidden() -> None:
    record = replace(RECORD, secrets=("env.PIN",))
    here = replace(STANDING, values={"env": {"PIN": "1234-5678"}}, **newest(record=record))
    assert [(one.what, one.before) for one in differences(here, {}, [])] == [("values: env.PIN", "***")]


def test_what_the_release_has_put_into_a_secret_is_hidden_under_any_name() -> None:
    manifest = "kind: Secret\nmetadata: {name: a}\nstringData: {A: hush-hush}\n"
    found = differences(replace(STANDING, values={"env": {"A": "hush-hush"}}, manifest=manifest), {}, [])
    assert [(one.what, one.before, one.after) for one in found] == [("values: env.A", "***", None)]


PROFILE = Profile.model_validate(
    {
        "target": {"context": "prod", "namespace": "shop"},
        "registry": {"url": "prod.lab/mirror", "pullSecret": "registry"},
        "image": {"repository": "web"},
        "release": {"name": "web"},
        "guards": {"cleanTree": True},
    }
)
CLEAN = Source("0123", "main", (), (), "")
LOGIN = docker.login("docker", "prod.lab", "deploy", "s3cret")
PROMOTION = Promotion("test", 4, IMAGE, "5ba")


def planned(source: Source = CLEAN, *, copied: bool) -> Plan:
    target = Image("prod.lab/mirror", "web", IMAGE.tag, DIGEST)
    made = up(
        "prod",
        PROFILE,
        Facts(target, (replace(GOOD, number=7),), source, job=Job("ci", "ann", "https://ci/1")),
        project=Path("/p"),
        target=Target(Path("/k"), "prod", "shop"),
        values={"a": 1},
        login=LOGIN,
    )
    return promote(made, PROMOTION, "docker", (LOGIN,), copied=copied)


def test_the_plan_copies_and_then_releases_the_same_digest() -> None:
    plan = planned(copied=True)
    assert [(step.stage, type(step.deed)) for step in plan.steps] == [
        ("copy", Run),
        ("copy", Run),
        ("copy", Pin),
        ("release", PullSecret),
        ("release", Upgrade),
        ("rollout", Verify),
    ]
    copy = plan.steps[1].deed
    assert isinstance(copy, Run)
    assert copy.command.argv[-3:] == ("--tag", "prod.lab/mirror/web:1.2.3", IMAGE.reference)
    assert plan.steps[2].deed == Pin(Image("prod.lab/mirror", "web", "1.2.3", DIGEST))
    assert plan.notes == (
        f"{IMAGE.reference} is healthy in test at revision 4",
        "copied to prod.lab/mirror/web:1.2.3",
    )
    assert plan.recovery


def test_the_plan_copies_nothing_that_is_there() -> None:
    plan = planned(copied=False)
    assert [step.stage for step in plan.steps] == ["release", "release", "rollout"]
    assert plan.notes[1] == "prod.lab/mirror/web:1.2.3 is in the registry already: not built"


def test_the_record_says_where_it_comes_from() -> None:
    record = planned(copied=True).record
    assert (record.verb, record.source, record.sha, record.actor, record.job) == (
        "promote",
        "test",
        "5ba",
        "ann",
        "https://ci/1",
    )


def test_what_runs_there_already_is_kept() -> None:
    facts = Facts(replace(IMAGE, registry="prod.lab/mirror"), (GOOD,))
    made = promote(
        kept("prod", PROFILE, facts, Target(Path("/k"), "prod", "shop"), Running(())),
        PROMOTION,
        "docker",
        (),
        copied=False,
    )
    assert (made.verb, made.steps, made.kept and made.kept.revision) == ("promote", (), 4)
    assert made.promotion == PROMOTION
    assert made.notes == (f"{IMAGE.reference} is healthy in test at revision 4",)
