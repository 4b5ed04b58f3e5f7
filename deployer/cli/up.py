"""`deploy up`."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deployer.checks import Ready
from deployer.cli import files, options
from deployer.cli.consent import consent
from deployer.cli.session import Session, answering, login_command, session, show, show_plan, teller
from deployer.errors import UsageError
from deployer.execute import Doors, execute
from deployer.model import Values
from deployer.plan import build as builds
from deployer.plan import saved as plans
from deployer.plan.build import Built
from deployer.plan.saved import Saved
from deployer.plan.steps import Plan
from deployer.plan.unchanged import kept
from deployer.plan.up import up as plan_up
from deployer.values.fingerprint import fingerprint


def up(
    env: options.Env,
    tag: options.Tag = None,
    assignments: options.Assignments = None,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            help="Do what this plan says, or nothing where the world has moved.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    image_file: Annotated[
        Path | None,
        typer.Option(
            "--image",
            help="Deploy exactly the image of this report of `deploy build`; build nothing.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    dry_run: options.DryRun = False,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.YesInJob = False,
    force: options.Force = False,
    timeout: options.Timeout = None,
    dotenv: options.Dotenv = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Build, push, release, watch until healthy; on failure say why and put the last good revision back."""
    began = time.monotonic()
    with answering("up", env, output, dotenv), session(project, env, env_file, timeout=timeout) as run:
        if image_file and (tag or plan_file):
            raise UsageError(f"--image names the image, so {'--tag' if tag else '--plan'} has nothing to say")
        consented = consent(run, override, reason, yes=yes)
        saved = _read(plan_file, env) if plan_file else None
        built = _reported(run, image_file) if image_file else None
        tag = tag or (saved.tag if saved else None)
        given = run.values(assignments or [])
        if built:
            ready = run.checks.for_image(given, built.named, force=force)
        else:
            ready = run.checks.for_release(given, tag, force=force)
        passed = consented.passed(ready.guarded)  # before anybody is waited for
        plan = _planned(run, ready, given, image_file, built).passing(passed)
        if saved:
            plans.demand(str(plan_file), saved, stands_on(run, ready, given, saved.tag))
        if dry_run:
            return show_plan(plan, run.mask, output)
        if not plan.kept:
            consented.confirm("up", passed)
        with teller(run.mask, output, verbose=verbose) as screen:
            if plan.kept:
                doors = Doors(run.programs, ready.cluster, ready.registry, login=run.login)
                return show(
                    execute(plan, run.profile, run.project, doors, screen.tell, began), run.mask, output, dotenv
                )
            # The revision before this one may have had others, and its pods come back when this one fails.
            run.learn_released(ready.cluster)
            with run.lease(ready.cluster, "up", screen.tell) as lease:
                ready = run.checks.anew(ready, given, force=force)
                plan = _planned(run, ready, given, image_file, built).passing(passed)
                if saved:
                    plans.demand(str(plan_file), saved, stands_on(run, ready, given, saved.tag))
                doors = Doors(
                    run.programs, ready.cluster, ready.registry, ready.helm, lease, run.login, run.mask, run.delivery
                )
                result = execute(plan, run.profile, run.project, doors, screen.tell, began)
        return show(result, run.mask, output, dotenv)


def plan_of(run: Session, ready: Ready, given: Values) -> Plan:
    """What an `up` does, from what was found."""
    if ready.standing:
        return kept(run.environment, run.profile, ready.facts, run.target, ready.standing)
    made = plan_up(
        run.environment,
        run.profile,
        ready.facts,
        project=run.project,
        target=run.target,
        values=given,
        login=login_command(run),
        secrets=run.secret_paths,
        because=ready.because,
    )
    return replace(made, notes=(*made.notes, *ready.notes))


def stands_on(run: Session, ready: Ready, given: Values, tag: str | None) -> Saved:
    """What a plan of this run is made from."""
    values_hash = fingerprint(given, run.secret_paths)
    return plans.saved(run.environment, run.profile.release.name, run.target, ready.facts, values_hash, tag)


def _planned(run: Session, ready: Ready, given: Values, file: Path | None, built: Built | None) -> Plan:
    made = plan_of(run, ready, given)
    if built is None:
        return made
    return builds.given(made, str(file), built, ready.facts.source.sha if ready.facts.source else "")


def _reported(run: Session, file: Path) -> Built:
    built = builds.parse(str(file), files.read("--image", file))
    builds.demand(str(file), built, run.profile)
    return built


def _read(file: Path, env: str) -> Saved:
    saved = plans.parse(str(file), files.read("--plan", file))
    if saved.environment != env:
        raise UsageError(f"{file} is a plan for {saved.environment}, not for {env}")
    return saved
