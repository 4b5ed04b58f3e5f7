"""`deploy status`."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from deployer import profile
from deployer import status as statuses
from deployer.cli import options
from deployer.cli.session import Session, answering, session
from deployer.cli.streams import answer
from deployer.errors import DeployError, ExitCode, Interrupted, UsageError
from deployer.health.verdict import Verdict
from deployer.mask import Mask
from deployer.plan import fleet as fleets
from deployer.report import document
from deployer.report import status as report

CODES = {
    Verdict.FAILED: ExitCode.UNHEALTHY,
    Verdict.PROGRESSING: ExitCode.DEADLINE,
    Verdict.PAUSED: ExitCode.PAUSED,
    Verdict.INDETERMINATE: ExitCode.INDETERMINATE,
}

EVERY = 3.0
"""Seconds between two looks of --watch."""

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
"""Cursor home, screen and what scrolled off it cleared."""


@dataclass(frozen=True)
class Look:
    """One environment, or one target of it, as it was found, and the secrets not to be shown of it."""

    name: str
    found: statuses.Status | DeployError
    mask: Mask = field(default_factory=Mask)
    target: str | None = None

    @property
    def title(self) -> str:
        """`dev`; `edge/shop-7` of an environment with many targets."""
        return f"{self.name}/{self.target}" if self.target else self.name


def status(
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            "-e",
            help="Environment. [default: all of them, side by side]",
            show_default=False,
            autocompletion=options.environment_names,
        ),
    ] = None,
    targets: options.Targets = None,
    select: options.Select = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every few seconds, until Ctrl-C.")] = False,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit 9 where the cluster is not as the release says.")
    ] = False,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Say what each environment should run, what it runs, and how it is."""
    with answering("status", env, output):
        names = (env,) if env else profile.environments(project)
        if not names:
            raise UsageError(f"there is no environments/<name>.yaml in {project}", hint="-C names the project folder")
        if not env and (targets or select):
            raise UsageError("--target and --select choose in one environment: name it with --env")
        if watch and output is options.Output.JSON:
            raise UsageError("--watch is for people; a job asks again: deploy status --output json")

    def look() -> tuple[Look, ...]:
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda name: _looks(project, name, env_file, targets or [], select or []), names)
            return tuple(look for looks in found for look in looks)

    if watch:
        return _watch(look)
    looks = look()
    code = exit_code([one.found for one in looks], fail_on_drift=fail_on_drift)
    if output is options.Output.JSON:
        answer(
            document.status([(one.name, one.target, one.found) for one in looks], code),
            Mask(secret for one in looks for secret in one.mask.known),
        )
    else:
        print("\n".join(_lines(looks)), flush=True)  # noqa: T201
    return int(code)


def exit_code(found: list[statuses.Status | DeployError], *, fail_on_drift: bool) -> ExitCode:
    """The worst of all environments; drift counts where nothing worse is found, and where it is asked for."""
    code = max(map(_code, found), default=ExitCode.OK)
    drifted = any(not isinstance(one, DeployError) and one.drift for one in found)
    return ExitCode.DRIFTED if fail_on_drift and drifted and code is ExitCode.OK else code


def _looks(
    project: Path, name: str, env_file: Path | None, targets: Sequence[str], select: Sequence[str]
) -> tuple[Look, ...]:
    """An environment, or each of its targets. One that cannot be asked is an answer too, where others can."""
    try:
        with session(project, name, env_file, many=True) as run:
            chosen = fleets.chosen(run.profile, name, targets, select)
            if not chosen:
                return (_look(run, None),)
            with ThreadPoolExecutor(run.profile.fleet.concurrency) as pool:
                return tuple(pool.map(lambda one: _look(run.at(one), one.name), chosen))
    except DeployError as error:
        if targets or select:  # the request itself may be wrong
            raise
        return (Look(name, error),)


def _look(run: Session, target: str | None) -> Look:
    name = run.environment
    try:
        cluster = run.checks.cluster()
        run.learn_held(cluster)
        return Look(name, statuses.look(name, run.checks, cluster), run.mask, target)
    except DeployError as error:
        return Look(name, error, run.mask, target)


def _lines(looks: tuple[Look, ...]) -> list[str]:
    if len(looks) == 1:
        return _screen(looks[0])
    heading, *rows = report.table([(one.title, one.found) for one in looks])
    lines = [heading, *(one.mask(row) for one, row in zip(looks, rows, strict=True))]
    for one in looks:
        if report.wrong(one.found):
            lines += ["", *_screen(one)]
    return lines


def _screen(one: Look) -> list[str]:
    return [one.mask(line) for line in report.screen(one.title, one.found)]


def _watch(look: Callable[[], tuple[Look, ...]]) -> int:
    """On a terminal the screen is drawn anew; elsewhere an environment gets a line when it changes."""
    alive = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
    said: dict[str, str] = {}
    try:
        while True:
            looks = look()
            if alive:
                at = time.strftime("%H:%M:%S")
                print(CLEAR + "\n".join((*_lines(looks), "", f"{at}, again every {EVERY:.0f} s")), flush=True)  # noqa: T201
            for one in () if alive else looks:
                line = one.mask(report.headline(one.title, one.found))
                if said.get(one.title) != line:
                    said[one.title] = line
                    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201
            time.sleep(EVERY)
    except Interrupted as signal:  # the way to end it, so nothing went wrong
        return int(signal.exit_code)


def _code(found: statuses.Status | DeployError) -> ExitCode:
    if isinstance(found, DeployError):
        return ExitCode(found.exit_code)
    return CODES.get(found.verdict, ExitCode.OK) if found.verdict else ExitCode.OK
