"""Replay what a cluster said, as judged by the pure rules.

A fixture is a file of JSON lines, one rollout of one workload, in the order in which we learned of it:

    {"since": 1764000000.0, "workload": "web"}
    {"t": 0.1, "type": "ADDED", "kind": "Pod", "object": {…}}

`since` is the moment before the rollout began in seconds since the epoch and in the API server's time, the `workload`
a Deployment. `t` is in seconds after `since`; `type` is ADDED, MODIFIED or DELETED; `object` is the API's JSON without
what no rule asks for. What was there before the rollout is ADDED at 0. record.py makes such files.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload

FOLDER = Path(__file__).parent / "fixtures"
FINAL = (Verdict.FAILED, Verdict.HEALTHY, Verdict.PAUSED)


@dataclass(frozen=True)
class Change:
    t: float
    type: str
    kind: str
    object: dict[str, Any]

    @property
    def uid(self) -> str:
        return str(self.object["metadata"]["uid"])


@dataclass(frozen=True)
class Recording:
    since: float
    workload: Workload
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Look:
    """What is said at a second, and of which snapshot."""

    t: float
    judgement: Judgement
    snapshot: Snapshot


@cache
def load(name: str) -> Recording:
    head, *lines = map(json.loads, (FOLDER / f"{name}.jsonl").read_text().splitlines())
    changes = tuple(Change(**line) for line in lines)
    return Recording(head["since"], Workload("Deployment", head["workload"]), changes)


def follow(
    workload: Workload, moments: Iterable[tuple[float, Snapshot]], *, since: float, until: float
) -> Iterator[Look]:
    """Judge each snapshot at its moment, and again whenever the judge asked to be asked, as deployer.watch does."""
    memory, seen, now, recheck = Memory(), None, 0.0, None
    for t, after in (*moments, (until, None)):
        while seen is not None and recheck is not None and now + recheck < t:
            now += recheck
            made, memory = judge(workload, seen, memory, since=since, now=since + now, limits=Limits())
            recheck = made.recheck
            yield Look(now, made, seen)
        if t > until or (seen := after or seen) is None:
            break
        now = t
        made, memory = judge(workload, seen, memory, since=since, now=since + now, limits=Limits())
        recheck = made.recheck
        yield Look(now, made, seen)


def first_final(found: Iterable[Look]) -> Look:
    """The look that ends a rollout; the last one if none does."""
    look = None
    for look in found:
        if look.judgement.verdict in FINAL:
            break
    assert look is not None
    return look


def looks(recording: Recording, changes: Sequence[Change] | None = None, *, until: float) -> Iterator[Look]:
    """What is said of a recording, or of its changes in another order. What was there before is not judged."""
    moments = snapshots(recording.changes if changes is None else changes)
    return follow(recording.workload, moments, since=recording.since, until=until)


def end(recording: Recording, changes: Sequence[Change] | None = None, *, until: float) -> Look:
    """The look that ends a recorded rollout."""
    return first_final(looks(recording, changes, until=until))


def snapshots(changes: Iterable[Change]) -> Iterator[tuple[float, Snapshot]]:
    """The state after each moment; changes at one moment count as one."""
    objects: dict[str, dict[str, dict[str, Any]]] = {}
    for t, group in groupby(changes, key=lambda change: change.t):
        for change in group:
            found = objects.setdefault(change.kind, {})
            if change.type == "DELETED":
                found.pop(change.uid, None)
            else:
                found[change.uid] = change.object
        if t > 0:
            yield t, Snapshot({kind: dict(found) for kind, found in objects.items()})
