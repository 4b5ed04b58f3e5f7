"""Where the lab lives: every path and address it uses."""

import os
from pathlib import Path

SOURCES = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deploy-lab"
"""What is slow to build; survives `down`."""

STATE = Path("/var/lib/deploy-lab")
"""Everything of a running lab; `down` removes it."""

BIN = STATE / "bin"
LOGS = STATE / "log"
PIDS = STATE / "pid"
PKI = STATE / "pki"
PLUGINS = Path("/usr/local/lib/docker/cli-plugins")
"""Where docker looks for plugins whatever DOCKER_CONFIG says."""

BRIDGE = "deploylab0"
NODE2_LINK = "deploylab1"
NETNS = "deploy-lab-node2"
NODE1, NODE2 = "10.97.0.1", "10.97.0.2"
PODS = {"node1": "10.244.0.0/24", "node2": "10.244.1.0/24"}
SERVICES = "10.96.0.0/16"
REGISTRY = "registry.lab:5443"
REGISTRY_USER = "deploy"
GIT = "git.lab:8443"
API = f"https://{NODE1}:6443"
REPOSITORIES = STATE / "git"
"""The git server's bare repositories."""

DOCKER = STATE / "docker.sock"
BUILDKIT = STATE / "buildkit"
BUILDX = STATE / "buildx"
"""Where buildx keeps the builders of the lab, apart from those of the machine."""

BUNDLE = PKI / "bundle.pem"
"""The system's certificate authorities and the lab's."""

GATEWAY = ("gateways", "public")
"""Namespace and name of the Gateway."""
GATEWAY_PORT, MESH_PORT = 8090, 8091
ISTIOD = "127.0.0.1:15080"
"""Where the mesh's control plane answers HTTP: its webhooks and its debug pages."""

ADMIN = STATE / "admin.kubeconfig"
KUBECONFIG = STATE / "kubeconfig"
FLEET = STATE / "fleet.kubeconfig"
FLEET_ADMIN = STATE / "fleet-admin.kubeconfig"
ENVIRONMENTS = ("dev", "test", "prod")
MIRROR = {
    "GO_IMAGE": f"{REGISTRY}/mirror/golang:1.26-alpine",
    "RUNTIME_IMAGE": f"{REGISTRY}/mirror/static-debian12:nonroot",
    "REDIS_IMAGE": f"{REGISTRY}/mirror/redis:7-alpine",
}
PAUSE = f"{REGISTRY}/mirror/pause:1"


def password() -> str:
    """The registry's password: made once a lab."""
    return (PKI / "registry-password").read_text().strip()
