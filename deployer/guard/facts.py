"""What the guards need to know, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from deployer.model import Image, Job, Record

Verb = Literal["up", "promote", "rollback", "down"]


@dataclass(frozen=True)
class Elsewhere:
    """What is known of the release in another environment."""

    records: Mapping[int, Record] = field(default_factory=dict)  # by revision
    trouble: str = ""  # why nothing can be known


@dataclass(frozen=True)
class Change:
    """What a release would do to the objects of the one before it. Objects are named `deployment/web`."""

    objects: int  # that there are now
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replicas: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # workload: now, then; removed: then 0


@dataclass(frozen=True)
class Facts:
    """What is true before the first deed. What no guard of the profile asks for is left as it is here."""

    environment: str
    verb: Verb = "up"
    job: Job = field(default_factory=lambda: Job("", ""))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # with a time zone
    terminal: bool = False  # somebody is there to be asked
    yes: bool = False  # --yes was given
    sha: str = ""  # of HEAD; empty outside of git
    branch: str = ""  # empty on a detached HEAD of which the job does not tell more
    tags: tuple[str, ...] = ()  # of HEAD, the highest version first
    dirty: tuple[str, ...] = ()  # files that differ from HEAD
    unsigned: tuple[str, ...] | None = None  # what git says against the signature; None: it is good
    frozen: str | None = None  # the text of the freeze file, if it is there
    image: Image | None = None  # its digest is set where the registry has the image already
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)  # by environment
    change: Change | None = None  # None where nothing is released yet


@dataclass(frozen=True)
class Refusal:
    """Why a guard says no, and what would make it say yes."""

    guard: str  # its key in the profile: "cleanTree"
    reason: str
    hint: str
    detail: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The guard's key in the whole profile."""
        return f"guards.{self.guard}"
