"""Namespaces, and for each a service account with the rights of a CI job; the kubeconfig that leads to them."""

import base64
import json

from lab import fleet, place
from lab.controlplane import kubectl
from lab.processes import run, until

DNS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lab-dns}
rules:
  - {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lab-dns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lab-dns}
subjects: [{kind: User, name: lab-dns, apiGroup: rbac.authorization.k8s.io}]
"""


def up() -> str:
    """Apply the accounts and write the kubeconfig with contexts dev, test and prod."""
    if place.KUBECONFIG.exists():
        return "there"
    template = (place.SOURCES / "access.yaml").read_text()
    manifests = "\n---\n".join(template.replace("NAMESPACE", name) for name in place.ENVIRONMENTS)
    run(*kubectl("apply", "--filename", "-"), stdin=manifests + "\n---\n" + DNS)
    tokens: dict[str, str] = {}

    def filled(name: str) -> bool:
        secret = json.loads(run(*kubectl("get", "secret", "deployer-token", "--namespace", name, "--output", "json")))
        tokens[name] = base64.b64decode(secret.get("data", {}).get("token", "")).decode()
        return bool(tokens[name])

    for name in place.ENVIRONMENTS:
        until(f"the token of {name}", lambda name=name: filled(name), seconds=120)  # type: ignore[misc]
    authority = base64.b64encode((place.PKI / "ca.crt").read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": place.API, "certificate-authority-data": authority}}],
        "users": [{"name": f"deployer-{name}", "user": {"token": tokens[name]}} for name in place.ENVIRONMENTS],
        "contexts": [
            {"name": name, "context": {"cluster": "lab", "user": f"deployer-{name}", "namespace": name}}
            for name in place.ENVIRONMENTS
        ],
    }
    place.KUBECONFIG.touch(mode=0o600)
    place.KUBECONFIG.write_text(json.dumps(config, indent=1) + "\n")
    return ", ".join(place.ENVIRONMENTS)


def environment() -> dict[str, str]:
    """The variables that point the profiles, the tests and the demo at the lab."""
    uid = run(*kubectl("get", "namespace", "kube-system", "--output", "jsonpath={.metadata.uid}"))
    return {
        "DEPLOY_KUBECONFIG": str(place.KUBECONFIG),
        "REGISTRY_URL": place.REGISTRY,
        "REG_USER": place.REGISTRY_USER,
        "REG_PASS": place.password(),
        **place.MIRROR,
        "PROD_CLUSTER_UID": uid,
        "DOCKER_HOST": f"unix://{place.DOCKER}",
        "SSL_CERT_FILE": str(place.BUNDLE),
        "LAB_ADMIN_KUBECONFIG": str(place.ADMIN),
        "LAB_STATE": str(place.STATE),
        "LAB_BIN": str(place.BIN),
        "HELM3": str(place.BIN / "helm3"),
        **fleet.environment(),
    }
