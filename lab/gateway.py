"""A Gateway: Contour programs an Envoy on the first node's address, from the Gateway API's objects and its own."""

import json

from lab import place, programs
from lab.controlplane import kubectl
from lab.processes import alive, attempt, recorded, run, start, stop, until

CONTOUR, ENVOY = "contour", "envoy"
SOCKET = place.STATE / "envoy-admin.sock"
XDS = 18001
"""Where Contour tells Envoy what to serve."""
SHIFT = 8000
"""Contour has Envoy listen that far above a listener's port: nobody but root may listen on 80."""

OBJECTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {place.GATEWAY[0]}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: lab}}
spec: {{controllerName: projectcontour.io/gateway-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {place.GATEWAY[1]}, namespace: {place.GATEWAY[0]}}}
spec:
  gatewayClassName: lab
  listeners:
    - {{name: http, protocol: HTTP, port: {place.GATEWAY_PORT - SHIFT}, allowedRoutes: {{namespaces: {{from: All}}}}}}
"""


def url() -> str:
    """Where requests go."""
    return f"http://{place.NODE1}:{place.GATEWAY_PORT}"


def environment() -> dict[str, str]:
    """The variables that lead to it; none where nobody asked for it."""
    if CONTOUR not in recorded():
        return {}
    namespace, name = place.GATEWAY
    return {"LAB_GATEWAY": url(), "LAB_GATEWAY_NAMESPACE": namespace, "LAB_GATEWAY_NAME": name}


def up() -> str:
    """Start both and wait until the Gateway is programmed and answers."""
    crds = programs.from_module(programs.CONTOUR, "examples/gateway/00-crds.yaml", "examples/contour/01-crds.yaml")
    run(*kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-"), stdin=crds)
    until("the Gateway API", lambda: attempt(*kubectl("get", "httproutes,httpproxies", "-A")), seconds=120)
    run(*kubectl("apply", "--filename", "-"), stdin=OBJECTS)
    config = place.STATE / "contour.yaml"
    namespace, name = place.GATEWAY
    config.write_text(f"gateway: {{gatewayRef: {{namespace: {namespace}, name: {name}}}}}\n")
    start(
        CONTOUR,
        (
            *(place.BIN / "contour", "serve", "--config-path", config, "--kubeconfig", place.ADMIN),
            *("--insecure", "--disable-leader-election", "--xds-address", "127.0.0.1", "--xds-port", str(XDS)),
            *("--envoy-service-http-address", place.NODE1, "--envoy-service-https-address", place.NODE1),
            *("--http-address", "127.0.0.1", "--http-port", "18002", "--health-address", "127.0.0.1"),
            *("--health-port", "18003", "--debug-http-address", "127.0.0.1", "--debug-http-port", "18004"),
            *("--stats-address", "127.0.0.1", "--stats-port", "18005", "--ingress-status-address", place.NODE1),
        ),
        {"CONTOUR_NAMESPACE": namespace},
    )
    bootstrap = place.STATE / "envoy.json"
    run(
        *(place.BIN / "contour", "bootstrap", bootstrap, "--xds-address", "127.0.0.1", "--xds-port", str(XDS)),
        *("--admin-address", SOCKET),
    )
    start(
        ENVOY,
        (
            *(place.BIN / "envoy", "--config-path", bootstrap, "--concurrency", "1", "--disable-hot-restart"),
            *("--service-cluster", "lab", "--service-node", "lab", "--log-level", "warning"),
        ),
    )
    until("the Gateway", ready, seconds=240, needs=(CONTOUR, ENVOY))
    return url()


def ready() -> bool:
    """Whether the Gateway is programmed and Envoy answers, be it that it knows no such host."""
    if not alive(CONTOUR) or not alive(ENVOY):
        return False
    namespace, name = place.GATEWAY
    found = json.loads(run(*kubectl("get", "gateway", name, "--namespace", namespace, "--output", "json")))
    conditions = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions") or ()}
    # Contour has Envoy listen once there is a route; until then, what counts is that it runs.
    return conditions.get("Programmed") == "True" and attempt(
        *("curl", "-sf", "--unix-socket", SOCKET, "http://envoy/ready")
    )


def down() -> None:
    """Stop both."""
    for name in (ENVOY, CONTOUR):
        stop(name)
