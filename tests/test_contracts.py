"""What people and jobs rely on stays true: exit codes, verbs, links, and that nothing shows a secret."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from deployer import __version__, cli
from deployer.commands import docker
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.errors import DeployError, ExitCode, Interrupted
from deployer.model import Target
from deployer.plan.steps import Run, Step, Upgrade
from deployer.process import Programs

ROOT = Path(__file__).parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "lab/README.md", ROOT / "service/README.md"})
SECRET = "s3cret-value"
ANSWERS = {
    *(ExitCode.OK, ExitCode.DRIFTED, ExitCode.CHANGES, ExitCode.KEPT),
    *(ExitCode.PARTIAL, ExitCode.STOPPED),
}
"""What a verb found out is no error."""

REGISTRY = {ExitCode.REFUSED, ExitCode.UNAVAILABLE, ExitCode.FULL}
"""What a registry said decides which of these a BuildError or a check ends with (refusal.py)."""


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    table = (ROOT / "docs/exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", table, re.MULTILINE)
    assert (str(int(code)), code.name.lower()) in rows
    assert len(rows) == len(ExitCode)


def kinds(of: type[DeployError]) -> set[type[DeployError]]:
    return {of}.union(*(kinds(one) for one in of.__subclasses__() if one.__module__ == "deployer.errors"))


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in kinds(DeployError) - {Interrupted}]
    assert len(codes) == len(set(codes))
    assert {*codes, Interrupted(2).exit_code, Interrupted(15).exit_code} == set(ExitCode) - ANSWERS - REGISTRY


def test_every_verb_that_is_documented_exists() -> None:
    known = {command.callback.__name__ for command in cli.program().registered_commands if command.callback}
    known |= {group.name for group in cli.program().registered_groups if group.name}
    text = "\n".join(page.read_text() for page in PAGES)
    told = set(re.findall(r"(?:`|^ {4}|^\$ |run: |\[)deploy ([a-z]+)", text, re.MULTILINE))
    assert told == known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_module_of_the_package_says_what_it_is_for() -> None:
    assert [str(file) for file in (ROOT / "deployer").rglob("*.py") if not file.read_text().startswith('"""')] == []


def test_the_changelog_has_a_place_for_what_comes() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[?Unreleased\]?", text, re.MULTILINE)


def test_the_version_is_one_of_semver() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([-.+].*)?", __version__)


def test_nothing_that_holds_a_secret_shows_it() -> None:
    login = docker.login("docker", "registry.lab", "deploy", SECRET)
    helm = Helm("helm", 4, Target(Path("/k"), "dev", "dev"), "web")
    values = f'{{"token": "{SECRET}"}}'
    held = [
        Login("deploy", SECRET),
        login,
        replace(login, cwd=Path("/")),
        Step("build", Run(login, "no login")),
        Step("release", Upgrade({"token": SECRET})),
        helm.upgrade(Path("chart"), values, timeout=1, history_max=2),
        helm.template(Path("chart"), values),
        Programs({"TOKEN": SECRET}, frozenset({"TOKEN"})),
    ]
    assert SECRET not in repr(held) + "".join(map(str, held))
