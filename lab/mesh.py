"""A mesh: istiod with its CRDs, and an Envoy that it programs as its ingress gateway. There are no sidecars."""

import json

from lab import place, programs
from lab.controlplane import kubectl
from lab.processes import alive, attempt, recorded, run, start, stop, until

NAME, ENVOY = "istiod", "envoy-of-istio"
NAMESPACE = "istio-system"
SOCKET = place.STATE / "envoy-of-istio.sock"
XDS = 15010
LABELS = {"istio": "ingressgateway"}
"""What a Gateway of Istio's selects it by."""


def url() -> str:
    """Where requests go, once a Gateway of Istio's asks for that port."""
    return f"http://{place.NODE1}:{place.MESH_PORT}"


def environment() -> dict[str, str]:
    """The variables that lead to it; none where nobody asked for it."""
    return {"LAB_ISTIOD": f"http://{place.ISTIOD}", "LAB_MESH": url()} if NAME in recorded() else {}


def bootstrap() -> str:
    """What pilot-agent would tell Envoy: who it is, and who tells it the rest. The stock Envoy needs no agent."""
    node = {"NAMESPACE": NAMESPACE, "LABELS": LABELS, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.27.0"}
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        "@type": f"type.googleapis.com/{protocol}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": XDS}}
    told = {"ads": {}, "resource_api_version": "V3"}
    return json.dumps(
        {
            "node": {
                "id": f"router~{place.NODE1}~gateway.{NAMESPACE}~{NAMESPACE}.svc.cluster.local",
                "cluster": "gateway",
                "metadata": node,
            },
            "admin": {"address": {"pipe": {"path": str(SOCKET)}}},
            "dynamic_resources": {
                "lds_config": told,
                "cds_config": told,
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": True,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
                },
            },
            "static_resources": {
                "clusters": [
                    {
                        "name": "xds",
                        "type": "STATIC",
                        "connect_timeout": "5s",
                        "typed_extension_protocol_options": {protocol: http2},
                        "load_assignment": {
                            "cluster_name": "xds",
                            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                        },
                    }
                ]
            },
        }
    )


def up() -> str:
    """Apply the CRDs, start istiod and wait until it is ready."""
    crds = programs.from_module(programs.ISTIOD, "manifests/charts/base/files/crd-all.gen.yaml")
    run(*kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-"), stdin=crds)
    until("Istio's API", lambda: attempt(*kubectl("get", "virtualservices,peerauthentications", "-A")), seconds=120)
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n"
    run(*kubectl("apply", "--filename", "-"), stdin=namespace)
    config = place.STATE / "mesh.yaml"
    # Without certificates an Envoy would wait for them, and never use a cluster that may want TLS.
    config.write_text("enableAutoMtls: false\n")
    start(
        NAME,
        (
            *(place.BIN / "pilot-discovery", "discovery", "--kubeconfig", place.ADMIN, "--namespace", NAMESPACE),
            *("--httpAddr", place.ISTIOD, "--httpsAddr", "", "--grpcAddr", f"127.0.0.1:{XDS}", "--secureGRPCAddr", ""),
            *("--monitoringAddr", "127.0.0.1:15014", "--ctrlz_address", "127.0.0.1", "--ctrlz_port", "0"),
            *("--meshConfig", config, "--domain", "cluster.local", "--log_output_level", "default:warn"),
        ),
        {
            "PILOT_CERT_PROVIDER": "none",
            "ENABLE_CA_SERVER": "false",
            "POD_NAME": NAME,
            "POD_NAMESPACE": NAMESPACE,
            "UNSAFE_ENABLE_ADMIN_ENDPOINTS": "true",
            "PILOT_ENABLE_GATEWAY_API": "false",  # that is Contour's here
            # Istio's own filters are not in the stock Envoy.
            "PILOT_ENABLE_ALPN_FILTER": "false",
            "PILOT_ENABLE_METADATA_EXCHANGE": "false",
        },
    )
    until("istiod", _serves, seconds=240, needs=(NAME,))
    file = place.STATE / "envoy-of-istio.json"
    file.write_text(bootstrap())
    start(
        ENVOY,
        (
            *(place.BIN / "envoy", "--config-path", file, "--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "warning"),
        ),
    )
    until("Istio's gateway", ready, seconds=240, needs=(NAME, ENVOY))
    return f"http://{place.ISTIOD}, its gateway {url()}"


def ready() -> bool:
    """Whether istiod has read the cluster, and Envoy has heard from it."""
    return _serves() and alive(ENVOY) and attempt("curl", "-sf", "--unix-socket", SOCKET, "http://envoy/ready")


def _serves() -> bool:
    return alive(NAME) and attempt("curl", "-sf", f"http://{place.ISTIOD}/ready")


def down() -> None:
    """Stop both."""
    for name in (ENVOY, NAME):
        stop(name)
