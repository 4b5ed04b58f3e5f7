"""Every other verb on the lab, and what happens when a run is cut off."""

import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from conftest import Project, kubectl

pytestmark = pytest.mark.lab

CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Await a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.1)


def test_rollback_goes_to_the_last_good_revision(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    assert fault.deploy("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2").code == 0
    assert fault.answer().strip() == "v2"
    back = fault.deploy("rollback", "--env", "dev", "-o", "json")
    assert back.code == 0, back
    assert back.json["release"]["revision"] == 3
    assert fault.answer().strip() == "v1"
    status = fault.deploy("status", "--env", "dev", "-o", "json")
    assert status.code == 0, status
    environment = status.json["environments"][0]
    assert environment["verdict"] == "healthy"
    assert [one["image"].rpartition("@")[0].rpartition(":")[2] for one in environment["running"]] == ["v1"]


def test_rollback_without_anything_to_go_back_to(fault: Project) -> None:
    nothing = fault.deploy("rollback", "--env", "dev")
    assert nothing.code == 3
    assert "there is no release web" in nothing.err
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    first = fault.deploy("rollback", "--env", "dev")
    assert first.code == 3
    assert "no good revision before it" in first.err
    unknown = fault.deploy("rollback", "--env", "dev", "--to", "9")
    assert unknown.code == 3
    assert "has no revision 9" in unknown.err


def test_a_first_install_that_fails_is_left_in_place(fault: Project) -> None:
    failed = fault.deploy("up", "--env", "dev", "--tag", "v1", *CRASH)
    assert failed.code == 5, failed
    assert "helm uninstall web --namespace" in failed.out
    assert fault.objects("deployments") != []
    status = fault.deploy("status", "--env", "dev")
    assert status.code == 5, status
    mended = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert mended.code == 0, mended


def test_without_automatic_rollback_the_failed_pods_stay(fault: Project) -> None:
    fault.profile("dev", rollback={"automatic": False})
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    failed = fault.deploy("up", "--env", "dev", "--tag", "v1", *CRASH)
    assert failed.code == 5, failed
    assert "`deploy rollback --env dev` puts the last good back" in failed.out
    assert fault.answer().strip() == "v1"
    assert fault.deploy("rollback", "--env", "dev").code == 0


def test_status_of_all_environments(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    status = fault.deploy("status")
    assert status.code == 0, status
    assert [line.split()[0] for line in status.out.splitlines() if not line.startswith(" ")] == ["dev", "prod", "test"]


def test_verify_needs_no_profile(fault: Project, kubeconfig: str) -> None:
    where = ("-n", fault.namespace, "--context", "dev", "--kubeconfig", str(kubeconfig))
    missing = fault.deploy("verify", "deployment/web", *where)
    assert missing.code == 1, missing
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    good = fault.deploy("verify", "deploy/web", *where, "-o", "json")
    assert good.code == 0, good
    assert good.json["verdict"] == "healthy"
    assert fault.deploy("verify", "--release", "web", *where).code == 0
    fault.kubectl("set", "image", "deployment/web", "web=registry.lab:5443/fault:nope")
    bad = fault.deploy("verify", "deployment/web", *where, "-o", "json")
    assert bad.code == 5, bad
    assert bad.json["workloads"][0]["causes"][0]["rule"] == "image_not_found"
    assert fault.deploy("verify", "shoe/web", *where).code == 2
    paused = fault.kubectl("rollout", "pause", "deployment/web")
    assert "paused" in paused
    assert fault.deploy("verify", "deployment/web", *where).code in (5, 8)


def test_doctor_names_every_check(project: Project) -> None:
    well = project.deploy("doctor", "--env", "dev")
    assert well.code == 0, well
    project.environ["REG_PASS"] = "wrong-password"
    ill = project.deploy("doctor", "--env", "dev", "-o", "json")
    assert ill.code == 3, ill
    assert "refuses the login" in ill.json["checks"]["image"]
    assert ill.json["checks"]["cluster"] == "ok"


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_what_kubectl_has_changed_breaks_no_release(fault: Project, helm: str) -> None:
    environ = {"DEPLOY_HELM": helm}
    assert fault.deploy("up", "--env", "dev", "--tag", "v1", environ=environ).code == 0
    fault.kubectl("set", "env", "deployment/web", "VERSION=by-hand")
    fault.kubectl("scale", "deployment/web", "--replicas=1")
    up = fault.deploy("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2", environ=environ)
    assert up.code == 0, up
    assert fault.answer().strip() == "v2"
    assert fault.objects("deployments")[0]["spec"]["replicas"] == 2
    fault.kubectl("set", "env", "deployment/web", "VERSION=by-hand")
    back = fault.deploy("rollback", "--env", "dev", "--to", "1", environ=environ)
    assert back.code == 0, back
    assert fault.answer().strip() == "v1"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_cut_off_while_watching(fault: Project, number: signal.Signals, code: int) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    process = fault.start("up", "--env", "dev", "--tag", "v1", "--set", "env.NEVER_READY=1")
    try:
        until(lambda: '"2"' in _revision(fault), "the second revision")
        until(lambda: len(fault.objects("pods")) > 2, "its pod")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code, (out, err)
    assert "revision 2 is released, but was not watched to the end" in out
    assert "Traceback" not in out + err
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0


def test_a_run_that_is_cut_off_before_helm(project: Project) -> None:
    process = project.start("up", "--env", "dev")
    assert process.stderr
    for line in process.stderr:
        if "build …" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, (out, err)
    assert "the release was not touched" in out
    assert project.objects("deployments") == []
    assert not _children(process), "docker was ended too"


def _revision(project: Project) -> str:
    path = "jsonpath={range .items[?(@.metadata.labels.owner=='helm')]}\"{.metadata.labels.version}\" {end}"
    return kubectl("-n", project.namespace, "get", "secrets", "-o", path)


def _children(process: subprocess.Popen[str]) -> str:
    return subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
