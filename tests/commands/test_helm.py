"""helm's argv, by equality, and where 3 and 4 differ."""

from pathlib import Path

import pytest

from deployer.commands import helm
from deployer.commands.helm import Helm
from deployer.model import Command, Target

WHERE = ("--kubeconfig", "/k/config", "--kube-context", "dev", "--namespace", "shop")
CHART = Path("/p/chart")


def of(major: int) -> Helm:
    return Helm("helm", major, Target(Path("/k/config"), "dev", "shop"), "web")


def upgrade(major: int, wait: str) -> Command:
    return of(major).upgrade(CHART, "a: 1\n", timeout=300.0, history_max=10, wait=wait)


WINS = ("--server-side=true", "--force-conflicts")
UPGRADE = (
    *("helm", "upgrade", "web", "/p/chart", "--install", "--values", "-", "--reset-values"),
    *("--timeout", "300s", "--history-max", "10", "--hide-notes", "--output", "json"),
)


@pytest.mark.parametrize(
    ("major", "wait", "more"),
    [
        (3, "hooks", ()),
        (4, "hooks", ("--wait=hookOnly", *WINS)),
        (3, "workloads", ("--wait",)),
        (4, "workloads", ("--wait=watcher", *WINS)),
    ],
)
def test_upgrade(major: int, wait: str, more: tuple[str, ...]) -> None:
    assert upgrade(major, wait) == Command((*UPGRADE, *more, *WHERE), stdin="a: 1\n")


@pytest.mark.parametrize(("major", "more"), [(3, ()), (4, ("--wait=hookOnly", *WINS))])
def test_rollback(major: int, more: tuple[str, ...]) -> None:
    assert of(major).rollback(7, timeout=90, history_max=5).argv == (
        *("helm", "rollback", "web", "7", "--timeout", "90s", "--history-max", "5", "--cleanup-on-fail"),
        *more,
        *WHERE,
    )


@pytest.mark.parametrize(("major", "wait"), [(3, "--wait"), (4, "--wait=legacy")])
def test_uninstall(major: int, wait: str) -> None:
    assert of(major).uninstall(timeout=90).argv == (
        *("helm", "uninstall", "web", "--timeout", "90s", "--cascade", "foreground", wait),
        *WHERE,
    )


@pytest.mark.parametrize("major", [3, 4])
def test_questions(major: int) -> None:
    program = of(major)
    assert program.template(CHART, "{}\n") == Command(
        ("helm", "template", "web", "/p/chart", "--values", "-", "--skip-tests", "--namespace", "shop"), stdin="{}\n"
    )
    assert helm.version("/opt/helm3") == Command(("/opt/helm3", "version", "--template", "{{.Version}}"))


def test_values_are_on_stdin_alone() -> None:
    command = of(4).upgrade(CHART, '{"token": "s3cret"}\n', timeout=1, history_max=2)
    assert "s3cret" not in repr(command) + str(command) + " ".join(command.argv)


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("v3.18.0", None),
        ("v3.19.2+g1234", None),
        ("v3.20.0-rc.1", None),
        ("3.18.4\n", None),
        ("v4.1.2", None),
        ("v4.2.0", None),
        ("v4.2.2", None),
        ("v5.0.0", None),
        ("v2.17.0", "too old"),
        ("v3.17.4", "helm v3.17.4 is too old"),
        ("v4.0.0", "too old"),
        ("v4.1.1", "too old"),
        ("v4.2.1", "hangs on hooks"),
        ("v4.2.1+g1234", "hangs on hooks"),
        ("", "`` is no helm version"),
        ("error: what", "`error: what` is no helm version"),
    ],
)
def test_versions(version: str, problem: str | None) -> None:
    found = helm.supported(version)
    assert found is None if problem is None else problem in (found or "")
