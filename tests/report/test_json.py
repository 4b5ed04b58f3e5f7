"""The JSON documents: their keys are a contract (docs/json-output.md)."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from samples import DIAGNOSIS, DIGEST, FAILED, HEALTHY, IMAGE, PLAN, UNHEALTHY, result

from deployer.errors import DeployError, ExitCode, PreflightError
from deployer.health.verdict import Verdict
from deployer.lock import Holder
from deployer.mask import Mask
from deployer.model import Record, Revision
from deployer.plan.difference import Difference
from deployer.plan.drift import Drift
from deployer.plan.figures import figures
from deployer.plan.init import Service
from deployer.plan.steps import Promotion
from deployer.report import document
from deployer.rollout import Outcome
from deployer.scaffold import Written
from deployer.status import Running, Status

PAGE = (Path(__file__).parents[2] / "docs" / "json-output.md").read_text()

RUN = """
schema verb environment outcome exitCode message hint changed seconds release image differences stages workloads metrics
diagnosis overrides warnings detail
"""


HELD = Holder("1f", "ann", "up", "https://ci/1", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06.000000Z", 30.0)


def test_unlock() -> None:
    made = through(document.unlock("dev", "web in shop is free", HELD, True))
    assert has(made, "schema verb environment outcome exitCode message changed holder")
    assert made["holder"]["job"] == "https://ci/1"
    assert through(document.unlock("dev", "nobody holds it", None, False))["holder"] is None


HOLDER = Holder("id", "ann", "up", "", "2026-01-02T03:05:00Z", "2026-01-02T03:05:09.0Z", 30.0)


def has(made: dict[str, Any], keys: str) -> bool:
    """Whether these are its keys, no more and no less."""
    return set(made) == set(keys.split())


def test_an_init() -> None:
    service = Service("web", ".", ".", ".", 8080, "/healthz", "/readyz", "", "github", None)
    made = through(document.init(service, Written(("chart",), ("Makefile",), ("deploy.mk",)), ExitCode.KEPT))
    assert has(made, "schema verb environment outcome exitCode service written same kept")
    assert (made["outcome"], made["exitCode"], made["kept"]) == ("kept", 12, ["deploy.mk"])


def test_a_promotion() -> None:
    promotion = Promotion("test", 4, replace(IMAGE, digest=DIGEST), "5ba")
    found = (Difference("values: a.b", "1", None),)
    promoted = replace(PLAN, verb="promote", promotion=promotion, differences=found)
    made = through(document.result(result(plan=promoted)))
    assert has(made, RUN + "promotion")
    assert made["promotion"] == {
        "source": "test",
        "revision": 4,
        "image": f"registry.lab/web:1.2.3@{DIGEST}",
        "sha": "5ba",
    }
    assert made["differences"] == [{"what": "values: a.b", "before": "1", "after": None}]
    planned = through(document.plan(promoted))
    assert (planned["promotion"], planned["differences"]) == (made["promotion"], made["differences"])


def through(made: dict[str, Any]) -> dict[str, Any]:
    """As a job reads it."""
    read: dict[str, Any] = json.loads(document.text(made))
    assert read["schema"] == "deploy/v1"
    return read


def test_a_run() -> None:
    made = through(document.result(result()))
    assert has(made, RUN)
    assert (made["verb"], made["environment"], made["outcome"], made["exitCode"]) == ("up", "dev", "ok", 0)
    assert made["seconds"] == 17.046
    assert made["changed"] is True
    assert made["release"] == {
        "name": "web",
        "namespace": "shop",
        "context": "lab",
        "revision": 5,
        "previous": 4,
        "restored": None,
        "commit": None,
        "proposed": None,
    }
    assert made["image"] == {"reference": f"registry.lab/web:1.2.3@{DIGEST}", "tag": "1.2.3", "digest": DIGEST}
    assert made["stages"][1] == {"name": "rollout", "seconds": 3.0, "ok": True, "note": "healthy"}
    assert has(made["workloads"][0], "workload verdict summary counts causes warnings recheck")
    assert made["workloads"][0]["workload"] == "deployment/web"
    assert made["workloads"][0]["verdict"] == "healthy"
    assert made["workloads"][0]["counts"] == {"desired": 2, "updated": 2, "ready": 2, "available": 2, "old": 0}
    assert made["diagnosis"] is None


def test_a_run_that_failed() -> None:
    made = through(document.result(UNHEALTHY))
    assert has(made, RUN)
    assert (made["outcome"], made["exitCode"]) == ("unhealthy", 5)
    assert made["release"]["restored"] == 3
    assert has(made["diagnosis"], "workload verdict headline counts causes events logs facts hint missing")
    assert made["workloads"][0]["causes"][0]["rule"] == "crash"
    assert (made["detail"], made["warnings"], made["hint"]) == (["a line"], ["slow"], "mend it")


def test_a_metric_that_divides_by_nothing_is_still_json() -> None:
    (reading,) = UNHEALTHY.metrics
    endless = replace(reading, value=math.inf, samples=(replace(reading.samples[0], value=-math.inf),))
    made = document.text(document.result(replace(UNHEALTHY, metrics=(endless,))))
    (metric,) = json.loads(made, parse_constant=pytest.fail)["metrics"]
    assert (metric["value"], metric["samples"][0]["value"]) == (sys.float_info.max, -sys.float_info.max)


def test_a_rollback_has_no_image() -> None:
    assert document.result(result(image=None))["image"] is None


@pytest.mark.parametrize("code", list(ExitCode))
def test_outcome_and_exit_code_are_one(code: ExitCode) -> None:
    made = document.result(result(exit_code=code))
    assert (made["outcome"], made["exitCode"]) == (code.name.lower(), int(code))


def test_a_plan() -> None:
    made = through(document.plan(PLAN))
    assert has(
        made,
        "schema verb environment outcome exitCode changed release image differences steps recovery overrides notes",
    )
    assert (made["outcome"], made["exitCode"], made["changed"]) == ("planned", 0, False)
    assert made["steps"][1] == {"stage": "push", "does": "run docker push registry.lab/web:1.2.3"}
    assert [step["does"] for step in made["recovery"]] == [
        "put revision 3 back",
        "watch the rollout until it is judged",
    ]
    assert "s3cret" not in document.text(made)
    over = replace(PLAN, record=Record(overrides={"window": "the shop is down"}))
    assert document.plan(over)["overrides"] == document.result(result(plan=over))["overrides"] == over.record.overrides


def test_an_error() -> None:
    problem = PreflightError("it broke", hint="mend it", detail=("a",))
    assert through(document.error("up", "dev", problem)) == {
        "schema": "deploy/v1",
        "verb": "up",
        "environment": "dev",
        "outcome": "preflight",
        "exitCode": 3,
        "message": "it broke",
        "hint": "mend it",
        "detail": ["a"],
        "changed": False,
    }


def test_doctor() -> None:
    made = through(document.doctor("dev", {"helm": "ok", "docker": "no engine"}, ExitCode.PREFLIGHT))
    assert made == {
        "schema": "deploy/v1",
        "verb": "doctor",
        "environment": "dev",
        "outcome": "preflight",
        "exitCode": 3,
        "checks": {"helm": "ok", "docker": "no engine"},
    }


def test_verify() -> None:
    found = Outcome(Verdict.FAILED, "why", (FAILED,), DIAGNOSIS)
    made = through(document.verify(found, ExitCode.UNHEALTHY))
    assert has(made, "schema verb outcome exitCode verdict message workloads diagnosis")
    assert (made["verb"], made["verdict"], made["message"], made["exitCode"]) == ("verify", "failed", "why", 5)


def test_status() -> None:
    here = Status("dev", "lab", "shop", "web", Revision(5, "deployed", "now", "web-1"), verdict=Verdict.HEALTHY)
    here = replace(here, judgements=(HEALTHY,))
    drifted = Drift("deployment/web", "spec.replicas", "2", "5")
    here = replace(here, running=(Running("r/web:1", DIGEST, 2),), drift=(drifted,), holder=HOLDER, silent=3.2)
    nothing = Status("test", "lab", "shop", "web", None)
    wrong = DeployError("no answer", hint="wait", detail=("a",))
    found = [("dev", None, here), ("test", None, nothing), ("edge", "shop-7", wrong)]
    made = through(document.status(found, ExitCode.FAILED))
    assert has(made, "schema verb outcome exitCode environments")
    first, second, third = made["environments"]
    for one in (first, second):
        assert has(
            one,
            "environment target context namespace release wanted revision verdict workloads running drift unreadable "
            "holder application",
        )
    assert first["revision"]["number"] == 5
    assert first["running"] == [{"image": "r/web:1", "digest": DIGEST, "pods": 2}]
    assert first["drift"] == [{"object": "deployment/web", "field": "spec.replicas", "wanted": "2", "found": "5"}]
    assert (first["holder"]["actor"], first["holder"]["silent"]) == ("ann", 3.2)
    assert (second["revision"], second["verdict"]) == (None, None)
    assert third == {"environment": "edge", "target": "shop-7", "error": "no answer", "hint": "wait", "detail": ["a"]}


def test_history() -> None:
    record = Record("healthy", "rollback", seconds=4.2, overrides={"cleanTree": "hotfix"})
    revisions = (
        Revision(1, "superseded", "2026-01-01T00:00:00Z", "web-1"),
        Revision(2, "deployed", "2026-01-02T00:00:00Z", "web-1", "Rollback to 1", "healthy", record),
    )
    made = through(document.history("dev", ("web", "shop", "lab"), revisions, figures(revisions, 1_768_003_200.0)))
    assert has(made, "schema verb environment outcome exitCode release revisions figures")
    assert has(made["revisions"][1], "number status updated chart description verdict record canary rollbackTo commit")
    assert [one["rollbackTo"] for one in made["revisions"]] == [None, 1]
    assert made["revisions"][1]["record"]["overrides"] == {"cleanTree": "hotfix"}
    assert has(
        made["figures"],
        "revisions since days deploys perDay perWeek judged failed failureRate recoveries secondsToRecover brokenSince",
    )


def test_what_the_page_promises_is_there() -> None:
    for name in (*RUN.split(), "checks", "steps", "recovery", "environments"):
        assert name in PAGE


@pytest.mark.parametrize(
    "secret", ['pa"ss\\word', "tab\tseparated", "zwei\nZeilen", "naïve🚀key", "plain-secret", "\udcff-raw"]
)
def test_a_document_hides_secrets_as_json_writes_them(secret: str) -> None:
    made = document.error("up", "dev", PreflightError(f"value {secret} is wrong", detail=(secret,)))
    text = Mask([secret])(document.text(made))
    read = json.loads(text)
    for line in secret.splitlines():
        assert line not in read["message"]
        assert line not in read["detail"][0]


def test_documents_are_for_people_too() -> None:
    text = document.text({"a": "é"})
    assert text == '{\n  "a": "é"\n}'
