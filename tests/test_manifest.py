"""Objects of any kind, fetched by what discovery says."""

from typing import Any

from deployer.cluster import Forbidden, Json, NotFound
from deployer.cluster.manifest import fetch
from deployer.values.document import objects

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: example.io/v1
kind: Mouse
metadata: {name: a, namespace: zoo}
---
apiVersion: example.io/v1
kind: Cat
metadata: {name: a}
---
apiVersion: gone.io/v1
kind: Dog
metadata: {name: a}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
---
apiVersion: v1
kind: Pod
metadata: {generateName: web-}
"""
ANSWERS: dict[str, Json] = {
    "/api/v1": {
        "resources": [
            {"name": "services", "kind": "Service", "namespaced": True},
            {"name": "services/status", "kind": "Service", "namespaced": True},
            {"name": "secrets", "kind": "Secret", "namespaced": True},
            {"name": "namespaces", "kind": "Namespace", "namespaced": False},
        ]
    },
    "/apis/example.io/v1": {"resources": [{"name": "mice", "kind": "Mouse", "namespaced": True}]},
    "/api/v1/namespaces/shop/services/web": {"kind": "Service"},
    "/api/v1/namespaces/shop": {"kind": "Namespace"},
}


class Answers:
    """A cluster that has these objects."""

    def get(self, path: str) -> Any:
        if path.endswith("secrets/web"):
            raise Forbidden("secrets is forbidden")
        if path not in ANSWERS:
            raise NotFound(path)
        return ANSWERS[path]


def test_every_object_is_there_or_missing_or_unreadable() -> None:
    found = fetch(Answers(), "shop", objects(MANIFEST))  # type: ignore[arg-type]
    assert [(wanted["kind"], live) for wanted, live in found.pairs] == [
        ("Service", {"kind": "Service"}),
        ("Namespace", {"kind": "Namespace"}),
        ("Mouse", None),
    ]
    assert found.unreadable == (
        "cat/a: the cluster does not serve Cat of example.io/v1",
        "dog/a: the cluster does not serve Dog of gone.io/v1",
        "secret/web: secrets is forbidden",
    )
