"""The rollout scenarios as one table: what is changed, what must be said of it, and how soon. docs/health.md tells why.

Seconds are counted from helm's return to the verdict: the stage "rollout" of the JSON.
"""

import base64
import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import yaml
from conftest import Project

IMAGE = "registry.lab:5443/fault:v1"
CRASH = {"env.EXIT_AFTER": "0s", "env.EXIT_CODE": "1"}
ABSENT = {"image.tag": "absent", "image.digest": '""'}
FOREIGN = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 2, 0xB7) + bytes(100)
"""The head of a program for another kind of machine."""


@dataclass(frozen=True)
class Scenario:
    """One rollout of a new version over a healthy one."""

    id: str
    bound: float  # seconds from helm's return to the verdict
    change: dict[str, str]  # values of the new version, as --set takes them
    base: dict[str, str]  # of the old version
    both: dict[str, str]  # of both
    no_sooner: float = 0  # a verdict before that would be a guess
    code: int = 0
    rule: str | None = None
    container: str | None = None
    words: tuple[str, ...] = ()  # in the message
    log: str | None = None  # in the log that the diagnosis shows
    warning: str | None = None
    rolled: bool = True
    before: Callable[[Project], None] | None = None  # between the two versions
    meanwhile: Callable[[Project], None] | None = None  # while the new one rolls out

    def __str__(self) -> str:
        return self.id


def good(id: str, bound: float, change: dict[str, str] | None = None, /, **more: object) -> Scenario:
    """A rollout that must be called healthy."""
    return _scenario(id, bound, change, 0, None, more)


def bad(id: str, bound: float, rule: str, change: dict[str, str], /, *words: str, **more: object) -> Scenario:
    """A rollout that must be called failed, for this cause, after which the old version serves again."""
    return _scenario(id, bound, change, 5, rule, {"words": words, "container": "web", **more})


def _scenario(
    id: str, bound: float, change: dict[str, str] | None, code: int, rule: str | None, more: dict[str, object]
) -> Scenario:
    given: dict[str, object] = {"base": {}, "both": {}, **more}
    return Scenario(id, bound, change=change or {}, code=code, rule=rule, **given)  # type: ignore[arg-type]


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Await a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:.0f} s"
        time.sleep(0.1)


def waiting(project: Project, reason: str) -> bool:
    """Whether a container of the namespace waits for this reason."""
    states = [
        one.get("state", {})
        for pod in project.objects("pods")
        for one in (
            *pod["status"].get("initContainerStatuses", ()),
            *pod["status"].get("containerStatuses", ()),
        )
    ]
    return any(state.get("waiting", {}).get("reason") == reason for state in states)


def _applies(*documents: dict[str, object]) -> Callable[[Project], None]:
    def apply(project: Project) -> None:
        project.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    return apply


def _wrong_pull_secret(project: Project) -> None:
    login = {"username": "deploy", "password": "wrong", "auth": base64.b64encode(b"deploy:wrong").decode()}
    config = json.dumps({"auths": {"registry.lab:5443": login}})
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "wrong"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config},
    }
    _applies(secret)(project)


def _foreign_program(project: Project) -> None:
    data = {"program": base64.b64encode(FOREIGN).decode()}
    _applies({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}, "binaryData": data})(project)


def _quota(**hard: str) -> Callable[[Project], None]:
    limits = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}

    def apply(project: Project) -> None:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": limits}}
        _applies(quota)(project)
        until(lambda: project.objects("resourcequotas")[0].get("status", {}).get("used"), "the quota's count")

    return apply


def _restricted(project: Project) -> None:
    project.kubectl("label", "namespace", project.namespace, "pod-security.kubernetes.io/enforce=restricted")


def _late_secret(project: Project) -> None:
    until(lambda: waiting(project, "CreateContainerConfigError"), "the container that waits")
    time.sleep(5)  # so late the Secret is
    project.kubectl("create", "secret", "generic", "absent", "--from-literal=key=x")


def _scale_up(project: Project) -> None:
    until(lambda: len(project.objects("replicasets")) > 1, "the new ReplicaSet")
    project.kubectl("scale", "deployment/web", "--replicas=5")


def _pause(project: Project) -> None:
    project.kubectl("rollout", "pause", "deployment/web")


def _crash_loop(project: Project) -> None:
    until(
        lambda: any(
            one["restartCount"] for pod in project.objects("pods") for one in pod["status"].get("containerStatuses", ())
        ),
        "a restart of the old version",
    )


def _container(name: str, **more: object) -> str:
    """A list of one init container or sidecar; upper-case names are variables."""
    env = [{"name": key, "value": str(value)} for key, value in more.items() if key.isupper()]
    rest = {key: value for key, value in more.items() if not key.isupper()}
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    return json.dumps([{"name": name, "image": IMAGE, "env": env, "securityContext": security, **rest}])


SLOW = _container("slow", RUN_FOR="8s")
NO_PROBES = {"startupProbe": "null", "readinessProbe": "null", "livenessProbe": "null"}
ONE = {"replicaCount": "1"}
ONE_A_NODE = {
    "affinity": json.dumps(
        {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "web"}},
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        }
    )
}
FROM_SECRET = {"env.DB": '{"valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}}'}

SCENARIOS = (
    good("1-good", 30, {"env.READY_AFTER": "2s"}, both={"replicaCount": "3"}),
    good("2-nothing-changes", 2, rolled=False),
    bad("3-image-not-found", 25, "image_not_found", ABSENT, "fault:absent not found"),
    bad(
        *("4a-wrong-pull-secret", 25, "image_pull_denied"),
        {"imagePullSecrets": "[{name: wrong}]", "image.pullPolicy": "Always"},
        *("fault:v2", "refuses the pull"),
        before=_wrong_pull_secret,
    ),
    bad(
        *("4b-no-pull-secret", 40, "image_pull_denied"),
        {"imagePullSecrets": "[{name: nobody}]", "image.pullPolicy": "Always"},
        *("fault:v2", "refuses the pull"),
    ),
    bad(
        *("6b-image-never-pulled", 8, "image_absent_never"),
        {**ABSENT, "image.pullPolicy": "Never"},
        "is not on the node",
    ),
    bad("7-secret-missing", 25, "config_missing", FROM_SECRET, 'secret "absent" not found'),
    good("8-secret-late", 35, FROM_SECRET, meanwhile=_late_secret),
    bad(
        *("9-secret-volume-missing", 60, "volume_not_mounted"),
        {
            "volumes": "[{name: v, secret: {secretName: absent}}]",
            "volumeMounts": "[{name: v, mountPath: /v}]",
        },
        'secret "absent" not found',
        container=None,
    ),
    bad("10a-command-not-found", 15, "not_startable", {"command": "[/nope]"}, "/nope"),
    bad(  # runc starts it, so it is seen as a crash: the log says what the exit code does not
        *("10b-program-for-another-machine", 20, "crash"),
        {
            "command": "[/x/program]",
            "volumes": "[{name: x, configMap: {name: foreign, defaultMode: 493}}]",
            "volumeMounts": "[{name: x, mountPath: /x}]",
        },
        "exit ",
        log="exec format error",
        before=_foreign_program,
    ),
    bad("11-exits-at-once", 25, "crash", CRASH, "exit 1", log="cannot open /data/orders.db"),
    good(
        *("12-exits-once-then-runs", 30),
        {
            "env.CRASH_ONCE": "/once/marker",
            "volumes": "[{name: w, emptyDir: {}}]",
            "volumeMounts": "[{name: w, mountPath: /once}]",
        },
    ),
    bad(
        *("13-panics-after-ready", 45, "crash"),
        {"env.EXIT_AFTER": "8s", "env.EXIT_CODE": "2"},
        "exit 2",
        both=NO_PROBES,
        log="cannot open /data/orders.db",
    ),
    bad(
        *("14-out-of-memory", 30, "out_of_memory"),
        {"env.ALLOC_MB": "200", "resources.limits.memory": "64Mi"},
        *("OOMKilled", "64Mi"),
    ),
    bad(
        *("15-init-container-fails", 25, "crash"),
        {"initContainers": _container("migrate", EXIT_AFTER="0s", EXIT_CODE=1)},
        *("init container migrate", "exit 1"),
        container="migrate",
        log="cannot open /data/orders.db",
    ),
    good("16-slow-init-container", 50, {"initContainers": _container("slow", RUN_FOR="40s")}, both=ONE, no_sooner=35),
    good("17a-native-sidecar", 30, {"initContainers": _container("proxy", RUN_FOR="1h", restartPolicy="Always")}),
    bad(
        *("17b-native-sidecar-crashes", 25, "crash"),
        {"initContainers": _container("proxy", EXIT_AFTER="0s", EXIT_CODE=1, restartPolicy="Always")},
        *("container proxy", "exit 1"),
        container="proxy",
        log="cannot open /data/orders.db",
    ),
    bad("18-never-ready", 75, "never_ready", {"env.NEVER_READY": "1"}, "503", no_sooner=50),
    good(
        *("19-slow-start-with-a-startup-probe", 62),
        {
            "env.READY_AFTER": "50s",
            "startupProbe.httpGet.path": "/readyz",
            "startupProbe.failureThreshold": "90",
            "livenessProbe.httpGet.path": "/readyz",  # proven by the startup probe: no soak
        },
        both=ONE,
        no_sooner=45,
    ),
    bad(
        *("20-liveness-kills", 60, "liveness_probe"),
        {
            "env.SICK_AFTER": "1ns",
            "startupProbe": "null",
            "livenessProbe.periodSeconds": "2",
            "livenessProbe.failureThreshold": "2",
        },
        *("liveness probe", "500"),
    ),
    bad(
        *("21a-no-room", 75, "no_room"),
        {"resources.requests.cpu": "64"},
        "Insufficient cpu",
        container=None,
        no_sooner=50,
    ),
    bad(
        *("21b-no-node-matches", 40, "no_node_matches"),
        {"nodeSelector": "{nobody: has}"},
        "node affinity/selector",
        container=None,
        no_sooner=25,
    ),
    good(  # the second pod has no place until the second old one is gone, long after the grace
        *("21c-one-pod-a-node-and-old-pods-leave", 105),
        both={
            **ONE_A_NODE,
            "strategy.rollingUpdate.maxUnavailable": "1",
            "env.IGNORE_TERM": "1",
            "terminationGracePeriodSeconds": "35",
        },
        no_sooner=65,
    ),
    bad(
        *("21d-one-pod-a-node-and-no-old-pod-leaves", 45, "no_node_matches"),
        {},
        "anti-affinity",
        both=ONE_A_NODE,
        container=None,
        no_sooner=25,
    ),
    bad(
        *("22a-quota-exhausted", 45, "quota_exceeded"),
        {},
        *("exceeded quota", "used: pods=2", "limited: pods=2"),
        container=None,
        before=_quota(pods="2"),
        no_sooner=25,
    ),
    good(  # an old pod counts until it is gone; with maxSurge 2 the cluster itself stalls: docs/health.md
        *("22b-quota-throttles", 110),
        both={
            "replicaCount": "4",
            "strategy.rollingUpdate.maxSurge": "1",
            "env.IGNORE_TERM": "1",
            "terminationGracePeriodSeconds": "5",
        },
        before=_quota(pods="5"),
    ),
    bad(
        *("23-no-replicaset", 20, "replicaset_not_made"),
        {},
        "exceeded quota",
        container=None,
        before=_quota(count__replicasets_apps="1"),
    ),
    bad(
        *("24-pod-security", 20, "pods_refused"),
        {"securityContext.allowPrivilegeEscalation": "true"},
        *("violates PodSecurity", "allowPrivilegeEscalation"),
        container=None,
        before=_restricted,
    ),
    good("27-old-version-crash-loops", 30, base={"env.EXIT_AFTER": "12s", "env.EXIT_CODE": "1"}, before=_crash_loop),
    good("28-scaled-while-it-rolls", 45, meanwhile=_scale_up),
    good("29a-no-replicas", 2, both={"replicaCount": "0"}, rolled=False),
    bad(
        *("29b-scaled-up-with-a-missing-image", 25, "image_not_found"),
        {"replicaCount": "1", "env.VERSION": "v1"},
        "not found",
        base={"replicaCount": "0"},
        both=ABSENT,
    ),
    good(
        *("30-old-pods-ignore-sigterm", 30),
        both={"env.IGNORE_TERM": "1", "terminationGracePeriodSeconds": "60"},
        warning="still terminating",
    ),
    bad(
        *("32-recreate", 25, "crash"),
        CRASH,
        "exit 1",
        both={"strategy": "{type: Recreate, rollingUpdate: null}"},
        log="cannot open /data/orders.db",
    ),
)
