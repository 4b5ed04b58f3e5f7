"""What the next job of a pipeline learns of a run."""

import pytest
from samples import DIGEST, UNHEALTHY, result

from deployer.errors import ExitCode
from deployer.report import outputs
from deployer.result import Result


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            result(url="https://web.example.com"),
            [
                f"image=registry.lab/web:1.2.3@{DIGEST}",
                f"digest={DIGEST}",
                "revision=5",
                "url=https://web.example.com",
                "outcome=ok",
            ],
        ),
        (
            UNHEALTHY,
            [f"image=registry.lab/web:1.2.3@{DIGEST}", f"digest={DIGEST}", "revision=5", "url=", "outcome=unhealthy"],
        ),
        (
            result(image=None, revision=None, exit_code=ExitCode.BUILD),
            ["image=", "digest=", "revision=", "url=", "outcome=build"],
        ),
    ],
)
def test_outputs(found: Result, lines: list[str]) -> None:
    assert list(outputs.github(outputs.facts(found))) == lines
    assert list(outputs.dotenv(outputs.facts(found))) == [
        f"DEPLOYED_{name.upper()}={value}" for name, _, value in (line.partition("=") for line in lines)
    ]


def test_a_refusal() -> None:
    told = outputs.refused(ExitCode.PREFLIGHT)
    assert list(outputs.github(told)) == ["image=", "digest=", "revision=", "url=", "outcome=preflight"]


def test_a_value_is_one_line() -> None:
    assert list(outputs.github({"image": "a\nevil=1\r\nb"})) == ["image=a evil=1 b"]
