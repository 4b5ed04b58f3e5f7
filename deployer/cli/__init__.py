"""The command line: parse, wire, call, render. The only typer import is in this package."""

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from deployer.cli import streams
from deployer.errors import DeployError, ExitCode, Interrupted, UsageError
from deployer.mask import Mask
from deployer.report import document, words

VERBS = (
    "up",
    "plan",
    "build",
    "bundle",
    "promote",
    "status",
    "history",
    "rollback",
    "down",
    "unlock",
    "verify",
    "doctor",
    "init",
)
GROUPS = ("config", "secrets", "gitops")
"""Verbs that have verbs of their own."""


def program(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line. Where the arguments name verbs, with these alone: a run need not import what others do."""
    named = {*VERBS, *GROUPS} & {*arguments} or {*VERBS, *GROUPS}
    app = typer.Typer(
        name="deploy",
        help="Get one service safely through dev, test and prod.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    for verb in (verb for verb in VERBS if verb in named):
        app.command()(getattr(importlib.import_module(f"{__name__}.{verb}"), verb))
    for group in (group for group in GROUPS if group in named):
        app.add_typer(importlib.import_module(f"{__name__}.{group}").app, name=group)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from deployer import __version__

        typer.echo(f"deploy {__version__}")
        raise typer.Exit


def _folder(folder: Path | None) -> None:
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise UsageError(f"-C {folder}: {error.strerror}") from None


def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("-C", callback=_folder, is_eager=True, help="Run as if started in DIR.", metavar="DIR"),
    ] = None,
) -> None:
    """Get one service safely through dev, test and prod."""


def run(arguments: list[str]) -> int:
    """The exit code of a command line. What goes wrong is told on stderr; never as a traceback, never with a secret."""
    with streams.hiding():
        code = _run(arguments)
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except BrokenPipeError:  # who read it has gone away
            return _unread()
        return code


def _run(arguments: list[str]) -> int:
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        code = get_command(program(arguments)).main(args=arguments, prog_name="deploy", standalone_mode=False)
        return int(code or 0)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help says how it is used" if context else None
        problem = UsageError(error.format_message(), hint=hint)
        return _told(problem, arguments)
    except typer.Abort:
        return int(ExitCode.INTERRUPTED)
    except DeployError as error:
        for line in words.error(error):
            typer.echo(line, err=True)
        return int(error.exit_code)
    except (BrokenPipeError, SystemExit):  # typer ends the program where it hears of a reader that has gone away
        return _unread()
    except OSError as error:  # a full disk, a folder that may not be read
        return _told(DeployError(": ".join(filter(None, (error.strerror or str(error), error.filename)))), arguments)
    except Exception as error:  # a bug of ours: say where it is, not what was in it
        if came:  # the signal has broken something on its way, such as a lock that was just being taken
            return _told(Interrupted(came[0]), arguments)
        if os.environ.get("DEPLOY_DEBUG"):
            typer.echo("".join(traceback.format_exception(error)), err=True)
            return int(ExitCode.FAILED)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        bug = DeployError(
            f"internal error: {type(error).__name__} at {os.path.basename(frame.filename)}:{frame.lineno}",
            hint="this is a bug in deploy; DEPLOY_DEBUG=1 shows the traceback to report",
        )
        return _told(bug, arguments)


def _unread() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(ExitCode.FAILED)


def _told(problem: DeployError, arguments: list[str]) -> int:
    """The exit code of an error that no verb has told yet: in words, and as a document where one was asked for."""
    for line in words.error(problem):
        typer.echo(line, err=True)
    if {"json", "-ojson", "--output=json"} & set(arguments):
        streams.answer(document.error(next(iter(arguments), ""), None, problem), Mask())
    return int(problem.exit_code)
