"""`deploy up`."""

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import options
from deployer.cli.consent import consent
from deployer.cli.session import answering, session, show, show_plan, teller
from deployer.commands import docker
from deployer.execute import Doors, execute
from deployer.plan import values
from deployer.plan.facts import Facts
from deployer.plan.steps import Plan
from deployer.plan.up import up as plan_up


def up(
    env: options.Env,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Image tag, instead of the one git gives.", show_default=False)
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="key.path=value over all values; again for more.", metavar="KEY=VALUE", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")
    ] = False,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.YesInJob = False,
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Build, push, release, watch until healthy; on failure say why and put the last good revision back."""
    with answering("up", env, output), session(project, env, env_file, timeout=timeout) as run:
        given = values.effective(run.profile, run.secrets, assignments or [])
        consented = consent(run, override, reason, yes=yes)
        ready = run.checks.for_release(given, tag)
        passed = consented.passed(ready.guarded)
        login = (
            docker.login(run.profile.tools.docker, run.profile.registry.url, run.login.username, run.login.password)
            if run.login
            else None
        )

        def made(facts: Facts) -> Plan:
            plan = plan_up(env, run.profile, facts, project=run.project, target=run.target, values=given, login=login)
            return plan.passing(passed)

        if dry_run:
            return show_plan(made(ready.facts), run.mask, output)
        consented.confirm("up", passed)
        with (
            teller(run.mask, output, verbose=verbose) as screen,
            run.lease(ready.cluster, "up", screen.tell) as lease,
        ):
            ready = run.checks.anew(ready)
            doors = Doors(run.programs, ready.helm, ready.cluster, ready.registry, lease, run.login)
            result = execute(made(ready.facts), run.profile, run.project, doors, screen.tell)
        return show(result, run.mask, output)
