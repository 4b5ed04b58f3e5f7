"""One folder of the configuration repository: its history, its content at a commit, and commits of ours."""

import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from deployer.commands import git
from deployer.configrepo import refusals, surroundings
from deployer.configrepo.refusals import Refusal
from deployer.credentials import Login
from deployer.errors import DeployError, IndeterminateError, PreflightError, UsageError
from deployer.model import Command
from deployer.process import ProgramFailed, Programs
from deployer.profile.sources import nearest
from deployer.result import Event, Notice, Severity

OWNED = "values.yaml"
"""The file in the folder that is ours: the effective values."""

HEAD = """\
# Owned by `deploy`: each delivery sets the values here. Comments and the order of keys stay.
# Change the profile in the project; a value that is changed here is set back by the next delivery.
"""
"""The first lines of that file when it is new."""

CHART = "chart"
"""The folder in it that is ours: what is in it and not in the project's chart goes."""

VERB = "Deploy-Verb"
"""The trailer that tells a commit of ours."""

TRIES = 20
"""Pushes before a branch that never stands still is given up."""

ASKS = 3
"""Tries at a server that does not answer."""

SILENCE = 90.0
"""Seconds without a word of git after which it is ended: what http's own limit does not see, a hook that hangs say."""

Entries = Mapping[str, str]
"""Files of a tree: quoted path → `<mode> blob <sha>`."""


@dataclass(frozen=True)
class Author:
    """Who commits: the run's actor, under an e-mail address that the server takes."""

    name: str = "deploy"
    email: str = "deploy@localhost"


@dataclass(frozen=True)
class Change:
    """A commit that changed the folder, as the branch went: a merge request that was merged is one."""

    sha: str
    number: int  # 1 is the oldest one; of a proposal, the one it would have if it were merged now
    when: str  # RFC 3339, UTC: when it was committed
    author: str
    subject: str
    trailers: Mapping[str, str] = field(default_factory=dict)  # Deploy-Verb, Deploy-Image, …; empty: somebody else's


@dataclass
class ConfigRepo:
    """The folder `path` on a branch, as it was at `tip`, in a clone of our own; made by `opened`.

    Every method raises PreflightError where the repository cannot be asked.
    """

    programs: Programs
    url: str
    branch: str
    path: str
    author: Author
    tell: Callable[[Event], None]
    owned: frozenset[str]  # what at the folder's top is ours, whoever has committed it
    _home: Path
    tip: str = ""  # the newest commit of the branch as we know it; empty: the repository is empty
    _count: int = 0

    def history(self) -> tuple[Change, ...]:
        """The commits that changed the folder, the oldest one first."""
        return self._history(self.tip)

    def read(self, sha: str, file: str) -> str | None:
        """A text file of the folder at a commit; None where either is not there."""
        command = git.content(self._clone, f"{_commit(sha)}:{self._at(file)}")
        header, _, rest = self._over_the_wire(command).partition("\n")
        return rest if re.fullmatch(r"[0-9a-f]+ blob \d+", header) else None

    def holds(self, sha: str) -> bool:
        """Whether the folder has files at a commit; it may have been removed."""
        return bool(self._tree(sha))

    def tree(self, sha: str, folder: Path) -> None:
        """Write the files of the folder, as they were at a commit, to `folder`. Raises UsageError where none were."""
        tree = self._tree(sha)
        if not tree:
            raise UsageError(f"{self._folder} has no files at commit {sha[:12]}")
        folder.mkdir(parents=True, exist_ok=True)
        self._over_the_wire(git.written_out(self._clone, tree, self._scratch(), folder))

    def refresh(self) -> str:
        """Look again: the newest commit of the branch, which is `tip` from now on."""
        self.tip = self._newest(self.tip)
        return self.tip

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether a commit has another one in its history; False where one of them is not on the branch (any more)."""
        if not (self._known(descendant) and self._known(ancestor)):
            self._newest(self.tip)
        if not (self._known(descendant) and self._known(ancestor)):
            return False
        return self._yes(git.ancestor(self._clone, ancestor, descendant))

    def default(self) -> str:
        """The branch that HEAD names at the server; empty where it does not say."""
        found = re.match(r"ref: refs/heads/(.*)\tHEAD", self._over_the_wire(git.default(self._clone)))
        return found[1] if found else ""

    def check_push(self) -> None:
        """Log in as for a push. Raises PreflightError where the login may not; what hooks say is not known before."""
        if self.tip:
            try:
                self._over_the_wire(git.push_nothing(self._clone, self.tip, self.branch))
            except Refused as error:
                if error.refusal.kind != "behind":
                    raise

    def commit(self, files: Mapping[str, bytes], subject: str, trailers: Mapping[str, str]) -> Change | None:
        """Make these the folder's files, beside those that people have put there; None where they are already.

        Files of ours are what is `owned`, what `files` names, and what a commit of ours has ever written. Raises
        DeployError where the push is refused, or where somebody has changed a file of ours since `tip`;
        IndeterminateError where nobody knows whether it arrived.
        """
        return self._land(self._stored(files), subject, trailers)

    def revert(self, to: str, subject: str, trailers: Mapping[str, str]) -> Change | None:
        """Make the folder's files of ours what they were at a commit, whatever others did; else as `commit`."""
        return self._land(self._ours(to), subject, trailers)

    def propose(
        self, files: Mapping[str, bytes], subject: str, trailers: Mapping[str, str], branch: str
    ) -> Change | None:
        """`commit`, to a branch for a merge request; what an earlier proposal of ours has there is replaced.

        Raises DeployError where the branch has commits that are not ours.
        """
        wanted = self._stored(files)
        root = self._root(self.tip, wanted)
        if root == self._resolved(f"{self.tip}^{{tree}}"):
            return None
        seen = self._proposed(branch)
        if seen and (root, self.tip) == (self._resolved(f"{seen}^{{tree}}"), self._resolved(f"{seen}^")):
            return self._described(seen, len(self._history(self.tip)) + 1)
        made = self._made(root, self.tip, subject, trailers)
        try:
            self._over_the_wire(git.push_own(self._clone, made, branch, seen), tries=1)
        except Refused as error:
            raise _failed(f"the push to `{branch}`", error) from None
        return self._described(made, len(self._history(self.tip)) + 1)

    # What is on the server

    def _open(self) -> None:
        self._ask(git.start(self._clone))
        with _room():
            (self._clone / "info").mkdir(exist_ok=True)
            # Stronger than any .gitattributes: what is committed is what is written, byte for byte.
            (self._clone / "info" / "attributes").write_text("* -text -eol -filter -ident -working-tree-encoding\n")
        self._ask(git.configured(self._clone, "remote.origin.url", self.url))
        if not self._yes(git.valid_branch(self._clone, self.branch)) or "*" in self.branch:
            raise UsageError(f"`{self.branch}` is no name of a branch")
        self.tip = self._newest("")

    def _newest(self, known: str) -> str:
        """Fetch the branch; its newest commit. Tells where what was known is no longer in its history."""
        try:
            self._over_the_wire(git.fetch(self._clone, self.branch))
        except Refused as error:
            if error.refusal.kind != "absent":
                raise
            heads = self._over_the_wire(git.branches(self._clone)).split("\n")
            names = tuple(line.partition("\trefs/heads/")[2] for line in heads if line)
            if names or known:
                error.message += nearest(self.branch, names)
                raise
            return ""
        newest = self._resolved(git.HERE)
        if known and not self._yes(git.ancestor(self._clone, known, newest)):
            self.tell(
                Notice(
                    f"the branch `{self.branch}` of the configuration repository was rewritten: commit {known[:12]} "
                    "is no longer in its history",
                    Severity.WARNING,
                )
            )
        return newest

    def _proposed(self, branch: str) -> str:
        """The tip of a proposal that is ours; empty where there is none."""
        if branch == self.branch or not self._yes(git.valid_branch(self._clone, branch)) or "*" in branch:
            raise UsageError(f"`{branch}` is no name of a branch for proposals")
        try:
            self._over_the_wire(git.fetch(self._clone, branch, git.PROPOSED))
        except Refused as error:
            if error.refusal.kind != "absent":
                raise
            return ""
        seen = self._resolved(git.PROPOSED)
        layout = f"%H %(trailers:key={VERB},valueonly,separator=%x20)"
        new = self._lines(git.log(self._clone, layout, seen, *((f"^{self.tip}",) if self.tip else ())))
        for sha, _, verb in (line.partition(" ") for line in new):
            if not verb.strip():
                raise DeployError(
                    f"the branch `{branch}` has commit {sha[:12]}, which is not ours",
                    hint="merge or delete the branch, then run again",
                )
        return seen

    # Commits of ours

    def _land(self, wanted: Entries, subject: str, trailers: Mapping[str, str]) -> Change | None:
        base = tip = self.tip
        troubles = 0  # a race that was lost is none
        tried: list[str] = []  # a server may carry out a push after its connection broke off
        for attempt in range(TRIES):
            root = self._root(tip, wanted)
            if tip and root == self._resolved(f"{tip}^{{tree}}"):
                self.tip = tip
                return None
            made = self._made(root, tip, subject, trailers)
            tried.append(made)
            try:
                self._over_the_wire(git.push(self._clone, made, self.branch), tries=1)
                self.tip = made
                return self._history(made)[-1]
            except Refused as error:
                refused = error
            newest = self._after(refused, tip)
            arrived = [one for one in tried if newest and self._yes(git.ancestor(self._clone, one, newest))]
            if arrived:  # its answer has not
                self.tip = newest
                return next(one for one in self._history(newest) if one.sha in arrived)
            troubles += refused.refusal.kind != "behind"
            if troubles >= ASKS:
                raise _failed("the push", refused)
            self._same(base, newest, wanted)
            tip = newest
            # Everybody who was beaten waits a little, and nobody as long as another.
            time.sleep(random.uniform(0, min(4.0, 0.1 * 2**attempt)))  # noqa: S311
        raise DeployError(
            f"the branch `{self.branch}` of {self.url} went on before each of {TRIES} pushes",
            hint="run again; where this happens often, give this folder a repository of its own",
        )

    def _after(self, refused: "Refused", tip: str) -> str:
        """The newest commit after a push that failed. Raises where to push again is of no use."""
        if refused.refusal.kind == "final":
            raise _failed("the push", refused)
        try:
            return self._newest(tip)
        except DeployError as error:
            if refused.refusal.kind == "behind":
                raise
            raise IndeterminateError(
                f"the push broke off, and nobody knows whether the commit has arrived: {error.message}",
                hint="run again when the server answers: what is there is not committed twice",
                detail=refused.detail,
            ) from None

    def _same(self, base: str, newest: str, wanted: Entries) -> None:
        """Raises where somebody has changed our files since we looked: what they did is not to be overwritten."""
        names = _tops(wanted) | self.owned
        before, after = (
            {file: entry for file, entry in self._files(sha).items() if _top(file) in names} for sha in (base, newest)
        )
        if before == after:
            return
        file = next(one for one in sorted({*before, *after}) if before.get(one) != after.get(one))
        change = self._history(newest)[-1:]
        whose = f" (commit {change[0].sha[:12]} by {change[0].author}: {change[0].subject})" if change else ""
        raise DeployError(
            f"somebody has changed {self._at(file)} in the configuration repository meanwhile{whose}",
            hint="look at that commit, then run again: the next run starts from it",
        )

    def _root(self, tip: str, wanted: Entries) -> str:
        """The tree of the whole repository with these files in the folder, beside those of people."""
        foreign = self._files(tip, self._foreign(tip) - _tops(wanted)) if tip else {}
        index = self._scratch()
        lines = "".join(f"{entry}\t{file}\n" for file, entry in sorted({**foreign, **wanted}.items()))
        self._ask(git.indexed(self._clone, index, lines))
        tree = self._ask(git.indexed_tree(self._clone, index))
        parts = PurePosixPath(self.path).parts
        for name, beside in reversed([*zip(map(_quoted, parts), self._beside(tip, parts), strict=True)]):
            lines = "".join(f"{line}\n" for line in (*beside, f"040000 tree {tree}\t{name}"))
            tree = self._ask(git.make_tree(self._clone, lines))
        return tree

    def _beside(self, tip: str, parts: tuple[str, ...]) -> Iterator[list[str]]:
        """For each part of the folder's path what is beside it. Raises UsageError where a part is a file."""
        above = tip
        for depth, part in enumerate(map(_quoted, parts), 1):
            there = self._lines(git.listed(self._clone, above)) if above else []
            kinds = {line.partition("\t")[2]: line.split()[:3] for line in there}
            _, kind, above = kinds.get(part, ("", "tree", ""))
            if kind != "tree":
                raise UsageError(f"{'/'.join(parts[:depth])} is a file in the configuration repository")
            yield [line for line in there if line.partition("\t")[2] != part]

    def _made(self, root: str, parent: str, subject: str, trailers: Mapping[str, str]) -> str:
        told = "\n".join(f"{key}: {' '.join(value.split())}" for key, value in trailers.items() if value)
        message = f"{' '.join(subject.split())}\n" + (f"\n{told}\n" if told else "")
        author = (self.author.name or Author.name, self.author.email)
        return self._ask(git.make_commit(self._clone, root, parent, message, author, self.author.email))

    def _stored(self, files: Mapping[str, bytes]) -> Entries:
        """Keep the contents in the clone. Raises UsageError where a name leads out of the folder."""
        paths = []
        with tempfile.TemporaryDirectory(dir=self._home) as folder:
            for number, (name, text) in enumerate(files.items()):
                _inside(name)
                paths.append(Path(folder) / str(number))
                with _room():
                    paths[-1].write_bytes(text)
            shas = self._lines(git.store(self._clone, tuple(paths)))
        return {_quoted(name): f"100644 blob {sha}" for name, sha in zip(files, shas, strict=True)}

    # What is in the folder

    def _files(self, sha: str, tops: Iterable[str] | None = None) -> Entries:
        """The folder's files at a commit; of these names at its top alone, where they are given."""
        tree = self._tree(sha) if sha else ""
        if not tree:
            return {}
        names = None if tops is None else set(tops)
        found = (line.partition("\t")[::2] for line in self._lines(git.listed_deep(self._clone, tree)))
        return {file: entry for entry, file in found if names is None or _top(file) in names}

    def _foreign(self, sha: str) -> set[str]:
        """What at the folder's top is not ours: no commit of ours has ever written it.

        Its newest commit may be a person's, or that of a merge, which says nothing of ours.
        """
        tree = self._tree(sha)
        names = {line.partition("\t")[2] for line in self._lines(git.listed(self._clone, tree))} if tree else set()
        return {
            name
            for name in names - self.owned
            if name.startswith('"') or not self._ask(git.wrote(self._clone, f"^{VERB}: ", sha, self._at(name)))
        }

    def _ours(self, sha: str) -> Entries:
        """Our files at a commit. Raises UsageError where there are none."""
        if not self._known(sha):
            raise UsageError(f"commit {sha[:12]} is not on the branch `{self.branch}` of {self.url}")
        foreign = self._foreign(sha)
        found = {file: entry for file, entry in self._files(sha).items() if _top(file) not in foreign}
        if OWNED not in found:
            raise UsageError(f"{self._folder} has no {OWNED} at commit {sha[:12]}: there is nothing to go back to")
        return found

    def _history(self, sha: str) -> tuple[Change, ...]:
        if not sha:
            return ()
        found = self._changes(git.log(self._clone, _LAYOUT, sha, path=self.path))
        return tuple(replace(one, number=number) for number, one in enumerate(reversed(found), 1))

    def _described(self, sha: str, number: int) -> Change:
        return replace(self._changes(git.described(self._clone, _LAYOUT, sha))[0], number=number)

    def _changes(self, command: Command) -> list[Change]:
        found = [one.split("\x1f") for one in self._ask(command).split("\x1e")[1:]]
        changes = [_change(one) for one in found]
        # Where a merge request was merged, its own commit says whose it is.
        merged = {one[0]: one[4].split()[1] for one in found if len(one[4].split()) == 2 and not one[5].strip()}
        if not merged:
            return changes
        own = {one.sha: one for one in self._changes(git.described(self._clone, _LAYOUT, *merged.values()))}
        return [replace(one, trailers=own[merged[one.sha]].trailers) if one.sha in merged else one for one in changes]

    def _tree(self, sha: str) -> str:
        """The SHA of the folder at a commit; empty where either is not there."""
        return self._resolved(f"{_commit(sha)}:{'' if self.path == '.' else self.path}")

    def _known(self, sha: str) -> bool:
        return bool(self._resolved(f"{_commit(sha)}^{{commit}}"))

    # git

    @property
    def _clone(self) -> Path:
        return self._home / "clone"

    @property
    def _folder(self) -> str:
        return f"{self.url}, folder {self.path}"

    def _at(self, file: str) -> str:
        return (PurePosixPath(self.path) / file).as_posix()

    def _scratch(self) -> Path:
        """A name for an index that nobody has."""
        self._count += 1
        return self._home / f"index-{self._count}"

    def _resolved(self, revision: str) -> str:
        """The SHA; empty where it is not there."""
        try:
            return self.programs.read(git.resolve(self._clone, revision))
        except ProgramFailed:
            return ""

    def _yes(self, command: Command) -> bool:
        try:
            self.programs.read(command)
        except ProgramFailed:
            return False
        return True

    def _lines(self, command: Command) -> list[str]:
        return list(filter(None, self._ask(command).split("\n")))

    def _ask(self, command: Command) -> str:
        """Ask the clone alone."""
        try:
            return self.programs.read(command)
        except ProgramFailed as error:
            raise Refused(refusals.refusal(error.detail, self.url, self.branch)) from None

    def _over_the_wire(self, command: Command, tries: int = ASKS) -> str:
        """Have git talk to the server; again where it does not answer. Raises Refused."""
        for attempt in range(1, tries + 1):
            try:
                return self._once(command)
            except ProgramFailed as error:
                refused = Refused(refusals.refusal(error.detail, self.url, self.branch))
            if refused.refusal.kind != "away" or attempt == tries:
                break
            self.tell(Notice(f"{refused.message}; asking again"))
            time.sleep(random.uniform(0.5, 1.0) * 2**attempt)  # noqa: S311
        raise refused

    def _once(self, command: Command) -> str:
        heard = time.monotonic()

        def hear(line: str) -> None:
            nonlocal heard
            heard = time.monotonic()

        try:
            return self.programs.read(command, hear, lambda: time.monotonic() - heard > SILENCE)
        except ProgramFailed as error:
            if time.monotonic() - heard > SILENCE:
                error.detail += (f"fatal: timed out: not a word for {SILENCE:.0f} s",)
            raise


class Refused(PreflightError):
    """git could not ask the repository."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message, hint=refusal.hint or None, detail=refusal.detail)
        self.refusal = refusal


def _failed(deed: str, refused: Refused) -> DeployError:
    """A deed that was refused is no check before it."""
    return DeployError(f"{deed} failed: {refused.message}", hint=refused.hint, detail=refused.detail)


@contextmanager
def opened(
    programs: Programs,
    url: str,
    branch: str,
    path: str,
    *,
    login: Login | None = None,
    author: Author = Author(),
    tell: Callable[[Event], None] = lambda event: None,
    owned: Iterable[str] = (),
) -> Iterator[ConfigRepo]:
    """The folder `path` ("." for all of it) of a repository, in a clone that is gone when the block ends.

    `owned`: what at the folder's top is ours beside values.yaml and chart, though no commit there says so.
    Nothing of the clone is anybody else's, and nothing secret is in it. Raises UsageError where a name is wrong,
    PreflightError where the repository cannot be asked, or has no such branch; an empty repository has none yet.
    """
    surroundings.checked(url)
    _inside(path)
    with ExitStack() as stack:
        with _room():
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="deploy-config-"))
        ssh = programs.environ.get("GIT_SSH_COMMAND", "")
        if surroundings.over_ssh(url) and not ssh:
            try:
                ssh = programs.read(git.setting(Path(home), "core.sshCommand"))
            except ProgramFailed:
                ssh = "ssh"
        private = replace(
            programs,
            environ=surroundings.environment(programs.environ, url, login, ssh),
            secrets=programs.secrets - surroundings.TOLD if login else programs.secrets,
        )
        ours = frozenset({OWNED, CHART, *owned})
        found = ConfigRepo(private, url, branch, PurePosixPath(path).as_posix(), author, tell, ours, Path(home))
        found._open()
        yield found


_LAYOUT = "%x1e%H%x1f%cI%x1f%an%x1f%s%x1f%P%x1f%(trailers:only,unfold)%x1f"


def _change(facts: list[str]) -> Change:
    sha, when, author, subject, _, trailers, _ = facts
    pairs = (line.partition(": ")[::2] for line in trailers.split("\n") if ": " in line)
    moment = datetime.fromisoformat(when).astimezone(UTC)
    return Change(sha, 0, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), author, subject, dict(pairs))


def _commit(sha: str) -> str:
    """A commit as we take it. Raises UsageError where it is none: git would take it for something else."""
    if not re.fullmatch(r"[0-9a-f]{4,64}", sha):
        raise UsageError(f"`{sha}` is no SHA of a commit")
    return sha


def _inside(path: str) -> None:
    """Raises UsageError where a path leads out of the repository, or into git's own folder."""
    parts = path.split("/")
    if path == ".":
        return
    if "\n" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise UsageError(
            f"`{path}` is no path inside the configuration repository", hint="name one such as `shop/prod`"
        )


_LETTERS = dict(zip(b'\a\b\t\n\v\f\r"\\', 'abtnvfr"\\', strict=True))


def _quoted(name: str) -> str:
    """A file's name as git prints and reads it."""
    raw = name.encode()
    if all(0x20 <= one < 0x7F and one not in _LETTERS for one in raw):
        return name
    return f'"{"".join(map(_escaped, raw))}"'


def _escaped(byte: int) -> str:
    if byte in _LETTERS:
        return f"\\{_LETTERS[byte]}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def _top(file: str) -> str:
    """The name at the folder's top that a quoted path is under, quoted where that needs it."""
    first = file.partition("/")[0]
    if first == file or not first.startswith('"'):
        return first
    return f'{first}"' if "\\" in first else first[1:]


def _tops(files: Iterable[str]) -> set[str]:
    return set(map(_top, files))


@contextmanager
def _room() -> Iterator[None]:
    """Our own files may find no room either."""
    try:
        yield
    except OSError as error:
        raise PreflightError(
            f"temporary files cannot be written to {tempfile.gettempdir()}: {error.strerror or error}",
            hint="make room there, or name another folder in TMPDIR",
        ) from None
