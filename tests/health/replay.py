"""Replay what a cluster said, as judged by the pure rules.

A fixture is a file of JSON lines, one rollout of one workload, in the order in which we learned of it:

    {"since": 1764000000.0, "workload": "web", "kind": "Deployment"}
    {"t": 0.1, "type": "ADDED", "kind": "Pod", "object": {…}}
    {"t": 0.4, "type": "MODIFIED", "kind": "Pod", "uid": "…", "patch": {…}}
    {"t": 9.2, "type": "DELETED", "kind": "Pod", "uid": "…"}

`since` is the moment before the rollout began in seconds since the epoch and in the API server's time; `beside` is
what the release has beside the workload, if anything. `t` is in seconds after `since`; `object` is the API's JSON
without what no rule asks for, `patch` a JSON merge patch (RFC 7386) over what the object was before. What was there
before the rollout is ADDED at 0. record.py makes such files.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Verdict, Workload
from deployer.watch.pace import PACE

Json = dict[str, Any]

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
    beside = tuple((kind, one) for kind, one in head.get("beside", ()))
    return Recording(head["since"], Workload(head["kind"], head["workload"], beside), tuple(_changes(lines)))


def _changes(lines: Iterable[Json]) -> Iterator[Change]:
    objects: dict[str, Json] = {}
    for line in lines:
        item = line["object"] if "object" in line else _patched(objects[line["uid"]], line.get("patch", {}))
        objects[item["metadata"]["uid"]] = item
        yield Change(line["t"], line["type"], line["kind"], item)


def difference(changes: Iterable[Any]) -> list[Json]:
    """(t, type, kind, object) as the lines of a fixture; a change of nothing is none."""
    lines: list[Json] = []
    objects: dict[str, Json] = {}
    for t, type_, kind, item in changes:
        uid = item["metadata"]["uid"]
        before, objects[uid] = objects.get(uid), item
        line: Json = {"t": t, "type": type_, "kind": kind}
        if before is None:
            lines.append(line | {"object": item})
        elif type_ == "DELETED":
            lines.append(line | {"uid": uid})
        elif patch := _patch(before, item):
            lines.append(line | {"uid": uid, "patch": patch})
    return lines


def _patch(before: Json, after: Json) -> Json:
    made: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := _patch(old, value):
                made[key] = inner
        elif old != value:
            made[key] = value
    return made


def _patched(before: Json, patch: Json) -> Json:
    made = {key: value for key, value in before.items() if key not in patch or patch[key] is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            made[key] = _patched(made[key] if isinstance(made.get(key), dict) else {}, value)
        elif value is not None:
            made[key] = value
    return made


def follow(
    workload: Workload, moments: Iterable[tuple[float, Snapshot]], *, since: float, until: float
) -> Iterator[Look]:
    """Judge each snapshot at its moment, and again whenever the judge asked to be asked, as deployer.watch does."""
    memory, seen, now, recheck = Memory(), None, 0.0, None
    for t, after in chain(moments, [(until, None)]):
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
    """The state after each burst of changes, as deployer.watch gathers them; what was there before alone is a state."""
    objects: dict[str, dict[str, Json]] = {}
    began, t = 0.0, 0.0
    for change in (*changes, None):
        if change is None or change.t > began + PACE.burst:
            if t > 0 or change is None:
                yield t, Snapshot({kind: dict(found) for kind, found in objects.items()})
            began = change.t if change else 0.0
        if change is None:
            return
        t = change.t
        found = objects.setdefault(change.kind, {})
        if change.type == "DELETED":
            found.pop(change.uid, None)
        else:
            found[change.uid] = change.object
