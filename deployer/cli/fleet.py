"""A verb on an environment of many targets: what they share is found once, then each goes the way of a single one."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from deployer import fleet
from deployer.cli import jobs
from deployer.cli.jobs import NONE, Reports
from deployer.cli.options import Output
from deployer.cli.session import Session, alive, echo
from deployer.cli.streams import answer
from deployer.errors import ExitCode
from deployer.fleet import Rolled
from deployer.mask import Mask
from deployer.model import Image
from deployer.plan import fleet as plans
from deployer.plan.fleet import Fleet, Wave
from deployer.plan.steps import Plan
from deployer.process import Lifeline
from deployer.profile.schema import FleetTarget
from deployer.report import annotations, document
from deployer.report import fleet as report
from deployer.report.fleet import Sparse
from deployer.result import Event, Result, Stage
from deployer.stop import Stop

if TYPE_CHECKING:
    from deployer.report.terminal import FleetTerminal

Deed = Callable[[Session, Callable[[Event], None]], Result]
"""The whole of one target: its session, and whom to tell. Raises DeployError where it ends before its first change."""


def planned(run: Session, verb: str, chosen: Sequence[FleetTarget]) -> Fleet:
    """The waves of a run."""
    return plans.fleet(verb, run.environment, run.profile, chosen)


def roll(
    run: Session,
    made: Fleet,
    deed: Deed,
    output: Output,
    *,
    image: Image | None,
    yes: bool,
    verbose: bool,
) -> Rolled:
    """Do it on all targets. `image`: what they are to run; `yes`: the answer where a gate asks and nobody is there."""
    stop = Stop()
    with Lifeline() as lifeline, _teller(made, run.mask, output, verbose=verbose) as screen:
        programs = replace(run.programs, stop=stop, lifeline=lifeline)
        shared = replace(run, programs=programs, program=run.checks.helm())
        targets = {one.name: shared.at(one) for one in run.profile.targets if one.name in made.targets}
        patience = run.profile.fleet.connect_timeout
        return fleet.roll(
            made,
            lambda name, tell: deed(targets[name], tell),
            lambda name: fleet.offline(targets[name].target, patience),
            screen.tell,
            lambda wave, following: _agreed(run, made, wave, following, screen, yes=yes),
            stop,
            image,
        )


def show(rolled: Rolled, run: Session, output: Output, reports: Reports = NONE) -> int:
    """The answer on stdout, annotations for CI on stderr, facts for its next job; the exit code."""
    mask = run.mask
    rolled = mask.through(rolled)
    jobs.many(rolled, mask, reports)
    for line in annotations.many(rolled, os.environ):
        print(mask(line), file=sys.stderr)  # noqa: T201
    if output is Output.JSON:
        answer(document.fleet(rolled), mask)
    else:
        for line in report.lines(rolled):
            echo(line, mask)
    for missing in run.told_above(_whole(rolled, run)):  # last: after a second signal, seconds count
        print(mask(f"warning: {missing}"), file=sys.stderr)  # noqa: T201
    return int(rolled.code)


def _whole(rolled: Rolled, run: Session) -> Result:
    """All of it as one result, in no namespace of its own."""
    made, where = rolled.fleet, replace(run.target, namespace="")
    return Result(
        Plan(made.verb, made.environment, where, made.release, ()),
        rolled.code,
        report.message(rolled),
        rolled.seconds,
        (Stage("targets", rolled.seconds, ok=not rolled.code),),
        rolled.image,
        changed=rolled.changed,
    )


def show_plan(made: Fleet, image: Image | None, notes: Sequence[str], mask: Mask, output: Output) -> int:
    """What would be done, on stdout."""
    if output is Output.JSON:
        answer(document.fleet_plan(made, image, notes), mask)
    else:
        echo("\n".join(report.plan(made, image, notes)), mask)
    return int(ExitCode.OK)


def _teller(made: Fleet, mask: Mask, output: Output, *, verbose: bool) -> "Sparse | FleetTerminal":
    if alive(output) and not verbose:
        from deployer.report.terminal import FleetTerminal  # rich takes a tenth of a second that CI need not pay

        return FleetTerminal(made, mask)
    return Sparse(lambda line: print(mask(line), file=sys.stderr, flush=True), verbose=verbose)  # noqa: T201


def _agreed(
    run: Session, made: Fleet, wave: Wave, following: Wave, screen: "Sparse | FleetTerminal", *, yes: bool
) -> str:
    """Why the next wave does not begin; empty where it does."""
    if yes:
        return ""
    if not run.attended:
        return f"wave {following.name} waits for a yes: `deploy {made.verb} --env {made.environment} --yes` goes on"
    question = f"wave {wave.name} is over; go on with wave {following.name} ({report.count(len(following.targets))})?"
    try:
        with screen.aside():
            agreed = typer.confirm(question, err=True)
    except typer.Abort:  # the end of the input is no yes, and no reason to lose the report
        agreed = False
    return "" if agreed else f"somebody said no to wave {following.name}"
