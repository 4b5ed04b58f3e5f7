"""What becomes of a program that talks to a registry and fails: real programs, and pauses that take no time."""

import os
from pathlib import Path

import pytest

from deployer.errors import ExitCode
from deployer.execute import Doors, execute
from deployer.model import Command, Image, Target
from deployer.plan.steps import PAUSES, Plan, Run, Step
from deployer.process import Programs
from deployer.profile import Profile
from deployer.registry import Registry
from deployer.result import Result
from deployer.stop import Stop

NOBODY = "127.0.0.1:1"
IMAGE = Image(NOBODY, "web", "1")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda stop, seconds: pauses.append(seconds))
    return pauses


def ran(folder: Path, script: str, **deed: object) -> tuple[Result, int]:
    """How a plan of one program ends, and how often that was started."""
    (folder / "tries").touch()
    command = Command(("sh", "-c", f"echo once >> {folder}/tries; {script}"))
    profile = Profile.model_validate(
        {
            "target": {"context": "dev", "namespace": "shop"},
            "registry": {"url": NOBODY},
            "image": {"repository": "web"},
            "release": {"name": "web"},
        }
    )
    run = Run(command, "the image could not be pushed", ExitCode.BUILD, PAUSES, **deed)  # type: ignore[arg-type]
    plan = Plan("build", "dev", Target(Path("/k"), "dev", "shop"), "web", (Step("push", run),), IMAGE)
    doors = Doors(Programs(dict(os.environ)), None, Registry(NOBODY))
    result = execute(plan, profile, folder, doors, lambda event: None)
    return result, len((folder / "tries").read_text().splitlines())


@pytest.mark.parametrize(
    ("said", "again", "code", "tries"),
    [
        ("denied: no push", "whatever", ExitCode.REFUSED, 1),
        ("received unexpected HTTP status: 507 Insufficient Storage", "whatever", ExitCode.FULL, 1),
        ("unauthorized: authentication required", "whatever", ExitCode.REFUSED, 3),
        ("toomanyrequests: slow down", "registry", ExitCode.UNAVAILABLE, 3),
        ("something of docker's own", "whatever", ExitCode.BUILD, 3),
        ("ERROR: failed to solve: a Dockerfile that fails", "registry", ExitCode.BUILD, 1),
    ],
)
def test_how_often_and_how_it_ends(
    tmp_path: Path, slept: list[float], said: str, again: str, code: ExitCode, tries: int
) -> None:
    result, started = ran(tmp_path, f'echo "{said}" >&2; exit 1', again=again)
    assert (result.exit_code, started) == (code, tries)
    assert slept == list(PAUSES[: tries - 1])
    assert len(result.warnings) == tries - 1
    assert result.message.startswith("the image could not be pushed")
    assert said in result.detail
    assert bool(result.hint) is (code is not ExitCode.BUILD)


def test_the_registry_is_asked_why_a_push_failed(tmp_path: Path, slept: list[float]) -> None:
    result, _ = ran(tmp_path, "echo EOF >&2; exit 1", pushes=IMAGE)
    assert result.exit_code is ExitCode.UNAVAILABLE
    assert f"registry {NOBODY} is not available: Failed to establish a new connection" in result.message


def test_what_passes_is_a_warning(tmp_path: Path, slept: list[float]) -> None:
    script = f'[ $(wc -l < {tmp_path}/tries) -gt 1 ] || {{ echo "503: unavailable: later"; exit 1; }}'
    result, started = ran(tmp_path, script)
    assert (result.exit_code, started) == (ExitCode.OK, 2)
    (warning,) = result.warnings
    assert warning.endswith("tried again after 2 s")


def test_a_cache_that_fails_is_a_warning(tmp_path: Path) -> None:
    script = "echo '#4 exporting cache to registry'; echo '#4 ERROR: denied: no caches here'"
    result, _ = ran(tmp_path, script, cache="r.lab/web:cache")
    assert result.exit_code is ExitCode.OK
    assert result.warnings == (
        "the cache could not be written: denied: no caches here; the image is not the worse for it",
    )


def test_a_program_of_another_platform(tmp_path: Path) -> None:
    said = "#9 0.1 exec /bin/sh: exec format error"
    result, started = ran(tmp_path, f"echo '{said}'; echo 'ERROR: failed to solve'; exit 1", again="registry")
    assert (result.exit_code, started) == (ExitCode.BUILD, 1)
    assert "$BUILDPLATFORM" in str(result.hint)
