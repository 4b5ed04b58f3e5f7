"""`deploy promote`."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deployer import dockerconfig
from deployer import status as statuses
from deployer.checks import Ready
from deployer.cli import asking, options
from deployer.cli.consent import consent
from deployer.cli.jobs import Reports
from deployer.cli.session import Session, answering, login_command, session, show, show_plan, teller
from deployer.cli.up import doors_of, plan_of
from deployer.errors import DeployError, PreflightError, UsageError
from deployer.execute import execute
from deployer.model import Command, Image, Values
from deployer.plan import promotion
from deployer.plan import values as release_values
from deployer.plan.steps import Plan, Promotion
from deployer.registry import Registry
from deployer.report import words


def promote(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Environment whose version is promoted.",
            show_default=False,
            autocompletion=options.environment_names,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", help="Environment it goes to.", show_default=False, autocompletion=options.environment_names
        ),
    ],
    sha: Annotated[
        str | None,
        typer.Option("--sha", help="Only this commit: refuse if another runs there meanwhile.", show_default=False),
    ] = None,
    dry_run: options.DryRun = False,
    override: options.Override = None,
    reason: options.Reason = None,
    force: options.Force = False,
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
    """Release what runs and is healthy in one environment to another: the same digest, nothing is built."""
    reports = Reports(project, dotenv, junit, summary)
    with answering("promote", to, output, reports), ExitStack() as stack:
        if source == to:
            raise UsageError(f"--from and --to are both {to}", hint="deploy promote --from test --to prod")
        with _naming(source):
            origin = stack.enter_context(session(project, source, env_file))
            standing, image = _promotable(origin, sha)
        with _naming(to):
            run = _knowing(origin, stack.enter_context(session(project, to, env_file, timeout=timeout)), stack)
            consented = consent(run, override, reason, yes=yes)
            given = run.values([])
            ready = run.checks.for_promotion(given, image, force=force)
            passed = consented.passed(ready.guarded)  # before anybody is waited for
            plan = _plan(origin, run, ready, given, standing, image).passing(passed)
        if dry_run:
            return show_plan(plan, run.mask, output)
        if not plan.kept:
            for line in words.changes(plan):
                print(run.mask(line), file=sys.stderr, flush=True)  # noqa: T201
            if not consented.confirm("promote", passed):
                asking.confirm(run, f"promote it to {to}?", yes)
        with teller(run.mask, output, verbose=verbose) as screen:
            if plan.kept:
                result = execute(plan, run.profile, run.project, doors_of(run, ready), screen.tell)
                return show(run.told(result), run.mask, output, reports)
            # The revision before this one may have had others, and its pods come back when this one fails.
            run.learn_released(ready.cluster)
            with run.lease(ready.cluster, "promote", screen.tell) as lease:
                with _naming(source):
                    _demand_same(standing, image, *_promotable(origin, sha))
                with _naming(to):
                    ready = run.checks.anew(ready, given, force=force)
                    plan = replace(_plan(origin, run, ready, given, standing, image), notes=()).passing(passed)
                result = execute(plan, run.profile, run.project, doors_of(run, ready, lease), screen.tell)
        return show(run.told(result), run.mask, output, reports)


@contextmanager
def _naming(environment: str) -> Iterator[None]:
    """Two environments are at work: an error says whose it is."""
    try:
        yield
    except DeployError as error:
        error.message = f"{environment}: {error.message}"
        raise


def _promotable(origin: Session, sha: str | None) -> tuple[promotion.Standing, Image]:
    """What may be promoted, on the word of helm's record, ours, the live pods and the registry."""
    registry = Registry(origin.profile.registry.url, origin.login)
    registry.check()
    checks = origin.checks
    cluster = checks.cluster()
    kept = checks.kept(cluster)
    # The newest revision's are in no file any more where these have changed since, and may not be decrypted here.
    origin.learn_released(cluster)
    seen = statuses.look(origin.environment, checks, cluster)
    standing = promotion.Standing(
        environment=origin.environment,
        release=origin.profile.release.name,
        registry=origin.profile.registry.url,
        history=tuple(one.revision for one in kept),
        values=kept[-1].values if kept else {},
        manifest=kept[-1].manifest if kept else "",
        running=tuple((one.image, one.digest) for one in seen.running),
        verdict=seen.verdict,
        headline="; ".join(map(words.judgement, seen.judgements)),
    )
    image = promotion.promotable(standing, sha)
    if not registry.holds(image):
        raise PreflightError(
            f"the registry has no {image.reference} any more, though pods run it",
            hint=f"`deploy up --env {origin.environment}` builds and pushes it anew",
        )
    return standing, image


def _demand_same(agreed: promotion.Standing, image: Image, now: promotion.Standing, other: Image) -> None:
    """Raises PreflightError where another revision runs by now: somebody was asked, or the lease was waited for."""
    before, newest = agreed.history[-1].number, now.history[-1].number
    if (before, image) != (newest, other):
        raise PreflightError(
            f"revision {newest} with {other.reference} runs there by now; nothing was touched",
            hint="run it again, to see what would be promoted now",
        )


def _plan(
    origin: Session, run: Session, ready: Ready, given: Values, standing: promotion.Standing, image: Image
) -> Plan:
    newest = standing.history[-1]
    promoted = Promotion(origin.environment, newest.number, image, newest.record.sha if newest.record else "")
    settings = release_values.release(given, ready.facts.image, run.profile.registry.pull_secret if run.login else None)
    return replace(
        promotion.promote(
            plan_of(run, ready, given),
            promoted,
            run.profile.tools.docker,
            _logins(origin, run, image) if ready.absent else (),
            copied=ready.absent,
        ),
        differences=promotion.differences(standing, settings, (*origin.secret_paths, *run.secret_paths)),
    )


def _login(run: Session) -> tuple[Command, ...]:
    command = login_command(run)
    return (command,) if command else ()


def _host(run: Session) -> str:
    return run.profile.registry.url.partition("/")[0]


def _logins(origin: Session, run: Session, image: Image) -> tuple[Command, ...]:
    """What docker needs to read here and to write there. It knows one login a registry: then it is the one there."""
    if _host(origin) != _host(run) or run.login is None:
        return (*_login(origin), *_login(run))
    if run.login != origin.login:
        try:
            readable = Registry(origin.profile.registry.url, run.login).holds(image)
        except DeployError:
            readable = False
        if not readable:
            raise PreflightError(
                f"`{run.login.username}` may not read {image.reference}, and has to, to copy it within one registry",
                hint=f"let the login of {run.environment} read the repository of {origin.environment}",
            )
    return _login(run)


def _knowing(origin: Session, run: Session, stack: ExitStack) -> Session:
    """The session there: it hides both sides' secrets, its programs get neither's, and docker has both logins."""
    run.learn(sorted(origin.mask.known))
    environ = run.programs.environ
    if logins := {_host(one): one.login for one in (origin, run) if one.login}:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deploy-")))
        environ = {**environ, **stack.enter_context(dockerconfig.private(folder, os.environ, logins))}
    programs = replace(run.programs, environ=environ, secrets=run.programs.secrets | origin.programs.secrets)
    return replace(run, programs=programs)
