"""What a plan is made from: everything that was asked before the first deed."""

from dataclasses import dataclass, field

from deployer.model import Image, Job, Rendered, Revision, Values


@dataclass(frozen=True)
class Source:
    """The git tree that the image is built from."""

    sha: str  # full
    branch: str  # empty on a detached HEAD
    tags: tuple[str, ...]  # of HEAD, the highest version first
    dirty: tuple[str, ...]  # files that differ from HEAD, as `git status` names them
    tree: str  # hash of the build context as it is on disk


@dataclass(frozen=True)
class Released:
    """What the newest revision is made of."""

    values: Values = field(repr=False)  # as they were given to helm, the secret ones included
    manifest: str = field(repr=False)  # the objects, without hooks


@dataclass(frozen=True)
class Base:
    """The stable version that a canary stands beside."""

    revision: Revision  # the newest good one
    values: Values = field(repr=False)  # that it was released with
    defaults: Values = field(repr=False)  # of the chart
    manifest: str = field(default="", repr=False)


@dataclass(frozen=True)
class Facts:
    """What is true before the first deed."""

    image: Image  # its digest is set where the registry has the image already
    history: tuple[Revision, ...]  # oldest first; empty where there is no release yet
    source: Source | None = None  # None outside a git repository
    rendered: Rendered = field(default_factory=Rendered)
    midway: Rendered = field(default_factory=Rendered)  # what the chart makes with a canary
    job: Job = field(default_factory=lambda: Job("", ""))
    chart: str = ""  # SHA-256 of the chart's files
    released: Released | None = None  # None where there is no release yet
    base: Base | None = None  # None where there is no good revision yet
    same_pods: bool = False  # no pod would run anything else than the base's, though the values may differ


def current(history: tuple[Revision, ...]) -> Revision | None:
    """The newest revision, whatever became of it."""
    return history[-1] if history else None
