"""The configuration repository, with real git: local bare repositories, and `git http-backend` behind a login."""

import base64
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback import serving

from deployer.commands import git
from deployer.configrepo import Author, ConfigRepo, opened, repository
from deployer.credentials import Login
from deployer.errors import DeployError, IndeterminateError, Interrupted, PreflightError, UsageError
from deployer.model import Command
from deployer.process import Programs
from deployer.result import Event, Notice

PATH = "shop/prod"
TRAILERS = {"Deploy-Verb": "up", "Deploy-Image": "r/shop:1@sha256:0"}
FILES = {"values.yaml": b"replicas: 1\n", "chart/Chart.yaml": b"name: shop\n", "chart/templates/a.yaml": b"a: 1\n"}
LOGIN = Login("robot", "s3cret-token")


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    home = tmp_path / "home"
    home.mkdir()
    return Programs({"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"})


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where clones are; nothing of them may stay."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def run(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    who = {f"GIT_{role}_{what}": "ann" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1", **who},
        check=True,
        capture_output=True,
        text=True,
        input=stdin,
    )
    return done.stdout.strip()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    bare = tmp_path / "served" / "config.git"
    bare.parent.mkdir()
    run(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    run(bare, "config", "http.receivepack", "true")
    run(bare, "config", "uploadpack.allowFilter", "true")
    return bare


@pytest.fixture
def bare(empty: Path) -> Path:
    """A repository in which a person has a README, and another team a folder."""
    person(empty, {"README.md": "hello\n", "other/dev/values.yaml": "a: 1\n"})
    return empty


def person(bare: Path, files: dict[str, str | None], message: str = "By hand", branch: str = "main") -> str:
    """Somebody commits, with git as people use it; None removes a file. The SHA."""
    work = bare.parent / f"work-{os.urandom(4).hex()}"
    run(bare.parent, "clone", "-q", str(bare), str(work))
    if branch in run(work, "branch", "-r"):
        run(work, "checkout", "-q", "-B", branch, f"origin/{branch}")
    else:
        run(work, "checkout", "-q", "-B", branch)
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            (work / name).unlink()
        else:
            (work / name).write_text(text)
    run(work, "add", "-A")
    run(work, "commit", "-q", "-m", message)
    run(work, "push", "-q", "origin", f"HEAD:{branch}")
    return run(work, "rev-parse", "HEAD")


def shown(bare: Path, name: str, commit: str = "main") -> str:
    return run(bare, "show", f"{commit}:{name}")


def names(bare: Path, commit: str = "main") -> list[str]:
    return run(bare, "ls-tree", "-r", "--name-only", commit).splitlines()


@contextmanager
def repo(programs: Programs, url: str | Path, path: str = PATH, **more: Any) -> Iterator[ConfigRepo]:
    with opened(programs, str(url), "main", path, **more) as found:
        yield found


def test_the_first_commit_of_a_folder(programs: Programs, bare: Path) -> None:
    with repo(programs, bare, author=Author("Ann Lee", "ann@example.org")) as config:
        assert config.history() == ()
        change = config.commit(FILES, "Deploy shop 1 to prod", TRAILERS)
        assert change
        assert (change.number, change.author, change.subject) == (1, "Ann Lee", "Deploy shop 1 to prod")
        assert change.trailers == TRAILERS
        assert change.when.endswith("Z")
        assert config.history() == (change,)
        assert config.tip == change.sha == run(bare, "rev-parse", "main")
    assert names(bare) == ["README.md", "other/dev/values.yaml", *sorted(f"{PATH}/{name}" for name in FILES)]
    assert shown(bare, f"{PATH}/values.yaml") == "replicas: 1"
    assert run(bare, "log", "-1", "--format=%an <%ae> %cn <%ce>") == (
        "Ann Lee <ann@example.org> deploy <ann@example.org>"
    )


def test_what_is_there_already_makes_no_commit(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(FILES, "one", TRAILERS)
        tip = config.tip
        assert config.commit(FILES, "again", TRAILERS) is None
    with repo(programs, bare) as config:
        assert config.commit(FILES, "again", TRAILERS) is None
        assert config.tip == tip
    assert run(bare, "rev-list", "--count", "main") == "2"


def test_an_empty_repository_gets_its_branch(programs: Programs, empty: Path) -> None:
    with repo(programs, empty) as config:
        assert config.tip == ""
        assert config.history() == ()
        assert config.commit(FILES, "first", TRAILERS)
        assert config.commit({**FILES, "values.yaml": b"b: 2\n"}, "second", TRAILERS)
    assert run(empty, "rev-list", "--count", "main") == "2"


def test_a_folder_may_be_the_whole_repository(programs: Programs, bare: Path) -> None:
    with repo(programs, bare, ".") as config:
        assert config.commit(FILES, "first", TRAILERS)
        assert len(config.history()) == 2
        assert config.read(config.tip, "values.yaml") == "replicas: 1\n"
    assert names(bare) == sorted(["README.md", "other/dev/values.yaml", *FILES])


def test_files_of_people_stay_and_ours_that_are_gone_go(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit({**FILES, "secrets.yaml": b"sealed\n", "gr\xfc\xdfe.yaml": b"x\n"}, "one", TRAILERS)
    person(bare, {f"{PATH}/NOTES.md": "ours\n", f"{PATH}/docs/a.md": "a\n", f"{PATH}/chart/stray.yaml": "x\n"})
    with repo(programs, bare) as config:
        files = {"values.yaml": b"a: 2\n", "chart/Chart.yaml": b"name: shop\n", 'chart/templates/\xe4 "b".yaml': b""}
        assert config.commit(files, "two", TRAILERS)
        assert config.commit(files, "two", TRAILERS) is None
    found = [
        name.removeprefix(f"{PATH}/")
        for name in run(bare, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "-z", "main").split("\0")
        if name.startswith(PATH)
    ]
    assert sorted(found) == sorted(["NOTES.md", "docs/a.md", "gr\xfc\xdfe.yaml", *files])


def test_contents_are_kept_byte_for_byte(programs: Programs, bare: Path, tmp_path: Path) -> None:
    odd = b"a: 1\r\n\xff\x00$Id$\n"
    person(bare, {".gitattributes": "* text=auto eol=crlf ident\n"})
    (Path(programs.environ["HOME"]) / ".gitconfig").write_text("[core]\n  autocrlf = true\n")
    with repo(programs, bare) as config:
        change = config.commit({**FILES, "chart/odd.bin": odd}, "one", TRAILERS)
        assert change
        config.tree(change.sha, tmp_path / "out")
        assert (tmp_path / "out/chart/odd.bin").read_bytes() == odd
        assert (tmp_path / "out/values.yaml").read_bytes() == FILES["values.yaml"]
    done = subprocess.run(
        ["git", "-C", str(bare), "cat-file", "blob", f"main:{PATH}/chart/odd.bin"], capture_output=True
    )
    assert done.stdout == odd


def test_reading_at_a_commit(programs: Programs, bare: Path, tmp_path: Path) -> None:
    with repo(programs, bare) as config:
        first = config.commit(FILES, "one", TRAILERS)
        config.commit({"values.yaml": b"replicas: 2\n# no end"}, "two", TRAILERS)
        assert first
        assert config.read(first.sha, "values.yaml") == "replicas: 1\n"
        assert config.read(config.tip, "values.yaml") == "replicas: 2\n# no end"
        assert config.read(config.tip, "chart/Chart.yaml") is None
        assert config.read("0" * 40, "values.yaml") is None
        config.tree(first.sha, tmp_path / "a")
        config.tree(config.tip, tmp_path / "b")
        with pytest.raises(UsageError, match="has no files at commit 000000000000"):
            config.tree("0" * 40, tmp_path / "c")
        with pytest.raises(UsageError, match="no SHA"):
            config.tree("--output=x", tmp_path / "c")
    files = {str(one.relative_to(tmp_path / "a")): one.read_bytes() for one in (tmp_path / "a").rglob("*.yaml")}
    assert files == FILES
    assert [one.name for one in (tmp_path / "b").iterdir()] == ["values.yaml"]


def test_the_history_is_the_branch_s_own(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(FILES, "one", TRAILERS)
    person(bare, {"other/dev/values.yaml": "a: 2\n"}, "Somebody else's folder")
    person(bare, {f"{PATH}/values.yaml": "replicas: 5\n"}, "By hand\n\nNot: a trailer block\nbecause of this line")
    with repo(programs, bare) as config:
        config.commit(
            {**FILES, "values.yaml": b"c: 3\n"}, "A: long\nsubject", {**TRAILERS, "Deploy-Job": "", "X": "a\nb"}
        )
        one, hand, two = config.history()
    assert [one.number, hand.number, two.number] == [1, 2, 3]
    assert [one.subject, hand.subject, two.subject] == ["one", "By hand", "A: long subject"]
    assert (hand.author, hand.trailers) == ("ann", {})
    assert two.trailers == {**TRAILERS, "X": "a b"}


def test_a_chart_alone_is_a_change(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(FILES, "one", TRAILERS)
        assert config.commit({**FILES, "chart/templates/a.yaml": b"a: 2\n"}, "two", TRAILERS)
        assert [one.number for one in config.history()] == [1, 2]


def test_a_merge_request_that_was_merged_is_one_change_of_ours(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(FILES, "one", TRAILERS)
        proposal = config.propose({**FILES, "values.yaml": b"b: 2\n"}, "two", {"Deploy-Verb": "promote"}, "deploy/prod")
        assert proposal
        assert proposal.number == 2
        assert len(config.history()) == 1
    person(bare, {f"{PATH}/NOTES.md": "x\n"})
    work = bare.parent / "merge"
    run(bare.parent, "clone", "-q", str(bare), str(work))
    run(work, "merge", "-q", "--no-ff", "-m", "Merge branch 'deploy/prod'", "origin/deploy/prod")
    run(work, "push", "-q")
    with repo(programs, bare) as config:
        *_, note, merged = config.history()
        assert (note.number, merged.number, merged.subject) == (2, 3, "Merge branch 'deploy/prod'")
        assert merged.trailers == {"Deploy-Verb": "promote"}
        assert config.contains(config.tip, proposal.sha)
        assert config.commit({**FILES, "values.yaml": b"b: 2\n"}, "two", TRAILERS) is None


def test_a_proposal_is_replaced_by_the_next_and_never_somebody_s_work(programs: Programs, bare: Path) -> None:
    wanted = [{**FILES, "values.yaml": text} for text in (b"a: 1\n", b"a: 2\n")]
    with repo(programs, bare) as config:
        one = config.propose(wanted[0], "one", TRAILERS, "deploy/prod")
        again = config.propose(wanted[0], "one", TRAILERS, "deploy/prod")
        two = config.propose(wanted[1], "two", TRAILERS, "deploy/prod")
        assert one
        assert two
        assert one == again != two
        assert run(bare, "rev-parse", "deploy/prod", "deploy/prod^") == f"{two.sha}\n{config.tip}"
        config.commit(wanted[1], "two", TRAILERS)
        assert config.propose(wanted[1], "two", TRAILERS, "deploy/none") is None
    hand = person(bare, {"x": "y\n"}, branch="deploy/prod")
    with repo(programs, bare) as config, pytest.raises(DeployError, match=f"has commit {hand[:12]}, which is not ours"):
        config.propose(wanted[0], "three", TRAILERS, "deploy/prod")
    assert run(bare, "rev-parse", "deploy/prod") == hand
    with repo(programs, bare) as config, pytest.raises(UsageError, match="`main` is no name of a branch for proposals"):
        config.propose(wanted[0], "three", TRAILERS, "main")


def test_going_back_is_a_new_commit_beside_what_others_did(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        good = config.commit({**FILES, "secrets.yaml": b"old\n"}, "good", TRAILERS)
        assert good
        config.commit({"values.yaml": b"bad: 1\n", "chart/new.yaml": b"x\n", "more.yaml": b"m\n"}, "bad", TRAILERS)
    person(bare, {"other/dev/values.yaml": "a: 7\n", f"{PATH}/NOTES.md": "n\n"})
    with repo(programs, bare) as config:
        back = config.revert(good.sha, "Revert to 1", {"Deploy-Verb": "rollback", "Deploy-Reverts": "x"})
        assert back
        assert back.number == 4
        assert config.revert(good.sha, "Revert to 1", {"Deploy-Verb": "rollback"}) is None
        with pytest.raises(UsageError, match="is not on the branch"):
            config.revert("0" * 40, "x", {})
        with pytest.raises(UsageError, match=r"has no values.yaml at commit"):
            config.revert(run(bare, "rev-list", "--max-parents=0", "main"), "x", {})
    found = {name.removeprefix(f"{PATH}/") for name in names(bare) if name.startswith(PATH)}
    assert found == {*FILES, "secrets.yaml", "NOTES.md"}
    assert shown(bare, "other/dev/values.yaml") == "a: 7"
    assert shown(bare, f"{PATH}/values.yaml") == "replicas: 1"


SEALED = f"{PATH}/secrets/prod.yaml"


def sealed(number: int) -> dict[str, bytes]:
    return {**FILES, "values.yaml": f"n: {number}\n".encode(), "secrets/prod.yaml": f"s{number}\n".encode()}


@pytest.mark.parametrize("how", ["merge", "squash"])
def test_going_back_over_merge_requests_takes_encrypted_files_along(programs: Programs, bare: Path, how: str) -> None:
    merges = []
    for number in (1, 2):
        with repo(programs, bare) as config:
            assert config.propose(sealed(number), "x", TRAILERS, "deploy/prod")
        merges.append(merged(bare, "deploy/prod", how))
    with repo(programs, bare, owned=("secrets",) if how == "squash" else ()) as config:
        assert config.revert(merges[0], "Back to 1", {"Deploy-Verb": "up"})
    assert (shown(bare, f"{PATH}/values.yaml"), shown(bare, SEALED)) == ("n: 1", "s1")


def merged(bare: Path, branch: str, how: str) -> str:
    """A person merges a branch; a squash says nothing of its commits. The SHA."""
    work = bare.parent / f"merge-{os.urandom(4).hex()}"
    run(bare.parent, "clone", "-q", str(bare), str(work))
    run(work, "merge", "-q", "--squash" if how == "squash" else "--no-ff", f"origin/{branch}")
    if how == "squash":
        run(work, "commit", "-q", "-m", "Deploy (!1)")
    run(work, "push", "-q")
    return run(work, "rev-parse", "HEAD")


def test_going_back_to_what_a_person_encrypted_anew(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(sealed(1), "one", TRAILERS)
    theirs = person(bare, {SEALED: "of Ann\n"}, "Encrypt for one more")
    with repo(programs, bare) as config:
        config.commit(sealed(3), "three", TRAILERS)
        assert config.revert(theirs, "Back to 2", {"Deploy-Verb": "up"})
    assert (shown(bare, f"{PATH}/values.yaml"), shown(bare, SEALED)) == ("n: 1", "of Ann")


def test_a_branch_that_went_on_meanwhile(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        theirs = person(bare, {"other/dev/values.yaml": "a: 9\n"})
        change = config.commit(FILES, "one", TRAILERS)
        assert change
        assert run(bare, "rev-parse", f"{change.sha}^") == theirs
        assert config.contains(change.sha, theirs)
        assert not config.contains(theirs, change.sha)
        later = person(bare, {"other/dev/values.yaml": "a: 10\n"})
        assert config.contains(later, change.sha)
        assert not config.contains("0" * 40, change.sha)
        assert config.tip == change.sha
        assert config.refresh() == later == config.tip


def test_a_file_of_ours_that_somebody_changed_meanwhile_is_not_overwritten(programs: Programs, bare: Path) -> None:
    with repo(programs, bare) as config:
        config.commit(FILES, "one", TRAILERS)
    with repo(programs, bare) as config:
        hand = person(bare, {f"{PATH}/values.yaml": "replicas: 99\n"}, "Scale up by hand")
        with pytest.raises(DeployError) as told:
            config.commit({**FILES, "values.yaml": b"replicas: 2\n"}, "two", TRAILERS)
    assert told.value.message == (
        f"somebody has changed {PATH}/values.yaml in the configuration repository meanwhile "
        f"(commit {hand[:12]} by ann: Scale up by hand)"
    )
    assert shown(bare, f"{PATH}/values.yaml") == "replicas: 99"


def test_a_rewritten_branch_is_told_and_followed(programs: Programs, bare: Path) -> None:
    told: list[Event] = []
    with repo(programs, bare, tell=told.append) as config:
        lost = person(bare, {"x": "1\n"})
        config.refresh()
        run(bare, "update-ref", "refs/heads/main", f"{lost}^")
        person(bare, {"y": "1\n"})
        change = config.commit(FILES, "one", TRAILERS)
        assert change
        assert not config.contains(change.sha, lost)
    assert [one.text for one in told if isinstance(one, Notice)] == [
        f"the branch `main` of the configuration repository was rewritten: commit {lost[:12]} "
        "is no longer in its history"
    ]
    assert "x" not in names(bare)


def test_ten_writers_of_ten_folders_lose_nothing(programs: Programs, bare: Path) -> None:
    together = threading.Barrier(10)

    def write(number: int) -> None:
        with repo(programs, bare, f"shop{number}/prod") as config:
            together.wait(120)
            for turn in range(2):
                change = config.commit({"values.yaml": b"a: %d\n" % turn}, f"{number}.{turn}", TRAILERS)
                assert change
                assert change.number == turn + 1

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(write, range(10)))
    assert [shown(bare, f"shop{number}/prod/values.yaml") for number in range(10)] == ["a: 1"] * 10
    assert run(bare, "rev-list", "--count", "--no-merges", "main") == "21"


def test_a_branch_that_never_stands_still_is_given_up(
    programs: Programs, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "TRIES", 2)
    hook(bare, "pre-receive", "echo 'cannot lock ref' >&2; exit 0")
    hook(bare, "update", 'git update-ref refs/heads/main "$(git commit-tree -p main -m x main^{tree})"')
    with repo(programs, bare) as config, pytest.raises(DeployError, match="went on before each of 2 pushes"):
        config.commit(FILES, "one", TRAILERS)


def hook(bare: Path, name: str, script: str) -> None:
    file = bare / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    who = "export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x"
    file.write_text(f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\n{who}\n{script}\n")
    file.chmod(0o755)


def test_a_hook_that_refuses_is_quoted(programs: Programs, bare: Path) -> None:
    hook(bare, "pre-receive", "echo 'GitLab: You are not allowed to push code to protected branches.' >&2; exit 1")
    with repo(programs, bare) as config, pytest.raises(DeployError) as told:
        config.commit(FILES, "one", TRAILERS)
    assert told.value.message == f"the push failed: {bare} refused the commit: pre-receive hook declined"
    assert told.value.hint == "allow this login to push to `main`, or deliver by merge request"
    assert "remote: GitLab: You are not allowed to push code to protected branches." in [
        one.rstrip() for one in told.value.detail
    ]
    assert run(bare, "rev-list", "--count", "main") == "1"


def test_hooks_and_settings_of_the_person_do_nothing(programs: Programs, bare: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    (hooks / "pre-push").chmod(0o755)
    (Path(programs.environ["HOME"]) / ".gitconfig").write_text(
        f"[core]\n  hooksPath = {hooks}\n[commit]\n  gpgSign = true\n[push]\n  followTags = true\n  gpgSign = true\n"
        "  pushOption = ci.skip\n[safe]\n  bareRepository = explicit\n[grep]\n  patternType = fixed\n"
    )
    around = Programs({**programs.environ, "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index"})
    with repo(around, bare) as config:
        assert config.commit({**FILES, "secrets.yaml": b"s\n"}, "one", TRAILERS)
        assert config.commit(FILES, "two", TRAILERS)
    assert not (tmp_path / "ran").exists()
    assert f"{PATH}/secrets.yaml" not in names(bare)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://ann:s3cret@git.example.org/c.git", "holds a login, which would be in logs: https://git.example"),
        ("https://s3cret@git.example.org/c.git", "holds a login, which would be in logs: https://git.example"),
        ("https://ann:s3cret@[::1/x", "`https://[::1/x` is no URL"),
        ("ssh://host:x/c.git", "is no URL"),
        ("ext::sh -c id", "is no URL"),
        ("--upload-pack=id", "is no URL"),
        ("git://host/x", "not by `git`"),
        ("config.git", "is no URL"),
    ],
)
def test_urls_that_are_refused(programs: Programs, url: str, message: str) -> None:
    with pytest.raises(UsageError) as told, repo(programs, url):
        pass
    assert message in told.value.message
    assert "s3cret" not in told.value.message


@pytest.mark.parametrize("path", ["", "/etc", "../x", "a//b", "a/./b", "a/.git/b", "a/"])
def test_paths_that_are_refused(programs: Programs, bare: Path, path: str) -> None:
    with pytest.raises(UsageError, match="no path inside"), repo(programs, bare, path):
        pass


def test_a_folder_that_is_a_file(programs: Programs, bare: Path) -> None:
    with repo(programs, bare, "README.md/prod") as config, pytest.raises(UsageError, match=r"README.md is a file"):
        config.commit(FILES, "one", TRAILERS)


def test_a_branch_that_is_not_there(programs: Programs, bare: Path) -> None:
    with pytest.raises(PreflightError) as told, opened(programs, str(bare), "mian", PATH):
        pass
    assert told.value.message == f"{bare} has no branch `mian`; did you mean `main`?"
    for name in ("a b", "*", "a..b"):
        with pytest.raises(UsageError, match="no name of a branch"), opened(programs, str(bare), name, PATH):
            pass


def test_a_repository_that_is_not_there(programs: Programs, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="there is no repository at"), repo(programs, tmp_path / "none.git"):
        pass


def test_an_interrupted_run_leaves_nothing(programs: Programs, bare: Path) -> None:
    hook(bare, "pre-receive", "exec sleep 60")

    def cut(*_: object) -> None:
        raise Interrupted(signal.SIGTERM)

    signal.signal(signal.SIGALRM, cut)
    with repo(programs, bare) as config:
        signal.setitimer(signal.ITIMER_REAL, 2)
        with pytest.raises(Interrupted):
            config.commit(FILES, "one", TRAILERS)
    assert run(bare, "rev-list", "--count", "main") == "1"


def test_ssh_is_the_person_s_own_and_asks_nothing(programs: Programs, bare: Path, tmp_path: Path) -> None:
    """A stand-in for ssh that runs what it is asked to on this machine."""
    script = tmp_path / "ssh"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    (Path(programs.environ["HOME"]) / ".gitconfig").write_text(f"[core]\n  sshCommand = {script} -i key\n")
    with repo(programs, f"ssh://git@git.example.org{bare}") as config:
        assert config.commit(FILES, "one", TRAILERS)
    asked = (tmp_path / "asked").read_text().splitlines()[0]
    assert asked.startswith("-i key -o BatchMode=yes -o ConnectTimeout=20")
    with repo(programs, f"git@git.example.org:{bare}") as config:
        assert len(config.history()) == 1


# Over HTTP


@dataclass
class Served:
    """`git http-backend` behind a login, and what it is to do wrong."""

    root: Path
    login: Login | None = None
    faults: list[int] = field(default_factory=list)  # answers given instead of git's, one a request
    pushes: list[int] = field(default_factory=list)  # the same, one a push
    cut: bool = False  # the answer to a push is lost
    late: bool = False  # and the push itself is carried out when the next one begins
    readers: set[str] = field(default_factory=set)  # users who may not push
    heard: list[str] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    context: ssl.SSLContext | None = None

    def handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.body()
                served.heard.append(f"{self.command} {self.path}")
                writes = "git-receive-pack" in self.path
                if served.faults and (code := served.faults.pop(0)):
                    return self.send_error(code)
                if self.command == "GET" and writes and served.pushes and (code := served.pushes.pop(0)):
                    return self.send_error(code)
                name = ""
                if served.login:
                    kind, _, told = self.headers.get("Authorization", "").partition(" ")
                    pair = base64.b64decode(told).decode() if kind == "Basic" else ""
                    if pair != f"{served.login.username}:{served.login.password}":
                        self.send_response(401)
                        self.send_header("WWW-Authenticate", 'Basic realm="git"')
                        self.send_header("Content-Length", "0")
                        return self.end_headers()
                    name = pair.partition(":")[0]
                if writes and name in served.readers:
                    return self.send_error(403)
                if served.held and writes:
                    subprocess.run(["git", "http-backend"], check=True, capture_output=True, **served.held.pop())
                asked: dict[str, Any] = {
                    "input": body,
                    "env": {
                        "PATH": os.environ["PATH"],
                        "GIT_PROJECT_ROOT": str(served.root),
                        "GIT_HTTP_EXPORT_ALL": "1",
                        "PATH_INFO": path,
                        "QUERY_STRING": query,
                        "REQUEST_METHOD": self.command,
                        "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                        "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                        "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                        "REMOTE_USER": name,
                        "GIT_CONFIG_NOSYSTEM": "1",
                    },
                }
                if served.late and self.command == "POST" and writes:
                    served.late = False
                    served.held.append(asked)
                    self.close_connection = True
                    return None
                done = subprocess.run(["git", "http-backend"], capture_output=True, **asked)
                if served.cut and self.command == "POST" and writes:
                    served.cut = False
                    self.close_connection = True
                    return None
                head, _, rest = done.stdout.partition(b"\r\n\r\n")
                fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
                code = next((int(value.split()[0]) for key, value in fields if key == "Status"), 200)
                self.send_response(code)
                for key, value in fields:
                    if key != "Status":
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest)
                return None

            do_POST = do_GET

            def body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                whole = b""
                while size := int(self.rfile.readline(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole

        return Handler

    @contextmanager
    def up(self) -> Iterator[str]:
        with serving(self.handler(), self.context) as url:
            yield f"{url}/config.git"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are for servers, not for tests."""
    monkeypatch.setattr("deployer.configrepo.repository.time.sleep", lambda seconds: None)


def test_a_login_goes_to_its_server_and_nowhere_else(programs: Programs, bare: Path, tmp_path: Path) -> None:
    home = Path(programs.environ["HOME"])
    (home / ".gitconfig").write_text("[credential]\n  helper = store\n")
    (home / ".git-credentials").write_text("http://robot:other@127.0.0.1\n")
    before = (home / ".git-credentials").read_text()
    with Served(bare.parent, LOGIN).up() as url, repo(programs, url, login=LOGIN) as config:
        config.check_push()
        change = config.commit(FILES, "one", TRAILERS)
        assert change
        config.tree(change.sha, tmp_path / "out")
        held = [one.read_bytes() for one in config._home.rglob("*") if one.is_file()]
        assert not any(LOGIN.password.encode() in one for one in held)
    assert stat.S_IMODE(home.stat().st_mode)
    assert (home / ".git-credentials").read_text() == before


def test_the_login_s_variables_may_have_the_names_that_git_is_told_them_by(programs: Programs, bare: Path) -> None:
    """A profile's passwordVariable is withheld from programs, whatever it is called; git gets the login even so."""
    names = {"DEPLOY_GIT_USER": LOGIN.username, "DEPLOY_GIT_PASSWORD": LOGIN.password}
    around = replace(programs, environ={**programs.environ, **names}, secrets=frozenset(names))
    with Served(bare.parent, LOGIN).up() as url:
        with repo(around, url, login=LOGIN) as config:
            assert config.commit(FILES, "one", TRAILERS)
            assert not around._environment().keys() & names.keys()
        with repo(around, bare) as config:
            assert not config.programs._environment().keys() & names.keys()


def test_a_credential_helper_of_the_person_is_asked_where_no_login_is_named(programs: Programs, bare: Path) -> None:
    home = Path(programs.environ["HOME"])
    (home / ".gitconfig").write_text("[credential]\n  helper = store\n")
    with Served(bare.parent, LOGIN).up() as url:
        port = url.split(":")[2].partition("/")[0]
        (home / ".git-credentials").write_text(f"http://{LOGIN.username}:{LOGIN.password}@127.0.0.1%3a{port}\n")
        with repo(programs, url) as config:
            assert config.commit(FILES, "one", TRAILERS)


def test_contents_that_nobody_reads_are_not_fetched(programs: Programs, bare: Path, tmp_path: Path) -> None:
    person(bare, {f"{PATH}/values.yaml": "a: 1\n", f"{PATH}/chart/a.yaml": "x\n", f"{PATH}/chart/b.yaml": "y\n"})
    person(bare, {"big": "x" * 100_000})
    served = Served(bare.parent)
    with served.up() as url, repo(programs, url) as config:
        found = run(config._clone, "rev-list", "--objects", "--missing=print", config.tip)
        assert found.count("?") == 5
        posts = len([one for one in served.heard if "upload-pack" in one])
        config.tree(config.tip, tmp_path / "out")
        assert (tmp_path / "out/chart/a.yaml").read_text() == "x\n"
        assert len([one for one in served.heard if "upload-pack" in one]) - posts <= 3
        old = config.history()[0]
        config.commit(FILES, "one", TRAILERS)
        assert config.revert(old.sha, "back", TRAILERS)
    assert shown(bare, f"{PATH}/chart/b.yaml") == "y"


def test_a_server_that_knows_no_filters(programs: Programs, bare: Path) -> None:
    run(bare, "config", "uploadpack.allowFilter", "false")
    with Served(bare.parent).up() as url, repo(programs, url) as config:
        assert config.commit(FILES, "one", TRAILERS)


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (None, "asks for a login, and there is none"),
        (Login("robot", "wrong-token"), "does not take the login (401)"),
    ],
)
def test_logins_that_are_refused(programs: Programs, bare: Path, login: Login | None, message: str) -> None:
    with (
        Served(bare.parent, LOGIN).up() as url,
        pytest.raises(PreflightError) as told,
        repo(programs, url, login=login),
    ):
        pass
    assert message in told.value.message
    assert told.value.hint


def test_a_login_that_may_only_read(programs: Programs, bare: Path) -> None:
    with Served(bare.parent, LOGIN, readers={"robot"}).up() as url, repo(programs, url, login=LOGIN) as config:
        with pytest.raises(PreflightError, match=r"may not do this at 127.0.0.1:\d+ \(403\)"):
            config.check_push()
        with pytest.raises(DeployError, match=r"the push failed: the login may not do this") as told:
            config.commit(FILES, "one", TRAILERS)
        assert not isinstance(told.value, PreflightError)


def test_no_such_repository_at_the_server(programs: Programs, bare: Path) -> None:
    with Served(bare.parent).up() as url:
        wrong = url.replace("config", "conf")
        with pytest.raises(PreflightError, match="there is no repository at http"), repo(programs, wrong):
            pass


@pytest.mark.usefixtures("quick")
def test_a_server_in_trouble_is_asked_again(programs: Programs, bare: Path) -> None:
    told: list[Event] = []
    with Served(bare.parent, faults=[503, 502]).up() as url, repo(programs, url, tell=told.append) as config:
        assert config.tip
    assert [one.text.partition(" answers ")[2] for one in told if isinstance(one, Notice)] == [
        "with an error of its own (503); asking again",
        "with an error of its own (502); asking again",
    ]
    with (
        Served(bare.parent, faults=[503] * 9).up() as url,
        pytest.raises(PreflightError, match=r"error of its own \(503\)"),
        repo(programs, url),
    ):
        pass


@pytest.mark.usefixtures("quick")
def test_races_that_were_lost_are_no_trouble_of_the_server_s(programs: Programs, bare: Path) -> None:
    """Twice somebody is faster, then the server is in trouble twice, which is once less than it may be."""
    (bare / "races").write_text("xx")
    move = 'git update-ref refs/heads/main "$(git commit-tree -p main -m x main^{tree})"'
    hook(bare, "update", f"case $(cat races) in x*) sed -i s/x// races; {move};; esac")
    with Served(bare.parent, pushes=[0, 0, 502, 502]).up() as url, repo(programs, url) as config:
        assert config.commit(FILES, "one", TRAILERS)
    assert run(bare, "rev-list", "--count", "main") == "4"


@pytest.mark.usefixtures("quick")
def test_a_server_that_takes_no_push_is_given_up(programs: Programs, bare: Path) -> None:
    served = Served(bare.parent, pushes=[502] * 9)
    with served.up() as url, repo(programs, url) as config:
        with pytest.raises(DeployError, match=r"the push failed: .* with an error of its own \(502\)"):
            config.commit(FILES, "one", TRAILERS)
        assert len(served.pushes) == 9 - repository.ASKS


@pytest.mark.usefixtures("quick")
def test_a_push_whose_answer_is_lost_is_not_made_twice(programs: Programs, bare: Path) -> None:
    served = Served(bare.parent)
    with served.up() as url, repo(programs, url) as config:
        served.cut = True
        change = config.commit(FILES, "one", TRAILERS)
        assert change
        assert change.number == 1
        assert run(bare, "rev-list", "--count", "main") == "2"


@pytest.mark.usefixtures("quick")
def test_a_push_that_is_carried_out_late_is_ours(
    programs: Programs, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection broke off, it was not there when we looked, and then it was: not somebody else's commit."""
    moments, make = iter(range(1_700_000_000, 1_800_000_000)), git.make_commit

    def made(*facts: Any) -> Command:  # each in a second of its own, as with a server that hangs
        command = make(*facts)
        return replace(command, env={**command.env, "GIT_COMMITTER_DATE": f"{next(moments)} +0000"})

    monkeypatch.setattr(git, "make_commit", made)
    served = Served(bare.parent)
    with served.up() as url, repo(programs, url) as config:
        served.late = True
        change = config.commit(FILES, "one", TRAILERS)
        assert change
        assert config.tip == change.sha == run(bare, "rev-parse", "main")
    assert run(bare, "rev-list", "--count", "main") == "2"


@pytest.mark.usefixtures("quick")
def test_a_push_of_which_nobody_knows(programs: Programs, bare: Path) -> None:
    served = Served(bare.parent)
    with served.up() as url, repo(programs, url) as config:
        served.faults = [0, 503, 503, 503, 503]
        with pytest.raises(IndeterminateError, match="nobody knows whether the commit has arrived"):
            config.commit(FILES, "one", TRAILERS)


@pytest.mark.usefixtures("quick")
def test_a_host_that_is_not_reached(programs: Programs) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    with (
        pytest.raises(PreflightError, match=f"127.0.0.1:{port} cannot be reached"),
        repo(programs, f"http://127.0.0.1:{port}/config.git"),
    ):
        pass
    with (
        pytest.raises(PreflightError, match=r"the name of config.invalid is not known"),
        repo(programs, "https://config.invalid/config.git"),
    ):
        pass


@pytest.mark.usefixtures("quick")
def test_a_server_that_says_nothing(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "SILENCE", 1.0)
    monkeypatch.setattr(repository, "ASKS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/config.git"
        with pytest.raises(PreflightError, match="does not answer in time"), repo(programs, url):
            pass


def test_a_certificate_that_nobody_vouches_for(programs: Programs, bare: Path, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Served(bare.parent, context=context).up() as url:
        with pytest.raises(PreflightError, match="is not to be trusted") as told, repo(programs, url):
            pass
        assert "GIT_SSL_CAINFO" in str(told.value.hint)
        trusting = Programs({**programs.environ, "GIT_SSL_CAINFO": str(cert)})
        with repo(trusting, url) as config:
            assert config.tip
