"""Every snippet of docs/ci.md, run on the lab."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Project, run
from loopback import serving

from lab.runner import github, gitlab
from lab.runner.forge import Event, Forge, Machine, Variable

pytestmark = pytest.mark.lab

PAGE = (ROOT / "docs" / "ci.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = FENCE.findall(PAGE)
INDENTED = re.findall(r"(?:^    .+\n)+", FENCE.sub("", PAGE), re.MULTILINE)


def snippet(language: str, beginning: str) -> str:
    """The one snippet that begins so."""
    (found,) = [text for kind, text in FENCED if kind == language and text.startswith(beginning)]
    return found


@pytest.fixture
def forge(small: Project, tmp_path: Path) -> Forge:
    """The project, pushed; a machine with `deploy` on it, and the test's own environment as settings."""
    bare = tmp_path / "forge" / "small.git"
    small.git("add", "--all")
    small.git("commit", "-q", "-m", "Settings")
    small.git("clone", "-q", "--bare", ".", str(bare))
    run("git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    machine = Machine(
        environ={**small.environ, "PATH": f"{deploy(tmp_path)}:{small.environ['PATH']}"},
        python=Path(sys.executable),
        docker=small.environ["DOCKER_HOST"],
        images={"deploy": tmp_path / "bin"},
    )
    return Forge(bare, "https://ci.example", "team/small", machine)


def deploy(folder: Path) -> Path:
    """A folder with the program."""
    program = folder / "bin" / "deploy"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m deployer "$@"\n')
    program.chmod(0o755)
    return program.parent


def push(project: Project) -> Event:
    return Event("push", "main", project.git("rev-parse", "HEAD").strip())


def of_gitlab(text: str) -> Mapping[str, Any]:
    """A pipeline with the jobs of a snippet, and what a job has to have."""
    jobs = {name: {"stage": "all", "image": "deploy", **job} for name, job in yaml.safe_load(text).items()}
    return {"stages": ["all"], "workflow": {"rules": [{"if": "$CI"}]}, **jobs}


def test_no_snippet_is_left_out() -> None:
    assert [(kind, text.splitlines()[0]) for kind, text in FENCED] == [
        ("json", "{"),
        ("yaml", "# GitHub Actions"),
        ("yaml", "# GitLab CI"),
        ("yaml", "plan:"),
    ]
    assert [text.split()[:2] for text in INDENTED] == [["deploy", "build"]]


def test_build_in_one_job_and_deploy_in_another(small: Project, tmp_path: Path) -> None:
    environ = {**small.environ, "PATH": f"{deploy(tmp_path)}:{small.environ['PATH']}"}
    run("bash", "-ec", INDENTED[0], cwd=small.folder, env=environ)
    report = json.loads((small.folder / "image.json").read_text())
    shown = json.loads(snippet("json", "{"))
    assert report["format"] == shown["format"]
    assert {key: type(value) for key, value in report["build"].items()} == {
        key: type(value) for key, value in shown["build"].items()
    }
    assert small.answer().strip() == "v1"


def test_the_steps_for_github(small: Project, forge: Forge, tmp_path: Path) -> None:
    smoke = small.folder / "smoke-test.sh"
    smoke.write_text('#!/bin/sh\necho "tested $1"\n')
    smoke.chmod(0o755)
    small.git("add", "--all")
    small.git("commit", "-q", "-m", "Test")
    small.git("push", "-q", str(forge.repository), "HEAD:main")
    steps = [{"uses": "actions/checkout@v4"}, *yaml.safe_load(snippet("yaml", "# GitHub Actions"))]
    workflow = {"on": "push", "jobs": {"dev": {"runs-on": "ubuntu-latest", "steps": steps}}}
    ended = github.Run(workflow, forge, push(small), tmp_path / "run").go()["dev"]
    assert ended.status == "success", ended.log
    digest = (
        small.deploy("history", "--env", "dev", "-o", "json").json["revisions"][-1]["record"]["image"].partition("@")[2]
    )
    assert f"tested {digest}" in ended.log.splitlines()


def test_the_job_for_gitlab(small: Project, forge: Forge, tmp_path: Path) -> None:
    small.profile("dev", values={"ingress": {"enabled": True, "hosts": [{"host": "web.example.com"}]}})
    small.git("commit", "-q", "-a", "-m", "An Ingress")
    small.git("push", "-q", str(forge.repository), "HEAD:main")
    built = small.deploy("build", "--env", "dev")  # by another job: this one has no docker
    assert built.code == 0, built
    pipeline = of_gitlab(snippet("yaml", "# GitLab CI"))
    ended = gitlab.Run(pipeline, forge, push(small), tmp_path / "run").go()["dev"]
    assert ended.status == "success", ended.log
    assert "DEPLOYED_OUTCOME=ok" in ended.reports["dotenv"].read_text()
    assert ended.address == "http://web.example.com"
    assert 'name="deployment/web"' in ended.reports["junit"].read_text()


def test_the_plan_on_a_merge_request(small: Project, forge: Forge, tmp_path: Path, notes: "Notes") -> None:
    small.profile("prod", **yaml.safe_load((small.folder / "environments" / "dev.yaml").read_text()))
    small.profile("prod", target={"context": "prod"}, image={"tag": "commit"}, guards={"tag": None, "cleanTree": False})
    small.git("commit", "-q", "-a", "-m", "As dev")
    small.git("push", "-q", str(forge.repository), "HEAD:main")
    token = Variable("DEPLOY_GITLAB_TOKEN", "glpat-of-a-test-0123", "plan", secret=True)
    there = replace(forge, url=notes.url, variables=(token,), protected_environments=frozenset())
    event = replace(push(small), kind="merge_request", request=4)
    pipeline = of_gitlab(snippet("yaml", "plan:"))
    for number in (1, 2):
        ended = gitlab.Run(pipeline, there, event, tmp_path / f"run{number}", number).go()["plan"]
        assert ended.status == "success", ended.log
    (note,) = notes.kept
    assert note["body"].startswith("<!-- deploy prod in . -->\n### deploy plan: prod\n")
    assert "| replicaCount |" in note["body"] or "first revision" in note["body"]
    assert token.value not in ended.log
    assert gitlab.Run(pipeline, there, push(small), tmp_path / "push", 3).go() == {}


class Notes:
    """The notes of a merge request, kept by a server that answers as GitLab does."""

    def __init__(self, url: str) -> None:
        self.url, self.kept = url, list[dict[str, Any]]()


@pytest.fixture
def notes() -> Iterator[Notes]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            found: Any = made.kept
            if self.command == "POST":
                made.kept.append({"id": 1, "system": False, **body})
            if self.command == "PUT":
                made.kept[0].update(body)
            content = json.dumps(found).encode()
            self.send_response(201 if self.command == "POST" else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as url:
        made = Notes(url)
        yield made
