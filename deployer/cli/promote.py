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

from deployer import dockerconfig, storage
from deployer import status as statuses
from deployer.cli import options
from deployer.cli.session import Session, answering, session, show, show_plan, teller
from deployer.commands import docker
from deployer.errors import DeployError, Interrupted, PreflightError, UsageError
from deployer.execute import Doors, execute
from deployer.mask import Mask
from deployer.model import Command, Image
from deployer.plan import promotion, values
from deployer.plan.steps import Plan, Promotion
from deployer.plan.up import up as plan_up
from deployer.process import Programs
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where there is no terminal.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")
    ] = False,
    timeout: options.Timeout = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Release what runs and is healthy in one environment to another: the same digest, nothing is built."""
    with answering("promote", to, output), ExitStack() as stack:
        if source == to:
            raise UsageError(f"--from and --to are both {to}", hint="deploy promote --from test --to prod")
        if not (yes or dry_run or sys.stdin.isatty()):
            raise UsageError(
                "promote asks before it does anything, and there is no terminal to ask on",
                hint="--yes does it unasked; --dry-run shows what it would do",
            )
        with _naming(source):
            origin = stack.enter_context(session(project, source, env_file))
            image, standing = _promotable(origin, sha)
        with _naming(to):
            run = stack.enter_context(session(project, to, env_file, timeout=timeout))
            given = values.effective(run.profile, run.secrets, [])
            ready, absent = run.checks.for_promotion(given, image)
            logins = _logins(origin, run, image) if absent else ()
            settings = values.release(given, image, run.profile.registry.pull_secret if run.login else None)
            newest = standing.history[-1]
            promoted = Promotion(
                source=source,
                revision=newest.number,
                image=image,
                sha=newest.record.sha if newest.record else "",
                differences=promotion.differences(standing, settings, (*origin.secrets, *run.secrets)),
            )
            made = plan_up(
                to,
                run.profile,
                ready.facts,
                project=run.project,
                target=run.target,
                values=given,
                login=_login(run),
            )
        plan = promotion.promote(made, promoted, run.profile.tools.docker, logins, copied=absent)
        mask = _mask(origin, run)
        if dry_run:
            return show_plan(plan, mask, output)
        for line in words.differences(promoted, to):
            print(mask(line), file=sys.stderr)  # noqa: T201
        if not yes:
            _ask(plan)
        programs = _programs(origin, run, stack)
        with teller(mask, output, verbose=verbose) as screen:
            doors = Doors(programs, ready.helm, ready.cluster, ready.registry, run.login)
            result = execute(plan, run.profile, run.project, doors, screen.tell)
        return show(result, mask, output)


@contextmanager
def _naming(environment: str) -> Iterator[None]:
    """Two environments are at work: an error says whose it is."""
    try:
        yield
    except DeployError as error:
        error.message = f"{environment}: {error.message}"
        raise


def _promotable(origin: Session, sha: str | None) -> tuple[Image, promotion.Standing]:
    """What may be promoted, on the word of helm's record, ours, the live pods and the registry."""
    registry = Registry(origin.profile.registry.url, origin.login)
    registry.check()
    name = origin.profile.release.name
    _, cluster, history = origin.checks.for_rollback()
    seen = statuses.look(origin.environment, origin.target, name, cluster, history, origin.profile.health)
    stored = storage.history(cluster, origin.target.namespace, name)
    standing = promotion.Standing(
        environment=origin.environment,
        release=name,
        registry=origin.profile.registry.url,
        history=history,
        values=stored[-1].values if stored else {},
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
    return image, standing


def _login(run: Session) -> Command | None:
    login = run.login
    if login is None:
        return None
    return docker.login(run.profile.tools.docker, run.profile.registry.url, login.username, login.password)


def _host(run: Session) -> str:
    return run.profile.registry.url.partition("/")[0]


def _logins(origin: Session, run: Session, image: Image) -> tuple[Command, ...]:
    """What docker needs to read here and to write there. It knows one login a registry: then it is the one there."""
    if _host(origin) != _host(run) or run.login is None:
        return tuple(login for login in (_login(origin), _login(run)) if login)
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
    login = _login(run)
    assert login is not None
    return (login,)


def _programs(origin: Session, run: Session, stack: ExitStack) -> Programs:
    """Programs that may log in to both registries, and know the secrets of neither."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="deploy-"))
    config = dockerconfig.private(Path(folder), os.environ, _host(origin), _host(run))
    environ = {**run.programs.environ, "DOCKER_CONFIG": str(config)}
    return replace(run.programs, environ=environ, secrets=run.programs.secrets | origin.programs.secrets)


def _mask(*sessions: Session) -> Mask:
    logins = [one.login.password for one in sessions if one.login]
    return Mask([*logins, *(secret for one in sessions for secret in one.secrets.values())])


def _ask(plan: Plan) -> None:
    """Raises Interrupted where the answer is no."""
    assert plan.promotion is not None
    name = f"{plan.promotion.image.reference} from {plan.promotion.source} to {plan.environment}"
    if not typer.confirm(f"promote {name}?", err=True):
        raise Interrupted(2, "not promoted; nothing was touched")
