import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apiserver
import pytest
from apiserver import ApiServer

from deployer import cluster, rollout, watch
from deployer.health.limits import Limits
from deployer.health.verdict import Cause, Judgement, Snapshot, Verdict, Workload
from deployer.watch import Degraded, Disconnected, Ended, Pace, Reconnected
from deployer.watch.events import unwell
from deployer.watch.follow import settled, together
from deployer.watch.outage import Outage

WEB = Workload("Deployment", "web")
DEPLOYMENTS, REPLICASETS, PODS, EVENTS = (
    cluster.path(kind, "dev") for kind in ("Deployment", "ReplicaSet", "Pod", "Event")
)
QUICK = Pace(relist=30, silence=1, spacing=0.02, poll=0.05, backoff=0.02, backoff_most=0.1, events=0.02, doubt=0.0)
SELECTION = watch.select("dev", [WEB], "app=web")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    server.put(DEPLOYMENTS, "web", {"kind": "Deployment", "ready": 0})
    server.put(REPLICASETS, "web-1", {"kind": "ReplicaSet", "spec": {"replicas": 0}}, labels={"app": "web"})
    server.put(PODS, "web-1-a", {"kind": "Pod"}, labels={"app": "web"})
    yield server
    server.stop()
    await_true(lambda: not [one for one in threading.enumerate() if one.name.startswith("watch ")])


@pytest.fixture
def door(api: ApiServer, tmp_path: Path) -> Iterator[cluster.Cluster]:
    found = cluster.connect(api.kubeconfig(tmp_path), "dev", read_timeout=0.3)
    yield found
    found.close()


class Follow:
    """A watch in a thread of its own, with all it said. Healthy at `ready: 1`, failed at `ready: -1`."""

    def __init__(
        self,
        door: cluster.Cluster,
        *,
        pace: Pace = QUICK,
        within: float = 10.0,
        selection: watch.Selection = SELECTION,
        judge: watch.Judge | None = None,
    ) -> None:
        self.said: list[Judgement | watch.Notice] = []
        self.snapshots: list[Snapshot] = []
        self.times: list[float] = []
        self.outcome: watch.Outcome | None = None
        self.cancelled = False
        self._judge = judge or by_readiness
        self._thread = threading.Thread(target=self._run, args=(door, selection, pace, within), daemon=True)
        self._thread.start()

    def _run(self, door: cluster.Cluster, selection: watch.Selection, pace: Pace, within: float) -> None:
        self.outcome = watch.follow(
            door,
            selection,
            [self._look],
            deadline=time.monotonic() + within,
            tell=self.said.append,
            cancelled=lambda: self.cancelled,
            pace=pace,
        )

    def _look(self, snapshot: Snapshot, now: float) -> Judgement:
        self.snapshots.append(snapshot)
        self.times.append(now)
        return self._judge(snapshot, now)

    def judged(self) -> "Follow":
        await_true(lambda: self.snapshots)
        return self

    def end(self) -> watch.Outcome:
        self._thread.join(10.0)
        assert self.outcome is not None, "it did not end"
        return self.outcome

    def notices(self) -> list[str]:
        return [type(one).__name__ for one in self.said if not isinstance(one, Judgement)]


def by_readiness(snapshot: Snapshot, now: float) -> Judgement:
    ready = max((one["ready"] for one in snapshot.of("Deployment")), default=0)
    verdict = {1: Verdict.HEALTHY, -1: Verdict.FAILED, 2: Verdict.PAUSED}.get(ready, Verdict.PROGRESSING)
    names = " ".join(sorted(one["metadata"]["name"] for one in snapshot.of("Pod")))
    return Judgement(WEB, verdict, f"{ready}: {names}")


def ready(api: ApiServer, value: int = 1) -> None:
    api.put(DEPLOYMENTS, "web", {"kind": "Deployment", "ready": value})


def await_true(condition: Callable[[], object], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.005)


# the ordinary course


def test_a_change_is_a_verdict_at_once(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    began = time.monotonic()
    ready(api)
    outcome = follow.end()
    assert time.monotonic() - began < 0.3
    assert (outcome.ended, outcome.verdict, outcome.unreachable) == (Ended.SETTLED, Verdict.HEALTHY, None)
    assert [one.summary for one in follow.said if isinstance(one, Judgement)] == ["0: web-1-a", "1: web-1-a"]
    assert follow.notices() == []
    assert {"Deployment", "ReplicaSet", "Pod"} <= set(outcome.snapshot.objects)


@pytest.mark.parametrize(("value", "verdict"), [(-1, Verdict.FAILED), (2, Verdict.PAUSED)])
def test_failed_and_paused_end_the_wait_too(
    api: ApiServer, door: cluster.Cluster, value: int, verdict: Verdict
) -> None:
    ready(api, value)
    outcome = Follow(door).end()
    assert (outcome.ended, outcome.verdict) == (Ended.SETTLED, verdict)


def test_only_what_is_selected_is_seen(api: ApiServer, door: cluster.Cluster) -> None:
    api.put(PODS, "other", {"kind": "Pod"}, labels={"app": "other"})
    api.put(DEPLOYMENTS, "other", {"kind": "Deployment", "ready": 1})
    follow = Follow(door).judged()
    api.put(PODS, "web-1-b", {"kind": "Pod"}, labels={"app": "web"})
    api.delete(PODS, "web-1-a")
    await_true(lambda: any(one.summary[3:] == "web-1-b" for one in follow.said if isinstance(one, Judgement)))
    ready(api)
    assert follow.end().judgements[0].summary == "1: web-1-b"


def test_a_verdict_that_ends_the_wait_is_read_again_first(api: ApiServer, door: cluster.Cluster) -> None:
    """The watch of the pods has missed a deletion; the lists before the verdict have not."""
    follow = Follow(door, judge=lambda snapshot, _: Judgement(
        WEB,
        Verdict.HEALTHY if snapshot.of("Deployment")[0]["ready"] and snapshot.of("Pod") else Verdict.PROGRESSING,
        f"{len(snapshot.of('Pod'))} pods",
    )).judged()  # fmt: skip
    await_true(lambda: api.watches() == 3)
    api.delete(PODS, "web-1-a", silently=True)
    ready(api)
    await_true(lambda: [one.summary for one in follow.said if isinstance(one, Judgement)] == ["1 pods", "0 pods"])
    assert follow.outcome is None
    api.put(PODS, "web-1-b", {"kind": "Pod"}, labels={"app": "web"})
    assert follow.end().verdict is Verdict.HEALTHY


def test_time_alone_is_judged_when_the_judge_asks_for_it(api: ApiServer, door: cluster.Cluster) -> None:
    began: list[float] = []

    def soak(snapshot: Snapshot, now: float) -> Judgement:
        began.append(now)
        left = began[0] + 0.3 - now
        return Judgement(WEB, Verdict.PROGRESSING if left > 0 else Verdict.HEALTHY, "soak", recheck=max(left, 0))

    started = time.monotonic()
    outcome = Follow(door, judge=soak).end()
    assert outcome.verdict is Verdict.HEALTHY
    assert 0.3 <= time.monotonic() - started < 0.8
    assert len(began) < 12


def test_a_burst_is_judged_as_one(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    seen = len(follow.snapshots)
    for number in range(200):
        api.put(PODS, f"web-2-{number}", {"kind": "Pod"}, labels={"app": "web"})
    await_true(lambda: len(follow.snapshots[-1].of("Pod")) == 201)
    assert len(follow.snapshots) - seen < 20
    ready(api)
    follow.end()


def test_a_snapshot_does_not_change_once_judged(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    first = follow.snapshots[0]
    api.delete(PODS, "web-1-a")
    await_true(lambda: not follow.snapshots[-1].of("Pod"))
    assert len(first.of("Pod")) == 1
    ready(api)
    follow.end()


def test_several_workloads_are_waited_for_until_one_fails(api: ApiServer, door: cluster.Cluster) -> None:
    def judge(name: str) -> watch.Judge:
        def look(snapshot: Snapshot, now: float) -> Judgement:
            found = [one for one in snapshot.of("Deployment") if one["metadata"]["name"] == name]
            return Judgement(
                Workload("Deployment", name), by_readiness(Snapshot({"Deployment": {"": found[0]}}), now).verdict, ""
            )

        return look

    for name in ("web", "worker"):
        api.put(DEPLOYMENTS, name, {"kind": "Deployment", "ready": 1}, labels={"app": "web"})
    selection = watch.select("dev", [WEB, Workload("Deployment", "worker")], "app=web")
    judges = [judge("web"), judge("worker")]
    outcome = watch.follow(door, selection, judges, deadline=time.monotonic() + 5, pace=QUICK)
    assert [one.verdict for one in outcome.judgements] == [Verdict.HEALTHY] * 2
    api.put(DEPLOYMENTS, "worker", {"kind": "Deployment", "ready": -1}, labels={"app": "web"})
    outcome = watch.follow(door, selection, judges, deadline=time.monotonic() + 5, pace=QUICK)
    assert outcome.verdict is Verdict.FAILED


def test_requests_do_not_grow_with_pods(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    for number in range(50):
        api.put(PODS, f"web-2-{number}", {"kind": "Pod", "status": {"conditions": []}}, labels={"app": "web"})
    ready(api)
    follow.end()
    assert api.count("list") - api.count("list", "events") == 6  # once to begin with, once to be sure
    assert api.count("watch") <= 6


# the end


def test_the_deadline(api: ApiServer, door: cluster.Cluster) -> None:
    began = time.monotonic()
    outcome = Follow(door, within=0.3).end()
    assert 0.3 <= time.monotonic() - began < 0.8
    assert (outcome.ended, outcome.verdict) == (Ended.DEADLINE, Verdict.PROGRESSING)
    assert outcome.judgements[0].summary == "0: web-1-a"


def test_cancelling(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    began = time.monotonic()
    follow.cancelled = True
    assert follow.end().ended is Ended.CANCELLED
    assert time.monotonic() - began < 0.4


def test_nothing_is_left_running(api: ApiServer, door: cluster.Cluster) -> None:
    ready(api)
    watch.follow(door, SELECTION, [by_readiness], deadline=time.monotonic() + 5, pace=QUICK)
    assert not [one.name for one in threading.enumerate() if one.name.startswith("watch ")]
    await_true(lambda: api.watches() == 0)


def test_an_error_in_a_judge_is_not_swallowed(api: ApiServer, door: cluster.Cluster) -> None:
    def broken(snapshot: Snapshot, now: float) -> Judgement:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        watch.follow(door, SELECTION, [broken], deadline=time.monotonic() + 5, pace=QUICK)


# trouble with a watch: progress goes on, and nobody hears of it


@pytest.mark.parametrize("how", ["eof", "rst", "cut", "gone", "garbage"])
def test_a_watch_that_breaks_is_taken_up_again(api: ApiServer, door: cluster.Cluster, how: str) -> None:
    follow = Follow(door).judged()
    for round in range(3):
        await_true(lambda: api.watches() == 3)
        api.disturb(how)
        api.put(PODS, f"web-2-{round}", {"kind": "Pod"}, labels={"app": "web"})
        await_true(lambda round=round: len(follow.snapshots[-1].of("Pod")) == round + 2)  # type: ignore[misc]
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    assert follow.notices() == []


def test_a_silent_watch_is_given_up_for_a_list(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, pace=Pace(relist=0.1, silence=0.05, spacing=0.02, backoff=0.02)).judged()
    api.fail("watch", apiserver.hang, 1e9)
    api.disturb("silence")
    for round in range(3):
        api.put(PODS, f"web-2-{round}", {"kind": "Pod"}, labels={"app": "web"})
        await_true(lambda round=round: len(follow.snapshots[-1].of("Pod")) == round + 2)  # type: ignore[misc]
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    assert follow.notices() == []


def test_a_watch_that_loses_events_is_corrected_by_the_next_list(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, pace=Pace(relist=0.2, spacing=0.02)).judged()
    api.delete(PODS, "web-1-a", silently=True)
    await_true(lambda: not follow.snapshots[-1].of("Pod"))
    ready(api)
    follow.end()


@pytest.mark.parametrize("fault", [apiserver.status(410), apiserver.error_event, apiserver.status(500)])
def test_watches_that_never_work_do_not_make_a_storm(
    api: ApiServer, door: cluster.Cluster, fault: Callable[[apiserver.Handler], None]
) -> None:
    api.fail("watch", fault, 1e9)
    began = time.monotonic()
    follow = Follow(door, within=0.4, pace=Pace(backoff=0.1, backoff_most=0.2))
    api.put(PODS, "web-2", {"kind": "Pod"}, labels={"app": "web"})
    await_true(lambda: follow.snapshots and len(follow.snapshots[-1].of("Pod")) == 2)
    assert follow.end().verdict is Verdict.PROGRESSING
    each = 6 + (time.monotonic() - began) / 0.1  # a busy machine takes its time to come here
    assert api.count("watch") < 3 * each


def test_watches_that_end_at_once_are_spaced(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("watch", apiserver.empty_watch, 1e9)
    Follow(door, within=0.4, pace=Pace(spacing=0.1)).end()
    assert api.count("watch") <= 3 * 7


def test_a_bookmark_moves_the_version_on(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    for number in range(5):
        api.put(EVENTS, f"unrelated-{number}")
    api.disturb("bookmark")
    api.compact()
    api.disturb("eof")
    await_true(lambda: api.count("watch") == 6)
    assert api.count("list") - api.count("list", "events") == 3
    ready(api)
    follow.end()


# permissions


def test_without_watch_it_polls(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("watch", apiserver.status(403), 1e9)
    follow = Follow(door).judged()
    api.put(PODS, "web-2", {"kind": "Pod"}, labels={"app": "web"})
    await_true(lambda: len(follow.snapshots[-1].of("Pod")) == 2)
    ready(api)
    outcome = follow.end()
    assert outcome.verdict is Verdict.HEALTHY
    assert outcome.snapshot.unreadable == frozenset()
    assert sorted((one.kind, one.verb) for one in follow.said if isinstance(one, Degraded)) == [
        ("Deployment", "watch"),
        ("Pod", "watch"),
        ("ReplicaSet", "watch"),
    ]


@pytest.mark.parametrize("status", [403, 404])  # 404: a cluster too old to have the kind
def test_a_kind_that_may_not_be_listed_is_unreadable_and_said_once(
    api: ApiServer, door: cluster.Cluster, status: int
) -> None:
    api.fail("list replicasets", apiserver.status(status), 1e9)
    follow = Follow(door).judged()
    await_true(lambda: api.count("list", "replicasets") > 3)
    ready(api)
    outcome = follow.end()
    assert outcome.verdict is Verdict.HEALTHY
    assert outcome.snapshot.unreadable == {"ReplicaSet"}
    assert "ReplicaSet" not in outcome.snapshot.objects
    assert [(one.kind, one.verb) for one in follow.said if isinstance(one, Degraded)] == [("ReplicaSet", "list")]


def test_a_permission_lost_and_given_back(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, pace=Pace(relist=0.1, poll=0.05, events=0.02, doubt=0.0, backoff=0.02)).judged()
    stuck_pod(api, "web-2")
    await_true(lambda: api.watches() == 3)
    api.fail("*", apiserver.status(403), 1e9)
    api.disturb("rst")
    await_true(lambda: follow.snapshots[-1].unreadable == {"Deployment", "ReplicaSet", "Pod", "Event"})
    api.heal()
    await_true(lambda: follow.snapshots[-1].unreadable == frozenset())
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY


def test_a_server_that_refuses_everybody_while_it_starts_is_doubt(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    api.fail("list", apiserver.status(403), 9)
    api.disturb("rst")
    await_true(lambda: api.watches() == 3)
    ready(api)
    outcome = follow.end()
    assert outcome.verdict is Verdict.HEALTHY
    assert not any(one.unreadable - {"Event"} for one in follow.snapshots)


# the API out of reach: doubt, never failure


def test_a_restarted_server_is_one_line_each_way(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, pace=Pace(spacing=0.02, backoff=0.02, backoff_most=0.1, outage=0.1)).judged()
    await_true(lambda: api.watches() == 3)
    api.stop()
    await_true(lambda: follow.notices() == ["Disconnected"])
    time.sleep(0.2)
    api.put(PODS, "web-2", {"kind": "Pod"}, labels={"app": "web"})
    api.start()
    await_true(lambda: follow.notices() == ["Disconnected", "Reconnected"])
    await_true(lambda: len(follow.snapshots[-1].of("Pod")) == 2)
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    away, back = (one for one in follow.said if isinstance(one, Disconnected | Reconnected))
    assert isinstance(away, Disconnected)
    assert "refused" in away.reason
    assert isinstance(back, Reconnected)
    assert 0.2 < back.after < 2.0


def test_a_hiccup_is_not_worth_a_word(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    api.fail("*", apiserver.status(503), 8)
    api.disturb("rst")
    await_true(lambda: api.watches() == 3)
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    assert follow.notices() == []


@pytest.mark.parametrize(
    "fault",
    [
        apiserver.status(500),
        apiserver.status(429, Retry_After="1"),
        apiserver.hang,
        apiserver.html,
        apiserver.slow(0.1),
    ],
)
def test_an_api_that_never_answers_is_no_verdict(
    api: ApiServer, door: cluster.Cluster, fault: Callable[[apiserver.Handler], None]
) -> None:
    api.fail("*", fault, 1e9)
    follow = Follow(door, within=0.45)
    outcome = follow.end()
    assert (outcome.ended, outcome.verdict, outcome.judgements) == (Ended.DEADLINE, Verdict.INDETERMINATE, ())
    assert outcome.unreachable
    assert not follow.snapshots


def test_an_api_that_is_down_at_the_deadline_is_no_verdict(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, within=0.5).judged()
    await_true(lambda: api.watches() == 3)
    api.stop()
    outcome = follow.end()
    assert (outcome.ended, outcome.verdict) == (Ended.DEADLINE, Verdict.INDETERMINATE)
    assert outcome.judgements[0].verdict is Verdict.PROGRESSING  # the last one stands
    api.start()


def test_an_api_that_has_only_just_come_back_is_no_verdict(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, within=0.7, pace=Pace(spacing=0.02, backoff=0.02, backoff_most=0.05, outage=0.1)).judged()
    await_true(lambda: api.watches() == 3)
    api.stop()
    await_true(lambda: follow.notices() == ["Disconnected"])
    api.start()
    await_true(lambda: follow.notices() == ["Disconnected", "Reconnected"])
    outcome = follow.end()
    assert (outcome.verdict, outcome.unreachable) == (Verdict.INDETERMINATE, "the API has only just come back")


def test_no_grace_passes_while_nothing_can_be_seen(api: ApiServer, door: cluster.Cluster) -> None:
    """A judge that fails after 0.5 s of the same state does so after 0.5 s of having seen it."""
    began: list[float] = []

    def impatient(snapshot: Snapshot, now: float) -> Judgement:
        began.append(now)
        left = began[0] + 0.5 - now
        return Judgement(WEB, Verdict.PROGRESSING if left > 0 else Verdict.FAILED, "stuck", recheck=max(left, 0.0))

    follow = Follow(door, judge=impatient, pace=Pace(spacing=0.02, backoff=0.02, backoff_most=0.1, outage=0.1)).judged()
    await_true(lambda: api.watches() == 3)
    api.stop()
    await_true(lambda: follow.notices() == ["Disconnected"])
    judged = len(began)
    time.sleep(0.6)
    assert len(began) == judged
    api.start()
    await_true(lambda: len(began) > judged)
    assert began[judged] - began[0] < 0.5
    assert follow.end().verdict is Verdict.FAILED


def test_a_verdict_that_cannot_be_confirmed_is_none(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, within=0.7).judged()
    await_true(lambda: api.watches() == 3)
    api.fail("list", apiserver.status(500), 1e9)
    ready(api, -1)
    outcome = follow.end()
    assert (outcome.ended, outcome.verdict) == (Ended.DEADLINE, Verdict.INDETERMINATE)


def test_one_kind_out_of_reach_is_enough(api: ApiServer, door: cluster.Cluster) -> None:
    follow = Follow(door, within=0.7).judged()
    await_true(lambda: api.watches() == 3)
    api.fail("list pods", apiserver.status(500), 1e9)
    api.fail("watch pods", apiserver.status(500), 1e9)
    api.disturb("rst")
    await_true(lambda: api.count("list", "pods") > 2)
    ready(api)
    assert follow.end().verdict is Verdict.INDETERMINATE


def test_credentials_that_expire_are_doubt(api: ApiServer, door: cluster.Cluster, tmp_path: Path) -> None:
    follow = Follow(door).judged()
    await_true(lambda: api.watches() == 3)
    api.token = "renewed"
    api.kubeconfig(tmp_path)
    api.disturb("rst")
    await_true(lambda: api.watches() == 3)
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    assert follow.notices() == []


def test_the_servers_pause_is_kept(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("list pods", apiserver.status(429, Retry_After="1"))
    began = time.monotonic()
    ready(api)
    assert Follow(door).end().verdict is Verdict.HEALTHY
    assert time.monotonic() - began >= 1.0


def test_outages_add_up() -> None:
    said: list[watch.Notice] = []
    outage = Outage(said.append, patience=1.0)
    for now, trouble in ((0, None), (10, "down"), (10.5, None), (20, "down"), (21, "down"), (25, "still"), (30, None)):
        outage.note(trouble, now)
    assert outage.total(100) == 10.5
    assert [type(one) for one in said] == [Disconnected, Reconnected]
    assert outage.over_for(35) == 5
    outage.note("down", 40)
    assert outage.total(42) == 12.5


# events


def stuck_pod(api: ApiServer, name: str, **status: Any) -> None:
    api.put(PODS, name, {"kind": "Pod", "status": {"phase": "Pending"} | status}, labels={"app": "web"})
    tell(api, name, "FailedMount")


def tell(api: ApiServer, pod: str, reason: str) -> None:
    about = {"kind": "Pod", "uid": f"uid-{pod}"}
    api.put(EVENTS, f"{pod}.1", {"kind": "Event", "involvedObject": about, "reason": reason})


def test_events_are_asked_for_only_where_something_is_stuck(api: ApiServer, door: cluster.Cluster) -> None:
    stuck_pod(api, "web-2")
    fine = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    stuck_pod(api, "web-1-a", **fine)
    follow = Follow(door).judged()
    await_true(lambda: follow.snapshots[-1].of("Event"))
    assert [one["metadata"]["name"] for one in follow.snapshots[-1].of("Event")] == ["web-2.1"]
    ready(api)
    follow.end()
    asked = {one.query["fieldSelector"] for one in api.requests if one.path == EVENTS}
    assert asked == {"involvedObject.uid=uid-web-2"}


def test_events_of_many_pods_cost_one_request_at_a_time(api: ApiServer, door: cluster.Cluster) -> None:
    for number in range(20):
        stuck_pod(api, f"web-2-{number}")
    Follow(door, within=0.6, pace=Pace(events=0.1, doubt=0.0)).end()
    assert 3 <= api.count("list", "events") <= 6


def test_without_permission_events_are_asked_for_once(api: ApiServer, door: cluster.Cluster) -> None:
    stuck_pod(api, "web-2")
    api.fail("list events", apiserver.status(403), 1e9)
    follow = Follow(door).judged()
    await_true(lambda: follow.snapshots[-1].unreadable == {"Event"})
    ready(api)
    assert follow.end().verdict is Verdict.HEALTHY
    assert api.count("list", "events") == 1  # and again some time later
    assert [(one.kind, one.verb) for one in follow.said if isinstance(one, Degraded)] == [("Event", "list")]


def unmounted(snapshot: Snapshot, now: float) -> Judgement:
    """Failed at `ready: -1` where the newest event of a pod is one that fails it, as long as all read it so."""
    told = {one["involvedObject"]["uid"][4:]: one["reason"] for one in snapshot.of("Event")}
    bad = tuple(sorted(name for name, reason in told.items() if reason == "FailedMount"))
    doomed = any(one["ready"] == -1 for one in snapshot.of("Deployment")) and bad
    causes = (Cause("volume_not_mounted", "FailedMount", "", f"pod/{bad[0]}", pods=bad),) if bad else ()
    return Judgement(WEB, Verdict.FAILED if doomed else Verdict.PROGRESSING, str(bad), causes=causes)


SLOW = Pace(relist=30, spacing=0.02, backoff=0.02, backoff_most=0.1, events=0.1, doubt=10.0)
"""A pod's events are asked for once, and again only ten seconds later."""


def known_to_be_stuck(api: ApiServer, door: cluster.Cluster) -> Follow:
    for name in ("web-2", "web-3"):
        stuck_pod(api, name)
    follow = Follow(door, judge=unmounted, pace=SLOW)
    await_true(lambda: len(follow.snapshots and follow.snapshots[-1].of("Event")) == 2, 10.0)
    return follow


def test_a_failure_that_events_tell_rests_on_the_newest(api: ApiServer, door: cluster.Cluster) -> None:
    follow = known_to_be_stuck(api, door)
    for name in ("web-2", "web-3"):
        tell(api, name, "Pulling")
    before = api.count("list", "events")
    ready(api, -1)
    await_true(lambda: api.count("list", "events") >= before + 2)
    await_true(lambda: follow.said[-1].summary == "()")  # type: ignore[union-attr]
    assert Verdict.FAILED not in {one.verdict for one in follow.said if isinstance(one, Judgement)}
    follow.cancelled = True
    assert follow.end().verdict is Verdict.PROGRESSING


def test_a_failure_that_events_still_tell_counts_at_once(api: ApiServer, door: cluster.Cluster) -> None:
    follow = known_to_be_stuck(api, door)
    ready(api, -1)
    assert follow.end().verdict is Verdict.FAILED


@pytest.mark.parametrize("code", [403, 500])
def test_events_that_are_no_longer_answered_hold_up_no_verdict(
    api: ApiServer, door: cluster.Cluster, code: int
) -> None:
    follow = known_to_be_stuck(api, door)
    api.fail("list events", apiserver.status(code), 1e9)
    ready(api, -1)
    assert follow.end().verdict is Verdict.FAILED


def item(kind: str, uid: str, age: float = 100.0, **rest: Any) -> dict[str, Any]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_000_000 - age))
    return {"kind": kind, "metadata": {"uid": uid, "creationTimestamp": created}} | rest


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("found", "worth"),
    [
        (item("Pod", "x", status={"phase": "Pending"}), True),
        (item("Pod", "x", age=1.0, status={"phase": "Pending"}), False),
        (item("Pod", "x", status=READY), False),
        (item("Pod", "x", status=READY | {"containerStatuses": [{"restartCount": 2}]}), True),
        (item("Pod", "x", status={"phase": "Succeeded"}), False),
        (item("ReplicaSet", "x", spec={"replicas": 3}, status={"replicas": 1}), True),
        (item("ReplicaSet", "x", spec={"replicas": 3}, status={"replicas": 3}), False),
        (item("StatefulSet", "x", spec={"replicas": 1}, status={"replicas": 0}), True),
        (item("DaemonSet", "x", status={"desiredNumberScheduled": 2, "currentNumberScheduled": 1}), True),
        (item("DaemonSet", "x", status={"desiredNumberScheduled": 2, "currentNumberScheduled": 2}), False),
        (item("Job", "x", status={}), True),
        (item("Job", "x", status={"active": 1}), False),
    ],
)
def test_what_events_could_say_more_about(found: dict[str, Any], worth: bool) -> None:
    assert bool(unwell(Snapshot({found["kind"]: {"x": found}}), 1_000_000.0, doubt=3.0)) is worth
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not unwell(Snapshot({found["kind"]: {"x": found}}), 1_000_000.0, doubt=3.0)


def test_events_of_a_claim_that_a_pod_waits_for() -> None:
    volumes = [{"persistentVolumeClaim": {"claimName": "data"}}]
    pod = item("Pod", "pod", spec={"volumes": volumes}, status={"phase": "Pending"})
    claims = {name: item("PersistentVolumeClaim", name, status={"phase": "Pending"}) for name in ("data", "other")}
    for name, one in (*claims.items(), ("web-0", pod)):
        one["metadata"]["name"] = name
    seen = Snapshot({"Pod": {"pod": pod}, "PersistentVolumeClaim": claims})
    assert sorted(unwell(seen, 1_000_000.0, doubt=3.0)) == ["data", "pod"]


# what to read


def test_a_release_is_selected_by_its_labels() -> None:
    found = watch.select("dev", [WEB, Workload("StatefulSet", "db"), Workload("Job", "migrate")], "app=web")
    assert [(one.kind, one.labels, one.fields) for one in found.sources] == [
        ("Deployment", None, "metadata.name=web"),
        ("ReplicaSet", "app=web", None),
        ("Pod", "app=web", None),
        ("StatefulSet", None, "metadata.name=db"),
        ("ControllerRevision", "app=web", None),
        ("Job", None, "metadata.name=migrate"),
        ("Pod", "batch.kubernetes.io/job-name in (migrate)", None),
    ]


def test_nodes_are_read_but_not_needed() -> None:
    found = watch.select("dev", [Workload("DaemonSet", "agent")], "app=agent").sources[-1]
    assert (found.kind, found.needed, found.watched, found.labels) == ("Node", False, False, None)


def test_a_workload_says_itself_which_pods_it_has(api: ApiServer, door: cluster.Cluster) -> None:
    terms = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
        {"key": "x", "operator": "NotIn", "values": ["y"]},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": terms}
    api.put(DEPLOYMENTS, "web", {"kind": "Deployment", "spec": {"selector": selector}})
    found = watch.discover(door, "dev", [WEB])
    assert found.sources[2].labels == "app=web,tier in (a,b),!old,new,x notin (y)"
    with pytest.raises(cluster.NotFound):
        watch.discover(door, "dev", [Workload("Deployment", "absent")])


def test_what_a_workload_has_beside_it_is_read_too_one_request_a_kind(api: ApiServer, door: cluster.Cluster) -> None:
    volumes = [{"persistentVolumeClaim": {"claimName": "data"}}, {"emptyDir": {}}]
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"volumes": volumes}}}
    api.put(DEPLOYMENTS, "web", {"kind": "Deployment", "spec": spec})
    beside = (("Service", "web"), ("Service", "admin"), ("PodDisruptionBudget", "web"))
    found = watch.discover(door, "dev", [Workload("Deployment", "web", beside)]).sources[3:]
    assert [(one.kind, one.labels or None, one.fields, one.needed) for one in found] == [
        ("PersistentVolumeClaim", None, "metadata.name=data", True),
        ("PodDisruptionBudget", None, "metadata.name=web", False),
        ("Service", None, None, True),
        ("EndpointSlice", "kubernetes.io/service-name in (admin,web)", None, True),
    ]


def test_the_claims_of_a_statefulset_have_its_labels(api: ApiServer, door: cluster.Cluster) -> None:
    spec = {"selector": {"matchLabels": {"app": "db"}}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    api.put(cluster.path("StatefulSet", "dev"), "db", {"kind": "StatefulSet", "spec": spec})
    found = watch.discover(door, "dev", [Workload("StatefulSet", "db")]).sources[-1]
    assert (found.kind, found.labels) == ("PersistentVolumeClaim", "app=db")


def test_an_api_that_hesitates_is_asked_again_for_workloads(api: ApiServer, door: cluster.Cluster) -> None:
    api.fail("get", apiserver.status(503), 2)
    assert watch.discover(door, "dev", [WEB], deadline=time.monotonic() + 5, pace=QUICK).sources
    api.fail("get", apiserver.status(503), 1e9)
    with pytest.raises(cluster.Unreachable):
        watch.discover(door, "dev", [WEB], deadline=time.monotonic() + 0.1, pace=QUICK)


# Jobs that are removed once they have ended


def short_lived(**status: Any) -> dict[str, Any]:
    return {"kind": "Job", "spec": {"ttlSecondsAfterFinished": 0}, "status": status}


def test_a_job_that_went_before_it_was_looked_for_is_over(door: cluster.Cluster) -> None:
    found = watch.discover(door, "dev", [Workload("Job", "seed", expires=True)])
    assert [(one.kind, one.fields) for one in found.sources] == [("Job", "metadata.name=seed")]
    with pytest.raises(cluster.NotFound):
        watch.discover(door, "dev", [Workload("Job", "seed")])


@pytest.mark.parametrize("how", ["Complete", "Failed"])
def test_a_job_that_goes_with_its_last_change_is_judged_by_it(api: ApiServer, door: cluster.Cluster, how: str) -> None:
    jobs, seed = cluster.path("Job", "dev"), Workload("Job", "seed", expires=True)
    api.put(jobs, "seed", short_lived(active=1))
    judge = rollout.judging(seed, door.server_time(), Limits())
    seen = Follow(door, selection=watch.discover(door, "dev", [seed]), judge=judge).judged()
    api.put(jobs, "seed", short_lived(conditions=[{"type": how, "status": "True"}]))
    api.delete(jobs, "seed")
    found = seen.end()
    assert (found.ended, found.verdict) == (Ended.SETTLED, "healthy" if how == "Complete" else "failed")


# verdicts together


def test_the_worst_verdict_counts() -> None:
    def of(*verdicts: Verdict) -> list[Judgement]:
        return [Judgement(WEB, one, "") for one in verdicts]

    healthy, failed, paused = Verdict.HEALTHY, Verdict.FAILED, Verdict.PAUSED
    assert settled(of(healthy, paused))
    assert settled(of(failed, Verdict.PROGRESSING))
    assert not settled(of(healthy, Verdict.PROGRESSING))
    assert not settled(of(healthy, Verdict.INDETERMINATE))
    cause = Cause("changed_by_others", "Changed", "it was changed", "deployment/web")
    overtaken = Judgement(WEB, Verdict.INDETERMINATE, "", causes=(cause,))
    assert settled([*of(healthy), overtaken])
    assert not settled([*of(Verdict.PROGRESSING), overtaken])
    assert together(of(healthy, paused)) is paused
    assert together(of(healthy, failed, Verdict.INDETERMINATE)) is failed
    assert together([]) is healthy


# anything at once


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_the_api_the_end_is_right(api: ApiServer, door: cluster.Cluster, seed: int) -> None:
    chance = random.Random(seed)
    follow = Follow(door, pace=Pace(relist=0.3, silence=0.1, spacing=0.02, backoff=0.02, backoff_most=0.1)).judged()
    for step in range(25):
        match chance.randrange(6):
            case 0:
                api.disturb(chance.choice(["eof", "rst", "cut", "gone", "garbage", "silence", "bookmark"]))
            case 1:
                api.fail(
                    chance.choice(["list", "watch", "*"]), apiserver.status(chance.choice([403, 410, 429, 500])), 3
                )
            case 2:
                api.compact()
            case 3:
                api.stop()
                api.start()
            case _:
                api.put(PODS, f"web-{chance.randrange(4)}", {"kind": "Pod"}, labels={"app": "web"})
        time.sleep(0.01)
        assert follow.outcome is None, step
    api.heal()
    names = sorted(one["metadata"]["name"] for one in door.list(PODS)[0])
    ready(api)
    outcome = follow.end()
    assert outcome.verdict is Verdict.HEALTHY
    assert outcome.judgements[0].summary == f"1: {' '.join(names)}"


@pytest.mark.parametrize("recovered", [False, True])
def test_the_events_of_many_pods_are_read_again_at_once(
    api: ApiServer, door: cluster.Cluster, *, recovered: bool
) -> None:
    """A failure that 300 pods show; where the newest events end it, it is none."""
    pods = [f"web-2-{number}" for number in range(300)]
    for name in pods:
        stuck_pod(api, name)
        if recovered:
            tell(api, name, "Pulling")

    def stuck(snapshot: Snapshot, now: float) -> Judgement:
        told = {one["involvedObject"]["uid"][4:]: one["reason"] for one in snapshot.of("Event")}
        bad = tuple(name for name in pods if told.get(name) != "Pulling")
        doomed = bad and len(snapshot.of("Pod")) > len(pods)
        causes = (Cause("no_room", "Unschedulable", "", f"pod/{bad[0]}", pods=bad),) if bad else ()
        return Judgement(WEB, Verdict.FAILED if doomed else Verdict.PROGRESSING, str(len(bad)), causes=causes)

    follow = Follow(door, judge=stuck, pace=Pace(relist=30, spacing=0.02, backoff=0.02, events=20.0, doubt=30.0))
    if recovered:
        await_true(lambda: [one.summary for one in follow.said if isinstance(one, Judgement)] == ["0"], 10.0)
        follow.cancelled = True
    assert follow.end().verdict is (Verdict.PROGRESSING if recovered else Verdict.FAILED)
    assert 1 <= api.count("list", "events") <= 4
