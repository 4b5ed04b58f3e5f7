"""git: what is deployed, as the repository names it; and the plumbing that writes to a configuration repository."""

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


HERE, PROPOSED = "refs/deploy/branch", "refs/deploy/proposed"
"""What a clone of a configuration repository calls the branch, and a proposal of ours."""


def start(clone: Path) -> Command:
    """An empty bare repository without anybody's template: hooks would be started."""
    return Command(("git", "init", "--quiet", "--bare", "--template=", str(clone)))


def configured(clone: Path, key: str, value: str) -> Command:
    """A setting of the clone's own."""
    return git(clone, "config", key, value)


def setting(clone: Path, key: str) -> Command:
    """A setting from wherever git has it; fails where it is not set."""
    return git(clone, "config", "--get", key)


def valid_branch(clone: Path, branch: str) -> Command:
    """Fails where git takes no branch of that name."""
    return git(clone, "check-ref-format", f"refs/heads/{branch}")


def fetch(clone: Path, branch: str, to: str = HERE) -> Command:
    """A branch with its history, however it was rewritten; contents of files come when they are read."""
    options = ("--progress", "--no-tags", "--no-write-fetch-head", "--filter=blob:none")
    return git(clone, "fetch", *options, "origin", f"+refs/heads/{branch}:{to}")


def branches(clone: Path, *names: str) -> Command:
    """The branches that the server has, `<sha> refs/heads/<name>` a line."""
    return git(clone, "ls-remote", "--heads", "origin", *(f"refs/heads/{name}" for name in names))


def default(clone: Path) -> Command:
    """What the server calls HEAD: `ref: refs/heads/<name>TAB HEAD` in the first line; nothing where it is empty."""
    return git(clone, "ls-remote", "--symref", "origin", "HEAD")


def resolve(clone: Path, revision: str) -> Command:
    """The SHA of `commit`, `commit:path` or `ref`; fails where there is none."""
    return git(clone, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)


def ancestor(clone: Path, older: str, newer: str) -> Command:
    """Ends with 0 where the newer commit has the older one in its history, with 1 where not."""
    return git(clone, "merge-base", "--is-ancestor", older, newer)


def log(clone: Path, layout: str, *revisions: str, path: str = ".") -> Command:
    """The commits that changed a path as the branch went, newest first; a merge is one change."""
    only = () if path == "." else (path,)
    return git(clone, "--literal-pathspecs", "log", "--first-parent", f"--format={layout}", *revisions, "--", *only)


def wrote(clone: Path, line: str, revision: str, path: str) -> Command:
    """The newest commit with such a line in its message that changed a path, by whatever merge it came."""
    how = ("--full-history", "-1", "--format=%H", "--basic-regexp", f"--grep={line}")
    return git(clone, "--literal-pathspecs", "log", *how, revision, "--", path)


def described(clone: Path, layout: str, *commits: str) -> Command:
    """Each of these commits, in this order."""
    return git(clone, "log", "--no-walk=unsorted", f"--format={layout}", *commits)


def listed(clone: Path, tree: str) -> Command:
    """What is directly in a tree: `<mode> <type> <sha>TAB<name>`, names quoted as C does."""
    return git(clone, "ls-tree", tree)


def listed_deep(clone: Path, tree: str) -> Command:
    """Every file in a tree, likewise."""
    return git(clone, "ls-tree", "-r", tree)


def content(clone: Path, revision: str) -> Command:
    """`<sha> blob <size>`, the content and a line break; `… missing` where there is none."""
    return Command(("git", "-C", str(clone), "cat-file", "--batch"), stdin=f"{revision}\n")


def written_out(clone: Path, tree: str, index: Path, folder: Path) -> Command:
    """A tree's files in a folder, byte for byte; those that are missing come with one request."""
    return Command(
        ("git", "-C", str(clone), f"--work-tree={folder}", "read-tree", "--reset", "-u", tree),
        env={"GIT_INDEX_FILE": str(index)},
    )


def store(clone: Path, files: tuple[Path, ...]) -> Command:
    """Keep the files' contents as they are; their SHAs, one a line."""
    argv = ("git", "-C", str(clone), "hash-object", "-w", "--no-filters", "--stdin-paths")
    return Command(argv, stdin="".join(f"{file}\n" for file in files))


def indexed(clone: Path, index: Path, entries: str) -> Command:
    """Put entries, as `listed_deep` gives them, into an index."""
    argv = ("git", "-C", str(clone), "update-index", "--add", "--index-info")
    return Command(argv, stdin=entries, env={"GIT_INDEX_FILE": str(index)})


def indexed_tree(clone: Path, index: Path) -> Command:
    """The SHA of the tree in an index; contents may be on the server alone."""
    return Command(
        ("git", "-C", str(clone), "write-tree", "--missing-ok"),
        env={"GIT_INDEX_FILE": str(index)},
    )


def make_tree(clone: Path, entries: str) -> Command:
    """The SHA of a tree of these entries, as `listed` gives them."""
    return Command(("git", "-C", str(clone), "mktree", "--missing"), stdin=entries)


def make_commit(clone: Path, tree: str, parent: str, message: str, author: tuple[str, str], email: str) -> Command:
    """The SHA of a commit; `parent` is empty for the first one. Never signed: there is no person to ask."""
    name, address = author
    who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address}
    who |= {"GIT_COMMITTER_NAME": "deploy", "GIT_COMMITTER_EMAIL": email}
    parents = ("-p", parent) if parent else ()
    return Command(("git", "-C", str(clone), "commit-tree", "--no-gpg-sign", *parents, tree), stdin=message, env=who)


def push(clone: Path, commit: str, branch: str) -> Command:
    """Put a commit on top of a branch; rejected where the branch has gone on meanwhile."""
    return git(clone, *_PUSH, "origin", f"{commit}:refs/heads/{branch}")


def push_own(clone: Path, commit: str, branch: str, seen: str) -> Command:
    """Set a branch that is ours alone; rejected where it is not as seen (empty: where it is there)."""
    return git(
        clone, *_PUSH, f"--force-with-lease=refs/heads/{branch}:{seen}", "origin", f"{commit}:refs/heads/{branch}"
    )


def push_nothing(clone: Path, commit: str, branch: str) -> Command:
    """Log in as for a push, and send nothing."""
    return git(clone, *_PUSH, "--dry-run", "origin", f"{commit}:refs/heads/{branch}")


_PUSH = ("push", "--progress", "--porcelain", "--no-thin", "--no-verify")
"""Not thin: what git would compress against may be on the server alone."""
