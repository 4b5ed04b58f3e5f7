"""What guards need to know: signatures by git for real, the freeze file, and that nothing is asked in vain."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer import guard, guardfacts
from deployer.errors import PreflightError
from deployer.model import Image, Job
from deployer.plan.facts import Source
from deployer.process import Programs
from deployer.profile.schema import Guards
from deployer.source import source

JOB = Job("ci", "agent", branch="main")


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs of a person who signs with an SSH key, and trusts it alone."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("needs ssh-keygen (make lab brings it)")
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "key"], check=True, timeout=60)
    (home / "signers").write_text(f"ann@example.com {(home / 'key.pub').read_text()}")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ann\n\temail = ann@example.com\n"
        f"\tsigningkey = {home}/key\n"
        f'[gpg]\n\tformat = ssh\n[gpg "ssh"]\n\tallowedSignersFile = {home}/signers\n'
    )
    return Programs({"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"})


@pytest.fixture
def project(tmp_path: Path, programs: Programs) -> Iterator[Path]:
    folder = tmp_path / "project"
    (folder / "service").mkdir(parents=True)
    (folder / "service/main.go").write_text("package main\n")
    git(programs, folder, "init", "-q", "-b", "main")
    git(programs, folder, "add", ".")
    return folder


def git(programs: Programs, folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], env=dict(programs.environ), check=True, timeout=60)


def said(programs: Programs, project: Path, **section: Any) -> tuple[str, ...] | None:
    tree = source(programs, project, Path("service"))
    return guardfacts.unsigned(programs, project, Guards.model_validate(section), tree)


def test_a_signed_commit(programs: Programs, project: Path) -> None:
    git(programs, project, "commit", "-q", "-S", "-m", "signed")
    assert said(programs, project, signed="commit") is None
    (Path(programs.environ["HOME"]) / "signers").write_text("bob@example.com ssh-ed25519 AAAA\n")
    assert said(programs, project, signed="commit"), "a key that nobody trusts"


def test_an_unsigned_commit(programs: Programs, project: Path) -> None:
    git(programs, project, "commit", "-q", "-m", "plain")
    assert said(programs, project, signed="commit") is not None
    assert said(programs, project, signed="tag") == ("HEAD has no tag",)


def test_signed_tags(programs: Programs, project: Path) -> None:
    git(programs, project, "commit", "-q", "-m", "plain")
    git(programs, project, "tag", "-s", "v1.0.0", "-m", "one")
    assert said(programs, project, signed="tag") is None
    git(programs, project, "branch", "v1.1.0")
    git(programs, project, "tag", "v1.1.0")
    assert any("non-tag object" in line for line in said(programs, project, signed="tag") or ())
    assert said(programs, project, signed="tag", tag="v1.0.*") is None
    assert said(programs, project, signed="tag", tag="v2*") == ("HEAD has no tag",)


def test_no_git_no_signature(programs: Programs, project: Path, tmp_path: Path) -> None:
    assert said(programs, project, signed="commit") == ()
    tree = Source("0" * 40, "main", (), (), "")
    nowhere = Programs({"PATH": str(tmp_path)})
    found = guardfacts.unsigned(nowhere, project, Guards.model_validate({"signed": "commit"}), tree)
    assert found == ("`git` is not installed or not on PATH",)


def test_a_freeze_file(tmp_path: Path) -> None:
    file = tmp_path / "FREEZE"
    assert guardfacts.frozen(file) is None
    assert guardfacts.frozen(file / "below" / "nothing") is None
    file.write_bytes(b"audit \xff\n")
    assert guardfacts.frozen(file) == "audit �\n"
    assert guardfacts.frozen(file / "below a file") is None
    assert "cannot be read" in (guardfacts.frozen(tmp_path) or "")


def unasked(*_: object) -> Any:
    raise AssertionError("this was asked in vain")


def test_what_no_guard_needs_is_not_asked(tmp_path: Path) -> None:
    facts = guardfacts.gather(
        Guards.model_validate({"ciOnly": True}),
        "up",
        "prod",
        JOB,
        project=tmp_path,
        programs=Programs({"PATH": "/nowhere"}),
        tree=Source("0" * 40, "", ("v1",), ("a",), ""),
        image=Image("r", "web", "1"),
        elsewhere=unasked,
    )
    assert (facts.environment, facts.verb, facts.job, facts.branch) == ("prod", "up", JOB, "main")
    assert (facts.tags, facts.dirty, facts.unsigned, facts.frozen, facts.change) == (("v1",), ("a",), None, None, None)


def test_a_rollback_asks_for_the_freeze_file_alone(tmp_path: Path) -> None:
    (tmp_path / "FREEZE").write_text("audit")
    section = {"healthyIn": "test", "signed": "commit", "maxResourcesChange": 0.1, "freeze": "FREEZE"}
    facts = guardfacts.gather(
        Guards.model_validate(section),
        "rollback",
        "prod",
        JOB,
        project=tmp_path,
        programs=Programs({"PATH": "/nowhere"}),
        elsewhere=unasked,
    )
    assert facts.frozen == "audit"


def test_what_is_needed_is_asked(tmp_path: Path) -> None:
    section = {"healthyIn": ["test", "dev"]}
    facts = guardfacts.gather(
        Guards.model_validate(section),
        "up",
        "prod",
        JOB,
        project=tmp_path,
        programs=Programs({}),
        elsewhere=lambda name: guard.Elsewhere(trouble=name),
    )
    assert {name: one.trouble for name, one in facts.elsewhere.items()} == {"test": "test", "dev": "dev"}


def test_trouble_elsewhere_is_a_fact() -> None:
    def broken() -> guard.Elsewhere:
        raise PreflightError("no such context")

    assert guardfacts.known(broken) == guard.Elsewhere(trouble="no such context")
