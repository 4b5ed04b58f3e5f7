"""Await what a test is about."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], what: str, seconds: float = 60, told: Callable[[], str] = str) -> None:
    """Await a condition; `told` adds to the failure what was seen last."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come\n{told()}"
        time.sleep(0.1)
