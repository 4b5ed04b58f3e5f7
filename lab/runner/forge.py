"""What a platform knows beside the pipeline: the repository, its settings, the machines of its runners."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["success", "failure", "cancelled", "skipped", "waiting"]
"""How a job ended; waiting: for somebody who may let it into its environment, or start it."""

Stop = Callable[[str, str], bool]
"""(job, its log so far) → whether the run is cancelled now. Asked some times a second while a job works."""


class Unknown(Exception):
    """The pipeline says something that this stand-in does not do."""


@dataclass(frozen=True)
class Variable:
    """A variable or a secret in the settings of the repository, or of one of its environments."""

    name: str
    value: str = field(repr=False)
    environment: str = "*"
    secret: bool = False  # GitHub: reached by `secrets.`; both: must be in no log
    file: bool = False  # GitLab: the job gets the path of a file that holds it
    protected: bool = False  # GitLab: only for branches and tags that are protected


@dataclass(frozen=True)
class Machine:
    """What is installed where jobs run."""

    environ: Mapping[str, str]  # of every job: PATH, authorities, proxies
    python: Path  # the interpreter that setup-python finds
    docker: str  # DOCKER_HOST of an engine
    images: Mapping[str, Path] = field(default_factory=dict)  # name of a job's image → folder of the programs in it


@dataclass(frozen=True)
class Forge:
    """A repository on its platform."""

    repository: Path  # a bare git repository
    url: str  # of the platform
    path: str  # team/name
    machine: Machine
    variables: tuple[Variable, ...] = ()
    default_branch: str = "main"
    protected_refs: tuple[str, ...] = ("main", "v*")
    protected_environments: frozenset[str] = frozenset({"prod"})
    executor: Literal["docker", "shell"] = "docker"  # GitLab: how a cancelled job is told

    def of(self, environment: str) -> dict[str, Variable]:
        """Its variables for a job in that environment: the environment's own win."""
        fitting = [one for one in self.variables if one.environment in ("*", environment)]
        return {one.name: one for one in sorted(fitting, key=lambda one: one.environment != "*")}

    def protects(self, ref: str) -> bool:
        """Whether only some may push to a branch, or make a tag, of this name."""
        return any(fnmatch.fnmatchcase(ref, pattern) for pattern in self.protected_refs)


@dataclass(frozen=True)
class Event:
    """Why a pipeline runs."""

    kind: Literal["push", "tag", "merge_request"]
    ref: str  # branch, tag, or source branch of the request
    sha: str
    actor: str = "ann"
    request: int = 0  # number of the merge request


@dataclass(frozen=True)
class Ended:
    """What is left of a job."""

    status: Status
    url: str = ""
    address: str = ""  # where what it deployed answers, as the platform shows it beside the environment
    folder: Path | None = None
    log: str = field(default="", repr=False)
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""  # GitHub: what the steps have shown on the page of the run
    reports: Mapping[str, Path] = field(default_factory=dict)  # GitLab: reports by their kind
    orphans: tuple[str, ...] = ()  # programs that had to be killed when the job was over
    left: tuple[str, ...] = ()  # files in the folder for temporary ones


def never(job: str, log: str) -> bool:
    """A run that nobody cancels."""
    return False


def only(given: Any, known: set[str], where: str) -> Mapping[str, Any]:
    """The mapping, if it has no key but the known ones. Raises Unknown."""
    if not isinstance(given, Mapping):
        raise Unknown(f"{where}: {given!r} is no mapping")
    for key in given:
        if key not in known:
            raise Unknown(f"{where}: nothing here knows what to do about `{key}`")
    return given


def sequence(given: Any) -> list[Any]:
    """A list, of a list or of one thing."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]
