"""Each guard over facts: one row a rule. Profile section, facts, what is said (None: allowed)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deployer import guard
from deployer.errors import PreflightError, UsageError
from deployer.guard import Change, Elsewhere, Facts, Refusal
from deployer.guard.judge import APPLIES, RULES
from deployer.guard.rules import asks
from deployer.model import Image, Job, Record
from deployer.profile.schema import GuardName, Guards

SHA = "0123456789abcdef"
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGE = Image("registry.lab", "web", "v1.2.3", DIGEST)
GIT = Facts("prod", sha=SHA, branch="main", tags=("v1.2.3", "v1.2.2"), image=IMAGE)
FEATURE = replace(GIT, branch="feature/x", tags=())
DETACHED = replace(GIT, branch="")
NO_GIT = Facts("prod")
CI = Job("ci", "agent", environment="prod")
GITLAB = Job("gitlab", "ann", environment="prod", protected=True)
CHANGE = Change(10, ("deployment/web",), ("service/old",), {"deployment/web": (10, 4), "deployment/db": (2, 3)})


def record(verdict: str = "healthy", digest: str = DIGEST, **facts: str) -> Record:
    return Record(verdict=verdict, image=f"registry.test/web:v9@{digest}", **facts)


def ran(*records: Record, first: int = 1) -> Facts:
    """Prod, where test has these on record."""
    return replace(GIT, elsewhere={"test": Elsewhere(dict(enumerate(records, first)))})


ROWS: list[Any] = [
    ({"cleanTree": True}, replace(GIT, dirty=("a", "b")), "the git tree has 2 uncommitted changes"),
    ({"cleanTree": True}, replace(GIT, dirty=("a",)), "has 1 uncommitted change,"),
    ({"cleanTree": True}, GIT, None),
    ({"cleanTree": True}, NO_GIT, None),
    ({"cleanTree": False}, replace(GIT, dirty=("a",)), None),
    ({"branch": "main"}, GIT, None),
    ({"branch": ["main", "release/*"]}, replace(GIT, branch="release/1.x/hot"), None),
    ({"branch": ["main", "release/*"]}, FEATURE, "HEAD is on branch feature/x; this environment deploys from main or"),
    ({"branch": "main"}, replace(GIT, branch="Main"), "HEAD is on branch Main"),
    ({"branch": "main"}, replace(GIT, branch="maintenance"), "HEAD is on branch maintenance"),
    ({"branch": "*"}, DETACHED, "HEAD is on no branch"),
    ({"branch": "*"}, NO_GIT, "this is no git repository"),
    ({"tag": "v[0-9]*"}, GIT, None),
    ({"tag": "v1.2.2"}, GIT, None),
    ({"tag": "v1.2.*"}, GIT, None),
    ({"tag": "v2*"}, GIT, "HEAD (0123456789ab) has the tags v1.2.3, v1.2.2; this environment deploys tags v2*"),
    ({"tag": "v*"}, FEATURE, "has no tag"),
    ({"tag": "v*"}, NO_GIT, "this is no git repository"),
    ({"signed": "commit"}, GIT, None),
    ({"signed": "commit"}, replace(GIT, unsigned=("no signature",)), "git finds no good signature on HEAD's commit"),
    ({"signed": "tag"}, replace(GIT, unsigned=()), "git finds no good signature on HEAD's tag"),
    ({"signed": "tag"}, NO_GIT, "there is no signature"),
    ({"ciOnly": True}, replace(GIT, job=CI), None),
    ({"ciOnly": True}, GIT, "deployed by CI jobs only"),
    ({"healthyIn": "test"}, ran(record()), None),
    ({"healthyIn": "test"}, ran(record("failed"), record()), None),
    ({"healthyIn": "test"}, ran(record(), record("progressing")), None),
    ({"healthyIn": "test"}, ran(record(), record("failed", OTHER), record(verb="rollback")), None),
    ({"healthyIn": "test"}, ran(record(), record(digest=OTHER), record(verb="rollback")), None),
    ({"healthyIn": "test"}, ran(record(digest=OTHER)), "healthy in test: no revision on record there ran it"),
    ({"healthyIn": "test"}, ran(record("")), "no revision on record there ran it to a verdict"),
    ({"healthyIn": "test"}, ran(), "no revision on record there ran it"),
    (
        {"healthyIn": "test"},
        ran(record(), record("failed", cause="exit 1"), first=4),
        "revision 5 of it was judged failed",
    ),
    (
        {"healthyIn": "test"},
        ran(record(), record(digest=OTHER, verb="rollback", actor="ann")),
        "revision 1 of it was rolled back there by ann",
    ),
    (
        {"healthyIn": "test"},
        replace(GIT, elsewhere={"test": Elsewhere(trouble="no answer")}),
        "healthy in test: no answer",
    ),
    ({"healthyIn": "test"}, replace(ran(record()), image=replace(IMAGE, digest=None)), "not in the registry yet"),
    ({"healthyIn": "test"}, replace(ran(record()), image=None), "not in the registry yet"),
    ({"freeze": "FREEZE"}, GIT, None),
    ({"freeze": "FREEZE"}, replace(GIT, frozen="\nno change: audit\nask ann"), "changes are frozen: no change: audit"),
    ({"freeze": "FREEZE"}, replace(GIT, frozen=""), "the file gives no reason"),
    ({"maxReplicasChange": "50%"}, GIT, None),
    ({"maxReplicasChange": "60%"}, replace(GIT, change=CHANGE), None),
    ({"maxReplicasChange": 0.5}, replace(GIT, change=CHANGE), "deployment/web: 10 → 4 replicas, a change of 60%"),
    ({"maxReplicasChange": 0}, replace(GIT, change=Change(1, replicas={"deployment/web": (0, 3)})), None),
    ({"maxReplicasChange": 0}, replace(GIT, change=Change(1, replicas={"deployment/web": (3, 3)})), None),
    ({"maxResourcesChange": "20%"}, replace(GIT, change=CHANGE), None),
    (
        {"maxResourcesChange": 0.19},
        replace(GIT, change=CHANGE),
        "2 of 10 objects (20%) would be changed or removed; 19%",
    ),
    ({"maxResourcesChange": 0}, replace(GIT, change=Change(0)), None),
    ({"maxResourcesChange": 0}, GIT, None),
    ({"confirm": True}, replace(GIT, terminal=True), None),
    ({"confirm": True}, GIT, "nobody is there to type"),
    ({"confirm": True}, replace(GIT, yes=True), "nobody is there to type"),
    ({"confirm": True}, replace(GIT, job=CI, yes=True), None),
    ({"confirm": True}, replace(GIT, job=CI), "--yes is not given"),
    ({"confirm": True}, replace(GIT, job=replace(CI, environment=""), yes=True), "DEPLOY_ENVIRONMENT is not set"),
    ({"confirm": True}, replace(GIT, job=replace(CI, environment="dev"), yes=True), "is `dev` (DEPLOY_ENVIRONMENT)"),
    ({"confirm": True}, replace(GIT, job=GITLAB, yes=True), None),
    ({"confirm": True}, replace(GIT, job=replace(GITLAB, environment=""), yes=True), "CI_ENVIRONMENT_NAME is not set"),
    ({"confirm": True}, replace(GIT, job=replace(GITLAB, protected=False), yes=True), "is not protected"),
    (
        {"window": {"not": ["2026-11-26"]}},
        replace(GIT, now=datetime(2026, 11, 26, 12, tzinfo=UTC)),
        "a day without change",
    ),
    ({"window": {"not": ["2026-11-26"]}}, replace(GIT, now=datetime(2026, 11, 27, 0, tzinfo=UTC)), None),
]


@pytest.mark.parametrize(("section", "facts", "said"), ROWS)
def test_rules(section: dict[str, Any], facts: Facts, said: str | None) -> None:
    found = guard.judge(Guards.model_validate(section), facts)
    assert [refusal.guard for refusal in found] == ([] if said is None else list(section))
    for refusal in found:
        assert said is not None
        assert said in refusal.reason
        assert refusal.hint
        assert refusal.key == f"guards.{refusal.guard}"


def test_every_rule_has_rows_that_allow_and_refuse() -> None:
    told = {(name, said is None) for section, _, said in ROWS for name in section}
    assert told == {(name, allowed) for name in RULES for allowed in (True, False)}


def test_what_may_be_overridden_is_what_there_is() -> None:
    assert set(GuardName.__args__) == set(RULES)  # type: ignore[attr-defined]


ALL = Guards.model_validate(
    {
        "cleanTree": True,
        "branch": "main",
        "tag": "v*",
        "signed": "commit",
        "ciOnly": True,
        "healthyIn": ["test"],
        "window": {"not": ["2026-11-26"]},
        "freeze": "FREEZE",
        "maxReplicasChange": 0.1,
        "maxResourcesChange": 0.1,
        "confirm": True,
        "overridable": ["window", "freeze"],
    }
)
BAD = Facts(
    "prod",
    sha=SHA,
    branch="x",
    dirty=("a",),
    unsigned=(),
    frozen="audit",
    now=datetime(2026, 11, 26, 12, tzinfo=UTC),
    elsewhere={"test": Elsewhere()},
    change=CHANGE,
)


@pytest.mark.parametrize("verb", APPLIES)
def test_all_that_refuse_are_told_in_order(verb: guard.Verb) -> None:
    found = [refusal.guard for refusal in guard.judge(ALL, replace(BAD, verb=verb))]
    assert found == [name for name in RULES if name in APPLIES[verb]] == list(guard.applying(ALL, verb))


def test_a_rollback_is_an_emergency() -> None:
    assert guard.applying(ALL, "rollback") == ("ciOnly", "freeze", "confirm")
    assert guard.applying(Guards(), "up") == ()


def test_who_is_asked() -> None:
    assert asks(ALL, replace(GIT, terminal=True))
    assert not asks(ALL, GIT)
    assert not asks(ALL, replace(GIT, terminal=True, job=CI))
    assert not asks(Guards(), replace(GIT, terminal=True))


def test_several_refusals_are_one_error() -> None:
    refusals = [Refusal("branch", "wrong branch", "change it", ("more",)), Refusal("tag", "no tag", "tag it")]
    with pytest.raises(PreflightError) as error:
        guard.enforce("prod", refusals, {})
    assert error.value.message == "2 guards of prod refuse; nothing was touched"
    assert error.value.detail == (
        "guards.branch: wrong branch",
        "  more",
        "  hint: change it",
        "guards.tag: no tag",
        "  hint: tag it",
    )
    with pytest.raises(PreflightError) as error:
        guard.enforce("prod", refusals, {"branch": "now"})
    assert (error.value.message, error.value.hint) == ("no tag (guards.tag)", "tag it")


def test_only_what_was_needed_goes_on_record() -> None:
    refusals = [Refusal("window", "closed", "wait")]
    assert guard.enforce("prod", refusals, {"window": "fire", "freeze": "fire"}) == {"window": "fire"}
    assert guard.enforce("prod", (), {"window": "fire"}) == {}


@pytest.mark.parametrize(
    ("names", "reason", "said"),
    [
        (["windw"], "x", "there is no guard `windw`; did you mean `window`?"),
        (["branch"], "x", "does not let anybody pass over branch"),
        (["window"], None, "--override needs a reason"),
        (["window"], " \n", "--override needs a reason"),
        ([], "x", "--reason is given without --override"),
    ],
)
def test_overrides_that_cannot_be(names: list[str], reason: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")) as error:
        guard.overriding(ALL, names, reason)
    assert error.value.hint


def test_overrides() -> None:
    assert guard.overriding(ALL, ["window", "freeze"], "the\nshop is  down") == {
        "window": "the shop is down",
        "freeze": "the shop is down",
    }
    assert guard.overriding(Guards(), [], None) == {}
