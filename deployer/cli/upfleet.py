"""`deploy up` on an environment of many targets."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployer.checks import Ready
from deployer.cli import fleet, options
from deployer.cli.consent import Consent
from deployer.cli.jobs import Reports
from deployer.cli.session import Session, login_command, show, teller
from deployer.cli.up import done, facts_of, plan_of, supply
from deployer.execute import Doors, execute
from deployer.plan import build as builds
from deployer.plan import fleet as fleets
from deployer.plan.build import Built
from deployer.plan.steps import Plan
from deployer.profile.schema import FleetTarget
from deployer.registry import Registry
from deployer.result import Event, Result

if TYPE_CHECKING:
    from deployer.bundle import Opened


def chosen(run: Session, targets: Sequence[str], select: Sequence[str]) -> Sequence[FleetTarget]:
    """Those that are meant; none where the environment is one target. Raises UsageError for a name it does not have."""
    return fleets.chosen(run.profile, run.environment, targets, select)


@dataclass(frozen=True)
class Wanted:
    """What a command line asks of many targets."""

    assignments: Sequence[str]
    tag: str | None
    built: Built | None  # the image of --image
    packed: "Opened | None"  # the bundle of --bundle
    force: bool
    dry_run: bool
    verbose: bool
    yes: bool


def up(
    run: Session,
    chosen: Sequence[FleetTarget],
    wanted: Wanted,
    consented: Consent,
    output: options.Output,
    reports: Reports,
) -> int:
    """One image, built and pushed once; then each target, wave after wave."""
    began, made = time.monotonic(), fleet.planned(run, "up", chosen)
    if wanted.packed:
        facts, registry = facts_of(run, wanted.packed), Registry(run.profile.registry.url, run.login)
    elif wanted.built:
        facts, registry = run.checks.for_reported(wanted.built.named), Registry(run.profile.registry.url, run.login)
    else:
        facts, registry = run.checks.for_build(wanted.tag)
    passed = consented.passed(run.checks.guarded("up", facts))  # for all; each target is asked again
    building = builds.build(
        run.environment, run.profile, facts, project=run.project, target=run.target, login=login_command(run)
    )
    if wanted.dry_run:
        sent = (f"the image of the bundle is sent to {registry.url}, unless it is there",)
        return fleet.show_plan(made, facts.image, sent if wanted.packed else building.notes, run.mask, output)
    consented.confirm("up", passed, f"{made.release} on {len(made.targets)} targets")
    run = replace(run, program=run.checks.helm())  # a lack of it is found before anything is built or sent
    supplied = False
    if building.steps:
        with teller(run.mask, output, verbose=wanted.verbose) as screen:
            doors = Doors(run.programs, None, registry, login=run.login, mask=run.mask)
            result = execute(replace(building, verb="up"), run.profile, run.project, doors, screen.tell, began)
        if result.exit_code:
            return show(result, run.mask, output, reports)
        assert result.image
        facts, supplied = replace(facts, image=result.image), result.changed
    if wanted.packed:
        with teller(run.mask, output, verbose=wanted.verbose) as screen:
            supplied = supply(run, facts.image, wanted.packed, screen.tell)

    def deed(one: Session, tell: Callable[[Event], None]) -> Result:
        begun, given = time.monotonic(), one.values(wanted.assignments)
        ready = one.checks.for_target(given, facts, force=wanted.force)
        try:
            overrides = consented.passed(ready.guarded)

            def again(found: Ready) -> Plan:
                return plan_of(one, found, given).passing(overrides)

            return done(one, ready, again(ready), again, given, tell, begun, force=wanted.force)
        finally:
            ready.cluster.close()

    rolled = fleet.roll(run, made, deed, output, image=facts.image, yes=wanted.yes, verbose=wanted.verbose)
    return fleet.show(replace(rolled, supplied=supplied, seconds=time.monotonic() - began), run, output, reports)
