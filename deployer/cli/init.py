"""`deploy init`."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deployer import scaffold
from deployer.cli import options
from deployer.cli.session import answering, echo, withheld
from deployer.cli.streams import answer
from deployer.errors import ExitCode, UsageError
from deployer.mask import Mask
from deployer.plan import init as plans
from deployer.plan.init import PIPELINES, Platform, Service
from deployer.process import Programs
from deployer.profile.schema import HOST
from deployer.report import document, words


def init(
    ci: Annotated[
        str | None,
        typer.Option("--ci", help="github or gitlab. [default: what the repository tells]", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of release and image. [default: that of the Go module]", show_default=False),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", help="Folder of go.mod. [default: where there is one]", metavar="DIR", show_default=False
        ),
    ] = None,
    main: Annotated[
        str | None,
        typer.Option("--main", help="Package to build, e.g. ./cmd/web. [default: the only one]", show_default=False),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            help="host[:port][/prefix]. [default: REGISTRY_URL, or that of the git remote]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", help="[default: EXPOSE of the Dockerfile, or 8080]", min=1, max=65535),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option(
            "--health", help="Path of the liveness probe. [default: what the sources name]", show_default=False
        ),
    ] = None,
    ready: Annotated[
        str | None,
        typer.Option(
            "--ready", help="Path of the readiness probe. [default: what the sources name]", show_default=False
        ),
    ] = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
) -> int:
    """Write profiles, chart, pipeline and make targets for a Go service. What exists is never overwritten."""
    with answering("init", None, output):
        project = project.resolve()
        found = _seen(project, ci, name, service, main, registry, port, health, ready)
        done = scaffold.write(project, plans.files(found, scaffold.shipped()))
    code = ExitCode.KEPT if done.kept else ExitCode.OK
    if output is options.Output.JSON:
        answer(document.init(found, done, code), Mask())
    else:
        for line in words.init(found, done):
            echo(line, Mask())
    return int(code)


def _seen(
    project: Path,
    ci: str | None,
    name: str | None,
    service: str | None,
    main: str | None,
    registry: str | None,
    port: int | None,
    health: str | None,
    ready: str | None,
) -> Service:
    """What is given, else what can be seen, else what is answered on a terminal."""
    modules = scaffold.modules(project)
    if service is not None:
        folder = os.path.normpath(service)
        module = scaffold.text(project / folder / "go.mod")
        if os.path.isabs(folder) or folder.startswith("..") or module is None:
            raise UsageError(f"--service {service}: there is no go.mod in such a folder of {project}")
    else:
        if not modules:
            raise UsageError(
                f"there is no go.mod in {project}, nor one folder below",
                hint="-C names the project folder, --service the folder of the Go service in it",
            )
        folder = _one("--service", "folder of the service", tuple(modules))
        module = modules[folder]
    given = name or plans.name(module)
    if not plans.NAME.fullmatch(given) or len(given) > plans.LONGEST:
        raise UsageError(
            f"--name: `{given}` cannot be the name of a release: small letters, digits and hyphens, at most 53",
            hint="--name web",
        )
    sources = scaffold.sources(project / folder)
    context = next((one for one in (folder, ".") if (project / one / "Dockerfile").is_file()), folder)
    dockerfile = scaffold.text(project / context / "Dockerfile")
    if main is None and dockerfile is None:
        programs = sorted({_package(path) for path, text in sources.items() if plans.is_main(text)})
        if not programs:
            raise UsageError(f"no Go package in {folder} is a program", hint="--main names the package to build")
        main = _one("--main", "package to build", programs)
    alive, answers = plans.probes(sources.values())
    origin = scaffold.remote(Programs(os.environ, withheld(os.environ)), project)
    platform = _platform(ci, plans.platform(origin, os.listdir(project)))
    where = registry if registry is not None else os.environ.get("REGISTRY_URL") or plans.registry(origin)
    if not where and registry is None:
        where = _ask("registry: host[:port][/prefix]; empty: the job's REGISTRY_URL", "")
    if where and not re.search(HOST, where):
        raise UsageError(
            f"`{where}` is no registry: host[:port][/prefix] without a scheme is expected",
            hint="--registry registry.example.com/team",
        )
    listens = port or (plans.exposed(dockerfile) if dockerfile else None)
    return Service(
        name=given,
        context=context,
        module=folder,
        main=main or ".",
        port=listens or _port(),
        alive=_path("--health", alive if health is None else health),
        ready=_path("--ready", (answers or health or "") if ready is None else ready),
        registry=where,
        ci=platform,
        arguments=None if dockerfile is None else plans.arguments(dockerfile),
    )


def _platform(given: str | None, seen: Platform | None) -> Platform:
    if given is None and seen is not None:
        return seen
    answer = given if given is not None else _one("--ci", "CI platform", tuple(PIPELINES))
    for platform in PIPELINES:
        if platform == answer:
            return platform
    raise UsageError(f"--ci {answer}: it is one of {', '.join(PIPELINES)}")


def _path(option: str, path: str) -> str:
    if path and not path.startswith("/"):
        raise UsageError(f"{option} {path}: a path begins with /")
    return path


def _package(path: str) -> str:
    folder = os.path.dirname(path)
    return f"./{folder}" if folder else "."


def _terminal() -> bool:
    return sys.stdin.isatty() and not os.environ.get("CI")


def _ask(question: str, default: str) -> str:
    """The answer of whoever is at the terminal; elsewhere the default."""
    return (
        str(typer.prompt(question, default=default, show_default=bool(default), err=True)) if _terminal() else default
    )


def _port() -> int:
    question = "port that the service listens on"
    return int(typer.prompt(question, default=plans.PORT, type=int, err=True)) if _terminal() else plans.PORT


def _one(option: str, question: str, choices: Sequence[str]) -> str:
    """The only choice, or the one that is named on a terminal. Raises UsageError where nobody can be asked."""
    if len(choices) == 1:
        return choices[0]
    if not _terminal():
        raise UsageError(f"{option} is needed: {', '.join(choices)}", hint=f"{option} {choices[0]}")
    while True:
        answer = str(typer.prompt(f"{question} ({', '.join(choices)})", err=True))
        if answer in choices:
            return answer
