"""`deploy up`."""

from pathlib import Path
from typing import Annotated

import typer

from deployer import evidence
from deployer.cli import options
from deployer.cli.session import answering, session, show, show_plan, teller
from deployer.commands import docker
from deployer.execute import Doors, execute
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
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Build, push, release, watch until healthy; on failure say why and put the last good revision back."""
    with answering("up", env, output), session(project, env, env_file, timeout=timeout) as run:
        given = run.values(assignments or [])
        with teller(run.mask, output, verbose=verbose) as screen:
            ready = run.checks.for_release(given, tag)
            # The revision before this one may have had others, and its pods come back when this one fails.
            mine = f"app.kubernetes.io/instance={run.profile.release.name}"
            run.learn(evidence.secrets(ready.cluster, run.target.namespace, mine))
            login = (
                docker.login(run.profile.tools.docker, run.profile.registry.url, run.login.username, run.login.password)
                if run.login
                else None
            )
            plan = plan_up(
                env, run.profile, ready.facts, project=run.project, target=run.target, values=given, login=login
            )
            if dry_run:
                return show_plan(plan, run.mask, output)
            doors = Doors(run.programs, ready.helm, ready.cluster, ready.registry, run.login, run.mask)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(result, run.mask, output)
