"""An Application that is followed, under a clock of the test's own: what is told, and when patience runs out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer import applications
from deployer.applications import Application
from deployer.cluster import Cluster
from deployer.errors import PreflightError
from deployer.health.application import IDLE, REFRESH, SILENT, TROUBLE, UNSEEN, Seen, Wanted
from deployer.result import Event, Notice

OLD, OURS = "1" * 40, "2" * 40
RENDER = "`helm template . --name-template web` failed exit status 1: Error: x"

Answer = Callable[[int], Mapping[str, Any]]
"""The Application's status once a refresh was answered, by the number of answers."""


@dataclass
class Clock:
    """Goes on while somebody sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class ArgoCD:
    """An API server, and a controller that answers each refresh a second after it was asked for."""

    clock: Clock
    answer: Answer | None
    asked: float | None = None
    answers: int = 0
    status: Mapping[str, Any] = field(default_factory=dict)

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked = self.clock.now if self.asked is None else self.asked
        return self.get(path)

    def get(self, path: str) -> dict[str, Any]:
        if self.answer and self.asked is not None and self.clock.now - self.asked >= 1:
            self.answers, self.asked = self.answers + 1, None
            self.status = self.answer(self.answers)
        notes = {} if self.asked is None else {REFRESH: "normal"}
        spec = {"source": {"path": "web/chart"}, "syncPolicy": {"automated": {}}}
        return {"metadata": {"name": "web", "annotations": notes}, "spec": spec, "status": self.status}


def compared(sha: str, sync: str = "OutOfSync", error: str = "") -> dict[str, Any]:
    conditions = [{"type": "ComparisonError", "message": error}] if error else []
    return {"sync": {"status": sync, "revision": sha}, "conditions": conditions}


def away(descendant: str, ancestor: str) -> bool:
    raise PreflightError("git.lab does not answer in time")


def followed(
    monkeypatch: pytest.MonkeyPatch, answer: Answer | None, contains: Callable[[str, str], bool] = lambda one, two: True
) -> tuple[Seen, float, list[str]]:
    """What is seen at the end, after how many seconds, and what was told meanwhile."""
    clock, told = Clock(), list[Event]()
    monkeypatch.setattr(applications, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    door = Application(cast(Cluster, ArgoCD(clock, answer)), "argocd", "web")
    wanted = Wanted(OURS, "web/chart", 0.0, contains)
    seen = door.follow(wanted, deadline=clock.now + 900, tell=told.append, stop=lambda: False)
    return seen, clock.now - 1000, [one.text for one in told if isinstance(one, Notice)]


def only_newer(descendant: str, ancestor: str) -> bool:
    return (descendant, ancestor) == (OURS, OLD)


@pytest.mark.parametrize(
    ("answer", "contains", "patience", "words"),
    [
        pytest.param(None, only_newer, SILENT, "has not looked", id="nobody answers"),
        pytest.param(lambda n: compared(OLD), only_newer, UNSEEN, "still sees commit", id="it sees the old one"),
        pytest.param(lambda n: compared(OURS), only_newer, IDLE, "has not begun", id="it does not begin"),
        pytest.param(
            lambda n: compared("", "Unknown", f"dial tcp 10.0.0.1:{40000 + n}->10.0.0.2:443: refused"),
            only_newer,
            TROUBLE,
            "refused",
            id="the port is another one each time",
        ),
        pytest.param(lambda n: compared(OLD), away, TROUBLE, "git.lab does not answer", id="we cannot ask git"),
    ],
)
def test_patience_runs_out_though_argo_cd_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, answer: Answer | None, contains: Any, patience: float, words: str
) -> None:
    seen, seconds, told = followed(monkeypatch, answer, contains)
    assert (seen.state, seen.patience) == ("waiting", patience)
    assert words in seen.words
    assert patience < seconds < patience + 5
    assert len(told) == 1, told


def test_what_no_commit_stands_beside_is_believed_when_it_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit before could not be rendered, and its comparison ended when ours was there already."""
    broken, ours = compared("", "Unknown", RENDER), compared(OURS, "Synced")
    seen, _, told = followed(monkeypatch, lambda n: broken if n == 1 else ours)
    assert (seen.state, told) == ("synced", [])
    seen, seconds, _ = followed(monkeypatch, lambda n: broken)
    assert (seen.state, seen.words) == ("failed", RENDER)
    assert seconds < 5
