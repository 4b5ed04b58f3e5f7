"""The same changes in another order, as several watches may deliver them, come to the same end.

ORDERS says how many orders of each recording are tried: `make test` tries 500.
"""

import math
import os
import random
from collections import defaultdict

import pytest
from replay import FOLDER, Change, Look, Recording, end, follow, load, looks, snapshots

from deployer.health.verdict import Snapshot

ORDERS = int(os.environ.get("ORDERS", "20"))
UNTIL = 300.0
RECORDED = sorted(one.stem for one in FOLDER.glob("*.jsonl"))
TIMED = ("deadline", "liveness-loop")
"""What is said of these hangs on when it happens: told a minute late, another verdict would be right."""


def begins(recording: Recording) -> Change | None:
    """The workload's new template."""
    return next((one for one in recording.changes if one.t and one.kind == recording.workload.kind), None)


def told(found: Look) -> tuple[str, str | None]:
    causes = found.judgement.causes
    return str(found.judgement.verdict), causes[0].rule if causes else None


def mixed(recording: Recording, seed: random.Random) -> list[Change]:
    """Any order that keeps each object's own, at the times that there were: a change may come late or early.

    The workload's new template comes first, since nobody judges before it is there.
    """
    before = [change for change in recording.changes if change.t == 0]
    after = [change for change in recording.changes if change.t > 0]
    order = after[:0] if (first := begins(recording)) is None else [first]
    queues: dict[str, list[Change]] = defaultdict(list)
    for change in reversed(after):
        if change not in order:
            queues[change.uid].append(change)
    turns = [uid for uid, queue in queues.items() for _ in queue]
    seed.shuffle(turns)
    order += [queues[uid].pop() for uid in turns]
    times = sorted(change.t for change in after)
    return before + [Change(t, one.type, one.kind, one.object) for t, one in zip(times, order, strict=True)]


def late(recording: Recording, seed: random.Random) -> list[Change]:
    """Each change is learned of up to a second late, in steps of a fifth; an object's own keep their order."""
    first, heard = begins(recording), dict[str, float]()
    order = []
    for change in recording.changes:
        if change.t and change is not first:
            heard[change.uid] = max(math.ceil(5 * (change.t + seed.random())) / 5, heard.get(change.uid, 0.0))
        order.append(Change(heard.get(change.uid, change.t), change.type, change.kind, change.object))
    return sorted(order, key=lambda change: change.t)


@pytest.mark.parametrize("name", RECORDED)
def test_any_order_comes_to_the_same_end(name: str) -> None:
    recording = load(name)
    straight = told(end(recording, until=UNTIL))
    for number in range(ORDERS):
        seed = random.Random(number)
        other = (late if name in TIMED or number % 2 else mixed)(recording, seed)
        assert told(end(recording, other, until=UNTIL)) == straight, f"order {number}"


@pytest.mark.parametrize("name", ["good", "missing-tag", "exit-at-once", "pod-security", "liveness-loop", "update"])
@pytest.mark.parametrize("number", range(5))
def test_a_snapshot_has_no_order(name: str, number: int) -> None:
    """The same objects at the same times, learned in another order: every word is the same."""
    recording, seed = load(name), random.Random(number)
    shuffled = [
        (t, Snapshot({kind: dict(seed.sample(list(found.items()), len(found))) for kind, found in one.objects.items()}))
        for t, one in snapshots(recording.changes)
    ]
    straight = looks(recording, until=70)
    other = follow(recording.workload, shuffled, since=recording.since, until=70)
    assert [(one.t, one.judgement) for one in other] == [(one.t, one.judgement) for one in straight]
