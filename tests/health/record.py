"""Record fixtures from the running lab, all faults or those named: `python tests/health/record.py [NAME…]`.

Needs the variables of `python -m lab env`, and the image REGISTRY_URL/fault:v1 of tests/e2e/fault. Each fault has a
namespace of its own, rec-NAME, which is removed afterwards. The format is that of replay.py, the scenarios are those
of docs/health.md that objects can tell.
"""

import base64
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from replay import FOLDER, difference

from deployer import cluster as api

Json = dict[str, Any]

KINDS = {
    "Deployment": ("ReplicaSet",),
    "StatefulSet": ("ControllerRevision",),
    "DaemonSet": ("ControllerRevision", "Node"),
    "Job": (),
}
DULL = {
    *("allocatedResources", "apiVersion", "blockOwnerDeletion", "containerID", "dnsPolicy", "enableServiceLinks"),
    *("eventTime", "fieldPath", "firstTimestamp", "generateName", "hostIP", "hostIPs", "imagePullPolicy"),
    *("lastProbeTime", "managedFields", "namespace", "podIP", "podIPs", "preemptionPolicy", "qosClass"),
    *("reportingComponent", "reportingInstance", "resourceVersion", "schedulerName", "selfLink", "serviceAccount"),
    *("serviceAccountName", "source", "successThreshold", "terminationMessagePath", "terminationMessagePolicy"),
    *("tolerations", "user"),
}
"""What no rule asks for, wherever it stands."""
NORMAL = ("Pulling", "Pulled", "Created", "FailedBinding", "ExternalProvisioning")
"""Events that are no warnings, and yet tell something."""
READY = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2}
HEALTH = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 2}
FOREIGN = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 2, 0xB7) + bytes(100)
"""The head of a program for another kind of machine."""


@dataclass(frozen=True)
class Cluster:
    """The lab, as a step between two versions may use it."""

    door: api.Cluster
    namespace: str
    registry: str
    kind: str

    def path(self, kind: str, name: str | None = None) -> str:
        return api.path(kind, self.namespace, name)

    def apply(self, version: "Version", **spec: Any) -> None:
        self.door.apply(self.path(self.kind, "web"), workload(self, version, spec))

    def status(self) -> Json:
        return dict(self.door.get(self.path(self.kind, "web")).get("status") or {})

    def pods(self) -> list[Json]:
        return list(self.door.list(self.path("Pod"))[0])


Step = Callable[[Cluster], None]


@dataclass(frozen=True)
class Version:
    """What is changed of the good workload: its container, its pods, its own spec; an init container."""

    container: Json = field(default_factory=dict)
    pod: Json = field(default_factory=dict)
    spec: Json = field(default_factory=dict)
    init: Json | None = None


GOOD = Version()


@dataclass(frozen=True)
class Fault:
    """A rollout to record: of a version, for so many seconds."""

    seconds: float
    version: Version = GOOD
    kind: str = "Deployment"
    before: Version | None = None  # healthy before the recording begins, unless `ready` says what to wait for
    ready: Step | None = None
    then: Step | None = None  # after that, before the recording
    meanwhile: Step | None = None  # while it is recorded
    labels: Json = field(default_factory=dict)
    objects: tuple[Json, ...] = ()
    password: str | None = None
    also: tuple[str, ...] = ()  # more kinds to record
    beside: tuple[tuple[str, str], ...] = ()


def env(**variables: str) -> Json:
    """A container's environment."""
    return {"env": [{"name": key, "value": value} for key, value in variables.items()]}


def until(true: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.3)


def healthy(lab: Cluster) -> None:
    """All pods are there and Ready."""

    def look() -> bool:
        status, spec = lab.status(), lab.door.get(lab.path(lab.kind, "web"))["spec"]
        ready = status.get("numberReady" if lab.kind == "DaemonSet" else "readyReplicas", 0)
        return bool(
            ready == status.get("desiredNumberScheduled", spec.get("replicas")) and "observedGeneration" in status
        )

    until(look)
    time.sleep(2)


def waits(reason: str) -> Step:
    """A container waits for this reason."""

    def look(lab: Cluster) -> bool:
        states = [one for pod in lab.pods() for one in pod["status"].get("containerStatuses") or ()]
        return any((one["state"].get("waiting") or {}).get("reason") == reason for one in states)

    return lambda lab: until(lambda: look(lab))


def restarted(lab: Cluster) -> None:
    """A container was started anew."""
    until(lambda: any(s["restartCount"] for p in lab.pods() for s in p["status"].get("containerStatuses") or ()))


def over(version: Version, then: Step) -> Step:
    """Another version over the one before, and what to wait for."""

    def step(lab: Cluster) -> None:
        lab.apply(version)
        then(lab)

    return step


def quota(**hard: str) -> Step:
    """A quota, and time for its controller to count."""

    def step(lab: Cluster) -> None:
        spec = {"hard": {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}}
        item = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}
        lab.door.apply(f"/api/v1/namespaces/{lab.namespace}/resourcequotas/q", item)
        time.sleep(4)

    return step


def secret_late(lab: Cluster) -> None:
    """The Secret comes six seconds late."""
    time.sleep(6)
    item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nope"}, "stringData": {"key": "x"}}
    lab.door.apply(lab.path("Secret", "nope"), item)


def timed_out(lab: Cluster) -> None:
    """The Deployment's progress deadline has passed."""
    until(lambda: any(c["reason"] == "ProgressDeadlineExceeded" for c in lab.status().get("conditions") or ()))
    time.sleep(2)


def scale_up(lab: Cluster) -> None:
    """From two replicas to five, once the new ReplicaSet is there."""
    until(lambda: len(lab.door.list(lab.path("ReplicaSet"))[0]) > 1)
    lab.apply(SECOND, replicas=5)


def free_the_trap(lab: Cluster) -> None:
    """Delete the broken pod, as `deploy` does."""
    time.sleep(1.5)
    lab.door.delete(lab.path("Pod", "web-2"))


def lose_volume(lab: Cluster) -> None:
    """A claim that is bound, and then its volume is gone."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{lab.namespace}-data"},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/tmp"},
            "storageClassName": "",
            "claimRef": {"namespace": lab.namespace, "name": "data"},
        },
    }
    place = f"/api/v1/persistentvolumes/{lab.namespace}-data"
    lab.door.apply(place, volume)
    claim = claimed(storageClassName="", volumeName=f"{lab.namespace}-data")
    lab.door.apply(lab.path("PersistentVolumeClaim", "data"), claim)
    until(lambda: lab.door.get(lab.path("PersistentVolumeClaim", "data"))["status"]["phase"] == "Bound")
    lab.door.delete(place)
    found = lab.door.get(place)
    found["metadata"]["finalizers"] = None  # what protects a volume that is in use
    lab.door.replace(place, found)
    until(lambda: lab.door.get(lab.path("PersistentVolumeClaim", "data"))["status"]["phase"] == "Lost")


def claimed(**spec: Any) -> Json:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}} | spec
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": wanted}


def service(**selector: str) -> Json:
    spec = {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def door_to_the_registry(port: int, after: float) -> Step:
    """Another port that leads to the registry, from `after` seconds on: until then nobody answers there."""

    def step(lab: Cluster) -> None:
        time.sleep(after)
        host, _, real = lab.registry.partition(":")
        listener = socket.create_server(("", port))

        def pipe(one: socket.socket, other: socket.socket) -> None:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

        def serve() -> None:
            while True:
                caller, _ = listener.accept()
                called = socket.create_connection((host, int(real)))
                for pair in ((caller, called), (called, caller)):
                    threading.Thread(target=pipe, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()

    return step


SECOND = Version(env(VERSION="2"))
NEVER_READY = Version(env(NEVER_READY="1"))
CRASH = env(EXIT_AFTER="0s", EXIT_CODE="1")
ABSENT = {"image": "{registry}/fault:absent"}
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
ON_SECRET = {"volumes": [{"name": "v", "secret": {"secretName": "nope"}}]}
ON_CLAIM = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
ON_CONFIG = {"volumes": [{"name": "v", "configMap": {"name": "foreign", "defaultMode": 493}}]}
ENVFROM = {"envFrom": [{"secretRef": {"name": "nope"}}]}
PORT = "registry.lab:{}/fault:v1"
STARTUP = {"startupProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 90}}
NODE = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
ON_NODE2 = {"env": [NODE, {"name": "FAIL_ON_NODE", "value": "node2"}]}
DEADLINE = {"progressDeadlineSeconds": 15}
LONG_END = {"terminationGracePeriodSeconds": 60}
SIDECAR = {"restartPolicy": "Always"}
OF_FOUR = {"replicas": 4}
THROUGH_QUOTA = {"pod": {"terminationGracePeriodSeconds": 5}, "spec": OF_FOUR}
PROGRAM = {"program": base64.b64encode(FOREIGN).decode()}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}, "binaryData": PROGRAM}
SERVED = ("Service", "EndpointSlice")
SERVICE = (("Service", "web"),)

FAULTS: dict[str, Fault] = {
    "good": Fault(12),
    "update": Fault(15, SECOND, before=GOOD),
    "nothing-changes": Fault(4, before=GOOD),
    "missing-tag": Fault(12, Version(ABSENT)),
    "wrong-pull-secret": Fault(40, Version({"imagePullPolicy": "Always"}), password="wrong"),
    "absent-pull-secret": Fault(40, Version({"imagePullPolicy": "Always"}, {"imagePullSecrets": [{"name": "nope"}]})),
    "registry-comes-back": Fault(
        75,
        Version({"image": PORT.format(5444), "imagePullPolicy": "Always"}),
        meanwhile=door_to_the_registry(5444, after=30),
    ),
    "registry-away": Fault(96, Version({"image": PORT.format(5445), "imagePullPolicy": "Always"})),
    "bad-name": Fault(12, Version({"image": "{registry}/demo/Web:UPPER!"})),
    "pull-never": Fault(6, Version(ABSENT | {"imagePullPolicy": "Never"})),
    "missing-secret-env": Fault(22, Version(ENVFROM)),
    "secret-late": Fault(32, Version(ENVFROM), meanwhile=secret_late),
    "missing-secret-volume": Fault(32, Version(MOUNT, ON_SECRET)),
    "command-not-found": Fault(12, Version({"command": ["/nope"]})),
    "foreign-program": Fault(20, Version(MOUNT | {"command": ["/v/program"]}, ON_CONFIG), objects=(CONFIG,)),
    "exit-at-once": Fault(20, Version(CRASH)),
    "exit-once": Fault(
        20,
        Version(
            env(CRASH_ONCE="/v/marker") | MOUNT,
            {"volumes": [{"name": "v", "emptyDir": {}}]},
        ),
    ),
    "exit-later": Fault(30, Version(env(EXIT_AFTER="8s", EXIT_CODE="1") | {"readinessProbe": None})),
    "out-of-memory": Fault(20, Version(env(ALLOC_MB="256") | {"resources": {"limits": {"memory": "32Mi"}}})),
    "init-crash": Fault(20, Version(init=CRASH)),
    "slow-init": Fault(50, Version(init=env(RUN_FOR="40s"))),
    "sidecar": Fault(15, Version(init=env(RUN_FOR="1h") | SIDECAR)),
    "sidecar-crash": Fault(22, Version(init=CRASH | SIDECAR)),
    "never-ready": Fault(70, NEVER_READY),
    "slow-start": Fault(62, Version(env(READY_AFTER="50s") | STARTUP)),
    "liveness-loop": Fault(20, Version(env(SICK_AFTER="1s") | {"livenessProbe": HEALTH})),
    "unschedulable-cpu": Fault(66, Version({"resources": {"requests": {"cpu": "64"}}})),
    "unschedulable-selector": Fault(35, Version(pod={"nodeSelector": {"disk": "nobody-has"}})),
    "quota": Fault(38, SECOND, before=GOOD, then=quota(pods="2")),
    "quota-throttle": Fault(
        75,
        Version(env(VERSION="2", IGNORE_TERM="1"), **THROUGH_QUOTA),
        before=Version(env(IGNORE_TERM="1"), **THROUGH_QUOTA),
        then=quota(pods="5"),
    ),
    "quota-replicasets": Fault(16, SECOND, before=GOOD, then=quota(count__replicasets_apps="1")),
    "pod-security": Fault(16, labels={"pod-security.kubernetes.io/enforce": "restricted"}),
    "deadline": Fault(22, Version(NEVER_READY.container, spec=DEADLINE), before=Version(spec=DEADLINE)),
    "deadline-undone": Fault(
        12,
        Version(spec=DEADLINE),
        before=Version(spec=DEADLINE),
        then=over(Version(NEVER_READY.container, spec=DEADLINE), timed_out),
    ),
    "over-a-bad-one": Fault(15, SECOND, before=GOOD, then=over(NEVER_READY, lambda lab: time.sleep(3))),
    "old-crash-loop": Fault(15, SECOND, before=Version(env(EXIT_AFTER="1s", EXIT_CODE="1")), ready=restarted),
    "scaled-meanwhile": Fault(20, SECOND, before=GOOD, meanwhile=scale_up),
    "no-replicas": Fault(4, Version(spec={"replicas": 0})),
    "scaled-up-without-image": Fault(
        12, Version(ABSENT), before=Version(ABSENT, spec={"replicas": 0}), ready=lambda lab: time.sleep(2)
    ),
    "old-ignore-the-end": Fault(
        15, Version(env(VERSION="2", IGNORE_TERM="1"), LONG_END), before=Version(env(IGNORE_TERM="1"), LONG_END)
    ),
    "paused": Fault(6, Version(SECOND.container, spec={"paused": True}), before=GOOD),
    "recreate": Fault(
        22,
        Version(CRASH, spec={"strategy": {"type": "Recreate"}}),
        before=Version(spec={"strategy": {"type": "Recreate"}}),
    ),
    "stateful-bad": Fault(16, Version(ABSENT), "StatefulSet", before=GOOD),
    "stateful-trap": Fault(12, GOOD, "StatefulSet", before=GOOD, then=over(Version(ABSENT), waits("ImagePullBackOff"))),
    "stateful-trap-freed": Fault(
        20,
        GOOD,
        "StatefulSet",
        before=GOOD,
        then=over(Version(ABSENT), waits("ImagePullBackOff")),
        meanwhile=free_the_trap,
    ),
    "stateful-partition": Fault(
        14,
        Version(SECOND.container, spec={"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
        "StatefulSet",
        before=Version(spec={"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
    ),
    "stateful-on-delete": Fault(
        6,
        Version(SECOND.container, spec={"updateStrategy": {"type": "OnDelete"}}),
        "StatefulSet",
        before=Version(spec={"updateStrategy": {"type": "OnDelete"}}),
    ),
    "daemon-bad-node": Fault(30, Version(ON_NODE2), "DaemonSet", before=GOOD),
    "job-fails": Fault(40, Version(CRASH | {"readinessProbe": None}, spec={"backoffLimit": 1}), "Job"),
    "job-without-image": Fault(12, Version(ABSENT | {"readinessProbe": None}, spec={"backoffLimit": 1}), "Job"),
    "job": Fault(8, Version(env(RUN_FOR="2s") | {"readinessProbe": None}), "Job"),
    "claim-unbound": Fault(68, Version(MOUNT, ON_CLAIM), objects=(claimed(),), also=("PersistentVolumeClaim",)),
    "claim-lost": Fault(8, Version(MOUNT, ON_CLAIM), before=GOOD, then=lose_volume, also=("PersistentVolumeClaim",)),
    "service": Fault(12, objects=(service(app="web"),), also=SERVED, beside=SERVICE),
    "service-nowhere": Fault(22, objects=(service(app="wbe"),), also=SERVED, beside=SERVICE),
}


def workload(lab: Cluster, version: Version, spec: Json) -> Json:
    """The workload `web`, good but for what a version changes: two replicas, a StatefulSet three."""
    good: Json = {"name": "web", "image": f"{lab.registry}/fault:v1", "readinessProbe": READY}
    web = {key: value for key, value in (good | version.container).items() if value is not None}
    web["image"] = web["image"].format(registry=lab.registry)
    pod: Json = {
        "containers": [web],
        "imagePullSecrets": [{"name": "pull"}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        **version.pod,
    }
    if version.init is not None:
        pod["initContainers"] = [{"name": "init", "image": f"{lab.registry}/fault:v1", **version.init}]
    labels = {"app": "web"}
    of_kind: Json = {
        "Deployment": {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
        "StatefulSet": {"replicas": 3, "serviceName": "web"},
        "DaemonSet": {},
        "Job": {},
    }[lab.kind]
    if lab.kind == "Job":
        pod["restartPolicy"] = "Never"
    else:
        of_kind = of_kind | {"selector": {"matchLabels": labels}}
    return {
        "apiVersion": "batch/v1" if lab.kind == "Job" else "apps/v1",
        "kind": lab.kind,
        "metadata": {"name": "web", "namespace": lab.namespace},
        "spec": {**of_kind, "template": {"metadata": {"labels": labels}, "spec": pod}, **version.spec, **spec},
    }


def prepare(lab: Cluster, fault: Fault) -> None:
    """The namespace, its pull secret and what else is to be there."""
    head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": lab.namespace, "labels": fault.labels}}
    lab.door.apply(api.path("Namespace", None, lab.namespace), head)
    login = {"username": os.environ["REG_USER"], "password": fault.password or os.environ["REG_PASS"]}
    hosts = (lab.registry, *(f"registry.lab:{port}" for port in (5444, 5445)))
    config = json.dumps({"auths": dict.fromkeys(hosts, login)}).encode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config).decode()},
    }
    for item in (secret, *fault.objects):
        lab.door.apply(lab.path(item["kind"], item["metadata"]["name"]), item)
    time.sleep(4)  # the default service account, and the kubelets' look at the secret


def small(item: Json) -> Json | None:
    """What the rules may ask for; None where they would not."""
    if item["kind"] == "Event":
        if item.get("type") == "Normal" and item.get("reason") not in NORMAL:
            return None
        item = {**item, "metadata": {**item["metadata"], "name": ""}}
    if item["kind"] == "Node":
        item = {"kind": "Node", "metadata": item["metadata"], "status": {"conditions": item["status"]["conditions"]}}
        item["metadata"] = {key: item["metadata"][key] for key in ("name", "uid", "creationTimestamp")}
    if item["kind"] == "ReplicaSet":
        item = {**item, "spec": {"replicas": item["spec"].get("replicas")}}
    item = {key: value for key, value in item.items() if key != "data"}
    made: Json = _pruned(item)
    for one in (made.get("status") or {}).get("conditions") or ():
        one.pop("observedGeneration", None)
    return made


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(one) for key, one in value.items() if key not in DULL}
    return [_pruned(one) for one in value] if isinstance(value, list) else value


def record(kubeconfig: Path, context: str, name: str) -> None:
    """One fault, from a namespace to a file."""
    fault = FAULTS[name]
    lab = Cluster(api.connect(kubeconfig, context), f"rec-{name}", os.environ["REGISTRY_URL"], fault.kind)
    try:
        prepare(lab, fault)
        if fault.before is not None:
            lab.apply(fault.before)
            (fault.ready or healthy)(lab)
        if fault.then is not None:
            fault.then(lab)
        since = lab.door.server_time()
        head: Json = {"since": round(since, 2), "workload": "web", "kind": fault.kind}
        changes: list[tuple[float, str, str, Json]] = []
        streams = []
        for kind in (fault.kind, *KINDS[fault.kind], "Pod", "Event", *fault.also):
            items, version = lab.door.list(lab.path(kind))
            changes += [(0.0, "ADDED", kind, one) for one in items]
            if kind == "Node":
                continue
            stream = lab.door.watch(lab.path(kind), version, read_timeout=200)
            streams.append(stream)

            def take(kind: str = kind, stream: api.Stream = stream, changes: list[Any] = changes) -> None:
                for type_, item in stream:
                    if type_ != "BOOKMARK":
                        t = round(lab.door.server_time() - since, 2)
                        changes.append((t, type_, kind, item))

            threading.Thread(target=take, daemon=True).start()
        lab.apply(fault.version)
        began = time.monotonic()
        if fault.meanwhile is not None:
            fault.meanwhile(lab)
        time.sleep(max(0.0, began + fault.seconds - time.monotonic()))
        for stream in streams:
            stream.close()
        time.sleep(0.3)
        lean = [(*rest, made) for *rest, item in sorted(changes, key=lambda one: one[0]) if (made := small(item))]
        lines = difference(lean)
        head |= {"beside": fault.beside} if fault.beside else {}
        text = "".join(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n" for line in [head, *lines])
        (FOLDER / f"{name}.jsonl").write_text(text)
        print(name, len(lines), "changes,", len(text) // 1024, "KB", flush=True)
    finally:
        lab.door.delete(api.path("Namespace", None, lab.namespace))
        lab.door.close()


def main() -> None:
    kubeconfig = Path(os.environ["LAB_ADMIN_KUBECONFIG"])
    context = yaml.safe_load(kubeconfig.read_text())["current-context"]
    with ThreadPoolExecutor(max_workers=5) as threads:
        tries = {name: threads.submit(record, kubeconfig, context, name) for name in sys.argv[1:] or FAULTS}
        for name, done in tries.items():
            try:
                done.result()
            except Exception as error:
                print(name, "failed:", repr(error), flush=True)


if __name__ == "__main__":
    main()
