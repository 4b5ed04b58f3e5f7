from dataclasses import replace
from pathlib import Path

import pytest
from samples import DIGEST, FAILED, IMAGE, MOVING, PLAN, UNHEALTHY, result

from deployer.errors import DeployError, ExitCode
from deployer.lock import Holder
from deployer.model import Image, Job, Record, Revision, Target
from deployer.plan.difference import Difference
from deployer.plan.drift import Drift
from deployer.plan.rollback import rollback
from deployer.plan.steps import Abandon, Deed, Plan, Promotion, Rollback, Uninstall, Upgrade
from deployer.report import words


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
    found = (Difference("values: a.b", "1", None), Difference("values: c", "***", "***"))
    made = replace(PLAN, verb="promote", promotion=Promotion("test", 4, IMAGE, "5ba"), differences=found)
    told = ["  values: a.b: 1 → (none)", "  values: c: differs"]
    assert list(words.plan(made))[2:4] == told
    where = "web in shop (context lab): something was decided"
    assert list(words.changes(made)) == [where, *told]
    assert list(words.changes(replace(made, differences=()))) == [where, "  the values are those of test"]


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


def test_what_a_rollback_changes() -> None:
    history = (Revision(1, "superseded", "", "web-1"), Revision(2, "deployed", "", "web-1"))
    made = rollback("dev", "web", Target(Path("/k"), "lab", "shop"), history, None, Job("", "ann"))
    assert list(words.changes(made)) == [
        "web in shop (context lab): revision 2 → what revision 1 was",
        "  chart, images and values are the same",
    ]
    found = (
        Difference("chart", "web-2", "web-1"),
        Difference("values: a", None, ""),
        Difference("values: b", "***", "***"),
    )
    assert list(words.changes(replace(made, differences=found, notes=(*made.notes, "and a note"))))[1:] == [
        "  chart: web-2 → web-1",
        "  values: a: (none) → (empty)",
        "  values: b: differs",
        "  and a note",
    ]


def test_the_plan_of_a_rollback() -> None:
    history = (Revision(1, "superseded", "", "web-1"), Revision(2, "deployed", "", "web-1"))
    made = rollback("dev", "web", Target(Path("/k"), "lab", "shop"), history, None, Job("", "ann"))
    assert "  would put revision 1 back" in list(words.plan(made))


def test_a_plan_tells_what_is_passed_over() -> None:
    made = replace(PLAN, record=Record(overrides={"window": "the shop is down"}))
    assert "  guard window would be passed over: the shop is down" in list(words.plan(made))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Drift("service/web", "", "present", None), "service/web is missing"),
        (Drift("deployment/web", "spec.replicas", "2", "5"), "deployment/web spec.replicas is 5, and should be 2"),
        (Drift("configmap/web", "data.a", "", "x"), "configmap/web data.a is x, and should be empty"),
        (Drift("configmap/web", "data.a", None, "x"), "configmap/web data.a was added: x"),
        (Drift("configmap/web", "data.a", "x", None), "configmap/web data.a is gone, and should be x"),
        (Drift("secret/web", "data.a", "***", "differs"), "secret/web data.a differs"),
    ],
)
def test_drift(found: Drift, text: str) -> None:
    assert words.drift(found) == text


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


def test_what_unlock_has_done() -> None:
    held = Holder("1f", "ann", "up", "", "2026-01-02T03:04:05Z", "", 30.0)
    assert words.holder(held, 4.2) == (
        "ann holds it for `deploy up` since 2026-01-02T03:04:05Z, last sign of life 4.2 s ago"
    )
    assert words.holder(held, None) == "ann holds it for `deploy up` since 2026-01-02T03:04:05Z"
    assert words.unlocked("web in shop", None, False) == "nobody holds web in shop"
    assert words.unlocked("web in shop", held, True) == "web in shop is free; ann held it since 2026-01-02T03:04:05Z"
    assert words.unlocked("web in shop", held, False) == "web in shop was given back meanwhile"


@pytest.mark.parametrize(
    ("deed", "text"),
    [
        (
            Abandon(2, "pending-upgrade", removed=False),
            "mark revision 2 failed, if a killed run left it pending-upgrade",
        ),
        (
            Abandon(1, "pending-install", removed=True),
            "take revision 1 out of the history, if a killed run left it pending-install",
        ),
        (Uninstall(), "remove the release web and its history"),
    ],
)
def test_deeds_of_repair_and_removal(deed: Deed, text: str) -> None:
    assert words.deed(deed, PLAN) == text
