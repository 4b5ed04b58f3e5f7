"""A mesh's control plane: istiod with its CRDs. There are no sidecars: its pods stay as they are."""

from lab import place, programs
from lab.controlplane import kubectl
from lab.processes import alive, attempt, run, start, stop, until

NAME = "istiod"
NAMESPACE = "istio-system"


def up() -> str:
    """Apply the CRDs, start istiod and wait until it is ready."""
    crds = programs.from_module(programs.ISTIOD, "manifests/charts/base/files/crd-all.gen.yaml")
    run(*kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-"), stdin=crds)
    until("Istio's API", lambda: attempt(*kubectl("get", "virtualservices,peerauthentications", "-A")), seconds=120)
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n"
    run(*kubectl("apply", "--filename", "-"), stdin=namespace)
    start(
        NAME,
        (
            *(place.BIN / "pilot-discovery", "discovery", "--kubeconfig", place.ADMIN, "--namespace", NAMESPACE),
            *("--httpAddr", place.ISTIOD, "--httpsAddr", "", "--grpcAddr", "127.0.0.1:15010", "--secureGRPCAddr", ""),
            *("--monitoringAddr", "127.0.0.1:15014", "--ctrlz_address", "127.0.0.1", "--ctrlz_port", "0"),
            *("--domain", "cluster.local", "--log_output_level", "default:warn"),
        ),
        {
            "PILOT_CERT_PROVIDER": "none",
            "ENABLE_CA_SERVER": "false",
            "POD_NAME": NAME,
            "POD_NAMESPACE": NAMESPACE,
            "UNSAFE_ENABLE_ADMIN_ENDPOINTS": "true",
        },
    )
    until("istiod", ready, seconds=240, needs=(NAME,))
    return f"http://{place.ISTIOD}"


def ready() -> bool:
    """Whether istiod has read the cluster."""
    return alive(NAME) and attempt("curl", "-sf", f"http://{place.ISTIOD}/ready")


def down() -> None:
    """Stop it."""
    stop(NAME)
