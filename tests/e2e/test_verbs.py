"""Every other verb on the lab, and what happens when a run is cut off."""

import contextlib
import os
import pty
import signal
import subprocess
import sys

import pytest
from conftest import Project, kubectl
from waiting import until

pytestmark = pytest.mark.lab

CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")


def test_rollback_goes_to_the_last_good_revision(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    assert fault.deploy("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2").code == 0
    assert fault.answer().strip() == "v2"
    back = fault.deploy("rollback", "--env", "dev", "--yes", "-o", "json")
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


def test_rollback_shows_what_changes_and_asks(fault: Project) -> None:
    fault.profile("dev", secrets={"secret.data.WORD": "WORD"})
    fault.environ["WORD"] = "hush-hush"
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    fault.environ["WORD"] = "new-and-quiet"
    assert fault.deploy("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2").code == 0
    asked = fault.deploy("rollback", "--env", "dev", "-o", "json")
    assert asked.code == 2, asked
    assert asked.json["hint"] == "--yes goes on without asking"
    for line in (
        "revision 2 → what revision 1 was",
        "values: env.VERSION: v2 → v1",
        "values: secret.data.WORD: differs",
        "image of deployment/web, container web: ",
    ):
        assert line in asked.err, asked
    shown = fault.deploy("rollback", "--env", "dev", "--dry-run", "-o", "json")
    assert shown.code == 0, shown
    assert {"what": "values: env.VERSION", "before": "v2", "after": "v1"} in shown.json["differences"]
    assert "hush-hush" not in asked.err + asked.out + shown.out + shown.err
    assert "new-and-quiet" not in asked.err + asked.out + shown.out + shown.err
    assert [
        item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for item in fault.objects("deploy")
    ] == ["2"]

    fault.profile("dev", rollback={"automatic": False})
    failed = fault.deploy("up", "--env", "dev", "--tag", "v1", *CRASH)
    assert failed.code == 5, failed
    assert fault.deploy("rollback", "--env", "dev", "--yes", "--timeout", "60s").code == 0
    refused = fault.deploy("rollback", "--env", "dev", "--to", "3", "--yes")
    assert refused.code == 3, refused
    assert "revision 3 of web was judged failed: " in refused.err
    already = fault.deploy("rollback", "--env", "dev", "--to", "2", "--yes")
    assert already.code == 3, already
    assert "is what revision 4 is already" in already.err
    forced = fault.deploy("rollback", "--env", "dev", "--to", "3", "--force", "--yes")
    assert forced.code == 5, forced


def test_a_rollback_asks_who_sits_at_a_terminal(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    assert fault.deploy("up", "--env", "dev", "--tag", "v2").code == 0
    alone = dict.fromkeys(("CI", "GITHUB_ACTIONS", "GITLAB_CI"), "")
    for answer, code, revision in (("n", 3, 2), ("y", 0, 3)):
        near, far = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "deployer", "rollback", "--env", "dev"],
            stdin=far,
            stderr=far,
            stdout=subprocess.PIPE,
            text=True,
            cwd=fault.folder,
            env={**fault.environ, **alone},
        )
        os.close(far)
        try:
            told = ""
            while "put it back?" not in told:
                told += os.read(near, 4096).decode()
            assert "revision 2 → what revision 1 was" in told
            os.write(near, f"{answer}\n".encode())
            told += _rest(near)
            out, _ = process.communicate(timeout=120)
        finally:
            process.kill()
            os.close(near)
        assert process.returncode == code, (out, told)
        assert ("not confirmed; nothing was touched" in told) is (answer == "n")
        assert f'"{revision}"' in _revision(fault)
        assert f'"{revision + 1}"' not in _revision(fault)


def _rest(terminal: int) -> str:
    """All that is still said on a terminal, until its other end is closed."""
    told = b""
    with contextlib.suppress(OSError):
        while more := os.read(terminal, 4096):
            told += more
    return told.decode(errors="replace")


def test_history_tells_who_what_when_and_how_often(fault: Project) -> None:
    fault.environ |= {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "ann",
        "GITHUB_SERVER_URL": "https://ci.example",
        "GITHUB_REPOSITORY": "shop/web",
        "GITHUB_RUN_ID": "7",
    }
    empty = fault.deploy("history", "--env", "dev", "-o", "json")
    assert (empty.code, empty.json["revisions"], empty.json["figures"]["revisions"]) == (0, [], 0)
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    assert fault.deploy("up", "--env", "dev", "--tag", "v1", *CRASH).code == 5
    found = fault.deploy("history", "--env", "dev", "-o", "json")
    assert found.code == 0, found
    first, second, third = found.json["revisions"]
    assert [one["verdict"] for one in (first, second, third)] == ["healthy", "failed", "healthy"]
    assert third["rollbackTo"] == 1
    assert third["record"]["verb"] == "rollback"
    assert first["record"]["image"] == third["record"]["image"]
    assert "exit" in second["record"]["cause"]
    assert first["record"]["actor"] == "ann"
    assert first["record"]["job"] == "https://ci.example/shop/web/actions/runs/7"
    assert first["record"]["sha"] == fault.git("rev-parse", "HEAD").strip()
    assert first["record"]["seconds"] > 0
    figures = found.json["figures"]
    assert (figures["deploys"], figures["failed"], figures["recoveries"]) == (2, 1, 1)
    assert 0 < figures["secondsToRecover"] < 300
    text = fault.deploy("history", "--env", "dev", "--limit", "1")
    assert text.code == 0, text
    lines = [line.split() for line in text.out.splitlines()]
    assert lines[2][:3] == ["3", "healthy", "deployed"]
    assert lines[3] == ["rollback", "to", "1"]
    assert "over 3 revisions that are kept" in text.out


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
    assert fault.deploy("rollback", "--env", "dev", "--yes").code == 0


def test_status_of_all_environments(fault: Project) -> None:
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    status = fault.deploy("status")
    assert status.code == 0, status
    rows = [line.split() for line in status.out.splitlines()]
    assert [row[:2] for row in rows] == [
        ["ENVIRONMENT", "HEALTH"],
        ["dev", "healthy"],
        ["prod", "healthy"],
        ["test", "healthy"],
    ]


def test_watching_tells_what_changes_until_ctrl_c(fault: Project) -> None:
    process = fault.start("status", "--env", "dev", "--watch")
    try:
        assert process.stdout
        assert "dev: nothing released" in process.stdout.readline()
        assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
        for line in process.stdout:
            if "dev: healthy, revision 1" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    assert err == ""


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
    back = fault.deploy("rollback", "--env", "dev", "--to", "1", "--yes", environ=environ)
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
