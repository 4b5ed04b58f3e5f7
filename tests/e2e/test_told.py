"""What the service tells is heard: each query of the dashboard and the alerts has an answer, and its traces arrive."""

import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Project, run
from observed import known, spans, traffic, values
from processes import until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ALERTS = {"errorRatio": -1, "latencyP99": -1, "restarts": -1, "unreached": -1, "fileDescriptors": -1, "pods": 1000}
"""Limits that every service is beyond."""


def rendered(namespace: str, **given: Any) -> list[dict[str, Any]]:
    """What the chart makes of values for a namespace."""
    stdin = json.dumps({"image": {"tag": "v1"}, **given}) + "\n"
    argv = ("template", "web", ROOT / "chart", "--namespace", namespace, "--kube-version", "1.34.0", "--values", "-")
    return [item for item in yaml.safe_load_all(run("helm", *argv, stdin=stdin).stdout) if item]


def rules(namespace: str, **given: Any) -> list[dict[str, str]]:
    found = rendered(namespace, prometheusRule={"enabled": True, "window": "10s", **given})
    rule = next(item for item in found if item["kind"] == "PrometheusRule")
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


def code(service: dict[str, Any], path: str) -> int:
    """What the port answers that routes lead to."""
    port = next(one["port"] for one in service["spec"]["ports"] if one["name"] == "http")
    connection = http.client.HTTPConnection(service["spec"]["clusterIP"], port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_metrics_dashboard_alerts_and_traces(project: Project, tmp_path: Path) -> None:
    telling = {
        "replicaCount": 2,
        "metricsPort": 9090,
        "scrape": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "grafanaDashboard": {"enabled": True},
        "openTelemetry": {"enabled": True, "endpoint": os.environ["LAB_OTLP"], "resourceAttributes": {"team": "shop"}},
    }
    project.profile("dev", values=telling)
    done = project.deploy("up", "--env", "dev", "--output", "json")
    assert done.code == 0, done
    (monitor,) = project.objects("servicemonitors.monitoring.coreos.com")
    chosen = ",".join(f"{label}={value}" for label, value in monitor["spec"]["selector"]["matchLabels"].items())
    (service,) = json.loads(project.kubectl("get", "services", "--selector", chosen, "--output", "json"))["items"]
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    (alerts,) = project.objects("prometheusrules.monitoring.coreos.com")
    assert len(alerts["spec"]["groups"][0]["rules"]) == 6, "the operator's own definition takes them as they are"
    version = done.json["image"]["tag"]
    assert code(service, "/") == 200
    assert code(service, "/metrics") == 404, "no route leads to the figures"
    maps = {item["metadata"]["name"]: item["data"] for item in project.objects("configmaps")}
    dashboard = json.loads(maps["web-dashboard"][f"{project.namespace}-web.json"])
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) >= 14
    with traffic(project):
        known(project, 120)
        for query in queries:
            asked = query.replace("$__rate_interval", "10s")
            until(lambda asked=asked: values(asked), f"an answer to {asked}", 60)  # type: ignore[misc]
        marker = next(one["expr"] for one in dashboard["annotations"]["list"] if "expr" in one)
        assert values(f"max_over_time(({marker})[30m:1s])") == [2], "a new version is marked"
        for rule in rules(project.namespace, limits=ALERTS):
            until(lambda rule=rule: values(rule["expr"]), f"an alert of {rule['expr']}", 60)  # type: ignore[misc]
        for rule in rules(project.namespace):
            until(lambda rule=rule: not values(rule["expr"]), f"{rule['alert']} to say that the service is well", 60)  # type: ignore[misc]
    checked = tmp_path / "rules.yml"
    checked.write_text(yaml.safe_dump({"groups": [{"name": "web", "rules": rules(project.namespace)}]}))
    assert "SUCCESS: 6 rules found" in run("promtool", "check", "rules", checked).stdout

    until(lambda: spans(lambda about: about.get("k8s.namespace.name") == project.namespace), "a trace", 60)
    span = spans(lambda about: about.get("k8s.namespace.name") == project.namespace)[0]
    assert span.data["name"] == "GET /"
    wanted = {"service.name": "web", "service.version": version, "team": "shop", "helm.release.name": "web"}
    assert wanted.items() <= span.about.items()
    assert span.about["deployment.environment.name"] == "dev"
    (replicaset,) = {one["metadata"]["labels"]["pod-template-hash"] for one in project.objects("replicasets")}
    assert span.about["k8s.pod.label.pod-template-hash"] == replicaset
