"""How long the API could not be asked: the time that does not count."""

import time
from collections.abc import Callable

from deployer.watch.notice import Disconnected, Notice, Reconnected


class Outage:
    """Adds up outages, and says one line when one begins to last and one when it is over."""

    def __init__(self, tell: Callable[[Notice], None], *, patience: float) -> None:
        self._tell = tell
        self._patience = patience
        self._since: float | None = None
        self._told = False
        self._total = 0.0
        self._over_at = float("-inf")

    def note(self, trouble: str | None, now: float) -> None:
        """The API is out of reach for this reason, or for none: it answers."""
        if trouble is None and self._since is not None:
            lasted = now - self._since
            self._total += lasted
            self._since, self._over_at = None, now
            if self._told:
                self._tell(Reconnected(lasted))
        elif trouble is not None:
            if self._since is None:
                self._since, self._told = now, False
            lasted = now - self._since
            if lasted >= self._patience and not self._told:
                self._told = True
                self._tell(Disconnected(time.time() - lasted, trouble))

    def total(self, now: float) -> float:
        """Seconds out of reach, all in all."""
        return self._total + (now - self._since if self._since is not None else 0.0)

    def over_for(self, now: float) -> float:
        """Seconds since the last one that was worth speaking of; infinite when there was none."""
        return now - self._over_at if self._told else float("inf")
