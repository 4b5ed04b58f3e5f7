"""Sentences that every form of output shares. No colour here: words must do without it."""

from collections.abc import Iterator

from deployer.errors import DeployError
from deployer.health.verdict import Judgement
from deployer.result import Result


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value // 60:.0f} min {value % 60:.0f} s"


def judgement(found: Judgement) -> str:
    """A workload's state in one line, with the first suspect."""
    suspect = f" — {found.causes[0].object}: {found.causes[0].message}" if found.causes else ""
    return f"{found.workload}: {found.summary}{suspect}"


def error(problem: DeployError) -> Iterator[str]:
    """An error, its detail, and what to do next."""
    yield f"error: {problem.message}"
    for line in problem.detail:
        yield f"  {line}"
    if problem.hint:
        yield f"hint: {problem.hint}"


def outcome(result: Result) -> Iterator[str]:
    """How a run ended."""
    mark = "ok" if result.exit_code == 0 else "failed"
    yield f"{mark}: {result.message} ({seconds(result.seconds)})"
    for line in result.detail:
        yield f"  {line}"
    if result.image and result.exit_code == 0:
        yield f"image: {result.image.reference}"
    if result.restored is not None:
        yield f"rolled back: revision {result.restored} serves again"
    for warning in result.warnings:
        yield f"warning: {warning}"
    if result.hint:
        yield f"hint: {result.hint}"
