"""The same changes in another order, as several watches may deliver them, come to the same end."""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay import Change, Look, end, follow, load, looks, snapshots

from deployer.health.verdict import Snapshot

EACH = 32  # of sixteen recordings: more than 500 orders


def told(found: Look) -> tuple[str, str | None]:
    causes = found.judgement.causes
    return str(found.judgement.verdict), causes[0].rule if causes else None


def mixed(changes: tuple[Change, ...], picks: st.DataObject) -> list[Change]:
    """Any order that keeps each object's own, at the times that there were: a change may come late or early.

    The Deployment's new template comes first, since nobody judges before it is there.
    """
    before = [change for change in changes if change.t == 0]
    after = [change for change in changes if change.t > 0]
    begin = next(change for change in after if change.kind == "Deployment")
    queues: dict[str, list[Change]] = defaultdict(list)
    for change in after:
        if change is not begin:
            queues[change.uid].append(change)
    seed = picks.draw(st.randoms(use_true_random=False))
    left = [list(reversed(queue)) for queue in queues.values()]
    order = [begin]
    while left:
        queue = seed.choices(left, weights=[len(one) for one in left])[0]
        order.append(queue.pop())
        left = [one for one in left if one]
    times = sorted(change.t for change in order)
    return before + [Change(t, one.type, one.kind, one.object) for t, one in zip(times, order, strict=True)]


@pytest.mark.parametrize(
    "name",
    [
        "command-not-found",
        "good",
        "missing-secret-env",
        "missing-secret-volume",
        "missing-tag",
        "exit-at-once",
        "init-crash",
        "unschedulable-cpu",
        "bad-name",
        "never-ready",
        "pod-security",
        "quota-replicasets",
        "quota",
        "unschedulable-selector",
        "wrong-pull-secret",
        "out-of-memory",
    ],
)
@given(picks=st.data())
@settings(max_examples=EACH, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_any_order_comes_to_the_same_end(name: str, picks: st.DataObject) -> None:
    recording = load(name)
    straight = end(recording, until=100)
    other = end(recording, mixed(recording.changes, picks), until=100)
    assert told(other) == told(straight)


@pytest.mark.parametrize("name", ["good", "missing-tag", "exit-at-once", "pod-security", "liveness-loop", "update"])
@given(picks=st.data())
@settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_a_snapshot_has_no_order(name: str, picks: st.DataObject) -> None:
    """The same objects at the same times, learned in another order: every word is the same."""
    recording = load(name)
    seed = picks.draw(st.randoms(use_true_random=False))
    shuffled = [
        (t, Snapshot({kind: dict(seed.sample(list(found.items()), len(found))) for kind, found in one.objects.items()}))
        for t, one in snapshots(recording.changes)
    ]
    straight = looks(recording, until=70)
    other = follow(recording.workload, shuffled, since=recording.since, until=70)
    assert [(one.t, one.judgement) for one in other] == [(one.t, one.judgement) for one in straight]
