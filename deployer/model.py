"""The nouns every layer speaks. Frozen: a fact does not change after it was learned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from deployer.health.verdict import Workload

Values = Mapping[str, Any]
"""Helm values: maps, lists and scalars as JSON knows them."""


@dataclass(frozen=True)
class Command:
    """A program to run, as data. Secrets travel in `stdin` alone, so a command may always be shown."""

    argv: tuple[str, ...]
    stdin: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Image:
    """An image in a registry. `digest` ("sha256:…") is known once the registry has it."""

    registry: str  # host[:port]
    repository: str
    tag: str
    digest: str | None = None

    @property
    def tagged(self) -> str:
        """`registry/repository:tag`, the name docker builds and pushes."""
        return f"{self.registry}/{self.repository}:{self.tag}"

    @property
    def reference(self) -> str:
        """`registry/repository:tag@sha256:…`, the name that is deployed."""
        return f"{self.tagged}@{self.digest}" if self.digest else self.tagged


@dataclass(frozen=True)
class Target:
    """Where a release lives. The current context of a kubeconfig is never used."""

    kubeconfig: Path
    context: str
    namespace: str
    name: str = ""  # of one among many of an environment


@dataclass(frozen=True)
class Rendered:
    """What the chart makes that somebody has to wait for."""

    workloads: tuple[Workload, ...] = ()
    hooks: tuple[Workload, ...] = ()  # Jobs and Pods that helm runs, and waits for, in this release
    waits: bool = False  # a hook runs after the workloads, so helm has to wait for these first
    labels: str = ""  # a selector that all pods of the workloads match


@dataclass(frozen=True)
class Job:
    """The CI job of a run, or the person at a terminal."""

    platform: Literal["github", "gitlab", "ci", ""]  # "ci": another one; "": none
    actor: str
    url: str = ""
    branch: str = ""  # that the job runs for; empty for a tag or a merge request
    environment: str = ""  # that the platform gave the job; it may have asked people first
    protected: bool | None = None  # whether only some may push what the job runs for; None: the platform does not say
    tag: str = ""  # that the job runs for


@dataclass(frozen=True)
class Record:
    """What is kept of a revision beside helm's own words. Nothing secret."""

    verdict: str = ""  # healthy, canary (it was, at its step), failed, progressing, paused; empty while the run lasts
    verb: str = ""  # up, rollback, promote
    cause: str = ""  # why it is not healthy
    image: str = ""  # registry/repository:tag@sha256:…
    sha: str = ""  # the commit that the run was started from
    actor: str = ""
    job: str = ""  # URL of the CI job
    began: str = ""  # RFC 3339, UTC
    seconds: float = 0.0  # from the first check to the verdict
    values: str = ""  # SHA-256 of the effective values, the secret ones left out
    chart: str = ""  # SHA-256 of the chart's files
    secrets: tuple[str, ...] = ()  # paths of the values that are secret
    source: str = ""  # the environment that it was promoted from
    overrides: Mapping[str, str] = field(default_factory=dict)  # guard: the reason given
    commit: str = ""  # of the configuration repository, where Argo CD delivers: the record is of that one alone


@dataclass(frozen=True)
class Canary:
    """Where a revision stands between two versions: both run, and requests are split."""

    weight: int  # percent of the requests that the new version gets
    step: int  # 0: it runs, and gets none yet; more than `steps`: the stable pods follow, then it gets none any more
    steps: int

    def __str__(self) -> str:
        """`canary 25 % at step 2 of 4`."""
        if self.step > self.steps:
            return f"canary {self.weight} %, the stable version {'follows' if self.weight else 'has followed'}"
        return f"canary {self.weight} % at step {self.step} of {self.steps}"


@dataclass(frozen=True)
class Revision:
    """One line of `helm history`, or one commit in the configuration repository; with the verdict on record."""

    number: int
    status: str  # helm's word: deployed, superseded, failed, pending-upgrade, …; committed: nobody has judged it yet
    updated: str
    chart: str
    description: str = ""
    verdict: str | None = None  # None where no verdict is on record: somebody else's release
    record: Record | None = None
    canary: Canary | None = None  # None: one version has all requests
    commit: str = ""  # of the configuration repository; empty where helm keeps the revision

    @property
    def origin(self) -> int:
        """The revision whose content this one has: itself, or the one that a rollback put back.

        Helm names it in the description alone: `Rollback to 3`; so do we where commits are the revisions.
        """
        words = self.description.split()
        return (
            int(words[2]) if words[:2] == ["Rollback", "to"] and len(words) > 2 and words[2].isdigit() else self.number
        )


class Kept(Protocol):
    """One revision as it is kept, by helm or in the configuration repository."""

    @property
    def revision(self) -> Revision: ...  # noqa: D102
    @property
    def manifest(self) -> str: ...  # noqa: D102  # the objects, without hooks
    @property
    def values(self) -> Values: ...  # noqa: D102  # what was given, without the chart's own
