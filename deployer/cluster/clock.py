"""What time it is for the server. Ours may be hours off, and a laptop's may be set or sleep meanwhile."""

import email.utils
import time


class ServerClock:
    """How far the server's clock is from our monotonic one, narrowed by the Date of every answer (whole seconds)."""

    def __init__(self) -> None:
        self.offset: float | None = None
        self._least = float("-inf")
        self._most = float("inf")

    def hear(self, date: str | None, sent: float, received: float) -> None:
        """The server wrote this Date at some moment between the two of ours."""
        try:
            said = email.utils.parsedate_to_datetime(date or "").timestamp()
        except ValueError:  # a proxy took the Date away: our own clock is all there is
            said = self.offset + received - 0.5 if self.offset is not None else time.time() - 0.5
        least, most = said - received, said + 1.0 - sent
        if least > self._most or most < self._least:  # a clock was set, or this machine has slept
            self._least, self._most = least, most
        self._least, self._most = max(self._least, least), min(self._most, most)
        self.offset = (self._least + self._most) / 2

    def now(self) -> float:
        """The server's time, in seconds since 1970."""
        return time.monotonic() + (self.offset or 0.0)
