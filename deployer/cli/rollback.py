"""`deploy rollback`."""

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import options
from deployer.cli.consent import consent
from deployer.cli.session import answering, session, show, teller
from deployer.execute import Doors, execute
from deployer.plan.rollback import rollback as plan_rollback
from deployer.registry import Registry


def rollback(
    env: options.Env,
    to: Annotated[
        int | None, typer.Option("--to", help="Revision to put back. [default: the last good one]", show_default=False)
    ] = None,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.YesInJob = False,
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Put the last good revision back, or the one named, and watch it until healthy."""
    with answering("rollback", env, output), session(project, env, env_file, timeout=timeout) as run:
        consented = consent(run, override, reason, yes=yes)
        helm, cluster, _ = run.checks.for_rollback()
        passed = consented.passed(run.checks.guarded("rollback"))
        consented.confirm("rollback", passed)
        with (
            teller(run.mask, output, verbose=verbose) as screen,
            run.lease(cluster, "rollback", screen.tell) as lease,
        ):
            history = run.checks.history(cluster)
            plan = plan_rollback(env, run.profile.release.name, run.target, history, to, run.job).passing(passed)
            doors = Doors(run.programs, helm, cluster, Registry(run.profile.registry.url), lease)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(result, run.mask, output)
