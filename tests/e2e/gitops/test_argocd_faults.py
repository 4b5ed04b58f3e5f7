"""`delivery: argocd` when not all is well: many writers, nobody there, wrong logins, rewritten branches, hands."""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Deployed, Project, kubectl, run
from delivered import Deliver, Delivery, config, deliver, until  # noqa: F401  # fixtures
from processes import CI, job

from lab.processes import halted

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.gitops]

V1, V2 = ("--tag", "v1"), ("--tag", "v2")
UP = ("up", "--env", "dev")

RELEASES = ("one", "two", "three")
PUSHERS, EACH = 7, 5
"""People beside them, and the commits that each of them makes."""


# ruff: noqa: F811  # a fixture is imported, and named as a parameter


def test_ten_writers_at_once_lose_nothing(fault: Project, deliver: Deliver, tmp_path: Path) -> None:
    """Three deploys and seven people push to one branch."""
    there: dict[str, Delivery] = {}
    for name in RELEASES:
        (fault.folder / f"environments/{name}.yaml").write_text((fault.folder / "environments/dev.yaml").read_text())
        fault.profile(name, release={"name": name, "timeout": "300s"}, values={"replicaCount": 1})
        there[name] = deliver(fault, name, name)
    bare = there["one"].config.bare
    clones = [_cloned(bare, tmp_path / f"person-{number}") for number in range(PUSHERS)]

    with ThreadPoolExecutor(len(RELEASES) + PUSHERS) as pool:
        deploys: dict[str, Future[Deployed]] = {
            name: pool.submit(fault.deploy, "up", "--env", name, *V1, "--output", "json", environ=CI)
            for name in RELEASES
        }
        until(lambda: bool(fault.objects("leases")) or any(one.done() for one in deploys.values()), lambda: "no lease")
        beaten = sum(pool.map(_push_often, clones))
        ended = {name: one.result() for name, one in deploys.items()}
    assert beaten > 0, "nobody met anybody"

    for name, done in ended.items():
        assert done.code == 0, done
        commit = done.json["release"]["commit"]
        assert commit in there[name].config.commits
        assert there[name].config.git("log", "--format=%H", "main", "--", f"{name}/{name}").split() == [commit]
        seen = there[name].app()["status"]["sync"]["revision"]
        run("git", "--git-dir", bare, "merge-base", "--is-ancestor", commit, seen)
    subjects = there["one"].config.git("log", "--format=%s", "main").splitlines()
    theirs = {f"person-{person} {number}" for person in range(PUSHERS) for number in range(EACH)}
    assert theirs <= set(subjects)
    assert len(subjects) == 1 + len(RELEASES) + PUSHERS * EACH
    for person in range(PUSHERS):
        assert there["one"].config.read(f"person-{person}") == "".join(f"{number}\n" for number in range(EACH))


def _cloned(bare: Path, folder: Path) -> Path:
    run("git", "clone", "-q", bare, folder)
    run("git", "-C", folder, "config", "user.name", folder.name)
    run("git", "-C", folder, "config", "user.email", f"{folder.name}@example.com")
    return folder


def _push_often(clone: Path) -> int:
    """Commits of one person, each pushed as often as it takes; how often somebody else was first."""
    beaten = 0
    for number in range(EACH):
        with (clone / clone.name).open("a") as file:
            file.write(f"{number}\n")
        run("git", "-C", clone, "add", ".")
        run("git", "-C", clone, "commit", "-q", "-m", f"{clone.name} {number}")
        while run("git", "-C", clone, "push", "-q", "origin", "HEAD:main", check=False).returncode:
            beaten += 1
            assert beaten < 500
            run("git", "-C", clone, "pull", "-q", "--rebase", "origin", "main")
    return beaten


def test_where_argo_cd_is_down_there_is_no_verdict_and_nothing_is_put_back(fault: Project, deliver: Deliver) -> None:
    """An Application that no controller watches, Synced and Healthy from when one did: nobody answers the refresh."""
    there = deliver(fault)
    assert fault.deploy(*UP, *V1).code == 0
    old = there.app()
    there.argocd("delete", "application", there.application)
    left = {**old, "metadata": {"name": there.application, "namespace": fault.namespace}}
    kubectl("create", "-f", "-", stdin=json.dumps(left))
    verbs, account = "--verb=get,list,watch,patch", f"--serviceaccount={fault.namespace}:deployer"
    fault.kubectl("create", "role", "argocd", verbs, "--resource=applications.argoproj.io")
    fault.kubectl("create", "rolebinding", "argocd", "--role=argocd", account)
    fault.profile("dev", argocd={"namespace": fault.namespace}, release={"timeout": "10m"})

    down = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert down.code == 7, down
    said = down.json
    assert "Argo CD has not looked at the repository yet" in said["message"]
    assert said["release"]["restored"] is None
    assert {one["name"]: one["seconds"] for one in said["stages"]}["sync"] < 240
    assert "nothing was put back" in said["hint"]
    commits = there.config.commits
    assert len(commits) == 3
    assert said["release"]["commit"] == commits[0]
    assert "WORD" in there.config.read("web/dev/values.yaml")
    status = fault.deploy("status", "--env", "dev", "--output", "json").json["environments"][0]
    assert (status["application"]["sync"], status["application"]["current"]) == ("Synced", False)
    assert fault.deploy("history", "--env", "dev", "--output", "json").json["revisions"][-1]["verdict"] is None


def test_where_its_controller_stands_still_there_is_no_verdict_and_then_the_next_run_converges(
    fault: Project, deliver: Deliver
) -> None:
    """The process itself is halted: what it has said before stands there, Synced and Healthy."""
    assert "PYTEST_XDIST_WORKER" not in os.environ, "all other tests need the controller: with -n 0 only"
    there = deliver(fault)
    fault.profile("dev", release={"timeout": "10m"})
    assert fault.deploy(*UP, *V1).code == 0
    good, image = there.config.commits[0], _container(fault)["image"]
    with halted("argocd-application-controller"):
        down = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
        seen = there.app()["status"]
        assert (seen["sync"]["status"], seen["sync"]["revision"]) == ("Synced", good)
        assert _container(fault)["image"] == image
    assert down.code == 7, down
    assert "Argo CD has not looked at the repository yet" in down.json["message"]
    assert down.json["release"]["restored"] is None
    assert "nothing was put back" in down.json["hint"]
    ours, before, _ = there.config.commits
    assert (down.json["release"]["commit"], before) == (ours, good)

    again = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert again.code == 0, again
    assert again.json["release"]["commit"] == ours
    assert there.config.commits == [ours, good, there.config.commits[-1]], "what is there is not committed again"
    assert there.app()["status"]["sync"]["revision"] == ours
    assert _container(fault)["image"].endswith(_digest(there, ours))


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ({"GIT_PASS": "wr0ng-passw0rd"}, "does not take the login (401)"),
        ({"GIT_USER": "LAB_GIT_READER", "GIT_PASS": "LAB_GIT_READER_PASSWORD"}, "(403)"),
    ],
    ids=["unknown", "may only read"],
)
def test_a_login_of_ours_that_may_not_is_told_before_anything_is_touched(
    fault: Project, deliver: Deliver, login: dict[str, str], told: str
) -> None:
    there = deliver(fault)
    environ = {name: os.environ.get(value, value) for name, value in login.items()}
    refused = fault.deploy(*UP, *V1, environ=environ)
    assert refused.code == 3, refused
    assert told in refused.err
    assert environ["GIT_PASS"] not in refused.out + refused.err
    assert len(there.config.commits) == 1
    assert fault.objects("deployments") == []


def test_a_login_of_argo_cd_that_is_wrong_is_told_and_nothing_is_put_back(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    assert fault.deploy(*UP, *V1).code == 0
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"repo-{fault.namespace}",
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"type": "git", "url": there.config.url, "username": "reader", "password": "wr0ng-passw0rd"},
    }
    there.argocd("create", "-f", "-", stdin=json.dumps(secret))
    try:
        locked = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
        assert locked.code == 7, locked
        said = locked.json
        assert "authentication" in said["message"].lower(), locked
        assert "wr0ng-passw0rd" not in locked.out + locked.err
        assert said["release"]["restored"] is None
        assert len(there.config.commits) == 3
        status = fault.deploy("status", "--env", "dev", "--output", "json")
        (one,) = status.json["environments"]
        assert "application" in one, status
        assert "authentication" in " ".join(one["application"]["said"]).lower()
    finally:
        there.argocd("delete", "secret", f"repo-{fault.namespace}")

    well = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert well.code == 0, well
    assert well.json["release"]["commit"] == there.config.commits[0]
    assert len(there.config.commits) == 3, "what is there is not committed again"


def test_a_branch_that_is_rewritten_between_two_deploys(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    assert fault.deploy(*UP, *V1).code == 0
    first = there.config.commits[0]
    assert fault.deploy(*UP, *V2, "--set", "env.WORD=two").code == 0
    lost = there.config.commits[0]
    there.config.git("update-ref", "refs/heads/main", first)
    other = there.config.push("README.md", "Rewritten.\n")

    again = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert again.code == 0, again
    assert f"commit {lost[:12]}" in again.err, again
    assert "rewritten" in again.err
    ours, *older = there.config.commits
    assert older[:2] == [other, first]
    assert again.json["release"]["commit"] == ours
    assert there.app()["status"]["sync"]["revision"] == ours
    history = fault.deploy("history", "--env", "dev", "--output", "json").json["revisions"]
    assert [(one["commit"], one["verdict"]) for one in history] == [(first, "healthy"), (ours, "healthy")]
    quiet = fault.deploy(*UP, *V2, "--set", "env.WORD=two")
    assert quiet.code == 0, quiet
    assert "rewritten" not in quiet.err, "it is told once"


@pytest.mark.parametrize("to", ["another commit", "the commit before"])
def test_a_branch_that_is_rewritten_while_argo_cd_is_waited_for(fault: Project, deliver: Deliver, to: str) -> None:
    """The server takes our commit, and somebody's force-push is there before Argo CD looks."""
    there = deliver(fault)
    assert fault.deploy(*UP, *V1).code == 0
    before = there.config.commits[0]
    target = before
    if to == "another commit":
        target = there.config.push("README.md", "Rewritten.\n")
        there.config.git("update-ref", "refs/heads/main", before)
    hook = there.config.bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nrm -f "$0"\nexec git update-ref refs/heads/main {target}\n')
    hook.chmod(0o755)

    lost = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert not hook.exists()
    assert lost.code == 1, lost
    assert "rewritten" in lost.json["message"], lost
    assert "nothing was put back" in lost.json["hint"]
    assert there.config.commits[0] == target
    assert there.app()["status"]["sync"]["revision"] == target
    until(lambda: _is(fault, 2, _digest(there, target)), lambda: there.app()["status"])

    again = fault.deploy(*UP, *V2, "--set", "env.WORD=two", "--output", "json")
    assert again.code == 0, again
    assert again.json["release"]["commit"] == there.config.commits[0]


def test_what_a_hand_changes_is_put_back_also_while_a_deploy_is_at_work(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault, automated={"selfHeal": True})
    assert fault.deploy(*UP, *V1).code == 0
    wanted = _container(fault)["image"]
    fault.kubectl("scale", "deployment/web", "--replicas=3")
    fault.kubectl("set", "image", "deployment/web", f"{_container(fault)['name']}={_of(fault, 'v2')}")
    until(lambda: _is(fault, 2, wanted), lambda: there.app()["status"])

    def status() -> dict[str, Any]:
        one: dict[str, Any] = fault.deploy("status", "--env", "dev", "--output", "json").json["environments"][0]
        return one

    until(lambda: (one := status())["verdict"] == "healthy" and one["drift"] == [], status)
    assert len(there.config.commits) == 2

    process = job(fault, *UP, *V2, "--set", "env.WORD=two", "--output", "json")
    until(lambda: len(there.config.commits) == 3, lambda: "no commit")
    fault.kubectl("scale", "deployment/web", "--replicas=1")
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    ours = there.config.commits[0]
    assert json.loads(out)["release"]["commit"] == ours
    until(lambda: _is(fault, 2, _digest(there, ours)), lambda: there.app()["status"])
    assert len(there.config.commits) == 3
    until(lambda: (one := status())["verdict"] == "healthy" and one["drift"] == [], status)


def test_two_deploys_at_once_wait_for_each_other(fault: Project, deliver: Deliver) -> None:
    there = deliver(fault)
    fault.profile("dev", lock={"wait": "5m"})
    both = [job(fault, *UP, *tag, "--set", f"env.WORD={tag[1]}", "--output", "json") for tag in (V1, V2)]
    ended = [(*process.communicate(timeout=500), process.returncode) for process in both]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert sum("waiting for web" in err for _, err, _ in ended) == 1, ended
    second, first, _ = there.config.commits
    assert {json.loads(out)["release"]["commit"] for out, _, _ in ended} == {first, second}
    history = fault.deploy("history", "--env", "dev", "--output", "json").json["revisions"]
    assert [(one["commit"], one["verdict"]) for one in history] == [(first, "healthy"), (second, "healthy")]
    assert _is(fault, 2, _digest(there, second))
    assert fault.objects("leases") == []


def _container(project: Project) -> dict[str, Any]:
    (deployment,) = project.objects("deployments")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def _is(project: Project, replicas: int, image: str) -> bool:
    """Whether the Deployment asks for so many pods of an image, told by its end."""
    (deployment,) = project.objects("deployments")
    return bool(deployment["spec"]["replicas"] == replicas and _container(project)["image"].endswith(image))


def _of(project: Project, tag: str) -> str:
    return f"{os.environ['REGISTRY_URL']}/fault:{tag}"


def _digest(there: Delivery, commit: str) -> str:
    """Of the image that a commit's values name."""
    return str(yaml.safe_load(there.config.read("web/dev/values.yaml", commit))["image"]["digest"])
