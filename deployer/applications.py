"""The door to one Application of Argo CD: asked to look, to sync, and followed until it tells of our commit."""

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deployer.cluster import Cluster, ClusterError, Conflict, Json, NotFound, Unreachable, path
from deployer.errors import PreflightError
from deployer.health.application import REFRESH, SILENT, TROUBLE, Seen, Wanted, judge
from deployer.result import Event, Notice, Severity

EVERY = 0.5
"""Seconds between two looks. One small object, for the seconds of a sync: asked and not watched, so that each look is
later than what was asked before."""

QUIET = 2.0
"""Seconds that something stands before it is told: most of it is over at once."""

AGAIN = 15.0
"""Seconds until a refresh is asked for once more, where nothing moves."""


@dataclass(frozen=True)
class Application:
    """One Application, by its name in Argo CD's own cluster."""

    cluster: Cluster
    namespace: str
    name: str

    def get(self) -> Json | None:
        """The object; None where there is none. Raises ClusterError."""
        try:
            return self.cluster.get(self._path)
        except NotFound:
            return None

    def follow(
        self, wanted: Wanted, *, deadline: float, tell: Callable[[Event], None], stop: Callable[[], bool]
    ) -> Seen:
        """Ask for a look at the repository, then wait until it is told what becomes of our commit.

        A sync is started where Argo CD does not by itself, and one that is in the way ended where that is wanted.
        What is still `waiting` at the end has no answer: patience ran out, or the deadline (time.monotonic()'s terms)
        passed, or `stop` said so. Raises Unreachable where the API server stays away, NotFound without an Application.
        """
        said, since, asked, acted, doubted = "", time.monotonic(), -math.inf, "", False
        seen, told = Seen("waiting", ""), set[str]()
        began: dict[tuple[float | None, bool], float] = {}  # each kind of waiting
        item: Json | None = None
        while True:
            now = time.monotonic()
            try:
                if now - asked > AGAIN and not seen.words.startswith("sync"):
                    item, asked = self.refresh(), now
                else:
                    item = self.cluster.get(self._path)
                seen = judge(item, wanted)
                if seen.state in ("start", "end") and acted != (acted := f"{seen.state} {_version(item)}"):
                    tell(Notice(f"{self.name}: {seen.words}: {_DOES[seen.state]}"))
                    self._start(item, wanted) if seen.state == "start" else self._end(item)
            except (Unreachable, Conflict) as error:  # Conflict: Argo CD wrote at the same time
                seen = Seen("waiting", error.message if isinstance(error, Unreachable) else seen.words)
            except PreflightError as error:  # the repository cannot be asked which commit has which in it
                seen = Seen("waiting", error.message, TROUBLE)
            if seen.nameless and not doubted:  # perhaps of a comparison that began before our commit was there
                seen, doubted, asked = replace(seen, state="waiting"), True, -math.inf
            if seen.state not in ("waiting", "start", "end"):
                return seen
            kind = (seen.patience, seen.idle)
            # Right after a refresh there is no answer yet, which is no other answer.
            began = {**(began if seen.patience == SILENT else {}), kind: began.get(kind, now)}
            if said != seen.words:
                said, since = seen.words, now
            if now - since >= QUIET and (gist := _gist(seen)) not in told:
                told.add(gist)
                tell(Notice(f"{self.name}: {said}", _loud(seen)))
            if stop() or now > deadline or (seen.patience is not None and now - began[kind] > seen.patience):
                if seen.idle and item and self._has_windows(item):
                    return Seen("closed", "it does not begin to sync, and its project has sync windows")
                return replace(seen, state="waiting")
            time.sleep(EVERY)

    def refresh(self) -> Json:
        """Ask Argo CD to compare with the newest commit now; the object as it is then."""
        return self.cluster.merge(self._path, {"metadata": {"annotations": {REFRESH: "normal"}}})

    def looked_again(self) -> Json | None:
        """The object when Argo CD has compared anew; as it is, where it does not within some seconds."""
        deadline, item = time.monotonic() + AGAIN, self.refresh()
        while REFRESH in (item["metadata"].get("annotations") or {}) and time.monotonic() < deadline:
            time.sleep(EVERY)
            item = self.cluster.get(self._path)
        return item

    def _has_windows(self, item: Mapping[str, Any]) -> bool:
        """Whether its project has sync windows, which would tell why it does not sync. Not everybody may read it."""
        project = (item.get("spec") or {}).get("project") or "default"
        try:
            found = self.cluster.get(path("AppProject", self.namespace, project))
        except ClusterError:
            return False
        return bool((found.get("spec") or {}).get("syncWindows"))

    @property
    def _path(self) -> str:
        return path("Application", self.namespace, self.name)

    def _start(self, item: Json, wanted: Wanted) -> None:
        """As `argocd app sync` does it: an operation beside the spec, and no state of an older one."""
        policy = (item.get("spec") or {}).get("syncPolicy") or {}
        sync: dict[str, Any] = {"revision": wanted.sha, "syncStrategy": {"hook": {}}}
        if policy.get("syncOptions"):
            sync["syncOptions"] = policy["syncOptions"]
        if (item.get("spec") or {}).get("sources"):
            sync = {key: value for key, value in sync.items() if key != "revision"}  # each source its newest
        if (policy.get("automated") or {}).get("prune"):
            sync["prune"] = True
        operation: dict[str, Any] = {"initiatedBy": {"username": "deploy"}, "sync": sync}
        if policy.get("retry"):
            operation["retry"] = policy["retry"]
        self.cluster.merge(
            self._path,
            {
                "metadata": {"resourceVersion": item["metadata"]["resourceVersion"]},
                "operation": operation,
                "status": {"operationState": None},
            },
        )

    def _end(self, item: Json) -> None:
        """As `argocd app terminate-op` does it."""
        self.cluster.merge(
            self._path,
            {
                "metadata": {"resourceVersion": item["metadata"]["resourceVersion"]},
                "status": {"operationState": {"phase": "Terminating"}},
            },
        )


_DOES = {"start": "a sync is asked for", "end": "it is ended"}


def _gist(seen: Seen) -> str:
    """What is told once: trouble has ports and times in its words that are others each time."""
    return seen.words if seen.patience is None else re.sub(r"\d+", "", seen.words)


def _version(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("resourceVersion", ""))


def _loud(seen: Seen) -> Severity:
    return Severity.WARNING if seen.patience is not None and seen.patience < SILENT else Severity.NOTE
