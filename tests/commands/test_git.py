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


FETCH = ("fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "origin")
PUSH = ("push", "--progress", "--porcelain", "--no-thin", "--no-verify")
MAIN = "refs/heads/main"


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (git.configured(P, "a.b", "c"), ("config", "a.b", "c")),
        (git.setting(P, "a.b"), ("config", "--get", "a.b")),
        (git.valid_branch(P, "main"), ("check-ref-format", MAIN)),
        (git.fetch(P, "main"), (*FETCH, f"+{MAIN}:refs/deploy/branch")),
        (git.branches(P, "x"), ("ls-remote", "--heads", "origin", "refs/heads/x")),
        (git.default(P), ("ls-remote", "--symref", "origin", "HEAD")),
        (git.resolve(P, "-x"), ("rev-parse", "--verify", "--quiet", "--end-of-options", "-x")),
        (git.ancestor(P, "a", "b"), ("merge-base", "--is-ancestor", "a", "b")),
        (git.log(P, "%H", "a"), ("--literal-pathspecs", "log", "--first-parent", "--format=%H", "a", "--")),
        (
            git.log(P, "%H", "a", path="x/y"),
            ("--literal-pathspecs", "log", "--first-parent", "--format=%H", "a", "--", "x/y"),
        ),
        (
            git.wrote(P, "^x: ", "a", "y"),
            (
                *("--literal-pathspecs", "log", "--full-history", "-1", "--format=%H"),
                *("--basic-regexp", "--grep=^x: ", "a", "--", "y"),
            ),
        ),
        (git.described(P, "%H", "a"), ("log", "--no-walk=unsorted", "--format=%H", "a")),
        (git.listed(P, "t"), ("ls-tree", "t")),
        (git.listed_deep(P, "t"), ("ls-tree", "-r", "t")),
        (git.push(P, "c", "main"), (*PUSH, "origin", f"c:{MAIN}")),
        (git.push_own(P, "c", "main", "s"), (*PUSH, f"--force-with-lease={MAIN}:s", "origin", f"c:{MAIN}")),
        (git.push_nothing(P, "c", "main"), (*PUSH, "--dry-run", "origin", f"c:{MAIN}")),
    ],
)
def test_commands_of_a_configuration_repository(command: Command, argv: tuple[str, ...]) -> None:
    assert command == Command(("git", "-C", "/p", *argv))


def test_what_is_long_or_anybody_s_goes_in_on_stdin() -> None:
    own = {"GIT_INDEX_FILE": "/tmp/i"}
    assert git.content(P, "a:b") == Command(("git", "-C", "/p", "cat-file", "--batch"), stdin="a:b\n")
    assert git.store(P, (Path("/1"),)).stdin == "/1\n"
    assert git.indexed(P, INDEX, "e") == Command(
        ("git", "-C", "/p", "update-index", "--add", "--index-info"), stdin="e", env=own
    )
    assert git.make_tree(P, "e") == Command(("git", "-C", "/p", "mktree", "--missing"), stdin="e")
    assert git.make_commit(P, "t", "p", "text", ("Ann", "a@x"), "d@x") == Command(
        ("git", "-C", "/p", "commit-tree", "--no-gpg-sign", "-p", "p", "t"),
        stdin="text",
        env={
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "a@x",
            "GIT_COMMITTER_NAME": "deploy",
            "GIT_COMMITTER_EMAIL": "d@x",
        },
    )
