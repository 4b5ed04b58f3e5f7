"""`--junit` and `--summary` of rollouts that fail for real."""

import os
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Deployed, Project

pytestmark = pytest.mark.lab

BAD = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=3")


def cases(file: Path) -> dict[str, ElementTree.Element | None]:
    """Each case with what is wrong with it."""
    return {case.attrib["name"]: next(iter(case), None) for case in ElementTree.parse(file).iter("testcase")}


def up(project: Project, file: Path, *more: str) -> Deployed:
    summary = file.with_suffix(".md")
    return project.deploy("up", "--env", "dev", "--junit", str(file), "--summary", str(summary), *more)


def test_a_workload_that_fails_is_a_test_that_fails(fault: Project) -> None:
    file = fault.folder.parent / "health.xml"
    good = up(fault, file, "--tag", "v1")
    assert good.code == 0, good
    assert cases(file)["deployment/web"] is None
    assert file.with_suffix(".md").read_text().startswith("### ✅ deploy up dev\n")

    bad = up(fault, file, "--tag", "v2", *BAD)
    assert bad.code == 5, bad
    found = cases(file)["deployment/web"]
    assert found is not None
    assert (found.tag, found.attrib["type"]) == ("failure", "crash")
    assert "exit 3" in found.attrib["message"]
    assert found.text is not None
    assert "log of pod/" in found.text
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert "revision 1 serves again" in file.with_suffix(".md").read_text()
    assert os.environ["REG_PASS"] not in file.read_text()

    back = fault.deploy("rollback", "--env", "dev", "--to", "1", "--force", "--yes", "--junit", str(file))
    assert back.code == 0, back
    assert cases(file)["deployment/web"] is None
    where = ("--context", "dev", "--kubeconfig", fault.environ["DEPLOY_KUBECONFIG"], "-n", fault.namespace)
    verified = fault.deploy("verify", "deployment/web", *where, "--junit", str(file))
    assert verified.code == 0, verified
    assert cases(file) == {"deployment/web": None}
