"""`delivery: argocd` on the lab's Argo CD: `up`, `plan`, `status`, `history`, `rollback`, `promote`."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import Project, run
from delivered import Deliver, Delivery, config, deliver  # noqa: F401  # fixtures

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

V1 = ("--tag", "v1")
CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")


SEALED = "environments/dev.secrets.yaml"

AFTER = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: after
  annotations: { helm.sh/hook: "post-install,post-upgrade", helm.sh/hook-delete-policy: before-hook-creation }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      imagePullSecrets: [{ name: registry }]
      containers:
        - name: after
          image: {{ include "web.image" . }}
          env:
            - { name: EXIT_AFTER, value: 0s }
            - { name: EXIT_CODE, value: {{ .Values.env.CODE | default "0" | quote }} }
"""


# ruff: noqa: F811  # a fixture is imported, and named as a parameter


ENVIRONMENTS = pytest.mark.parametrize("environment", ["dev", "prod"])


def at(environment: str, project: Project, deliver: Deliver) -> Delivery:
    """An environment, delivered; prod with its cluster pinned and the guards that it ships with, but for its tag."""
    if environment == "prod":
        project.profile(
            "prod",
            image={"repository": "fault"},
            release={"timeout": "90s"},
            guards={"tag": None, "branch": ["main"]},
            values={"replicaCount": 2, "env": {"VERSION": "v1"}},
        )
    there = deliver(project, environment)
    project.git("commit", "-q", "-a", "-m", "Settings")
    return there


@ENVIRONMENTS
def test_a_commit_is_judged_and_what_is_there_is_not_committed_again(
    fault: Project, deliver: Deliver, environment: str
) -> None:
    there = at(environment, fault, deliver)
    first = fault.deploy("up", "--env", environment, *V1, "--output", "json")
    assert first.code == 0, first
    said = first.json
    assert said["release"]["commit"] == there.config.commits[0]
    assert said["release"]["revision"] == 1
    values = yaml.safe_load(there.config.read(f"web/{environment}/values.yaml"))
    assert values["image"]["digest"] == said["image"]["digest"]
    assert there.app()["status"]["sync"]["revision"] == there.config.commits[0]
    pods = fault.objects("pods")
    assert len(pods) == 2

    again = fault.deploy("up", "--env", environment, *V1)
    assert again.code == 0, again
    assert "unchanged" in again.out
    assert len(there.config.commits) == 2


@ENVIRONMENTS
def test_a_bad_image_is_told_in_seconds_and_reverted_by_a_commit(
    fault: Project, deliver: Deliver, environment: str, record_property: Callable[[str, object], None]
) -> None:
    there = at(environment, fault, deliver)
    good = fault.deploy("up", "--env", environment, *V1)
    assert good.code == 0, good
    kept = there.config.read(f"web/{environment}/values.yaml")

    bad = fault.deploy("up", "--env", environment, *CRASH, "--output", "json", *V1)
    assert bad.code == 5, bad
    said = bad.json
    assert "exit" in json.dumps(said["diagnosis"]).lower()
    assert said["release"]["restored"] == 1
    names = [one["name"] for one in said["stages"]]
    verdict = next(number for number, one in enumerate(said["stages"]) if not one["ok"])
    seconds = sum(one["seconds"] for one in said["stages"][names.index("commit") : verdict + 1])
    record_property("seconds from the commit to the diagnosis", round(seconds, 1))
    assert seconds < 60
    assert there.config.read(f"web/{environment}/values.yaml") == kept
    revert, broken, first, _ = there.config.commits
    assert said["release"]["commit"] == broken
    assert f"Deploy-To: {first}" in there.config.git("log", "-1", "--format=%B", revert)
    assert there.app()["status"]["sync"]["revision"] == revert

    history = fault.deploy("history", "--env", environment, "--output", "json").json["revisions"]
    assert [(one["number"], one["verdict"], one["rollbackTo"], one["commit"]) for one in history] == [
        (1, "healthy", None, first),
        (2, "failed", None, broken),
        (3, "healthy", 1, revert),
    ]


def test_what_prod_forbids_comes_to_no_commit(fault: Project, deliver: Deliver) -> None:
    there = at("prod", fault, deliver)
    up = ("up", "--env", "prod", *V1)
    other = fault.deploy(*up, environ={"PROD_CLUSTER_UID": "5f1e0c1e-0000-4000-8000-000000000000"})
    assert other.code == 3, other
    assert "leads to another cluster than this environment's" in other.err
    fault.git("checkout", "-q", "-b", "topic")
    topic = fault.deploy(*up)
    assert topic.code == 3, topic
    assert "this environment deploys from main" in topic.err
    (fault.folder / "service" / "more").write_text("more\n")
    dirty = fault.deploy(*up)
    assert dirty.code == 3, dirty
    assert "this environment deploys commits only" in dirty.err
    assert len(there.config.commits) == 1
    assert fault.objects("deployments") == []


def test_status_plan_rollback(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    planned = fault.deploy("plan", "--env", "dev", "--tag", "v2", "--set", "env.WORD=two", "--output", "json")
    assert planned.code == 11, planned
    assert "env.WORD" in [one["path"] for one in planned.json["values"]]
    assert "deployment/web" in [one["object"] for one in planned.json["objects"]]
    dry = fault.deploy("up", "--env", "dev", "--tag", "v2", "--dry-run")
    assert "would commit" in dry.out, dry
    assert len(there.config.commits) == 2

    second = fault.deploy("up", "--env", "dev", "--tag", "v2")
    assert second.code == 0, second
    back = fault.deploy("rollback", "--env", "dev", "--yes", "--output", "json")
    assert back.code == 0, back
    assert back.json["release"]["revision"] == 3
    assert any(one["what"].startswith("image of deployment/web") for one in back.json["differences"])

    status = fault.deploy("status", "--env", "dev", "--output", "json")
    assert status.code == 0, status
    one = status.json["environments"][0]
    assert one["verdict"] == "healthy"
    assert one["drift"] == []
    assert one["application"] | {"said": []} == {
        "name": there.application,
        "namespace": "argocd",
        "sync": "Synced",
        "health": one["application"]["health"],
        "compared": there.config.commits[0],
        "commit": there.config.commits[0],
        "current": True,
        "said": [],
    }
    assert "argocd" in fault.deploy("status", "--env", "dev").out
    down = fault.deploy("down", "--env", "dev", "--yes")
    assert down.code == 3, down


def test_an_application_that_is_synced_by_hand(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault, syncOptions=["ApplyOutOfSyncOnly=true"])
    done = fault.deploy("up", "--env", "dev", *V1)
    assert done.code == 0, done
    state = there.app()["status"]["operationState"]
    assert state["operation"]["initiatedBy"]["username"] == "deploy"
    assert state["syncResult"]["revision"] == there.config.commits[0]
    bad = fault.deploy("up", "--env", "dev", *CRASH, *V1)
    assert bad.code == 5, bad
    assert there.app()["status"]["operationState"]["syncResult"]["revision"] == there.config.commits[0]


def test_what_the_application_should_be_is_told_before_anything_is_touched(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    there.patch(destination={"namespace": "default"})
    wrong = fault.deploy("up", "--env", "dev", *V1)
    assert wrong.code == 3, wrong
    assert f"spec.destination.namespace is default, and should be {fault.namespace}" in wrong.err
    there.argocd("delete", "application", there.application)
    gone = fault.deploy("up", "--env", "dev", *V1)
    assert gone.code == 3, gone
    assert "there is no Application" in gone.err
    assert "deploy gitops init --env dev" in gone.err
    assert len(there.config.commits) == 1
    fault.profile("dev", secrets={"secret.data.TOKEN": "API_TOKEN"})
    secret = fault.deploy("up", "--env", "dev", *V1, environ={"API_TOKEN": "s3cret-t0ken"})
    assert secret.code == 2, secret
    assert "would stand in git" in secret.err


def test_an_old_synced_and_healthy_is_never_taken_for_ours(fault: Project, deliver: Deliver) -> None:
    """The second commit cannot be synced, and the Application stays Synced and Healthy at the first for a while."""
    there = deliver(fault)
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    old = there.config.commits[0]
    assert there.app()["status"]["sync"] | {"comparedTo": None} == {
        "status": "Synced",
        "revision": old,
        "comparedTo": None,
    }
    bad = fault.deploy("up", "--env", "dev", *V1, "--set", "podLabels.x=not a label", "--output", "json")
    assert bad.code == 5, bad
    assert bad.json["release"]["restored"] == 1
    assert "cannot apply commit" in bad.json["message"]
    assert there.app()["status"]["sync"]["revision"] == there.config.commits[0]


def test_a_merge_request_is_left_to_people(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    fault.profile("dev", argocd={"push": "mergeRequest"})
    asked = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert asked.code == 0, asked
    assert asked.json["release"]["proposed"] == "deploy/web/dev"
    assert len(there.config.commits) == 1
    there.config.git("update-ref", "refs/heads/main", "refs/heads/deploy/web/dev")
    judged = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert judged.code == 0, judged
    assert judged.json["release"]["proposed"] is None
    assert judged.json["release"]["revision"] == 1
    assert fault.deploy("history", "--env", "dev", "--output", "json").json["revisions"][0]["verdict"] == "healthy"


def test_a_version_is_promoted(fault: Project, deliver: Deliver) -> None:
    """Both environments lead into one namespace, under two names."""
    fault.profile("test", image={"repository": "fault"}, release={"name": "web-test"}, rollback={"automatic": True})
    there, then = deliver(fault), deliver(fault, "test", "web-test")
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    done = fault.deploy("promote", "--from", "dev", "--to", "test", "--yes", "--output", "json")
    assert done.code == 0, done
    first, second = (
        yaml.safe_load(there.config.read(f"{folder}/values.yaml")) for folder in ("web/dev", "web-test/test")
    )
    assert first["image"]["digest"] == second["image"]["digest"]
    assert "Deploy-From: dev" in there.config.git("log", "-1", "--format=%B", "main")
    assert then.app()["status"]["sync"]["revision"] == there.config.commits[0]


def test_encrypted_files_are_committed_as_they_are_and_nothing_is_plain(
    fault: Project, deliver: Deliver, tmp_path: Path
) -> None:
    there, file = deliver(fault), SEALED
    _keyed(fault, tmp_path)
    _seal(fault)
    done = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert done.code == 0, done
    assert there.config.read(f"web/dev/secrets/{file}") == (fault.folder / file).read_text()
    assert f"names secrets/{file} nowhere: it delivers without it" in done.err
    everything = there.config.git("log", "-p", "main") + done.out + done.err
    assert "pl4in-t0ken" not in everything
    assert os.environ["LAB_GIT_PASSWORD"] not in everything

    (fault.folder / file).unlink()
    gone = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert gone.code == 0, gone
    assert f"web/dev/secrets/{file}" not in there.config.git("ls-tree", "-r", "--name-only", "main").split()


def _keyed(project: Project, folder: Path) -> None:
    """Give the project an age key."""
    key = folder / "age.txt"
    run("age-keygen", "-o", key)
    recipient = run("age-keygen", "-y", key).stdout.strip()
    (project.folder / ".sops.yaml").write_text(f"creation_rules:\n  - age: {recipient}\n")
    project.environ["SOPS_AGE_KEY_FILE"] = str(key)


def _seal(project: Project) -> str:
    """Encrypt a token anew; the file's text, which is another one each time."""
    (project.folder / SEALED).write_text("secret:\n  data:\n    TOKEN: pl4in-t0ken\n")
    run("sops", "encrypt", "--in-place", SEALED, cwd=project.folder)
    return (project.folder / SEALED).read_text()


def test_what_fails_after_a_merge_request_goes_back_with_its_encrypted_files(
    fault: Project, deliver: Deliver, tmp_path: Path
) -> None:
    there = deliver(fault)
    fault.profile("dev", argocd={"push": "mergeRequest"})
    _keyed(fault, tmp_path)
    good = _seal(fault)
    for code, change in ((0, ()), (5, CRASH)):
        asked = fault.deploy("up", "--env", "dev", *V1, *change, "--output", "json")
        assert asked.json["release"]["proposed"] == "deploy/web/dev", asked
        there.config.merge("deploy/web/dev")
        judged = fault.deploy("up", "--env", "dev", *V1, *change, "--output", "json")
        assert judged.code == code, judged
        assert there.config.read(f"web/dev/secrets/{SEALED}") == good
        _seal(fault)
    assert judged.json["release"]["restored"] == 1
    assert there.app()["status"]["sync"]["revision"] == there.config.commits[0]


def test_what_fails_after_a_person_encrypted_anew_goes_back_to_that(
    fault: Project, deliver: Deliver, tmp_path: Path
) -> None:
    there = deliver(fault)
    _keyed(fault, tmp_path)
    _seal(fault)
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    theirs = _seal(fault)
    hand = there.config.push(f"web/dev/secrets/{SEALED}", theirs, "Encrypt for one more")
    judged = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert judged.code == 0, judged
    assert judged.json["release"]["commit"] == hand
    _seal(fault)
    bad = fault.deploy("up", "--env", "dev", *V1, *CRASH, "--output", "json")
    assert bad.code == 5, bad
    assert bad.json["release"]["restored"] == 2
    assert there.config.read(f"web/dev/secrets/{SEALED}") == theirs


def test_a_rollback_that_cannot_be_read_here_is_followed_all_the_same(
    fault: Project, deliver: Deliver, tmp_path: Path
) -> None:
    """The older commit was encrypted for a key that this job does not have; Argo CD has values of its own for it."""
    there = deliver(fault)
    needs = '{{ if not .Values.secret.data.TOKEN }}{{ $_ := required "a token" .Values.env.GIVEN }}{{ end }}\n'
    (fault.folder / "chart/templates/needs.yaml").write_text(needs)
    there.patch(source={"helm": {"parameters": [{"name": "env.GIVEN", "value": "x"}]}})
    _keyed(fault, tmp_path)
    _seal(fault)
    for tag in ("v1", "v2"):
        assert fault.deploy("up", "--env", "dev", "--tag", tag).code == 0
    (tmp_path / "other").mkdir()
    _keyed(fault, tmp_path / "other")
    _seal(fault)
    back = fault.deploy("rollback", "--env", "dev", "--yes", "--output", "json")
    assert back.code == 7, back
    commit = there.config.commits[0]
    assert f"is synced to {commit[:12]}" in back.json["message"]
    assert "a token" in back.json["message"]
    assert there.app()["status"]["sync"]["revision"] == commit


def test_a_sync_whose_last_hook_fails_is_reverted(fault: Project, deliver: Deliver) -> None:
    """All objects are as the commit says, so the Application is Synced: a hook is not compared."""
    there = deliver(fault, automated={}, retry={"limit": 0})
    (fault.folder / "chart/templates/after.yaml").write_text(AFTER)
    good = fault.deploy("up", "--env", "dev", *V1)
    assert good.code == 0, good
    bad = fault.deploy("up", "--env", "dev", *V1, "--set", "env.CODE=1", "--output", "json")
    assert bad.code == 5, bad
    revert, broken, first, _ = there.config.commits
    assert bad.json["release"]["commit"] == broken
    assert f"cannot apply commit {broken[:12]}" in bad.json["message"]
    assert bad.json["release"]["restored"] == 1
    assert there.app()["status"]["sync"]["revision"] == revert
    history = fault.deploy("history", "--env", "dev", "--output", "json").json["revisions"]
    assert [(one["verdict"], one["commit"]) for one in history] == [
        ("healthy", first),
        ("failed", broken),
        ("healthy", revert),
    ]


def test_a_file_that_people_have_commented_keeps_its_comments(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    text = there.config.read("web/dev/values.yaml")
    theirs = text.replace("replicaCount: 2", "replicaCount: 3 # ask Ann")
    assert theirs != text
    there.config.push("web/dev/values.yaml", theirs)
    status = fault.deploy("status", "--env", "dev", "--output", "json").json["environments"][0]
    assert (status["revision"]["number"], status["revision"]["verdict"]) == (2, None)
    done = fault.deploy("up", "--env", "dev", *V1)
    assert done.code == 0, done
    assert "replicaCount: 2 # ask Ann" in there.config.read("web/dev/values.yaml")
    there.config.push("web/dev/chart/templates/broken.yaml", '{{ fail "no" }}')
    broken = fault.deploy("status", "--env", "dev")
    assert "does not render" in broken.out, broken


def test_a_commit_that_argo_cd_cannot_render_is_reverted(fault: Project, deliver: Deliver) -> None:
    """helm of ours renders it, the one of Argo CD does not: it is of an older version."""
    there = deliver(fault)
    assert fault.deploy("up", "--env", "dev", *V1).code == 0
    (fault.folder / "chart/templates/odd.yaml").write_text(
        '{{ if not (hasPrefix "v4" .Capabilities.HelmVersion.Version) }}{{ fail "no helm 4" }}{{ end }}\n'
    )
    bad = fault.deploy("up", "--env", "dev", *V1, "--output", "json")
    assert bad.code == 5, bad
    assert "no helm 4" in bad.json["message"]
    assert bad.json["release"]["restored"] == 1
    assert there.app()["status"]["sync"]["revision"] == there.config.commits[0]


def test_a_closed_sync_window_is_told_and_nothing_is_reverted(fault: Project, deliver: Deliver) -> None:
    """A sync that was asked for waits for its window; the Application says so."""
    there = deliver(fault, syncOptions=["ApplyOutOfSyncOnly=true"])
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": fault.namespace, "namespace": os.environ["LAB_ARGOCD_NAMESPACE"]},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "syncWindows": [{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}],
        },
    }
    there.argocd("create", "-f", "-", stdin=json.dumps(project))
    try:
        there.patch(project=fault.namespace)
        closed = fault.deploy("up", "--env", "dev", *V1)
        assert closed.code == 8, closed
        assert "sync window" in closed.out
        assert len(there.config.commits) == 2
    finally:
        there.argocd("delete", "application", there.application)
        there.argocd("delete", "appproject", fault.namespace)
