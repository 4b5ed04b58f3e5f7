"""What a `build` does, and what its report must be for an `up`."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from deployer.commands import docker
from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.model import Image, Job, Record, Target
from deployer.plan.build import FORMAT, Built, beyond, build, cache, create, demand, given, lacking, parse, report, text
from deployer.plan.facts import Facts, Source
from deployer.plan.steps import PAUSES, Pin, Plan, Run
from deployer.profile import Profile

SHA = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "a" * 64
IMAGE = Image("registry.lab/shop", "web", "1.2.3")
PUSHED = replace(IMAGE, digest=DIGEST)
BUILT = Built(
    f"registry.lab/shop/web:1.2.3@{DIGEST}",
    "registry.lab/shop",
    "web",
    "1.2.3",
    DIGEST,
    SHA,
    "dev",
    True,
    "https://ci/1",
)
TARGET = Target(Path("/k"), "dev", "shop")
LOGIN = docker.login("docker", "registry.lab", "deploy", "s3cret")


def profile(registry: str = "registry.lab/shop", repository: str = "web", **image: Any) -> Profile:
    return Profile.model_validate(
        {
            "target": {"context": "dev", "namespace": "shop"},
            "registry": {"url": registry},
            "image": {"repository": repository, **image},
            "release": {"name": "web"},
        }
    )


def planned(image: Image, made: Profile | None = None) -> Plan:
    facts = Facts(image, (), Source(SHA, "main", (), (), ""), job=Job("ci", "ann", "https://ci/1"))
    return build("dev", made or profile(), facts, project=Path("/p"), target=TARGET, login=LOGIN)


def test_an_image_is_built_and_pushed_and_nothing_else() -> None:
    plan = planned(IMAGE)
    assert [(step.stage, type(step.deed)) for step in plan.steps] == [
        ("build", Run),
        ("build", Run),
        ("push", Run),
        ("push", Pin),
    ]
    assert "s3cret" not in repr(plan)
    assert report(plan, PUSHED) == BUILT


EVERYTHING = {
    "builder": "ours",
    "platforms": ["linux/amd64", "linux/arm64"],
    "cache": "web-cache",
    "provenance": "max",
    "sbom": "mirror/sbom:1",
    "buildArgs": {"A": "1"},
}


def test_a_builder_builds_and_pushes_at_once() -> None:
    plan = planned(IMAGE, profile(**EVERYTHING))
    login, both, pin = plan.steps
    assert [login.stage, both.stage, pin.stage] == ["build", "build", "push"]
    made = docker.build_and_push(
        "docker",
        IMAGE,
        context=Path("/p/service"),
        dockerfile=None,
        arguments={"A": "1", "VERSION": "1.2.3", "REVISION": SHA},
        builder="ours",
        platforms=("linux/amd64", "linux/arm64"),
        cache="registry.lab/shop/web-cache:cache",
        provenance="max",
        sbom="mirror/sbom:1",
    )
    failure = "the image could not be built and pushed"
    cached = "registry.lab/shop/web-cache:cache"
    assert both.deed == Run(made, failure, ExitCode.BUILD, PAUSES, "registry", pushes=IMAGE, cache=cached)
    assert pin.deed == Pin(IMAGE)


@pytest.mark.parametrize(
    ("image", "keys"),
    [
        ({}, ""),
        ({"provenance": False, "sbom": False, "platforms": []}, ""),
        ({"builder": "a"}, "image.builder"),
        ({"platforms": ["linux/arm64"]}, "image.platforms"),
        ({"cache": "c"}, "image.cache"),
        ({"provenance": "min"}, "image.provenance"),
        ({"sbom": True}, "image.sbom"),
        (EVERYTHING, "image.platforms, image.cache, image.provenance, image.sbom, image.builder"),
    ],
)
def test_what_takes_a_builder(image: dict[str, Any], keys: str) -> None:
    settings = profile(**image).image
    assert settings.beyond_docker is bool(keys)
    assert beyond(settings) == keys


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        ("ours", "make one: docker buildx create --name ours --driver docker-container"),
        (None, "--name deploy --driver docker-container, and name it in the profile: image.builder: deploy"),
        ("default", "--name deploy --driver docker-container, and name it in the profile: image.builder: deploy"),
    ],
)
def test_the_way_to_a_builder(builder: str | None, said: str) -> None:
    assert create(builder).endswith(said)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        (None, ""),
        ("web-cache", "registry.lab/shop/web-cache:cache"),
        ("team/web:layers", "registry.lab/shop/team/web:layers"),
    ],
)
def test_the_name_of_the_cache(name: str | None, whole: str) -> None:
    assert cache(profile(cache=name)) == whole


@pytest.mark.parametrize(
    ("wanted", "there", "lacks"),
    [
        ((), {"linux/amd64"}, ()),
        (("linux/amd64",), {"linux/amd64", "linux/arm64/v8"}, ()),
        (("linux/amd64", "linux/arm64"), {"linux/amd64", "linux/arm64/v8"}, ()),
        (("linux/amd64", "linux/arm64"), {"linux/amd64"}, ("linux/arm64",)),
        (("linux/arm/v7",), {"linux/arm/v6", "linux/arm64"}, ("linux/arm/v7",)),
        (("linux/arm64",), set(), ("linux/arm64",)),
    ],
)
def test_platforms_that_are_missing(wanted: tuple[str, ...], there: set[str], lacks: tuple[str, ...]) -> None:
    assert lacking(wanted, there) == lacks


def test_what_the_registry_has_is_not_built() -> None:
    plan = planned(PUSHED)
    assert plan.steps == ()
    assert plan.notes == ("registry.lab/shop/web:1.2.3 is in the registry already: not built",)
    assert report(plan, PUSHED) == replace(BUILT, built=False)


def test_what_is_written_is_read() -> None:
    assert parse("i.json", text(BUILT)) == BUILT
    outside = replace(BUILT, sha="", job="", built=False)
    assert parse("i.json", text(outside)) == outside
    assert json.loads(text(BUILT))["format"] == FORMAT
    assert BUILT.named == PUSHED


def of(**said: Any) -> str:
    return json.dumps({"format": FORMAT, "build": {**asdict(BUILT), **said}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "i.json is no build report"),
        ("[]", "i.json is no build report"),
        ("[" * 1_000_000, "i.json is no build report"),
        ("{}", "i.json is no build report"),
        (json.dumps({"format": "deploy/build/v9"}), "i.json is a build report of another version"),
        (json.dumps({"format": "deploy/plan/v1"}), "i.json is a build report of another version"),
        (json.dumps({"format": FORMAT, "build": {}}), "i.json is no build report"),
        (json.dumps({"format": FORMAT, "build": 5}), "i.json is no build report"),
        (of(tag=5), "i.json is no build report"),
        (of(built="yes"), "i.json is no build report"),
        (of(digest="latest"), "build.digest is `latest`, which is no digest"),
        (of(digest=DIGEST + "\n"), "build.digest is"),
        (of(tag="a b"), "build.tag is `a b`, which is no tag"),
        (of(sha="main"), "build.sha is `main`, which is no sha"),
        (of(tag="1.2.4"), "i.json contradicts itself"),
    ],
)
def test_what_is_no_report(content: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse("i.json", content)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (profile("registry.prod/shop"), "this environment's registry.url is registry.prod/shop"),
        (profile("registry.lab"), "this environment's registry.url is registry.lab"),
        (profile(repository="api"), "this environment's image.repository is api"),
    ],
)
def test_another_image_is_refused(there: Profile, said: str) -> None:
    demand("i.json", BUILT, profile())
    with pytest.raises(PreflightError, match=said) as error:
        demand("i.json", BUILT, there)
    assert error.value.hint


@pytest.mark.parametrize(
    ("built", "source", "told"),
    [
        (SHA, SHA, False),
        (SHA, "f" * 40, True),
        (SHA, "", False),
        ("", SHA, False),
    ],
)
def test_the_commit_of_the_report_goes_on_record(built: str, source: str, told: bool) -> None:
    notes = ("registry.lab/shop/web:1.2.3 is in the registry already: not built", "to be released: forced")
    made = Plan("up", "dev", TARGET, "web", (), PUSHED, record=Record(verb="up", sha=source), notes=notes)
    plan = given(made, "i.json", replace(BUILT, sha=built), source)
    assert plan.record == Record(verb="up", sha=built)
    assert plan.notes[0] == f"{BUILT.image} comes from i.json"
    assert plan.notes[-1] == "to be released: forced"
    assert len(plan.notes) == 2 + told
    assert (f"it was built of commit {SHA[:12]}; chart and profile are of {source[:12]}" in plan.notes) is told
