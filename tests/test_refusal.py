"""What a registry's refusal is called, by its answer and by what docker says of it."""

import json

import pytest

from deployer.errors import ExitCode
from deployer.refusal import EXIT_CODES, Fault, answered, told

HOST = "registry.lab:5443"
FULL = {"DriverName": "filesystem", "Enclosed": {"Op": "mkdir", "Path": "/r/docker", "Err": 28}}


def errors(code: str, message: str = "", detail: object = None) -> str:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]})


@pytest.mark.parametrize(
    ("status", "body", "fault", "said"),
    [
        (401, errors("UNAUTHORIZED", "authentication required"), Fault.LOGIN, "UNAUTHORIZED: authentication required"),
        (403, errors("DENIED", "robot is read only"), Fault.DENIED, "DENIED: robot is read only"),
        (
            403,
            errors("DENIED", "adding 1.2 GiB will exceed the quota"),
            Fault.FULL,
            "DENIED: adding 1.2 GiB will exceed",
        ),
        (413, "", Fault.FULL, ""),
        (429, errors("TOOMANYREQUESTS", "pull rate"), Fault.BUSY, "TOOMANYREQUESTS: pull rate"),
        (
            500,
            errors("UNKNOWN", "unknown error", FULL),
            Fault.FULL,
            "UNKNOWN: unknown error: no space left on its device",
        ),
        (500, "", Fault.AWAY, ""),
        (503, errors("UNAVAILABLE"), Fault.AWAY, "UNAVAILABLE"),
        (504, "<html>", Fault.SLOW, ""),
        (507, "", Fault.FULL, ""),
        (
            400,
            errors("DIGEST_INVALID", "provided digest did not match"),
            Fault.BROKEN,
            "DIGEST_INVALID: provided digest",
        ),
        (404, errors("NAME_UNKNOWN"), Fault.DENIED, "NAME_UNKNOWN"),
        (400, "[]", Fault.DENIED, ""),
        (400, '{"errors": [1]}', Fault.DENIED, ""),
    ],
)
def test_answers(status: int, body: str, fault: Fault, said: str) -> None:
    found = answered(HOST, status, body)
    assert (found.fault, found.status) == (fault, status)
    assert found.said.startswith(said)
    assert found.sentence.startswith(f"registry {HOST} ")
    assert f"({status})" in found.sentence


@pytest.mark.parametrize(
    ("lines", "fault", "host"),
    [
        (["denied: requested access to the resource is denied"], Fault.DENIED, HOST),
        (["unauthorized: authentication required"], Fault.LOGIN, HOST),
        (["toomanyrequests: You have reached your pull rate limit."], Fault.BUSY, HOST),
        (["received unexpected HTTP status: 503 Service Unavailable"], Fault.AWAY, HOST),
        (["received unexpected HTTP status: 507 Insufficient Storage"], Fault.FULL, HOST),
        (['error parsing HTTP 429 response body: unexpected end of JSON input: ""'], Fault.BUSY, HOST),
        (['Head "https://other.lab/v2/web/blobs/sha256:a": EOF'], Fault.BROKEN, "other.lab"),
        (['Patch "https://other.lab:1/v2/web": net/http: TLS handshake timeout'], Fault.SLOW, "other.lab:1"),
        (["write tcp 10.0.0.1:4->10.0.0.2:5: write: connection reset by peer"], Fault.BROKEN, HOST),
        (["dial tcp: lookup other.lab: no such host"], Fault.AWAY, HOST),
        (["digest invalid: provided digest did not match uploaded content"], Fault.BROKEN, HOST),
        (
            [
                "#9 ERROR: failed to push r.lab/web:1: unexpected status from PATCH: 507 X",
                "------",
                "ERROR: failed to solve: failed to push r.lab/web:1: unexpected status from PATCH request to "
                "https://r.lab/v2/web/blobs/uploads/1: 507 Insufficient Storage",
            ],
            Fault.FULL,
            "r.lab",
        ),
        (
            [
                "ERROR: failed to build: failed to solve: golang:1: failed to resolve source metadata for "
                "docker.io/library/golang:1: toomanyrequests: You have reached your unauthenticated pull rate limit."
            ],
            Fault.BUSY,
            "docker.io",
        ),
        (
            [
                "#6 1.2 error: unexpected status from POST request to https://r.lab/v2/: 507 Insufficient Storage",
                "#6 1.2 unknown: unknown",
                "------",
                "ERROR: failed to build: failed to solve: failed to push r.lab/web:1: unknown: unknown",
            ],
            Fault.FULL,
            "r.lab",
        ),
        (
            ["ERROR: failed to build: failed to solve: failed to push r.lab/web:1: denied: read only"],
            Fault.DENIED,
            "r.lab",
        ),
        (
            ["Error response from daemon: Get https://r.lab/v2/: unauthorized: authentication required"],
            Fault.LOGIN,
            "r.lab",
        ),
    ],
)
def test_what_docker_says(lines: list[str], fault: Fault, host: str) -> None:
    found = told(lines, HOST)
    assert found is not None
    assert (found.fault, found.host) == (fault, host)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["#9 12.1 dial tcp: connection refused", "ERROR: failed to solve: failed to read dockerfile: open Dockerfile"],
        [
            "#9 12.1 proxy answers 503, EOF",
            'ERROR: failed to solve: process "/bin/sh -c get # EOF" did not complete successfully: exit code: 1',
        ],
        ["tag does not exist: web:1"],
        ["ERROR: failed to build: failed to solve: failed to push r.lab/web:1: manifest invalid: manifest invalid"],
    ],
)
def test_what_is_of_something_else(lines: list[str]) -> None:
    assert told(lines, HOST) is None


def test_every_fault_has_its_words() -> None:
    found = [answered(HOST, status, "") for status in (401, 403, 429, 503, 504, 507)]
    found.append(answered(HOST, 400, errors("SIZE_INVALID")))
    assert {one.fault for one in found} == set(Fault) == set(EXIT_CODES)
    assert len({one.sentence for one in found}) == len(Fault)
    assert all(one.hint for one in found)
    assert {one.exit_code for one in found} == {ExitCode.REFUSED, ExitCode.UNAVAILABLE, ExitCode.FULL}
    assert {one.fault for one in found if not one.passes} == {Fault.DENIED, Fault.FULL}


def test_buildkits_own_words_before_the_registrys_are_left_out() -> None:
    found = told(["ERROR: failed to build: failed to solve: failed to push r.lab/web:1: denied: read only"], HOST)
    assert found is not None
    assert found.sentence == "registry r.lab does not allow it: denied: read only"
