"""Bad input and a bad world: one clear error, its exit code, nothing changed."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Deployed, Project, kubectl, run

pytestmark = pytest.mark.lab


def edit(name: str, old: str, new: str) -> Callable[[Project], None]:
    """Replace text in a file of the project."""

    def change(project: Project) -> None:
        file = project.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return change


def append(name: str, text: str) -> Callable[[Project], None]:
    """Put text at the end of a file of the project."""

    def change(project: Project) -> None:
        with open(project.folder / name, "a") as file:
            file.write(text)

    return change


DEV = "environments/dev.yaml"

CASES = [
    pytest.param(
        2,
        ["unknown environment `stagging`", "environments here: dev, prod, test"],
        None,
        {},
        "stagging",
        id="unknown environment",
    ),
    pytest.param(
        2,
        ["environments/dev.yaml:3: unknown key `contxt` in target; did you mean `context`?"],
        edit(DEV, "context:", "contxt:"),
        {},
        "dev",
        id="unknown key",
    ),
    pytest.param(
        2,
        ["environments/dev.yaml:7: image.tag is `brunch`", "did you mean `branch`?"],
        edit(DEV, "tag: branch", "tag: brunch"),
        {},
        "dev",
        id="unknown value",
    ),
    pytest.param(
        2,
        ["environments/dev.yaml:10: rollback.automatic", "boolean"],
        edit(DEV, "automatic: false", "automatic: sometimes"),
        {},
        "dev",
        id="wrong type",
    ),
    pytest.param(
        2,
        ["variable not set: REGISTRY_URL", "environments/base.yaml:9: registry.url needs ${REGISTRY_URL}"],
        None,
        {"REGISTRY_URL": None},
        "dev",
        id="missing variable",
    ),
    pytest.param(
        3,
        ["the registry login needs variables that are not set: REG_PASS"],
        None,
        {"REG_PASS": None},
        "dev",
        id="missing secret",
    ),
    pytest.param(
        2, ["environments/dev.yaml:", "not valid YAML"], append(DEV, "\n  - [broken\n"), {}, "dev", id="bad YAML"
    ),
    pytest.param(
        2,
        ["target.namespace is `${DEV_NAMESPACE:dev}`", "not a DNS label"],
        None,
        {"DEV_NAMESPACE": "Not_A_Label"},
        "dev",
        id="no DNS label",
    ),
    pytest.param(
        3,
        ["has no context `devv`; did you mean `dev`?", "contexts there: dev, prod, test"],
        None,
        {"DEV_CONTEXT": "devv"},
        "dev",
        id="missing context",
    ),
    pytest.param(
        3, ["there is no kubeconfig at"], None, {"DEPLOY_KUBECONFIG": "/nowhere/config"}, "dev", id="missing kubeconfig"
    ),
    pytest.param(
        3,
        ["context `prod` leads to another cluster", "uid"],
        None,
        {"PROD_CLUSTER_UID": "11111111-2222-3333-4444-555555555555"},
        "prod",
        id="another cluster",
    ),
    pytest.param(
        3, ["refuses the login of `deploy` (401)"], None, {"REG_PASS": "wrong-password"}, "dev", id="wrong password"
    ),
    pytest.param(
        3,
        ["registry registry.lab:5444 does not answer"],
        None,
        {"REGISTRY_URL": "registry.lab:5444"},
        "dev",
        id="registry down",
    ),
    pytest.param(
        3,
        ["the API server", "does not answer"],
        None,
        {"DEPLOY_KUBECONFIG": "unreachable"},
        "dev",
        id="API server down",
    ),
    pytest.param(
        3,
        ["chart chart does not render", "replcas"],
        append(DEV, "  replcas: 3\n"),
        {},
        "dev",
        id="chart does not take the values",
    ),
    pytest.param(
        3,
        ["chart chart does not render", "nowhere"],
        edit("chart/templates/service.yaml", "kind: Service", 'kind: {{ include "nowhere" . }}'),
        {},
        "dev",
        id="chart does not render",
    ),
    pytest.param(
        3,
        ["there is no chart at charts"],
        append("environments/base.yaml", "\n"),
        {"CHART": "charts"},
        "dev",
        id="no chart",
    ),
    pytest.param(
        3,
        ["no permission in namespace test", "create secrets"],
        None,
        {"DEV_NAMESPACE": "test"},
        "dev",
        id="no permission",
    ),
    pytest.param(
        3, ["`helm-nowhere` is not installed"], None, {"DEPLOY_HELM": "helm-nowhere"}, "dev", id="helm missing"
    ),
    pytest.param(3, ["helm v3.10.0 is too old"], None, {"DEPLOY_HELM": "old-helm"}, "dev", id="helm too old"),
    pytest.param(
        3, ["no engine answers"], None, {"DOCKER_HOST": "unix:///nowhere/docker.sock"}, "dev", id="no docker engine"
    ),
    pytest.param(3, ["has no version tag"], None, {}, "prod", id="no version"),
]


@pytest.mark.parametrize(("code", "said", "change", "variables", "environment"), CASES)
def test_refusals(
    project: Project,
    code: int,
    said: list[str],
    change: Callable[[Project], None] | None,
    variables: dict[str, str | None],
    environment: str,
    tmp_path: Path,
) -> None:
    if change:
        change(project)
    for name, value in variables.items():
        if value is None:
            del project.environ[name]
        elif name == "CHART":
            project.profile("base", release={"chart": value})
        elif value == "unreachable":
            text = Path(project.environ[name]).read_text().replace(":6443", ":6444")
            (tmp_path / "down").write_text(text)
            project.environ[name] = str(tmp_path / "down")
        elif value == "old-helm":
            (tmp_path / "old-helm").write_text("#!/bin/sh\necho v3.10.0\n")
            (tmp_path / "old-helm").chmod(0o755)
            project.environ[name] = str(tmp_path / "old-helm")
        else:
            project.environ[name] = value
    done = project.deploy("up", "--env", environment)
    _refused(project, done, code, said)


def _refused(project: Project, done: Deployed, code: int, said: list[str]) -> None:
    assert done.code == code, done
    for words in said:
        assert words in done.err + done.out, done
    assert done.err.count("error:") + done.out.count("failed:") == 1, done
    assert project.objects("deployments,secrets") == [] or not any(
        item["metadata"].get("labels", {}).get("owner") == "helm" for item in project.objects("secrets")
    )
    assert project.objects("deployments") == []


def test_a_dockerfile_that_does_not_build(project: Project) -> None:
    edit("service/main.go", "package main", "package main\nfunc broken( {")(project)
    done = project.deploy("up", "--env", "dev")
    _refused(project, done, 4, ["the image could not be built", "main.go:3:"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "docker-of-another-machine` is not installed"),
        ('{"Client":{"Version":"28.0.0"},"Server":{"Version":"19.03.8"}}', "docker engine 19.03.8 is too old"),
    ],
)
def test_docker_missing_or_too_old(project: Project, tmp_path: Path, answer: str | None, said: str) -> None:
    program = tmp_path / "docker-of-another-machine"
    if answer:
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
    project.profile("dev", tools={"docker": str(program)})
    _refused(project, project.deploy("up", "--env", "dev"), 3, [said])


def test_errors_are_json_too(project: Project) -> None:
    done = project.deploy("up", "--env", "nope", "--output", "json")
    assert done.code == 2
    assert done.json["outcome"] == "usage"
    assert done.json["changed"] is False
    assert "unknown environment `nope`" in done.json["message"]


def test_an_unknown_option_is_a_usage_error(project: Project) -> None:
    done = project.deploy("up", "--evn", "dev")
    assert done.code == 2
    assert "--evn" in done.err


def test_several_problems_are_told_together(project: Project) -> None:
    project.environ |= {"REG_PASS": "wrong-password", "DEV_CONTEXT": "devv"}
    done = project.deploy("up", "--env", "dev")
    assert done.code == 3, done
    assert "refuses the login" in done.err
    assert "has no context `devv`" in done.err


def test_the_jobs_own_settings_cannot_redirect_a_deploy(project: Project, namespace: str) -> None:
    elsewhere = {
        "KUBECONFIG": "/nowhere",
        "HELM_NAMESPACE": "kube-public",
        "HELM_KUBECONTEXT": "nope",
        "HELM_DRIVER": "memory",
    }
    done = project.deploy("up", "--env", "dev", environ=elsewhere)
    assert done.code == 0, done
    assert [item["metadata"]["name"] for item in project.objects("deployments")] == ["web"]
    assert "sh.helm.release.v1.web.v1" in kubectl("-n", namespace, "get", "secrets", "-o", "name")


@pytest.fixture
def full_disk() -> Iterator[str]:
    """A docker engine whose disk is too small for the base image; its address."""
    folder = Path(tempfile.mkdtemp(prefix="full-"))  # short: the engine's sockets have a limit of 107 characters
    root = folder / "disk"
    root.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", root)
    address = f"unix://{folder}/docker.sock"
    # A bridge of its own: an engine told to have none takes docker0 away from the others.
    run("ip", "link", "add", "fulldisk0", "type", "bridge")
    run("ip", "address", "add", "10.99.0.1/24", "dev", "fulldisk0")
    engine = subprocess.Popen(
        [
            *("dockerd", "--host", address, "--data-root", root / "data", "--exec-root", folder / "exec"),
            *("--pidfile", folder / "pid", "--bridge", "fulldisk0", "--iptables=false", "--ip6tables=false"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 60
        while run("docker", "--host", address, "info", check=False).returncode:
            assert time.monotonic() < until
            time.sleep(0.2)
        yield address
    finally:
        engine.terminate()
        engine.wait(timeout=30)
        run("umount", "-l", root)
        run("ip", "link", "del", "fulldisk0")
        shutil.rmtree(folder, ignore_errors=True)


def test_the_disk_is_full_while_building(project: Project, full_disk: str) -> None:
    done = project.deploy("up", "--env", "dev", environ={"DOCKER_HOST": full_disk})
    _refused(project, done, 4, ["the image could not be built", "no space left on device"])


def test_no_room_for_temporary_files(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tmpfs", folder)
    try:
        done = project.deploy("up", "--env", "dev", environ={"TMPDIR": str(folder)})
    finally:
        run("umount", folder)
    _refused(project, done, 3, ["No space left on device"])


def test_a_read_only_profile_folder_and_no_home(project: Project) -> None:
    del project.environ["HOME"]
    done = project.deploy(
        "doctor", "--env", "dev", environ={"DEPLOY_KUBECONFIG": os.environ["DEPLOY_KUBECONFIG"], "DEV_NAMESPACE": "dev"}
    )
    assert done.code == 0, done
