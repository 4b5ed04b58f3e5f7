"""etcd, the API server, the controller manager and the scheduler."""

from lab import certificates, place
from lab.processes import attempt, start, stop, until

ETCD = "http://127.0.0.1:23790"
PARTS = ("scheduler", "controller-manager", "apiserver", "etcd")


def kubectl(*arguments: str) -> tuple[str, ...]:
    """A kubectl command as the lab's administrator."""
    return (str(place.BIN / "kubectl"), "--kubeconfig", str(place.ADMIN), *arguments)


def ready() -> bool:
    """Whether the API server is ready and the others run."""
    from lab.processes import alive

    return all(alive(name) for name in PARTS) and attempt(*kubectl("get", "--raw", "/readyz"))


def up() -> str:
    """Start all four."""
    pki, binary = place.PKI, place.BIN / "kubernetes"
    certificates.kubeconfig(place.ADMIN, "admin")
    start(
        "etcd",
        (
            *(
                "etcd",
                "--data-dir",
                place.STATE / "etcd",
                "--listen-client-urls",
                ETCD,
                "--advertise-client-urls",
                ETCD,
            ),
            *("--listen-peer-urls", "http://127.0.0.1:23800", "--unsafe-no-fsync", "--log-level", "warn"),
        ),
    )
    start(
        "apiserver",
        (
            *(binary, "kube-apiserver", "--etcd-servers", ETCD, "--bind-address", place.NODE1, "--secure-port", "6443"),
            *("--advertise-address", place.NODE1, "--endpoint-reconciler-type", "none"),
            *("--tls-cert-file", pki / "apiserver.crt", "--tls-private-key-file", pki / "apiserver.key"),
            *("--client-ca-file", pki / "ca.crt", "--authorization-mode", "Node,RBAC"),
            *(
                "--service-account-issuer",
                "https://kubernetes.default.svc",
                "--service-cluster-ip-range",
                place.SERVICES,
            ),
            *(
                "--service-account-key-file",
                pki / "accounts.pub",
                "--service-account-signing-key-file",
                pki / "accounts.key",
            ),
            # Without it logs and exec look the node's name up.
            *("--kubelet-preferred-address-types", "InternalIP", "--allow-privileged"),
            *("--kubelet-client-certificate", pki / "admin.crt", "--kubelet-client-key", pki / "admin.key"),
        ),
    )
    until(
        "the API server", lambda: attempt(*kubectl("get", "--raw", "/readyz")), seconds=240, needs=("apiserver", "etcd")
    )
    for name in ("controller-manager", "scheduler"):
        certificates.kubeconfig(place.STATE / f"{name}.kubeconfig", name)
    start(
        "controller-manager",
        (
            *(binary, "kube-controller-manager", "--kubeconfig", place.STATE / "controller-manager.kubeconfig"),
            *("--root-ca-file", pki / "ca.crt", "--service-account-private-key-file", pki / "accounts.key"),
            *("--use-service-account-credentials", "--leader-elect=false", "--bind-address", "127.0.0.1"),
        ),
    )
    start(
        "scheduler",
        (
            *(binary, "kube-scheduler", "--kubeconfig", place.STATE / "scheduler.kubeconfig"),
            *("--leader-elect=false", "--bind-address", "127.0.0.1"),
        ),
    )
    return place.API


def down() -> None:
    """Stop all four."""
    for name in PARTS:
        stop(name)
