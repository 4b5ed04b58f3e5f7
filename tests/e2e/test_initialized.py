"""`deploy init` in a fresh Go repository, and then the main job."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import Project, _environ, run

pytestmark = pytest.mark.lab

MAIN = """// Command orders answers every request.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "orders in %s", os.Getenv("ENVIRONMENT"))
	})%s
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"""
HEALTH = """
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})"""


@pytest.fixture
def orders(namespace: str, kubeconfig: Path, tmp_path: Path) -> Project:
    """A Go module in a git repository, and nothing else."""
    folder = tmp_path / "orders"
    folder.mkdir()
    made = Project(folder, namespace, _environ(kubeconfig, namespace, tmp_path))
    (folder / "go.mod").write_text("module example.com/team/orders\n\ngo 1.24\n")
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.email", "team@example.com")
    made.git("config", "user.name", "Team")
    return made


def commit(project: Project) -> None:
    project.git("add", "--all")
    project.git("commit", "-q", "-m", "Change")


def test_from_nothing_to_healthy(orders: Project) -> None:
    (orders.folder / "main.go").write_text(MAIN.replace("%s\n\tif", "\n\tif"))
    written = orders.deploy("init", "--ci", "github", "--output", "json")
    assert written.code == 0, written
    assert "chart" in written.json["written"]
    commit(orders)
    for environment in ("dev", "test", "prod"):
        for helm in ("helm", "helm3"):
            values = '{"image": {"tag": "1"}}'
            chart, name = orders.folder / "chart", f"environments/{environment}.yaml"
            assert (orders.folder / name).is_file()
            run(helm, "template", "orders", chart, "--values", "-", stdin=values, env=orders.environ)
    check = orders.deploy("config", "check", "--output", "json")
    assert check.code == 0, check
    assert {one["severity"] for one in check.json["findings"]} <= {"note"}, check
    doctor = orders.deploy("doctor", "--env", "test", "--output", "json")
    assert doctor.code == 0, doctor
    up = orders.deploy("up", "--env", "dev", "--output", "json")
    assert up.code == 0, up
    assert orders.answer(service="orders") == "orders in dev"
    (container,) = orders.objects("pods")[0]["spec"]["containers"]
    assert container["name"] == "orders"
    assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}

    # The service gets a path that tells more: what was written stays as it is until its owner takes it away.
    (orders.folder / "main.go").write_text(MAIN.replace("%s\n\tif", f"{HEALTH}\n\tif"))
    kept = orders.deploy("init", "--ci", "github", "--output", "json")
    assert kept.code == 12, kept
    assert kept.json["kept"] == ["environments/base.yaml"]
    (orders.folder / "environments" / "base.yaml").unlink()
    assert orders.deploy("init", "--ci", "github").code == 0
    commit(orders)
    again = orders.deploy("up", "--env", "dev", "--output", "json")
    assert again.code == 0, again
    pods = [pod for pod in orders.objects("pods") if not pod["metadata"].get("deletionTimestamp")]
    assert json.dumps(pods[-1]["spec"]["containers"][0]["readinessProbe"]["httpGet"]).count("/health") == 1


def test_the_gitlab_pipeline_builds_in_one_job_and_deploys_that_in_another(orders: Project) -> None:
    (orders.folder / "main.go").write_text(MAIN.replace("%s\n\tif", "\n\tif"))
    assert orders.deploy("init", "--ci", "gitlab").code == 0
    orders.profile("dev", guards={"cleanTree": True})
    commit(orders)
    program = orders.folder.parent / "bin" / "deploy"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m deployer "$@"\n')
    program.chmod(0o755)
    pipeline = yaml.safe_load((orders.folder / ".gitlab-ci.yml").read_text())
    environ = {**orders.environ, "PATH": f"{program.parent}:{orders.environ['PATH']}", "GITLAB_CI": "true"}

    def job(name: str, **variables: str) -> Path:
        """Run a job's script as a runner does: in a clone, with the artifacts of the jobs it depends on."""
        folder = orders.folder.parent / name
        orders.git("clone", "-q", ".", str(folder))
        for other in pipeline[name].get("dependencies", ()):
            for path in pipeline[other]["artifacts"]["paths"]:
                shutil.copytree(folder.parent / other / path, folder / path)
        script = [*pipeline[".deploy"]["before_script"], *pipeline[name]["script"]]
        run("bash", "-euc", "\n".join(script), cwd=folder, env={**environ, **variables})
        return folder

    pushed = job("push", DEPLOY_KUBECONFIG="/nowhere")
    built = json.loads((pushed / ".deploy" / "image.json").read_text())["build"]
    assert built["tag"].endswith(built["sha"][:12]), "the report made the tree dirty"
    deployed = job("dev", DOCKER_HOST="unix:///nowhere")
    assert orders.answer(service="orders") == "orders in dev"
    (newest,) = replace(orders, folder=deployed).deploy("history", "--env", "dev", "-o", "json").json["revisions"]
    assert (newest["record"]["image"], newest["record"]["sha"]) == (built["image"], built["sha"])
