"""What the command line says to the guards, and what it asks a person."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer import guard
from deployer.cli.consent import Consent, consent
from deployer.errors import PreflightError, UsageError
from deployer.guard import Facts
from deployer.mask import Mask
from deployer.model import Job, Target
from deployer.plan.steps import Plan
from deployer.profile.schema import Guards

PLAN = Plan("up", "prod", Target(Path("/k"), "lab", "shop"), "web", ())
FACTS = Facts("prod", frozen="audit")


def run(**guards: Any) -> Any:
    """A session, as far as the guards look at it."""
    profile = SimpleNamespace(guards=Guards.model_validate(guards))
    return SimpleNamespace(environment="prod", profile=profile, mask=Mask(["s3cret-value"]))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits there."""
    there = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr("deployer.cli.consent.sys", SimpleNamespace(stdin=there, stderr=there))


def unasked(question: str) -> str:
    raise AssertionError(question)


def test_a_guard_that_refuses() -> None:
    with pytest.raises(PreflightError, match=r"changes are frozen: audit \(guards.freeze\)"):
        consent(run(freeze="F"), None, None, yes=False).allowed(PLAN, FACTS)


def test_an_override_goes_on_record_without_a_secret_in_it() -> None:
    given = consent(run(freeze="F", overridable=["freeze"]), ["freeze"], "down: s3cret-value", yes=False)
    overrides = given.allowed(PLAN, FACTS).record.overrides
    assert set(overrides) == {"freeze"}
    assert "down: " in overrides["freeze"]
    assert "s3cret" not in overrides["freeze"]


def test_an_override_that_is_not_needed_leaves_no_trace() -> None:
    given = consent(run(freeze="F", overridable=["freeze"]), ["freeze"], "why", yes=False)
    assert given.allowed(PLAN, Facts("prod")).record.overrides == {}


def test_an_override_that_is_not_allowed() -> None:
    with pytest.raises(UsageError, match="does not let anybody pass over freeze"):
        consent(run(freeze="F"), ["freeze"], "why", yes=False)


@pytest.mark.usefixtures("terminal")
def test_the_name_is_typed() -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return " prod \n"

    given = consent(run(confirm=True), None, None, yes=False)
    given.confirm(given.allowed(PLAN, Facts("prod")), Facts("prod"), answer)
    assert asked == ["up web in shop, context lab. Type the environment's name to go on: "]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("typed", ["", "y", "Prod", "production"])
def test_another_name_is_typed(typed: str) -> None:
    given = consent(run(confirm=True), None, None, yes=True)
    with pytest.raises(PreflightError, match="nothing was touched"):
        given.confirm(given.allowed(PLAN, Facts("prod")), Facts("prod"), lambda _: typed)


@pytest.mark.usefixtures("terminal")
def test_who_passes_over_the_question_is_not_asked() -> None:
    given = consent(run(confirm=True, overridable=["confirm"]), ["confirm"], "script", yes=False)
    plan = given.allowed(PLAN, Facts("prod"))
    assert plan.record.overrides == {"confirm": "script"}
    given.confirm(plan, Facts("prod"), unasked)


def test_a_job_is_not_asked() -> None:
    facts = Facts("prod", job=Job("ci", "agent", environment="prod"))
    given = Consent(run(confirm=True), True, {})
    given.confirm(given.allowed(PLAN, facts), facts, unasked)


@pytest.mark.usefixtures("terminal")
def test_nobody_is_asked_where_no_guard_wants_it() -> None:
    assert guard.applying(Guards(), "up") == ()
    consent(run(), None, None, yes=False).confirm(PLAN, Facts("prod"), unasked)
