"""What the alerts say of series, by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import Helm

pytestmark = pytest.mark.lab

POD, OTHER, CANARY = "web-7d4b9c6f5-x2x4x", "web-7d4b9c6f5-aaaaa", "web-canary-6d5f9c7b8d-z9z9z"
AT = "60m"


def of(metric: str, pod: str, more: str = "") -> str:
    return f'{metric}{{namespace="shop",pod="{pod}"{more}}}'


WELL = {
    of("up", POD): "1x70",
    of("up", OTHER): "1x70",
    of("process_start_time_seconds", POD): "0x70",
    of("process_open_fds", POD): "10x70",
    of("process_max_fds", POD): "100x70",
    of("http_requests_total", POD, ',route="/",code="200"'): "0+60x70",
    of("http_request_duration_seconds_bucket", POD, ',route="/",le="0.1"'): "0+60x70",
    of("http_request_duration_seconds_bucket", POD, ',route="/",le="+Inf"'): "0+60x70",
}
"""Series that begin at 0 and have a sample a minute."""

RESTARTS = of("kube_pod_container_status_restarts_total", POD, ',container="web"')
ILL: dict[str, tuple[dict[str, str], set[str]]] = {
    "a service that is well": ({}, set()),
    "one restart": ({RESTARTS: "0x50 1x20"}, set()),
    "a loop of crashes that no scrape sees": ({RESTARTS: "0+0.2x70"}, {"WebRestarts"}),  # every five minutes
    "processes that live to be scraped": (
        {of("process_start_time_seconds", POD): "0x30 1x9 2x9 3x30"},
        {"WebRestarts"},
    ),
    "one of two pods away": ({of("up", OTHER): "1x40 0x30"}, {"WebUnreached"}),
    "one of two that comes and goes": ({of("up", OTHER): "1 0 0 0 1 0 0 0 " * 8}, {"WebUnreached"}),
    "all away": ({of("up", POD): "0x70", of("up", OTHER): "0x70"}, {"WebUnreached", "WebGone"}),
    "a canary that fails": ({of("http_requests_total", CANARY, ',route="/",code="500"'): "0+10x70"}, {"WebManyErrors"}),
    "another's failures": ({of("http_requests_total", "web-redis-7d4b9c6f5-x2x4x-0", ',code="500"'): "0+99x70"}, set()),
}


@pytest.mark.parametrize("case", ILL)
def test_what_fires(helm: Helm, tmp_path: Path, case: str) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not there (python3 -m lab observe brings it)")
    series, fires = ILL[case]
    rule = helm.render({"prometheusRule": {"enabled": True, "alertLabels": {}}}).one("PrometheusRule")["spec"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule))
    tests: list[dict[str, Any]] = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": one} for name, one in {**WELL, **series}.items()],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": AT,
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(fires)],
                }
            ],
        }
    ]
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": tests}))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
