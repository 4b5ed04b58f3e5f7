"""`deploy rollback`."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import asking, fleet, options
from deployer.cli.consent import Consent, consent
from deployer.cli.jobs import Reports
from deployer.cli.session import Session, answering, session, show, show_plan, teller
from deployer.errors import DeployError, PreflightError, UsageError
from deployer.execute import Doors, execute
from deployer.model import Kept
from deployer.plan import canary
from deployer.plan import fleet as fleets
from deployer.plan.difference import Content, Difference, differences
from deployer.plan.rollback import rollback as plan_rollback
from deployer.plan.steps import Plan, Revert, Rollback
from deployer.profile.schema import FleetTarget
from deployer.registry import Registry
from deployer.report import words
from deployer.result import Event, Result


def rollback(
    env: options.Env,
    to: Annotated[
        int | None, typer.Option("--to", help="Revision to put back. [default: the last good one]", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --to: also a revision that was not good, or that runs already.")
    ] = False,
    targets: options.Targets = None,
    select: options.Select = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, do nothing.")] = False,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.Yes = False,
    timeout: options.Timeout = None,
    dotenv: options.Dotenv = None,
    junit: options.Junit = None,
    summary: options.Summary = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Put the last good revision back, or the one named, and watch it until healthy; shows first what changes."""
    reports = Reports(project, dotenv, junit, summary)
    opened = session(project, env, env_file, timeout=timeout, many=True)
    with answering("rollback", env, output, reports), opened as run:
        consented = consent(run, override, reason, yes=yes)
        chosen = fleets.chosen(run.profile, env, targets or [], select or [])
        if chosen and to is not None:
            if len(chosen) > 1:
                raise UsageError("--to names a revision, and each target has its own; name one with --target")
            run, chosen = run.at(chosen[0]), ()
        if chosen:
            return _many(run, chosen, consented, output, reports, dry_run=dry_run, yes=yes, verbose=verbose)

        def made(kept: Sequence[Kept]) -> Plan:
            return _made(run, kept, to, force=force)

        helm, cluster, kept = run.checks.for_rollback()
        if isinstance(run.opened, DeployError):
            print(f"warning: {run.opened.message}; a rollback does without", file=sys.stderr, flush=True)  # noqa: T201
        run.learn_held(cluster)
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
        return show(run.told(result), run.mask, output, reports)


def _many(
    run: Session,
    chosen: Sequence[FleetTarget],
    consented: Consent,
    output: options.Output,
    reports: Reports,
    *,
    dry_run: bool,
    yes: bool,
    verbose: bool,
) -> int:
    """Each target's own last good revision, wave after wave."""
    made = fleet.planned(run, "rollback", chosen)
    passed = consented.passed(run.checks.guarded("rollback"))
    if dry_run:
        return fleet.show_plan(made, None, ("each target gets its own last good revision",), run.mask, output)
    if not consented.confirm("rollback", passed, f"{made.release} on {len(made.targets)} targets"):
        asking.confirm(run, f"put the last good revision back on {len(made.targets)} targets?", yes)

    def deed(one: Session, tell: Callable[[Event], None]) -> Result:
        helm, cluster, _ = one.checks.for_rollback()
        try:
            one.learn_held(cluster)
            with one.lease(cluster, "rollback", tell) as lease:
                plan = _made(one, one.checks.kept(cluster), None, force=False).passing(passed)
                doors = Doors(
                    one.programs,
                    cluster,
                    Registry(one.profile.registry.url),
                    helm,
                    lease,
                    mask=one.mask,
                    delivery=one.delivery,
                )
                result = execute(plan, one.profile, one.project, doors, tell)
            return one.told(result)
        finally:
            cluster.close()

    rolled = fleet.roll(run, made, deed, output, image=None, yes=yes, verbose=verbose)
    return fleet.show(rolled, run, output, reports)


def _made(run: Session, kept: Sequence[Kept], to: int | None, *, force: bool) -> Plan:
    history = tuple(one.revision for one in kept)
    plan = plan_rollback(run.environment, run.profile.release.name, run.target, history, to, run.job, force=force)
    return replace(plan, differences=_differences(plan, kept, run.secret_paths))


def _differences(plan: Plan, kept: Sequence[Kept], secrets: Iterable[str]) -> tuple[Difference, ...]:
    chosen = next(step.deed.revision for step in plan.steps if isinstance(step.deed, Rollback | Revert))
    assert plan.previous is not None
    both = [one for one in kept if one.revision.number in (plan.previous, chosen)]
    known = {one.revision.number: Content(one.revision.chart, one.manifest, one.values) for one in both}
    records = [one.revision.record for one in both]
    named = {*secrets, *(path for record in records if record for path in record.secrets)}
    return differences(known[plan.previous], known[chosen], canary.secrets(named))
