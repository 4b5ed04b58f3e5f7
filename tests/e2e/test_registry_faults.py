"""A registry that is down, overloaded, slow, or refuses: what `up` tells, and that the next one converges.

A server of the test's own stands in front of the lab's registry: docker, the kubelets and `deploy` all go through it.
"""

import base64
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator

import pytest
from afterwards import converges, history, untouched
from between import Answer, Asked, Between, slowly, times
from conftest import Deployed, Project
from processes import CI

pytestmark = pytest.mark.lab

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
        (checked, 500, "too many 500 error responses"),
        (checked, 429, "too many 429 error responses"),
        (named, 500, "too many 500 error responses"),
        (checked, 403, "refuses the login of `deploy` (403)"),
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
    assert sum(map(asks, registry.asked)) == (4 if status in (429, 500) else 1), "asked again, and not for ever"
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
    ("asks", "refusal", "said"),
    [
        (manifest, answer(500), "the image could not be pushed"),
        (layer, answer(403, "DENIED"), "denied"),
    ],
    ids=["500", "403"],
)
def test_it_takes_no_push_and_the_next_run_converges(
    small: Project, registry: Between, asks: Callable[[Asked], bool], refusal: Answer, said: str
) -> None:
    registry.script = times(GOOD, refusal, asks)
    done = up(small)
    assert done.code == 4, done
    assert said in done.json["message"] + str(done.json["detail"]), done
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
    assert done.code == 4, done
    assert "too many 500 error responses" in done.json["message"]
    assert done.json["changed"] is True, "an image was pushed"
    untouched(small)
    registry.back()
    assert "push" not in stages(converges(small, *UP))


class Tokens:
    """The script of a registry that wants a token, whose tokens all end at a moment."""

    def __init__(self, host: str, moment: Callable[[Asked], bool], *, for_good: bool) -> None:
        self.host, self.moment, self.for_good = host, moment, for_good
        self.valid: set[str] = set()
        self.ended = False
        login = f"{os.environ['REG_USER']}:{os.environ['REG_PASS']}"
        self.basic = "Basic " + base64.b64encode(login.encode()).decode()

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
        if asked.authorization != self.basic or (self.ended and self.for_good):
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


def test_no_token_is_given_any_more_in_the_middle_of_a_push(small: Project, registry: Between) -> None:
    tokens = Tokens(small.environ["REGISTRY_URL"], layer, for_good=True)
    registry.script, registry.authorization = tokens, tokens.basic
    done = up(small)
    assert tokens.ended
    assert done.code == 4, done
    assert "the image could not be pushed" in done.json["message"]
    untouched(small)
    assert small.objects("leases") == []
    registry.back()
    converges(small, *UP)
