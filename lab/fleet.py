"""Three more clusters for fleets: etcd, API server, controller manager and scheduler each; KWOK plays nodes and pods.

A pod of theirs gets a node, an address and its status, and never runs. What makes it, places it and counts it is real.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from lab import certificates, place, programs
from lab.processes import alive, attempt, run, start, stop, until

CLUSTERS = 3
AWAY = "https://10.97.0.77:6443"
"""An address of the lab where nobody is."""

CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "serviceaccount-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "disruption-controller",
    "node-lifecycle-controller",  # takes the taint of a node away that is ready
    "pod-garbage-collector-controller",
)


@dataclass(frozen=True)
class Member:
    """One of the clusters."""

    number: int

    @property
    def name(self) -> str:
        """Also that of its context."""
        return f"fleet{self.number}"

    @property
    def etcd(self) -> str:
        """Where its etcd listens."""
        return f"http://127.0.0.1:{23820 + 2 * self.number}"

    @property
    def api(self) -> str:
        """Where its API server listens."""
        return f"https://{place.NODE1}:{6450 + self.number}"

    @property
    def admin(self) -> Path:
        """The kubeconfig of its administrator."""
        return place.STATE / f"{self.name}.kubeconfig"

    def part(self, name: str) -> str:
        """The name that a process of it is recorded under."""
        return f"{self.name}-{name}"

    def kubectl(self, *arguments: str) -> tuple[str, ...]:
        """A kubectl command as its administrator."""
        return (str(place.BIN / "kubectl"), "--kubeconfig", str(self.admin), *arguments)


MEMBERS = tuple(Member(number) for number in range(1, CLUSTERS + 1))
PARTS = ("kwok", "scheduler", "controller-manager", "apiserver", "etcd")


def up() -> str:
    """Start what does not run yet, and write the kubeconfig."""
    programs.kwok()
    for member in MEMBERS:
        _start_api(member)
    for member in MEMBERS:
        until(
            f"the API server of {member.name}",
            lambda member=member: attempt(*member.kubectl("get", "--raw", "/readyz")),  # type: ignore[misc]
            seconds=240,
            needs=(member.part("apiserver"), member.part("etcd")),
        )
        _start_rest(member)
    for member in MEMBERS:
        until(
            f"the node of {member.name}",
            lambda member=member: _node_ready(member),  # type: ignore[misc]
            seconds=120,
            needs=(member.part("kwok"),),
        )
    _write_kubeconfigs()
    return f"{', '.join(one.name for one in MEMBERS)} in {place.FLEET}"


def ready() -> bool:
    """Whether all of them run."""
    return all(alive(member.part(part)) for member in MEMBERS for part in PARTS)


def down() -> None:
    """Stop all of them and forget what they knew."""
    for member in MEMBERS:
        for part in PARTS:
            stop(member.part(part))
        run("rm", "-rf", place.STATE / member.part("etcd"))
        member.admin.unlink(missing_ok=True)
    for file in (place.FLEET, place.FLEET_ADMIN):
        file.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """The variables that lead to them; nothing where they are not there."""
    if not place.FLEET.exists():
        return {}
    return {
        "FLEET_KUBECONFIG": str(place.FLEET),
        "FLEET_ADMIN_KUBECONFIG": str(place.FLEET_ADMIN),
        "FLEET_CONTEXTS": " ".join(one.name for one in MEMBERS),
        "FLEET_AWAY": "away",
    }


def _start_api(member: Member) -> None:
    pki, peer = place.PKI, int(member.etcd.rpartition(":")[2]) + 1
    certificates.kubeconfig(member.admin, "admin", member.api)
    start(
        member.part("etcd"),
        (
            *("nice", "-n", "5", "etcd", "--name", member.name, "--data-dir", place.STATE / member.part("etcd")),
            *("--listen-client-urls", member.etcd, "--advertise-client-urls", member.etcd),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync", "--log-level", "warn"),
            *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
            *("--initial-cluster", f"{member.name}=http://127.0.0.1:{peer}"),
        ),
    )
    start(
        member.part("apiserver"),
        (
            *("nice", "-n", "5", place.BIN / "kubernetes", "kube-apiserver", "--etcd-servers", member.etcd),
            *("--bind-address", place.NODE1, "--secure-port", member.api.rpartition(":")[2]),
            *("--advertise-address", place.NODE1, "--endpoint-reconciler-type", "none"),
            *("--tls-cert-file", pki / "apiserver.crt", "--tls-private-key-file", pki / "apiserver.key"),
            *("--client-ca-file", pki / "ca.crt", "--authorization-mode", "Node,RBAC"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-cluster-ip-range", place.SERVICES),
            *("--service-account-key-file", pki / "accounts.pub"),
            *("--service-account-signing-key-file", pki / "accounts.key"),
            # Debian's etcd cannot say how far a watch is; kwok's watches would end at once and come back ever later.
            *("--feature-gates", "WatchList=false"),
        ),
    )


def _start_rest(member: Member) -> None:
    nice, binary, pki = ("nice", "-n", "5"), place.BIN / "kubernetes", place.PKI
    start(
        member.part("controller-manager"),
        (
            *(*nice, binary, "kube-controller-manager", "--kubeconfig", member.admin, "--secure-port", "0"),
            *("--root-ca-file", pki / "ca.crt", "--service-account-private-key-file", pki / "accounts.key"),
            *("--leader-elect=false", "--controllers", ",".join(CONTROLLERS)),
        ),
    )
    start(
        member.part("scheduler"),
        (*nice, binary, "kube-scheduler", "--kubeconfig", member.admin, "--leader-elect=false", "--secure-port", "0"),
    )
    run(*member.kubectl("apply", "--filename", "-"), stdin=_manifests(member))
    start(
        member.part("kwok"),
        (
            *(*nice, place.BIN / "kwok", "--kubeconfig", member.admin, "--manage-all-nodes=true"),
            *(
                "--cidr",
                f"10.20{member.number}.0.0/16",
                "--node-ip",
                place.NODE1,
                "--node-lease-duration-seconds",
                "40",
            ),
        ),
    )


def _manifests(member: Member) -> str:
    """A node, and an account that may deploy into every namespace."""
    rights = (place.SOURCES / "access.yaml").read_text().split("kind: Role\n")[1].partition("rules:\n")[2]
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"{member.name}-node",
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": f"{member.name}-node", "kubernetes.io/os": "linux"},
        },
        "status": {kind: {"cpu": "256", "memory": "1Ti", "pods": "2000"} for kind in ("allocatable", "capacity")},
    }
    return f"""{json.dumps(node)}
---
apiVersion: v1
kind: Namespace
metadata: {{name: fleet}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: deployer, namespace: fleet}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: deployer}}
rules:
  - {{apiGroups: [""], resources: [namespaces], verbs: [get]}}
{rights.partition("---")[0]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: deployer}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deployer}}
subjects: [{{kind: ServiceAccount, name: deployer, namespace: fleet}}]
"""


def _node_ready(member: Member) -> bool:
    found = json.loads(run(*member.kubectl("get", "node", f"{member.name}-node", "--output", "json")))
    states = found.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in states)


def _write_kubeconfigs() -> None:
    """One for deploys, with the contexts fleet1 to fleet3 and `away`; one for the administrator."""
    authority = base64.b64encode((place.PKI / "ca.crt").read_bytes()).decode()
    tokens = {
        one.name: run(*one.kubectl("--namespace", "fleet", "create", "token", "deployer", "--duration", "720h")).strip()
        for one in MEMBERS
    }
    servers = {one.name: one.api for one in MEMBERS} | {"away": AWAY}
    tokens["away"] = "nobody-reads-it"
    inline = {
        f"client-{kind}-data": base64.b64encode((place.PKI / f"admin.{end}").read_bytes()).decode()
        for kind, end in (("certificate", "crt"), ("key", "key"))
    }
    for file, users in (
        (place.FLEET, {name: {"token": token} for name, token in tokens.items()}),
        (place.FLEET_ADMIN, {one.name: inline for one in MEMBERS}),
    ):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": servers[name], "certificate-authority-data": authority}}
                for name in users
            ],
            "users": [{"name": name, "user": user} for name, user in users.items()],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in users],
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(config, indent=1) + "\n")
