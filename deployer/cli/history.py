"""`deploy history`."""

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import options
from deployer.cli.session import answering, echo, session
from deployer.cli.streams import answer
from deployer.errors import ExitCode
from deployer.plan.figures import figures
from deployer.report import document
from deployer.report import history as report


def history(
    env: options.Env,
    target: options.OneTarget = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the newest so many revisions.", show_default=False)
    ] = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Say what was deployed, by whom, how it ended and how long it took; and how often, and how soon it was mended."""
    with answering("history", env, output), session(project, env, env_file, one=target) as run:
        cluster = run.checks.cluster()
        revisions = run.checks.history(cluster)
        shown = revisions[-limit:] if limit else revisions
        counted = figures(revisions, cluster.server_time())
    if output is options.Output.JSON:
        release = (run.profile.release.name, run.target.namespace, run.target.context)
        answer(document.history(env, release, shown, counted), run.mask)
    else:
        for line in report.lines(env, run.profile.release.name, run.target, shown, counted):
            echo(line, run.mask)
    return int(ExitCode.OK)
