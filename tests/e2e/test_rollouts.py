"""Every rollout scenario on the lab: the verdict, its cause, how soon it comes and what is left."""

import base64
import contextlib
import http.client
import json
import os
import queue
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Deployed, Project, kubectl, run
from scenarios import CRASH, IMAGE, SCENARIOS, SLOW, Scenario, until, waiting

pytestmark = [pytest.mark.lab, pytest.mark.scenario]

Note = Callable[[str, object], None]


def sets(values: dict[str, str]) -> list[str]:
    """Values as options."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def up(project: Project, tag: str, values: dict[str, str], *more: str) -> Deployed:
    """`deploy up` of a version."""
    return project.deploy(
        "up", "--env", "dev", "--tag", tag, *sets({"env.VERSION": tag, **values}), "-o", "json", *more
    )


def start(project: Project, tag: str, values: dict[str, str], *more: str) -> Callable[[], Deployed]:
    """`deploy up` in the background; the answer awaits its end."""
    argv = ("up", "--env", "dev", "--tag", tag, *sets({"env.VERSION": tag, **values}), "-o", "json", *more)
    process = project.start(*argv)

    def end() -> Deployed:
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Deployed(process.returncode, out, err)

    return end


def rollout_seconds(done: Deployed) -> float:
    """From helm's return to the verdict."""
    return float(next(stage["seconds"] for stage in done.json["stages"] if stage["name"] == "rollout"))


def within(done: Deployed, bound: float, record_property: Note, no_sooner: float = 0) -> None:
    """The verdict came in time; the row goes to the report."""
    seconds = rollout_seconds(done)
    record_property("verdict", done.json["outcome"])
    record_property("seconds", round(seconds, 1))
    record_property("bound", bound)
    record_property("words", done.json["message"])
    assert no_sooner <= seconds <= bound, f"{seconds:.1f} s is not within {no_sooner}..{bound} s\n{done}"


def verified(project: Project, workload: str, bound: float, record_property: Note) -> float:
    """`deploy verify` calls it healthy; the row goes to the report, and the seconds of the whole command come back."""
    began = time.monotonic()
    done = project.deploy(
        *("verify", workload, "-n", project.namespace, "--context", "dev", "--timeout", "60s", "-o", "json"),
        environ={"KUBECONFIG": project.environ["DEPLOY_KUBECONFIG"]},
    )
    seconds = time.monotonic() - began
    record_property("verdict", done.json["outcome"])
    record_property("seconds", round(seconds, 1))
    record_property("bound", bound)
    assert done.code == 0, done
    assert done.json["verdict"] == "healthy", done
    return seconds


def names(project: Project, kind: str = "pods") -> set[str]:
    """Names of all objects of a kind."""
    return {item["metadata"]["name"] for item in project.objects(kind)}


def about(done: Deployed) -> str:
    """All that is said of causes."""
    document = done.json
    return json.dumps([document["message"], document["workloads"], document["diagnosis"]])


def cause(done: Deployed) -> dict[str, Any]:
    """The first cause of the workload that failed."""
    failed = [one for one in done.json["workloads"] if one["causes"]]
    assert failed, done
    return dict(failed[0]["causes"][0])


def serves(project: Project, version: str, replicas: int = 2, kind: str = "deployments") -> None:
    """All replicas of a version are Ready."""
    status = project.objects(kind)[0]["status"]
    assert status.get("readyReplicas", 0) == replicas, status
    if replicas:
        assert project.answer().strip() == version


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_scenario(fault: Project, scenario: Scenario, record_property: Note) -> None:
    record_property("scenario", scenario.id)
    first = up(fault, "v1", {**scenario.both, **scenario.base})
    assert first.code == 0, first
    if scenario.before:
        scenario.before(fault)
    old = names(fault)
    tag = "v2" if scenario.rolled else "v1"
    replicas = int({**scenario.both, **scenario.change}.get("replicaCount", "2"))
    forced = () if scenario.rolled else ("--force",)  # where nothing has changed, nothing is released or watched
    process = start(fault, tag, {**scenario.both, **scenario.change}, *forced)
    if scenario.meanwhile:
        scenario.meanwhile(fault)
    done = process()
    if scenario.code == 0:
        replicas = fault.objects("deployments")[0]["spec"]["replicas"]
    assert done.code == scenario.code, done
    record_property("rule", cause(done)["rule"] if scenario.code else "")
    if scenario.code:
        told = cause(done)
        assert told["rule"] == scenario.rule, done
        assert told["container"] == scenario.container, done
        message = done.json["message"]
        assert all(word in message for word in scenario.words), message
        assert (scenario.container or "") in message
        if told["pods"]:
            assert told["pods"][0] in about(done)
            assert done.json["diagnosis"]["headline"].startswith("pod/"), done
        assert not [name for name in old if name in about(done)], f"old pods are spoken of\n{done}"
        assert done.json["release"]["restored"] == 1, done
        serves(fault, "v1", int({**scenario.both, **scenario.base}.get("replicaCount", "2")))
    else:
        assert done.json["workloads"][0]["causes"] == [], done
        serves(fault, tag, replicas)
        assert ("no pod was rolled" in done.json["message"]) is not scenario.rolled, done
    if scenario.log:
        assert any(scenario.log in line for log in done.json["diagnosis"]["logs"] for line in log["lines"]), done
    if scenario.warning:
        assert scenario.warning in json.dumps(done.json["warnings"]), done
    within(done, scenario.bound, record_property, scenario.no_sooner)


# -- rollouts that need something to be done by hand ----------------------------------------------------------------


def revoke(project: Project, *, resources: set[str] = frozenset(), verbs: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Take rights from the job's account: resources as a whole, or verbs on all of them."""
    role = json.loads(project.kubectl("get", "role", "deployer", "-o", "json"))
    for rule in role["rules"]:
        rule["resources"] = [one for one in rule["resources"] if one not in resources] or ["nothing"]
        rule["verbs"] = [one for one in rule["verbs"] if one not in verbs]
    project.kubectl("replace", "-f", "-", stdin=json.dumps(role))


def reaches(project: Project, version: str) -> Callable[[], bool]:
    """Whether a pod of a version exists."""

    def look() -> bool:
        variables = (pod["spec"]["containers"][0].get("env", ()) for pod in project.objects("pods"))
        return any({"name": "VERSION", "value": version} in env for env in variables)

    return look


@pytest.fixture
def row(request: pytest.FixtureRequest, record_property: Note) -> Note:
    """The report's row of a test: named after it."""
    record_property("scenario", request.node.name.removeprefix("test_").replace("_", "-"))
    return record_property


@pytest.fixture
def stateful(fault: Project) -> Project:
    """A chart with a StatefulSet, a DaemonSet, a hook."""
    shutil.copytree(Path(__file__).parent / "chart", fault.folder / "fault-chart")
    fault.profile("dev", release={"chart": "fault-chart"}, values={"replicaCount": 3})
    return fault


def test_6a_invalid_image_name(stateful: Project, row: Note) -> None:
    """With a chart that has no schema: that of the example refuses such a name before anything is touched."""
    both = {"kind": "Deployment"}
    assert up(stateful, "v1", both).code == 0
    done = up(stateful, "v2", {**both, "image.repository": "Web:UPPER!", "image.digest": '""'})
    assert done.code == 5, done
    told = cause(done)
    assert (told["rule"], told["container"]) == ("image_name", "web"), done
    assert "no image name" in done.json["message"]
    assert done.json["release"]["restored"] == 1
    serves(stateful, "v1", 3)
    within(done, 8, row)


def test_9b_volume_missing_and_no_right_to_events(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    revoke(fault, resources={"events"})
    volume = {"volumes": "[{name: v, secret: {secretName: absent}}]", "volumeMounts": "[{name: v, mountPath: /v}]"}
    done = up(fault, "v2", volume, "--timeout", "40s")
    assert done.code == 6, done
    assert cause(done)["rule"] == "stuck_creating", done
    assert "stuck in ContainerCreating" in done.json["message"]
    assert done.json["release"]["restored"] == 1
    serves(fault, "v1")
    within(done, 43, row, no_sooner=39)


@pytest.mark.parametrize("replicas", [1, 3])
def test_25a_rollback_after_the_progress_deadline(fault: Project, row: Note, replicas: int) -> None:
    both = {"replicaCount": str(replicas), "progressDeadlineSeconds": "15"}
    assert up(fault, "v1", both).code == 0
    done = up(fault, "v2", {**both, "env.NEVER_READY": "1"})
    assert done.code == 5, done
    told = [one["rule"] for one in done.json["workloads"][0]["causes"]]
    assert told[0] == "never_ready", done  # what kept it from progressing; then who said that it is too long
    assert told[1] in ("progress_deadline", "stuck"), done
    assert done.json["release"]["restored"] == 1, done
    serves(fault, "v1", replicas)
    rollback = done.json["stages"][-1]
    assert rollback["ok"], done
    assert rollback["seconds"] <= 15, done
    within(done, 30, row, no_sooner=14)


def test_25b_verify_after_a_helm_rollback(fault: Project, row: Note) -> None:
    fault.profile("dev", rollback={"automatic": False})
    both = {"replicaCount": "3", "progressDeadlineSeconds": "15"}
    assert up(fault, "v1", both).code == 0
    done = up(fault, "v2", {**both, "env.NEVER_READY": "1"})
    assert done.code == 5, done
    where = ("--kubeconfig", fault.environ["DEPLOY_KUBECONFIG"], "--kube-context", "dev", "-n", fault.namespace)
    run("helm", "rollback", "web", "1", *where)
    seconds = verified(fault, "deployment/web", 15, row)
    serves(fault, "v1", 3)
    assert seconds <= 15


def test_26_a_good_version_over_a_bad_one_that_still_rolls(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    second = fault.start("up", "--env", "dev", "--tag", "v2", "--set", "env.NEVER_READY=1", "--set", "env.VERSION=v2")
    until(reaches(fault, "v2"), "a pod of v2")
    second.terminate()  # as CI does with a job that a newer one replaces
    told = second.communicate(timeout=30)
    assert second.returncode == 143, told
    pods = names(fault)
    done = up(fault, "v1", {"env.VERSION": "v3"})
    assert done.code == 0, done
    assert not [name for name in pods if name in about(done)], done
    serves(fault, "v3")
    within(done, 30, row)


def test_48_undone_by_somebody_else_while_it_rolls(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    values = sets({"env.VERSION": "v2", "env.NEVER_READY": "1"})
    process = fault.start("up", "--env", "dev", "--tag", "v2", *values, "-o", "json")
    assert process.stderr
    assert any("updated pods available" in line for line in process.stderr), "it never began to watch"
    fault.kubectl("rollout", "undo", "deployment/web")
    out, err = process.communicate(timeout=120)
    done = Deployed(process.returncode, out, err)
    assert done.code == 7, done
    assert cause(done)["rule"] == "changed_by_others", done
    assert "an earlier version rolls out" in done.json["message"], done
    assert done.json["release"]["restored"] is None, done
    within(done, 40, row)


def test_31_paused(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    fault.kubectl("rollout", "pause", "deployment/web")
    done = up(fault, "v2", {})
    assert done.code == 8, done
    assert done.json["outcome"] == "paused"
    assert done.json["release"]["restored"] is None
    assert "kubectl rollout resume" in done.json["hint"]
    serves(fault, "v1")
    within(done, 5, row)


# -- other kinds ----------------------------------------------------------------------------------------------------


def test_33a_statefulset_and_the_pod_that_keeps_it_from_rolling_back(stateful: Project, row: Note) -> None:
    assert up(stateful, "v1", {}).code == 0
    done = up(stateful, "v2", {"image.tag": "absent", "image.digest": '""'})
    assert done.code == 5, done
    told = cause(done)
    assert (told["rule"], told["container"], told["object"]) == ("image_not_found", "web", "pod/web-2"), done
    assert done.json["release"]["restored"] == 1, done
    assert "pod web-2 is broken and keeps its StatefulSet from rolling back: deleted" in done.err
    serves(stateful, "v1", 3, "statefulsets")
    assert sum(stage["seconds"] for stage in done.json["stages"][-1:]) <= 60
    within(done, 30, row)


def test_33d_statefulset_whose_version_before_crashes(stateful: Project, row: Note) -> None:
    """Kubernetes waits for its pod for ever, also with the version that mends it."""
    stateful.profile("dev", health={"trap": 10})
    assert up(stateful, "v1", CRASH).code == 5
    done = up(stateful, "v2", {})
    assert done.code == 0, done
    assert "pod web-0 is broken and keeps its StatefulSet from rolling: deleted" in done.err
    serves(stateful, "v2", 3, "statefulsets")
    within(done, 60, row, no_sooner=10)


def test_33e_statefulset_that_was_refused_and_is_mended(stateful: Project, row: Note) -> None:
    """Only an event tells of a refusal, and it is still there when the version comes that mends it."""
    stateful.profile("dev", rollback={"automatic": False})
    assert up(stateful, "v1", {}).code == 0
    stateful.kubectl("label", "namespace", stateful.namespace, "pod-security.kubernetes.io/enforce=baseline")
    refused = up(stateful, "v2", {"securityContext.privileged": "true"})
    assert refused.code == 5, refused
    assert cause(refused)["rule"] == "pods_refused", refused
    assert "privileged" in refused.json["message"], refused
    done = up(stateful, "v1", {"env.VERSION": "v3"})
    assert done.code == 0, done
    serves(stateful, "v3", 3, "statefulsets")
    within(done, 40, row)


def test_33b_statefulset_with_a_partition(stateful: Project, row: Note) -> None:
    both = {"updateStrategy": "{type: RollingUpdate, rollingUpdate: {partition: 2}}"}
    assert up(stateful, "v1", both).code == 0
    old = {item["metadata"]["name"]: item["metadata"]["uid"] for item in stateful.objects("pods")}
    done = up(stateful, "v2", both)
    assert done.code == 0, done
    new = {item["metadata"]["name"]: item["metadata"]["uid"] for item in stateful.objects("pods")}
    assert [name for name in sorted(new) if new[name] != old[name]] == ["web-2"]
    assert "partition 2: pods below it keep the old revision" in done.json["warnings"]
    within(done, 30, row)


def test_33c_statefulset_on_delete(stateful: Project, row: Note) -> None:
    both = {"updateStrategy": "{type: OnDelete}"}
    assert up(stateful, "v1", both).code == 0
    done = up(stateful, "v2", both)
    assert done.code == 0, done
    assert "updateStrategy OnDelete: 3 pods are still of the old revision" in json.dumps(done.json["warnings"]), done
    within(done, 5, row)


@pytest.fixture
def labelled(stateful: Project) -> Iterator[tuple[Project, dict[str, str]]]:
    """A DaemonSet for nodes with a label of the test's own."""
    label = f"e2e/{stateful.namespace}"
    kubectl("label", "nodes", "node1", "node2", f"{label}=yes")
    yield stateful, {"kind": "DaemonSet", "nodeSelector": json.dumps({label: "yes"})}
    kubectl("label", "nodes", "node1", "node2", f"{label}-")


def test_34a_daemonset_bad_on_one_node(labelled: tuple[Project, dict[str, str]], row: Note) -> None:
    project, both = labelled
    assert up(project, "v1", both).code == 0
    done = up(project, "v2", {**both, "env.FAIL_ON_NODE": "node2"})
    assert done.code == 5, done
    told = cause(done)
    assert (told["rule"], told["container"]) == ("crash", "web"), done
    assert "node node2" in done.json["diagnosis"]["facts"], done
    assert any("no such device" in line for log in done.json["diagnosis"]["logs"] for line in log["lines"])
    assert done.json["release"]["restored"] == 1, done
    assert project.objects("daemonsets")[0]["status"]["numberReady"] == 2
    within(done, 40, row)


@pytest.fixture
def ghost(labelled: tuple[Project, dict[str, str]]) -> Iterator[str]:
    """A node without a kubelet: the test says what one would say."""
    name = f"ghost-{labelled[0].namespace}"
    label = {f"e2e/{labelled[0].namespace}": "yes"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": label}}
    kubectl("apply", "-f", "-", stdin=json.dumps(node))
    node_is(name, "True")
    kubectl("cordon", name)  # for the pods of other tests; a DaemonSet does not mind
    yield name
    kubectl("delete", "node", name)


def node_is(name: str, ready: str) -> None:
    """Say of a node whether it is Ready."""
    room = {"cpu": "2", "memory": "2Gi", "pods": "10"}
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    one = {"type": "Ready", "status": ready, "reason": "Kubelet", "lastHeartbeatTime": at, "lastTransitionTime": at}
    status = {"status": {"capacity": room, "allocatable": room, "conditions": [one]}}
    kubectl("patch", "node", name, "--subresource=status", "--type=merge", "--patch", json.dumps(status))


def pod_is_ready(project: Project, node: str) -> None:
    """Say of the pod on a node that it runs and is Ready."""

    def there() -> str:
        return next((p["metadata"]["name"] for p in project.objects("pods") if p["spec"].get("nodeName") == node), "")

    until(there, f"a pod on {node}")
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    running = {"name": "web", "ready": True, "started": True, "restartCount": 0, "image": "", "imageID": "sha256:0"}
    status = {
        "phase": "Running",
        "startTime": at,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}],
        "containerStatuses": [{**running, "state": {"running": {"startedAt": at}}}],
    }
    project.kubectl(
        *("patch", "pod", there(), "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status}))
    )


@pytest.mark.parametrize("nodes_readable", [True, False])
def test_34b_daemonset_and_a_node_that_is_lost(
    labelled: tuple[Project, dict[str, str]], ghost: str, row: Note, nodes_readable: bool
) -> None:
    project, both = labelled
    account = f"system:serviceaccount:{project.namespace}:deployer"
    reader = f"e2e-{project.namespace}"
    kubectl("create", "clusterrole", reader, "--verb=list,watch,get", "--resource=nodes")
    if nodes_readable:
        kubectl("create", "clusterrolebinding", reader, f"--clusterrole={reader}", f"--user={account}")
    try:
        end = start(project, "v1", both)
        pod_is_ready(project, ghost)
        first = end()
        assert first.code == 0, first
        node_is(ghost, "False")
        until(lambda: "not-ready" in kubectl("get", "node", ghost, "-o", "yaml"), "the taint of the lost node")
        # With maxUnavailable 1 the pod of the lost node takes all of it, and the cluster itself does not go on.
        two = "{type: RollingUpdate, rollingUpdate: {maxUnavailable: 2}}"
        done = up(project, "v2", {**both, "env.READY_AFTER": "3s", "updateStrategy": two})
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", reader, "--ignore-not-found")
    assert done.code == 0, done
    status = project.objects("daemonsets")[0]["status"]
    ready = [pod for pod in project.objects("pods") if pod["spec"].get("nodeName") != ghost]
    versions = {json.dumps(pod["spec"]["containers"][0]["env"]) for pod in ready}
    assert len(ready) == 2, status
    assert all('"v2"' in version for version in versions), f"old pods are called healthy\n{done}"
    within(done, 30, row)


def _hooked(project: Project, bound: float, row: Note, values: dict[str, str]) -> Deployed:
    assert up(project, "v1", {}).code == 0
    done = up(project, "v2", {"hook.enabled": "true", **values})
    assert done.code == 5, done
    seconds = next(stage["seconds"] for stage in done.json["stages"] if not stage["ok"])
    row("verdict", done.json["outcome"])
    row("seconds", round(seconds, 1))
    row("bound", bound)
    assert project.objects("jobs") == [], "a stopped helm leaves its hook behind"
    serves(project, "v1", 3, "statefulsets")
    again = up(project, "v2", {})
    assert again.code == 0, again
    assert seconds <= bound, done
    return done


def test_35a_hook_that_fails(stateful: Project, row: Note) -> None:
    done = _hooked(stateful, 40, row, {"hook.env.EXIT_AFTER": "0s", "hook.env.EXIT_CODE": "1"})
    assert "job/migrate" in done.json["message"], done
    assert any("/data/orders.db" in line for log in done.json["diagnosis"]["logs"] for line in log["lines"]), done


def test_35b_hook_without_its_image(stateful: Project, row: Note) -> None:
    done = _hooked(stateful, 25, row, {"hook.tag": "absent"})
    assert "fault:absent not found" in done.json["message"], done


def test_35c_hook_that_cannot_be_started(stateful: Project, row: Note) -> None:
    """restartPolicy Never: each try is a pod of its own, and six of them would take minutes."""
    done = _hooked(stateful, 25, row, {"hook.command": "[/nope]", "hook.backoffLimit": "6"})
    assert "cannot start `/nope`" in done.json["message"], done


def test_35d_hook_without_room(stateful: Project, row: Note) -> None:
    done = _hooked(stateful, 80, row, {"hook.resources.requests.cpu": "500"})
    assert "Insufficient cpu" in done.json["message"], done


def test_35e_job_that_goes_the_moment_it_ends(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    web = fault.objects("deployments")[0]["spec"]["template"]["spec"]
    container = {"name": "brief", "image": IMAGE, "env": [{"name": "RUN_FOR", "value": "5s"}]}
    pod = {"restartPolicy": "Never", "imagePullSecrets": web["imagePullSecrets"], "containers": [container]}
    spec = {"ttlSecondsAfterFinished": 0, "template": {"spec": pod}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "brief"}, "spec": spec}
    fault.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    seconds = verified(fault, "job/brief", 30, row)
    until(lambda: not fault.objects("jobs"), "the end of the Job")
    assert 3 <= seconds <= 30


# -- the registry and the API server go away ------------------------------------------------------------------------


@pytest.fixture
def registry(fault: Project, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """A second registry over the lab's images, of the test's own; a call starts it."""
    port = free_port("10.97.0.1")
    config = yaml.safe_load((Path(os.environ["LAB_STATE"]) / "registry.yml").read_text())
    config["http"]["addr"] = f"10.97.0.1:{port}"
    file = tmp_path / "registry.yml"
    file.write_text(yaml.safe_dump(config))
    fault.environ["REGISTRY_URL"] = f"registry.lab:{port}"
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        with open(tmp_path / "registry.log", "ab") as log:
            started.append(subprocess.Popen(["docker-registry", "serve", file], stdout=log, stderr=log))
        until(lambda: answers("10.97.0.1", port), "the registry")
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.wait()


def free_port(host: str) -> int:
    """A port that nobody listens on."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("back", [True, False], ids=["a-for-30-s", "b-for-good"])
def test_5_registry_stopped(
    fault: Project, registry: Callable[[], subprocess.Popen[bytes]], row: Note, back: bool
) -> None:
    serving = registry()
    assert up(fault, "v1", {"replicaCount": "1"}).code == 0
    slow = SLOW.replace("registry.lab:5443", fault.environ["REGISTRY_URL"])  # the pull secret is for that one
    values = {"image.pullPolicy": "Always", "initContainers": slow, "replicaCount": "1"}
    end = start(fault, "v2", values, "--timeout", "3m")
    until(lambda: running_init(fault), "the init container, before which no image of web is pulled")
    serving.kill()
    serving.wait()
    returned = 0.0
    if back:
        until(lambda: waiting(fault, "ErrImagePull") or waiting(fault, "ImagePullBackOff"), "a pull that fails")
        time.sleep(30)  # so long it is away
        registry()
        returned = time.monotonic()
    done = end()
    if back:
        seconds = time.monotonic() - returned
        assert done.code == 0, done
        serves(fault, "v2", 1)
        row("verdict", done.json["outcome"])
        row("seconds", round(seconds, 1))
        row("bound", 55)  # from its return: the kubelet pulls again 10, 20 and 40 s after a failure
        assert seconds <= 55, done
    else:
        assert done.code == 5, done
        assert cause(done)["rule"] == "image_pull_transient", done
        assert "the registry does not answer" in done.json["message"], done
        assert done.json["release"]["restored"] == 1
        serves(fault, "v1", 1)
        within(done, 8 + 110, row, no_sooner=90)


def running_init(project: Project) -> bool:
    """Whether an init container runs."""
    return any(
        "running" in one["state"]
        for pod in project.objects("pods")
        for one in pod["status"].get("initContainerStatuses", ())
    )


class ApiServer:
    """An API server of the test's own beside the lab's, over the same etcd: this one may go away."""

    def __init__(self, project: Project, folder: Path) -> None:
        record = json.loads((Path(os.environ["LAB_STATE"]) / "pid" / "apiserver.json").read_text())
        argv = Path(f"/proc/{record['pid']}/cmdline").read_text().split("\0")[:-1]
        self.port = free_port("10.97.0.1")
        argv[argv.index("--secure-port") + 1] = str(self.port)
        self._argv, self._log = argv, folder / "apiserver.log"
        self._process: subprocess.Popen[bytes] | None = None
        leads_to(project, folder, f"https://10.97.0.1:{self.port}")

    def start(self) -> None:
        """Come up."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        ready = f"https://10.97.0.1:{self.port}"
        admin = (
            "kubectl",
            "--kubeconfig",
            os.environ["LAB_ADMIN_KUBECONFIG"],
            "--server",
            ready,
            "get",
            "--raw",
            "/readyz",
        )
        until(lambda: run(*admin, check=False).returncode == 0, "the API server")

    def kill(self) -> None:
        """Be gone."""
        if self._process:
            self._process.kill()
            self._process.wait()


def leads_to(project: Project, folder: Path, server: str) -> None:
    """Let the project's contexts lead to another address of the API."""
    config = json.loads(Path(project.environ["DEPLOY_KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = server
    file = folder / "kubeconfig-elsewhere"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    project.environ["DEPLOY_KUBECONFIG"] = str(file)


@pytest.fixture
def api(fault: Project, tmp_path: Path) -> Iterator[ApiServer]:
    """The API server that the project deploys through."""
    server = ApiServer(fault, tmp_path)
    server.start()
    yield server
    server.kill()


def test_36a_api_server_restarted(fault: Project, api: ApiServer, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    end = start(fault, "v2", {"env.READY_AFTER": "3s"})
    until(reaches(fault, "v2"), "a pod of v2")
    time.sleep(2)  # helm has returned
    api.kill()
    time.sleep(10)  # so long it is away
    api.start()
    done = end()
    assert done.code == 0, done
    assert done.err.count("reconnecting") == 1, done
    serves(fault, "v2")
    within(done, 45, row, no_sooner=10)


def test_36b_api_server_gone_past_the_deadline(fault: Project, api: ApiServer, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    end = start(fault, "v2", {"env.READY_AFTER": "10s"}, "--timeout", "30s")
    until(reaches(fault, "v2"), "a pod of v2")
    time.sleep(2)  # helm has returned
    api.kill()
    done = end()
    assert done.code == 7, done
    assert done.json["outcome"] == "indeterminate"
    assert done.json["release"]["restored"] is None
    assert [stage["name"] for stage in done.json["stages"]][-1] == "rollout", "nothing was rolled back"
    assert len(fault.objects("secrets")) >= 2
    within(done, 33, row, no_sooner=29)


class Proxy(ThreadingHTTPServer):
    """Passes requests to the API server; what it does with watches can be changed."""

    daemon_threads = True
    mode = "pass"  # or hole: says nothing on any watch; gone: answers each with 410
    requests = 0

    def __init__(self) -> None:
        super().__init__(("10.97.0.1", 0), _Passing)
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # helm sends no token without TLS
        pki = Path(os.environ["LAB_STATE"]) / "pki"
        own.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        self.socket = own.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        config = json.loads(Path(os.environ["DEPLOY_KUBECONFIG"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        self.target = cluster["server"].removeprefix("https://")
        self.trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error."""


class _Passing(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _pass(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        with contextlib.closing(
            http.client.HTTPSConnection(self.server.target, context=self.server.trust, timeout=120)
        ) as far:
            far.request(self.command, self.path, body or None, headers)
            answer = far.getresponse()
            watches = "watch=true" in self.path.lower() or "watch=1" in self.path
            content = b"" if watches else answer.read()
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(key, value)
            self.send_header("Connection", "close")
            if not watches:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.close_connection = True
            if watches:
                self._watch(answer)
            else:
                self.wfile.write(content)

    def _watch(self, answer: http.client.HTTPResponse) -> None:
        self.wfile.flush()
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

        def read() -> None:
            with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
                while line := answer.readline():
                    lines.put(line)
            lines.put(b"")

        threading.Thread(target=read, daemon=True).start()
        while self.server.mode != "gone":
            if self.server.mode == "hole":
                if select.select([self.connection], [], [], 0.5)[0]:
                    return  # the client gave up
                continue
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=0.1)
                if not line:
                    return
                if self.server.mode == "pass":
                    self.wfile.write(line)
                    self.wfile.flush()
        status = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}
        self.wfile.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass


@pytest.fixture
def proxy(fault: Project, tmp_path: Path) -> Iterator[Proxy]:
    """The way to the API server that the project takes."""
    server = Proxy()
    leads_to(fault, tmp_path, f"https://10.97.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("mode", "bound"), [("hole", 45), ("gone", 30)], ids=["a-black-hole", "b-410"])
def test_37_watch(fault: Project, proxy: Proxy, row: Note, mode: str, bound: float) -> None:
    assert up(fault, "v1", {}).code == 0
    end = start(fault, "v2", {"env.READY_AFTER": "3s"})
    until(reaches(fault, "v2"), "a pod of v2")
    proxy.mode = mode
    done = end()
    assert done.code == 0, done
    serves(fault, "v2")
    within(done, bound, row)


def test_38a_no_right_to_events_and_logs(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    revoke(fault, resources={"events", "pods/log"})
    done = up(fault, "v2", CRASH)
    assert done.code == 5, done
    assert cause(done)["rule"] == "crash", done
    missing = json.dumps(done.json["diagnosis"]["missing"])
    assert "events" in missing, done
    assert "log" in missing, done
    assert done.json["release"]["restored"] == 1
    serves(fault, "v1")
    within(done, 25, row)


def test_38b_no_right_to_watch(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    end = start(fault, "v2", {"env.READY_AFTER": "3s"})
    until(reaches(fault, "v2"), "a pod of v2")
    revoke(fault, verbs={"watch"})
    done = end()
    assert done.code == 0, done
    serves(fault, "v2")
    within(done, 40, row)


def test_38c_right_to_pods_taken_away_while_it_rolls(fault: Project, row: Note) -> None:
    assert up(fault, "v1", {}).code == 0
    end = start(fault, "v2", {"env.READY_AFTER": "5s"})
    until(reaches(fault, "v2"), "a pod of v2")
    revoke(fault, resources={"pods", "replicasets"})
    done = end()
    assert done.code == 0, done
    serves(fault, "v2")
    within(done, 40, row)


def test_39a_login_of_the_kubeconfig_fails(fault: Project, tmp_path: Path, row: Note) -> None:
    config = json.loads(Path(fault.environ["DEPLOY_KUBECONFIG"]).read_text())
    for user in config["users"]:
        command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
        user["user"] = {"exec": command}
    file = tmp_path / "kubeconfig-exec"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    fault.environ["DEPLOY_KUBECONFIG"] = str(file)
    _refused(fault, "v1", row, "false")


def test_39b_no_right_to_deployments(fault: Project, row: Note) -> None:
    revoke(fault, resources={"deployments"})
    _refused(fault, "absent", row, "deployments")


def _refused(project: Project, tag: str, row: Note, word: str) -> None:
    """Told before anything is built: the seconds are those of the whole command."""
    began = time.monotonic()
    done = up(project, tag, {})
    seconds = time.monotonic() - began
    assert done.code == 3, done
    assert word in done.out, done
    assert done.json["changed"] is False
    row("verdict", done.json["outcome"])
    row("seconds", round(seconds, 1))
    row("bound", 5)
    assert seconds <= 5


def test_40_among_300_pods(fault: Project, proxy: Proxy, row: Note) -> None:
    """The checker's own cost in a full namespace: 5 % of a core, 120 MB, 3 requests a second."""
    fault.kubectl("apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": crowd()}))
    until(lambda: len(names(fault)) == 300, "300 pods")
    assert up(fault, "v1", {}).code == 0
    process = fault.start(
        "up", "--env", "dev", "--tag", "v2", "--set", "env.READY_AFTER=20s", "--set", "env.VERSION=v2"
    )
    until(reaches(fault, "v2"), "a pod of v2")
    time.sleep(3)  # helm has returned
    began, cpu, requests = time.monotonic(), cpu_seconds(process.pid), proxy.requests
    time.sleep(30)
    passed = time.monotonic() - began
    cores, rate = (cpu_seconds(process.pid) - cpu) / passed, (proxy.requests - requests) / passed
    status = Path(f"/proc/{process.pid}/status").read_text()
    megabytes = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    row("verdict", "ok")
    row("rule", f"{100 * cores:.1f} % of a core of 5, {megabytes:.0f} MB of 120, {rate:.1f} requests/s of 3")
    assert cores <= 0.05
    assert megabytes <= 120
    assert rate <= 3


def cpu_seconds(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def crowd() -> list[dict[str, Any]]:
    """20 Deployments of 15 pods each, which nobody schedules."""
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"other-{number}"},
            "spec": {
                "replicas": 15,
                "selector": {"matchLabels": {"app": f"other-{number}"}},
                "template": {
                    "metadata": {"labels": {"app": f"other-{number}"}},
                    "spec": {"schedulerName": "nobody", "containers": [{"name": "other", "image": IMAGE}]},
                },
            },
        }
        for number in range(20)
    ]
