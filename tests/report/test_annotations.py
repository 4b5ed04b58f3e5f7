from samples import UNHEALTHY, result

from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.health.verdict import Verdict
from deployer.report import annotations
from deployer.rollout import Outcome

GITHUB = {"GITHUB_ACTIONS": "true"}


def test_a_failure_is_an_annotation() -> None:
    failed = result(exit_code=ExitCode.UNHEALTHY, message="it is 100% broken", hint="mend it", warnings=("slow",))
    title = f"title=deploy {failed.plan.verb} {failed.plan.environment}"
    assert list(annotations.lines(failed, GITHUB)) == [
        f"::error {title}::it is 100%25 broken%0Amend it",
        f"::warning {title}::slow",
    ]


def test_the_diagnosis_speaks_first() -> None:
    assert UNHEALTHY.diagnosis
    assert UNHEALTHY.diagnosis.headline in next(iter(annotations.lines(UNHEALTHY, GITHUB)))


def test_success_and_other_places_are_silent() -> None:
    assert list(annotations.lines(result(), GITHUB)) == []
    assert list(annotations.lines(UNHEALTHY, {})) == []


def test_a_refusal_is_an_annotation() -> None:
    problem = PreflightError("2 checks failed", detail=("one", "two"), hint="mend them")
    assert list(annotations.refused("up", "dev", problem, GITHUB)) == [
        "::error title=deploy up dev::2 checks failed%0Aone%0Atwo%0Amend them"
    ]
    assert list(annotations.refused("status", None, UsageError("a: b"), GITHUB)) == [
        "::error title=deploy status::a: b"
    ]
    assert list(annotations.refused("up", "dev", problem, {})) == []


def test_a_rollout_of_somebody_else_is_an_annotation() -> None:
    assert UNHEALTHY.diagnosis
    failed = Outcome(Verdict.FAILED, "deployment/web: failed", (), UNHEALTHY.diagnosis)
    (line,) = annotations.verified(failed, GITHUB)
    assert line.startswith("::error title=deploy verify::")
    assert UNHEALTHY.diagnosis.headline in line
    late = Outcome(Verdict.PROGRESSING, "deployment/web: 0 of 1", ())
    assert list(annotations.verified(late, GITHUB)) == ["::error title=deploy verify::deployment/web: 0 of 1"]
    assert not list(annotations.verified(Outcome(Verdict.HEALTHY, "well", ()), GITHUB))
    assert not list(annotations.verified(failed, {}))


def test_github_is_told_what_to_hide() -> None:
    known = ["second", "a\nb", "first%"]
    assert list(annotations.masks(known, {"GITHUB_ACTIONS": "true"})) == ["::add-mask::first%25", "::add-mask::second"]
    assert not list(annotations.masks(known, {}))
