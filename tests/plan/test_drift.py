"""A live object against its manifest: what is drift, and what the cluster may have its own way."""

import copy
import json
from typing import Any

import pytest

from deployer.plan.drift import Drift, drift
from deployer.values.document import objects

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
  annotations: {a.b/c: "1"}
  creationTimestamp: null
spec:
  replicas: 2
  paused: false
  strategy: {}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: false
      imagePullSecrets: [{name: registry}]
      containers:
        - name: web
          image: r/web:1
          args: [--fast, --loud]
          ports: [{name: http, containerPort: 8080}]
          env: [{name: GREETING, value: hello}, {name: EMPTY, value: ""}]
          resources: {limits: {cpu: 1, memory: 0.5Gi}, requests: {cpu: 100m}}
          volumeMounts: [{name: files, mountPath: /files}]
      volumes: [{name: files, configMap: {name: web}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: ""
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, nodePort: 0}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {LOG_LEVEL: info, "app.conf": "a = 1\\nb = 2\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
data: {token: aHVzaA==}
stringData: {password: hush}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: a.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
    - host: b.example
"""
WEB = ("spec", "template", "spec", "containers", 0)
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers[web]"


def live() -> dict[str, dict[str, Any]]:
    """What an API server makes of the manifest: defaults, status, what it assigns; by kind."""
    found = {item["kind"]: copy.deepcopy(item) for item in objects(MANIFEST)}
    web = found["Deployment"]
    web["metadata"] |= {"uid": "1", "generation": 3, "managedFields": []}
    web["metadata"]["annotations"] |= {"deployment.kubernetes.io/revision": "3"}
    web["metadata"]["labels"] |= {"app.kubernetes.io/managed-by": "Helm"}
    del web["spec"]["paused"]
    web["spec"] |= {"strategy": {"type": "RollingUpdate"}, "progressDeadlineSeconds": 600}
    web["status"] = {"replicas": 2}
    pod = web["spec"]["template"]["spec"]
    del pod["hostNetwork"]
    pod |= {"dnsPolicy": "ClusterFirst", "securityContext": {}}
    pod["volumes"][0]["configMap"]["defaultMode"] = 420
    container = pod["containers"][0]
    container["imagePullPolicy"] = "IfNotPresent"
    container["ports"][0]["protocol"] = "TCP"
    container["resources"] = {"limits": {"cpu": "1000m", "memory": "512Mi"}, "requests": {"cpu": "0.1"}}
    del container["env"][1]["value"]
    found["Service"]["spec"] |= {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "type": "ClusterIP"}
    found["Service"]["spec"]["ports"][0] |= {"protocol": "TCP", "nodePort": 30080}
    secret = found["Secret"]
    del secret["stringData"]
    secret |= {"type": "Opaque", "data": {"token": "aHVzaA==", "password": "aHVzaA=="}}
    found["Ingress"]["spec"]["rules"].reverse()
    return found


def compared(found: dict[str, dict[str, Any]], manifest: str = MANIFEST) -> tuple[Drift, ...]:
    return drift((item, found.get(item["kind"])) for item in objects(manifest))


def at(item: Any, *path: str | int) -> Any:
    for part in path:
        item = item[part]
    return item


def test_what_the_api_server_adds_is_no_drift() -> None:
    assert compared(live()) == ()


@pytest.mark.parametrize(
    ("kind", "where", "key", "value", "expected"),
    [
        ("Deployment", ("spec",), "replicas", 5, ("spec.replicas", "2", "5")),
        ("Deployment", ("spec",), "paused", True, ("spec.paused", "false", "true")),
        ("Deployment", WEB, "image", "r/web:2", (f"{CONTAINER}.image", "r/web:1", "r/web:2")),
        ("Deployment", WEB, "args", ["--fast"], (f"{CONTAINER}.args", '["--fast", "--loud"]', '["--fast"]')),
        ("Deployment", WEB, "command", ["sh"], (f"{CONTAINER}.command", None, '["sh"]')),
        ("Deployment", (*WEB, "env", 0), "value", "bye", (f"{CONTAINER}.env[GREETING].value", "hello", "bye")),
        ("Deployment", (*WEB, "env", 1), "value", "x", (f"{CONTAINER}.env[EMPTY].value", "", "x")),
        (
            "Deployment",
            (*WEB, "resources", "limits"),
            "memory",
            "1Gi",
            (f"{CONTAINER}.resources.limits.memory", "0.5Gi", "1Gi"),
        ),
        (
            "Deployment",
            (*WEB, "resources", "requests"),
            "memory",
            "1Gi",
            (f"{CONTAINER}.resources.requests.memory", None, "1Gi"),
        ),
        (
            "Deployment",
            (*WEB, "ports", 0),
            "containerPort",
            81,
            (f"{CONTAINER}.ports[http].containerPort", "8080", "81"),
        ),
        ("Deployment", WEB[:3], "nodeSelector", {"disk": "fast"}, (f"{POD}.nodeSelector.disk", None, "fast")),
        ("Deployment", ("metadata", "labels"), "app", "x", ("metadata.labels.app", "web", "x")),
        ("Deployment", ("metadata", "annotations"), "a.b/c", "2", ('metadata.annotations["a.b/c"]', "1", "2")),
        ("Service", ("spec", "selector"), "app", "x", ("spec.selector.app", "web", "x")),
        ("Service", ("spec", "selector"), "track", "x", ("spec.selector.track", None, "x")),
        ("Service", ("spec", "ports", 0), "port", 81, ("spec.ports[http].port", "80", "81")),
        ("ConfigMap", ("data",), "LOG_LEVEL", "debug", ("data.LOG_LEVEL", "info", "debug")),
        ("ConfigMap", ("data",), "more", "x", ("data.more", None, "x")),
        ("ConfigMap", ("data",), "app.conf", "a = 1\nb = 3\n", ('data["app.conf"]', "line 2: b = 2", "line 2: b = 3")),
        ("ConfigMap", ("data",), "app.conf", "a = 1\n", ('data["app.conf"]', "line 2: b = 2", "line 2: ")),
        ("ConfigMap", ("data",), "app.conf", "a = 1", ('data["app.conf"]', "line 2: b = 2", "no line 2")),
        ("ConfigMap", (), "binaryData", {"x": "AA=="}, ("binaryData.x", None, "AA==")),
        ("Secret", ("data",), "token", "eA==", ("data.token", "***", "differs")),
        ("Secret", ("data",), "password", "eA==", ("data.password", "***", "differs")),
        ("Secret", ("data",), "more", "eA==", ("data.more", None, "***")),
        ("Ingress", ("spec", "rules", 0), "host", "c.example", ("spec.rules[0].host", "a.example", "c.example")),
    ],
)
def test_a_field_that_somebody_set(
    kind: str, where: tuple[str | int, ...], key: str, value: Any, expected: tuple[str, str | None, str | None]
) -> None:
    found = live()
    at(found[kind], *where)[key] = value
    told = compared(found)
    assert told[0] == Drift(f"{kind.lower()}/web", *expected)
    assert len(told) == (3 if kind == "Ingress" else 1)


@pytest.mark.parametrize(
    ("kind", "where", "key", "expected"),
    [
        ("Deployment", (*WEB, "env"), 0, (f"{CONTAINER}.env[GREETING]", '{"name": "GREETING", "value": "hello"}')),
        ("Deployment", WEB, "args", (f"{CONTAINER}.args", '["--fast", "--loud"]')),
        ("ConfigMap", ("data",), "LOG_LEVEL", ("data.LOG_LEVEL", "info")),
        ("Secret", ("data",), "token", ("data.token", "***")),
    ],
)
def test_a_field_that_somebody_took_away(
    kind: str, where: tuple[str | int, ...], key: str | int, expected: tuple[str, str]
) -> None:
    found = live()
    del at(found[kind], *where)[key]
    assert compared(found) == (Drift(f"{kind.lower()}/web", *expected, None),)


@pytest.mark.parametrize(
    ("where", "one", "field"),
    [
        (WEB[:4], {"name": "debug", "image": "sh"}, f"{POD}.containers[debug]"),
        ((*WEB, "env"), {"name": "MORE", "value": "x"}, f"{CONTAINER}.env[MORE]"),
        ((*WEB, "ports"), {"name": "more", "containerPort": 1}, f"{CONTAINER}.ports[more]"),
        ((*WEB, "volumeMounts"), {"name": "files", "mountPath": "/x"}, f"{CONTAINER}.volumeMounts[/x]"),
        ((*WEB[:3], "volumes"), {"name": "x", "emptyDir": {}}, f"{POD}.volumes[x]"),
    ],
)
def test_an_element_that_somebody_added(where: tuple[str | int, ...], one: dict[str, Any], field: str) -> None:
    found = live()
    at(found["Deployment"], *where).append(one)
    assert compared(found) == (Drift("deployment/web", field, None, json.dumps(one, sort_keys=True)),)


def test_where_the_manifest_has_none_there_should_be_none() -> None:
    manifest = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: i}]}}}
"""
    found = {"Deployment": copy.deepcopy(objects(manifest)[0])}
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    container |= {"resources": {}, "terminationMessagePath": "/dev/x"}
    assert compared(found, manifest) == ()
    container |= {"env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "1"}}}
    assert [(one.field, one.wanted) for one in compared(found, manifest)] == [
        (f"{CONTAINER}.env[A]", None),
        (f"{CONTAINER}.resources.limits", None),
    ]


def test_an_object_that_is_gone() -> None:
    found = live()
    del found["Service"]
    assert compared(found) == (Drift("service/web", "", "present", None),)


HPA = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""


def test_an_autoscaler_has_the_replicas() -> None:
    manifest = f"{MANIFEST}---{HPA}"
    found = live() | {"HorizontalPodAutoscaler": copy.deepcopy(objects(HPA)[0])}
    found["Deployment"]["spec"]["replicas"] = 7
    assert compared(found, manifest) == ()
    found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] = 1
    assert compared(found, manifest) == (Drift("horizontalpodautoscaler/web", "spec.minReplicas", "3", "1"),)


@pytest.mark.parametrize(("manager", "drifted"), [("kube-controller-manager", False), ("kubectl", True)])
def test_an_autoscaler_beside_the_release(manager: str, drifted: bool) -> None:
    found = live()
    found["Deployment"]["spec"]["replicas"] = 7
    found["Deployment"]["metadata"]["managedFields"] = [
        {"manager": manager, "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    ]
    assert bool(compared(found)) is drifted


@pytest.mark.parametrize(
    ("manifest", "change"),
    [
        (
            "kind: ValidatingWebhookConfiguration\n"
            "webhooks: [{name: a, failurePolicy: Ignore, clientConfig: {caBundle: ''}}]",
            {"webhooks": [{"name": "a", "failurePolicy": "Fail", "clientConfig": {"caBundle": "Cg=="}}]},
        ),
        ("kind: APIService\nspec: {caBundle: x}", {"spec": {"caBundle": "y"}}),
        ("kind: ClusterRole\naggregationRule: {a: 1}\nrules: []", {"rules": [{"verbs": ["get"]}]}),
        ("kind: Secret\ntype: kubernetes.io/service-account-token", {"data": {"token": "eA=="}}),
        ("kind: ConfigMap", {"data": {"leader": "a"}}),
        (
            "kind: Pod\nspec: {tolerations: [{key: a}], containers: [{name: a, volumeMounts: []}]}",
            {
                "spec": {
                    "tolerations": [{"key": "a"}, {"key": "not-ready"}],
                    "volumes": [{"name": "token"}],
                    "containers": [{"name": "a", "volumeMounts": [{"name": "token", "mountPath": "/t"}]}],
                }
            },
        ),
        ("kind: Secret\ndata: {}", {"data": {"key": "eA=="}}),
        ("kind: PersistentVolumeClaim\nspec: {volumeName: ''}", {"spec": {"volumeName": "pv-1"}}),
        ("kind: PersistentVolumeClaim\nspec: {resources: {requests: {storage: 1Gi}}}", {"status": {"phase": "Bound"}}),
    ],
)
def test_what_the_cluster_owns(manifest: str, change: dict[str, Any]) -> None:
    item = objects(f"apiVersion: v1\nmetadata: {{name: web}}\n{manifest}")[0]
    assert drift([(item, {**copy.deepcopy(item), **change})]) == ()


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (1, "1000m", True),
        ("1", "1000m", True),
        ("0.5Gi", "512Mi", True),
        ("1e3", "1k", True),
        ("1G", "1Gi", False),
        ("100m", "100Mi", False),
        ("x", "y", False),
    ],
)
def test_quantities(wanted: Any, found: str, same: bool) -> None:
    one, other = (
        {
            "kind": "Pod",
            "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "a", "resources": {"limits": {"x": value}}}]},
        }
        for value in (wanted, found)
    )
    assert (drift([(one, other)]) == ()) is same


def test_long_values_are_cut_and_still_told_apart() -> None:
    one, other = ({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "x" * 500 + end}} for end in "ab")
    (told,) = drift([(one, other)])
    assert told.wanted == "x" * 119 + "…"
    assert told.found == f"{told.wanted} (differs)"
