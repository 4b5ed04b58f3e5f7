"""Ask git what there is to deploy. Reads only."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployer.commands import git
from deployer.errors import PreflightError
from deployer.plan.facts import Source
from deployer.process import ProgramFailed, Programs


def source(programs: Programs, project: Path, context: Path) -> Source | None:
    """The git tree around `project`; None where git or a first commit is missing. `context` is what gets built."""
    with ThreadPoolExecutor(4) as pool:
        commands = (git.head(project), git.changes(project, "."), git.branch(project), git.tags(project))
        asked = [pool.submit(programs.read, command) for command in commands]
    head, status, branch, tags = asked
    try:
        sha = head.result()
    except ProgramFailed as error:
        if any("dubious ownership" in line for line in error.detail):  # a CI container that runs as somebody else
            raise PreflightError(
                f"git does not trust {project}, since it belongs to another user",
                hint=f"git config --global --add safe.directory {project}",
            ) from None
        return None
    except PreflightError:  # no git
        return None
    changes = status.result().splitlines()
    return Source(
        sha=sha,
        branch=branch.result().strip(),
        tags=tuple(tags.result().split()),
        dirty=tuple(line[3:] for line in changes),
        tree=_tree(programs, project, context) if changes else "",
    )


def _tree(programs: Programs, project: Path, context: Path) -> str:
    """A hash of the build context as it is on disk. Nothing is written to the repository: it may be read-only."""
    try:
        with tempfile.TemporaryDirectory(prefix="deploy-index-") as folder:
            index = Path(folder) / "index"
            (Path(folder) / "objects").mkdir()
            programs.run(git.stage(project, index, str(context)), lambda line: None)
            return programs.read(git.tree(project, index))
    except (ProgramFailed, OSError) as error:
        said = error.detail[-3:] if isinstance(error, ProgramFailed) else (error.strerror or str(error),)
        raise PreflightError(
            f"the uncommitted files of {context} cannot be hashed in {tempfile.gettempdir()}", detail=said
        ) from None
