"""git's argv, by equality."""

from pathlib import Path

import pytest

from deployer.commands import git
from deployer.model import Command

P, INDEX = Path("/p"), Path("/tmp/i")
OWN = {"GIT_INDEX_FILE": "/tmp/i", "GIT_OBJECT_DIRECTORY": "/tmp/objects"}


@pytest.mark.parametrize(
    ("command", "argv", "env"),
    [
        (git.head(P), ("rev-parse", "--verify", "HEAD"), {}),
        (git.branch(P), ("branch", "--show-current"), {}),
        (git.tags(P), ("tag", "--points-at", "HEAD", "--sort=-version:refname"), {}),
        (git.changes(P, "a", "b"), ("--no-optional-locks", "status", "--porcelain", "--", "a", "b"), {}),
        (git.stage(P, INDEX, "a"), ("add", "--all", "--", "a"), OWN),
        (git.tree(P, INDEX), ("write-tree",), OWN),
        (git.verify_commit(P), ("verify-commit", "HEAD"), {}),
        (git.verify_tag(P, "v1"), ("verify-tag", "refs/tags/v1"), {}),
    ],
)
def test_commands(command: Command, argv: tuple[str, ...], env: dict[str, str]) -> None:
    assert command == Command(("git", "-C", "/p", *argv), env=env)
