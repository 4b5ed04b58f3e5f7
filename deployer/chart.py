"""The chart's files as one hash: what helm packs, charts/*.tgz included."""

import hashlib
import os
from pathlib import Path


def digest(chart: Path) -> str:
    """SHA-256 (hex) over names and contents; empty where there is no such folder. Modes and times do not count."""
    if not chart.is_dir():
        return ""
    files = sorted(
        (path.relative_to(chart).as_posix(), path)
        for folder, _, names in os.walk(chart, followlinks=True)
        for path in (Path(folder) / name for name in names)
        if path.is_file()
    )
    found = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        found.update(f"{len(name.encode())}:{name}{len(content)}:".encode())
        found.update(content)
    return found.hexdigest()
