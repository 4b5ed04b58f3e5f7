"""How an image is named: by what it is."""

import re
from typing import Literal

from deployer.errors import PreflightError, UsageError
from deployer.model import Job
from deployer.plan.facts import Source

SHORT = 12
"""Characters of a SHA in a tag: enough to be unique in any repository."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VERSION = re.compile(r"v?\d+\.\d+\.\d+([-+].*)?")


def tag(strategy: Literal["branch", "commit", "version"], source: Source | None, given: str | None, job: Job) -> str:
    """The tag: the one given, else by the profile's strategy; a tree with changes gets its content's hash.

    A CI job has HEAD on no branch, and not all tags: there its platform says which branch or tag it runs for.
    Raises UsageError for a tag that no registry takes, PreflightError where git cannot name the tree.
    """
    if given is not None:
        if not _TAG.fullmatch(given):
            raise UsageError(
                f"--tag `{given}` is not an image tag: letters, digits, _ . and -, at most 128, no . or - at the start"
            )
        return given
    if source is None:
        raise PreflightError(
            "the project is not in a git repository with a commit, so there is nothing to name the image by",
            hint="commit it, or name the image with --tag",
        )
    dirty = f"-dirty-{source.tree[:8]}" if source.dirty else ""
    match strategy:
        case "commit":
            return source.sha[:SHORT] + dirty
        case "branch":
            branch = (
                re.sub(r"[^A-Za-z0-9_.]+", "-", source.branch or job.branch or job.tag or "detached").strip("-.")
                or "branch"
            )
            return f"{branch[:90]}-{source.sha[:SHORT]}{dirty}"
        case "version":
            version = next((tag for tag in (*source.tags, job.tag) if _VERSION.fullmatch(tag)), None)
            if version is None:
                raise PreflightError(
                    f"HEAD ({source.sha[:SHORT]}) has no version tag, and this environment deploys versions",
                    hint="tag the commit (git tag v1.2.3), or name an image that exists with --tag",
                )
            return version.replace("+", "_") + dirty
