"""`deploy up` on the lab, as a job runs it."""

import json

import pytest
from conftest import Project

pytestmark = pytest.mark.lab

HELMS = ["helm", "helm3"]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("environment", "replicas", "memory"), [("dev", 1, "256Mi"), ("test", 2, "512Mi"), ("prod", 5, "2Gi")]
)
def test_every_environment_with_both_helms(
    project: Project, environment: str, replicas: int, memory: str, helm: str
) -> None:
    project.git("tag", f"v1.0.0-{project.namespace}")  # the registry is shared: another run must not move the tag
    environ = {"DEPLOY_HELM": helm}
    first = project.deploy("up", "--env", environment, "--output", "json", environ=environ)
    assert first.code == 0, first
    image = first.json["image"]
    pods = [pod for pod in project.objects("pods") if not pod["metadata"].get("deletionTimestamp")]
    assert len(pods) == replicas
    for pod in pods:
        status = pod["status"]["containerStatuses"][0]
        assert status["imageID"].endswith(image["digest"])
        assert status["image"] or pod["spec"]["containers"][0]["image"] == image["reference"]
        assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == memory
    answer = json.loads(project.answer())
    assert answer["environment"] == environment
    assert answer["version"] == image["tag"]

    same = project.deploy("up", "--env", environment, "--output", "json", environ=environ)
    assert same.code == 0, same
    assert same.json["changed"] is False
    assert "is unchanged: healthy at revision 1" in same.json["message"]
    assert same.json["image"] == image

    again = project.deploy("up", "--env", environment, "--force", "--output", "json", environ=environ)
    assert again.code == 0, again
    assert "build" not in [stage["name"] for stage in again.json["stages"]]
    assert "not built" in again.err
    assert {pod["metadata"]["uid"] for pod in project.objects("pods")} == {pod["metadata"]["uid"] for pod in pods}
    assert "no pod was rolled" in again.json["message"]


def test_a_broken_image_is_told_in_seconds_and_the_old_version_serves_throughout(fault: Project) -> None:
    good = fault.deploy("up", "--env", "dev", "--tag", "v1")
    assert good.code == 0, good
    served: list[str] = []
    import threading

    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            served.append(fault.answer().strip())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        bad = fault.deploy(
            "up",
            "--env",
            "dev",
            "--tag",
            "v1",
            "--set",
            "env.EXIT_AFTER=0s",
            "--set",
            "env.EXIT_CODE=1",
            "--set",
            "env.VERSION=v2",
            "-o",
            "json",
        )
    finally:
        over.set()
        asking.join()
    assert bad.code == 5, bad
    assert bad.json["release"]["restored"] == 1
    assert "exit 1" in bad.json["message"] or "exited" in bad.json["message"]
    assert "cannot open /data/orders.db" in bad.err, "the log tail"
    assert len(served) > 10
    assert set(served) == {"v1"}
    assert fault.objects("deployments")[0]["status"]["readyReplicas"] == 2


def test_a_missing_tag_in_the_registry_is_built(project: Project) -> None:
    done = project.deploy("up", "--env", "dev", "--dry-run")
    assert done.code == 0, done
    assert "would" in done.out
    assert project.objects("deployments") == []
