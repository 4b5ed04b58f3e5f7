"""How often the API is asked. One place, so that tests can be quick."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds throughout."""

    relist: float = 15.0  # a full list as a safety net: no watch is trusted for longer
    silence: float = 2.0  # how long after `relist` an open watch may stay silent before it counts as dead
    spacing: float = 0.5  # between two watches that ended early, or two lists they made necessary
    poll: float = 2.0  # between two lists where watching is forbidden
    backoff: float = 0.2  # the first pause after trouble; doubles, with jitter
    backoff_most: float = 5.0
    events: float = 1.0  # between two requests for events, over all objects
    doubt: float = 3.0  # how long an object may be unready before its events are asked for
    burst: float = 0.02  # how long changes are gathered before they are judged
    outage: float = 1.0  # how long the API must be out of reach before we speak of it
    tick: float = 0.1  # how soon a cancelled wait ends

    def pause(self, failures: int) -> float:
        """How long to wait after so many failures before this one: longer each time, never in step with others."""
        longest = min(self.backoff_most, self.backoff * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret


PACE = Pace()
