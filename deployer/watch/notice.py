"""What the watch has to say about itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Disconnected:
    """The API cannot be asked; the last verdict stands until it can."""

    since: float  # seconds since 1970, by this machine's clock
    reason: str


@dataclass(frozen=True)
class Reconnected:
    """The API answers again."""

    after: float  # seconds


@dataclass(frozen=True)
class Degraded:
    """A permission is missing; the watch goes on without it."""

    kind: str
    verb: str  # "watch": it is listed every other second instead; "list": it is not seen at all
    reason: str


Notice = Disconnected | Reconnected | Degraded
