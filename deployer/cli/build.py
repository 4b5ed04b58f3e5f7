"""`deploy build`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import files, options
from deployer.cli.jobs import Reports
from deployer.cli.session import answering, login_command, session, show, teller
from deployer.execute import Doors, execute
from deployer.plan import build as builds


def build(
    env: options.Env,
    tag: options.Tag = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the build report, for `deploy up --image FILE`.", metavar="FILE"),
    ] = None,
    dotenv: options.Dotenv = None,
    summary: options.Summary = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Build and push the image unless the registry has it; no cluster is asked. `up --image` deploys it."""
    began = time.monotonic()
    reports = Reports(project, dotenv, summary=summary)
    with answering("build", env, output, reports):
        files.demand("--out", out)
        with session(project, env, env_file, secrets_are="optional", many=True) as run:
            facts, registry = run.checks.for_build(tag)
            plan = builds.build(
                env, run.profile, facts, project=run.project, target=run.target, login=login_command(run)
            )
            with teller(run.mask, output, verbose=verbose) as screen:
                doors = Doors(run.programs, None, registry, login=run.login, mask=run.mask)
                result = execute(plan, run.profile, run.project, doors, screen.tell, began)
            if out and result.exit_code == 0 and result.image:
                files.write("--out", out, builds.text(builds.report(plan, result.image)), files.SHARED)
            return show(run.told(result), run.mask, output, reports)
