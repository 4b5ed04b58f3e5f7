"""What a run leaves for the job it ran in: GitHub's summary and outputs, a dotenv report for GitLab, a JUnit report."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.cli import files, streams
from deployer.errors import DeployError, ExitCode, UsageError
from deployer.mask import Mask
from deployer.report import annotations, junit, outputs, summary
from deployer.report.junit import Suite
from deployer.result import Result
from deployer.rollout import Outcome


@dataclass(frozen=True)
class Reports:
    """Files that the options of a run name."""

    dotenv: Path | None = None
    junit: Path | None = None

    def demand(self) -> None:
        """Raises UsageError where one of them could not be written."""
        files.demand("--dotenv", self.dotenv)
        files.demand("--junit", self.junit)


NONE = Reports()


def ended(result: Result, mask: Mask, wanted: Reports) -> None:
    """A run that did something, or tried to."""
    told = "\n".join(summary.lines(result))
    _leave(told, outputs.facts(result), junit.suite(result, time.time()), mask, wanted)


def refused(verb: str, environment: str | None, problem: DeployError, wanted: Reports) -> None:
    """A run that ended before its first deed."""
    for line in annotations.refused(verb, environment, problem, os.environ):
        print(line, file=sys.stderr, flush=True)  # noqa: T201
    told = "\n".join(summary.refused(verb, environment, problem))
    suite = junit.refused(verb, environment, problem, time.time())
    _leave(told, outputs.refused(ExitCode(problem.exit_code)), suite, Mask(), wanted)


def verified(found: Outcome, code: ExitCode, seconds: float, mask: Mask, wanted: Reports) -> None:
    """A rollout that was judged, whoever began it."""
    _junit(junit.verified(found, code, seconds, time.time()), mask, wanted)


def _leave(told: str, facts: Mapping[str, str], suite: Suite, mask: Mask, wanted: Reports) -> None:
    """What cannot be written is a warning: the run is what it is."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _append("GITHUB_STEP_SUMMARY", f"{told}\n\n", mask)
        _append("GITHUB_OUTPUT", "".join(f"{line}\n" for line in outputs.github(facts)), mask)
    if wanted.dotenv:
        text = "".join(f"{line}\n" for line in outputs.dotenv(facts))
        _write("--dotenv", wanted.dotenv, streams.masked(mask(text)))
    _junit(suite, mask, wanted)


def _junit(suite: Suite, mask: Mask, wanted: Reports) -> None:
    """Masked before it is XML: in there a secret may be written in another way."""
    if wanted.junit:
        _write("--junit", wanted.junit, junit.text(streams.through(mask.through(suite))))


def _write(option: str, file: Path, text: str) -> None:
    try:
        files.write(option, file, text, files.SHARED)
    except UsageError as error:
        _warn(error.message)


def _append(variable: str, text: str, mask: Mask) -> None:
    name = os.environ.get(variable)
    if not name:
        return
    try:
        with open(name, "a", encoding="utf-8") as file:
            file.write(streams.masked(mask(text)))
    except OSError as error:
        _warn(f"{variable}: {error.strerror}: {name}")


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)  # noqa: T201
