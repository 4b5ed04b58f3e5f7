"""A node settles by itself: what can be told without a cluster."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import nodes, place, processes

PLUGINS = """\
TYPE                            ID                       PLATFORMS      STATUS
io.containerd.content.v1        content                  -              ok
io.containerd.snapshotter.v1    aufs                     linux/amd64    skip
io.containerd.grpc.v1           {cri}
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(place, "PIDS", tmp_path / "pid")
    monkeypatch.setattr(place, "LOGS", tmp_path / "log")
    monkeypatch.setattr(nodes, "MOMENT", 0.0)
    yield
    while processes._STARTED:
        processes._STARTED.pop().wait(timeout=10)


@pytest.mark.parametrize(
    ("cri", "serves"),
    [
        ("cri                      linux/amd64    ok", True),
        ("cri                      linux/amd64    error", False),
        ("healthcheck              -              ok", False),
    ],
)
def test_containerd_serves_its_cri_once_the_plugin_is_ok(cri: str, serves: bool) -> None:
    assert nodes.serves_cri(PLUGINS.format(cri=cri)) is serves


def test_a_kubelet_that_ended_is_started_again_and_one_that_runs_is_left_alone() -> None:
    processes.start("kubelet-node1", ("sleep", "60"))
    started: list[str] = []
    nodes.revive({"node1": 5, "node2": 5}, started.append)
    processes.stop("kubelet-node1")
    assert started == ["node2"]


def test_a_kubelet_that_always_ends_is_told_so() -> None:
    left, started = {"node1": 3}, []

    def come() -> bool:
        nodes.revive(left, started.append)
        return False

    with pytest.raises(processes.PartFailed, match="kubelet-node1 ended again and again") as failure:
        processes.until("Ready", come, seconds=30)
    assert failure.value.log == "kubelet-node1"
    assert started == ["node1"] * 3


@pytest.mark.parametrize(
    ("kind", "status", "at", "ready"),
    [
        ("Ready", "True", "2026-01-01T00:00:10Z", True),  # the API counts whole seconds
        ("Ready", "True", "2026-01-01T00:00:09Z", False),  # said before the cluster was stopped
        ("Ready", "Unknown", "2026-01-01T00:00:12Z", False),
        ("DiskPressure", "True", "2026-01-01T00:00:12Z", False),
    ],
)
def test_a_node_is_ready_by_what_its_kubelet_said_since_it_was_started(
    kind: str, status: str, at: str, ready: bool
) -> None:
    started = datetime(2026, 1, 1, 0, 0, 10, 700000, tzinfo=UTC).timestamp()
    assert nodes.says_ready([{"type": kind, "status": status, "lastHeartbeatTime": at}], since=started) is ready
