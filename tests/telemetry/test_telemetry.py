"""What is told of a run, and what becomes of it where nobody listens."""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from loopback import serving

from deployer.errors import ExitCode
from deployer.model import Image, Record, Target
from deployer.plan.steps import Plan
from deployer.profile import Profile
from deployer.result import Result, Stage
from deployer.telemetry import otlp, tell, tell_above, variables
from deployer.telemetry.annotation import annotation
from deployer.telemetry.context import Context
from deployer.telemetry.figures import exposition, figures, group

CONTEXT = Context("a" * 32, "b" * 16, "c" * 16)
PLAN = Plan("up", "dev", Target(Path("/k"), "lab", "shop"), "web", (), record=Record(sha="5ba", job="https://ci/7"))
STAGES = (Stage("build", 4.0, True), Stage("rollout", 2.0, True, "2 of 2"), Stage("metrics", 3.0, False))
DONE = Result(
    PLAN,
    ExitCode.UNHEALTHY,
    "errorRatio is 0.05",
    10.0,
    STAGES,
    Image("r", "web", "v2", "sha256:1"),
    revision=5,
    restored=4,
    changed=True,
)
NOW = 1_800_000_000.0


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


def test_a_trace_has_a_span_a_stage_one_after_another() -> None:
    sent = otlp.trace(DONE, CONTEXT, NOW)["resourceSpans"][0]
    assert plain(sent["resource"]["attributes"])["service.name"] == "deploy"
    root, *stages = sent["scopeSpans"][0]["spans"]
    assert (root["traceId"], root["spanId"], root["parentSpanId"]) == ("a" * 32, "b" * 16, "c" * 16)
    assert (root["name"], root["status"]) == ("deploy up", {"code": 2, "message": "errorRatio is 0.05"})
    about = plain(root["attributes"])
    assert about["deploy.outcome"] == "unhealthy"
    assert about["deploy.revision"] == "5"
    assert about["container.image.name"] == "r/web:v2@sha256:1"
    assert about["vcs.ref.head.revision"] == "5ba"
    times = [
        (one["name"], *(int(one[key]) / 1e9 - NOW for key in ("startTimeUnixNano", "endTimeUnixNano")))
        for one in stages
    ]
    assert times == [
        ("checks", -10, -9),
        ("build", -9, -5),
        ("rollout", -5, -3),
        ("metrics", -3, 0),
    ]
    assert [one["status"]["code"] for one in stages] == [1, 1, 1, 2]
    assert {one["parentSpanId"] for one in stages} == {"b" * 16}
    assert len({one["spanId"] for one in (root, *stages)}) == 5


def test_a_trace_that_begins_here_has_no_parent() -> None:
    sent = otlp.trace(replace(DONE, stages=()), replace(CONTEXT, parent=""), NOW)
    assert "parentSpanId" not in sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def test_figures_in_both_forms() -> None:
    found = figures(replace(DONE, stages=(*STAGES, Stage("build", 1.0, True))), NOW)
    lines = exposition(found).splitlines()
    assert 'deploy_run_duration_seconds{verb="up",outcome="unhealthy"} 10.0' in lines
    assert 'deploy_stage_duration_seconds{verb="up",outcome="unhealthy",stage="build"} 5.0' in lines
    assert 'deploy_run_rolled_back{verb="up",outcome="unhealthy"} 1' in lines
    assert [line for line in lines if line.startswith("# TYPE deploy_stage")] == [
        "# TYPE deploy_stage_duration_seconds gauge"
    ]
    assert group(DONE) == "/metrics/job/deploy/environment/dev/namespace/shop/release/web"
    sent = otlp.metrics(DONE, found, NOW)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    point = sent[0]["gauge"]["dataPoints"][0]
    assert point["asDouble"] == 10.0
    assert plain(point["attributes"])["release"] == "web"


def test_each_figure_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    assert {one.name for one in figures(DONE, NOW)} == set(re.findall(r"deploy_(?:run|stage)_\w+", page))


def test_one_of_many_targets_is_told_from_the_others() -> None:
    one = replace(DONE, plan=replace(PLAN, target=replace(PLAN.target, name="edge-01")))
    assert group(one).endswith("/release/web/target/edge-01")
    metrics = otlp.metrics(one, figures(one, NOW), NOW)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    assert all(plain(each["gauge"]["dataPoints"][0]["attributes"])["target"] == "edge-01" for each in metrics)
    span = otlp.trace(one, CONTEXT, NOW)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert plain(span["attributes"])["deploy.target"] == "edge-01"
    assert "target:edge-01" in (annotation(one, NOW) or {})["tags"]


def test_a_mark_for_what_was_changed() -> None:
    mark = annotation(DONE, NOW)
    assert mark is not None
    assert mark["timeEnd"] - mark["time"] == 10_000
    assert {"deploy", "release:web", "namespace:shop", "outcome:unhealthy", "version:v2", "revision:5"} <= set(
        mark["tags"]
    )
    assert mark["text"] == "up dev: errorRatio is 0.05"
    assert annotation(replace(DONE, changed=False), NOW) is None
    assert annotation(replace(DONE, plan=replace(PLAN, verb="build")), NOW) is None


# -- who listens, and who does not -------------------------------------------------------------------------------------


def profile(**telemetry: Any) -> Profile:
    return Profile.model_validate(
        {
            "target": {"context": "c", "namespace": "shop"},
            "registry": {"url": "r"},
            "image": {"repository": "web"},
            "release": {"name": "web"},
            "telemetry": telemetry,
        }
    )


Asked = list[tuple[str, str, dict[str, str], bytes]]


@pytest.fixture
def listener() -> Iterator[tuple[str, Asked]]:
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(500 if self.path.startswith("/broken") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST

    with serving(Handler) as url:
        yield url, asked


def test_all_are_told(listener: tuple[str, Asked], tmp_path: Path) -> None:
    url, asked = listener
    told = profile(
        otlp=url,
        headers={"X-Key": "KEY"},
        pushgateway=f"{url}/gateway/",
        grafana=f"{url}/grafana",
        grafanaTokenVariable="TOKEN",
        file="deploys.jsonl",
        timeout="20s",
    )
    known = {"KEY": "k3y", "TOKEN": "t0ken"}
    assert set(variables(told)) == {"KEY", "TOKEN"}
    for _ in range(2):
        assert tell(DONE, told, tmp_path, CONTEXT, known) == []
    seen = {path: (method, headers, body) for method, path, headers, body in asked}
    assert set(seen) == {
        "/v1/traces",
        "/v1/metrics",
        "/gateway/metrics/job/deploy/environment/dev/namespace/shop/release/web",
        "/grafana/api/annotations",
    }
    assert seen["/v1/traces"][1]["X-Key"] == "k3y"
    assert "Authorization" not in seen["/v1/traces"][1]
    assert seen["/grafana/api/annotations"][1]["Authorization"] == "Bearer t0ken"
    assert {method for method, _, _ in seen.values()} == {"POST", "PUT"}
    lines = [json.loads(line) for line in (tmp_path / "deploys.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["up dev: errorRatio is 0.05"] * 2
    asked.clear()
    tell(DONE, told, tmp_path, replace(CONTEXT, sampled=False), known)
    assert "/v1/traces" not in [path for _, path, _, _ in asked], "the caller does not sample"


def test_many_targets_hang_below_one_span(listener: tuple[str, Asked]) -> None:
    url, asked = listener
    told = profile(otlp=url, pushgateway=f"{url}/gateway/")
    assert tell_above(DONE, told, replace(CONTEXT, sampled=False), {}) == []
    assert asked == []
    assert tell_above(DONE, told, CONTEXT, {}) == []
    assert [(method, path) for method, path, _, _ in asked] == [("POST", "/v1/traces")]
    assert CONTEXT.below().parent == CONTEXT.span, "which is sent"


def test_what_cannot_be_told_is_a_warning_and_soon_over(listener: tuple[str, Asked], tmp_path: Path) -> None:
    url, _ = listener
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = profile(pushgateway=mute, otlp="http://127.0.0.1:1", grafana=f"{url}/broken", file="no/such", timeout=1)
        began = time.monotonic()
        missing = tell(DONE, told, tmp_path, CONTEXT, {})
    assert time.monotonic() - began < 10
    said = "\n".join(missing)
    assert "the trace was not sent: " in said
    assert "the metrics were not sent: " in said
    assert "the metrics were not pushed: " in said
    assert "Grafana was not told: it answers 500" in said
    assert "the deploy was not written down: " in said
    assert "0x" not in said


def test_nobody_is_told_where_nobody_is_named(tmp_path: Path) -> None:
    assert tell(DONE, profile(otlp=""), tmp_path, CONTEXT, {}) == []
