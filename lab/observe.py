"""Prometheus, which scrapes the lab's pods, a Pushgateway, and an OpenTelemetry collector that writes what it hears."""

import sys

from lab import certificates, place, programs
from lab.controlplane import kubectl
from lab.processes import alive, attempt, run, start, stop, until

PACKAGES = {"prometheus": "/usr/bin/prometheus", "prometheus-pushgateway": "/usr/bin/prometheus-pushgateway"}
PARTS = ("targets", "prometheus", "pushgateway", "otelcol")
PROMETHEUS = f"http://{place.NODE1}:9090"
PUSHGATEWAY = f"http://{place.NODE1}:9091"
OTLP = f"http://{place.NODE1}:4318"
TRACES = place.STATE / "otel.jsonl"
"""What the collector heard: a line of OTLP in JSON for each batch."""

TARGETS = place.STATE / "targets.json"

RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lab-prometheus}
rules:
  - {apiGroups: [""], resources: [pods, namespaces], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lab-prometheus}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lab-prometheus}
subjects: [{kind: User, name: lab-prometheus, apiGroup: rbac.authorization.k8s.io}]
"""


def ready() -> bool:
    """Whether Prometheus and the Pushgateway are ready and the collector runs."""
    doors = (f"{PROMETHEUS}/-/ready", f"{PUSHGATEWAY}/-/ready")
    return alive("otelcol") and all(attempt("curl", "-sf", "--max-time", "5", door) for door in doors)


def up() -> str:
    """Start all three; pods with the annotation prometheus.io/scrape are scraped every second."""
    programs.packages(PACKAGES)
    programs.otelcol()
    if not (place.PKI / "prometheus.crt").exists():
        certificates.issue("prometheus", "/CN=lab-prometheus")
    run(*kubectl("apply", "--filename", "-"), stdin=RIGHTS)
    kinds = programs.monitoring("servicemonitors", "prometheusrules")
    run(*kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-"), stdin=kinds)
    start("pushgateway", ("prometheus-pushgateway", f"--web.listen-address={PUSHGATEWAY.removeprefix('http://')}"))
    start("targets", (sys.executable, "-m", "lab.targets", TARGETS), {"PYTHONPATH": str(place.SOURCES.parent)})
    config = place.STATE / "prometheus.yml"
    config.write_text(_scraping())
    start(
        "prometheus",
        (
            *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={place.STATE / 'prometheus'}"),
            *(f"--web.listen-address={PROMETHEUS.removeprefix('http://')}", "--storage.tsdb.retention.time=6h"),
            "--log.level=warn",
        ),
    )
    collecting = place.STATE / "otelcol.yml"
    collecting.write_text(_collecting())
    start("otelcol", (place.BIN / "otelcol", f"--config={collecting}"))
    until("Prometheus, Pushgateway and the collector", ready, seconds=120, needs=PARTS)
    until(
        "the collector's door", lambda: attempt("curl", "-s", "--max-time", "5", OTLP), seconds=60, needs=("otelcol",)
    )
    return f"{PROMETHEUS}, {PUSHGATEWAY}, {OTLP}"


def down() -> None:
    """Stop them."""
    for name in reversed(PARTS):
        stop(name)


def environment() -> dict[str, str]:
    """The variables of this part."""
    return {
        "LAB_PROMETHEUS": PROMETHEUS,
        "LAB_PUSHGATEWAY": PUSHGATEWAY,
        "LAB_OTLP": OTLP,
        "LAB_TRACES": str(TRACES),
    }


def _scraping() -> str:
    """The usual convention of annotations, and the labels that the Prometheus operator gives: namespace and pod."""
    label = "__meta_kubernetes_pod_label_app_kubernetes_io"
    return f"""global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: pods
    file_sd_configs: [{{files: [{TARGETS}]}}]
    relabel_configs:
      - {{source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: "true", action: keep}}
      - {{source_labels: [__meta_kubernetes_pod_phase], regex: Pending|Succeeded|Failed, action: drop}}
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        regex: (.+)
        target_label: __metrics_path__
      - source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port]
        separator: ":"
        regex: (.+:\\d+)
        target_label: __address__
      - {{source_labels: [__meta_kubernetes_namespace], target_label: namespace}}
      - {{source_labels: [__meta_kubernetes_pod_name], target_label: pod}}
      - {{source_labels: [{label}_instance], target_label: release}}
      - {{source_labels: [__meta_kubernetes_pod_label_pod_template_hash], target_label: pod_template_hash}}
  - job_name: pushgateway
    honor_labels: true
    static_configs: [{{targets: ["{PUSHGATEWAY.removeprefix("http://")}"]}}]
"""


def _collecting() -> str:
    return f"""receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "{place.NODE1}:4317"}}
      http: {{endpoint: "{OTLP.removeprefix("http://")}"}}
exporters:
  file: {{path: {TRACES}, flush_interval: 200ms}}
  debug: {{verbosity: basic}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [file, debug]}}
    metrics: {{receivers: [otlp], exporters: [file, debug]}}
"""
