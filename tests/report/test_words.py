from dataclasses import replace
from pathlib import Path

import pytest
from samples import DIGEST, FAILED, IMAGE, MOVING, PLAN, UNHEALTHY, result

from deployer.errors import DeployError, ExitCode
from deployer.health.verdict import Verdict
from deployer.model import Image, Job, Revision, Target
from deployer.plan.rollback import rollback
from deployer.plan.steps import Deed, Plan, Promotion, Rollback, Upgrade
from deployer.report import words
from deployer.status import Running, Status
from deployer.values.difference import Difference


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (12.3, "12 s"),
        (119, "119 s"),
        (120, "2 min 0 s"),
        (200.2, "3 min 20 s"),
        (239.8, "4 min 0 s"),
        (3600, "60 min 0 s"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert words.seconds(value) == text


def test_a_judgement_names_its_first_suspect() -> None:
    assert words.judgement(MOVING) == "deployment/web: 1 of 2 updated pods available"
    assert words.judgement(FAILED) == (
        "deployment/web: 0 of 2 updated pods available — pod/web-1: container web: exit 1, 2 restarts"
    )


def test_what_differs_where_it_is_promoted_to() -> None:
    promotion = Promotion("test", 4, IMAGE, "5ba", (Difference("a.b", "1", ""), Difference("c", "***", "***")))
    told = list(words.plan(replace(PLAN, verb="promote", promotion=promotion)))
    assert told[2:5] == ["  values that differ, test → dev:", "    a.b: 1 → (not set)", "    c: *** → ***"]
    same = replace(promotion, differences=())
    assert list(words.differences(same, "prod")) == ["no value differs between test and prod"]


def test_an_error() -> None:
    problem = DeployError("it broke", hint="mend it", detail=("a", "b"))
    assert list(words.error(problem)) == ["error: it broke", "  a", "  b", "hint: mend it"]
    assert list(words.error(DeployError("it broke"))) == ["error: it broke"]


def test_a_plan() -> None:
    assert list(words.plan(PLAN)) == [
        "plan: up dev: web in shop (context lab)",
        "  something was decided",
        "  would run docker login --username deploy --password-stdin registry.lab",
        "  would run docker push registry.lab/web:1.2.3",
        "  would ask the registry for the digest of registry.lab/web:1.2.3",
        "  would create or refresh the pull secret registry",
        "  would release registry.lab/web:1.2.3 over revision 4",
        "  would watch the rollout until it is judged",
        "  if the rollout fails, would put revision 3 back",
        "nothing was touched",
    ]


@pytest.mark.parametrize(
    ("deed", "previous", "image", "text"),
    [
        (Upgrade({}), None, Image("r", "web", "1", DIGEST), f"release r/web:1@{DIGEST} as the first revision"),
        (Upgrade({}), 2, None, "release web over revision 2"),
        (Rollback(2), 4, None, "put revision 2 back"),
    ],
)
def test_deeds(deed: Deed, previous: int | None, image: Image | None, text: str) -> None:
    assert words.deed(deed, Plan("up", "dev", PLAN.target, "web", (), image, previous=previous)) == text


def test_the_plan_of_a_rollback() -> None:
    history = (Revision(1, "superseded", "", "web-1"), Revision(2, "deployed", "", "web-1"))
    made = rollback("dev", "web", Target(Path("/k"), "lab", "shop"), history, None, Job("", "ann"))
    assert "  would put revision 1 back" in list(words.plan(made))


def status(**other: object) -> Status:
    facts = {"environment": "dev", "context": "lab", "namespace": "shop", "release": "web", "revision": None}
    return Status(**(facts | other))  # type: ignore[arg-type]


def test_the_status_of_a_release() -> None:
    found = status(
        revision=Revision(5, "deployed", "2026-01-02 03:04:05.678901 +0000 UTC", "web-1"),
        verdict=Verdict.PROGRESSING,
        judgements=(MOVING,),
        running=(Running("r/web:1", DIGEST, 2), Running("r/web:2", "", 1)),
    )
    assert list(words.status(found)) == [
        "progressing: web in shop (context lab), revision 5 deployed, 2026-01-02 03:04:05",
        "  deployment/web: 1 of 2 updated pods available",
        "  2 × r/web:1",
        "  1 × r/web:2 (not running)",
    ]


def test_the_status_of_nothing() -> None:
    assert list(words.status(status())) == ["nothing released: web in shop (context lab)"]


def test_a_good_end() -> None:
    assert list(words.outcome(result())) == [
        "ok: web in dev is healthy at revision 5 (17 s)",
        f"image: registry.lab/web:1.2.3@{DIGEST}",
    ]


def test_a_bad_end() -> None:
    assert list(words.outcome(UNHEALTHY)) == [
        "failed: deployment/web: container web exits 1 (17 s)",
        "  a line",
        "rolled back: revision 3 serves again",
        "warning: slow",
        "hint: mend it",
    ]


@pytest.mark.parametrize("code", [code for code in ExitCode if code])
def test_only_what_is_well_is_called_so(code: ExitCode) -> None:
    assert next(iter(words.outcome(result(exit_code=code)))).startswith("failed: ")
