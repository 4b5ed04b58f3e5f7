"""A release in steps on the lab: real requests through Envoy, each weight measured, each fault stopped at its step."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from afterwards import history as revisions
from conftest import ROOT, Project
from observed import QUICK, SCRAPED, metered, value
from processes import CI, alive, end, job, kill, slowed, until
from requests_through import Traffic, ask, measured

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.canary]

STEPS = [{"weight": 5, "pause": "1s"}, {"weight": 25, "pause": "1s"}, {"weight": 50, "pause": "1s"}]
GOOD = ("up", "--env", "dev", "--tag", "v1")
NEXT = ("up", "--env", "dev", "--tag", "v2", "--set", "env.VERSION=v2")


@pytest.fixture
def canary(fault: Project) -> Project:
    """The fault service behind the lab's Gateway, released in steps; nothing is released yet."""
    fault.profile(
        "dev",
        strategy="canary",
        canary={"steps": STEPS},
        health={"soak": 0, "crashExits": 1, "crashGrace": 1},
        lock={"ttl": "5s", "wait": "120s"},
        values={
            "httpRoute": {
                "enabled": True,
                "parentRefs": [
                    {"name": os.environ["LAB_GATEWAY_NAME"], "namespace": os.environ["LAB_GATEWAY_NAMESPACE"]}
                ],
                "hostnames": [host(fault)],
            },
        },
    )
    return fault


def host(project: Project) -> str:
    return f"{project.namespace}.example.com"


def released(project: Project) -> None:
    """The first version, answering through the Gateway."""
    done = project.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    assert "no good version runs yet" in done.err
    until(lambda: set(ask(host(project), 20)) == {"v1"}, "v1 through the Gateway", 60)


def weights(project: Project) -> dict[str, int]:
    """What the route says now: backend: weight."""
    (route,) = project.objects("httproutes")
    (rule,) = route["spec"]["rules"]
    return {one["name"]: one["weight"] for one in rule["backendRefs"]}


def history(project: Project) -> list[dict[str, Any]]:
    done = project.deploy("history", "--env", "dev", "--output", "json")
    assert done.code == 0, done
    return list(done.json["revisions"])


def test_a_good_version_gets_its_requests_step_by_step(canary: Project) -> None:
    # The fault service ends at once where it is told to, and Envoy hears of it a moment later.
    canary.profile("dev", values={"lifecycle": {"preStop": {"sleep": {"seconds": 10}}}})
    released(canary)
    with Traffic(host(canary)) as one, Traffic(host(canary)) as other:
        done = canary.deploy(*NEXT, environ=CI)
        assert done.code == 0, done
        until(lambda: len(canary.objects("pods")) == 2, "the end of the pods that were replaced", 120)
    assert {said for _, said in one.answers + other.answers} == {"v1", "v2"}, "every request has an answer"
    assert weights(canary) == {"web": 1}
    assert set(ask(host(canary), 200)) == {"v2"}
    assert [one["metadata"]["name"] for one in canary.objects("deployments")] == ["web"]
    assert [one["metadata"]["name"] for one in canary.objects("services")] == ["web"]


def hold(project: Project, step: int) -> None:
    """From now on a run stays at that step, and goes through those before it at once."""
    paused = [{**one, "pause": "600s" if number == step else "0s"} for number, one in enumerate(STEPS, 1)]
    project.profile("dev", canary={"steps": paused})


def standing(project: Project) -> dict[str, Any] | None:
    """Where `deploy status` says the canary is."""
    done = project.deploy("status", "--env", "dev", "--output", "json")
    (found,) = done.json["environments"]
    midway: dict[str, Any] | None = found["revision"]["canary"]
    return midway


def stopped_at(project: Project, step: int, log: Path) -> None:
    """Run until that step is held, and end the run there by kill -9: the cluster stays as it is."""
    hold(project, step)
    process = job(project, *NEXT, log=log)
    try:
        until(lambda: "still watched" in _since(log, f"canary {STEPS[step - 1]['weight']}% …"), "the step", 240)
    finally:
        end(kill(process, children=True))


def _since(log: Path, text: str) -> str:
    return log.read_text().partition(text)[2] if log.exists() else ""


def test_weights_are_what_the_step_says(canary: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    released(canary)
    for number, step in enumerate(STEPS, 1):
        stopped_at(canary, number, tmp_path / "log")
        weight = int(str(step["weight"]))
        assert weights(canary) == {"web": 100 - weight, "web-canary": weight}
        assert standing(canary) == {"weight": weight, "step": number, "steps": 3}
        screen = canary.deploy("status", "--env", "dev")
        assert f"canary {weight} % at step {number} of 3" in screen.out, screen
        found, count = measured(host(canary), "v2", weight)
        with capfd.disabled():
            print(f"\n{weight} % asked for, {found:.2f} % of {count} requests")
        assert abs(found - weight) < 1
    hold(canary, 0)
    done = canary.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    assert "it goes on from there" in done.err
    assert "canary 5%" not in done.err
    counted = ask(host(canary), 10_000)
    assert set(counted) == {"v2"}
    verdicts = [(one["verdict"], one["canary"] and one["canary"]["weight"]) for one in history(canary)]
    assert verdicts[0] == ("healthy", None)
    assert verdicts[-1] == ("healthy", None)
    assert ("canary", 50) in verdicts


def generation(project: Project) -> int:
    """How often the route was changed."""
    (route,) = project.objects("httproutes")
    return int(route["metadata"]["generation"])


def taken_back(project: Project) -> None:
    """One version has all requests, and nothing is left of the other."""
    assert weights(project) == {"web": 1}
    for kind in ("deployments", "services"):
        assert [one["metadata"]["name"] for one in project.objects(kind)] == ["web"]
    assert set(ask(host(project), 200)) == {"v1"}
    assert standing(project) is None
    newest = history(project)[-1]
    assert (newest["verdict"], newest["status"]) == ("healthy", "deployed")
    assert not project.objects("leases")


def test_a_version_that_crashes_gets_no_request(canary: Project) -> None:
    released(canary)
    with Traffic(host(canary)) as traffic:
        done = canary.deploy(*NEXT, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1", environ=CI)
    assert done.code == 5, done
    assert "canary 0% FAILED" in done.err
    assert "web-canary" in done.out
    assert "canary 5%" not in done.err
    assert {said for _, said in traffic.answers} == {"v1"}
    taken_back(canary)
    failed = history(canary)[-2]
    assert failed["verdict"] == "failed"
    assert failed["canary"] == {"weight": 0, "step": 0, "steps": 3}


AFTER = """
apiVersion: batch/v1
kind: Job
metadata:
  name: after
  annotations: { helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: before-hook-creation }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: after, image: "{{ include "web.image" . }}", env: [{ name: EXIT_AFTER, value: 0s }] }]
"""


def test_a_version_that_crashes_while_helm_waits_for_it_is_diagnosed(canary: Project) -> None:
    """With a hook after the workloads helm waits for these, the canary among them, and would for its whole timeout."""
    (canary.folder / "chart" / "templates" / "after.yaml").write_text(AFTER)
    canary.profile("dev", release={"timeout": "300s"})
    released(canary)
    done = canary.deploy(*NEXT, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1", environ=CI)
    assert done.code == 5, done
    assert "canary 0% FAILED" in done.err
    assert "deployment/web-canary" in done.out
    assert "revision 1 serves again" in done.out
    taken_back(canary)


def test_a_version_that_falls_ill_is_taken_back_in_one_reconcile(
    canary: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    released(canary)
    hold(canary, 2)
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    canary.profile("dev", values={"livenessProbe": probe})
    log, began = tmp_path / "log", 0.0
    with Traffic(host(canary)) as traffic:
        process = job(canary, *NEXT, "--set", "env.SICK_AFTER=20s", log=log)
        try:
            until(lambda: "canary 25% FAILED" in log.read_text() or process.poll() is not None, "the fault", 240)
            before = generation(canary)
            until(lambda: "rollback …" in log.read_text() or process.poll() is not None, "the rollback", 60)
            began = time.monotonic()
            code = process.wait(timeout=240)
        finally:
            end(kill(process, children=True))
        until(lambda: time.monotonic() > began + 5, "some more requests")
    assert code == 5, log.read_text()
    assert "canary 25% FAILED" in log.read_text()
    assert generation(canary) - before <= 1, "the route was changed more than once"
    late = traffic.last("v2") - began
    with capfd.disabled():
        print(f"\nthe last answer of the bad version came {late:.2f} s after the rollback began")
    assert late < 5
    taken_back(canary)


def test_a_route_that_the_cluster_refuses_is_taken_back(canary: Project) -> None:
    """helm fails with half of the requests on the canary: the route of the new version comes with the last step."""
    released(canary)
    canary.profile("dev", values={"httpRoute": {"filters": [{"type": "RequestRedirect"}]}})
    done = canary.deploy(*NEXT, "--output", "json", environ=CI)
    assert done.code == 1, done
    assert "canary 50% done" in done.err
    assert "stable FAILED" in done.err
    assert "helm could not release the chart" in done.json["message"]
    assert done.json["release"]["restored"] == 1
    assert "revision 1 serves again" in done.json["hint"]
    taken_back(canary)


def test_a_route_that_does_not_run_yet_is_missed_before_anything_is_touched(canary: Project) -> None:
    """The stable pods keep the values of their version until the last step, and these have no route."""
    canary.profile("dev", strategy="rolling", values={"httpRoute": {"enabled": False}})
    done = canary.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    canary.profile("dev", strategy="canary", values={"httpRoute": {"enabled": True}})
    done = canary.deploy(*NEXT, environ=CI)
    assert done.code == 3, done
    assert "does not render with a canary beside revision 1" in done.err
    assert "`strategy: rolling` once" in done.err
    canary.profile("dev", strategy="rolling")
    done = canary.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    canary.profile("dev", strategy="canary")
    done = canary.deploy(*NEXT, environ=CI)
    assert done.code == 0, done
    assert "canary 50% done" in done.err


def test_the_stable_version_is_not_scaled_down_while_it_has_fewer_requests(canary: Project, tmp_path: Path) -> None:
    canary.profile("dev", values={"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 5}})
    released(canary)
    canary.kubectl("scale", "deployment/web", "--replicas=3")
    until(lambda: scaled(canary)["status"].get("currentReplicas") == 3, "the autoscaler's word of it", 240)
    stopped_at(canary, 1, tmp_path / "log")
    assert scaled(canary)["spec"]["minReplicas"] == 3
    done = canary.deploy("rollback", "--env", "dev", "--yes", environ=CI)
    assert done.code == 0, done
    assert scaled(canary)["spec"]["minReplicas"] == 2
    taken_back(canary)


def scaled(project: Project) -> dict[str, Any]:
    (found,) = project.objects("horizontalpodautoscalers")
    return found


@pytest.mark.parametrize("step", [0, 1, 3])
def test_a_canary_that_a_killed_run_left_is_taken_back_by_hand(canary: Project, tmp_path: Path, step: int) -> None:
    released(canary)
    if step:
        stopped_at(canary, step, tmp_path / "log")
    else:
        killed_when(canary, tmp_path / "log", "deployment/web-canary: 0 of 1")
    before = generation(canary)
    done = canary.deploy("rollback", "--env", "dev", "--yes", environ=CI)
    assert done.code == 0, done
    assert generation(canary) - before <= 1, "the route was changed more than once"
    taken_back(canary)


def test_a_run_that_is_ended_while_it_takes_a_canary_back_says_so(canary: Project, tmp_path: Path) -> None:
    released(canary)
    log = tmp_path / "log"
    process = job(canary, *NEXT, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1", log=log)
    try:
        until(lambda: "rollback …" in log.read_text() or process.poll() is not None, "the rollback", 240)
        process.terminate()
        code = process.wait(timeout=60)
    finally:
        end(kill(process, children=True))
    assert code == 143, log.read_text()
    assert "revision 1 was being put back: `deploy rollback --env dev` does so" in log.read_text()
    done = canary.deploy("rollback", "--env", "dev", "--yes", environ=CI)
    assert done.code == 0, done
    taken_back(canary)


def killed_when(project: Project, log: Path, said: str, *, children: bool = True) -> list[int]:
    """Kill a run as soon as it says so, alone or with its children; what is left running."""
    process = job(project, *NEXT, log=log)
    try:
        until(lambda: said in log.read_text() or process.poll() is not None, said, 240)
    finally:
        left = kill(process, children=children)
    return left


def finished(project: Project, left: list[int]) -> None:
    """The next `up` brings the new version all requests, whatever a killed run has left, helm at work among it."""
    try:
        done = project.deploy(*NEXT, environ=CI)
        assert done.code == 0, done
        assert weights(project) == {"web": 1}
        for kind in ("deployments", "services"):
            assert [one["metadata"]["name"] for one in project.objects(kind)] == ["web"]
        assert set(ask(host(project), 200)) == {"v2"}
        assert not project.objects("leases")
        states = revisions(project)
        assert states[-1] == "deployed", states
        assert set(states[:-1]) <= {"superseded", "failed"}, states
        until(lambda: not any(map(alive, left)), "the end of its children", 60)
    finally:
        end(left)


ALONE = pytest.mark.parametrize("children", [False, True], ids=["alone", "with its children"])


@ALONE
@pytest.mark.parametrize("moment", ["canary 0% …", "canary 5% …", "canary 5% done", "stable …", "rollout …"])
def test_a_killed_run_is_finished_by_the_next(canary: Project, tmp_path: Path, moment: str, children: bool) -> None:
    released(canary)
    hold(canary, 0)
    finished(canary, killed_when(canary, tmp_path / "log", moment, children=children))


@pytest.mark.parametrize(
    ("hook", "revision", "children"), [("pre-upgrade", 3, True), ("post-upgrade", 3, False), ("post-upgrade", 6, True)]
)
def test_a_run_that_is_killed_amid_helm_is_finished_by_the_next(
    canary: Project, tmp_path: Path, hook: str, revision: int, children: bool
) -> None:
    """Helm has its revision pending: before it has touched anything, or when the route has the new weight already."""
    slowed(canary, hook)
    released(canary)
    hold(canary, 0)
    process = job(canary, *NEXT, log=tmp_path / "log")
    try:
        until(lambda: _pending(canary, revision, "pending-upgrade") or process.poll() is not None, "helm's turn", 240)
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        left = kill(process, children=children)
    finished(canary, left)


@ALONE
def test_a_run_that_is_killed_while_it_takes_a_canary_back_is_finished_by_the_next(
    canary: Project, tmp_path: Path, children: bool
) -> None:
    slowed(canary, "pre-rollback")
    released(canary)
    process = job(canary, *NEXT, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1", log=tmp_path / "log")
    try:
        until(lambda: _pending(canary, 3, "pending-rollback") or process.poll() is not None, "the rollback", 240)
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        left = kill(process, children=children)
    hold(canary, 0)
    finished(canary, left)


def _pending(project: Project, revision: int, state: str) -> bool:
    states = revisions(project)
    return len(states) == revision and states[-1] == state


def test_another_version_over_one_that_a_killed_run_left(canary: Project, tmp_path: Path) -> None:
    released(canary)
    stopped_at(canary, 1, tmp_path / "log")
    hold(canary, 0)
    done = canary.deploy(*GOOD, "--set", "env.VERSION=v3", environ=CI)
    assert done.code == 0, done
    assert set(ask(host(canary), 200)) == {"v3"}
    assert [one["metadata"]["name"] for one in canary.objects("deployments")] == ["web"]


def test_the_old_version_again_over_one_that_a_killed_run_left(canary: Project, tmp_path: Path) -> None:
    """No pod would be another than the stable ones: no canary, and what the killed one has left goes."""
    released(canary)
    killed_when(canary, tmp_path / "log", "deployment/web-canary: 0 of 1")
    done = canary.deploy(*GOOD, environ=CI)
    assert done.code == 0, done
    taken_back(canary)


@pytest.fixture
def watched(canary: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with a service that counts its requests, and guards that compare the two versions."""
    canary.profile(
        "dev",
        image={"repository": metered(tmp_path_factory.getbasetemp().parent)},
        canary={"steps": [{"weight": 30, "pause": "20s"}, {"weight": 60, "pause": "20s"}]},
        metrics={"url": os.environ["LAB_PROMETHEUS"], **QUICK, "duration": "2s"},
        values={"podAnnotations": SCRAPED},
    )
    return canary


def counted(project: Project) -> None:
    """Await that Prometheus knows the stable version well enough to compare with it."""
    query = f'sum(increase(http_requests_total{{namespace="{project.namespace}",route="/"}}[8s]))'
    until(lambda: (value(query) or 0) > 100, "traffic that Prometheus knows of", 120)


METERED = ("up", "--env", "dev", "--tag", "v1", "--set", "env.VERSION=v2", "--output", "json")


def test_errors_of_a_part_of_the_requests_are_stopped_at_their_step(watched: Project) -> None:
    released(watched)
    with Traffic(host(watched)) as traffic:
        counted(watched)
        done = watched.deploy(*METERED, "--set", "env.FAIL_PERCENT=10", environ=CI)
    assert done.code == 5, done
    assert "canary 30% FAILED" in done.err
    assert "canary 60%" not in done.err
    found = done.json
    assert "deployment/web-canary: errorRatio is 0." in found["message"]
    assert found["release"]["restored"] == 1
    reading = next(one for one in found["metrics"] if one["name"] == "errorRatio")
    assert (reading["state"], reading["previous"]) == ("breached", 0)
    assert 'pod=~"web-canary-' in reading["query"]
    (cause,) = found["diagnosis"]["causes"]
    assert cause["rule"] == "metric"
    assert cause["pods"]
    assert all(pod.startswith("web-canary-") for pod in cause["pods"])
    assert "deadlock detected" in done.err, "the log of the canary"
    assert {said for _, said in traffic.answers} >= {"v1", "v2"}
    taken_back(watched)
    assert [one["verdict"] for one in history(watched)] == ["healthy", "canary", "failed", "healthy"]


def test_a_good_version_passes_the_metrics_of_each_step(watched: Project) -> None:
    released(watched)
    with Traffic(host(watched)):
        counted(watched)
        done = watched.deploy(*METERED, environ=CI)
    assert done.code == 0, done
    assert "canary 60% done" in done.err
    reading = next(one for one in done.json["metrics"] if one["name"] == "errorRatio")
    assert (reading["state"], reading["previous"]) == ("passed", 0)
    assert not [one for one in done.json["warnings"] if "metric" in one]
    assert set(ask(host(watched), 200)) == {"v2"}


def test_a_canary_that_falls_ill_is_found_while_its_metrics_are_watched(canary: Project) -> None:
    """Guards that have no data say nothing; the pods are watched beside them, and the pause is not awaited."""
    released(canary)
    hold(canary, 2)
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    canary.profile("dev", metrics={"url": os.environ["LAB_PROMETHEUS"], **QUICK}, values={"livenessProbe": probe})
    began = time.monotonic()
    done = canary.deploy(*NEXT, "--set", "env.SICK_AFTER=20s", environ=CI)
    assert done.code == 5, done
    assert "canary 25% FAILED" in done.err
    assert time.monotonic() - began < 250
    taken_back(canary)


def test_the_page_lets_a_newcomer_do_it(canary: Project) -> None:
    """docs/canary.md: its profile with the lab's Gateway and without its pauses, its commands one by one."""
    page = (ROOT / "docs" / "canary.md").read_text()
    (text,) = re.findall(r"<!-- profile: httproute -->\n```yaml\n(.*?)```", page, re.DOTALL)
    profile = yaml.safe_load(re.sub(r"pause: \w+", "pause: 0s", text).replace("web.example.com", host(canary)))
    profile["values"]["httpRoute"]["parentRefs"] = [
        {"name": os.environ["LAB_GATEWAY_NAME"], "namespace": os.environ["LAB_GATEWAY_NAMESPACE"]}
    ]
    canary.profile("dev", **profile)
    released(canary)
    commands = re.findall(r"^    deploy (\w+) --env prod", page, re.MULTILINE)
    assert commands == ["plan", "up", "status", "rollback", "history"]
    more = {"plan": NEXT[3:], "up": NEXT[3:], "rollback": ("--yes",)}
    said = {}
    for verb in commands:
        done = canary.deploy(verb, "--env", "dev", *more.get(verb, ()), environ=CI)
        assert done.code in ((0, 11) if verb == "plan" else (0,)), done
        said[verb] = done.out + done.err
    assert "canary beside revision 1" in said["plan"]
    assert "canary 25% done" in said["up"]
    assert "canary 25 % at step 2 of 3" in said["history"]
    taken_back(canary)
