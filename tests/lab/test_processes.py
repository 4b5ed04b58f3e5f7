"""Programs are known by pid and start time; pure enough to need no lab."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import place, processes


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(place, "PIDS", tmp_path / "pid")
    monkeypatch.setattr(place, "LOGS", tmp_path / "log")
    yield
    while processes._STARTED:
        processes._STARTED.pop().wait(timeout=10)


def test_starts_once_and_stops() -> None:
    processes.start("sleeper", ("sleep", "60"))
    first = (place.PIDS / "sleeper.json").read_text()
    processes.start("sleeper", ("sleep", "60"))
    assert (place.PIDS / "sleeper.json").read_text() == first
    assert processes.alive("sleeper")
    processes.stop("sleeper")
    assert not processes.alive("sleeper")
    assert processes.recorded() == []


def test_a_program_is_halted_and_goes_on() -> None:
    processes.start("sleeper", ("sleep", "60"))
    stat = Path("/proc", str(json.loads((place.PIDS / "sleeper.json").read_text())["pid"]), "stat")

    def state() -> str:
        return stat.read_text().rpartition(")")[2].split()[0]

    with processes.halted("sleeper"):
        assert state() == "T"
    processes.until("its going on", lambda: state() == "S", seconds=30)
    processes.stop("sleeper")
    with pytest.raises(processes.PartFailed, match="sleeper does not run"), processes.halted("sleeper"):
        pass


def test_a_pid_that_somebody_else_got_is_not_ours() -> None:
    place.PIDS.mkdir()
    (place.PIDS / "other.json").write_text(f'{{"pid": {os.getpid()}, "born": "1@another-boot"}}')
    assert not processes.alive("other")
    processes.stop("other")  # must not end this very process


def test_a_program_that_ends_is_told_at_once() -> None:
    processes.start("brief", ("sh", "-c", "echo it broke; sleep 0.1; exit 1"))
    with pytest.raises(processes.PartFailed, match="brief ended while waiting for the moon") as failure:
        processes.until("the moon", lambda: False, seconds=30, needs=("brief",))
    assert failure.value.log == "brief"
    assert "it broke" in (place.LOGS / "brief.log").read_text()


def test_a_failed_command_shows_the_end_of_its_stderr() -> None:
    with pytest.raises(processes.PartFailed, match="no such moon"):
        processes.run("sh", "-c", "echo no such moon >&2; exit 3")
