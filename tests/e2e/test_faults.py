"""The world fails in the middle of an `up`: what is told, what is left, and that the next `up` converges.

For the registry see test_registry_faults.py; for a run that is killed itself, test_cancelled.py.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from afterwards import converges, ended, history, untouched
from between import HOST, Between
from conftest import Project, run
from held import hold
from processes import CI, descendants, job, slowed, until

pytestmark = pytest.mark.lab

UP = ("up", "--env", "dev", "--tag", "v1", "--output", "json")
BUILD = ("up", "--env", "dev", "--output", "json")


@pytest.fixture
def api(fault: Project, tmp_path: Path) -> Iterator[Between]:
    """The way to the API server that the project takes: it can be away, and the lab's server is not touched."""
    config = json.loads(Path(fault.environ["DEPLOY_KUBECONFIG"]).read_text())
    cluster = config["clusters"][0]["cluster"]
    between = Between("apiserver", cluster["server"].removeprefix("https://"))
    cluster["server"] = f"https://{HOST}:{between.server_port}"
    file = tmp_path / "kubeconfig-between"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    fault.environ["DEPLOY_KUBECONFIG"] = str(file)
    fault.profile("dev", lock={"ttl": "5s", "wait": "180s"})
    yield between
    between.shutdown()
    between.server_close()


# -- the API server is away ----------------------------------------------------------------------------------------


def test_away_before_the_checks(fault: Project, api: Between) -> None:
    api.leave()
    done = fault.deploy(*UP, environ=CI)
    assert done.code == 3, done
    assert "the API server" in done.json["message"]
    assert "does not answer" in done.json["message"]
    assert done.json["changed"] is False
    untouched(fault)
    assert fault.objects("leases") == []
    api.back()
    converges(fault, *UP)


@pytest.mark.parametrize("path", ["/selfsubjectaccessreviews", "/configmaps", "/secrets"])
def test_away_in_the_middle_of_the_checks(fault: Project, api: Between, path: str) -> None:
    api.leave_at(lambda asked: path in asked.path)
    done = fault.deploy(*UP, environ=CI)
    assert done.code == 3, done
    assert "does not answer" in done.json["message"] + str(done.json["detail"])
    assert done.json["changed"] is False
    untouched(fault)
    assert fault.objects("leases") == []
    api.back()
    converges(fault, *UP)


def test_away_when_the_lease_is_taken(fault: Project, api: Between) -> None:
    fault.profile("dev", lock={"wait": "3s"})
    api.leave_at(lambda asked: asked.method == "POST" and asked.path.partition("?")[0].endswith("/leases"))
    done = fault.deploy(*UP, environ=CI)
    assert done.code == 7, done
    assert "does not answer" in done.json["message"]
    assert done.json["changed"] is False
    untouched(fault)
    api.back()
    converges(fault, *UP)


def test_away_while_building_and_back_before_it_is_done(small: Project, api: Between, tmp_path: Path) -> None:
    docker = hold(small, "docker", "buildx build", tmp_path)
    process = job(small, *BUILD)
    docker.wait(process)
    api.leave()
    asked = len(api.asked)
    until(lambda: len(api.asked) > asked, "a renewal that fails")
    api.back()
    docker.go()
    done = ended(process)
    assert done.code == 0, done
    assert history(small) == ["deployed"]
    assert small.objects("leases") == []


@pytest.mark.parametrize(("ttl", "code"), [("5s", 10), ("900s", 7)], ids=["past-the-lease", "within-the-lease"])
def test_away_while_building_and_for_good(small: Project, api: Between, tmp_path: Path, ttl: str, code: int) -> None:
    """The image is built and pushed, and nothing is released without a cluster to be asked."""
    small.profile("dev", lock={"ttl": ttl})
    docker = hold(small, "docker", "buildx build", tmp_path)
    process = job(small, *BUILD)
    docker.wait(process)
    api.leave()
    left = time.monotonic()
    until(lambda: code == 7 or time.monotonic() > left + 6, "the end of the lease")
    docker.go()
    done = ended(process)
    assert done.code == code, done
    assert ("has not taken a renewal" if code == 10 else "does not answer") in done.json["message"]
    assert done.json["changed"] is (code == 7), "an image was pushed, or not"
    untouched(small)
    api.back()
    if code == 7:
        small.kubectl("delete", "lease", "deploy.web")  # nobody waits for a quarter of an hour
    done = converges(small, *BUILD)
    assert ("push" in [stage["name"] for stage in done.json["stages"]]) is (code == 10), "what was pushed is used"


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_away_before_helm(fault: Project, api: Between, tmp_path: Path, helm: str) -> None:
    held = hold(fault, helm, "upgrade", tmp_path)
    process = job(fault, *UP)
    held.wait(process)
    api.leave()
    held.go()
    done = ended(process)
    assert done.code == 7, done
    assert "helm could not release the chart" in done.json["message"]
    assert "deploy up" in done.json["hint"]
    untouched(fault)
    api.back()
    converges(fault, *UP)


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_away_while_helm_works(fault: Project, api: Between, helm: str) -> None:
    """helm cannot say how it ended, so its revision stays pending until the next run."""
    process, hook = mid_upgrade(fault, helm)
    api.leave()
    done = ended(process)
    assert done.code == 7, done
    assert "helm could not release the chart" in done.json["message"]
    assert done.json["release"]["restored"] is None
    assert history(fault) == ["deployed", "pending-upgrade"]
    hook.unlink()
    api.back()
    done = converges(fault, *UP, "--set", "env.RUN=3")
    assert "a killed run left revision 2 pending-upgrade: marked failed" in done.json["warnings"]


def test_away_after_helm(fault: Project, api: Between) -> None:
    api.leave_at(lambda asked: asked.agent == "deploy" and asked.path.partition("?")[0].endswith("/deployments/web"))
    done = fault.deploy(*UP, "--timeout", "20s", environ=CI)
    assert done.code == 7, done
    assert "no verdict: " in done.json["message"]
    assert "deploy status" in done.json["hint"]
    assert done.json["changed"] is True
    assert history(fault) == ["deployed"]
    api.back()
    converges(fault, *UP)


def test_away_while_watching(fault: Project, api: Between) -> None:
    assert fault.deploy(*UP).code == 0
    api.asked.clear()
    process = job(fault, *UP, "--set", "env.READY_AFTER=600s", "--timeout", "30s")
    until(lambda: watches(api) or process.poll() is not None, "the watch")
    api.leave()
    done = ended(process)
    assert done.code == 7, done
    assert "no verdict" in done.json["message"]
    assert done.json["release"]["restored"] is None, "what cannot be seen is not put back"
    assert "deploy status" in done.json["hint"]
    assert history(fault) == ["superseded", "deployed"]
    api.back()
    converges(fault, *UP)


def test_away_when_the_verdict_is_recorded(fault: Project, api: Between) -> None:
    api.leave_at(lambda asked: asked.method == "PATCH" and "/configmaps/deploy.web." in asked.path)
    done = fault.deploy(*UP, environ=CI)
    assert done.code == 0, done
    assert any(one.startswith("the verdict is not on record: ") for one in done.json["warnings"])
    assert history(fault) == ["deployed"]
    api.back()
    done = converges(fault, *UP)
    assert "took the lease over" in done.err


def test_away_before_the_failed_revision_is_rolled_back(fault: Project, api: Between) -> None:
    assert fault.deploy(*UP).code == 0
    api.leave_at(lambda asked: asked.method == "PATCH" and "/configmaps/deploy.web." in asked.path)
    done = fault.deploy(*UP, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1", environ=CI)
    assert done.code == 5, done
    assert done.json["release"]["restored"] is None
    assert any(one.startswith("revision 1 could not be put back: ") for one in done.json["warnings"])
    assert history(fault) == ["superseded", "deployed"]
    api.back()
    converges(fault, *UP)


def watches(api: Between) -> bool:
    """Whether pods are watched."""
    return any("/pods?" in one.path and "watch=true" in one.path for one in api.asked)


# -- helm is killed ------------------------------------------------------------------------------------------------


def mid_upgrade(project: Project, helm: str) -> tuple[Any, Path]:
    """A second `up` whose helm waits for a hook, which is in that file."""
    assert project.deploy(*UP, environ={"DEPLOY_HELM": helm}).code == 0
    file = slowed(project, "pre-upgrade", 120)
    process = job(project, *UP, "--set", "env.RUN=2", DEPLOY_HELM=helm)
    until(lambda: history(project)[-1:] == ["pending-upgrade"] or process.poll() is not None, "pending-upgrade")
    return process, file


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=str)
@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_helm_is_killed(fault: Project, helm: str, number: signal.Signals) -> None:
    """By the kernel for want of memory, or by somebody: `deploy` lives, says so, and gives the lease back."""
    process, hook = mid_upgrade(fault, helm)
    (found,) = (pid for pid in descendants(process.pid) if name(pid) == helm)
    os.kill(found, number)
    done = ended(process)
    assert done.code == 1, done
    assert "helm could not release the chart" in done.json["message"]
    assert fault.objects("leases") == []
    if number == signal.SIGKILL:
        assert "SIGKILL" in done.json["message"]
        assert "deploy up" in done.json["hint"]
        assert history(fault) == ["deployed", "pending-upgrade"]
    else:
        assert history(fault)[0] == "deployed"
    hook.unlink()
    converges(fault, *UP, "--set", "env.RUN=3")


def name(pid: int) -> str:
    """The program that a process runs; empty where it is over."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


# -- nothing can be written ----------------------------------------------------------------------------------------


@pytest.fixture
def frozen() -> Iterator[Callable[[Path], None]]:
    """Makes folders read-only, for root too."""
    done: list[Path] = []

    def freeze(folder: Path) -> None:
        run("mount", "--bind", folder, folder)
        done.append(folder)
        run("mount", "-o", "remount,bind,ro", folder)

    yield freeze
    for folder in reversed(done):
        run("umount", "-l", folder)


def test_home_and_project_are_read_only(small: Project, tmp_path: Path, frozen: Callable[[Path], None]) -> None:
    """As in a job that mounts its sources and runs as somebody without a home: build, push, release, unchanged."""
    home = tmp_path / "home"
    (home / ".docker" / "buildx").mkdir(parents=True)
    frozen(home)
    frozen(small.folder)
    with pytest.raises(OSError, match="Read-only"):
        (home / "file").touch()
    small.environ["HOME"] = str(home)
    done = small.deploy(*BUILD, environ=CI)
    assert done.code == 0, done
    assert "push" in [stage["name"] for stage in done.json["stages"]]
    done = converges(small, *BUILD)
    assert "unchanged" in done.json["message"]


@pytest.mark.parametrize("room", ["size=4k", "size=8k", "size=12k"])
def test_temporary_files_find_no_room(fault: Project, tmp_path: Path, room: str) -> None:
    """It is found before anything is touched."""
    folder = tmp_path / "full"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", room, "tmpfs", folder)
    try:
        done = fault.deploy(*UP, environ={**CI, "TMPDIR": str(folder)})
        left = list(folder.iterdir())
    finally:
        run("umount", "-l", folder)
    assert done.code == 3, done
    said = done.json["message"] + str(done.json["detail"])
    assert "No space left on device" in said
    assert str(folder) in said
    assert left == []
    untouched(fault)
    assert fault.objects("leases") == []
    converges(fault, *UP)
