"""Jobs that run one at a time: GitHub's `concurrency`, GitLab's `resource_group`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path, group: str) -> Iterator[None]:
    """Wait for the others of the group, in whatever run. Unlike GitHub this cancels nobody who waits."""
    if not group:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / group.replace("/", "_"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
