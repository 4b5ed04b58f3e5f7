"""What the values do."""

import base64
import json
import re
from typing import Any

import pytest
from rendering import TAGGED, Helm, Rendered, environment

pytestmark = pytest.mark.lab

DIGEST = "sha256:" + "ab" * 32
WORKLOAD = {"Deployment", "Service", "ServiceAccount", "Pod"}
REDIS = {"redis": {"enabled": True, "password": "hush"}}
ROUTED: dict[str, Any] = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}
SWITCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "none": ({}, set()),
    "autoscaling": ({"autoscaling": {"enabled": True}}, {"HorizontalPodAutoscaler"}),
    "podDisruptionBudget": ({"podDisruptionBudget": {"enabled": True}}, {"PodDisruptionBudget"}),
    "ingress": ({"ingress": {"enabled": True, "hosts": [{"host": "a.example.com"}]}}, {"Ingress"}),
    "networkPolicy": ({"networkPolicy": {"enabled": True, "egress": {"enabled": True}}}, {"NetworkPolicy"}),
    "istio": ({"istio": {"enabled": True}}, {"VirtualService", "DestinationRule"}),
    "istio.gateway": (
        {"istio": {"enabled": True, "hosts": ["a.example.com"], "gateway": {"enabled": True}}},
        {"VirtualService", "DestinationRule", "Gateway"},
    ),
    "istio.mtls": (
        {"istio": {"enabled": True, "mtls": "STRICT"}},
        {"VirtualService", "DestinationRule", "PeerAuthentication"},
    ),
    "istio.mode": ({"istio": {"mode": "ambient"}}, set()),
    "httpRoute": (ROUTED, {"HTTPRoute"}),
    "canary": ({**ROUTED, "canary": {"enabled": True}}, {"HTTPRoute"}),
    "serviceMonitor": ({"serviceMonitor": {"enabled": True}}, {"ServiceMonitor"}),
    "openTelemetry": ({"openTelemetry": {"enabled": True, "endpoint": "http://collector:4318"}}, set()),
    "scrape": ({"scrape": {"enabled": True}}, set()),
    "grafanaDashboard": ({"grafanaDashboard": {"enabled": True}}, {"ConfigMap"}),
    "prometheusRule": ({"prometheusRule": {"enabled": True}}, {"PrometheusRule"}),
    "config": ({"config": {"data": {"A": "1"}, "files": {"a.txt": "1"}}}, {"ConfigMap"}),
    "secret": ({"secret": {"data": {"A": "1"}, "files": {"a.txt": "1"}}}, {"Secret"}),
    "redis": (REDIS, {"Secret"}),
}
EVERYTHING = [values for values, _ in SWITCHES.values()]


# -- kinds and names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_adds_its_objects_and_no_others(helm: Helm, switch: str) -> None:
    values, kinds = SWITCHES[switch]
    assert helm.render(values).kinds == WORKLOAD | kinds


def test_service_account_and_test_can_be_left_out(helm: Helm) -> None:
    rendered = helm.render({"serviceAccount": {"create": False}, "test": {"enabled": False}})
    assert rendered.kinds == {"Deployment", "Service"}
    assert rendered.pod["serviceAccountName"] == "default"


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("web", {}, "web"),
        ("orders", {}, "orders-web"),
        ("web-blue", {}, "web-blue"),
        ("orders", {"nameOverride": "api"}, "orders-api"),
        ("orders", {"fullnameOverride": "orders"}, "orders"),
        ("o" * 53, {"nameOverride": "a-very-long-name"}, "o" * 53 + "-a-very-lo"),
    ],
)
def test_name(helm: Helm, release: str, values: dict[str, Any], name: str) -> None:
    rendered = helm.render(values, release=release)
    assert set(rendered.all("Deployment")) == set(rendered.all("Service")) == {name}


def test_no_two_objects_share_kind_and_name(helm: Helm) -> None:
    rendered = helm.render(*EVERYTHING)
    names = [(item["kind"], item["metadata"]["name"]) for item in rendered.objects]
    assert len(names) == len(set(names))


# -- labels ------------------------------------------------------------------------------------------------------------


def test_labels_are_legal_and_complete(helm: Helm) -> None:
    tag = "_" + "x" * 100 + "-"
    rendered = helm.render(*EVERYTHING, {"image": {"tag": tag, "digest": DIGEST}, "commonLabels": {"team": "shop"}})
    common = {"name", "instance", "component", "managed-by", "part-of", "version"}
    for item in rendered.objects:
        labels = item["metadata"]["labels"]
        assert all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value) for value in labels.values())
        if item["metadata"]["name"].startswith("web-redis") or item["kind"] == "Pod":
            continue
        assert {f"app.kubernetes.io/{name}" for name in common} | {"helm.sh/chart", "team"} <= set(labels)
    assert rendered.template["metadata"]["labels"]["team"] == "shop"


def test_selectors_are_what_never_changes(helm: Helm) -> None:
    wanted = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "web"}
    common = {"commonLabels": dict.fromkeys(wanted, "mine"), "podLabels": dict.fromkeys(wanted, "mine")}
    rendered = helm.render(*EVERYTHING, common)
    assert rendered.one("Deployment")["spec"]["selector"] == {"matchLabels": wanted}
    assert rendered.one("Service")["spec"]["selector"] == wanted
    assert wanted.items() <= rendered.template["metadata"]["labels"].items()
    for others in (
        rendered.one("Pod", "web-test")["metadata"]["labels"],
        rendered.one("Deployment", "web-redis")["spec"]["template"]["metadata"]["labels"],
    ):
        assert not wanted.items() <= others.items(), "the service would send requests there"


def test_a_release_named_like_a_boolean_keeps_its_name(helm: Helm) -> None:
    deployment = helm.render(release="on").one("Deployment", "on-web")
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == "on"


def test_more_labels_win_over_the_usual_ones(helm: Helm) -> None:
    part_of = "app.kubernetes.io/part-of"
    rendered = helm.render({"commonLabels": {part_of: "shop", "a": "common"}, "podLabels": {"a": "pod"}})
    assert rendered.one("Service")["metadata"]["labels"][part_of] == "shop"
    assert rendered.template["metadata"]["labels"]["a"] == "pod"


# -- the image ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"tag": "v1"}, "web:v1"),
        ({"registry": "r:5000", "repository": "shop/web", "tag": "v1"}, "r:5000/shop/web:v1"),
        ({"registry": "r:5000", "tag": "v1", "digest": DIGEST}, f"r:5000/web:v1@{DIGEST}"),
        ({"tag": "", "digest": DIGEST}, f"web@{DIGEST}"),
        ({"tag": "1234567"}, "web:1234567"),
    ],
)
def test_image_reference(helm: Helm, image: dict[str, str], reference: str) -> None:
    rendered = helm.render({"image": image})
    assert rendered.container["image"] == reference
    assert rendered.one("Pod", "web-test")["spec"]["containers"][0]["image"] == reference


@pytest.mark.parametrize(("tag", "version"), [("v1.4.0", "v1.4.0"), ("_x_", "x"), ("1e3", "1e3"), ("", None)])
def test_version_label_comes_from_the_tag_and_never_from_the_digest(helm: Helm, tag: str, version: str | None) -> None:
    rendered = helm.render({"image": {"tag": tag, "digest": DIGEST}})
    for item in (*rendered.objects, rendered.template):
        labels = item["metadata"]["labels"]
        assert not any("sha256" in value or "abab" in value for value in labels.values())
        if item.get("kind") != "Pod":
            assert labels.get("app.kubernetes.io/version") == version


def test_pull_secrets_are_joined(helm: Helm) -> None:
    one, two = [{"name": "one"}], [{"name": "two"}]
    rendered = helm.render(
        REDIS,
        {"imagePullSecrets": one, "global": {"imagePullSecrets": [*two, *one]}, "redis": {"imagePullSecrets": one}},
    )
    assert rendered.pod["imagePullSecrets"] == rendered.one("Pod", "web-test")["spec"]["imagePullSecrets"] == one + two
    assert rendered.one("Deployment", "web-redis")["spec"]["template"]["spec"]["imagePullSecrets"] == one + two


# -- variables, configuration, secrets ---------------------------------------------------------------------------------


def test_env_forms(helm: Helm) -> None:
    secret = {"secretKeyRef": {"name": "db", "key": "password"}}
    given = {"TEXT": "a", "NUMBER": 1000000, "SHARE": 0.25, "YES": True, "ZERO": 0, "EMPTY": "", "NONE": None}
    env = helm.render({"env": {**given, "SECRET": {"valueFrom": secret}}}).env
    assert env == {
        "SECRET": secret,
        "TEXT": "a",
        "NUMBER": "1000000",
        "SHARE": "0.25",
        "YES": "true",
        "ZERO": "0",
        "EMPTY": "",
        "PORT": "8080",
        "GOMEMLIMIT": "241591910",
    }


def test_env_wins_over_what_the_chart_knows(helm: Helm) -> None:
    env = helm.render(REDIS, {"containerPort": 9090, "env": {"REDIS_ADDR": "", "REDIS_PASSWORD": None}}).env
    assert env == {"PORT": "9090", "REDIS_ADDR": "", "GOMEMLIMIT": "241591910"}


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"memory": "2Gi"}, "1932735283"),
        ({"memory": "0.5Gi"}, "483183820"),
        ({"memory": "100M"}, "90000000"),
        ({"memory": 268435456}, "241591910"),
        ({"memory": "1e9"}, None),
        ({"memory": None, "cpu": 1}, None),
        (None, None),
    ],
)
def test_go_is_told_of_most_of_the_memory(helm: Helm, limits: dict[str, Any] | None, told: str | None) -> None:
    assert helm.render({"resources": {"limits": limits}}).env.get("GOMEMLIMIT") == told
    own = {"resources": {"limits": limits}, "env": {"GOMEMLIMIT": "10MiB"}}
    assert helm.render(own).env["GOMEMLIMIT"] == "10MiB"


def test_variables_that_others_refer_to_come_first(helm: Helm) -> None:
    pod = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert next(iter(helm.render({"env": {"A": "$(ZZ)", "ZZ": pod}}).env)) == "ZZ"


GNARLY = {
    "quotes": "a \"b\" 'c' \\ d",
    "yaml": "- a: {b: [c]} # d",
    "boolean": "on",
    "number": "0123",
    "float": "1e3",
    "null": "null",
    "template": "{{ .Values.image }} $(PATH) ${HOME}",
    "lines": "one\n  two\n\n\tthree\n",
    "leading": "\n  space",
    "trailing": "end \n\n",
    "crlf": "a\r\nb",
    "unicode": "žluťoučký 😀 \u2028 \x85 \ufeff",
    "control": "\x07\x1b\x7f",
    "html": "<a href='?x&y'>",
    "empty": "",
}


def test_any_text_arrives_unchanged(helm: Helm) -> None:
    both = {"data": GNARLY, "files": GNARLY}
    rendered = helm.render({"env": GNARLY, "config": both, "secret": both})
    assert {name: value for name, value in rendered.env.items() if name not in ("PORT", "GOMEMLIMIT")} == GNARLY
    for name in ("web", "web-files"):
        assert rendered.one("ConfigMap", name)["data"] == GNARLY
        encoded = rendered.one("Secret", name)["data"]
        assert {key: base64.b64decode(value).decode() for key, value in encoded.items()} == GNARLY


def test_data_becomes_variables_and_files_are_mounted(helm: Helm) -> None:
    rendered = helm.render(
        {
            "envFrom": [{"configMapRef": {"name": "shared"}}],
            "config": {"data": {"A": 1000000, "GONE": None}, "files": {"a.yaml": "a: 1\n"}},
            "secret": {"data": {"B": True}, "files": {"key": "k"}, "mountPath": "/keys"},
        }
    )
    assert rendered.container["envFrom"] == [
        {"configMapRef": {"name": "shared"}},
        {"configMapRef": {"name": "web"}},
        {"secretRef": {"name": "web"}},
    ]
    assert rendered.one("ConfigMap")["data"] == {"A": "1000000"}
    assert base64.b64decode(rendered.one("Secret")["data"]["B"]) == b"true"
    mounts = {mount["mountPath"]: mount for mount in rendered.container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in rendered.pod["volumes"]}
    assert volumes[mounts["/etc/web"]["name"]]["configMap"] == {"name": "web-files"}
    assert volumes[mounts["/keys"]["name"]]["secret"] == {"secretName": "web-files"}
    assert all(mount["readOnly"] for mount in mounts.values())


def checksums(rendered: Rendered) -> dict[str, str]:
    annotations = rendered.template["metadata"].get("annotations", {})
    return {
        name.removeprefix("checksum/"): value for name, value in annotations.items() if name.startswith("checksum/")
    }


@pytest.mark.parametrize("part", ["config", "secret"])
@pytest.mark.parametrize("way", ["data", "files"])
def test_a_change_of_configuration_rolls_the_pods(helm: Helm, part: str, way: str) -> None:
    both = {"config": {"data": {"A": "1"}}, "secret": {"data": {"A": "1"}}}
    before, after = checksums(helm.render(both)), checksums(helm.render(both, {part: {way: {"A": "2"}}}))
    assert set(before) == set(after) == {"config", "secret"}
    assert {name for name in before if before[name] != after[name]} == {part}


def test_what_is_the_same_text_rolls_nothing(helm: Helm) -> None:
    one = {"config": {"data": {"A": "1", "B": "true"}}, "secret": {"data": {"A": 8080}, "files": {"a": "x"}}}
    other = {
        "config": {"data": {"A": 1, "B": True, "GONE": None}, "files": {"gone": None}},
        "secret": {"data": {"A": "8080"}},
    }
    assert checksums(helm.render(one)) == checksums(helm.render(one, other))
    assert not checksums(helm.render({"config": {"data": {"GONE": None}}, "secret": {"files": {"gone": None}}}))


def test_a_change_rolls_no_pod_that_does_not_read_it(helm: Helm) -> None:
    """redis reads its own password alone; the service reads redis's, unless it is told another one."""
    values = [REDIS, {"config": {"data": {"A": "1"}}, "secret": {"files": {"a": "1"}}}]
    before, after = (
        helm.render(*values, more)
        for more in ({}, {"config": {"data": {"A": "2"}}, "secret": {"files": {"a": "2"}}, "env": {"X": "y"}})
    )
    assert before.template != after.template
    redis = [rendered.one("Deployment", "web-redis")["spec"]["template"] for rendered in (before, after)]
    assert redis[0] == redis[1]
    own = {"env": {"REDIS_PASSWORD": None}}
    other = {"redis": {"password": "other"}}
    assert helm.render(*values, own).template == helm.render(*values, own, other).template


def test_command_and_arguments_are_the_profiles(helm: Helm) -> None:
    assert not {"command", "args"} & helm.render().container.keys()
    container = helm.render({"command": ["/web", "serve"], "args": ["--port", "$(PORT)"]}).container
    assert (container["command"], container["args"]) == (["/web", "serve"], ["--port", "$(PORT)"])


def test_nothing_else_changes_the_checksums(helm: Helm) -> None:
    both = {"config": {"data": {"A": "1"}}, "secret": {"files": {"a": "1"}}}
    other = {"image": {"tag": "v2"}, "commonLabels": {"team": "shop"}, "config": {"mountPath": "/else"}}
    assert checksums(helm.render(both)) == checksums(helm.render(both, other))
    assert not checksums(helm.render())


def test_redis_is_wired(helm: Helm) -> None:
    assert not {"REDIS_ADDR", "REDIS_PASSWORD"} & set(helm.render().env)
    for values, name, port in (
        (REDIS, "web-redis", 6379),
        ({"redis": {"enabled": True, "password": "x", "nameOverride": "cache", "port": 6380}}, "web-cache", 6380),
    ):
        rendered = helm.render(values)
        (exposed,) = rendered.one("Service", name)["spec"]["ports"]
        (listening,) = rendered.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert rendered.env["REDIS_ADDR"] == f"{name}:{exposed['port']}" == f"{name}:{port}"
        assert exposed["targetPort"] == listening["name"]
        assert listening["containerPort"] == port
        assert rendered.env["REDIS_PASSWORD"] == {"secretKeyRef": {"name": name, "key": "password"}}
        assert "password" in rendered.one("Secret", name)["data"]


def test_redis_needs_no_password(helm: Helm) -> None:
    rendered = helm.render({"redis": {"enabled": True}})
    assert "REDIS_PASSWORD" not in rendered.env
    assert "Secret" not in rendered.kinds


def test_another_redis_password_rolls_both(helm: Helm) -> None:
    one, two = helm.render(REDIS), helm.render(REDIS, {"redis": {"password": "other"}})
    assert checksums(one) != checksums(two)
    for rendered in (one, two):
        assert "hush" not in rendered.text
    redis = [r.one("Deployment", "web-redis")["spec"]["template"]["metadata"]["annotations"] for r in (one, two)]
    assert redis[0] != redis[1]


def test_open_telemetry(helm: Helm) -> None:
    env = helm.render(
        {
            "env": {"ENVIRONMENT": "test"},
            "openTelemetry": {
                "enabled": True,
                "endpoint": "http://collector:4318",
                "samplerArg": 0.1,
                "resourceAttributes": {"team": "a,b c"},
            },
        }
    ).env
    attributes = dict(pair.split("=") for pair in env["OTEL_RESOURCE_ATTRIBUTES"].split(","))
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert env["OTEL_TRACES_SAMPLER_ARG"] == "0.1"
    assert attributes["service.version"] == "v1"
    assert attributes["deployment.environment.name"] == "$(ENVIRONMENT)"
    assert attributes["helm.release.name"] == "web"
    assert attributes["k8s.pod.label.pod-template-hash"] == "$(POD_REVISION)"
    assert attributes["team"] == "a%2Cb%20c"
    referred = {name for value in attributes.values() for name in re.findall(r"\$\((\w+)\)", value)}
    assert referred <= set(list(env)[: list(env).index("OTEL_RESOURCE_ATTRIBUTES")])


# -- the pods ----------------------------------------------------------------------------------------------------------


def pods(rendered: Rendered) -> list[dict[str, Any]]:
    return [
        *(d["spec"]["template"]["spec"] for d in rendered.all("Deployment").values()),
        rendered.one("Pod", "web-test")["spec"],
    ]


def test_pods_are_restricted_and_have_no_token(helm: Helm) -> None:
    found = pods(helm.render(REDIS))
    assert len(found) == 3
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 65532)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_rollout(helm: Helm) -> None:
    spec = helm.render().one("Deployment")["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert spec["progressDeadlineSeconds"] == 240
    recreate = helm.render({"strategy": {"type": "Recreate", "rollingUpdate": None}}).one("Deployment")["spec"]
    assert recreate["strategy"] == {"type": "Recreate"}


def test_zero_replicas_are_zero(helm: Helm) -> None:
    assert helm.render({"replicaCount": 0}).one("Deployment")["spec"]["replicas"] == 0


def test_the_autoscaler_owns_the_replicas(helm: Helm) -> None:
    rendered = helm.render(
        {"replicaCount": 4, "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 70}}
    )
    assert "replicas" not in rendered.one("Deployment")["spec"]
    spec = rendered.one("HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (4, 10)
    assert [metric["resource"]["name"] for metric in spec["metrics"]] == ["cpu", "memory"]


@pytest.mark.parametrize(
    ("count", "scaling", "least"),
    [(3, {"maxReplicas": 2}, 2), (0, {}, 1), (3, {"minReplicas": 1, "maxReplicas": 1}, 1)],
)
def test_an_autoscaler_has_no_more_to_begin_with_than_it_may_have(
    helm: Helm, count: int, scaling: dict[str, int], least: int
) -> None:
    """The API server refuses it otherwise, and only when helm has changed the pods already."""
    rendered = helm.render({"replicaCount": count, "autoscaling": {"enabled": True, **scaling}})
    assert rendered.one("HorizontalPodAutoscaler")["spec"]["minReplicas"] == least


def test_an_autoscaler_of_more_at_least_than_at_most_is_refused(helm: Helm) -> None:
    wrong = {"autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}}
    assert "autoscaling.minReplicas (4) is more than autoscaling.maxReplicas (3)" in helm.refuse(TAGGED, wrong)


def test_an_autoscaler_that_nothing_moves_is_refused(helm: Helm) -> None:
    by_nothing = {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}
    assert "autoscaling.enabled needs something to scale by" in helm.refuse(TAGGED, by_nothing)
    pods = {
        "type": "Pods",
        "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": 1}},
    }
    rendered = helm.render(by_nothing, {"autoscaling": {"metrics": [pods]}})
    assert rendered.one("HorizontalPodAutoscaler")["spec"]["metrics"] == [pods]


def test_probes(helm: Helm) -> None:
    container = helm.render().container
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    assert {"name": "http", "containerPort": 8080} in container["ports"]
    changed = helm.render(
        {"livenessProbe": None, "readinessProbe": {"httpGet": None, "tcpSocket": {"port": "http"}, "periodSeconds": 7}}
    ).container
    assert "livenessProbe" not in changed
    assert changed["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert "httpGet" not in changed["readinessProbe"]


def test_pods_of_one_version_spread_over_nodes(helm: Helm) -> None:
    (constraint,) = helm.render().pod["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"] == helm.render().one("Deployment")["spec"]["selector"]
    assert constraint["matchLabelKeys"] == ["pod-template-hash"]
    own = {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    assert helm.render({"topologySpreadConstraints": [own]}).pod["topologySpreadConstraints"] == [own]
    assert "topologySpreadConstraints" not in helm.render({"topologySpreadConstraints": []}).pod


def test_what_kubernetes_knows_is_passed_on(helm: Helm) -> None:
    given: dict[str, Any] = {
        "nodeSelector": {"node-role.kubernetes.io/edge": ""},
        "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 86400}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "business",
        "terminationGracePeriodSeconds": 60,
        "initContainers": [{"name": "first", "image": "a"}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    here: dict[str, Any] = {
        "command": ["/web", "-x"],
        "args": ["{{ not a template }}"],
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    rendered = helm.render(given, here, {"sidecars": [{"name": "beside", "image": "b"}], "podAnnotations": {"a": "1"}})
    assert given.items() <= rendered.pod.items()
    assert here.items() <= rendered.container.items()
    assert rendered.pod["containers"][1] == {"name": "beside", "image": "b"}
    assert rendered.template["metadata"]["annotations"] == {"a": "1"}
    test = rendered.one("Pod", "web-test")["spec"]
    assert test["nodeSelector"] == given["nodeSelector"]
    assert test["tolerations"] == given["tolerations"]


def test_the_test_asks_the_service(helm: Helm) -> None:
    pod = helm.render({"service": {"port": 8000}}, release="orders").one("Pod", "orders-web-test")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["-check", "http://orders-web:8000/readyz"]
    assert pod["spec"]["restartPolicy"] == "Never"


# -- around the pods ---------------------------------------------------------------------------------------------------


def test_disruption_budget(helm: Helm) -> None:
    enabled = {"podDisruptionBudget": {"enabled": True}}
    spec = helm.render(enabled).one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec
    spec = helm.render(enabled, {"podDisruptionBudget": {"minAvailable": 0}}).one("PodDisruptionBudget")["spec"]
    assert spec["minAvailable"] == 0
    assert "maxUnavailable" not in spec


def test_service(helm: Helm) -> None:
    spec = helm.render({"service": {"type": "NodePort", "nodePort": 30080, "port": 8000}}).one("Service")["spec"]
    (port,) = spec["ports"]
    assert (spec["type"], port["port"], port["nodePort"], port["targetPort"]) == ("NodePort", 8000, 30080, "http")


def test_ingress_takes_all_paths_by_default(helm: Helm) -> None:
    hosts = [{"host": "a.example.com"}, {"host": "b.example.com", "paths": [{"path": "/b", "pathType": "Exact"}]}]
    first, second = helm.render({"ingress": {"enabled": True, "hosts": hosts}}).one("Ingress")["spec"]["rules"]
    assert [(path["path"], path["pathType"]) for path in first["http"]["paths"]] == [("/", "Prefix")]
    assert [(path["path"], path["pathType"]) for path in second["http"]["paths"]] == [("/b", "Exact")]
    assert first["http"]["paths"][0]["backend"] == {"service": {"name": "web", "port": {"name": "http"}}}


def test_network_policy_lets_through_what_is_needed(helm: Helm) -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"a": "b"}}}
    rendered = helm.render(
        REDIS,
        {"networkPolicy": {"enabled": True, "from": [monitoring], "egress": {"enabled": True, "rules": [{"to": []}]}}},
    )
    spec = rendered.one("NetworkPolicy")["spec"]
    (ingress,) = spec["ingress"]
    test = rendered.one("Pod", "web-test")["metadata"]["labels"]
    assert ingress["from"] == [monitoring, {"podSelector": {"matchLabels": test}}]
    names, redis, own = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert redis["to"][0]["podSelector"] == rendered.one("Deployment", "web-redis")["spec"]["selector"]
    assert own == {"to": []}
    spec = helm.render({"networkPolicy": {"enabled": True}}).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert "from" not in spec["ingress"][0]


@pytest.mark.parametrize(
    ("mode", "inwards", "outwards"),
    [
        ("", {"http"}, set()),
        ("sidecar", {"http", 15008, 15020}, {15008, 15012}),
        ("ambient", {"http", 15008}, {15008}),
    ],
)
def test_network_policy_lets_the_mesh_through(
    helm: Helm, mode: str, inwards: set[str | int], outwards: set[int]
) -> None:
    policy = {"enabled": True, "from": [{"namespaceSelector": {}}], "egress": {"enabled": True}}
    spec = helm.render({"networkPolicy": policy, "istio": {"mode": mode}}).one("NetworkPolicy")["spec"]
    assert {port["port"] for port in spec["ingress"][0]["ports"]} == inwards
    probes = [peer["ipBlock"]["cidr"] for rule in spec["ingress"][1:] for peer in rule["from"]]
    assert ("169.254.7.127/32" in probes) == (mode == "ambient")
    assert {port["port"] for rule in spec["egress"][1:] for port in rule["ports"]} == outwards


def test_istio_routes_to_the_service(helm: Helm) -> None:
    rendered = helm.render({"istio": {"enabled": True}})
    spec = rendered.one("VirtualService")["spec"]
    assert spec["hosts"] == ["web"]
    assert "gateways" not in spec
    assert spec["http"] == [{"route": [{"destination": {"host": "web", "port": {"number": 80}}}]}]
    assert rendered.one("DestinationRule")["spec"] == {"host": "web"}


@pytest.mark.parametrize(
    ("mode", "labels"),
    [
        ("", {}),
        ("sidecar", {"sidecar.istio.io/inject": "true"}),
        ("ambient", {"istio.io/dataplane-mode": "ambient"}),
    ],
)
def test_pods_are_in_the_mesh_as_told(helm: Helm, mode: str, labels: dict[str, str]) -> None:
    rendered = helm.render({"istio": {"mode": mode}})
    test = rendered.one("Pod", "web-test")["metadata"]
    for found in (rendered.template["metadata"]["labels"], test["labels"]):
        assert {name: value for name, value in found.items() if "istio.io" in name} == labels
    assert test["annotations"]["sidecar.istio.io/nativeSidecar"] == "true", "the test has an end"


@pytest.mark.parametrize(("grace", "drain"), [(30, "25s"), (600, "595s"), (3, "1s")])
def test_the_proxy_of_a_sidecar_serves_as_long_as_the_service(helm: Helm, grace: int, drain: str) -> None:
    values = {"istio": {"mode": "sidecar"}, "terminationGracePeriodSeconds": grace}
    said = helm.render(values).template["metadata"]["annotations"]["proxy.istio.io/config"]
    assert json.loads(said) == {"terminationDrainDuration": drain}
    own = {"podAnnotations": {"proxy.istio.io/config": "{}"}}
    assert helm.render(values, own).template["metadata"]["annotations"]["proxy.istio.io/config"] == "{}"
    assert "annotations" not in helm.render({"istio": {"mode": "ambient"}}).template["metadata"]


def test_what_the_pods_labels_say_wins_over_the_mode(helm: Helm) -> None:
    told = {"istio": {"mode": "sidecar"}, "podLabels": {"sidecar.istio.io/inject": "false"}}
    assert helm.render(told).template["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


def test_a_gateway_of_its_own_is_beside_the_others(helm: Helm) -> None:
    istio = {"enabled": True, "hosts": ["web.example.com"], "gateway": {"enabled": True}}
    rendered = helm.render({"istio": istio})
    assert rendered.one("VirtualService")["spec"]["gateways"] == ["web", "mesh"], "the mesh is there without one"
    (server,) = rendered.one("Gateway")["spec"]["servers"]
    assert server == {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["web.example.com"]}
    tls = {"mode": "SIMPLE", "credentialName": "web-tls"}
    rendered = helm.render(
        {"istio": {**istio, "gateways": ["istio-system/public"], "gateway": {"enabled": True, "tls": tls}}}
    )
    assert rendered.one("VirtualService")["spec"]["gateways"] == ["web", "istio-system/public"]
    (server,) = rendered.one("Gateway")["spec"]["servers"]
    assert (server["port"], server["tls"]) == ({"number": 443, "name": "https", "protocol": "HTTPS"}, tls)


# -- the canary --------------------------------------------------------------------------------------------------------

NEXT = {"image": {"registry": "", "repository": "web", "tag": "v2", "digest": "", "pullPolicy": "Always"}}


def canary(**more: Any) -> dict[str, Any]:
    return {**ROUTED, "canary": {"enabled": True, "weight": 25, "values": NEXT, **more}}


def test_without_a_canary_the_route_leads_to_the_service_alone(helm: Helm) -> None:
    (rule,) = helm.render(ROUTED).one("HTTPRoute")["spec"]["rules"]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1}]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_a_route_says_what_the_api_server_would_add(helm: Helm) -> None:
    mesh = {"name": "web", "group": "", "kind": "Service"}
    route = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "sectionName": "http"}, mesh]}}
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "sectionName": "http"}
    assert helm.render(route).one("HTTPRoute")["spec"]["parentRefs"] == [gateway, mesh]


def test_canary_has_its_share_of_the_requests(helm: Helm) -> None:
    rendered = helm.render(canary(), {"istio": {"enabled": True}})
    (rule,) = rendered.one("HTTPRoute")["spec"]["rules"]
    assert [(one["name"], one["weight"]) for one in rule["backendRefs"]] == [("web", 75), ("web-canary", 25)]
    (http,) = rendered.one("VirtualService")["spec"]["http"]
    assert [(one["destination"]["host"], one["weight"]) for one in http["route"]] == [("web", 75), ("web-canary", 25)]
    assert set(rendered.all("DestinationRule")) == {"web", "web-canary"}


def test_canary_without_a_route_is_refused(helm: Helm) -> None:
    assert "httpRoute.enabled or istio.enabled" in helm.refuse(TAGGED, {"canary": {"enabled": True}})


@pytest.mark.parametrize("gateways", [[], ["istio-system/public", "mesh"]])
def test_canary_that_an_ambient_mesh_would_not_split_is_refused(helm: Helm, gateways: list[str]) -> None:
    istio = {"enabled": True, "mode": "ambient", "gateways": gateways}
    split = {"canary": {"enabled": True}}
    assert "use httpRoute" in helm.refuse(TAGGED, split, {"istio": istio})
    assert "VirtualService" in helm.render(split, {"istio": {**istio, "gateways": ["istio-system/public"]}}).kinds
    assert "HTTPRoute" in helm.render(split, ROUTED, {"istio": istio}).kinds


def test_canary_leaves_the_stable_version_as_it_is(helm: Helm) -> None:
    before, after = helm.render(*EVERYTHING, {"canary": {"enabled": False}}), helm.render(*EVERYTHING, canary())
    routes = ("HTTPRoute", "VirtualService")
    there = {(one["kind"], one["metadata"]["name"]): one for one in after.objects}
    for one in before.objects:
        if one["kind"] not in routes:
            assert there[one["kind"], one["metadata"]["name"]] == one
    more = there.keys() - {(one["kind"], one["metadata"]["name"]) for one in before.objects}
    assert {name.removesuffix("-files") for _, name in more} == {"web-canary"}
    kinds = {"Deployment", "Service", "NetworkPolicy", "ServiceMonitor", "DestinationRule", "ConfigMap", "Secret"}
    assert {kind for kind, _ in more} == {*kinds, "PeerAuthentication"}


def test_canary_runs_its_own_version_behind_its_own_service(helm: Helm) -> None:
    config = {"data": {"A": "2"}, "files": {}, "mountPath": "/etc/web"}
    rendered = helm.render(
        {"config": {"data": {"A": "1"}}, "env": {"OLD": "1"}},
        canary(values={**NEXT, "config": config, "env": {"NEW": "2"}}),
    )
    deployment = rendered.one("Deployment", "web-canary")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "web:v2"
    assert pod["metadata"]["labels"]["app.kubernetes.io/version"] == "v2"
    assert {one["name"] for one in container["env"]} == {"PORT", "GOMEMLIMIT", "NEW"}
    assert container["envFrom"] == [{"configMapRef": {"name": "web-canary"}}]
    assert rendered.one("ConfigMap", "web-canary")["data"] == {"A": "2"}
    assert rendered.one("ConfigMap")["data"] == {"A": "1"}
    assert pod["spec"]["serviceAccountName"] == "web"
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert rendered.one("Service", "web-canary")["spec"]["selector"] == selector
    assert selector.items() <= pod["metadata"]["labels"].items()
    stable = rendered.one("Service")["spec"]["selector"]
    assert not stable.items() <= pod["metadata"]["labels"].items(), "the service would send requests there"
    assert not selector.items() <= rendered.template["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "replicas"),
    [
        ({"canary": {"share": 5}}, 1),
        ({"canary": {"share": 50}}, 2),
        ({"canary": {"share": 51}}, 3),
        ({"canary": {"share": 100}}, 4),
        ({"canary": {"share": 100, "replicas": 3}}, 3),
        ({"canary": {"share": 50}, "autoscaling": {"enabled": True}}, 2),
        ({"canary": {"share": 50}, "autoscaling": {"enabled": True, "minReplicas": 10}}, 5),
    ],
)
def test_canary_has_as_many_pods_as_its_share_needs(helm: Helm, values: dict[str, Any], replicas: int) -> None:
    rendered = helm.render({"replicaCount": 4}, canary(), values)
    assert rendered.one("Deployment", "web-canary")["spec"]["replicas"] == replicas


@pytest.mark.parametrize(
    ("stable", "key", "found"),
    [
        ({"progressDeadlineSeconds": 300}, "progressDeadlineSeconds", ("spec", "progressDeadlineSeconds")),
        ({}, "terminationGracePeriodSeconds", ("spec", "template", "spec", "terminationGracePeriodSeconds")),
        ({"priorityClassName": "high"}, "priorityClassName", ("spec", "template", "spec", "priorityClassName")),
        ({"tolerations": [{"operator": "Exists"}]}, "tolerations", ("spec", "template", "spec", "tolerations")),
        ({"imagePullSecrets": [{"name": "a"}]}, "imagePullSecrets", ("spec", "template", "spec", "imagePullSecrets")),
        ({"nodeSelector": {"a": "b"}}, "nodeSelector", ("spec", "template", "spec", "nodeSelector")),
    ],
)
def test_what_the_canary_has_not_is_nothing_of_its_kind(
    helm: Helm, stable: dict[str, Any], key: str, found: tuple[str, ...]
) -> None:
    """A null of the new version comes as an empty map: helm would drop a null, and leave the stable version's."""
    rendered = helm.render(stable, canary(values={**NEXT, key: {}}))

    def at(name: str) -> Any:
        item: Any = rendered.one("Deployment", name)
        for part in found:
            item = (item or {}).get(part)
        return item

    assert at("web")
    assert at("web-canary") is None


def test_what_all_share_is_the_stable_versions(helm: Helm) -> None:
    shared = {"serviceAccount": {"create": True, "name": "other", "annotations": {}}, "nameOverride": "other"}
    rendered = helm.render(REDIS, canary(values={**NEXT, **shared, "redis": {"enabled": False}}))
    pod = rendered.one("Deployment", "web-canary")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "web"
    assert "REDIS_ADDR" in {one["name"] for one in pod["containers"][0]["env"]}


def test_names_of_a_canary_are_never_too_long(helm: Helm) -> None:
    rendered = helm.render(canary(), {"nameOverride": "a-very-long-name"}, release="o" * 53)
    for kind in ("Deployment", "Service"):
        names = rendered.all(kind)
        assert len(names) == 2
        assert all(len(name) <= 63 for name in names)


def test_service_monitor_selects_the_service(helm: Helm) -> None:
    rendered = helm.render({"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}})
    monitor = rendered.one("ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    service = rendered.one("Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def alerts(rendered: Rendered, name: str = "web") -> dict[str, Any]:
    (group,) = rendered.one("PrometheusRule", name)["spec"]["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_metrics_on_a_port_of_their_own(helm: Helm) -> None:
    """Prometheus comes in there, without the mesh's certificates too; no route leads there."""
    hosts = {"ingress": {"enabled": True, "hosts": [{"host": "a.example.com"}]}}
    policy = {"networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}]}}
    mesh = {"istio": {"enabled": True, "mtls": "STRICT"}}
    told = {"metricsPort": 9090, "serviceMonitor": {"enabled": True}, "scrape": {"enabled": True}}
    rendered = helm.render(hosts, policy, mesh, canary(), told)
    for name in ("web", "web-canary"):
        template = rendered.one("Deployment", name)["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert {"name": "metrics", "containerPort": 9090} in container["ports"]
        assert {"name": "METRICS_PORT", "value": "9090"} in container["env"]
        assert template["metadata"]["annotations"]["prometheus.io/port"] == "9090"
        ports = {port["name"]: port for port in rendered.one("Service", name)["spec"]["ports"]}
        assert (ports["metrics"]["port"], ports["metrics"]["targetPort"]) == (9090, "metrics")
        (endpoint,) = rendered.one("ServiceMonitor", name)["spec"]["endpoints"]
        assert endpoint["port"] == "metrics"
        (ingress,) = rendered.one("NetworkPolicy", name)["spec"]["ingress"]
        assert [port["port"] for port in ingress["ports"]] == ["http", "metrics"]
        mtls = rendered.one("PeerAuthentication", name)["spec"]
        assert (mtls["mtls"], mtls["portLevelMtls"]) == ({"mode": "STRICT"}, {"9090": {"mode": "PERMISSIVE"}})
    (rule,) = rendered.one("Ingress")["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["port"] == {"name": "http"}
    (rule,) = rendered.one("HTTPRoute")["spec"]["rules"]
    assert {one["port"] for one in rule["backendRefs"]} == {80}


def test_metrics_on_the_port_of_the_service_are_refused(helm: Helm) -> None:
    assert "metricsPort (80) is service.port too" in helm.refuse(TAGGED, {"metricsPort": 80})


@pytest.mark.parametrize("name", ["config", "secret", "env", "imagePullSecrets"])
def test_a_section_of_null_is_empty(helm: Helm, name: str) -> None:
    assert helm.render(REDIS, {name: None}).objects == helm.render(REDIS).objects


@pytest.mark.parametrize("length", [3, 38, 39, 46, 47, 56, 57, 58, 63])
def test_alerts_and_dashboard_see_the_pods_of_both_versions(helm: Helm, length: int) -> None:
    name = "w" * length
    told = {"fullnameOverride": name, "prometheusRule": {"enabled": True}, "grafanaDashboard": {"enabled": True}}
    rendered = helm.render(told, canary())
    expression = re.search(r'pod=~"([^"]+)"', next(iter(alerts(rendered, name).values())))
    assert expression
    deployments = rendered.all("Deployment")
    assert len(deployments) == 2
    for deployment in deployments:
        for hashed in ("7d4b9c6f5", "6d5f9c7b8d"):
            pod = f"{deployment}-{hashed}-"[:58] + "x2x4x"  # what Kubernetes makes of it
            assert re.fullmatch(expression[1], pod)
    (dashboard,) = rendered.one("ConfigMap", f"{name}-dashboard")["data"].values()
    assert set(re.findall(r'pod=~\\"([^"]+)\\"', dashboard)) == {expression[1]}
    assert not re.fullmatch(expression[1], f"{name[:30]}-other-7d4b9c6f5-x2x4x")


def test_no_limits_are_no_alerts(helm: Helm) -> None:
    names = ("errorRatio", "latencyP99", "restarts", "unreached", "fileDescriptors", "pods")
    for limits in (None, dict.fromkeys(names)):
        assert "PrometheusRule" not in helm.render({"prometheusRule": {"enabled": True, "limits": limits}}).kinds


def test_an_egress_of_null_is_everywhere(helm: Helm) -> None:
    policy = helm.render({"networkPolicy": {"enabled": True, "egress": None}}).one("NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_a_limit_of_null_is_no_alert(helm: Helm) -> None:
    rule = {"prometheusRule": {"enabled": True}}
    by_limit = {
        "errorRatio": "WebManyErrors",
        "latencyP99": "WebSlow",
        "restarts": "WebRestarts",
        "unreached": "WebUnreached",
        "fileDescriptors": "WebFileDescriptors",
        "pods": "WebGone",
    }
    assert set(alerts(helm.render(rule))) == set(by_limit.values())
    for limit, alert in by_limit.items():
        left = alerts(helm.render(rule, {"prometheusRule": {"limits": {limit: None}}}))
        assert set(left) == set(by_limit.values()) - {alert}
    assert alerts(helm.render(rule, {"prometheusRule": {"limits": {"pods": 0}}}))["WebGone"].endswith(" < 0")


@pytest.mark.parametrize("name", ["dev", "test", "prod"])
def test_no_secret_is_readable_outside_a_secret(helm: Helm, name: str) -> None:
    assert "not-a-secret" not in helm.render(environment(name)).text
