"""What a run leaves for the job it ran in: GitHub's summary and outputs, a dotenv report for GitLab."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deployer.cli import files, streams
from deployer.errors import DeployError, ExitCode, UsageError
from deployer.fleet import Rolled
from deployer.mask import Mask
from deployer.report import annotations, fleet, outputs, summary
from deployer.result import Result


def ended(result: Result, mask: Mask, dotenv: Path | None) -> None:
    """A run that did something, or tried to."""
    _leave("\n".join(summary.lines(result)), outputs.facts(result), mask, dotenv)


def many(found: Rolled, mask: Mask, dotenv: Path | None) -> None:
    """A run on many targets."""
    _leave("\n".join(fleet.summary(found)), outputs.many(found.code, found.image), mask, dotenv)


def refused(verb: str, environment: str | None, problem: DeployError, dotenv: Path | None) -> None:
    """A run that ended before its first deed."""
    for line in annotations.refused(verb, environment, problem, os.environ):
        print(line, file=sys.stderr, flush=True)  # noqa: T201
    told = "\n".join(summary.refused(verb, environment, problem))
    _leave(told, outputs.refused(ExitCode(problem.exit_code)), Mask(), dotenv)


def _leave(told: str, facts: Mapping[str, str], mask: Mask, dotenv: Path | None) -> None:
    """What cannot be written is a warning: the run is what it is."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _append("GITHUB_STEP_SUMMARY", f"{told}\n\n", mask)
        _append("GITHUB_OUTPUT", "".join(f"{line}\n" for line in outputs.github(facts)), mask)
    if dotenv:
        text = "".join(f"{line}\n" for line in outputs.dotenv(facts))
        try:
            files.write("--dotenv", dotenv, streams.masked(mask(text)), files.SHARED)
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
