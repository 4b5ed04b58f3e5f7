"""`deploy up`."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployer.checks import Ready
from deployer.cli import files, options
from deployer.cli.consent import consent
from deployer.cli.jobs import Reports
from deployer.cli.session import Session, answering, login_command, session, show, show_plan, teller
from deployer.errors import DeployError, UsageError
from deployer.execute import Doors, execute
from deployer.lock import Lease
from deployer.model import Image, Values
from deployer.plan import build as builds
from deployer.plan import saved as plans
from deployer.plan.build import Built
from deployer.plan.facts import Facts
from deployer.plan.saved import Saved
from deployer.plan.steps import Plan
from deployer.plan.unchanged import kept
from deployer.plan.up import up as plan_up
from deployer.profile.schema import FleetTarget
from deployer.registry import Registry
from deployer.result import Event, Notice, Result
from deployer.values.fingerprint import fingerprint

if TYPE_CHECKING:
    from deployer.bundle import Opened


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
    image_file: options.ImageFile = None,
    bundle_file: options.BundleFile = None,
    bundle_digest: options.BundleDigest = None,
    targets: options.Targets = None,
    select: options.Select = None,
    dry_run: options.DryRun = False,
    override: options.Override = None,
    reason: options.Reason = None,
    yes: options.YesInJob = False,
    force: options.Force = False,
    timeout: options.Timeout = None,
    dotenv: options.Dotenv = None,
    junit: options.Junit = None,
    summary: options.Summary = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Build, push, release, watch until healthy; on failure say why and put the last good revision back."""
    began = time.monotonic()
    reports = Reports(project, dotenv, junit, summary)
    with answering("up", env, output, reports), ExitStack() as stack:
        if bundle_file and (tag or plan_file or image_file):
            other = "--tag" if tag else "--plan" if plan_file else "--image"
            raise UsageError(f"--bundle says what is deployed, so {other} has nothing to say")
        if bundle_digest is not None and not bundle_file:
            raise UsageError("--bundle-digest is of a bundle, and no --bundle is given")
        packed = stack.enter_context(_unpacked(bundle_file, env, bundle_digest)) if bundle_file else None
        if packed and env_file is None and (project / ".env").exists():
            env_file = project / ".env"
        folder = packed.project if packed else project
        run = stack.enter_context(session(folder, env, env_file, timeout=timeout, many=True, beside=project))
        if image_file and (tag or plan_file):
            raise UsageError(f"--image names the image, so {'--tag' if tag else '--plan'} has nothing to say")
        consented = consent(run, override, reason, yes=yes)
        chosen: Sequence[FleetTarget] = ()
        if run.profile.targets or targets or select:
            from deployer.cli import upfleet  # one target alone need not pay for waves and their report

            chosen = upfleet.chosen(run, targets or [], select or [])
        if chosen and plan_file:
            raise UsageError(f"environment `{env}` has many targets, and --plan is for one")
        saved = _read(plan_file, env) if plan_file else None
        built = reported(run, image_file) if image_file else None
        tag = tag or (saved.tag if saved else None)
        given = run.values(assignments or [])
        if chosen:
            wanted = upfleet.Wanted(
                assignments or [], tag, built, packed, force=force, dry_run=dry_run, verbose=verbose, yes=yes
            )
            return upfleet.up(run, chosen, wanted, consented, output, reports)
        if packed:
            ready = run.checks.for_target(given, facts_of(run, packed), force=force)
        elif built:
            ready = run.checks.for_image(given, built.named, force=force)
        else:
            ready = run.checks.for_release(given, tag, force=force)
        passed = consented.passed(ready.guarded)  # before anybody is waited for
        plan = planned(run, ready, given, image_file, built).passing(passed)
        if saved:
            plans.demand(str(plan_file), saved, stands_on(run, ready, given, saved.tag))
        if dry_run:
            return show_plan(plan, run.mask, output)
        if not plan.kept:
            consented.confirm("up", passed)
        with teller(run.mask, output, verbose=verbose) as screen:
            sent = bool(packed and not plan.kept and supply(run, ready.facts.image, packed, screen.tell))

            def again(found: Ready) -> Plan:
                if saved:
                    plans.demand(str(plan_file), saved, stands_on(run, found, given, saved.tag))
                return planned(run, found, given, image_file, built).passing(passed)

            try:
                result = done(run, ready, plan, again, given, screen.tell, began, force=force)
            except DeployError as error:
                error.changed = sent
                raise
        return show(replace(result, changed=result.changed or sent), run.mask, output, reports)


def _unpacked(file: Path, env: str, digest: str | None) -> "AbstractContextManager[Opened]":
    from deployer import bundle  # only who has one pays for reading archives

    return bundle.opened(file, env, digest)


def facts_of(run: Session, packed: "Opened") -> Facts:
    """What a bundle says of its image, as this environment's registry has it or gets it."""
    image = packed.made.image(run.profile.registry.url, run.profile.image.repository)
    return Facts(image, history=(), source=packed.made.source, job=run.job)


def supply(run: Session, image: Image, packed: "Opened", tell: Callable[[Event], None]) -> bool:
    """Bring the image of a bundle into the environment's own registry; whether it had to be brought."""
    from deployer import bundle

    registry = Registry(run.profile.registry.url, run.login)
    registry.check()
    sent = bundle.supply(registry, image, packed)
    tell(Notice(f"{image.reference} {'is sent' if sent else 'is there already'}"))
    return sent


def done(
    run: Session,
    ready: Ready,
    plan: Plan,
    again: Callable[[Ready], Plan],
    given: Values,
    tell: Callable[[Event], None],
    began: float,
    *,
    force: bool,
) -> Result:
    """Do what was planned for one target; `again` plans anew, once the release is ours."""
    if plan.kept:
        return run.told(execute(plan, run.profile, run.project, doors_of(run, ready), tell, began))
    # The revision before this one may have had others, and its pods come back when this one fails.
    run.learn_released(ready.cluster)
    with run.lease(ready.cluster, "up", tell) as lease:
        ready = run.checks.anew(ready, given, force=force)
        result = execute(again(ready), run.profile, run.project, doors_of(run, ready, lease), tell, began)
    return run.told(result)


def doors_of(run: Session, ready: Ready, lease: Lease | None = None) -> Doors:
    """The outside worlds of a release; `lease`: None where nothing is released."""
    return Doors(
        run.programs,
        ready.cluster,
        ready.registry,
        ready.helm,
        lease,
        run.login,
        run.mask,
        run.delivery,
        run.prometheus,
    )


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


def planned(run: Session, ready: Ready, given: Values, file: Path | None, built: Built | None) -> Plan:
    """The same, where a build report may have named the image."""
    made = plan_of(run, ready, given)
    if built is None:
        return made
    return builds.given(made, str(file), built, ready.facts.source.sha if ready.facts.source else "")


def reported(run: Session, file: Path) -> Built:
    """What a build report says. Raises UsageError where it is none, PreflightError where it is another image's."""
    built = builds.parse(str(file), files.read("--image", file))
    builds.demand(str(file), built, run.profile)
    return built


def _read(file: Path, env: str) -> Saved:
    saved = plans.parse(str(file), files.read("--plan", file))
    if saved.environment != env:
        raise UsageError(f"{file} is a plan for {saved.environment}, not for {env}")
    return saved
