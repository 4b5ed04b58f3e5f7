"""The door to Prometheus: an HTTP server on 127.0.0.1 says what a Prometheus, or what is not one, might say."""

import json
import math
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import pytest
from loopback import serving

from deployer.prometheus import Prometheus, Refused, Unanswered


@dataclass
class Fake:
    """Answers the same to all, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)

    def says(self, kind: str, result: Any) -> None:
        """A result as Prometheus gives it."""
        self.body = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            made.asked.append((self.path, form, dict(self.headers)))
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body.encode())

    with serving(Handler) as url:
        made.url = f"{url}/prometheus/"
        yield made


def test_a_vector(fake: Fake) -> None:
    known = {"metric": {"pod": "b", "a": "1"}, "value": [1.5, "0.25"]}
    fake.says("vector", [known, {"metric": {}, "value": [1, "NaN"]}])
    found = Prometheus(fake.url, {"X-Scope-OrgID": "shop"}, 7).query('up{a="b c"}', at=12.3456)
    assert found['{a="1", pod="b"}'] == 0.25
    assert math.isnan(found["{}"])
    path, form, headers = fake.asked[0]
    assert path == "/prometheus/api/v1/query"
    assert form == {"query": ['up{a="b c"}'], "time": ["12.346"], "timeout": ["7s"]}
    assert headers["X-Scope-OrgID"] == "shop"


def test_a_scalar_and_nothing(fake: Fake) -> None:
    fake.says("scalar", [1.5, "+Inf"])
    assert Prometheus(fake.url).query("1/0") == {"{}": math.inf}
    fake.says("vector", [])
    assert Prometheus(fake.url).query("none") == {}
    assert "time" not in fake.asked[0][1]


def test_what_it_warns_of_is_kept_once(fake: Fake) -> None:
    """A Thanos that has lost a store answers all the same."""
    answer = {"status": "success", "data": {"resultType": "vector", "result": []}}
    door = Prometheus(fake.url)
    for warnings in (["no store matched"], ["no store matched", "  "], None, "broken"):
        fake.body = json.dumps({**answer, "warnings": warnings})
        assert door.query("up") == {}
    assert door.warned == ["Prometheus warns of its answers: no store matched"]
    fake.body = json.dumps({**answer, "warnings": [f"{number}\n{'x' * 500}" for number in range(9)]})
    door.query("up")
    assert len(door.warned) == 3
    assert all(len(one) < 300 and "\n" not in one for one in door.warned)


def error(text: str) -> str:
    return json.dumps({"status": "error", "errorType": "x", "error": text})


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (
            400,
            error("parse error: unclosed left parenthesis"),
            Refused,
            "does not take the query: parse error: unclosed",
        ),
        (422, error("many-to-many matching not allowed"), Refused, "many-to-many"),
        (401, "", Refused, r"refuses the login \(401\)"),
        (403, "<html>", Refused, r"refuses the login \(403\)"),
        (503, error("query queue is full"), Unanswered, "answers 503: query queue is full"),
        (502, "<html>bad gateway", Unanswered, "answers 502, and not as Prometheus does"),
        (200, "<html>sign in", Unanswered, "answers 200, and not as Prometheus does"),
        (302, "", Unanswered, "answers 302"),
        (200, "[]", Unanswered, "answers 200, and not as Prometheus does"),
        (200, '{"status": "success"}', Unanswered, "cannot be read"),
        (200, '{"status": "success", "data": {"resultType": "vector", "result": [{}]}}', Unanswered, "cannot be read"),
        (200, '{"status": "success", "data": {"resultType": "matrix", "result": []}}', Refused, "gives a matrix"),
    ],
)
def test_what_is_no_value(fake: Fake, status: int, body: str, kind: type[Exception], said: str) -> None:
    fake.status, fake.body, fake.headers = status, body, {"Location": "http://127.0.0.1:1/login"}
    with pytest.raises(kind, match=said):
        Prometheus(fake.url).query("up")


def test_nobody_is_there() -> None:
    with pytest.raises(Unanswered) as told:
        Prometheus("http://127.0.0.1:1").query("up")
    assert "Connection refused" in told.value.message
    assert "0x" not in told.value.message
    assert "metrics.url" in str(told.value.hint)
    with pytest.raises(Unanswered):
        Prometheus("http://127.0.0.1:99999").query("up")


def test_one_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unanswered, match="does not answer"):
        Prometheus(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2).query("up")


def test_its_login_is_not_shown() -> None:
    assert "s3cret" not in repr(Prometheus("http://p", {"Authorization": "Bearer s3cret"}))
