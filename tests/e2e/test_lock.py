"""One deploy of a release at a time, on the lab."""

import os
import pty
import select
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Deployed, Project
from processes import CI, job, until

from deployer import cluster

pytestmark = pytest.mark.lab

UP = ("up", "--env", "dev", "--tag", "v1")


@pytest.fixture
def impatient(fault: Project) -> Project:
    """A project whose leases run out soon."""
    fault.profile("dev", lock={"ttl": "5s", "wait": "120s"})
    return fault


def hold(project: Project, *, ttl: int, hours: float = 0, who: str = "bob") -> None:
    """Somebody's lease, with a renewal that many hours ahead of the server's clock."""
    door = cluster.connect(Path(project.environ["DEPLOY_KUBECONFIG"]), "dev")  # no program to start: it is to be quick
    now = datetime.fromtimestamp(door.server_time() + hours * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "deploy.web",
            "annotations": {"deploy/actor": who, "deploy/verb": "up", "deploy/job": "https://ci.example/1"},
        },
        "spec": {"holderIdentity": who, "leaseDurationSeconds": ttl, "acquireTime": now, "renewTime": now},
    }
    door.apply(cluster.path("Lease", project.namespace, "deploy.web"), lease)
    door.close()


def leases(project: Project) -> list[dict[str, Any]]:
    return project.objects("leases")


def revisions(project: Project) -> list[str]:
    return [
        item["metadata"]["labels"]["status"]
        for item in project.objects("secrets")
        if item["metadata"].get("labels", {}).get("owner") == "helm"
    ]


def on_a_terminal(project: Project, *argv: str, typed: str = "") -> Deployed:
    """Run `deploy` for somebody who sits in front of it, and types when asked."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "deployer", *argv],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        cwd=project.folder,
        env={**{k: v for k, v in project.environ.items() if k not in ("CI", "GITLAB_CI", "GITHUB_ACTIONS")}},
    )
    os.close(theirs)
    if typed:
        os.write(ours, f"{typed}\n".encode())
    said = b""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            if select.select([ours], [], [], 0.2)[0]:
                said += os.read(ours, 4096)
            elif process.poll() is not None:
                break
        except OSError:  # the other side is closed
            break
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    return Deployed(process.returncode, out, said.decode(errors="replace"))


def test_it_is_taken_by_every_verb_and_given_back(fault: Project) -> None:
    process = job(fault, *UP)
    until(lambda: leases(fault), "the lease")
    lease = leases(fault)[0]
    assert lease["metadata"]["name"] == "deploy.web"
    assert lease["metadata"]["annotations"] == {
        "deploy/actor": "ann",
        "deploy/job": CI["CI_JOB_URL"],
        "deploy/verb": "up",
    }
    assert lease["spec"]["leaseDurationSeconds"] == 30
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert leases(fault) == []


def test_in_ci_it_is_waited_for_and_on_a_terminal_it_fails_at_once(impatient: Project) -> None:
    hold(impatient, ttl=600)
    began = time.monotonic()
    refused = on_a_terminal(impatient, *UP)
    assert refused.code == 10, refused
    assert "web in" in refused.err
    assert "bob holds it for `deploy up` since" in refused.err
    assert "https://ci.example/1" in refused.err.replace("\r\n", "")
    assert "deploy unlock --env dev" in refused.err
    assert time.monotonic() - began < 100, "nobody was waited for"

    waiting = job(impatient, *UP)
    assert waiting.stderr
    for line in waiting.stderr:
        if "waiting for web" in line:
            break
    assert "bob holds it" in line
    impatient.kubectl("delete", "lease", "deploy.web")
    _, err = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, err
    assert "waiting" not in err, "it is told once"


def test_waiting_has_an_end(impatient: Project) -> None:
    impatient.profile("dev", lock={"wait": "2s"})
    hold(impatient, ttl=600)
    done = impatient.deploy(*UP, "-o", "json", environ=CI)
    assert done.code == 10, done
    assert done.json["outcome"] == "locked"
    assert done.json["changed"] is False
    assert revisions(impatient) == []


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_holder_that_is_gone_is_taken_over_whatever_its_clock_says(impatient: Project, hours: int) -> None:
    hold(impatient, ttl=5, hours=hours)
    done = impatient.deploy(*UP, environ=CI)
    assert done.code == 0, done
    assert "took the lease over: bob (https://ci.example/1) held it since" in done.err
    assert leases(impatient) == []


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_holder_that_renews_keeps_it_whatever_its_clock_says(impatient: Project, hours: int) -> None:
    impatient.profile("dev", lock={"wait": "20s"})
    hold(impatient, ttl=10, hours=hours)
    process = job(impatient, *UP)
    while process.poll() is None:
        hold(impatient, ttl=10, hours=hours)
        time.sleep(0.2)
    _, err = process.communicate()
    assert process.returncode == 10, err
    assert leases(impatient)[0]["spec"]["holderIdentity"] == "bob"


def test_stolen_while_it_works_it_stops_before_the_next_deed(impatient: Project) -> None:
    """The lease goes while the image is pushed to nowhere: the release is not touched."""
    hook = impatient.folder / "docker"
    hook.write_text('#!/bin/sh\ncase "$1 $2" in "buildx build") sleep 8;; esac\nexec docker "$@"\n')
    hook.chmod(0o755)
    impatient.profile("dev", tools={"docker": str(hook)}, image={"repository": "web", "context": "service"})
    process = job(impatient, "up", "--env", "dev", "-o", "json")
    until(lambda: leases(impatient), "the lease")
    hold(impatient, ttl=600, who="thief")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 10, (out, err)
    assert "the lease of web in" in out
    assert "is lost: thief holds it" in out
    assert revisions(impatient) == []
    assert leases(impatient)[0]["spec"]["holderIdentity"] == "thief"


def test_two_environments_do_not_wait_for_each_other(fault: Project) -> None:
    fault.profile("dev", release={"name": "one"})
    fault.profile(
        "test",
        image={"repository": "fault"},
        release={"name": "two", "timeout": "90s"},
        values={"replicaCount": 1, "env": {"VERSION": "v1"}, "fullnameOverride": "two"},
    )
    both = [job(fault, "up", "--env", env, "--tag", "v1") for env in ("dev", "test")]
    until(lambda: len(leases(fault)) == 2 or any(one.poll() is not None for one in both), "both leases")
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (out, err)
        assert "waiting for" not in err


def test_unlock(impatient: Project) -> None:
    nobody = impatient.deploy("unlock", "--env", "dev", "-o", "json")
    assert nobody.code == 0, nobody
    assert (nobody.json["holder"], nobody.json["changed"]) == (None, False)
    hold(impatient, ttl=600)
    refused = impatient.deploy("unlock", "--env", "dev")
    assert refused.code == 2, refused
    assert "--yes" in refused.err
    no = on_a_terminal(impatient, "unlock", "--env", "dev", typed="n")
    assert no.code == 3, no
    assert "bob holds it for `deploy up`" in no.err
    assert "last sign of life" in no.err
    assert leases(impatient)
    yes = on_a_terminal(impatient, "unlock", "--env", "dev", typed="y")
    assert yes.code == 0, yes
    assert leases(impatient) == []
    hold(impatient, ttl=600)
    done = impatient.deploy("unlock", "--env", "dev", "--yes", "-o", "json")
    assert done.code == 0, done
    assert done.json["holder"]["actor"] == "bob"
    assert done.json["changed"] is True
    assert leases(impatient) == []


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_down(impatient: Project, helm: str) -> None:
    environ = {"DEPLOY_HELM": helm}
    assert impatient.deploy(*UP, environ=environ).code == 0
    assert impatient.deploy("down", "--env", "dev", environ=environ).code == 2
    done = impatient.deploy("down", "--env", "dev", "--yes", "-o", "json", environ=environ)
    assert done.code == 0, done
    assert done.json["changed"] is True
    assert impatient.objects("deployments") == []
    assert revisions(impatient) == []
    records = lambda: [one for one in impatient.objects("configmaps") if one["metadata"]["name"].startswith("deploy.")]  # noqa: E731
    until(lambda: records() == [], "the end of the records")
    assert leases(impatient) == []
    again = impatient.deploy("down", "--env", "dev", "--yes", environ=environ)
    assert again.code == 0, again
    assert "there is no release web" in again.out


def test_down_asks_for_the_name_and_not_in_prod(impatient: Project) -> None:
    impatient.git("tag", "v1.0.0")
    refused = impatient.deploy("down", "--env", "prod", "--yes")
    assert refused.code == 3, refused
    assert "guards.down" in refused.err
    assert impatient.deploy(*UP).code == 0
    wrong = on_a_terminal(impatient, "down", "--env", "dev", typed="wbe")
    assert wrong.code == 3, wrong
    assert impatient.objects("deployments")
    right = on_a_terminal(impatient, "down", "--env", "dev", typed="web")
    assert right.code == 0, right
    assert impatient.objects("deployments") == []
