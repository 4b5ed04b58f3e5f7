"""How a run ended, in Markdown: the summary that GitHub shows on the page of a job. Pure."""

from collections.abc import Iterator

from deployer.errors import DeployError
from deployer.report import diagnosis, markup, words
from deployer.result import Result

LONGEST = 300
"""Lines of a diagnosis. GitHub takes a megabyte for a step, and readers far less."""


def lines(result: Result) -> Iterator[str]:
    """The verdict, the image and the revision; of a failure the diagnosis, and what to do next."""
    plan, image = result.plan, result.image
    yield from _headline(plan.verb, plan.environment, result.message, result.exit_code == 0)
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| release | {markup.plain(plan.release)} in {markup.plain(plan.target.namespace)} |"
    if image:
        yield f"| image | {markup.code(image.reference)} |"
    if plan.record.sha:
        yield f"| commit | {markup.code(plan.record.sha)} |"
    if result.revision is not None:
        yield f"| revision | {result.revision} |"
    if plan.promotion:
        yield f"| promoted from | {markup.plain(plan.promotion.source)}, revision {plan.promotion.revision} |"
    if result.restored is not None:
        yield f"| rolled back | revision {result.restored} serves again |"
    yield f"| outcome | {result.exit_code.name.lower()} (exit code {int(result.exit_code)}) |"
    yield f"| time | {words.seconds(result.seconds)} |"
    told = list(diagnosis.lines(result.diagnosis)) if result.diagnosis else list(result.detail)
    if told:
        yield ""
        yield from markup.block([part for line in told for part in line.splitlines()][:LONGEST])
    for warning in result.warnings:
        yield ""
        yield f"- ⚠ {_line(warning)}"
    if result.hint:
        yield ""
        yield f"**Next:** {_line(result.hint)}"


def refused(verb: str, environment: str | None, problem: DeployError) -> Iterator[str]:
    """A run that ended before its first deed."""
    yield from _headline(verb, environment or "", problem.message, False)
    if problem.detail:
        yield ""
        yield from markup.block([part for line in problem.detail for part in line.splitlines()][:LONGEST])
    if problem.hint:
        yield ""
        yield f"**Next:** {_line(problem.hint)}"


def _headline(verb: str, environment: str, message: str, good: bool) -> Iterator[str]:
    yield f"### {'✅' if good else '❌'} deploy {verb} {markup.plain(environment)}".rstrip()
    yield ""
    yield _line(message)


def _line(text: str) -> str:
    return markup.plain(" ".join(text.split()))
