"""The signal that ends a run, for its threads: a signal itself reaches the main thread alone."""

import threading

from deployer.errors import Interrupted


class Stop:
    """Set once, by the main thread; asked by whoever works or waits."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._number = 0

    def set(self, signal_number: int) -> None:
        """End the run."""
        self._number = signal_number
        self._came.set()

    def came(self) -> bool:
        """Whether it is to end."""
        return self._came.is_set()

    def check(self) -> None:
        """Go on, or raise Interrupted."""
        if self._came.is_set():
            raise Interrupted(self._number)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the run is to last. Raises Interrupted."""
        self._came.wait(seconds)
        self.check()


def signalled(error: BaseException | None) -> Interrupted | None:
    """The signal that broke something on its way, such as a lock that was just being taken; None where it was none."""
    while error:
        if isinstance(error, Interrupted):
            return error
        error = error.__context__
    return None
