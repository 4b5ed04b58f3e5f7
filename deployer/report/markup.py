"""Text of others in Markdown: nothing of it becomes markup."""

import re
from collections.abc import Iterator, Sequence


def plain(text: str) -> str:
    """Text that Markdown leaves alone."""
    for special in ("\\", "`", "*", "_", "<", "|", "[", "]"):
        text = text.replace(special, f"\\{special}")
    return text


def code(text: str | None) -> str:
    """Code in a cell of a table; nothing where there is no value."""
    if text is None:
        return ""
    fence = "`" * (1 + max((len(run) for run in _ticks(text)), default=0))
    pad = " " if len(fence) > 1 else ""
    return f"{fence}{pad}{text or ' '}{pad}{fence}".replace("|", "\\|")


def block(inner: Sequence[str], language: str = "") -> Iterator[str]:
    """Lines as they are, whatever they look like."""
    fence = "`" * max(3, 1 + max((len(run) for line in inner for run in _ticks(line)), default=0))
    yield f"{fence}{language}"
    yield from inner
    yield fence


def _ticks(text: str) -> list[str]:
    return re.findall("`+", text)
