"""A diagnosis in lines, and a run told line by line: plain and on a terminal. Nothing hangs on colour."""

import dataclasses
import io
import re

import pytest
from rich.console import Console
from rich.live import Live
from samples import DIAGNOSIS, FAILED, HEALTHY, MOVING, UNHEALTHY, result

from deployer.health.diagnosis import Diagnosis
from deployer.health.verdict import Counts
from deployer.mask import Mask
from deployer.report import annotations, diagnosis
from deployer.report.plain import Plain
from deployer.report.terminal import Terminal
from deployer.result import Diagnosed, Event, Finished, Line, Notice, Progress, Severity, Started

REPORT = """\
deployment/web failed: pod/web-1: container web: exit 1 (2 of 2 new pods)
  pods: 2 of 2 updated, 0 ready, 0 available
  also: pod/db-1: no such tag
  image registry.lab/web:1.2.3
  events:
    08:53:20 pod/web-1 BackOff ×7: restarting
  log of pod/web-1, container web, the run before this one:
    | panic: no file
  pod/web-2, container web, has logged nothing
  (events may not be read)
  hint: look into the log""".splitlines()


def test_a_diagnosis() -> None:
    assert list(diagnosis.lines(DIAGNOSIS)) == REPORT


def test_a_diagnosis_that_knows_little() -> None:
    assert list(diagnosis.lines(Diagnosis("deployment/web", "failed", "why", Counts(1), ()))) == [
        "deployment/web failed: why",
        "  pods: 0 of 1 updated, 0 ready, 0 available",
    ]


def test_a_cause_of_many_pods() -> None:
    found = dataclasses.replace(DIAGNOSIS, causes=(FAILED.causes[1], FAILED.causes[0]))
    assert "  also: pod/web-1: container web: exit 1, 2 restarts (2 pods)" in list(diagnosis.lines(found))


def told(*events: Event, verbose: bool = False) -> list[str]:
    lines: list[str] = []
    with Plain(lines.append, verbose=verbose) as plain:
        for event in events:
            plain.tell(event)
    return [re.sub(r"^\[ *\d+\.\ds\] ", "", line) for line in lines]


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Started("build"), ["build …"]),
        (Line("build", "#1 step"), []),
        (Notice("look"), ["look"]),
        (Notice("look", Severity.WARNING), ["warning: look"]),
        (Finished("build", 12.3), ["build done in 12 s"]),
        (Finished("push", 0.41, True, "sha256:1"), ["push done in 0.4 s: sha256:1"]),
        (Finished("build", 12.3, False), ["build FAILED in 12 s"]),
        (Progress(MOVING), ["deployment/web: 1 of 2 updated pods available"]),
        (Diagnosed(DIAGNOSIS), REPORT),
    ],
)
def test_plain(event: Event, lines: list[str]) -> None:
    assert told(event) == lines


def test_plain_says_what_changed_and_nothing_twice() -> None:
    events = [Progress(one) for one in (MOVING, MOVING, HEALTHY, HEALTHY, MOVING)]
    assert [line.partition(": ")[2] for line in told(*events)] == [MOVING.summary, HEALTHY.summary, MOVING.summary]


def test_plain_shows_the_programs_on_demand() -> None:
    assert told(Line("build", "#1 step"), Line("build", "  "), verbose=True) == ["build | #1 step"]


def test_plain_has_the_time() -> None:
    lines: list[str] = []
    Plain(lines.append).tell(Started("build"))
    assert re.fullmatch(r"\[   0\.\ds\] build …", lines[0])


def shown(*events: Event, verbose: bool = False, mask: Mask | None = None) -> list[str]:
    """What stays on a terminal without colour."""
    terminal = Terminal(mask or Mask(), verbose=verbose)
    screen = io.StringIO()
    terminal._console = Console(file=screen, width=100, no_color=True)
    terminal._live = Live(console=terminal._console, transient=True, auto_refresh=False)
    with terminal:
        for event in events:
            terminal.tell(event)
    return [line.rstrip() for line in screen.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Notice("look"), ["  look"]),
        (Notice("look", Severity.WARNING), ["! look"]),
        (Finished("build", 12.3), ["✓ build            12 s"]),
        (Finished("push", 0.41, True, "sha256:1"), ["✓ push            0.4 s  sha256:1"]),
        (Finished("build", 12.3, False), ["✗ build            12 s"]),
        (Line("build", "#1 step"), []),
        (Diagnosed(DIAGNOSIS), REPORT),
    ],
)
def test_terminal(event: Event, lines: list[str]) -> None:
    assert shown(event) == lines


def test_a_terminal_redraws_what_is_alive_and_keeps_what_is_done() -> None:
    events = [Started("rollout"), Line("rollout", "x"), Progress(MOVING), Progress(HEALTHY), Finished("rollout", 3)]
    assert shown(*events) == ["✓ rollout         3.0 s"]


def test_a_terminal_shows_the_programs_on_demand() -> None:
    assert shown(Started("build"), Line("build", "#1 [red]step"), verbose=True) == ["  #1 [red]step"]


def test_a_terminal_hides_secrets() -> None:
    events = [Started("build"), Line("build", "s3cret"), Notice("s3cret"), Finished("build", 1, False, "s3cret")]
    text = "\n".join(shown(*events, verbose=True, mask=Mask(["s3cret"])))
    assert "s3cret" not in text
    assert text.count("***") == 3


def test_a_failure_is_annotated_in_github_actions() -> None:
    assert list(annotations.lines(UNHEALTHY, {"GITHUB_ACTIONS": "true"})) == [
        f"::error title=deploy up dev::{DIAGNOSIS.headline}%0Amend it",
        "::warning title=deploy up dev::slow",
    ]
    assert list(annotations.lines(UNHEALTHY, {})) == []
    assert list(annotations.lines(result(), {"GITHUB_ACTIONS": "true"})) == []
