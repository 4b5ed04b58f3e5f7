"""Every document is as docs/output.schema.json says, and every verb has its entry there."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract import SCHEMA, check
from samples import DIAGNOSIS, DIGEST, FAILED, HEALTHY, IMAGE, PLAN, UNHEALTHY, result

from deployer import cli
from deployer.errors import DeployError, ExitCode, PreflightError
from deployer.health.verdict import Verdict
from deployer.lock import Holder
from deployer.model import Record, Revision
from deployer.plan import settings
from deployer.plan.difference import Difference
from deployer.plan.drift import Drift
from deployer.plan.figures import figures
from deployer.plan.init import Service
from deployer.plan.preview import FieldChange, ObjectChange, Preview, Roll, ValueChange
from deployer.plan.settings import Finding, Severity
from deployer.plan.steps import Promotion
from deployer.report import document
from deployer.rollout import Outcome
from deployer.scaffold import Written
from deployer.sops import Checked
from deployer.status import Running, Status, Wanted
from deployer.values.layers import Leaf, Origin, Variable

HOLDER = Holder("id", "ann", "up", "", "2026-01-02T03:05:00Z", "2026-01-02T03:05:09.0Z", 30.0)
RECORD = Record("healthy", "up", seconds=4.2, overrides={"cleanTree": "hotfix"})
REVISIONS = (
    Revision(1, "superseded", "2026-01-01T00:00:00Z", "web-1"),
    Revision(2, "deployed", "2026-01-02T00:00:00Z", "web-1", "Rollback to 1", "healthy", RECORD),
)
NOTHING = Status("test", "lab", "shop", "web", None, Wanted("", "no tag"))
HERE = Status(
    "dev",
    "lab",
    "shop",
    "web",
    REVISIONS[1],
    Wanted("r/web:1", "", "2"),
    Verdict.HEALTHY,
    (HEALTHY, FAILED),
    (Running("r/web:1", DIGEST, 2),),
    (Drift("service/web", "", "present", None), Drift("configmap/web", "data.a", None, "x")),
    ("secret/web: forbidden",),
    HOLDER,
    3.2,
)
BACK = replace(PLAN, verb="rollback", image=None, differences=(Difference("chart", None, "web-1"),))
PROMOTED = replace(
    PLAN,
    verb="promote",
    promotion=Promotion("test", 4, IMAGE, "5ba"),
    differences=(Difference("values: a", "1", None),),
)
BUILD = result(plan=replace(PLAN, verb="build", previous=None), revision=None, judgements=())
SERVICE = Service("web", ".", ".", ".", 8080, "/healthz", "/readyz", "", "github", None)
ERROR = PreflightError("it broke", hint="mend it", detail=("a",))
SENT = PreflightError("another run has it")
SENT.changed = True

ORIGIN = Origin("base", "environments/base.yaml:3", 5, variables=(Variable("A", True),))
LEAF = Leaf(("target", "context"), ORIGIN, (replace(ORIGIN, secret=True),))
PREVIEW = Preview(
    (ValueChange("a", None, "1", "--set"),),
    (ObjectChange("deployment/web", "change", (FieldChange("spec.replicas", "2", None, True),)),),
    (Roll("deployment/web", ("image",)),),
    ("the API server would not take it",),
)
FINDING = Finding(Severity.WARNING, "environments/dev.yaml:3", "is not used", ("dev",))

DOCUMENTS = {
    "plan": document.preview(PLAN, PREVIEW, (ERROR,), ("values changed",), ExitCode.CHANGES),
    "plan of nothing": document.preview(replace(PLAN, image=None), Preview(), (), (), ExitCode.OK),
    "config show": document.settings("dev", [LEAF]),
    "config check": document.findings(["dev"], [FINDING], ExitCode.OK),
    "config diff": document.differences("dev", "prod", [settings.Difference(("a",), LEAF, None)]),
    "config schema": document.written("config schema", None, "environments/schema.json", True),
    "config pin": document.written("config pin", "dev", "environments/dev.yaml", False)
    | {"identity": {"uid": "1"}, "replaced": {}},
    "secrets edit": document.sealed("secrets edit", "dev", [Path("environments/dev.secrets.yaml")], changed=True),
    "secrets rotate": document.sealed("secrets rotate", "dev", [], changed=False),
    "secrets check": document.checked(
        "dev", [Checked(Path("dev.secrets.yaml"), ("age1",), (ERROR,))], ExitCode.PREFLIGHT
    ),
    "up": document.result(result()),
    "up that failed": document.result(UNHEALTHY),
    "up of nothing": document.result(result(image=None, revision=None, plan=replace(PLAN, previous=None))),
    "rollback": document.result(result(plan=BACK, image=None, restored=3)),
    "promote": document.result(result(plan=PROMOTED)),
    "dry run of a promotion": document.plan(PROMOTED),
    "build": document.result(BUILD),
    "build that failed": document.result(replace(BUILD, exit_code=ExitCode.BUILD)),
    "init": document.init(SERVICE, Written(("chart",), ("Makefile",), ("deploy.mk",)), ExitCode.KEPT),
    "gitops init": document.gitops(
        "gitops", ["dev"], {"a.yaml": "a: 1"}, Written(("a.yaml",), (), ()), None, ExitCode.OK
    ),
    "gitops init, committed": document.gitops(
        "gitops/web", ["dev"], {"a.yaml": "a: 1"}, Written((), (), ("a.yaml",)), "5ba", ExitCode.KEPT
    ),
    "down": document.result(result(plan=replace(PLAN, verb="down"))),
    "dry run": document.plan(PLAN),
    "dry run of a rollback": document.plan(BACK),
    "bundle": document.bundle("edge", "edge.tar", "5ba", IMAGE),
    "error": document.error("up", "dev", ERROR),
    "error of an unknown verb": document.error("", None, DeployError("what?")),
    "error after an image was sent": document.error("up", "dev", SENT),
    "error of unlock": document.error("unlock", "dev", ERROR),
    "doctor": document.doctor("dev", {"helm": "ok", "docker": "no engine"}, ExitCode.PREFLIGHT),
    "verify": document.verify(Outcome(Verdict.HEALTHY, "fine", (HEALTHY,)), ExitCode.OK),
    "verify that failed": document.verify(Outcome(Verdict.FAILED, "why", (FAILED,), DIAGNOSIS), ExitCode.UNHEALTHY),
    "status": document.status(
        [("dev", None, HERE), ("test", None, NOTHING), ("edge", "shop-7", ERROR)], ExitCode.PREFLIGHT
    ),
    "history": document.history("dev", ("web", "shop", "lab"), REVISIONS, figures(REVISIONS, 1_768_003_200.0)),
    "history of nothing": document.history("dev", ("web", "shop", "lab"), (), figures((), 0.0)),
    "unlock": document.unlock("dev", "free", HOLDER, True),
    "unlock of nothing": document.unlock("dev", "nobody", None, False),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_as_the_schema_says(name: str) -> None:
    check(_read(DOCUMENTS[name]))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_key_that_is_missing_or_unknown_is_found(name: str) -> None:
    made = _read(DOCUMENTS[name])
    with pytest.raises(AssertionError, match="news"):
        check({**made, "news": 1})
    for key in made:
        with pytest.raises(AssertionError, match=key):
            check({other: value for other, value in made.items() if other != key})


def test_what_is_deep_inside_is_found_and_told() -> None:
    made = _read(DOCUMENTS["status"])
    made["environments"][0]["drift"][0]["wanted"] = 5
    with pytest.raises(AssertionError, match=r"\$.environments\[0\].drift\[0\].wanted: 5 is not of type"):
        check(made)


def test_every_verb_has_an_entry() -> None:
    known: set[str] = set()
    for one in SCHEMA["oneOf"]:
        verb = SCHEMA["$defs"][one["$ref"].rpartition("/")[2]]["properties"]["verb"]
        known |= {verb["const"]} if "const" in verb else set(verb.get("enum", ()))
    verbs = {command.callback.__name__ for command in cli.program().registered_commands if command.callback}
    for group in cli.program().registered_groups:
        assert group.typer_instance
        commands = group.typer_instance.registered_commands
        verbs |= {f"{group.name} {one.name or (one.callback and one.callback.__name__)}" for one in commands}
    assert verbs <= known


def test_outcomes_and_codes_are_all_there() -> None:
    assert SCHEMA["$defs"]["outcome"]["enum"] == [code.name.lower() for code in ExitCode]
    assert SCHEMA["$defs"]["exitCode"]["enum"] == list(map(int, ExitCode))


def _read(made: dict[str, Any]) -> dict[str, Any]:
    import json

    read: dict[str, Any] = json.loads(document.text(copy.deepcopy(made)))
    return read
