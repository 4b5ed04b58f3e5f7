"""W3C trace context: whose trace a run belongs to. Pure, but for the dice."""

import os
import re
from dataclasses import dataclass, replace

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True)
class Context:
    """The span of a run, and the one above it, as hex."""

    trace: str  # 32 digits
    span: str  # 16 digits
    parent: str = ""  # 16 digits; empty for a trace that begins here
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The header, or variable, that passes it on."""
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"

    def below(self) -> "Context":
        """A span of its own below this one."""
        return replace(self, span=_dice(8), parent=self.span)


def context(traceparent: str | None) -> Context:
    """A new span in the caller's trace, as TRACEPARENT names it; in a trace of its own where that names none."""
    found = _TRACEPARENT.fullmatch((traceparent or "").strip())
    if not found or found[1] == "ff" or (found[1] == "00" and found[5]) or not int(found[2], 16) * int(found[3], 16):
        return Context(_dice(16), _dice(8))
    return Context(found[2], _dice(8), found[3], bool(int(found[4], 16) & 1))


def _dice(size: int) -> str:
    while not int(number := os.urandom(size).hex(), 16):
        pass
    return number
