"""A registry that is down, overloaded, slow, or refuses: what `up` tells, and that the next one converges.

A server of the test's own stands in front of the lab's registry: docker, the kubelets and `deploy` all go through it.
"""

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from afterwards import converges, history, untouched
from between import HOST, Answer, Asked, Between, Broken, Shortened, slowly, times
from conftest import Deployed, Project, run
from processes import CI
from waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.registries]

UP = ("up", "--env", "dev", "--output", "json")
GOOD = 10**6
"""More requests than anybody makes: for good."""


@pytest.fixture
def registry(small: Project) -> Iterator[Between]:
    """The registry that the project uses."""
    host, port = os.environ["REGISTRY_URL"].split(":")
    between = Between("registry", f"{host}:{port}")
    small.environ["REGISTRY_URL"] = f"{host}:{between.server_port}"
    yield between
    between.shutdown()
    between.server_close()


def ours(asked: Asked) -> bool:
    """`deploy` itself asks, not docker."""
    return "urllib3" in asked.agent


def checked(asked: Asked) -> bool:
    return ours(asked) and asked.path == "/v2/"


def named(asked: Asked) -> bool:
    return ours(asked) and "/manifests/" in asked.path


def layer(asked: Asked) -> bool:
    return asked.method in ("POST", "PATCH", "PUT") and "/blobs/uploads/" in asked.path


def sent(asked: Asked) -> bool:
    """docker sends the bytes of a layer."""
    return asked.method == "PATCH" and not ours(asked)


def manifest(asked: Asked) -> bool:
    return asked.method == "PUT" and "/manifests/" in asked.path


def answer(status: int, code: str = "UNKNOWN", **headers: str) -> Answer:
    """An answer as registries word it."""
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]})
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def up(project: Project) -> Deployed:
    return project.deploy(*UP, environ=CI)


def stages(done: Deployed) -> list[str]:
    return [stage["name"] for stage in done.json["stages"]]


@pytest.mark.parametrize("asks", [checked, named])
def test_it_recovers_while_it_is_asked(small: Project, registry: Between, asks: Callable[[Asked], bool]) -> None:
    registry.script = times(2, answer(500), asks)
    done = up(small)
    assert done.code == 0, done
    assert history(small) == ["deployed"]
    assert done.json["warnings"] == []


@pytest.mark.parametrize("status", [429, 503])
def test_it_says_when_it_wants_to_be_asked_again(small: Project, registry: Between, status: int) -> None:
    registry.script = times(1, answer(status, "TOOMANYREQUESTS", Retry_After="4"), checked)
    done = up(small)
    assert done.code == 0, done
    first, second, *_ = (one.at for one in registry.asked if checked(one))
    assert second - first >= 4


@pytest.mark.parametrize(
    ("asks", "status", "said"),
    [
        (checked, 500, "is not available (500): UNKNOWN: unknown"),
        (checked, 429, "is asked too much (429): UNKNOWN: unknown"),
        (named, 500, "is not available (500)"),
        (checked, 403, "refuses the login of `deploy` (403): UNKNOWN: unknown"),
        (named, 401, "answers 401 when asked for"),
        (named, 403, "answers 403 when asked for"),
    ],
)
def test_it_stays_so_and_nothing_is_touched(
    small: Project, registry: Between, asks: Callable[[Asked], bool], status: int, said: str
) -> None:
    registry.script = times(GOOD, answer(status), asks)
    done = up(small)
    assert done.code == 3, done
    assert said in done.json["message"]
    assert small.environ["REGISTRY_URL"] in done.json["message"]
    assert done.json["changed"] is False
    heads = [one for one in registry.asked if asks(one) and (one.path == "/v2/" or one.method == "HEAD")]
    assert len(heads) == (4 if status in (429, 500) else 1), "asked again, and not for ever"
    untouched(small)
    assert small.objects("leases") == []


def test_it_is_down_and_the_next_run_converges(small: Project, registry: Between) -> None:
    registry.leave()
    done = up(small)
    assert done.code == 3, done
    assert "does not answer" in done.json["message"]
    untouched(small)
    registry.back()
    assert "push" in stages(converges(small, *UP))


def test_it_is_slow(small: Project, registry: Between) -> None:
    registry.script = slowly(1, lambda asked: True)
    done = up(small)
    assert done.code == 0, done
    assert history(small) == ["deployed"]
    assert done.json["warnings"] == []


@pytest.mark.parametrize(
    ("status", "code"), [(500, "UNKNOWN"), (503, "UNAVAILABLE"), (429, "TOOMANYREQUESTS")], ids=["500", "503", "429"]
)
def test_it_fails_in_the_middle_of_a_push_and_recovers(
    small: Project, registry: Between, status: int, code: str
) -> None:
    registry.script = times(1, answer(status, code, Retry_After="1"), manifest)
    done = up(small)
    assert done.code == 0, done
    assert history(small) == ["deployed"]
    assert any("the image could not be pushed: " in one for one in done.json["warnings"]), done
    assert sum(map(manifest, registry.asked)) >= 2


@pytest.mark.parametrize(
    ("asks", "refusal", "code", "said"),
    [
        (layer, answer(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="lab"'), 15, "does not take the login (401)"),
        (layer, answer(403, "DENIED"), 15, "does not allow it (403): DENIED: denied"),
        (manifest, answer(403, "DENIED"), 15, "does not allow it"),
        (layer, answer(429, "TOOMANYREQUESTS", Retry_After="1"), 16, "is asked too much (429): TOOMANYREQUESTS"),
        (layer, answer(500), 16, "is not available (500): UNKNOWN: unknown"),
        (manifest, answer(500), 16, "is not available (500)"),
        (manifest, answer(503, "UNAVAILABLE"), 16, "is not available (503)"),
        (manifest, answer(504), 16, "does not answer in time (504)"),
        (layer, answer(507, "UNKNOWN"), 17, "has no room left (507): UNKNOWN: unknown"),
        (layer, answer(403, "DENIED over quota"), 17, "has no room left (403): DENIED over quota"),
    ],
    ids=[
        "401",
        "403",
        "403 manifest",
        "429",
        "500",
        "500 manifest",
        "503 manifest",
        "504 manifest",
        "507",
        "quota",
    ],
)
def test_it_takes_no_push_and_the_next_run_converges(
    small: Project,
    registry: Between,
    asks: Callable[[Asked], bool],
    refusal: Answer,
    code: int,
    said: str,
) -> None:
    registry.script = times(GOOD, refusal, asks)
    done = up(small)
    assert done.code == code, done
    assert f"the image could not be pushed: registry {small.environ['REGISTRY_URL']} {said}" in done.json["message"], (
        done
    )
    assert done.json["hint"]
    untouched(small)
    assert small.objects("leases") == []
    registry.back()
    assert "push" in stages(converges(small, *UP))


def test_it_is_away_after_the_push(small: Project, registry: Between) -> None:
    """The image is there, but nobody can say under which digest: nothing is released."""
    pushed: list[Asked] = []

    def script(asked: Asked) -> Answer | None:
        pushed.extend([asked] if manifest(asked) else [])
        return answer(500) if pushed and named(asked) else None

    registry.script = script
    done = up(small)
    assert done.code == 16, done
    assert "is not available (500)" in done.json["message"]
    assert done.json["changed"] is True, "an image was pushed"
    untouched(small)
    registry.back()
    assert "push" not in stages(converges(small, *UP))


@pytest.mark.parametrize("trouble", [Broken(100), Shortened(100)], ids=["cut", "truncated"])
def test_a_layer_does_not_arrive_whole_and_is_sent_again(
    small: Project, registry: Between, trouble: Broken | Shortened
) -> None:
    registry.script = times(1, trouble, sent)
    done = up(small)
    assert done.code == 0, done
    assert done.json["image"]["digest"] == control(small)


def control(small: Project) -> str:
    """The digest of the same image where nothing goes wrong: in the lab's registry itself."""
    small.profile("dev", image={"repository": f"{small.namespace}-control"})
    done = small.deploy("build", "--env", "dev", "-o", "json", environ={"REGISTRY_URL": os.environ["REGISTRY_URL"]})
    assert done.code == 0, done
    digest: str = done.json["build"]["digest"]
    return digest


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_it_says_during_a_push_when_it_wants_to_be_asked_again(small: Project, registry: Between, form: str) -> None:
    at: list[float] = []  # when it said so to `deploy`, which asks why docker's push failed

    def script(asked: Asked) -> Answer | None:
        if not layer(asked) or at:
            return None
        at.extend([asked.at] if ours(asked) else [])
        after = "6" if form == "seconds" else formatdate(time.time() + 6, usegmt=True)
        return answer(429, "TOOMANYREQUESTS", Retry_After=after)

    registry.script = script
    done = up(small)
    assert done.code == 0, done
    (warning,) = (one for one in done.json["warnings"] if "pushed" in one)
    assert "is asked too much (429): TOOMANYREQUESTS: toomanyrequests; tried again after" in warning
    pushed = next(one.at for one in registry.asked if manifest(one))
    assert pushed - at[0] >= 4.9, "its time, and not ours: 2 s"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_push_that_was_interrupted_and_is_repeated(small: Project, registry: Between, number: signal.Signals) -> None:
    begun = threading.Event()

    def script(asked: Asked) -> Answer | None:
        if sent(asked):
            begun.set()
            gone.wait(120)
        return None

    gone = threading.Event()
    registry.script = script
    process = small.start("build", "--env", "dev", "-o", "json")
    try:
        assert begun.wait(240), "it never came to the push"
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
        gone.set()
    assert process.returncode == (143 if number == signal.SIGTERM else -9)
    registry.back()
    done = small.deploy("build", "--env", "dev", "-o", "json")
    assert done.code == 0, done
    assert done.json["changed"] is True
    assert done.json["build"]["digest"] == control(small)


@pytest.fixture
def tiny(small: Project, tmp_path: Path) -> Iterator[Path]:
    """A registry for real whose disk has room for almost nothing; its disk."""
    disk, host = tmp_path / "disk", os.environ["REGISTRY_URL"].partition(":")[0]
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk)
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    pki = Path(os.environ["LAB_STATE"]) / "pki"
    config = tmp_path / "registry.yml"
    config.write_text(
        f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {disk}}}, delete: {{enabled: true}}}}
http: {{addr: "{HOST}:{port}", tls: {{certificate: {pki}/registry.crt, key: {pki}/registry.key}}}}
auth: {{htpasswd: {{realm: lab, path: {pki}/htpasswd}}}}
"""
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    small.environ["REGISTRY_URL"] = f"{host}:{port}"

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex((HOST, port)) == 0

    try:
        until(listens, "the small registry listens", seconds=60)
        yield disk
    finally:
        process.terminate()
        process.wait()
        run("umount", "-l", disk)


def test_its_disk_is_full_and_the_next_run_converges(small: Project, tiny: Path) -> None:
    done = up(small)
    assert done.code == 17, done
    assert "has no room left (500): UNKNOWN: unknown error: no space left on its device" in done.json["message"]
    assert "make room" in done.json["hint"]
    assert done.json["warnings"] == [], "it is not tried again"
    untouched(small)
    run("mount", "-o", "remount,size=100m", tiny)
    assert "push" in stages(converges(small, *UP))


def basic(user: str, password: str) -> str:
    """The header of a login."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Tokens:
    """The script of a registry that wants a token, whose tokens all end at a moment."""

    def __init__(self, host: str, moment: Callable[[Asked], bool], *, for_good: bool) -> None:
        self.host, self.moment, self.for_good = host, moment, for_good
        self.valid: set[str] = set()
        self.ended = False
        self.basic = basic(os.environ["REG_USER"], os.environ["REG_PASS"])
        self.wanted = self.basic

    def __call__(self, asked: Asked) -> Answer | None:
        if asked.path.partition("?")[0] == "/token":
            return self._token(asked)
        if not self.ended and self.moment(asked):
            self.ended = True
            self.valid.clear()
        if asked.authorization.removeprefix("Bearer ") in self.valid:
            return None
        found = re.match(r"/v2/(.+)/(?:manifests|blobs)/", asked.path)
        scope = f',scope="repository:{found[1]}:pull,push"' if found else ""
        challenge = f'Bearer realm="https://{self.host}/token",service="lab"{scope}'
        return answer(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    def _token(self, asked: Asked) -> Answer:
        if asked.method != "GET":
            return answer(405, "UNSUPPORTED")  # so that it is asked for in the old way, with the password
        if asked.authorization != self.wanted or (self.ended and self.for_good):
            return answer(401, "UNAUTHORIZED")
        token = secrets.token_hex(8)
        self.valid.add(token)
        return Answer(200, json.dumps({"token": token, "access_token": token, "expires_in": 300}))


@pytest.mark.parametrize("moment", [layer, manifest])
def test_a_token_ends_in_the_middle_of_a_push(
    small: Project, registry: Between, moment: Callable[[Asked], bool]
) -> None:
    tokens = Tokens(small.environ["REGISTRY_URL"], moment, for_good=False)
    registry.script, registry.authorization = tokens, tokens.basic
    done = up(small)
    assert tokens.ended
    assert done.code == 0, done
    assert history(small) == ["deployed"]


def test_a_robot_account_and_a_token(small: Project, registry: Between) -> None:
    """Names and passwords as registries make them: nothing of a shell, of .env or of YAML gets at them."""
    robot = {"REG_USER": "robot$shop+ci", "REG_PASS": "p@ss: 'w\"$HOME ${X} \\ #{}%"}
    tokens = Tokens(small.environ["REGISTRY_URL"], lambda asked: False, for_good=False)
    tokens.wanted = basic(robot["REG_USER"], robot["REG_PASS"])
    registry.script, registry.authorization = tokens, tokens.basic
    small.profile("dev", registry={"pullSecret": None})
    done = small.deploy("build", "--env", "dev", "-o", "json", environ=robot)
    assert done.code == 0, done
    assert robot["REG_PASS"] not in done.out + done.err
    wrong = small.deploy("build", "--env", "dev", "-o", "json", environ={**robot, "REG_PASS": "another"})
    assert wrong.code == 3, wrong
    assert "refuses the login of `robot$shop+ci` (401): UNAUTHORIZED: unauthorized" in wrong.json["message"]


def test_no_token_is_given_any_more_in_the_middle_of_a_push(small: Project, registry: Between) -> None:
    tokens = Tokens(small.environ["REGISTRY_URL"], layer, for_good=True)
    registry.script, registry.authorization = tokens, tokens.basic
    done = up(small)
    assert tokens.ended
    assert done.code == 15, done
    assert "the image could not be pushed: " in done.json["message"]
    assert "does not take the login" in done.json["message"]
    untouched(small)
    assert small.objects("leases") == []
    registry.back()
    converges(small, *UP)
