"""A plan in a file, and what makes it void."""

import json
from dataclasses import replace

import pytest

from deployer.errors import PreflightError, UsageError
from deployer.plan.saved import FORMAT, Saved, demand, parse, text

PLAN = Saved(
    "dev", "dev", "shop", "web", 5, "registry.lab/web:1", "sha256:a", None, "0123456789abcdef", "v" * 64, "c" * 64
)


def test_what_is_written_is_read() -> None:
    assert parse("p.json", text(PLAN, {"verb": "plan"})) == PLAN
    assert json.loads(text(PLAN, {}))["format"] == FORMAT
    first = replace(PLAN, revision=None, digest=None, tag="v1")
    assert parse("p.json", text(first, {})) == first


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "p.json is no plan"),
        ("[]", "p.json is no plan"),
        ("[" * 1_000_000, "p.json is no plan"),
        ("{}", "p.json is no plan"),
        (json.dumps({"format": "deploy/plan/v9"}), "p.json is a plan of another version"),
        (json.dumps({"format": FORMAT, "plan": {}}), "p.json is no plan"),
        (json.dumps({"format": FORMAT, "plan": 5}), "p.json is no plan"),
    ],
)
def test_what_is_no_plan(content: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        parse("p.json", content)
    assert error.value.hint


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(PLAN, revision=6), "the newest revision was 5, and is 6"),
        (replace(PLAN, revision=None), "the newest revision was 5, and is none"),
        (replace(PLAN, digest="sha256:b"), "the image registry.lab/web:1 was sha256:a, and is sha256:b"),
        (replace(PLAN, digest=None), "the image registry.lab/web:1 was sha256:a, and is not in the registry"),
        (replace(PLAN, image="registry.lab/web:2"), "the image was registry.lab/web:1, and is registry.lab/web:2"),
        (replace(PLAN, sha="f" * 40), "the commit was 0123456789ab, and is ffffffffffff"),
        (replace(PLAN, values="w" * 64), "the values are others"),
        (replace(PLAN, chart="d" * 64), "the chart's files changed"),
        (replace(PLAN, namespace="other"), "the release was web in shop, and is web in other"),
        (replace(PLAN, context="prod"), "the context was dev, and is prod"),
    ],
)
def test_what_moved_is_named(now: Saved, said: str) -> None:
    with pytest.raises(PreflightError) as error:
        demand("p.json", PLAN, now)
    assert said in error.value.message
    assert error.value.hint == "make a new one: deploy plan --env dev --out p.json"


def test_what_has_not_moved_is_done() -> None:
    demand("p.json", PLAN, PLAN)


def test_all_that_moved_is_told() -> None:
    with pytest.raises(PreflightError, match=r"and is 6 \(and 1 more\)") as error:
        demand("p.json", PLAN, replace(PLAN, revision=6, chart="d" * 64))
    assert error.value.detail == ("the chart's files changed",)
