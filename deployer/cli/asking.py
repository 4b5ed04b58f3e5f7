"""Questions to a person at a terminal; elsewhere `--yes` is the answer."""

import typer

from deployer.cli.session import Session
from deployer.errors import PreflightError, UsageError


def confirm(run: Session, question: str, yes: bool) -> None:
    """Raises PreflightError where the answer is no, and UsageError where nobody can be asked."""
    if not _given(run, yes) and not typer.confirm(question, err=True):
        raise PreflightError("not confirmed; nothing was touched")


def spell(run: Session, question: str, word: str, yes: bool) -> None:
    """The same, but a word has to be typed: for what cannot be undone."""
    if not _given(run, yes) and typer.prompt(question, err=True).strip() != word:
        raise PreflightError(f"`{word}` was not typed; nothing was touched")


def _given(run: Session, yes: bool) -> bool:
    if not yes and not run.attended:
        raise UsageError(
            "nobody is at a terminal to be asked; nothing was touched", hint="--yes goes on without asking"
        )
    return yes
