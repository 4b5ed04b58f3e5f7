"""`deploy rollback`."""

from pathlib import Path
from typing import Annotated

import typer

from deployer import evidence
from deployer.cli import options
from deployer.cli.session import answering, session, show, teller
from deployer.errors import DeployError
from deployer.execute import Doors, execute
from deployer.plan.rollback import rollback as plan_rollback
from deployer.registry import Registry
from deployer.result import Notice, Severity


def rollback(
    env: options.Env,
    to: Annotated[
        int | None, typer.Option("--to", help="Revision to put back. [default: the last good one]", show_default=False)
    ] = None,
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Put the last good revision back, or the one named, and watch it until healthy."""
    with answering("rollback", env, output), session(project, env, env_file, timeout=timeout) as run:
        with teller(run.mask, output, verbose=verbose) as screen:
            helm, cluster, history = run.checks.for_rollback()
            if isinstance(run.opened, DeployError):
                screen.tell(Notice(f"{run.opened.message}; a rollback does without", Severity.WARNING))
            run.learn(evidence.secrets(cluster, run.target.namespace))  # an old revision's are in no file any more
            plan = plan_rollback(env, run.profile.release.name, run.target, history, to)
            doors = Doors(run.programs, helm, cluster, Registry(run.profile.registry.url), None, run.mask)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(result, run.mask, output)
