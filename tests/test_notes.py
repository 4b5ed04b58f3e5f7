"""GitLab for real, but for what it answers: an HTTP server on 127.0.0.1 that keeps notes, and has its faults."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback import serving

from deployer import notes
from deployer.cli import run
from deployer.errors import DeployError

TOKEN = "glpat-of-a-test-0123"
NOTES = "/api/v4/projects/team%2Fweb/merge_requests/4/notes"


@dataclass
class GitLab:
    """Keeps the notes of one merge request."""

    url: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, token
    faults: list[int] = field(default_factory=list)  # statuses of the next answers
    location: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {
            **{"GITLAB_CI": "true", "CI_API_V4_URL": f"{self.url}/api/v4", "CI_PROJECT_ID": "team/web"},
            **{"CI_MERGE_REQUEST_IID": "4", "DEPLOY_GITLAB_TOKEN": TOKEN},
        }

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: str) -> tuple[int, Any]:
        if self.faults:
            return self.faults.pop(0), {"message": "no"}
        if path == NOTES and method == "GET":
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.notes[(page - 1) * size : page * size]
        if path == NOTES and method == "POST":
            self.notes.append({"id": len(self.notes) + 100, "body": json.loads(body)["body"], "system": False})
            return 201, self.notes[-1]
        for note in self.notes:
            if path == f"{NOTES}/{note['id']}" and method == "PUT":
                note["body"] = json.loads(body)["body"]
                return 200, note
        return 404, {"message": "404 Not found"}


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    made = GitLab()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urlsplit(self.path)
            made.asked.append((self.command, url.path, self.headers.get("PRIVATE-TOKEN", "")))
            assert TOKEN not in self.path
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, found = made.answer(self.command, url.path, parse_qs(url.query), body)
            content = json.dumps(found).encode()
            self.send_response(status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as made.url:
        yield made


def request(gitlab: GitLab) -> notes.MergeRequest:
    found = notes.merge_request(gitlab.environ)
    assert found
    return found


def test_one_note_a_marker_written_anew(gitlab: GitLab) -> None:
    gitlab.notes = [{"id": number, "body": "talk <!-- deploy prod -->", "system": False} for number in range(1, 100)]
    gitlab.notes.insert(0, {"id": 5000, "body": "<!-- deploy prod -->\nassigned", "system": True})
    request(gitlab).leave("deploy prod", "one")
    request(gitlab).leave("deploy test", "other")
    request(gitlab).leave("deploy prod", "two")
    ours = [note["body"] for note in gitlab.notes[100:]]
    assert ours == ["<!-- deploy prod -->\ntwo", "<!-- deploy test -->\nother"]
    assert {token for _, _, token in gitlab.asked} == {TOKEN}


def test_a_long_one_is_cut(gitlab: GitLab) -> None:
    request(gitlab).leave("deploy prod", "x" * 2_000_000)
    assert len(gitlab.notes[0]["body"]) < 201_000
    assert gitlab.notes[0]["body"].endswith("see the job's log")


def test_a_moment_of_trouble_is_waited_out_but_nothing_is_posted_twice(gitlab: GitLab) -> None:
    gitlab.faults = [503, 429]
    request(gitlab).leave("deploy prod", "one")
    assert len(gitlab.notes) == 1
    gitlab.notes.clear()
    gitlab.asked.clear()

    def slow(method: str, *rest: Any) -> tuple[int, Any]:
        return (502, {}) if method == "POST" else GitLab.answer(gitlab, method, *rest)

    gitlab.answer = slow  # type: ignore[method-assign]
    with pytest.raises(DeployError, match="GitLab answers 502 to POST"):
        request(gitlab).leave("deploy prod", "one")
    assert [method for method, _, _ in gitlab.asked] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "is not taken"), (403, "needs the scope api"), (404, "may not see"), (500, "answers 500")],
)
def test_a_refusal_says_what_the_token_lacks(gitlab: GitLab, status: int, said: str) -> None:
    gitlab.faults = [status] * 5
    with pytest.raises(DeployError, match=said) as caught:
        request(gitlab).leave("deploy prod", "one")
    assert TOKEN not in str(caught.value)


def test_the_token_goes_to_this_host_alone(gitlab: GitLab) -> None:
    gitlab.faults, gitlab.location = [302] * 3, "http://localhost:1/elsewhere"
    with pytest.raises(DeployError, match="answers 302"):
        request(gitlab).leave("deploy prod", "one")
    assert len(gitlab.asked) == 1


def test_nobody_there() -> None:
    with pytest.raises(DeployError, match="GitLab does not answer: MaxRetryError") as caught:
        notes.MergeRequest("http://127.0.0.1:1/api/v4", "7", "4", TOKEN).leave("deploy prod", "one")
    assert TOKEN not in repr(caught.value)
    assert TOKEN not in repr(notes.MergeRequest("http://127.0.0.1:1", "7", "4", TOKEN))


@pytest.mark.parametrize("lacking", ["GITLAB_CI", "CI_API_V4_URL", "CI_MERGE_REQUEST_IID", "DEPLOY_GITLAB_TOKEN"])
def test_where_there_is_no_merge_request_or_no_token(gitlab: GitLab, lacking: str) -> None:
    assert notes.merge_request({name: value for name, value in gitlab.environ.items() if name != lacking}) is None


def test_a_run_leaves_its_note(
    gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**gitlab.environ, "CI_PROJECT_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "shop").mkdir()
    summary = tmp_path / "summary.md"
    for folder in (".", "shop", "."):
        where = ["--env", "prod", "-C", str(tmp_path / folder)]
        assert run(["up", *where, "--tag", TOKEN, "--summary", str(summary)]) == 2
    first, second = (note["body"] for note in gitlab.notes)
    assert first.startswith("<!-- deploy prod in . -->\n### ❌ deploy up prod\n")
    assert second.startswith("<!-- deploy prod in shop -->\n")
    assert summary.read_text() == first.partition("\n")[2] + "\n"
    assert run(["plan", "--env", "prod", "-C", str(tmp_path)]) == 2
    assert "### ❌ deploy plan prod" in gitlab.notes[0]["body"]
    gitlab.faults = [403] * 9
    assert run(["up", "--env", "prod", "-C", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert "warning: no note on the merge request: GitLab answers 403" in told.err
    assert TOKEN not in told.out + told.err + json.dumps(gitlab.notes)
