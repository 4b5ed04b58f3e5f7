"""What a run leaves for the job it ran in.

GitHub's summary and outputs; the same summary in a file and on GitLab's merge request; a dotenv and a JUnit report.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer import notes
from deployer.cli import files, streams
from deployer.errors import DeployError, ExitCode, UsageError
from deployer.mask import Mask
from deployer.report import annotations, outputs, summary
from deployer.result import Result
from deployer.rollout import Outcome

if TYPE_CHECKING:
    from deployer.fleet import Rolled
    from deployer.report.junit import Suite


@dataclass(frozen=True)
class Reports:
    """Files that the options of a run name."""

    project: Path = Path()  # whose run it is
    dotenv: Path | None = None
    junit: Path | None = None
    summary: Path | None = None

    def demand(self) -> None:
        """Raises UsageError where one of them could not be written."""
        files.demand("--dotenv", self.dotenv)
        files.demand("--junit", self.junit)
        files.demand("--summary", self.summary)


NONE = Reports()


def ended(result: Result, mask: Mask, wanted: Reports) -> None:
    """A run that did something, or tried to."""
    told = "\n".join(summary.lines(result))
    _facts(outputs.facts(result), mask, wanted)
    _junit(lambda report: report.suite(result, time.time()), mask, wanted)
    _told(result.plan.environment, told, mask, wanted, result.exit_code)


def many(found: "Rolled", mask: Mask, wanted: Reports) -> None:
    """A run on many targets."""
    from deployer.report import fleet

    _facts(outputs.many(found.code, found.image), mask, wanted)
    _junit(lambda report: report.many(found, time.time()), mask, wanted)
    _told(found.fleet.environment, "\n".join(fleet.summary(found)), mask, wanted, found.code)


def refused(verb: str, environment: str | None, problem: DeployError, wanted: Reports) -> None:
    """A run that ended before its first deed."""
    for line in annotations.refused(verb, environment, problem, os.environ):
        print(line, file=sys.stderr, flush=True)  # noqa: T201
    told = "\n".join(summary.refused(verb, environment, problem))
    code = ExitCode(problem.exit_code)
    _facts(outputs.refused(code), Mask(), wanted)
    _junit(lambda report: report.refused(verb, environment, problem, time.time()), Mask(), wanted)
    _told(environment, told, Mask(), wanted, code)


def planned(environment: str, told: str, mask: Mask, wanted: Reports) -> None:
    """A plan, in Markdown."""
    _told(environment, told, mask, wanted, ExitCode.OK)


def verified(found: Outcome, code: ExitCode, seconds: float, mask: Mask, wanted: Reports) -> None:
    """A rollout that was judged, whoever began it."""
    for line in annotations.verified(found, os.environ):
        print(mask(line), file=sys.stderr, flush=True)  # noqa: T201
    _junit(lambda report: report.verified(found, code, seconds, time.time()), mask, wanted)


def _told(environment: str | None, told: str, mask: Mask, wanted: Reports, code: ExitCode) -> None:
    """The summary, wherever it is read. What cannot be written is a warning: the run is what it is."""
    text = streams.masked(mask(told))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _append("GITHUB_STEP_SUMMARY", f"{text}\n\n")
    if wanted.summary:
        _write("--summary", wanted.summary, f"{text}\n")
    request = notes.merge_request(os.environ)
    if request and environment and code not in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):  # then seconds count
        folder = os.path.relpath(wanted.project, os.environ.get("CI_PROJECT_DIR") or wanted.project)
        try:
            request.leave(f"deploy {environment} in {folder}", text)
        except DeployError as error:
            _warn(f"no note on the merge request: {error.message}")


def _facts(facts: Mapping[str, str], mask: Mask, wanted: Reports) -> None:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _append("GITHUB_OUTPUT", streams.masked(mask("".join(f"{line}\n" for line in outputs.github(facts)))))
    if wanted.dotenv:
        text = "".join(f"{line}\n" for line in outputs.dotenv(facts))
        _write("--dotenv", wanted.dotenv, streams.masked(mask(text)))


def _junit(suite: "Callable[[Any], Suite]", mask: Mask, wanted: Reports) -> None:
    """Masked before it is XML: in there a secret may be written in another way."""
    if wanted.junit:
        from deployer.report import junit  # only who asks for the file pays for it

        _write("--junit", wanted.junit, junit.text(streams.through(mask.through(suite(junit)))))


def _write(option: str, file: Path, text: str) -> None:
    try:
        files.write(option, file, text, files.SHARED)
    except UsageError as error:
        _warn(error.message)


def _append(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if not name:
        return
    try:
        with open(name, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        _warn(f"{variable}: {error.strerror}: {name}")


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)  # noqa: T201
