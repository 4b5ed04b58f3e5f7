"""The lab is what it says it is."""

import json
import os
import secrets
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]


def run(*argv: str, stdin: str | None = None, check: bool = True, **environ: str) -> str:
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **environ}, cwd=ROOT
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stdout + done.stderr


def admin(*argv: str, stdin: str | None = None) -> str:
    return run("kubectl", "--kubeconfig", os.environ["LAB_ADMIN_KUBECONFIG"], *argv, stdin=stdin)


def test_two_nodes_are_ready() -> None:
    nodes = json.loads(admin("get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node1", "node2"]
    for node in nodes:
        assert {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"] == "True"


def test_up_again_changes_nothing_and_status_agrees() -> None:
    assert "ready in" in run("python3", "-m", "lab", "up")
    assert "NOT READY" not in run("python3", "-m", "lab", "status")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("helm", "version", "--short"), "v4."),
        (("helm3", "version", "--short"), "v3."),
        (("sops", "--version", "--disable-version-check"), "sops"),
        (("age", "--version"), ""),
        (("docker", "buildx", "version"), "buildx"),
    ],
)
def test_programs(argv: tuple[str, ...], says: str) -> None:
    assert says in run(*argv)


def test_the_accounts_may_deploy_and_no_more() -> None:
    def can(*what: str) -> bool:
        kubeconfig = os.environ["DEPLOY_KUBECONFIG"]
        return "yes" in run(
            "kubectl", "--kubeconfig", kubeconfig, "--context", "dev", "auth", "can-i", *what, check=False
        )

    assert can("create", "deployments", "-n", "dev")
    assert can("get", "pods", "--subresource=log", "-n", "dev")
    assert can("get", "namespace/kube-system")
    assert not can("create", "deployments", "-n", "prod")
    assert not can("get", "secrets", "-n", "kube-system")
    assert not can("create", "clusterroles")
    assert not can("get", "nodes")


def test_the_registry_wants_its_password() -> None:
    url = f"https://{os.environ['REGISTRY_URL']}/v2/"
    authority = os.environ["SSL_CERT_FILE"]
    code = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", authority)
    assert run(*code, url) == "401"
    assert run(*code, "-K", "-", url, stdin=f"user = {os.environ['REG_USER']}:{os.environ['REG_PASS']}") == "200"


def test_a_pod_reaches_a_service_by_name_on_the_other_node() -> None:
    image = os.environ["REDIS_IMAGE"]
    space = f"t-{secrets.token_hex(4)}"
    secret = {
        "auths": {os.environ["REGISTRY_URL"]: {"username": os.environ["REG_USER"], "password": os.environ["REG_PASS"]}}
    }
    admin("create", "namespace", space)
    try:
        admin(
            *("-n", space, "create", "-f", "-"),
            stdin=json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "List",
                    "items": [
                        {
                            "apiVersion": "v1",
                            "kind": "Secret",
                            "metadata": {"name": "pull"},
                            "type": "kubernetes.io/dockerconfigjson",
                            "stringData": {".dockerconfigjson": json.dumps(secret)},
                        },
                        {
                            "apiVersion": "v1",
                            "kind": "Service",
                            "metadata": {"name": "store"},
                            "spec": {"selector": {"app": "store"}, "ports": [{"port": 6379}]},
                        },
                        _pod("store", "node1", image, ["redis-server", "--protected-mode", "no", "--save", ""]),
                        _pod("asker", "node2", image, ["sleep", "600"]),
                    ],
                }
            ),
        )
        admin("-n", space, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=90s")
        # The name is there a moment after the pod is Ready; the shell asks until it is.
        ask = f"until redis-cli -h store.{space}.svc.cluster.local ping; do sleep 0.2; done"
        assert "PONG" in admin("-n", space, "exec", "asker", "--", "timeout", "20", "sh", "-c", ask)
    finally:
        admin("delete", "namespace", space, "--wait=false")


def _pod(name: str, node: str, image: str, command: list[str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{"name": name, "image": image, "command": command}],
        },
    }


@pytest.mark.parametrize("program", ["go", "apt-get"])
def test_where_it_cannot_run_it_says_so_first(program: str, tmp_path: Path) -> None:
    for one in ("python3", "env"):
        (tmp_path / one).symlink_to(run("sh", "-c", f"command -v {one}").strip())
    if program == "go":
        (tmp_path / "apt-get").symlink_to("/usr/bin/apt-get")
    done = subprocess.run(
        [run("python3", "-c", "import sys; print(sys.executable)").strip(), "-m", "lab", "up"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "cannot run here" in done.stderr
    assert "A cluster of your own" in done.stderr
