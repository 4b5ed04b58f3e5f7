"""Two nodes: containerd, kubelet and kube-proxy each; the second in a network namespace of its own."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from lab import certificates, place
from lab.controlplane import kubectl
from lab.processes import PartFailed, alive, attempt, recorded, run, start, started, stop, until

NODES = {"node1": place.NODE1, "node2": place.NODE2}
CGROUPS = Path("/sys/fs/cgroup")
STARTS = 5
"""How often a kubelet that ends while its node comes up is started again."""
MOMENT = 1.0
"""Seconds before that: what it lacked may need a moment."""


def up() -> str:
    """Start both nodes and wait until both are Ready."""
    for name in NODES:
        _containerd(name)
    for name in NODES:
        socket = _folder(name) / "containerd.sock"
        # It answers `ctr` before its CRI is there, and a kubelet that finds none ends.
        until(f"the CRI of {name}", partial(_cri, socket), seconds=180, needs=(f"containerd-{name}",))
        if place.PAUSE not in run(*_ctr(socket), "images", "ls", "-q"):
            run(*_ctr(socket), "images", "import", place.CACHE / "pause.tar")
        _kubelet(name)
        _proxy(name)
    left = dict.fromkeys(NODES, STARTS)

    def come() -> bool:
        revive(left, _kubelet)
        return ready()

    until("both nodes Ready", come, seconds=300, needs=("containerd-node1", "containerd-node2"))
    return "2 nodes Ready"


def revive(left: dict[str, int], start: Callable[[str], None]) -> None:
    """Start the kubelets that have ended, each as often as `left` says; PartFailed for one that ends once more."""
    for name, tries in left.items():
        if alive(f"kubelet-{name}"):
            continue
        if not tries:
            raise PartFailed(f"kubelet-{name} ended again and again", f"kubelet-{name}")
        left[name] = tries - 1
        time.sleep(MOMENT)
        start(name)


def serves_cri(plugins: str) -> bool:
    """Whether `ctr plugins ls` has the CRI as ok: lines of TYPE ID PLATFORMS STATUS."""
    rows = [line.split() for line in plugins.splitlines()]
    return any(row[1:2] == ["cri"] and row[-1] == "ok" for row in rows)


def ready() -> bool:
    """Whether both nodes are Ready and their programs run.

    A cluster that was stopped remembers its nodes as Ready: only what a kubelet said since its own start counts.
    """
    parts = [f"{part}-{name}" for part in ("containerd", "kubelet", "proxy") for name in NODES]
    if not all(alive(part) for part in parts):
        return False
    done = subprocess.run(kubectl("get", "nodes", "-o", "json"), capture_output=True, text=True, check=False)
    nodes = json.loads(done.stdout)["items"] if done.returncode == 0 else []
    told = {node["metadata"]["name"]: node["status"].get("conditions", []) for node in nodes}
    return all(says_ready(told.get(name, []), since=started(f"kubelet-{name}")) for name in NODES)


def says_ready(conditions: list[dict[str, str]], since: float) -> bool:
    """Whether a kubelet has said since then (seconds since the epoch) that its node is Ready."""
    said = [each["lastHeartbeatTime"] for each in conditions if each["type"] == "Ready" and each["status"] == "True"]
    return any(datetime.fromisoformat(at).timestamp() >= int(since) for at in said)


def _folder(name: str) -> Path:
    return place.STATE / name


def _ctr(socket: Path) -> tuple[str, ...]:
    return ("ctr", "--address", str(socket), "--namespace", "k8s.io")


def _cri(socket: Path) -> bool:
    try:
        return serves_cri(run(*_ctr(socket), "plugins", "ls"))
    except PartFailed:
        return False


def _inside(name: str) -> tuple[str | Path, ...]:
    """nsenter, not `ip netns exec`: the latter's mount namespace hides the kubelet's mounts."""
    return ("nsenter", f"--net=/run/netns/{place.NETNS}") if name == "node2" else ()


def _containerd(name: str) -> None:
    folder = _folder(name)
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    bridge = "labcni0"
    (folder / "cni" / "10-lab.conflist").write_text(
        json.dumps(
            {
                "cniVersion": "0.4.0",
                "name": f"lab-{name}",
                "plugins": [
                    {
                        "type": "bridge",
                        "bridge": bridge,
                        "isGateway": True,
                        "hairpinMode": True,
                        "ipam": {
                            "type": "host-local",
                            "dataDir": str(folder / "ipam"),
                            "ranges": [[{"subnet": place.PODS[name]}]],
                            "routes": [{"dst": "0.0.0.0/0"}],
                        },
                    },
                    {"type": "portmap", "capabilities": {"portMappings": True}},
                ],
            }
        )
    )
    config = folder / "containerd.toml"
    config.write_text(
        f"""version = 2
root = "{folder / "containerd"}"
state = "/run/deploy-lab/{name}"
oom_score = 0
[grpc]
  address = "{folder / "containerd.sock"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{place.PAUSE}"
  # Where root lacks CAP_SYS_RESOURCE every sandbox dies without it.
  restrict_oom_score_adj = true
  max_concurrent_downloads = 4
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder / "cni"}"
"""
    )
    # The authorities reach containerd as a bundle: with hosts.toml a missing tag is reported as an x509 error.
    start(
        f"containerd-{name}", (*_inside(name), "containerd", "--config", config), {"SSL_CERT_FILE": str(place.BUNDLE)}
    )


def _kubelet(name: str) -> None:
    folder = _folder(name)
    certificates.kubeconfig(folder / "kubelet.kubeconfig", name)
    root = "" if name == "node1" else f"/{name}"
    if root:
        _cgroup(name)
    config = folder / "kubelet.json"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": NODES[name],
                "containerRuntimeEndpoint": f"unix://{folder / 'containerd.sock'}",
                "cgroupDriver": "cgroupfs",
                **({"cgroupRoot": root} if root else {}),
                "failSwapOn": False,
                "enforceNodeAllocatable": [],
                "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
                "imageGCHighThresholdPercent": 100,
                "imageGCLowThresholdPercent": 99,
                "podLogsDir": str(folder / "pods"),
                "clusterDNS": [place.NODE1],
                "clusterDomain": "cluster.local",
                "authentication": {
                    "anonymous": {"enabled": False},
                    "x509": {"clientCAFile": str(place.PKI / "ca.crt")},
                },
                "authorization": {"mode": "Webhook"},
                "serializeImagePulls": False,
                "maxPods": 250,
                "registryPullQPS": 0,
                "eventRecordQPS": 0,
                "kubeAPIQPS": 100,
                "kubeAPIBurst": 200,
                "healthzPort": 0,
                "makeIPTablesUtilChains": False,  # kube-proxy uses nftables; these would stay behind
            }
        )
    )
    start(
        f"kubelet-{name}",
        (
            *(*_inside(name), place.BIN / "kubernetes", "kubelet", "--config", config),
            *("--kubeconfig", folder / "kubelet.kubeconfig", "--root-dir", folder / "kubelet"),
            *("--hostname-override", name, "--node-ip", NODES[name], "--cert-dir", folder / "certificates"),
        ),
    )


def _cgroup(name: str) -> None:
    """A cgroup root of the node's own in every v1 controller; cpuset starts empty and must be copied."""
    for controller in CGROUPS.iterdir():
        if controller.is_symlink() or not (controller / "cgroup.procs").exists():
            continue
        child = controller / name
        child.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (controller / setting).exists():
                (child / setting).write_text((controller / setting).read_text())


def _proxy(name: str) -> None:
    folder = _folder(name)
    certificates.kubeconfig(folder / "proxy.kubeconfig", "proxy")
    start(
        f"proxy-{name}",
        (
            *(*_inside(name), place.BIN / "kubernetes", "kube-proxy", "--kubeconfig", folder / "proxy.kubeconfig"),
            *("--proxy-mode", "nftables", "--hostname-override", name, "--cluster-cidr", "10.244.0.0/16"),
            *(
                "--conntrack-max-per-core",
                "0",
                "--conntrack-tcp-timeout-established",
                "0",
                "--conntrack-tcp-timeout-close-wait",
                "0",
            ),
            *("--metrics-bind-address", "127.0.0.1:10249", "--healthz-bind-address", "127.0.0.1:10256"),
        ),
    )


def down() -> None:
    """Stop both nodes, and end every container that they left running."""
    for part in ("proxy", "kubelet"):
        for name in NODES:
            stop(f"{part}-{name}")
    namespaces = [found for name in NODES for found in _network_namespaces(name)]
    _end_containers()
    for namespace in namespaces:
        attempt("ip", "netns", "del", namespace)
    for name in recorded():
        if name.startswith("containerd-"):
            stop(name)
    attempt("nft", "delete", "table", "ip", "kube-proxy")
    attempt("nft", "delete", "table", "ip6", "kube-proxy")
    unmount()
    for name in NODES:
        for controller in CGROUPS.glob(f"*/{name if name != 'node1' else 'kubepods'}"):
            for child in sorted(controller.rglob("*"), key=lambda path: len(path.parts), reverse=True):
                if child.is_dir():
                    attempt("rmdir", child)
            attempt("rmdir", controller)
    shutil.rmtree("/run/deploy-lab", ignore_errors=True)


def _network_namespaces(name: str) -> list[str]:
    """The network namespaces of a node's pods; none where its containerd is gone already."""
    ctr = _ctr(_folder(name) / "containerd.sock")
    try:
        ids = run(*ctr, "containers", "ls", "--quiet").split()
        specs = [json.loads(run(*ctr, "containers", "info", one))["Spec"] for one in ids]
    except PartFailed:
        return []
    paths = {
        space.get("path", "") for spec in specs for space in spec["linux"]["namespaces"] if space["type"] == "network"
    }
    return [Path(path).name for path in paths if Path(path).name.startswith("cni-")]


def _end_containers() -> None:
    """The shims of our two containerds, by the socket in their command lines, and all that they hold."""
    marks = {str(_folder(name) / "containerd.sock") for name in NODES}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "containerd-shim" in words[0] and marks & set(words):
            for child in _descendants(int(entry.name)):
                attempt("kill", "-9", str(child))
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (*_descendants(child), child)]


def unmount() -> None:
    """Let go of what kubelets and containerds mounted."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted(mounts, key=len, reverse=True):
        if mount.startswith((str(place.STATE), "/run/deploy-lab/")):
            attempt("umount", "--lazy", mount.replace("\\040", " "))
