"""What `deploy verify` takes for a workload."""

import pytest

from deployer import cluster
from deployer.cli.verify import _wanted
from deployer.errors import UsageError
from deployer.health.verdict import Workload


def wanted(text: str, door: cluster.Cluster = None) -> list[Workload]:  # type: ignore[assignment]  # it asks nothing
    return _wanted(door, "dev", [text], None)


@pytest.mark.parametrize(
    ("text", "workload"),
    [
        ("deployment/web", Workload("Deployment", "web")),
        ("Deployments/web", Workload("Deployment", "web")),
        ("deployment.apps/web", Workload("Deployment", "web")),
        ("deployments.v1.apps/web", Workload("Deployment", "web")),
        ("statefulset.apps/db", Workload("StatefulSet", "db")),
        ("daemonset.apps/agent", Workload("DaemonSet", "agent")),
        ("job.batch/migrate", Workload("Job", "migrate")),
        ("pod/web-0", Workload("Pod", "web-0")),
    ],
)
def test_as_kubectl_prints_it(text: str, workload: Workload) -> None:
    assert wanted(text) == [workload]


@pytest.mark.parametrize(
    "text", ["web", "deployment/", "deployment.apps", "deployment.example.org/web", "job.apps/x", "pod.v1/x", "pod./x"]
)
def test_what_is_no_workload(text: str) -> None:
    with pytest.raises(UsageError, match=f"`{text}` is not KIND/NAME"):
        wanted(text)
