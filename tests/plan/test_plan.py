"""What an `up` does, and in what order, from profile and facts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.commands import docker
from deployer.errors import ExitCode
from deployer.health.verdict import Workload
from deployer.model import Command, Image, Rendered, Revision, Target
from deployer.plan.facts import Facts, Source
from deployer.plan.steps import PAUSES, Commit, Pin, Plan, PullSecret, Revert, Rollback, Run, Sync, Upgrade, Verify
from deployer.plan.up import up
from deployer.profile import Profile

PROJECT = Path("/p")
TARGET = Target(Path("/k"), "dev", "shop")
IMAGE = Image("registry.lab", "web", "1.2.3")
PUSHED = replace(IMAGE, digest="sha256:" + "a" * 64)
SHA = "0123456789abcdef0123456789abcdef01234567"
CLEAN = Source(SHA, "main", (), (), "")
LOGIN = docker.login("docker", "registry.lab", "deploy", "s3cret")
GOOD = Revision(3, "superseded", "", "web-1", verdict="healthy")
BAD = Revision(4, "failed", "", "web-1", verdict="failed")


def profile(**sections: Any) -> Profile:
    data: dict[str, Any] = {
        "target": {"context": "dev", "namespace": "shop"},
        "registry": {"url": "registry.lab", "pullSecret": "registry"},
        "image": {"repository": "web"},
        "release": {"name": "web"},
    }
    return Profile.model_validate(
        {
            name: {**data.get(name, {}), **said} if isinstance(said := sections.get(name, {}), dict) else said
            for name in data | sections
        }
    )


def planned(made: Profile, facts: Facts, login: Command | None = LOGIN) -> Plan:
    return up("dev", made, facts, project=PROJECT, target=TARGET, values={"a": 1}, login=login)


def outline(plan: Plan) -> list[str]:
    """`build: docker buildx`, `release: Upgrade`: the steps without their arguments."""
    names = (
        " ".join(step.deed.command.argv[:2]) if isinstance(step.deed, Run) else type(step.deed).__name__
        for step in plan.steps
    )
    return [f"{step.stage}: {name}" for step, name in zip(plan.steps, names, strict=True)]


def test_what_a_killed_run_left_is_put_right_first() -> None:
    pending = replace(GOOD, number=5, status="pending-upgrade", verdict=None)
    plan = planned(profile(), Facts(PUSHED, (GOOD, pending)))
    assert outline(plan)[0] == "repair: Abandon"
    assert plan.previous == 5
    assert plan.recovery[0].deed == Rollback(3)


BUILD = ["build: docker buildx", "push: docker push", "push: Pin"]
RELEASE = ["release: Upgrade", "rollout: Verify"]


@pytest.mark.parametrize(
    ("image", "login", "pull_secret", "steps"),
    [
        pytest.param(
            IMAGE, LOGIN, "registry", ["build: docker login", *BUILD, "release: PullSecret", *RELEASE], id="everything"
        ),
        pytest.param(IMAGE, None, "registry", [*BUILD, *RELEASE], id="a registry without a login"),
        pytest.param(IMAGE, LOGIN, None, ["build: docker login", *BUILD, *RELEASE], id="no pull secret wanted"),
        pytest.param(PUSHED, LOGIN, "registry", ["release: PullSecret", *RELEASE], id="the image is there"),
        pytest.param(PUSHED, None, None, RELEASE, id="the image is there, no login"),
    ],
)
def test_steps(image: Image, login: Command | None, pull_secret: str | None, steps: list[str]) -> None:
    made = profile(registry={"pullSecret": pull_secret})
    assert outline(planned(made, Facts(image, (), CLEAN), login)) == steps


def test_what_the_steps_do() -> None:
    rendered = Rendered((Workload("Deployment", "web"),), waits=True)
    made = profile(image={"buildArgs": {"GO": "1.26", "VERSION": "mine"}, "dockerfile": "service/Dockerfile.small"})
    login, build, push, pin, secret, upgrade, verify = (
        step.deed for step in planned(made, Facts(IMAGE, (), CLEAN, rendered)).steps
    )
    arguments = {"GO": "1.26", "VERSION": "1.2.3", "REVISION": SHA}
    file = PROJECT / "service/Dockerfile.small"
    assert login == Run(LOGIN, "docker could not log in to the registry", ExitCode.BUILD, PAUSES)
    assert build == Run(
        docker.build("docker", IMAGE, context=PROJECT / "service", dockerfile=file, arguments=arguments),
        "the image could not be built",
        ExitCode.BUILD,
        PAUSES,
        "registry",
    )
    pushed = docker.push("docker", IMAGE)
    assert push == Run(pushed, "the image could not be pushed", ExitCode.BUILD, PAUSES, pushes=IMAGE)
    assert pin == Pin(IMAGE)
    assert secret == PullSecret("registry")
    assert upgrade == Upgrade({"a": 1}, rendered)
    assert verify == Verify("awaited")


def test_without_git_no_revision_is_built_in() -> None:
    (build,) = (step.deed for step in planned(profile(), Facts(IMAGE, ()), None).steps if step.stage == "build")
    assert isinstance(build, Run)
    assert "REVISION=" not in " ".join(build.command.argv)


def test_the_profiles_docker_is_run() -> None:
    steps = planned(profile(tools={"docker": "/opt/docker"}), Facts(IMAGE, (), CLEAN), None).steps
    assert {step.deed.command.argv[0] for step in steps if isinstance(step.deed, Run)} == {"/opt/docker"}


@pytest.mark.parametrize(
    ("history", "automatic", "previous", "back"),
    [
        pytest.param((), True, None, None, id="first install"),
        pytest.param((GOOD,), True, 3, 3, id="upgrade"),
        pytest.param((GOOD, BAD), True, 4, 3, id="upgrade over a failed one"),
        pytest.param((BAD,), True, 4, None, id="nothing good to go back to"),
        pytest.param((GOOD,), False, 3, None, id="not wanted"),
    ],
)
def test_recovery(history: tuple[Revision, ...], automatic: bool, previous: int | None, back: int | None) -> None:
    plan = planned(profile(rollback={"automatic": automatic}), Facts(PUSHED, history, CLEAN))
    assert plan.previous == previous
    assert [step.deed for step in plan.recovery] == ([Rollback(back), Verify(stuck="deleted")] if back else [])
    assert {step.stage for step in plan.recovery} <= {"rollback"}


def test_the_plan_says_what_it_is_for() -> None:
    plan = planned(profile(), Facts(PUSHED, (), CLEAN))
    assert (plan.verb, plan.environment, plan.target, plan.release, plan.image) == ("up", "dev", TARGET, "web", PUSHED)
    assert plan.notes == ("registry.lab/web:1.2.3 is in the registry already: not built",)
    assert planned(profile(), Facts(IMAGE, (), CLEAN)).notes == ()


def test_a_plan_shows_no_secret() -> None:
    plan = replace(planned(profile(), Facts(IMAGE, (), CLEAN)))
    assert "s3cret" not in repr(plan)
    assert "'a': 1" not in repr(plan)


def by_argocd(**settings: str) -> Profile:
    return profile(delivery="argocd", argocd={"repository": "https://git.lab/config.git", **settings})


def test_argo_cd_gets_a_commit_and_is_watched() -> None:
    plan = planned(by_argocd(), Facts(PUSHED, ()))
    assert outline(plan) == ["commit: Commit", "sync: Sync", "rollout: Verify"]
    assert plan.steps[0].deed == Commit({"a": 1})
    assert plan.recovery == ()


def test_what_comes_from_a_commit_goes_back_by_a_commit() -> None:
    good = replace(GOOD, commit="c" * 40)
    plan = planned(by_argocd(), Facts(PUSHED, (good, replace(BAD, commit="d" * 40))))
    assert [step.deed for step in plan.recovery] == [Revert(3, "c" * 40), Sync("ended"), Verify()]
    assert plan.steps[1].deed == Sync("ended"), "a sync to what failed may wait for ever"


def test_a_merge_request_is_for_people() -> None:
    plan = planned(by_argocd(push="mergeRequest"), Facts(PUSHED, ()))
    assert plan.steps[0].deed == Commit({"a": 1}, "deploy/web/dev")
