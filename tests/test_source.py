"""git for real, in repositories of a few files."""

import os
import subprocess
from pathlib import Path

import pytest

from deployer.plan.facts import Source
from deployer.process import Programs
from deployer.source import source

PROGRAMS = Programs({"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"})
CONTEXT = Path("service")


def git(folder: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**PROGRAMS.environ, **who},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / CONTEXT).mkdir(parents=True)
    (folder / CONTEXT / "main.go").write_text("package main\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def of(project: Path) -> Source:
    found = source(PROGRAMS, project, CONTEXT)
    assert found
    return found


def test_a_clean_tree(project: Path) -> None:
    git(project, "tag", "v1.2.0")
    git(project, "tag", "v1.10.0")
    sha = git(project, "rev-parse", "HEAD")
    assert of(project) == Source(sha, "main", ("v1.10.0", "v1.2.0"), (), "")


def test_a_detached_head_has_no_branch(project: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    assert of(project).branch == ""


@pytest.mark.parametrize(
    ("name", "text"), [("service/main.go", "package other\n"), ("service/new.go", "x"), ("README", "x")]
)
def test_a_dirty_tree(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)
    found = of(project)
    assert found.dirty == (name,)
    assert len(found.tree) == 40


def test_a_file_that_is_gone(project: Path) -> None:
    (project / "service/main.go").unlink()
    (project / "service/other.go").write_text("x")
    assert sorted(of(project).dirty) == ["service/main.go", "service/other.go"]


def test_ignored_files_do_not_count(project: Path) -> None:
    (project / "service/debug.log").write_text("x")
    assert of(project).dirty == ()


def test_the_same_content_has_the_same_hash_and_another_another(project: Path) -> None:
    trees = []
    for text in ("a", "b", "a"):
        (project / "service/main.go").write_text(text)
        trees.append(of(project).tree)
    (project / "README").write_text("outside of what is built")
    trees.append(of(project).tree)
    assert trees[0] == trees[2] == trees[3] != trees[1]


def test_the_repository_is_untouched(project: Path) -> None:
    (project / "staged").write_text("x")
    git(project, "add", "staged")
    (project / "service/main.go").write_text("changed")
    os.utime(project / ".gitignore", (1, 1))  # git would like to note that it is the same
    before = (project / ".git/index").read_bytes()
    objects = sorted((project / ".git/objects").rglob("*"))
    assert of(project).tree
    assert (project / ".git/index").read_bytes() == before
    assert sorted((project / ".git/objects").rglob("*")) == objects
    assert git(project, "diff", "--cached", "--name-only") == "staged"


def test_a_project_in_a_larger_repository(project: Path) -> None:
    inner = project / "team"
    (inner / CONTEXT).mkdir(parents=True)
    (inner / CONTEXT / "main.go").write_text("x")
    (project / "elsewhere").write_text("not ours")
    assert of(inner).dirty == ("team/",)


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    assert source(PROGRAMS, tmp_path, CONTEXT) is None


def test_no_repository(tmp_path: Path) -> None:
    assert source(PROGRAMS, tmp_path, CONTEXT) is None


def test_no_git(project: Path, tmp_path: Path) -> None:
    assert source(Programs({"PATH": str(tmp_path)}), project, CONTEXT) is None
