"""git: what is deployed, as the repository names it."""

from pathlib import Path

from deployer.model import Command


def git(project: Path, *args: str, index: Path | None = None) -> Command:
    """A git command in the project; with `index`, on an index file and objects of its own, beside each other."""
    own = {"GIT_INDEX_FILE": str(index), "GIT_OBJECT_DIRECTORY": str(index.parent / "objects")} if index else {}
    return Command(("git", "-C", str(project), *args), env=own)


def head(project: Path) -> Command:
    """The full SHA of HEAD."""
    return git(project, "rev-parse", "--verify", "HEAD")


def branch(project: Path) -> Command:
    """The short name of the branch; nothing on a detached HEAD."""
    return git(project, "branch", "--show-current")


def tags(project: Path) -> Command:
    """The tags of HEAD, the highest version first."""
    return git(project, "tag", "--points-at", "HEAD", "--sort=-version:refname")


def changes(project: Path, *paths: str) -> Command:
    """Uncommitted and untracked files of these paths, one a line; without locks, status leaves the index as it is."""
    return git(project, "--no-optional-locks", "status", "--porcelain", "--", *paths)


def stage(project: Path, index: Path, *paths: str) -> Command:
    """Put the paths as they are on disk into an index of their own."""
    return git(project, "add", "--all", "--", *paths, index=index)


def tree(project: Path, index: Path) -> Command:
    """The SHA of the tree in an index: a hash of every file's name, mode and content."""
    return git(project, "write-tree", index=index)


def remote(project: Path) -> Command:
    """The URL of `origin`; fails where there is none."""
    return git(project, "remote", "get-url", "origin")


def verify_commit(project: Path) -> Command:
    """Check the signature of HEAD's commit, with the keys that git's configuration trusts."""
    return git(project, "verify-commit", "HEAD")


def verify_tag(project: Path, tag: str) -> Command:
    """Check the signature of a tag. The full name, so that no branch of the same name is meant."""
    return git(project, "verify-tag", f"refs/tags/{tag}")
