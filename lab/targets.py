"""What Prometheus scrapes: Debian builds it without Kubernetes, so this watches the pods and writes a file of targets.

The labels are those of Prometheus' own kubernetes_sd, so that the rest of its configuration is as on any cluster.
"""

import json
import re
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import place

Pod = dict[str, Any]
SILENCE = 30
"""Seconds of a watch without news, after which the pods are listed anew."""


def main() -> None:
    """Follow the pods until killed."""
    file, context = Path(sys.argv[1]), ssl.create_default_context(cafile=place.PKI / "ca.crt")
    context.load_cert_chain(place.PKI / "prometheus.crt", place.PKI / "prometheus.key")
    while True:
        try:
            _follow(file, context)
        except (OSError, ValueError) as error:  # the API server is away, or the watch is over: begin anew
            print(f"targets: {error}", file=sys.stderr, flush=True)
            time.sleep(1)


def _follow(file: Path, context: ssl.SSLContext) -> None:
    url = f"{place.API}/api/v1/pods"
    with urllib.request.urlopen(url, context=context, timeout=SILENCE) as answer:
        listed = json.load(answer)
    pods: dict[str, Pod] = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
    _write(file, pods)
    since = listed["metadata"]["resourceVersion"]
    watch = f"{url}?watch=1&resourceVersion={since}&timeoutSeconds=600"
    with urllib.request.urlopen(watch, context=context, timeout=SILENCE) as news:
        for line in news:
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            pod = event["object"]
            pods.pop(pod["metadata"]["uid"], None)
            if event["type"] != "DELETED":
                pods[pod["metadata"]["uid"]] = pod
            _write(file, pods)


def _write(file: Path, pods: dict[str, Pod]) -> None:
    text = json.dumps([group for pod in pods.values() for group in _targets(pod)])
    if file.exists() and file.read_text() == text:
        return
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def _targets(pod: Pod) -> Iterator[dict[str, Any]]:
    """A target for each port, as kubernetes_sd has it; none of a pod that does not ask to be scraped."""
    about, address = pod["metadata"], pod.get("status", {}).get("podIP")
    if not address or (about.get("annotations") or {}).get("prometheus.io/scrape") != "true":
        return
    labels = {
        "__meta_kubernetes_namespace": about["namespace"],
        "__meta_kubernetes_pod_name": about["name"],
        "__meta_kubernetes_pod_ip": address,
        "__meta_kubernetes_pod_phase": pod["status"].get("phase", ""),
        **_named("label", about.get("labels") or {}),
        **_named("annotation", about.get("annotations") or {}),
    }
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}


def _named(kind: str, given: dict[str, str]) -> dict[str, str]:
    return {f"__meta_kubernetes_pod_{kind}_{re.sub('[^A-Za-z0-9_]', '_', key)}": text for key, text in given.items()}


if __name__ == "__main__":
    main()
