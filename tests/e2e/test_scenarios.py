"""Ways a rollout goes wrong on a real cluster: the verdict, its cause, and how long it took. One row a scenario.

A good v1 runs with two replicas; then `deploy up` brings the fault. `bound`: seconds from helm's return to the verdict.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from conftest import Project

pytestmark = pytest.mark.lab

READY = "readinessProbe={httpGet: {path: /readyz, port: http}, periodSeconds: 2, failureThreshold: 3}"
NO_PROBES = ("readinessProbe=null", "startupProbe=null", "livenessProbe=null")


def crashing(name: str, more: str = "") -> str:
    """An init container that exits 1 at once."""
    image = f"{os.environ.get('REGISTRY_URL')}/fault:v1"
    env = "[{name: EXIT_AFTER, value: 0s}, {name: EXIT_CODE, value: '1'}]"
    return f"initContainers=[{{name: {name}, image: '{image}', env: {env}{more}}}]"


@dataclass(frozen=True)
class Scenario:
    """`sets`: what v2 changes. `rule`, `container`, `words`: of the first cause; without a rule v2 must be healthy."""

    id: str
    sets: tuple[str, ...]
    bound: float
    rule: str | None = None
    container: str | None = None
    words: str = ""
    labels: dict[str, str] = field(default_factory=dict)  # of the namespace


SCENARIOS = (
    Scenario("1 good", ("env.VERSION=v2",), 15),
    Scenario("2 nothing changed", (), 2),
    Scenario(
        "3 missing tag", ("image.tag=absent", 'image.digest=""'), 10, "image_not_found", "web", "fault:absent not found"
    ),
    Scenario(
        "4 wrong pull secret",
        ("imagePullSecrets=[{name: wrong}]", "image.pullPolicy=Always"),
        25,
        "image_pull_denied",
        "web",
        "refuses the pull",
    ),
    Scenario(
        "6b never pulled",
        ("image.tag=absent", 'image.digest=""', "image.pullPolicy=Never"),
        8,
        "image_absent_never",
        "web",
        "imagePullPolicy is Never",
    ),
    Scenario(
        "7 env from a missing Secret",
        ("env.A={valueFrom: {secretKeyRef: {name: nope, key: x}}}",),
        20,
        "config_missing",
        "web",
        'secret "nope" not found',
    ),
    Scenario(
        "9 volume of a missing Secret",
        ("volumes=[{name: v, secret: {secretName: nope}}]", "volumeMounts=[{name: v, mountPath: /v}]"),
        60,
        "volume_not_mounted",
        None,
        'secret "nope" not found',
    ),
    Scenario("10a command not found", ("command=[/nope]",), 15, "not_startable", "web", "cannot start `/nope`"),
    Scenario("11 exit 1 at once", ("env.EXIT_AFTER=0s", "env.EXIT_CODE=1"), 15, "crash", "web", "exit 1"),
    Scenario(
        "12 exits once, then runs",
        (
            "env.CRASH_ONCE=/data/once",
            "volumes=[{name: data, emptyDir: {}}]",
            "volumeMounts=[{name: data, mountPath: /data}]",
        ),
        40,
    ),
    Scenario(
        "13 crashes after Ready", ("env.EXIT_AFTER=8s", "env.EXIT_CODE=1", *NO_PROBES), 45, "crash", "web", "exit 1"
    ),
    Scenario(
        "14 out of memory",
        ("env.ALLOC_MB=200", "resources={limits: {memory: 32Mi}}"),
        30,
        "out_of_memory",
        "web",
        "over its memory limit of 32Mi",
    ),
    Scenario(
        "15 init container exits 1", (crashing("migrate"),), 25, "crash", "migrate", "init container migrate: exit 1"
    ),
    Scenario(
        "17b sidecar crashes",
        (crashing("mesh", ", restartPolicy: Always"),),
        25,
        "crash",
        "mesh",
        "container mesh: exit 1",
    ),
    Scenario("18 never ready", ("env.NEVER_READY=1", READY), 75, "never_ready", "web", "statuscode: 503"),
    Scenario("19 ready after 25 s", ("replicaCount=1", "env.READY_AFTER=25s"), 40),
    Scenario(
        "20 liveness kills in a loop",
        (
            "env.SICK_AFTER=1s",
            "startupProbe=null",
            "livenessProbe={httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 2}",
        ),
        60,
        "liveness_probe",
        "web",
        "killed by its liveness probe",
    ),
    Scenario("21a no room", ("resources={requests: {cpu: '64'}}",), 75, "no_room", None, "Insufficient cpu"),
    Scenario("21b no node matches", ("nodeSelector={moon: 'true'}",), 40, "no_node_matches", None, "didn't match"),
    Scenario(
        "24 PodSecurity refuses",
        ("securityContext={allowPrivilegeEscalation: true, readOnlyRootFilesystem: true}",),
        20,
        "pods_refused",
        None,
        "violates PodSecurity",
        {"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    Scenario("29a no replicas", ("replicaCount=0",), 5),
    Scenario("30 old pods ignore SIGTERM", ("env.VERSION=v2",), 15),
    Scenario(
        "32 Recreate",
        ("strategy={type: Recreate}", "env.EXIT_AFTER=0s", "env.EXIT_CODE=1"),
        25,
        "crash",
        "web",
        "exit 1",
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario(fault: Project, scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    wrong = {"username": "deploy", "password": "wrong"}
    login = json.dumps({"auths": {os.environ["REGISTRY_URL"]: wrong}})
    kind = "--type=kubernetes.io/dockerconfigjson"
    fault.kubectl("create", "secret", "generic", "wrong", f"--from-literal=.dockerconfigjson={login}", kind)
    for key, value in scenario.labels.items():
        fault.kubectl("label", "namespace", fault.namespace, f"{key}={value}")
    first = ("--set", "env.IGNORE_TERM=1") if scenario.id.startswith("30") else ()
    good = fault.deploy("up", "--env", "dev", "--tag", "v1", *first)
    assert good.code == 0, good
    old = {pod["metadata"]["name"] for pod in fault.objects("pods")}

    sets = [part for one in scenario.sets for part in ("--set", one)]
    done = fault.deploy("up", "--env", "dev", "--tag", "v1", *sets, "-o", "json")

    said = done.json
    seconds = next(stage["seconds"] for stage in said["stages"] if stage["name"] == "rollout")
    record_property("scenario", scenario.id)
    record_property("seconds", round(seconds, 1))
    record_property("bound", scenario.bound)
    record_property("verdict", said["workloads"][0]["verdict"])
    causes = [cause for workload in said["workloads"] for cause in workload["causes"]]
    if scenario.rule is None:
        assert done.code == 0, done
        assert causes == []
    else:
        assert done.code == 5, done
        assert (causes[0]["rule"], causes[0]["container"]) == (scenario.rule, scenario.container), done
        assert scenario.words in causes[0]["message"], done
        assert not old & {pod for cause in causes for pod in cause["pods"]}, "an old pod is no cause"
        assert said["release"]["restored"] == 1
        assert said["diagnosis"]["hint"]
        assert fault.objects("deployments")[0]["status"].get("readyReplicas") == 2
        assert fault.answer().strip() == "v1"
    assert seconds <= scenario.bound, done
