"""Environments as text."""

from dataclasses import replace

import pytest
from samples import DIGEST, FAILED, HEALTHY, MOVING

from deployer.cli.status import exit_code
from deployer.errors import DeployError, ExitCode, PreflightError
from deployer.health.verdict import Verdict
from deployer.lock import Holder
from deployer.model import Record, Revision
from deployer.plan.drift import Drift
from deployer.report import status as report
from deployer.status import Running, Status, Wanted

RECORD = Record(
    verdict="healthy", verb="up", sha="3b054bf0f57ece4ca75d", actor="ann", job="https://ci.example/7", seconds=42.3
)
HERE = Status(
    "dev",
    "lab",
    "shop",
    "web",
    Revision(5, "deployed", "2026-01-02T04:04:05.678901234+01:00", "web-1", "", "healthy", RECORD),
    Wanted("r/team/web:2", "", "2"),
    Verdict.HEALTHY,
    (HEALTHY,),
    (Running(f"r/team/web:1@{DIGEST}", DIGEST, 2),),
)
NOTHING = Status("test", "lab", "shop", "web", None, Wanted("", "HEAD has no version tag", "2 to 5"))
DRIFT = Drift("deployment/web", "spec.replicas", "2", "5")
HOLDER = Holder("x7", "bob", "up", "https://ci.example/8", "2026-01-02T03:05:00Z", "2026-01-02T03:05:09Z", 30.0)


def test_one_environment() -> None:
    assert list(report.screen("dev", HERE)) == [
        "dev: healthy",
        "  release   web in shop (context lab), revision 5 deployed 2026-01-02 03:04 UTC, chart web-1",
        "  record    healthy",
        "  deployed  by ann with `deploy up`, commit 3b054bf0f57e, took 42 s",
        "            https://ci.example/7",
        "  wants     r/team/web:2, 2 replicas",
        f"  runs      2 × r/team/web:1@{DIGEST}",
        "  health    deployment/web: 2 of 2 updated pods available",
        "  drift     none",
        "  lock      free",
    ]


def test_an_environment_in_trouble() -> None:
    revision = Revision(6, "failed", "2026-01-02 03:04:05.678901 +0000 UTC", "web-1", verdict="failed")
    revision = replace(revision, record=Record(cause="exit 1", verb="promote", source="test"))
    found = replace(
        HERE,
        revision=revision,
        verdict=Verdict.FAILED,
        judgements=(FAILED,),
        running=(Running("r/web:1", DIGEST, 1), Running("r/web:2", "", 1)),
        drift=(DRIFT, Drift("service/web", "", "present", None)),
        unreadable=("secret/web: forbidden",),
        holder=HOLDER,
        silent=3.2,
    )
    assert list(report.screen("dev", found)) == [
        "dev: failed, 2 fields drifted",
        "  release   web in shop (context lab), revision 6 failed 2026-01-02 03:04, chart web-1",
        "  record    failed: exit 1",
        "  deployed  by nobody named with `deploy promote`, promoted from test",
        "  wants     r/team/web:2, 2 replicas",
        f"  runs      1 × r/web:1 ({DIGEST})",
        "            1 × r/web:2 (not running)",
        "  health    deployment/web: 0 of 2 updated pods available — pod/web-1: container web: exit 1, 2 restarts",
        "  drift     deployment/web spec.replicas is 5, and should be 2",
        "            service/web is missing",
        "            not compared: secret/web: forbidden",
        "  lock      bob holds it for `deploy up` since 2026-01-02T03:05:00Z (https://ci.example/8), "
        "last sign of life 3.2 s ago",
    ]


def test_nothing_and_nobody() -> None:
    assert list(report.screen("test", NOTHING)) == [
        "test: nothing released",
        "  release   web in shop (context lab)",
        "  wants     no image: HEAD has no version tag, 2 to 5 replicas",
        "  lock      free",
    ]
    foreign = replace(HERE, revision=Revision(1, "deployed", "", "web-1"))
    assert "  record    not judged by deploy" in list(report.screen("dev", foreign))


def test_an_environment_that_cannot_be_asked() -> None:
    problem = PreflightError("no answer", hint="wait", detail=("a",))
    assert list(report.screen("prod", problem)) == ["prod: error: no answer", "    a", "  hint: wait"]


def test_side_by_side() -> None:
    there = replace(HERE, drift=(DRIFT,), holder=HOLDER, wanted=Wanted("r/team/web:1"))
    assert report.table([("dev", HERE), ("test", NOTHING), ("prod", there), ("x", DeployError("no answer"))]) == [
        "ENVIRONMENT  HEALTH            REVISION  RUNS   NEXT   PODS  DRIFT  DEPLOYED              BY   LOCK",
        "dev          healthy           5         web:1  web:2  2/2   -      2026-01-02 03:04 UTC  ann  -",
        "test         nothing released  -         -      ?      -     -      -                     -    -",
        "prod         healthy           5         web:1  same   2/2   1      2026-01-02 03:04 UTC  ann  bob",
        "x            error  no answer",
    ]


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (HERE, False),
        (NOTHING, False),
        (replace(HERE, holder=HOLDER), False),
        (replace(HERE, drift=(DRIFT,)), True),
        (replace(HERE, unreadable=("x",)), True),
        (replace(HERE, verdict=Verdict.PROGRESSING), True),
        (DeployError("no"), True),
    ],
)
def test_what_deserves_a_closer_look(found: Status | DeployError, wrong: bool) -> None:
    assert report.wrong(found) is wrong


def test_a_line_of_a_log() -> None:
    moving = replace(HERE, verdict=Verdict.PROGRESSING, judgements=(MOVING,), holder=HOLDER)
    assert report.headline("dev", moving) == (
        "dev: progressing, revision 5; deployment/web: 1 of 2 updated pods available; "
        "bob holds it for `deploy up` since 2026-01-02T03:05:00Z (https://ci.example/8)"
    )
    assert report.headline("test", NOTHING) == "test: nothing released"
    assert report.headline("x", DeployError("no answer")) == "x: error: no answer"


@pytest.mark.parametrize(
    ("found", "asked", "code"),
    [
        ([HERE], True, ExitCode.OK),
        ([replace(HERE, drift=(DRIFT,))], False, ExitCode.OK),
        ([replace(HERE, drift=(DRIFT,))], True, ExitCode.DRIFTED),
        ([HERE, replace(HERE, drift=(DRIFT,))], True, ExitCode.DRIFTED),
        ([replace(HERE, drift=(DRIFT,), verdict=Verdict.FAILED)], True, ExitCode.UNHEALTHY),
        ([replace(HERE, verdict=Verdict.PAUSED), PreflightError("x")], True, ExitCode.PAUSED),
        ([PreflightError("x"), NOTHING], False, ExitCode.PREFLIGHT),
    ],
)
def test_the_exit_code(found: list[Status | DeployError], asked: bool, code: ExitCode) -> None:
    assert exit_code(found, fail_on_drift=asked) is code
