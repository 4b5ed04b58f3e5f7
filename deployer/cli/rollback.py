"""`deploy rollback`."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deployer import evidence
from deployer.cli import asking, options
from deployer.cli.consent import consent
from deployer.cli.session import answering, session, show, show_plan, teller
from deployer.delivery import Kept
from deployer.errors import DeployError, PreflightError
from deployer.execute import Doors, execute
from deployer.plan.difference import Content, Difference, differences
from deployer.plan.rollback import rollback as plan_rollback
from deployer.plan.steps import Plan, Revert, Rollback
from deployer.registry import Registry
from deployer.report import words


def rollback(
    env: options.Env,
    to: Annotated[
        int | None, typer.Option("--to", help="Revision to put back. [default: the last good one]", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --to: also a revision that was not good, or that runs already.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, do nothing.")] = False,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.Yes = False,
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Put the last good revision back, or the one named, and watch it until healthy; shows first what changes."""
    with answering("rollback", env, output), session(project, env, env_file, timeout=timeout) as run:
        consented = consent(run, override, reason, yes=yes)

        def made(kept: Sequence[Kept]) -> Plan:
            history = tuple(one.revision for one in kept)
            plan = plan_rollback(env, run.profile.release.name, run.target, history, to, run.job, force=force)
            return replace(plan, differences=_differences(plan, kept, run.secret_paths))

        helm, cluster, kept = run.checks.for_rollback()
        if isinstance(run.opened, DeployError):
            print(f"warning: {run.opened.message}; a rollback does without", file=sys.stderr, flush=True)  # noqa: T201
        run.learn(evidence.secrets(cluster, run.target.namespace))  # an old revision's are in no file any more
        plan = made(kept)
        passed = consented.passed(run.checks.guarded("rollback"))
        if dry_run:
            return show_plan(plan.passing(passed), run.mask, output)
        for line in words.changes(plan):
            print(run.mask(line), file=sys.stderr, flush=True)  # noqa: T201
        if not consented.confirm("rollback", passed):
            asking.confirm(run, "put it back?", yes)
        with (
            teller(run.mask, output, verbose=verbose) as screen,
            run.lease(cluster, "rollback", screen.tell) as lease,
        ):
            agreed, plan = plan, made(run.checks.kept(cluster))
            if (plan.previous, plan.steps) != (agreed.previous, agreed.steps):
                raise PreflightError(
                    f"{plan.release} changed meanwhile: its newest revision is {plan.previous}; nothing was touched",
                    hint="run it again, to see what would be put back now",
                )
            doors = Doors(
                run.programs,
                cluster,
                Registry(run.profile.registry.url),
                helm,
                lease,
                mask=run.mask,
                delivery=run.delivery,
            )
            plan = replace(plan, notes=()).passing(passed)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(result, run.mask, output)


def _differences(plan: Plan, kept: Sequence[Kept], secrets: Iterable[str]) -> tuple[Difference, ...]:
    chosen = next(step.deed.revision for step in plan.steps if isinstance(step.deed, Rollback | Revert))
    assert plan.previous is not None
    both = [one for one in kept if one.revision.number in (plan.previous, chosen)]
    known = {one.revision.number: Content(one.revision.chart, one.manifest, one.values) for one in both}
    records = [one.revision.record for one in both]
    named = {*secrets, *(path for record in records if record for path in record.secrets)}
    return differences(known[plan.previous], known[chosen], named)
