"""Options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deployer.profile import environments


def environment_names() -> list[str]:
    """For shell completion: the environments of the folder one stands in."""
    return list(environments(Path()))


class Output(StrEnum):
    """What stdout carries."""

    TEXT = "text"
    JSON = "json"


Env = Annotated[
    str,
    typer.Option(
        "--env",
        "-e",
        help="Environment: the name of a file in environments/.",
        show_default=False,
        autocompletion=environment_names,
    ),
]
AnyEnv = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        help="Environment. [default: all of them]",
        show_default=False,
        autocompletion=environment_names,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Release even if nothing has changed.")]
Project = Annotated[
    Path, typer.Option("-C", "--project", help="Project folder: environments/, chart, service.", metavar="DIR")
]
EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", help="Variables under those of the job. [default: .env of the project]", metavar="FILE"),
]
Format = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for machines.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the output of docker and helm.")]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        help="Pass over a guard, where guards.overridable allows it; again for more.",
        metavar="GUARD",
        show_default=False,
    ),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Why a guard is passed over; goes on record.", show_default=False)
]
YesInJob = Annotated[bool, typer.Option("--yes", help="In a CI job: what guards.confirm asks a person for.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")]
ImageFile = Annotated[
    Path | None,
    typer.Option(
        "--image",
        help="Exactly the image of this report of `deploy build`; nothing is built.",
        metavar="FILE",
        show_default=False,
    ),
]
Dotenv = Annotated[
    Path | None,
    typer.Option(
        "--dotenv",
        help="Leave image, digest, revision and outcome there, for GitLab's dotenv report.",
        metavar="FILE",
        show_default=False,
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        help="Leave a JUnit report there: a case for each stage and each workload.",
        metavar="FILE",
        show_default=False,
    ),
]
Summary = Annotated[
    Path | None,
    typer.Option("--summary", help="Leave the run's summary there, in Markdown.", metavar="FILE", show_default=False),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", help="Longest time for helm and for the rollout, e.g. 90s or 5m.", show_default=False),
]
Tag = Annotated[str | None, typer.Option("--tag", help="Image tag, instead of the one git gives.", show_default=False)]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Of an environment with many targets, only this one; again for more.",
        metavar="NAME",
        show_default=False,
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        help="Of an environment with many targets, only those with this label; again for more.",
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
BundleFile = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        help="Deploy what `deploy bundle` packed: its image, chart and profiles; the image goes to registry.url.",
        metavar="FILE",
        show_default=False,
    ),
]
BundleDigest = Annotated[
    str | None,
    typer.Option("--bundle-digest", help="What `deploy bundle` said of it.", metavar="sha256:…", show_default=False),
]
OneTarget = Annotated[
    str | None,
    typer.Option(
        "--target", help="Which one, of an environment with many targets.", metavar="NAME", show_default=False
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="key.path=value over all values; again for more.", metavar="KEY=VALUE", show_default=False
    ),
]
