"""What the next job of a pipeline needs to know of a run, a line a fact: `name=value`. Pure.

The names in a dotenv report become variables of later jobs, so they are none that `deploy` or a pipeline reads itself.
"""

from collections.abc import Iterator, Mapping

from deployer.errors import ExitCode
from deployer.model import Image
from deployer.result import Result


def facts(result: Result) -> Mapping[str, str]:
    """image, digest, revision, url and outcome; empty where there is none. Image and revision of a failed run too."""
    image, revision = result.image, result.revision
    return {
        "image": image.reference if image else "",
        "digest": (image.digest or "") if image else "",
        "revision": "" if revision is None else str(revision),
        "url": result.url,
        "outcome": result.exit_code.name.lower(),
    }


def many(code: ExitCode, image: Image | None) -> Mapping[str, str]:
    """The same of a run on many targets, each of which has a revision and a URL of its own."""
    return {
        "image": image.reference if image else "",
        "digest": (image.digest or "") if image else "",
        "revision": "",
        "url": "",
        "outcome": code.name.lower(),
    }


def refused(code: ExitCode) -> Mapping[str, str]:
    """The same of a run that ended before its first deed."""
    return {"image": "", "digest": "", "revision": "", "url": "", "outcome": code.name.lower()}


def github(told: Mapping[str, str]) -> Iterator[str]:
    """Lines for the file that GITHUB_OUTPUT names."""
    yield from (f"{name}={_line(value)}" for name, value in told.items())


def dotenv(told: Mapping[str, str]) -> Iterator[str]:
    """Lines for a dotenv report of GitLab."""
    yield from (f"DEPLOYED_{name.upper()}={_line(value)}" for name, value in told.items())


def _line(value: str) -> str:
    return " ".join(value.split())
