"""What is told of a failure: the headline, the questions to the cluster, and what their answers become."""

from typing import Any

import pytest
from build import (
    IMAGE,
    LIVENESS,
    T0,
    condition,
    container,
    deployment,
    ended,
    event,
    job,
    pod,
    replicaset,
    rollout,
    snapshot,
    statefulset,
    waiting,
)
from replay import end, load

from deployer.health import images
from deployer.health.diagnosis import Diagnosis, LogQuestion, diagnose, questions
from deployer.health.judge import Memory, judge
from deployer.health.limits import Limits
from deployer.health.verdict import Judgement, Snapshot, Workload

SECRET = "?se=2026-01-01T00%3A00&sig=c2VjcmV0"
ABSENT = f"failed to resolve reference {IMAGE}: not found"
RATE = "toomanyrequests: You have reached your pull rate limit as 'jane_doe': dckr_jti_3q2-token. You may increase"


def judged(
    *items: Any, times: tuple[float, ...] = (3, 20), kind: str = "Deployment", name: str = "web"
) -> tuple[Judgement, Snapshot]:
    seen, memory, made = snapshot(*items), Memory(), None
    for t in times:
        made, memory = judge(Workload(kind, name), seen, memory, since=T0, now=T0 + t, limits=Limits())
    assert made is not None
    return made, seen


def told(*items: Any, events: Any = (), logs: Any = None, times: tuple[float, ...] = (3, 20), **more: Any) -> Diagnosis:
    made, seen = judged(*items, times=times)
    return diagnose(made, seen, since=T0, events=events, logs=logs, **more)


def crash(exits: int = 3, **more: Any) -> Any:
    return container(waiting("CrashLoopBackOff"), restarts=exits - 1, last=ended(), **more)


def pulling(text: str) -> Any:
    return container(waiting("ErrImagePull", text))


# ---- headline and causes


def test_headline_of_one_pod() -> None:
    found = told(rollout(crash()))
    assert found.headline == "pod/web-b7c-0: container web: exit 1, 2 restarts (1 of 1 new pods)"
    assert (found.workload, found.verdict) == ("deployment/web", "failed")


def test_headline_over_pods() -> None:
    found = told(rollout(container(), crash(), crash(), strategy={"type": "Recreate"}))
    assert found.headline.endswith("(2 of 3 new pods)")
    (cause,) = found.causes
    assert sorted(cause.pods) == ["web-b7c-1", "web-b7c-2"]
    assert cause.object == f"pod/{cause.pods[0]}"


@pytest.mark.parametrize(("replicas", "many"), [(1, ""), (2, " (2 old pods)")])
def test_headline_over_old_pods(replicas: int, many: str) -> None:
    """The pods that a StatefulSet waits for in vain are none of the new ones."""
    item = statefulset(replicas=replicas, updated=0, ready=0, current="db-2")
    old = [
        pod(item, f"db-{number}", pulling(ABSENT), labels={"controller-revision-hash": "db-1"})
        for number in range(replicas)
    ]
    found = diagnose(*judged(item, *old, times=(3, 64), kind="StatefulSet", name="db"), since=T0)
    assert found.headline.endswith(f"the controller waits for it for ever{many}")


def test_headline_without_a_pod() -> None:
    frame = deployment(updated=0, available=0)
    broken = condition("ReplicaFailure", "True", "FailedCreate", 'pods "web" is forbidden: violates PodSecurity')
    found = told(frame, replicaset(frame, available=0, conditions=[broken]))
    assert found.headline == 'replicaset/web-b7c: pods "web" is forbidden: violates PodSecurity'


def test_headline_without_a_cause() -> None:
    found = told(rollout(container(), container(ready=False)), times=(3,))
    assert found.headline == "deployment/web: 1 of 2 updated pods available"
    assert (found.causes, found.facts, found.hint) == ((), (), None)


def test_counts() -> None:
    counts = told(rollout(container(), crash(), crash())).counts
    assert (counts.desired, counts.updated, counts.ready, counts.available, counts.old) == (3, 3, 1, 1, 0)


def test_two_faults_are_two_causes_the_one_of_most_pods_first() -> None:
    found = told(rollout(pulling(ABSENT), crash(), crash()))
    assert [(cause.rule, len(cause.pods)) for cause in found.causes] == [("crash", 2), ("image_not_found", 1)]


def test_pods_with_other_words_for_one_fault_are_one_cause() -> None:
    """Restart counts differ from pod to pod, the fault does not."""
    found = told(rollout(crash(3), crash(4), crash(5)))
    (cause,) = found.causes
    assert len(cause.pods) == 3


def test_two_containers_are_two_causes() -> None:
    found = told(rollout([crash(), container(name="proxy")], [container(), crash(name="proxy")]))
    assert {cause.container for cause in found.causes} == {"web", "proxy"}


def test_hint_is_that_of_the_first_cause() -> None:
    found = told(rollout(pulling(ABSENT)))
    assert found.hint == found.causes[0].hint
    assert found.hint
    assert "push the image" in found.hint


def test_what_could_not_be_asked_is_said() -> None:
    assert told(rollout(crash()), missing=["events: no permission"]).missing == ("events: no permission",)


# ---- questions


def test_questions_of_a_crash() -> None:
    objects = rollout(crash(), crash())
    asked = questions(*judged(objects))
    (log,) = asked.logs
    assert (log.container, log.previous) == ("web", True)
    assert asked.uids[:2] == ("uid-web", "uid-web-b7c")
    assert asked.uids[2:] == (f"uid-{log.pod}",)


def test_the_log_of_a_run_that_ended_and_was_not_yet_followed_by_another() -> None:
    """Terminated: the present run's log is the one that tells."""
    (log,) = questions(*judged(rollout(container(ended(), restarts=2, last=ended())))).logs
    assert not log.previous


def test_the_log_of_a_container_that_runs_again_is_of_the_run_before() -> None:
    (log,) = questions(*judged(rollout(container(restarts=3, last=ended(), ready=False)))).logs
    assert log.previous


def test_no_log_of_what_never_ran() -> None:
    assert questions(*judged(rollout(pulling(ABSENT)))).logs == ()


def test_the_log_of_an_init_container() -> None:
    objects = rollout(
        {"of": container(waiting("PodInitializing")), "init": [crash(name="migrate", readinessProbe=None)]}
    )
    (log,) = questions(*judged(objects)).logs
    assert (log.container, log.previous) == ("migrate", True)


def test_the_log_of_never_ready_is_of_the_present_run() -> None:
    (log,) = questions(*judged(rollout(container(ready=False)), times=(3, 70))).logs
    assert not log.previous


def test_questions_without_a_pod_ask_the_replicaset() -> None:
    frame = deployment(updated=0, available=0)
    broken = condition("ReplicaFailure", "True", "FailedCreate", "is forbidden")
    asked = questions(*judged(frame, replicaset(frame, available=0, conditions=[broken])))
    assert asked.uids == ("uid-web", "uid-web-b7c")


def test_questions_of_a_statefulset() -> None:
    item = statefulset(ready=0)
    broken = pod(item, "db-0", crash(), labels={"controller-revision-hash": "db-2"})
    asked = questions(*judged(item, broken, kind="StatefulSet", name="db"))
    assert asked.uids == ("uid-db", "uid-db-0")


def test_questions_of_a_job() -> None:
    item = job(conditions=[condition("Failed", "True", "BackoffLimitExceeded", "too often")])
    gone = pod(item, "migrate-0", container(ended(3), name="sql"), phase="Failed")
    made, seen = judged(item, gone, kind="Job", name="migrate")
    asked = questions(made, seen)
    assert asked.logs == (LogQuestion("migrate-0", "sql", False),)
    assert asked.uids == ("uid-migrate", "uid-migrate-0")
    headline = diagnose(made, seen, since=T0).headline
    assert "container sql: exit 3" in headline


# ---- events

OBJECTS = rollout(crash())
POD = OBJECTS[2]


def test_the_same_event_is_told_once() -> None:
    texts = [event(POD, "BackOff", "Back-off restarting", t=t, count=2, n=t) for t in (3, 9, 6)]
    (one,) = told(OBJECTS, events=texts).events
    assert (one.object, one.reason, one.count, one.at) == ("pod/web-b7c-0", "BackOff", 6, T0 + 9)


def test_a_series_is_counted() -> None:
    many = event(POD, "BackOff", "Back-off") | {"series": {"count": 7}}
    assert told(OBJECTS, events=[many]).events[0].count == 7


def test_events_of_two_pods_are_two() -> None:
    other = pod(OBJECTS[1], "web-b7c-9")
    found = told(OBJECTS, events=[event(POD, "BackOff", "x"), event(other, "BackOff", "x")]).events
    assert [one.object for one in found] == ["pod/web-b7c-0", "pod/web-b7c-9"]


@pytest.mark.parametrize(("t", "many"), [(-5, 1), (-6, 0), (4, 1)])
def test_events_from_five_seconds_before_the_rollout_on(t: float, many: int) -> None:
    assert len(told(OBJECTS, events=[event(POD, "BackOff", "x", t=t)]).events) == many


def test_an_old_event_that_happened_again_counts() -> None:
    old = event(POD, "BackOff", "x", t=7)
    old["firstTimestamp"] = "2020-01-01T00:00:00Z"
    assert len(told(OBJECTS, events=[old]).events) == 1


def test_events_that_every_start_shows_are_left_out() -> None:
    noise = [
        event(POD, "Pulled", "Container image is present", kind="Normal"),
        event(POD, "FailedMount", 'volume "kube-api-access" : failed to sync configmap cache: timed out', n=1),
        event(POD, "FailedMount", "failed to sync secret cache: timed out", n=2),
    ]
    assert told(OBJECTS, events=noise).events == ()


def test_ten_events_the_newest_last() -> None:
    found = told(OBJECTS, events=[event(POD, "Unhealthy", f"no {t}", t=t, n=t) for t in range(20, 0, -1)]).events
    assert [one.message for one in found] == [f"no {t}" for t in range(11, 21)]


def test_events_lose_what_a_registry_puts_into_them() -> None:
    text = f'Failed to pull image: Get "https://blob.lab/v2/layer{SECRET}": EOF; {RATE}'
    (one,) = told(OBJECTS, events=[event(POD, "Failed", text)]).events
    assert "c2VjcmV0" not in one.message
    assert "jane_doe" not in one.message
    assert "dckr_jti" not in one.message
    assert "https://blob.lab/v2/layer" in one.message


def test_causes_lose_it_too() -> None:
    for text in (f'Get "https://blob.lab/v2/layer{SECRET}": EOF', RATE):
        found = told(rollout(pulling(text)), times=(3, 100))
        said = found.headline + "".join(cause.message for cause in found.causes)
        assert not [word for word in ("c2VjcmV0", "jane_doe", "dckr_jti") if word in said]


@pytest.mark.parametrize(
    "text",
    [
        'Get "https://r.lab/v2/a/blobs?token=hunter2&x=1": EOF',
        "Get https://r.lab/token?account=deploy&scope=hunter2: 401",
        "Get https://deploy:hunter2@r.lab/v2/: 401 Unauthorized",
        "rate limit as 'hunter2': dckr_jti_hunter2-token",
        "rate limit for account 'hunter2': dckr_jti_hunter2-token",
    ],
)
def test_clean(text: str) -> None:
    assert "hunter2" not in images.clean(text)


def test_clean_leaves_the_rest_of_the_message() -> None:
    text = f'Get "https://r.lab/v2/a{SECRET}": dial tcp: i/o timeout'
    assert images.clean(text) == 'Get "https://r.lab/v2/a?…": dial tcp: i/o timeout'
    after = images.clean(f"{RATE} the limit by authenticating: https://docs.lab/limit. 429 Too Many Requests")
    assert after.endswith("429 Too Many Requests")


# ---- logs and facts


def test_the_last_25_lines_of_a_log() -> None:
    asked = LogQuestion("web-b7c-0", "web", True)
    (tail,) = told(OBJECTS, logs={asked: "".join(f"line {n}\n" for n in range(100))}).logs
    assert (tail.pod, tail.container, tail.previous) == ("web-b7c-0", "web", True)
    assert tail.lines == tuple(f"line {n}" for n in range(75, 100))


def test_an_empty_log_is_an_empty_log() -> None:
    (tail,) = told(OBJECTS, logs={LogQuestion("web-b7c-0", "web", True): ""}).logs
    assert tail.lines == ()


def test_facts() -> None:
    objects = rollout(crash(resources={"limits": {"memory": "64Mi", "cpu": "1"}}, livenessProbe=LIVENESS))
    assert told(objects).facts == (
        f"image {IMAGE}",
        "limits cpu 1, memory 64Mi",
        "readiness probe GET /readyz, gives up after 7 s",
        "liveness probe GET /healthz, gives up after 5 s",
        "node node-1",
    )


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"tcpSocket": {"port": 5432}}, "port 5432"),
        ({"grpc": {"port": 9}}, "gRPC port 9"),
        ({"exec": {"command": ["cat", "/ok"]}}, "cat /ok"),
    ],
)
def test_facts_of_other_probes(probe: Any, words: str) -> None:
    assert f"startup probe {words}, gives up after 31 s" in told(rollout(crash(startupProbe=probe))).facts


def test_no_facts_of_a_pod_that_is_gone() -> None:
    made, _ = judged(OBJECTS)
    assert diagnose(made, Snapshot(), since=T0).facts == ()


def test_a_program_for_another_machine_is_told_by_its_log() -> None:
    asked = LogQuestion("web-b7c-0", "web", True)
    assert told(rollout(crash()), logs={asked: "exec /fault: exec format error\n"}).hint == (
        "build the image for the nodes' platform"
    )
    assert told(rollout(crash()), logs={asked: "panic\n"}).hint == "its log says why"


# ---- from a recording


def test_of_a_recording() -> None:
    found = end(load("out-of-memory"), until=60)
    asked = questions(found.judgement, found.snapshot)
    assert [log.container for log in asked.logs] == ["web"]
    chosen = set(asked.uids)
    events = [one for one in found.snapshot.of("Event") if one["involvedObject"]["uid"] in chosen]
    made = diagnose(found.judgement, found.snapshot, since=load("out-of-memory").since, events=events)
    assert "OOMKilled: over its memory limit of 32Mi (exit 137)" in made.headline
    assert made.headline.endswith("(2 of 2 new pods)") or "(1 of 2 new pods)" in made.headline
    assert made.hint == "raise the memory limit, or find what takes it"
    assert "limits memory 32Mi" in made.facts
    assert all("cache" not in one.message for one in made.events)
