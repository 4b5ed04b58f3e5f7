"""What an Application of Argo CD says of our commit: a row a rule."""

from dataclasses import replace
from typing import Any

import pytest

from deployer.health.application import IDLE, REFRESH, SILENT, TROUBLE, UNSEEN, Wanted, automated, judge, revision

AUTOMATED: dict[str, Any] = {}
OLD, OURS, NEWER, OTHER = "1" * 40, "2" * 40, "3" * 40, "f" * 40
LINE = (OLD, OURS, NEWER)


def contains(descendant: str, ancestor: str) -> bool:
    return (
        descendant in LINE and ancestor in LINE and LINE.index(ancestor) <= LINE.index(descendant)
    ) or descendant == ancestor


WANTED = Wanted(OURS, "web/dev/chart", since=1_000_000.0, contains=contains)
BEFORE, AFTER = "1970-01-12T13:46:00Z", "1970-01-12T13:47:00Z"  # of second 1,000,000


def app(
    sync: str = "Synced",
    compared: str = OURS,
    *,
    conditions: dict[str, str] | None = None,
    asked: bool = False,
    operation: dict[str, Any] | None = None,
    auto: Any = AUTOMATED,
    pending: bool = False,
    resources: Any = (),
    health: str = "Healthy",
) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-dev", "annotations": {REFRESH: "normal"} if asked else {}},
        "spec": {"source": {"path": "web/dev/chart"}, "syncPolicy": {"automated": auto}},
        **({"operation": {"sync": {}}} if pending else {}),
        "status": {
            "sync": {"status": sync, "revision": compared},
            "health": {"status": health},
            "resources": list(resources),
            "conditions": [{"type": kind, "message": said} for kind, said in (conditions or {}).items()],
            **({"operationState": operation} if operation else {}),
        },
    }


def did(phase: str, sha: str = OURS, message: str = "", ended: str | None = AFTER, **sync: Any) -> dict[str, Any]:
    return {
        "phase": phase,
        "message": message,
        "operation": {"sync": {"revision": sha, **sync}},
        "syncResult": {"revision": sha},
        **({"finishedAt": ended} if ended else {}),
    }


DEPLOYMENT = {"kind": "Deployment", "name": "web"}
GONE = {"kind": "ConfigMap", "name": "old", "status": "OutOfSync", "requiresPruning": True}
REFUSED = 'objects failed to apply, reason: Deployment.apps "web" is invalid: x. Retrying attempt #1 at 1:46PM.'
RENDER = "failed to generate manifest: rpc error: `helm template . --name-template web` failed exit status 1: Error: x"
SLOW = "failed to generate manifest: rpc error: `helm template . --name-template web` failed timeout after 1m30s"
LOGIN = "failed to generate manifest for source 1 of 1: rpc error: failed to list refs: authentication required"


@pytest.mark.parametrize(
    ("item", "state", "words", "patience"),
    [
        pytest.param(app("Synced", OLD, asked=True), "waiting", "not looked", SILENT, id="an old Synced is not ours"),
        pytest.param(
            app("Synced", OURS, asked=True), "waiting", "not looked", SILENT, id="the answer is still to come"
        ),
        pytest.param(app("Synced", OLD), "waiting", "still sees commit 111111111111", UNSEEN, id="an old comparison"),
        pytest.param(app(), "synced", "", None, id="ours"),
        pytest.param(app(health="Degraded"), "synced", "", None, id="health is ours to judge"),
        pytest.param(app(compared=NEWER), "synced", "", None, id="a newer one that has ours in it"),
        pytest.param(app(compared=OTHER), "lost", "it was rewritten", None, id="a branch without ours"),
        pytest.param(app("OutOfSync"), "waiting", "has not begun", IDLE, id="an automated sync is to come"),
        pytest.param(app("OutOfSync", auto=None), "start", "by hand", None, id="no automation"),
        pytest.param(app("OutOfSync", auto={"enabled": False}), "start", "by hand", None, id="automation switched off"),
        pytest.param(
            app("OutOfSync", operation=did("Running", message="waiting for hooks", ended=None)),
            "waiting",
            "syncing: waiting for hooks",
            None,
            id="a sync to ours",
        ),
        pytest.param(
            app("Synced", operation=did("Running", ended=None)), "waiting", "syncing", None, id="its hooks still run"
        ),
        pytest.param(app("OutOfSync", pending=True), "waiting", "syncing", None, id="a sync is about to begin"),
        pytest.param(
            app("OutOfSync", operation=did("Running", OLD, ended=None)),
            "waiting",
            "a sync to 111111111111 is still at work",
            None,
            id="a sync to an older commit",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Running", message="Sync operation blocked by sync window", ended=None)),
            "closed",
            "sync window",
            None,
            id="a sync window",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Failed", message="one or more objects failed to apply")),
            "failed",
            "one or more objects failed to apply",
            None,
            id="the sync failed",
        ),
        pytest.param(
            app(operation=did("Failed", message="one or more synchronization tasks completed unsuccessfully")),
            "failed",
            "completed unsuccessfully",
            None,
            id="only a hook failed: all that is compared is synced",
        ),
        pytest.param(
            app(operation=did("Failed", ended=BEFORE)), "start", "is over", None, id="its hook failed in a run before"
        ),
        pytest.param(app(operation=did("Failed", OLD)), "synced", "", None, id="a hook of an older one failed"),
        pytest.param(
            app(operation=did("Failed", resources=[DEPLOYMENT])), "synced", "", None, id="a part of it was in vain"
        ),
        pytest.param(
            app("OutOfSync", operation={**did("Running", message=REFUSED), "retryCount": 1, "startedAt": AFTER}),
            "failed",
            "is invalid",
            None,
            id="what the API server refuses is not waited for five times",
        ),
        pytest.param(
            app("OutOfSync", operation={**did("Running", message="no answer"), "retryCount": 1, "startedAt": AFTER}),
            "waiting",
            "syncing: no answer",
            None,
            id="what may go over is tried again",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Failed", OLD)), "waiting", "not begun", IDLE, id="an older sync failed"
        ),
        pytest.param(
            app(
                "OutOfSync", operation=did("Failed", ended=BEFORE), conditions={"SyncError": "Failed last sync attempt"}
            ),
            "start",
            "the last sync to this commit is over",
            None,
            id="ours failed before: argo does not try it twice",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Succeeded"), resources=[{**DEPLOYMENT, "status": "OutOfSync"}]),
            "synced",
            "",
            None,
            id="synced, but something in the cluster changes it",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Succeeded", resources=[DEPLOYMENT])),
            "waiting",
            "not begun",
            IDLE,
            id="a part of it was synced",
        ),
        pytest.param(
            app("OutOfSync", operation=did("Succeeded", dryRun=True), auto=None), "start", "", None, id="a dry run"
        ),
        pytest.param(
            app("OutOfSync", operation=did("Succeeded", OLD), resources=[{**DEPLOYMENT, "status": "Synced"}, GONE]),
            "synced",
            "",
            None,
            id="only pruning is left",
        ),
        pytest.param(
            app("OutOfSync", conditions={"SyncError": "auto-sync will wipe out all resources"}),
            "waiting",
            "wipe out all",
            IDLE,
            id="why it does not sync",
        ),
        pytest.param(
            app("Unknown", "", conditions={"ComparisonError": RENDER}), "failed", "helm template", None, id="no render"
        ),
        pytest.param(
            app("Unknown", "", conditions={"ComparisonError": LOGIN}), "waiting", "authentication", TROUBLE, id="login"
        ),
        pytest.param(
            app("Unknown", "", conditions={"ComparisonError": SLOW}), "waiting", "timeout", TROUBLE, id="helm was slow"
        ),
        pytest.param(app("Unknown", ""), "waiting", "could not compare", TROUBLE, id="nothing known"),
        pytest.param(
            app("Unknown", OLD, conditions={"InvalidSpecError": "repo is not permitted in project 'x'"}),
            "refused",
            "not permitted",
            None,
            id="its project refuses it",
        ),
    ],
)
def test_what_it_says_of_our_commit(item: dict[str, Any], state: str, words: str, patience: float | None) -> None:
    seen = judge(item, WANTED)
    assert (seen.state, seen.patience) == (state, patience)
    assert words in seen.words


def test_a_sync_in_the_way_is_ended_where_that_is_wanted() -> None:
    item = app("OutOfSync", operation=did("Running", OLD, ended=None))
    assert judge(item, replace(WANTED, running="ended")).state == "end"
    item["status"]["operationState"]["phase"] = "Terminating"
    assert judge(item, replace(WANTED, running="ended")).state == "waiting"


def test_what_is_left_is_told() -> None:
    drifted = app("OutOfSync", operation=did("Succeeded"), resources=[{**DEPLOYMENT, "status": "OutOfSync"}])
    assert judge(drifted, WANTED).notes == (), "it was compared before the sync"
    drifted["status"]["reconciledAt"] = "1970-01-12T13:47:01Z"
    assert "something in the cluster changes it" in judge(drifted, WANTED).notes[0]
    assert "configmap/old is left" in judge(app("OutOfSync", resources=[GONE]), WANTED).notes[0]


def test_nothing_was_compared_yet() -> None:
    assert judge({"metadata": {"name": "web"}}, WANTED).state == "waiting"


def test_the_source_with_our_path_counts() -> None:
    item = app()
    item["spec"] = {"sources": [{"path": "other"}, {"path": "web/dev/chart/"}]}
    item["status"]["sync"] = {"status": "Synced", "revisions": [OTHER, OURS]}
    assert revision(item, "web/dev/chart") == OURS
    assert judge(item, WANTED).state == "synced"
    assert not automated(item)


def test_the_name_of_a_branch_is_no_commit() -> None:
    """It stands in the commit's place while Argo CD cannot ask the repository."""
    unasked = {"status": {"sync": {"status": "Unknown", "revision": "main"}}}
    assert revision(unasked, "web/dev/chart") == ""
