"""Record fixtures from the running lab, all faults or those named: `python tests/health/record.py [NAME…]`.

Needs the variables of `python -m lab env`, and the image REGISTRY_URL/fault:v1 of tests/e2e/fault. Each fault has a
namespace of its own, rec-NAME, which is removed afterwards. The format is that of replay.py.
"""

import base64
import copy
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from deployer import cluster as api

KINDS = ("Deployment", "ReplicaSet", "Pod", "Event")
FOLDER = Path(__file__).parent / "fixtures"
USELESS = ("managedFields", "resourceVersion", "generateName", "selfLink")
DULL = {
    "Pod": ("tolerations", "dnsPolicy", "schedulerName", "serviceAccount", "enableServiceLinks", "preemptionPolicy"),
    "Event": (),
}

Json = dict[str, Any]
READY = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2}
HEALTH = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 2}


def fault(**env: str) -> Json:
    """What to change of the good container: `env` by name, the rest through `with_`."""
    return {"env": [{"name": key, "value": value} for key, value in env.items()]}


FAULTS: dict[str, Json] = {
    "good": {"seconds": 12},
    "missing-tag": {"container": {"image": "{registry}/fault:absent"}, "seconds": 12},
    "wrong-pull-secret": {"password": "wrong", "container": {"imagePullPolicy": "Always"}, "seconds": 40},
    "exit-at-once": {"container": fault(EXIT_AFTER="0s", EXIT_CODE="1"), "seconds": 20},
    "exit-later": {"container": fault(EXIT_AFTER="8s", EXIT_CODE="1") | {"readinessProbe": None}, "seconds": 30},
    "out-of-memory": {
        "container": fault(ALLOC_MB="256") | {"resources": {"limits": {"memory": "32Mi"}}},
        "seconds": 20,
    },
    "never-ready": {"container": fault(NEVER_READY="1"), "seconds": 70},
    "missing-secret-env": {"container": {"envFrom": [{"secretRef": {"name": "nope"}}]}, "seconds": 22},
    "missing-secret-volume": {
        "pod": {"volumes": [{"name": "v", "secret": {"secretName": "nope"}}]},
        "container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        "seconds": 32,
    },
    "command-not-found": {"container": {"command": ["/nope"]}, "seconds": 12},
    "init-crash": {"init": fault(EXIT_AFTER="0s", EXIT_CODE="1"), "seconds": 20},
    "liveness-loop": {"container": fault(SICK_AFTER="1s") | {"livenessProbe": HEALTH}, "seconds": 20},
    "unschedulable-selector": {"pod": {"nodeSelector": {"disk": "nobody-has"}}, "seconds": 35},
    "unschedulable-cpu": {"container": {"resources": {"requests": {"cpu": "64"}}}, "seconds": 66},
    "quota": {"before": True, "quota": {"pods": "2"}, "container": fault(VERSION="2"), "seconds": 38},
    "quota-replicasets": {
        "before": True,
        "quota": {"count/replicasets.apps": "1"},
        "container": fault(VERSION="2"),
        "seconds": 16,
    },
    "pod-security": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}, "seconds": 16},
    "paused": {"before": True, "container": fault(VERSION="2"), "spec": {"paused": True}, "seconds": 6},
    "bad-name": {"container": {"image": "{registry}/demo/Web:UPPER!"}, "seconds": 12},
    "update": {"before": True, "container": fault(VERSION="2"), "seconds": 15},
}


def workload(namespace: str, registry: str, how: Json) -> Json:
    """A Deployment of two replicas, good but for the fault."""
    good: Json = {"name": "web", "image": f"{registry}/fault:v1", "readinessProbe": READY}
    web = {key: value for key, value in (good | how.get("container", {})).items() if value is not None}
    web["image"] = web["image"].format(registry=registry)
    spec: Json = {
        "containers": [web],
        "imagePullSecrets": [{"name": "pull"}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        **how.get("pod", {}),
    }
    if "init" in how:
        spec["initContainers"] = [{"name": "init", "image": f"{registry}/fault:v1", **how["init"]}]
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            **how.get("spec", {}),
        },
    }


def prepare(cluster: api.Cluster, namespace: str, registry: str, how: Json) -> None:
    """The namespace, its pull secret and its quota."""
    head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": how.get("labels", {})}}
    cluster.apply(api.path("Namespace", None, namespace), head)
    login = {"username": os.environ["REG_USER"], "password": how.get("password", os.environ["REG_PASS"])}
    config = json.dumps({"auths": {registry: login}}).encode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config).decode()},
    }
    cluster.apply(api.path("Secret", namespace, "pull"), secret)
    time.sleep(4)  # the default service account, and the kubelets' look at the secret


def limit(cluster: api.Cluster, namespace: str, how: Json) -> None:
    """The quota, and time for its controller to count."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": how["quota"]},
    }
    cluster.apply(f"/api/v1/namespaces/{namespace}/resourcequotas/q", quota)
    time.sleep(4)


def small(item: Json) -> Json:
    """What the rules may ask for."""
    item = copy.deepcopy(item)
    for key in USELESS:
        item["metadata"].pop(key, None)
    if item["kind"] == "Event":
        for key in ("reportingComponent", "reportingInstance", "source", "apiVersion"):
            item.pop(key, None)
    for key in DULL.get(item["kind"], ()):
        item.get("spec", {}).pop(key, None)
    for part in ("containerStatuses", "initContainerStatuses"):
        for one in item.get("status", {}).get(part) or ():
            one.pop("containerID", None)
    for part in ("hostIP", "hostIPs", "podIP", "podIPs", "qosClass"):
        item.get("status", {}).pop(part, None)
    return item


def record(kubeconfig: Path, context: str, name: str) -> None:
    """One fault, from a namespace to a file."""
    how, namespace, registry = FAULTS[name], f"rec-{name}", os.environ["REGISTRY_URL"]
    cluster = api.connect(kubeconfig, context)
    try:
        prepare(cluster, namespace, registry, how)
        place = api.path("Deployment", namespace, "web")
        if how.get("before"):
            cluster.apply(place, workload(namespace, registry, {}))
            while cluster.get(place).get("status", {}).get("availableReplicas") != 2:
                time.sleep(0.5)
            time.sleep(2)
        if "quota" in how:
            limit(cluster, namespace, how)
        since = cluster.server_time()
        lines: list[Json] = [{"since": round(since, 2), "workload": "web"}]
        streams = []
        for kind in KINDS:
            items, version = cluster.list(api.path(kind, namespace))
            lines += [{"t": 0.0, "type": "ADDED", "kind": kind, "object": small(one)} for one in items]
            stream = cluster.watch(api.path(kind, namespace), version, read_timeout=200)
            streams.append(stream)

            def take(kind: str = kind, stream: api.Stream = stream, lines: list[Json] = lines) -> None:
                for type_, item in stream:
                    if type_ != "BOOKMARK":
                        t = round(cluster.server_time() - since, 2)
                        lines.append({"t": t, "type": type_, "kind": kind, "object": small(item)})

            threading.Thread(target=take, daemon=True).start()
        cluster.apply(place, workload(namespace, registry, how))
        time.sleep(how["seconds"])
        for stream in streams:
            stream.close()
        time.sleep(0.3)
        head, *rest = lines
        rest.sort(key=lambda line: line["t"])
        text = "".join(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n" for line in [head, *rest])
        (FOLDER / f"{name}.jsonl").write_text(text)
        print(name, len(rest), "changes,", len(text) // 1024, "KB")
    finally:
        cluster.delete(api.path("Namespace", None, namespace))
        cluster.close()


def main() -> None:
    kubeconfig = Path(os.environ["LAB_ADMIN_KUBECONFIG"])
    context = yaml.safe_load(kubeconfig.read_text())["current-context"]
    with ThreadPoolExecutor(max_workers=5) as threads:
        for done in [threads.submit(record, kubeconfig, context, name) for name in sys.argv[1:] or FAULTS]:
            try:
                done.result()
            except Exception as error:
                print("failed:", error)


if __name__ == "__main__":
    main()
