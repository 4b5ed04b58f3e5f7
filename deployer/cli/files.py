"""Files that a verb reads or writes because an option names them."""

import os
import tempfile
from pathlib import Path

from deployer.errors import UsageError

PRIVATE = 0o600
SHARED = 0o644
"""For what holds nothing secret, and another user of the machine may have to read: a job in a container."""


def read(option: str, file: Path) -> str:
    """The text of a file. Raises UsageError that names the option."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option} {file}: {getattr(error, 'strerror', None) or 'not text'}") from None


def write(option: str, file: Path, text: str, mode: int = PRIVATE) -> None:
    """Write it whole or not at all. Raises UsageError that names the option."""
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                os.fchmod(stream.fileno(), mode)
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise UsageError(f"{option} {file}: {error.strerror}") from None


def demand(option: str, file: Path | None) -> None:
    """Raises UsageError where it could not be written: better now than after the work."""
    if file is None:
        return
    if file.is_dir():
        raise UsageError(f"{option} {file}: is a folder")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {file}: {file.parent} is no folder that may be written to")
