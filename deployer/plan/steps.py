"""What a plan is made of: deeds as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from deployer.errors import ExitCode
from deployer.health.verdict import Judgement
from deployer.metrics.judge import Guard
from deployer.model import Command, Image, Record, Rendered, Target, Values
from deployer.plan.difference import Difference
from deployer.plan.facts import Base

PAUSES = (2.0, 10.0)
"""Seconds before docker talks to a registry again. What is there already is not sent twice."""


@dataclass(frozen=True)
class Run:
    """Start a program and show its output. Exit code other than 0 ends the plan with `failure`.

    What is only a matter of time (a registry that is overloaded, a login that ran out) may be tried again: `pauses` are
    the seconds before each further try. `again`: whatever failed, or only where a registry refuses for now.
    """

    command: Command
    failure: str  # what to say when it fails: "docker could not build the image"
    exit_code: ExitCode = ExitCode.FAILED
    pauses: tuple[float, ...] = ()
    again: Literal["whatever", "registry"] = "whatever"
    pushes: Image | None = None  # the registry is asked why, where it takes this image not
    cache: str = ""  # registry/repository:tag that may fail without failing the build


@dataclass(frozen=True)
class Pin:
    """Ask the registry for the digest of what was pushed. Where the image names one, it must be that."""

    image: Image


@dataclass(frozen=True)
class PullSecret:
    """Create or refresh the image pull secret from the run's registry login."""

    name: str


@dataclass(frozen=True)
class Portion:
    """One revision of a canary: how the two versions run beside each other."""

    base: Base
    weight: int  # percent of the requests that the new version gets
    share: int  # its pods, in percent of the stable version's
    replicas: int | None  # its pods, where they are told
    step: int  # 0: it runs, and gets no request yet
    steps: int
    promoted: bool  # the stable pods get the new version too
    keep: int  # revisions that helm keeps meanwhile, so that the good one is among them


@dataclass(frozen=True)
class Upgrade:
    """`helm upgrade --install` with these values and the image of the run."""

    values: Values = field(repr=False)
    rendered: Rendered = field(default_factory=Rendered)
    portion: Portion | None = None  # None: the new version alone
    keep: int = 0  # revisions that helm keeps at least


@dataclass(frozen=True)
class Routed:
    """Wait until what implements the release's routes has taken up their newest state.

    `late`: what one is that does not come to it. What is put back is no worse for a Gateway that does not answer.
    """

    late: Literal["failed", "told"] = "failed"


@dataclass(frozen=True)
class Hold:
    """Watch the workloads at this weight for so many seconds more."""

    seconds: float


@dataclass(frozen=True)
class Clear:
    """Remove what a canary of an earlier revision has left, and the newest revision does not have."""


@dataclass(frozen=True)
class Rollback:
    """`helm rollback` to a revision."""

    revision: int
    keep: int = 0  # revisions that helm keeps at least


@dataclass(frozen=True)
class Commit:
    """Put chart, values and the image of the run into the configuration repository; nothing where they are there.

    The values go without the secrets of encrypted files, which are committed as they are.
    """

    values: Values = field(repr=False)
    proposal: str = ""  # the branch of a merge request, which ends the run there; empty: the branch of Argo CD


@dataclass(frozen=True)
class Revert:
    """Make the configuration repository what it was at a commit, by a new one."""

    revision: int
    commit: str


@dataclass(frozen=True)
class Sync:
    """Ask Argo CD to look, and wait until it has applied the commit of the run, or says why it does not.

    `running`: what becomes of a sync to an older commit that is at work.
    """

    running: Literal["awaited", "ended"] = "awaited"


@dataclass(frozen=True)
class Verify:
    """Watch the release's workloads until a verdict.

    `stuck`: what becomes of a broken pod of another revision that keeps a StatefulSet from rolling (k8s#67250): it is
    told as the failure; it is deleted where it does not become well within `health.trap`; or it is deleted at once.
    """

    stuck: Literal["told", "awaited", "deleted"] = "told"
    healthy: Literal["recorded", "observed"] = "recorded"  # what comes of it then: the record waits for the metrics


@dataclass(frozen=True)
class Observe:
    """Watch metrics of the pods that are ready, and the pods, for so many seconds; a breach is a failed rollout.

    Of a canary's revision the pods of the new version are watched, beside those of the stable one.
    """

    guards: tuple[Guard, ...]
    seconds: float


@dataclass(frozen=True)
class Abandon:
    """Put right what a killed run left of a revision, so that helm works on the release again."""

    revision: int
    status: str  # as it was left: pending-upgrade, …
    removed: bool  # it is taken out of the history; else marked failed


@dataclass(frozen=True)
class Uninstall:
    """`helm uninstall`: the release, its history and our record go."""


Deed = (
    Run
    | Pin
    | PullSecret
    | Abandon
    | Upgrade
    | Rollback
    | Commit
    | Revert
    | Sync
    | Uninstall
    | Verify
    | Observe
    | Routed
    | Hold
    | Clear
)


@dataclass(frozen=True)
class Step:
    """One deed under the name people see."""

    stage: str
    deed: Deed


@dataclass(frozen=True)
class Promotion:
    """What is promoted."""

    source: str  # the environment it comes from
    revision: int  # the revision that runs it there
    image: Image  # as it runs there; the digest is the same where it goes
    sha: str = ""  # the commit that it was built from


@dataclass(frozen=True)
class Kept:
    """The newest revision, left as it is: it is what was asked for, and healthy."""

    revision: int
    judgements: tuple[Judgement, ...] = ()
    url: str = ""  # where it answers


@dataclass(frozen=True)
class Plan:
    """What will be done, in order; and what is done when the rollout is judged failed."""

    verb: str
    environment: str
    target: Target
    release: str
    steps: tuple[Step, ...]
    image: Image | None = None  # what the release will run; its digest may still be unknown
    recovery: tuple[Step, ...] = ()  # after a failed rollout
    previous: int | None = None  # the revision that runs now
    record: Record = field(default_factory=Record)  # what will be on record, but for the verdict
    restores: Record = field(default_factory=Record)  # what will be on record of the recovery
    promotion: Promotion | None = None
    kept: Kept | None = None  # nothing is released
    differences: tuple[Difference, ...] = ()  # what a rollback changes; the values of both sides of a promotion
    notes: tuple[str, ...] = ()  # what was decided and why: "image is in the registry already: not built"

    def passing(self, overrides: Mapping[str, str]) -> "Plan":
        """The same plan, with the guards on record that it passes over, and why."""
        return replace(self, record=replace(self.record, overrides=overrides))
