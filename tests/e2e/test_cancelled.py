"""Jobs that CI cancels and runs that are killed at the worst moments: what is left, and how the next `up` mends it."""

import signal
import time
from typing import Any

import pytest
from conftest import Project
from processes import CI, alive, descendants, job, kill, slowed, until

pytestmark = pytest.mark.lab

UP = ("up", "--env", "dev", "--tag", "v1")
HELMS = ["helm", "helm3"]


@pytest.fixture
def impatient(fault: Project) -> Project:
    """A project whose leases run out soon."""
    fault.profile("dev", lock={"ttl": "5s", "wait": "120s"})
    return fault


def history(project: Project) -> list[str]:
    """helm's word for each revision, oldest first."""
    labels = [item["metadata"].get("labels", {}) for item in project.objects("secrets")]
    helms = [one for one in labels if one.get("owner") == "helm"]
    return [one["status"] for one in sorted(helms, key=lambda one: int(one["version"]))]


def leases(project: Project) -> list[dict[str, Any]]:
    return project.objects("leases")


def mid_helm(project: Project, verb: tuple[str, ...], state: str, helm: str) -> Any:
    process = job(project, *verb, DEPLOY_HELM=helm)
    until(lambda: history(project)[-1:] == [state] or process.poll() is not None, state)
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.parametrize("helm", HELMS)
def test_killed_while_installing(impatient: Project, helm: str) -> None:
    hook = slowed(impatient, "pre-install", 120)
    process = mid_helm(impatient, UP, "pending-install", helm)
    kill(process, children=True)
    assert history(impatient) == ["pending-install"]
    assert leases(impatient) != []
    hook.unlink()
    done = impatient.deploy(*UP, "-o", "json", environ={**CI, "DEPLOY_HELM": helm})
    assert done.code == 0, done
    assert "a killed run left revision 1 pending-install: removed, so that helm installs again" in done.json["warnings"]
    assert "took the lease over: ann" in done.err
    assert history(impatient) == ["deployed"]
    assert leases(impatient) == []


@pytest.mark.parametrize("helm", HELMS)
def test_killed_while_upgrading(impatient: Project, helm: str) -> None:
    assert impatient.deploy(*UP, environ={"DEPLOY_HELM": helm}).code == 0
    hook = slowed(impatient, "pre-upgrade", 120)
    process = mid_helm(impatient, UP, "pending-upgrade", helm)
    kill(process, children=True)
    pods = {pod["metadata"]["uid"] for pod in impatient.objects("pods") if "slow" not in pod["metadata"]["name"]}
    hook.unlink()
    done = impatient.deploy(*UP, "-o", "json", environ={**CI, "DEPLOY_HELM": helm})
    assert done.code == 0, done
    assert "a killed run left revision 2 pending-upgrade: marked failed" in done.json["warnings"]
    assert history(impatient) == ["superseded", "failed", "deployed"]
    assert pods <= {pod["metadata"]["uid"] for pod in impatient.objects("pods")}, "no pod was touched"
    assert leases(impatient) == []


@pytest.mark.parametrize("helm", HELMS)
def test_killed_while_rolling_back(impatient: Project, helm: str) -> None:
    hook = slowed(impatient, "pre-rollback", 120)
    assert impatient.deploy(*UP, environ={"DEPLOY_HELM": helm}).code == 0
    v2 = ("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2")
    assert impatient.deploy(*v2, environ={"DEPLOY_HELM": helm}).code == 0
    process = mid_helm(impatient, ("rollback", "--env", "dev", "--yes"), "pending-rollback", helm)
    kill(process, children=True)
    hook.unlink()
    done = impatient.deploy(*UP, "-o", "json", environ={**CI, "DEPLOY_HELM": helm})
    assert done.code == 0, done
    assert "a killed run left revision 3 pending-rollback: marked failed" in done.json["warnings"]
    assert history(impatient) == ["superseded", "superseded", "failed", "deployed"]


@pytest.mark.parametrize("helm", HELMS)
def test_killed_while_removing(impatient: Project, helm: str) -> None:
    hook = slowed(impatient, "pre-delete", 120)
    assert impatient.deploy(*UP, environ={"DEPLOY_HELM": helm}).code == 0
    process = mid_helm(impatient, ("down", "--env", "dev", "--yes"), "uninstalling", helm)
    kill(process, children=True)
    hook.unlink()
    done = impatient.deploy(*UP, "-o", "json", environ={**CI, "DEPLOY_HELM": helm})
    assert done.code == 0, done
    assert "a killed run left revision 1 uninstalling: marked failed" in done.json["warnings"]
    assert impatient.answer().strip() == "v1"


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        pytest.param([(signal.SIGTERM, 10.0)], 143, id="GitLab"),
        pytest.param([(signal.SIGINT, 7.5), (signal.SIGTERM, 2.5)], 130, id="GitHub"),
    ],
)
@pytest.mark.parametrize("helm", HELMS)
def test_cancelled_while_helm_works(
    impatient: Project, helm: str, signals: list[tuple[signal.Signals, float]], code: int
) -> None:
    """It ends by itself before CI kills it: helm is ended, the lease given back."""
    assert impatient.deploy(*UP, environ={"DEPLOY_HELM": helm}).code == 0
    hook = slowed(impatient, "pre-upgrade", 120)
    process = mid_helm(impatient, UP, "pending-upgrade", helm)
    below = descendants(process.pid)
    _cancel(process, signals)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (code, 128 + signal.SIGTERM, -signal.SIGKILL), (out, err)
    assert "Traceback" not in out + err
    until(lambda: not any(map(alive, below)), "the end of helm", 30)
    assert history(impatient)[-1] in ("failed", "pending-upgrade")
    if process.returncode != -signal.SIGKILL:  # a machine with much to do may not get that far in 10 s
        assert leases(impatient) == []
        assert "deploy up" in out
    hook.unlink()
    done = impatient.deploy(*UP, environ={**CI, "DEPLOY_HELM": helm})
    assert done.code == 0, done
    assert history(impatient) == ["superseded", "failed", "deployed"]


def test_cancelled_while_it_waits_for_the_lease(impatient: Project) -> None:
    impatient.profile("dev", lock={"ttl": "60s"})  # the holder lives, however slow the machine is
    holder = job(impatient, *UP, "--set", "env.READY_AFTER=20s")
    until(lambda: leases(impatient), "the lease")
    waiting = job(impatient, *UP)
    assert waiting.stderr
    assert any("waiting for web" in line for line in waiting.stderr)
    waiting.send_signal(signal.SIGTERM)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 143, (out, err)
    _, err = holder.communicate(timeout=300)
    assert holder.returncode == 0, "the waiting one did not take its lease: " + err


def _cancel(process: Any, signals: list[tuple[signal.Signals, float]]) -> None:
    """As CI does it: each signal, and its seconds until the next; then SIGKILL."""
    for number, seconds in signals:
        process.send_signal(number)
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    if process.poll() is None:
        kill(process, children=True)
