"""What the guards of a profile need to know; each thing is asked only where a guard needs it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployer import guard
from deployer.commands import git
from deployer.errors import DeployError, PreflightError
from deployer.guard.rules import matching
from deployer.model import Image, Job
from deployer.plan.facts import Source
from deployer.process import ProgramFailed, Programs
from deployer.profile.schema import Guards

FREEZE = 4096
"""Characters of a freeze file that are read."""


def gather(
    guards: Guards,
    verb: guard.Verb,
    environment: str,
    job: Job,
    *,
    project: Path,
    programs: Programs,
    tree: Source | None = None,
    image: Image | None = None,
    beside: Path | None = None,
    elsewhere: Callable[[str], guard.Elsewhere] = lambda name: guard.Elsewhere(),
) -> guard.Facts:
    """The facts for the guards that count for a verb, asked side by side; but for what the release changes.

    `tree`, `image`: of what would be released. `beside`: the folder of the run, where the project is a bundle's: it has
    the freeze file, but never the tree that a signature is of. `elsewhere` reads another environment's records.
    """
    wanted = guard.applying(guards, verb)
    with ThreadPoolExecutor(4) as pool:
        others = {name: pool.submit(elsewhere, name) for name in (guards.healthy_in if "healthyIn" in wanted else ())}
        signature = pool.submit(unsigned, programs, project, guards, tree) if "signed" in wanted else None
    return guard.Facts(
        environment=environment,
        verb=verb,
        job=job,
        sha=tree.sha if tree else "",
        branch=(tree.branch or job.branch) if tree else "",
        tags=tree.tags if tree else (),
        dirty=tree.dirty if tree else (),
        unsigned=signature.result() if signature else None,
        frozen=frozen((beside or project) / guards.freeze) if guards.freeze and "freeze" in wanted else None,
        image=image,
        elsewhere={name: one.result() for name, one in others.items()},
    )


def unsigned(programs: Programs, project: Path, guards: Guards, tree: Source | None) -> tuple[str, ...] | None:
    """What git says against the signature that `guards.signed` asks for; None where it is good.

    Of several tags the highest version counts, among those that `guards.tag` allows.
    """
    if tree is None:
        return ()
    if guards.signed == "commit":
        command = git.verify_commit(project)
    else:
        tags = matching(guards.tag, tree.tags) if guards.tag else tree.tags
        if not tags:
            return ("HEAD has no tag",)
        command = git.verify_tag(project, tags[0])
    try:
        programs.read(command)
    except ProgramFailed as error:
        return error.detail[-3:]
    except PreflightError as error:
        return (error.message,)
    return None


def frozen(file: Path) -> str | None:
    """The text of the freeze file; None where it is not there. One that cannot be read freezes too."""
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            return text.read(FREEZE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{file} is there, but cannot be read: {error.strerror}"


def known(read: Callable[[], guard.Elsewhere]) -> guard.Elsewhere:
    """What could be read of another environment, or why nothing could."""
    try:
        return read()
    except DeployError as error:
        return guard.Elsewhere(trouble=error.message)
