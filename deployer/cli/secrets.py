"""`deploy secrets edit`, `deploy secrets check`, `deploy secrets rotate`."""

import os
import tempfile
from pathlib import Path

import typer

from deployer import credentials, sops
from deployer.cli import options
from deployer.cli.session import answering, echo
from deployer.cli.streams import answer, hide
from deployer.errors import ExitCode
from deployer.mask import Mask
from deployer.profile import environments
from deployer.profile.sources import BASE
from deployer.report import document, words

MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
"""Where Linux keeps files in memory: an editor's copy of a secret never gets onto a disk there."""

app = typer.Typer(help="Secrets that live in git, encrypted by sops.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def edit(
    env: options.Env,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Open environments/ENV.secrets.yaml in your editor; it is made where there is none."""
    with answering("secrets edit", env, output):
        door, _ = _door(project, env, env_file)
        file = sops.own(env)
        with tempfile.TemporaryDirectory(prefix="deploy-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
            changed = door.edit(file, Path(folder))
    if output is options.Output.JSON:
        answer(document.sealed("secrets edit", env, [file], changed=changed), Mask())
    else:
        echo(f"{file} is encrypted and written" if changed else f"{file} is as it was", Mask())
    return int(ExitCode.OK)


@app.command()
def check(
    env: options.AnyEnv = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Say of every encrypted file whether it decrypts, and whether it is what .sops.yaml wants."""
    with answering("secrets check", env, output):
        found: dict[Path, sops.Checked] = {}
        for name in (env,) if env else (BASE, *environments(project)):
            door, files = _door(project, name, env_file)
            found |= {file: door.check(file) for file in files if file not in found}
    code = max((one.exit_code for one in found.values()), default=ExitCode.OK)
    if output is options.Output.JSON:
        answer(document.checked(env, list(found.values()), code), Mask())
    else:
        for line in words.checked(list(found.values())):
            echo(line, Mask())
    return int(code)


@app.command()
def rotate(
    env: options.Env,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Encrypt the files of an environment anew, for the recipients that .sops.yaml names now."""
    with answering("secrets rotate", env, output):
        door, files = _door(project, env, env_file)
        for file in files:
            door.rotate(file)
    if output is options.Output.JSON:
        answer(document.sealed("secrets rotate", env, files, changed=bool(files)), Mask())
    else:
        for line in words.rotated(files):
            echo(line, Mask())
    return int(ExitCode.OK)


def _door(project: Path, environment: str, env_file: Path | None) -> tuple[sops.Sops, tuple[Path, ...]]:
    """sops as the environment has it, and its files: a profile need not be whole for that."""
    project = project.resolve()
    known = credentials.variables(env_file or project / ".env", os.environ)
    hide(sops.key_lines(known))
    return sops.of(project, environment, known, os.environ)
