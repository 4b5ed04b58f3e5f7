"""docs/observability.md on the lab: each snippet is laid over a profile and run, with addresses of the lab."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from between import HOST, Answer, Between
from conftest import ROOT, Project
from observed import attributes, gauges, spans, values
from processes import until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

SNIPPETS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "observability.md").read_text(), re.DOTALL)
UP = ("up", "--env", "dev", "--tag", "v1", "--output", "json")


def about(part: str) -> list[str]:
    """The snippets of one part of a profile."""
    return [text for text in SNIPPETS if part in yaml.safe_load(text)]


def with_addresses(text: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    """A snippet with each of the page's addresses replaced; all of them must be in it."""
    for theirs, ours in pairs:
        assert theirs in text
        text = text.replace(theirs, ours)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_no_snippet_is_left_out() -> None:
    run = about("metrics") + about("values") + about("telemetry")
    assert sorted(run) == sorted(SNIPPETS)


@pytest.mark.parametrize("text", about("metrics"), ids=["short", "long"])
def test_its_metrics_are_asked_and_watched(fault: Project, text: str) -> None:
    """A watch of some seconds for the page's minutes."""
    fault.profile("dev", **with_addresses(text, ("https://prometheus.example.com", os.environ["LAB_PROMETHEUS"])))
    job = {"PROMETHEUS_TOKEN": "t0ken-of-prometheus", "PROMETHEUS_TENANT": "tenant-of-shop"}
    doctor = fault.deploy("doctor", "--env", "dev", environ=job)
    assert doctor.code == 0, doctor
    fault.profile("dev", metrics={"duration": "10s", "interval": "1s", "failAfter": 9})
    done = fault.deploy(*UP, environ=job)
    assert done.code == 0, done
    guards = yaml.safe_load(text)["metrics"].get("guards", ["errorRatio", "latencyP99"])
    names = {one if isinstance(one, str) else one["name"] for one in guards}
    assert {one["name"] for one in done.json["metrics"]} == names
    assert not any(secret in done.out + done.err + doctor.out + doctor.err for secret in job.values())


def test_what_it_switches_on_in_the_chart_is_there(fault: Project) -> None:
    (text,) = about("values")
    fault.profile("dev", **yaml.safe_load(text))
    done = fault.deploy(*UP)
    assert done.code == 0, done
    (monitor,) = fault.objects("servicemonitors.monitoring.coreos.com")
    (alerts,) = fault.objects("prometheusrules.monitoring.coreos.com")
    assert {one["metadata"]["labels"]["release"] for one in (monitor, alerts)} == {"prometheus"}
    rules = {one["alert"]: one["expr"] for group in alerts["spec"]["groups"] for one in group["rules"]}
    assert not [name for name in rules if "Restarts" in name]
    assert "0.02" in next(expr for name, expr in rules.items() if "ManyErrors" in name)
    (dashboard,) = [one for one in fault.objects("configmaps") if one["metadata"]["name"] == "web-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"]["grafana_folder"] == "shop"
    (deployment,) = fault.objects("deployments")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environ = {one["name"]: one.get("value", "") for one in container["env"]}
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.observability:4318"
    assert environ["OTEL_TRACES_SAMPLER_ARG"] == "0.1"
    assert "team=shop" in environ["OTEL_RESOURCE_ATTRIBUTES"]


@pytest.fixture
def grafana() -> Iterator[Between]:
    """Takes every annotation, over TLS. The lab has no Grafana."""
    made = Between("apiserver", "127.0.0.1:1")
    made.script = lambda _: Answer(200, "{}")
    yield made
    made.shutdown()
    made.server_close()


def test_a_run_is_told_to_all_that_it_names(fault: Project, grafana: Between) -> None:
    (text,) = about("telemetry")
    addresses = (
        ("http://pushgateway.observability:9091", os.environ["LAB_PUSHGATEWAY"]),
        ("https://grafana.example.com", f"https://{HOST}:{grafana.server_port}"),
        ("timeout: 3s", "timeout: 30s"),
    )
    fault.profile("dev", **with_addresses(text, *addresses))
    job = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["LAB_OTLP"],
        "COLLECTOR_AUTHORIZATION": "Basic bG9naW46b2YtdGhlLWpvYg==",
        "GRAFANA_TOKEN": "t0ken-of-grafana",
    }
    done = fault.deploy(*UP, environ=job)
    assert done.code == 0, done
    assert not [one for one in done.json["warnings"] if "not sent" in one or "not pushed" in one or "not told" in one]
    ours = {"namespace": fault.namespace, "release": "web"}
    until(lambda: _traced(fault.namespace), "the trace", 60)
    until(lambda: gauges("deploy_run_exit_code", ours) == [0.0], "the figures in the collector", 60)
    query = "deploy_run_exit_code{" + ",".join(f'{key}="{value}"' for key, value in ours.items()) + "}"
    until(lambda: values(query) == [0.0], "the figures in Prometheus", 60)
    assert [(one.path, one.authorization) for one in grafana.asked] == [("/api/annotations", "Bearer t0ken-of-grafana")]
    (mark,) = (fault.folder / "deploys.jsonl").read_text().splitlines()
    assert f"namespace:{fault.namespace}" in json.loads(mark)["tags"]
    assert not any(job[name] in done.out + done.err for name in ("COLLECTOR_AUTHORIZATION", "GRAFANA_TOKEN"))


def _traced(namespace: str) -> bool:
    found = spans(lambda about: about.get("service.name") == "deploy")
    return any(attributes(one.data).get("k8s.namespace.name") == namespace for one in found)
