"""`deploy init` in a fresh Go repository, and then the main job."""

import json
from pathlib import Path

import pytest
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
