"""`deploy` tells of its own runs: the real collector, the real Pushgateway and Prometheus have heard of them."""

import json
import os
import secrets
from typing import Any

import pytest
from conftest import Project
from observed import attributes, gauges, spans, values
from processes import until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

TRACE, CALLER = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
UP = ("up", "--env", "dev", "--tag", "v1", "--output", "json")


def test_a_run_is_seen_everywhere(fault: Project) -> None:
    fault.profile(
        "dev",
        telemetry={
            "otlp": os.environ["LAB_OTLP"],
            "pushgateway": os.environ["LAB_PUSHGATEWAY"],
            "file": "deploys.jsonl",
            "timeout": "30s",
        },
    )
    ours = f'namespace="{fault.namespace}",release="web"'
    good = fault.deploy(*UP, environ={"TRACEPARENT": f"00-{TRACE}-{CALLER}-01"})
    assert good.code == 0, good
    assert not any("sent" in one or "pushed" in one for one in good.json["warnings"])
    bad = fault.deploy(*UP, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")
    assert bad.code == 5, bad
    assert not any("sent" in one or "pushed" in one for one in bad.json["warnings"])

    def heard() -> list[dict[str, Any]]:
        found = spans(lambda about: about.get("service.name") == "deploy")
        return [{**one.data, "about": attributes(one.data)} for one in found]

    def runs() -> list[dict[str, Any]]:
        return [one for one in heard() if one["about"].get("k8s.namespace.name") == fault.namespace]

    until(lambda: len(runs()) == 2, "a trace of each run", 60)
    first, second = sorted(runs(), key=lambda one: one["startTimeUnixNano"])
    assert (first["traceId"], first["parentSpanId"]) == (TRACE, CALLER)
    assert second["traceId"] != TRACE
    assert not second.get("parentSpanId")
    assert first["about"]["deploy.outcome"] == "ok"
    assert second["about"]["deploy.outcome"] == "unhealthy"
    assert second["about"]["deploy.restored"] == "1"
    stages = [one["name"] for one in heard() if one.get("parentSpanId") == second["spanId"]]
    assert stages == ["checks", "release", "rollout", "rollback"]

    labels = {"environment": "dev", "namespace": fault.namespace, "release": "web"}
    until(lambda: gauges("deploy_run_exit_code", labels) == [0.0, 5.0], "figures in the collector's output", 60)
    assert gauges("deploy_run_changed", labels) == [1.0, 1.0]
    assert gauges("deploy_run_rolled_back", labels | {"outcome": "unhealthy"}) == [1.0]
    assert all(seconds > 0 for seconds in gauges("deploy_run_duration_seconds", labels))
    for stage in ("release", "rollout", "rollback"):
        assert gauges("deploy_stage_duration_seconds", labels | {"outcome": "unhealthy", "stage": stage}), stage

    until(lambda: values(f"deploy_run_exit_code{{{ours}}}") == [5.0], "figures in Prometheus", 60)
    assert values(f'deploy_run_rolled_back{{{ours},outcome="unhealthy"}}') == [1.0]
    assert len(values(f"deploy_stage_duration_seconds{{{ours}}}")) == 3

    marks = [json.loads(line) for line in (fault.folder / "deploys.jsonl").read_text().splitlines()]
    assert [sorted(tag for tag in one["tags"] if tag.startswith("outcome")) for one in marks] == [
        ["outcome:ok"],
        ["outcome:unhealthy"],
    ]
    assert all(one["time"] < one["timeEnd"] for one in marks)


def test_nobody_listens_and_the_run_is_what_it_is(fault: Project) -> None:
    fault.profile("dev", telemetry={"otlp": "http://10.97.0.1:1", "grafana": "http://10.97.0.1:1", "timeout": "2s"})
    done = fault.deploy(*UP)
    assert done.code == 0, done
    assert sorted(one.partition(":")[0] for one in done.json["warnings"]) == [
        "Grafana was not told",
        "the metrics were not sent",
        "the trace was not sent",
    ]


def test_docker_and_helm_are_in_the_same_trace(small: Project) -> None:
    """buildx sends no spans of its own here; that the programs of a run are given its context is what can be seen."""
    small.profile("dev", telemetry={"otlp": os.environ["LAB_OTLP"], "timeout": "30s"})
    wrapper = small.folder / "helm"
    wrapper.write_text(f'#!/bin/sh\necho "$TRACEPARENT" >> {small.folder}/seen\nexec "$LAB_BIN/helm" "$@"\n')
    wrapper.chmod(0o755)
    done = small.deploy(
        "up",
        "--env",
        "dev",
        "--output",
        "json",
        environ={"DEPLOY_HELM": str(wrapper), "TRACEPARENT": f"00-{TRACE}-{CALLER}-01"},
    )
    assert done.code == 0, done
    seen = set((small.folder / "seen").read_text().split())
    assert len(seen) == 1
    assert seen.pop().startswith(f"00-{TRACE}-")


def test_many_targets_hang_below_one_span(fault: Project) -> None:
    observed = {"otlp": os.environ["LAB_OTLP"], "pushgateway": os.environ["LAB_PUSHGATEWAY"], "timeout": "30s"}
    fault.profile("dev", telemetry=observed, targets=[{"name": "shop-1"}])
    trace = secrets.token_hex(16)
    done = fault.deploy(*UP, environ={"TRACEPARENT": f"00-{trace}-{CALLER}-01"})
    assert done.code == 0, done
    assert "not sent" not in done.err

    def heard() -> list[dict[str, Any]]:
        found = spans(lambda about: about.get("service.name") == "deploy")
        return [one.data for one in found if one.data["traceId"] == trace and one.data["name"] == "deploy up"]

    until(lambda: len(heard()) == 2, "the span of the run, and that of its target", 60)
    (above,) = [one for one in heard() if one["parentSpanId"] == CALLER]
    (below,) = [one for one in heard() if one["parentSpanId"] == above["spanId"]]
    assert attributes(below)["deploy.target"] == "shop-1"
    ours = f'namespace="{fault.namespace}",release="web",target="shop-1"'
    until(lambda: values(f"deploy_run_exit_code{{{ours}}}") == [0.0], "figures in Prometheus", 60)
