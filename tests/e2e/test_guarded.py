"""Guards on the lab: signatures by git, records of another namespace, a terminal, what a release would change."""

import json
import os
import pty
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import ROOT, Project, kubectl, run

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def at_a_desk(project: Project) -> None:
    """The tests say themselves where they run in CI."""
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "DEPLOY_ENVIRONMENT"):
        project.environ.pop(name, None)


@pytest.fixture
def elsewhere(fault: Project) -> Iterator[str]:
    """A namespace for the environment `test`, which the job of dev may not look into yet."""
    name = f"t-{secrets.token_hex(4)}"
    kubectl("apply", "-f", "-", stdin=(ROOT / "lab" / "access.yaml").read_text().replace("NAMESPACE", name))
    fault.environ["TEST_NAMESPACE"] = name
    fault.profile("test", image={"repository": "fault"}, values={"replicaCount": 1, "env": {"VERSION": "v1"}})
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
    kubectl("delete", "clusterrole,clusterrolebinding", f"deployer-identity-{name}", "--wait=false")


def until(true: Callable[[], bool], what: str) -> None:
    """Await a condition."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.1)


def let_in(project: Project, namespace: str) -> None:
    """Give the job of dev the rights of a deployer in another namespace."""
    account = f"{project.namespace}:deployer"
    kubectl("-n", namespace, "create", "rolebinding", "guest", "--role=deployer", f"--serviceaccount={account}")
    who = f"--as=system:serviceaccount:{account}"
    for what in ("secrets", "configmaps"):
        until(
            lambda what=what: (
                kubectl("auth", "can-i", "list", what, "-n", namespace, who, check=False).strip() == "yes"
            ),
            what,
        )


def records(project: Project) -> dict[str, dict[str, str]]:
    """What is on record, by revision."""
    found = json.loads(project.kubectl("get", "configmaps", "-l", "deploy/release=web", "-o", "json"))["items"]
    return {item["metadata"]["labels"]["deploy/revision"]: item["data"] for item in found}


def test_an_image_must_be_healthy_elsewhere_first(fault: Project, elsewhere: str) -> None:
    fault.profile("dev", guards={"healthyIn": "test", "overridable": ["healthyIn"]})
    hidden = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert hidden.code == 3, hidden
    assert f"no permission to list configmaps in {elsewhere} (guards.healthyIn)" in hidden.err
    let_in(fault, elsewhere)
    early = fault.deploy("up", "--env", "dev", "--tag", "v1", "-o", "json")
    assert early.code == 3, early
    assert "no revision on record there ran it to a verdict" in early.json["message"]
    assert early.json["hint"] == "first: deploy up --env test --tag v1"
    assert fault.objects("deployments") == []

    there = fault.deploy("up", "--env", "test", "--tag", "v1")
    assert there.code == 0, there
    then = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert then.code == 0, then
    another = fault.deploy("up", "--env", "dev", "--tag", "v2")
    assert another.code == 3, another

    wanted = ("--override", "healthyIn", "--reason", "the shop is down")
    over = fault.deploy("up", "--env", "dev", "--tag", "v2", *wanted, "-o", "json")
    assert over.code == 0, over
    assert over.json["overrides"] == {"healthyIn": "the shop is down"}
    assert "guard healthyIn was passed over: the shop is down" in over.json["warnings"]
    assert "warning: guard healthyIn was passed over" in over.err
    kept = records(fault)
    assert json.loads(kept["1"]["overrides"]) == {}
    assert json.loads(kept["2"]["overrides"]) == {"healthyIn": "the shop is down"}


def test_all_that_refuse_are_told_together_and_each_can_be_met(fault: Project, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    fault.profile(
        "dev",
        guards={
            "cleanTree": True,
            "branch": "release/*",
            "tag": "v[0-9]*",
            "signed": "commit",
            "ciOnly": True,
            "window": {"not": [f"{today - timedelta(days=1)}..{today + timedelta(days=1)}"]},
            "freeze": "../FREEZE",
            "confirm": True,
        },
    )
    (tmp_path / "FREEZE").write_text("audit until Friday\n")
    up = ("up", "--env", "dev", "--tag", "v1", "--dry-run")
    refused = fault.deploy(*up)
    assert refused.code == 3, refused
    assert "8 guards of dev refuse; nothing was touched" in refused.err
    for key in ("cleanTree", "branch", "tag", "signed", "ciOnly", "window", "freeze", "confirm"):
        assert refused.err.count(f"guards.{key}:") == 1, refused
    assert "changes are frozen: audit until Friday" in refused.err
    doctor = fault.deploy("doctor", "--env", "dev", "--output", "json")
    assert doctor.code == 3, doctor
    assert "audit until Friday" in doctor.json["checks"]["guards.freeze"]
    assert doctor.json["checks"]["cluster"] == "ok"

    (tmp_path / "FREEZE").unlink()
    fault.profile("dev", guards={"window": {"not": []}})
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    (tmp_path / "signers").write_text(f"team@example.com {(tmp_path / 'key.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingkey", str(tmp_path / "key")),
        ("gpg.ssh.allowedSignersFile", str(tmp_path / "signers")),
    ):
        fault.git("config", name, value)
    fault.git("checkout", "-q", "-b", "release/1")
    fault.git("commit", "-q", "-a", "-S", "-m", "Guard dev")
    fault.git("tag", "v1.0.0")
    met = fault.deploy(*up, "--yes", environ={"CI": "true", "DEPLOY_ENVIRONMENT": "dev"})
    assert met.code == 0, met
    doctor = fault.deploy("doctor", "--env", "dev", environ={"CI": "true", "DEPLOY_ENVIRONMENT": "dev"})
    assert doctor.code == 0, doctor
    assert "✓ guards.signed" in doctor.out


def test_a_freeze_stops_a_rollback_too_and_a_window_does_not(fault: Project) -> None:
    for tag in ("v1", "v2"):
        assert fault.deploy("up", "--env", "dev", "--tag", tag, "--set", f"env.VERSION={tag}").code == 0
    fault.profile(
        "dev", guards={"freeze": "FREEZE", "window": {"not": ["2020-01-01..2100-01-01"]}, "overridable": ["freeze"]}
    )
    (fault.folder / "FREEZE").write_text("moving the database\n")
    back = ("rollback", "--env", "dev", "--yes")
    frozen = fault.deploy(*back)
    assert frozen.code == 3, frozen
    assert "changes are frozen: moving the database (guards.freeze)" in frozen.err
    done = fault.deploy(*back, "--override", "freeze", "--reason", "v2 loses orders")
    assert done.code == 0, done
    assert fault.answer().strip() == "v1"
    assert json.loads(records(fault)["3"]["overrides"]) == {"freeze": "v2 loses orders"}


def test_how_much_a_release_may_change(fault: Project) -> None:
    up = ("up", "--env", "dev", "--tag", "v1")
    assert fault.deploy(*up).code == 0
    fault.profile("dev", guards={"maxReplicasChange": "50%", "maxResourcesChange": 0})
    same = fault.deploy(*up, "--dry-run")
    assert same.code == 0, same
    more = fault.deploy(*up, "--dry-run", "--set", "replicaCount=6")
    assert more.code == 3, more
    assert "deployment/web: 2 → 6 replicas, a change of 200%; 50% are allowed at once" in more.err
    assert "changed: deployment/web" in more.err


def typed(project: Project, word: str, *argv: str) -> tuple[int, str, str]:
    """Run `deploy` on a terminal, and type a word when it asks: exit code, stdout, what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "deployer", *argv],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=project.folder,
        env={**project.environ, "TERM": "xterm"},
        text=True,
    )
    os.close(theirs)
    shown = b""

    def read() -> bytes:
        ready, _, _ = select.select([ours], [], [], 120)
        assert ready, f"nothing came after {shown!r}"
        try:
            return os.read(ours, 1024)
        except OSError:  # the terminal is closed: the program has ended
            return b""

    try:
        while b"to go on:" not in shown:
            part = read()
            assert part, shown
            shown += part
        os.write(ours, f"{word}\n".encode())
        while part := read():
            shown += part
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        os.close(ours)
    return process.returncode, out, shown.decode(errors="replace")


def test_the_environments_name_is_typed_on_a_terminal(fault: Project) -> None:
    fault.profile("dev", guards={"confirm": True})
    up = ("up", "--env", "dev", "--tag", "v1")
    nobody = fault.deploy(*up)
    assert nobody.code == 3, nobody
    assert "nobody is there to type the environment's name (guards.confirm)" in nobody.err
    code, _, shown = typed(fault, "yes", *up)
    assert code == 3, shown
    assert "`dev` was not typed; nothing was touched" in shown
    assert fault.objects("deployments") == []
    code, out, shown = typed(fault, "dev", *up)
    assert code == 0, shown
    assert "web in" in out
    assert fault.answer().strip() == "v1"
