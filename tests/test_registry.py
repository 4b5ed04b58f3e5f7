"""A registry for real, but for what it answers: an HTTP server on 127.0.0.1 that follows a script."""

import base64
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback import serving

from deployer import bundle, registry
from deployer.bundle import Opened
from deployer.credentials import Login
from deployer.errors import ExitCode, PreflightError
from deployer.model import Image
from deployer.plan.bundle import Bundle
from deployer.refusal import Fault
from deployer.registry import MANIFESTS, PIECE, PUSH_PATIENCE, Registry, RegistryError

DIGEST = "sha256:" + "a" * 64
LOGIN = Login("deploy", "s3cret")
BASIC = "Basic " + base64.b64encode(b"deploy:s3cret").decode()


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class Fake:
    """Answers what `script` says of a request, and keeps it."""

    host: str = ""
    script: Callable[[Request], Answer] = lambda request: Answer()
    asked: list[Request] = field(default_factory=list)

    def answers(self, *answers: Answer) -> None:
        """One after the other, the last one for good."""
        self.script = lambda request: answers[min(len(self.asked), len(answers)) - 1]

    def image(self, repository: str = "web") -> Image:
        return Image(self.host, repository, "1.2.3")


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, url.path, parse_qs(url.query), headers, sent)
            made.asked.append(request)
            found = made.script(request)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body.encode())

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as url:
        made.host = url.removeprefix("http://")
        yield made


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between two tries, which take no time here."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def test_a_registry_that_answers(fake: Fake) -> None:
    Registry(fake.host).check()
    assert [(one.method, one.path) for one in fake.asked] == [("GET", "/v2/")]
    assert "authorization" not in fake.asked[0].headers


def test_the_login_goes_along(fake: Fake) -> None:
    Registry(fake.host, LOGIN).check()
    assert fake.asked[0].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    ("login", "status", "said"),
    [
        (None, 401, "asks for a login"),
        (LOGIN, 401, "refuses the login of `deploy` (401)"),
        (LOGIN, 403, "refuses the login of `deploy` (403)"),
        (LOGIN, 404, "answers 404 to GET /v2/"),
    ],
)
def test_a_registry_that_says_no(fake: Fake, login: Login | None, status: int, said: str) -> None:
    fake.answers(Answer(status, {"WWW-Authenticate": 'Basic realm="registry"'}))
    with pytest.raises(PreflightError) as error:
        Registry(fake.host, login).check()
    assert error.value.message.startswith(f"registry {fake.host} {said}")
    assert "s3cret" not in error.value.message + str(error.value.hint)


def test_the_digest_of_an_image(fake: Fake) -> None:
    fake.answers(Answer(200, {"Docker-Content-Digest": DIGEST}))
    assert Registry(fake.host).digest(fake.image("team/web")) == DIGEST
    (asked,) = fake.asked
    assert (asked.method, asked.path) == ("HEAD", "/v2/team/web/manifests/1.2.3")
    assert asked.headers["accept"] == MANIFESTS


def test_a_registry_under_a_prefix(fake: Fake) -> None:
    fake.answers(Answer(200, {"Docker-Content-Digest": DIGEST}))
    registry = Registry(f"{fake.host}/group/team")
    registry.digest(Image(registry.url, "web", "1"))
    registry.check()
    assert [one.path for one in fake.asked] == ["/v2/group/team/web/manifests/1", "/v2/"]


def test_an_image_that_is_not_there(fake: Fake) -> None:
    fake.answers(Answer(404))
    assert Registry(fake.host).digest(fake.image()) is None


def test_an_image_is_asked_for_by_its_digest(fake: Fake) -> None:
    fake.answers(Answer(200, {"Docker-Content-Digest": DIGEST}), Answer(404))
    image = replace(fake.image(), digest=DIGEST)
    assert Registry(fake.host).holds(image)
    assert not Registry(fake.host).holds(image)
    assert [one.path for one in fake.asked] == [f"/v2/web/manifests/{DIGEST}"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200), "names no digest for"),
        (Answer(403), "answers 403 when asked for"),
        (Answer(400), "answers 400 when asked for"),
    ],
)
def test_no_digest(fake: Fake, answer: Answer, said: str) -> None:
    fake.answers(answer)
    with pytest.raises(PreflightError) as error:
        Registry(fake.host).digest(fake.image())
    assert error.value.message == f"registry {fake.host} {said} {fake.host}/web:1.2.3"


def bearer(fake: Fake, token: Answer) -> Callable[[Request], Answer]:
    """A registry that takes the token `t` alone, and gives out `token`."""

    def script(request: Request) -> Answer:
        if request.path == "/token":
            return token
        if request.headers.get("authorization") == "Bearer t":
            return Answer(200, {"Docker-Content-Digest": DIGEST})
        challenge = f'Bearer realm="http://{fake.host}/token",service="registry",scope="any"'
        return Answer(401, {"WWW-Authenticate": challenge})

    return script


@pytest.mark.parametrize("key", ["token", "access_token"])
@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_registry_that_wants_a_token(fake: Fake, login: Login | None, key: str) -> None:
    fake.script = bearer(fake, Answer(200, body=json.dumps({key: "t"})))
    assert Registry(fake.host, login).digest(fake.image()) == DIGEST
    (asked,) = (one for one in fake.asked if one.path == "/token")
    assert asked.query == {"service": ["registry"], "scope": ["repository:web:pull"]}
    assert asked.headers.get("authorization") == (BASIC if login else None)


@pytest.mark.parametrize(
    "token", [Answer(401), Answer(200, body="{}"), Answer(200, body="no JSON"), Answer(200, body="[]")]
)
def test_a_token_that_is_not_given(fake: Fake, token: Answer) -> None:
    fake.script = bearer(fake, token)
    with pytest.raises(PreflightError, match="refuses the login of `deploy`"):
        Registry(fake.host, LOGIN).check()


def test_a_registry_that_recovers_is_asked_again(fake: Fake) -> None:
    fake.answers(Answer(503), Answer(200, {"Docker-Content-Digest": DIGEST}))
    assert Registry(fake.host).digest(fake.image()) == DIGEST


def test_a_registry_that_names_the_time_is_given_it(fake: Fake, slept: list[float]) -> None:
    fake.answers(Answer(429, {"Retry-After": "7"}), Answer(200))
    Registry(fake.host).check()
    assert slept == [7]


def test_the_time_may_be_a_date(fake: Fake, slept: list[float]) -> None:
    fake.answers(Answer(429, {"Retry-After": formatdate(time.time() + 9, usegmt=True)}), Answer(200))
    Registry(fake.host).check()
    (pause,) = slept
    assert 5 < pause <= 9


def test_a_time_that_nobody_can_read_is_none(fake: Fake, slept: list[float]) -> None:
    fake.answers(Answer(429, {"Retry-After": "1.5"}), Answer(200))
    Registry(fake.host).check()
    assert sum(slept) < 1


def test_a_registry_that_wants_too_much_time_is_not_waited_for(fake: Fake, slept: list[float]) -> None:
    fake.answers(Answer(503, {"Retry-After": "3600"}), Answer(200))
    Registry(fake.host).check()
    assert sum(slept) <= 60


def test_a_registry_that_stays_down(fake: Fake, slept: list[float]) -> None:
    body = json.dumps({"errors": [{"code": "UNAVAILABLE", "message": "maintenance"}]})
    fake.answers(Answer(503, {"Retry-After": "0"}, body))
    with pytest.raises(RegistryError) as error:
        Registry(fake.host).check()
    assert error.value.message == f"registry {fake.host} is not available (503): UNAVAILABLE: maintenance"
    assert error.value.refusal.fault is Fault.AWAY
    assert len(fake.asked) == 4


def test_nobody_there(slept: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PreflightError) as error:
            Registry(host).check()
    assert error.value.message.startswith(f"registry {host} does not answer: ")
    assert "Connection refused" in error.value.message
    assert "0x" not in error.value.message
    assert "registry.url" in (error.value.hint or "")


def test_nobody_answers_in_time(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and that is all."""
    monkeypatch.setattr(registry, "ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryError) as error:
            Registry(host).check()
        assert error.value.message.startswith(f"registry {host} does not answer: ")
        assert "timed out" in error.value.message
        why = Registry(host).refusal(Image(host, "web", "1.2.3"))
    assert error.value.refusal.fault is Fault.SLOW
    assert why
    assert why.sentence.startswith(f"registry {host} does not answer in time")
    assert len(slept) == 2, "three times more, the first at once"


@pytest.mark.parametrize("host", ["127.0.0.1:99999", "127.0.0.1:x"])
def test_no_address(host: str) -> None:
    with pytest.raises(PreflightError, match="does not answer"):
        Registry(host).check()


def test_a_registry_is_asked_over_tls_elsewhere(slept: list[float]) -> None:
    with pytest.raises(PreflightError, match=r"registry no-such-host\.invalid does not answer"):
        Registry("no-such-host.invalid").check()


def test_a_registry_shows_no_password() -> None:
    assert "s3cret" not in repr(Registry("registry.lab", LOGIN))


def errors(code: str, message: str) -> str:
    return json.dumps({"errors": [{"code": code, "message": message}]})


@pytest.mark.parametrize("status", [401, 403])
def test_it_says_why_an_image_may_not_be_read(fake: Fake, status: int) -> None:
    """The answer to HEAD has no words, so it is asked once more."""
    fake.answers(Answer(status, body=errors("DENIED", "robot$x may not pull")))
    with pytest.raises(RegistryError) as error:
        Registry(fake.host, LOGIN).digest(fake.image())
    assert error.value.message.endswith(f"asked for {fake.host}/web:1.2.3: DENIED: robot$x may not pull")
    assert [one.method for one in fake.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_token_server_in_trouble_is_no_wrong_password(fake: Fake, slept: list[float], status: int) -> None:
    fake.script = bearer(fake, Answer(status, body=errors("UNKNOWN", "later")))
    with pytest.raises(RegistryError) as error:
        Registry(fake.host, LOGIN).check()
    assert f"({status}): UNKNOWN: later (its token server)" in error.value.message


@pytest.mark.parametrize("ways", ['Basic realm="x", {}', '{}, Basic realm="Gitea Container Registry"'])
def test_a_registry_that_offers_more_than_a_token(fake: Fake, ways: str) -> None:
    def script(request: Request) -> Answer:
        if request.path == "/token":
            return Answer(200, body='{"token": "t"}')
        if request.headers.get("authorization") == "Bearer t":
            return Answer(200)
        return Answer(401, {"WWW-Authenticate": ways.format(f'Bearer realm="http://{fake.host}/token",service="s"')})

    fake.script = script
    Registry(fake.host, LOGIN).check()


@pytest.mark.parametrize(
    ("user", "password"), [("robot$shop+ci", "p@ss: w\u00f6rd\"'$HOME{}"), ("$oauthtoken", "a" * 300), ("u", ":")]
)
def test_any_login(fake: Fake, user: str, password: str) -> None:
    fake.script = bearer(fake, Answer(200, body='{"token": "t"}'))
    Registry(fake.host, Login(user, password)).check()
    (asked,) = (one for one in fake.asked if one.path == "/token")
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode() == f"{user}:{password}"


def described(**said: str) -> dict[str, object]:
    return {"digest": DIGEST, "platform": {"os": "linux", **said}}


@pytest.mark.parametrize(
    ("manifest", "platforms"),
    [
        (
            {"manifests": [described(architecture="amd64"), described(architecture="arm64", variant="v8")]},
            {"linux/amd64", "linux/arm64/v8"},
        ),
        (
            {
                "manifests": [
                    described(architecture="arm64"),
                    {"digest": DIGEST, "platform": {"os": "unknown", "architecture": "unknown"}},
                ]
            },
            {"linux/arm64"},
        ),
        ({"manifests": [{"digest": DIGEST}]}, set()),
        ({"config": {"digest": "sha256:c"}}, {"linux/s390x"}),
    ],
)
def test_platforms(fake: Fake, manifest: dict[str, object], platforms: set[str]) -> None:
    config = {"os": "linux", "architecture": "s390x"}
    fake.script = lambda request: Answer(body=json.dumps(manifest if "manifests" in request.path else config))
    assert Registry(fake.host).platforms(replace(fake.image(), digest=DIGEST)) == platforms
    assert fake.asked[0].path == f"/v2/web/manifests/{DIGEST}"


@pytest.mark.parametrize("body", ["", "[]", "<html>"])
def test_no_manifest(fake: Fake, body: str) -> None:
    fake.answers(Answer(200, body=body))
    with pytest.raises(PreflightError, match="gives no manifest of"):
        Registry(fake.host).platforms(replace(fake.image(), digest=DIGEST))


def upload(fake: Fake, begun: Answer, sent: Answer) -> Callable[[Request], Answer]:
    return lambda request: {"POST": begun, "PATCH": sent}.get(request.method, Answer(204))


def test_why_no_push_is_taken(fake: Fake) -> None:
    """By an upload that is taken back."""
    there = {"Location": "/v2/web/blobs/uploads/1?_state=a"}
    fake.script = upload(fake, Answer(202, there), Answer(202, there))
    assert Registry(fake.host, LOGIN).refusal(fake.image()) is None
    assert [(one.method, one.path) for one in fake.asked] == [
        ("POST", "/v2/web/blobs/uploads/"),
        ("PATCH", "/v2/web/blobs/uploads/1"),
        ("DELETE", "/v2/web/blobs/uploads/1"),
    ]
    assert fake.asked[1].query == {"_state": ["a"]}
    assert fake.asked[1].body == PIECE


@pytest.mark.parametrize(
    ("begun", "sent", "fault", "pause"),
    [
        (Answer(401, body=errors("UNAUTHORIZED", "over")), Answer(), Fault.LOGIN, 0),
        (Answer(403, body=errors("DENIED", "read only")), Answer(), Fault.DENIED, 0),
        (Answer(429, {"Retry-After": "7"}), Answer(), Fault.BUSY, 7),
        (Answer(429, {"Retry-After": "7000"}), Answer(), Fault.BUSY, PUSH_PATIENCE),
        (Answer(429, {"Retry-After": "1.5"}), Answer(), Fault.BUSY, 0),
        (Answer(202, {"Location": "/v2/web/blobs/uploads/1"}), Answer(507), Fault.FULL, 0),
        (Answer(202, {"Location": "/v2/web/blobs/uploads/1"}), Answer(503), Fault.AWAY, 0),
    ],
)
def test_no_push_is_taken(fake: Fake, begun: Answer, sent: Answer, fault: Fault, pause: float) -> None:
    fake.script = upload(fake, begun, sent)
    found = Registry(fake.host, LOGIN).refusal(fake.image())
    assert found is not None
    assert (found.fault, found.pause) == (fault, pause)


def test_a_push_to_nobody(slept: list[float]) -> None:
    found = Registry("no-such-host.invalid").refusal(Image("no-such-host.invalid", "web", "1"))
    assert found is not None
    assert found.fault is Fault.AWAY


def test_the_login_goes_to_no_other_host(fake: Fake) -> None:
    fake.script = upload(fake, Answer(202, {"Location": "https://elsewhere.invalid/upload"}), Answer(500))
    assert Registry(fake.host, LOGIN).refusal(fake.image()) is None
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [("http://localhost:{port}/upload", False), ("http://127.0.0.1:{port}/upload", True)],
)
def test_what_is_uploaded_elsewhere_goes_without_the_login(
    fake: Fake, tmp_path: Path, elsewhere: str, told: bool
) -> None:
    where = elsewhere.format(port=fake.host.partition(":")[2])
    answers = {"HEAD": Answer(404), "POST": Answer(202, {"Location": where}), "PUT": Answer(201)}
    fake.script = lambda request: answers[request.method]
    image, layout = laid_out(fake, tmp_path)
    Registry(fake.host, LOGIN).push(image, layout)
    sent = {one.path: "authorization" in one.headers for one in fake.asked if one.method == "PUT"}
    assert sent.pop("/upload") is told
    assert all(sent.values())


def laid_out(fake: Fake, folder: Path) -> tuple[Image, Path]:
    """An image of a configuration alone, as a bundle holds it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def kept(text: str) -> str:
        name = hashlib.sha256(text.encode()).hexdigest()
        (blobs / name).write_text(text)
        return f"sha256:{name}"

    manifest = kept(json.dumps({"config": {"digest": kept("{}")}, "layers": []}))
    return replace(fake.image(), digest=manifest), folder


@pytest.mark.parametrize("kind", ["layers", "manifests"])
def test_a_part_that_is_no_digest_is_no_file(fake: Fake, tmp_path: Path, kind: str) -> None:
    """A manifest is what somebody else wrote: it names no file outside the layout, to be sent or to be written."""
    part = "sha256:../../../secret"
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (tmp_path / "secret").write_text("{}")
    (blobs / DIGEST.removeprefix("sha256:")).write_text(json.dumps({kind: [{"digest": part}]}))
    with pytest.raises(PreflightError, match="is no digest"):
        Registry(fake.host).push(replace(fake.image(), digest=DIGEST), tmp_path / "layout")
    assert fake.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "\x00",
        "[" * 1_000_000,
        "[]",
        '{"layers": 5}',
        '{"manifests": ["sha256"]}',
        '{"manifests": [{}]}',
        '{"config": {"digest": 5}}',
        '{"config": null}',
        '{"mediaType": 5}',
        '{"manifests": [{"digest": "d", "mediaType": []}]}',
    ],
    ids=lambda text: text[:20],
)
def test_an_image_that_is_none_is_not_sent(fake: Fake, tmp_path: Path, text: str) -> None:
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / DIGEST.removeprefix("sha256:")).write_text(text)
    with pytest.raises(PreflightError, match=f"{DIGEST} of .* is no manifest of an image"):
        Registry(fake.host).push(replace(fake.image(), digest=DIGEST), tmp_path)
    assert fake.asked == []


@pytest.mark.parametrize("kind", ["layers", "manifests"])
def test_an_image_that_is_not_whole_is_not_sent(fake: Fake, tmp_path: Path, kind: str) -> None:
    image, layout = laid_out(fake, tmp_path)
    lost = f"sha256:{'b' * 64}"
    (layout / "blobs" / "sha256" / DIGEST.removeprefix("sha256:")).write_text(
        json.dumps({"manifests": [{"digest": image.digest}], kind: [{"digest": image.digest}, {"digest": lost}]})
    )
    with pytest.raises(PreflightError, match=f"{lost} of .* is missing"):
        Registry(fake.host).push(replace(image, digest=DIGEST), layout)
    assert fake.asked == []


def test_an_image_that_does_not_fit_in_is_no_check_that_failed(fake: Fake, tmp_path: Path, slept: list[float]) -> None:
    fake.answers(Answer(404), Answer(404), Answer(507))
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / ("a" * 64)).write_text(json.dumps({"config": {"digest": f"sha256:{'b' * 64}"}}))
    (blobs / ("b" * 64)).write_text("{}")
    made = Bundle("edge", ".", "web", "1.2.3", DIGEST, None, {})
    with pytest.raises(RegistryError) as error:
        bundle.supply(Registry(fake.host), replace(fake.image(), digest=DIGEST), Opened(made, tmp_path, tmp_path))
    assert error.value.exit_code is ExitCode.FULL
