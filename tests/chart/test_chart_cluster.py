"""A real API server takes what the chart renders, in a namespace that asks for PodSecurity `restricted`."""

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from rendering import Helm, environment

pytestmark = pytest.mark.lab
CUSTOM = {"VirtualService", "DestinationRule", "PeerAuthentication", "Gateway", "HTTPRoute", "ServiceMonitor"}
"""Of operators that this cluster may not have."""


def kubectl(*argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    admin = os.environ["LAB_ADMIN_KUBECONFIG"]
    return subprocess.run(
        ["kubectl", "--kubeconfig", admin, *argv], input=stdin, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def restricted() -> Iterator[str]:
    """A namespace that refuses pods, and warns of templates of pods, that are not restricted."""
    if "LAB_ADMIN_KUBECONFIG" not in os.environ:
        pytest.skip("LAB_ADMIN_KUBECONFIG names no cluster (make lab sets it)")
    name = f"chart-{secrets.token_hex(4)}"
    rules = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": rules}}
    made = kubectl("create", "--filename", "-", stdin=yaml.safe_dump(namespace))
    assert not made.returncode, made.stderr
    kubectl("--namespace", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("name", ["dev", "test", "prod", "gateway", "mesh"])
def test_api_server_takes_it_without_a_warning(helm: Helm, restricted: str, name: str) -> None:
    objects = [item for item in helm.render(environment(name)).objects if item["kind"] not in CUSTOM]
    done = kubectl(
        *("--namespace", restricted, "create", "--dry-run=server", "--validate=strict", "--filename", "-"),
        stdin=yaml.safe_dump_all(objects),
    )
    assert not done.returncode, done.stderr
    assert not done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_api_server_would_refuse_less(helm: Helm, restricted: str) -> None:
    """The tests above mean something: this namespace does refuse."""
    rendered = helm.render({"securityContext": {"allowPrivilegeEscalation": True}})
    pod = yaml.safe_dump(rendered.one("Pod", "web-test"))
    done = kubectl("--namespace", restricted, "create", "--dry-run=server", "--filename", "-", stdin=pod)
    assert "violates PodSecurity" in done.stderr
