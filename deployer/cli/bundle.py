"""`deploy bundle`."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from deployer import bundle as bundles
from deployer import sops
from deployer.cli import files, options
from deployer.cli.session import Session, answering, echo, login_command, session, show, teller
from deployer.cli.streams import answer
from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.execute import Doors, execute
from deployer.plan import build as builds
from deployer.profile.sources import sources
from deployer.report import document, words
from deployer.sops import Sops
from deployer.values.layers import merged


def bundle(
    env: options.Env,
    out: Annotated[Path, typer.Option("--out", help="The archive to write.", metavar="FILE")],
    tag: options.Tag = None,
    output: options.Format = options.Output.TEXT,
    verbose: options.Verbose = False,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Pack image, chart and profiles of an environment, for `deploy up --bundle` where the registry is out of reach."""
    began = time.monotonic()
    with answering("bundle", env, output), session(project, env, env_file, secrets_are="optional", many=True) as run:
        files.demand("--out", out)
        paths = list(_files(run))
        facts, registry = run.checks.for_build(tag)
        building = builds.build(
            env, run.profile, facts, project=run.project, target=run.target, login=login_command(run)
        )
        image = facts.image
        if building.steps:
            with teller(run.mask, output, verbose=verbose) as screen:
                doors = Doors(run.programs, None, registry, login=run.login, mask=run.mask)
                result = execute(building, run.profile, run.project, doors, screen.tell, began)
            if result.exit_code or result.image is None:
                return show(result, run.mask, output)
            image = result.image
        digest = bundles.pack(out, env, image, facts.source, registry, run.project, paths)
        if output is options.Output.JSON:
            answer(document.bundle(env, str(out), digest, image), run.mask)
        else:
            for line in words.bundle(env, out, digest, image):
                echo(line, run.mask)
    return int(ExitCode.OK)


def _files(run: Session) -> Iterator[Path]:
    """What an `up` reads of the project, without its secrets. Raises UsageError where one is plain in it."""
    profile, project, environment = run.profile, run.project, run.environment
    if not (project / profile.release.chart / "Chart.yaml").is_file():
        raise PreflightError(f"there is no chart at {profile.release.chart} (release.chart)")
    door = Sops(profile.tools.sops, run.programs, project)
    sealed = sops.files(project, environment, profile.secret_files)
    for path in sealed:
        door.read(path)  # an encrypted one, or an error
    chart = [
        Path(place, name).relative_to(project) if Path(place).is_relative_to(project) else Path(place, name)
        for place, _, names in os.walk(project / profile.release.chart, followlinks=True)
        for name in names
    ]
    plain = [path for path in (*_profiles(run), *chart) if (project / path).is_file()]
    for path in plain:
        text = (project / path).read_text(encoding="utf-8", errors="replace")
        if run.mask(text) != text:
            raise UsageError(
                f"{path} holds a secret in plain text, and a bundle holds none",
                hint="keep it in a file that sops encrypts, or name its variable under `secrets:`",
            )
    yield from (*plain, *sealed)


def _profiles(run: Session) -> Iterator[Path]:
    """Profiles and value files of the environment, and of those that its guards ask about: `healthyIn`."""
    names = [run.environment]
    for name in names:
        found = sources(run.project, name, run.variables)
        yield from (one.document.path for one in found.files)
        asked = merged([one.section("guards") for one in found.layers]).get("healthyIn") or ()
        names += [one for one in ([asked] if isinstance(asked, str) else asked) if one not in names]
