"""What the command line says to the guards, and what it asks a person."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.cli.consent import consent
from deployer.errors import PreflightError, UsageError
from deployer.guard import Facts
from deployer.mask import Mask
from deployer.model import Job, Target
from deployer.plan.steps import Plan
from deployer.profile.schema import Guards

FACTS = Facts("prod", frozen="audit")


def run(*, attended: bool = False, **guards: Any) -> Any:
    """A session, as far as the guards look at it."""
    profile = SimpleNamespace(guards=Guards.model_validate(guards), release=SimpleNamespace(name="web"))
    target = Target(Path("/k"), "lab", "shop")
    mask = Mask(["s3cret-value"])
    return SimpleNamespace(environment="prod", profile=profile, target=target, mask=mask, attended=attended)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked; the answers are put in before it, and taken from its front."""
    told: list[str] = []

    def prompt(question: str, *, err: bool) -> str:
        told.append(question)
        return told.pop(0)

    monkeypatch.setattr("typer.prompt", prompt)
    return told


def test_a_guard_that_refuses() -> None:
    with pytest.raises(PreflightError, match=r"changes are frozen: audit \(guards.freeze\)"):
        consent(run(freeze="F"), None, None, yes=False).passed(FACTS)


def test_an_override_goes_on_record_without_a_secret_in_it() -> None:
    given = consent(run(freeze="F", overridable=["freeze"]), ["freeze"], "down: s3cret-value", yes=False)
    plan = Plan("up", "prod", Target(Path("/k"), "lab", "shop"), "web", ()).passing(given.passed(FACTS))
    assert set(plan.record.overrides) == {"freeze"}
    assert "down: " in plan.record.overrides["freeze"]
    assert "s3cret" not in plan.record.overrides["freeze"]


def test_an_override_that_is_not_needed_leaves_no_trace() -> None:
    given = consent(run(freeze="F", overridable=["freeze"]), ["freeze"], "why", yes=False)
    assert given.passed(Facts("prod")) == {}


def test_an_override_that_is_not_allowed() -> None:
    with pytest.raises(UsageError, match="does not let anybody pass over freeze"):
        consent(run(freeze="F"), ["freeze"], "why", yes=False)


def test_the_name_is_typed(asked: list[str]) -> None:
    asked.append(" prod ")
    given = consent(run(attended=True, confirm=True), None, None, yes=False)
    assert given.confirm("up", given.passed(Facts("prod")))
    assert asked == ["up web in shop (context lab); type prod to go on"]


@pytest.mark.parametrize("typed", ["", "y", "Prod", "production"])
def test_another_name_is_typed(typed: str, asked: list[str]) -> None:
    asked.append(typed)
    given = consent(run(attended=True, confirm=True), None, None, yes=True)
    with pytest.raises(PreflightError, match="nothing was touched"):
        given.confirm("up", given.passed(Facts("prod")))


def test_who_passes_over_the_question_is_not_asked(asked: list[str]) -> None:
    given = consent(run(attended=True, confirm=True, overridable=["confirm"]), ["confirm"], "script", yes=False)
    passed = given.passed(Facts("prod"))
    assert passed == {"confirm": "script"}
    assert not given.confirm("up", passed)
    assert asked == []


def test_a_job_is_not_asked(asked: list[str]) -> None:
    given = consent(run(confirm=True), None, None, yes=True)
    passed = given.passed(Facts("prod", job=Job("ci", "agent", environment="prod")))
    assert not given.confirm("up", passed)
    assert asked == []


def test_nobody_is_asked_where_no_guard_wants_it(asked: list[str]) -> None:
    assert not consent(run(attended=True), None, None, yes=False).confirm("up", {})
    assert asked == []
