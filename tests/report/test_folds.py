"""What a program says is folded away in the logs of CI."""

import re
from typing import Literal

import pytest
from samples import HEALTHY, MOVING

from deployer.report.folds import Fold
from deployer.report.plain import Plain
from deployer.result import Event, Finished, Line, Notice, Progress, Started

Platform = Literal["github", "gitlab", "ci", ""]


@pytest.mark.parametrize(
    ("platform", "opened", "closed"),
    [
        ("github", "::group::build: output of the program", "::endgroup::"),
        (
            "gitlab",
            "\x1b[0Ksection_start:7:deploy_build_3[collapsed=true]\r\x1b[0Kbuild: output of the program",
            "\x1b[0Ksection_end:7:deploy_build_3\r\x1b[0K",
        ),
        ("ci", None, None),
        ("", None, None),
    ],
)
def test_a_fold(platform: Platform, opened: str | None, closed: str | None) -> None:
    fold = Fold(platform, "build", 3)
    assert (fold.opened(7.9), fold.closed(7.9)) == (opened, closed)


def told(*events: Event, platform: Platform = "github", verbose: bool = True) -> list[str]:
    lines: list[str] = []
    with Plain(lines.append, verbose=verbose, platform=platform) as plain:
        for event in events:
            plain.tell(event)
    return [re.sub(r"^\[ *\d+\.\ds\] ", "", line) for line in lines]


OPEN, CLOSED = "::group::build: output of the program", "::endgroup::"
DONE = Finished("build", 12.3)


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        pytest.param(
            (Started("build"), Line("build", "a"), Line("build", " "), Line("build", "b"), DONE),
            ["build …", OPEN, "build | a", "build | b", CLOSED, "build done in 12 s"],
            id="one a stage",
        ),
        pytest.param(
            (Line("build", "a"), Notice("look"), Line("build", "b"), DONE),
            [OPEN, "build | a", CLOSED, "look", OPEN, "build | b", CLOSED, "build done in 12 s"],
            id="what people must see is not folded away",
        ),
        pytest.param(
            (Progress(MOVING), Line("build", "a"), Progress(MOVING), Line("build", "b"), Progress(HEALTHY)),
            [
                f"deployment/web: {MOVING.summary}",
                *(OPEN, "build | a", "build | b", CLOSED),
                f"deployment/web: {HEALTHY.summary}",
            ],
            id="what is known already closes nothing",
        ),
        pytest.param((Line("build", "a"),), [OPEN, "build | a", CLOSED], id="closed at the end of all"),
        pytest.param(
            (Line("build", "::endgroup::"),), [OPEN, "build | ::endgroup::", CLOSED], id="a program gives no orders"
        ),
        pytest.param((Started("build"), DONE), ["build …", "build done in 12 s"], id="no output, no fold"),
    ],
)
def test_folds_of_a_run(events: tuple[Event, ...], lines: list[str]) -> None:
    assert told(*events) == lines


def test_nothing_is_folded_that_is_not_shown_or_cannot_be() -> None:
    assert told(Line("build", "a"), DONE, verbose=False) == ["build done in 12 s"]
    assert told(Line("build", "a"), platform="") == ["build | a"]


def test_gitlab_has_a_name_for_each() -> None:
    lines = told(Line("build", "a"), Line("push", "b"), platform="gitlab")
    names = [found[1] for line in lines if (found := re.search(r"section_\w+:\d+:(\w+)", line))]
    assert names == ["deploy_build_1", "deploy_build_1", "deploy_push_2", "deploy_push_2"]
