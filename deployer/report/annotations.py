"""A failure where CI shows it first: as an annotation of the run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from deployer.errors import DeployError
from deployer.health.verdict import Verdict
from deployer.result import Result

if TYPE_CHECKING:
    from deployer.fleet import Rolled
    from deployer.rollout import Outcome


def lines(result: Result, environ: Mapping[str, str]) -> Iterator[str]:
    """Workflow commands of GitHub Actions for a run that failed; nothing elsewhere."""
    if environ.get("GITHUB_ACTIONS") != "true" or result.exit_code == 0:
        return
    said = [result.diagnosis.headline if result.diagnosis else result.message, *([result.hint] if result.hint else [])]
    title = _title(result.plan.verb, result.plan.environment)
    yield f"::error title={title}::{_escaped(chr(10).join(said))}"
    yield from (f"::warning title={title}::{_escaped(warning)}" for warning in result.warnings)


def many(found: "Rolled", environ: Mapping[str, str]) -> Iterator[str]:
    """The same for many targets: one for each that failed."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    from deployer.plan.fleet import Outcome  # only an environment of many targets pays for it

    for one in found.ended:
        if one.outcome is Outcome.FAILED:
            title = _title(found.fleet.verb, f"{found.fleet.environment} {one.target}")
            yield f"::error title={title}::{_escaped(one.message)}"


def verified(found: "Outcome", environ: Mapping[str, str]) -> Iterator[str]:
    """The same for a rollout that somebody else began, and that is not healthy."""
    if environ.get("GITHUB_ACTIONS") == "true" and found.verdict is not Verdict.HEALTHY:
        hint = found.diagnosis.hint if found.diagnosis else None
        said = [found.diagnosis.headline if found.diagnosis else found.headline, *([hint] if hint else [])]
        yield f"::error title={_title('verify', '')}::{_escaped(chr(10).join(said))}"


def refused(verb: str, environment: str | None, problem: DeployError, environ: Mapping[str, str]) -> Iterator[str]:
    """The same for a run that ended before its first deed."""
    if environ.get("GITHUB_ACTIONS") == "true":
        said = [problem.message, *problem.detail, *([problem.hint] if problem.hint else [])]
        yield f"::error title={_title(verb, environment or '')}::{_escaped(chr(10).join(said))}"


def _title(verb: str, environment: str) -> str:
    title = f"deploy {verb} {environment}".rstrip()
    return _escaped(title).replace(":", "%3A").replace(",", "%2C")


def masks(secrets: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    """What tells GitHub Actions to hide each line of the secrets in the job's log; nothing elsewhere."""
    if environ.get("GITHUB_ACTIONS") == "true":
        yield from (f"::add-mask::{_escaped(one)}" for one in sorted(secrets) if len(one.splitlines()) == 1)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
