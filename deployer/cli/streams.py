"""stdout and stderr of a run: the last net under every mask. What a run has learnt is never on them."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar, cast

from deployer.mask import Mask
from deployer.report import document

T = TypeVar("T")

OURS = ("schema", "verb", "outcome")
"""Words of a document that are never anybody's secret, whatever a secret looks like."""


class Hiding:
    """A text stream that hides secrets. It has no `buffer`: nobody gets past it."""

    def __init__(self, stream: TextIO, mask: Mask) -> None:
        self.stream, self.mask = stream, mask

    def write(self, text: str) -> int:
        """Write the text, masked."""
        self.stream.write(self.mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line, masked."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextmanager
def hiding() -> Iterator[Mask]:
    """Both streams hide what the mask learns, until the end."""
    mask, streams = Mask(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = (cast("TextIO", Hiding(stream, mask)) for stream in streams)
    try:
        yield mask
    finally:
        sys.stdout, sys.stderr = streams


def hide(secrets: Iterable[str]) -> None:
    """Learn secrets, for the rest of the run."""
    if isinstance(sys.stderr, Hiding):
        sys.stderr.mask.learn(secrets)


def masked(text: str) -> str:
    """The text without what the run has learnt, for a file."""
    return sys.stderr.mask(text) if isinstance(sys.stderr, Hiding) else text


def through(thing: T) -> T:
    """The same for anything that `Mask.through` takes."""
    return sys.stderr.mask.through(thing) if isinstance(sys.stderr, Hiding) else thing


def bare(stream: TextIO) -> TextIO:
    """The stream as it is, for what was masked already, or is meant for the CI's own mask."""
    return stream.stream if isinstance(stream, Hiding) else stream


def answer(made: Mapping[str, Any], mask: Mask) -> None:
    """A document on stdout. Its strings are masked before they become JSON, so no key and no escape can be hurt."""
    shown = mask.through(made)
    if isinstance(sys.stdout, Hiding):
        shown = sys.stdout.mask.through(shown)
    ours = {key: made[key] for key in OURS if key in made}
    print(document.text({**shown, **ours}), file=bare(sys.stdout), flush=True)
