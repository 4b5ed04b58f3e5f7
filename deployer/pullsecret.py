"""The image pull secret, made from the run's registry login."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.credentials import Login


def current(cluster: Cluster, namespace: str, name: str, registry: str, login: Login) -> bool:
    """Whether the namespace has the secret, with this login in it."""
    try:
        found = cluster.get(path("Secret", namespace, name))
    except (NotFound, Forbidden):
        return False
    wanted = _secret(name, registry, login)
    return bool(found.get("type") == wanted["type"] and found.get("data") == wanted["data"])


def apply(cluster: Cluster, namespace: str, name: str, registry: str, login: Login) -> None:
    """Create the secret, or put the login of today in it."""
    cluster.apply(path("Secret", namespace, name), _secret(name, registry, login))


def _secret(name: str, registry: str, login: Login) -> Mapping[str, Any]:
    host = registry.partition("/")[0]
    pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    config = json.dumps({"auths": {host: {"username": login.username, "password": login.password, "auth": pair}}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "deploy"}},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()},
    }
