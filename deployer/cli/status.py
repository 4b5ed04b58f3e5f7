"""`deploy status`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from deployer import evidence, profile
from deployer import status as statuses
from deployer.cli import options
from deployer.cli.session import answering, echo, session
from deployer.cli.streams import answer
from deployer.errors import DeployError, ExitCode, UsageError
from deployer.health.verdict import Verdict
from deployer.mask import Mask
from deployer.report import document, words

CODES = {
    Verdict.FAILED: ExitCode.UNHEALTHY,
    Verdict.PROGRESSING: ExitCode.DEADLINE,
    Verdict.PAUSED: ExitCode.PAUSED,
    Verdict.INDETERMINATE: ExitCode.INDETERMINATE,
}


def status(
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            "-e",
            help="Environment. [default: all of them]",
            show_default=False,
            autocompletion=options.environment_names,
        ),
    ] = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Say what each environment runs, and how it is."""
    with answering("status", env, output):
        names = (env,) if env else profile.environments(project)
        if not names:
            raise UsageError(f"there is no environments/<name>.yaml in {project}", hint="-C names the project folder")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: _look(project, name, env_file), names))
    code = max((_code(one) for one in found), default=ExitCode.OK)
    if output is options.Output.JSON:
        answer(document.status(list(zip(names, found, strict=True)), code), Mask())
        return int(code)
    for name, one in zip(names, found, strict=True):
        lines = words.error(one) if isinstance(one, DeployError) else words.status(one)
        for index, line in enumerate(lines):
            echo(f"{name if index == 0 else '':<10} {line}", Mask())
    return int(code)


def _look(project: Path, name: str, env_file: Path | None) -> statuses.Status | DeployError:
    """An environment that cannot be asked is an answer too, where others can."""
    try:
        with session(project, name, env_file) as run:
            helm, cluster, history = run.checks.for_rollback()
            run.learn(evidence.secrets(cluster, run.target.namespace))
            return statuses.look(name, run.programs, helm, cluster, history, run.profile.health)
    except DeployError as error:
        return error


def _code(found: statuses.Status | DeployError) -> ExitCode:
    if isinstance(found, DeployError):
        return ExitCode(found.exit_code)
    return CODES.get(found.verdict, ExitCode.OK) if found.verdict else ExitCode.OK
