"""Helm's Secrets, as helm 3 and 4 write them."""

import base64
import gzip
import json
from typing import Any

import pytest

from deployer import storage
from deployer.errors import DeployError
from deployer.model import Revision
from deployer.storage import Stored

KEPT = {
    "name": "web",
    "version": 2,
    "info": {"status": "deployed", "last_deployed": "2026-01-02T03:04:05Z", "description": "Rollback to 1"},
    "chart": {"metadata": {"name": "web", "version": "0.1.0"}},
    "config": {"replicaCount": 2},
    "manifest": "a: 1\n",
}


class Answers:
    """A cluster whose lists are these."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = items
        self.asked: list[tuple[str, str]] = []

    def list(self, path: str, *, label_selector: str) -> tuple[tuple[dict[str, Any], ...], str]:
        self.asked.append((path, label_selector))
        return self.items, "1"


def secret(kept: Any, *, packed: bool = True, kind: str = "helm.sh/release.v1") -> dict[str, Any]:
    raw = json.dumps(kept).encode()
    inner = base64.b64encode(gzip.compress(raw) if packed else raw)
    return {"type": kind, "metadata": {"name": "s"}, "data": {"release": base64.b64encode(inner).decode()}}


def history(*items: dict[str, Any]) -> tuple[Stored, ...]:
    return storage.history(Answers(*items), "shop", "web")  # type: ignore[arg-type]


def test_oldest_first_and_nothing_but_helms() -> None:
    first = {**KEPT, "version": 1, "info": {"status": "superseded"}, "config": None}
    found = history(secret(KEPT), secret(first, packed=False), secret(KEPT, kind="Opaque"))
    assert found == (
        Stored(Revision(1, "superseded", "", "web-0.1.0"), "a: 1\n", {}),
        Stored(
            Revision(2, "deployed", "2026-01-02T03:04:05Z", "web-0.1.0", "Rollback to 1"), "a: 1\n", {"replicaCount": 2}
        ),
    )
    assert [one.revision.origin for one in found] == [1, 1]


def test_one_request() -> None:
    door = Answers()
    assert storage.history(door, "shop", "web") == ()  # type: ignore[arg-type]
    assert door.asked == [("/api/v1/namespaces/shop/secrets", "owner=helm,name=web")]


@pytest.mark.parametrize("data", [{}, {"release": "%"}, {"release": "aGk="}, None])
def test_a_secret_that_helm_did_not_write_is_told(data: Any) -> None:
    with pytest.raises(DeployError, match="Secret s is not a revision that helm wrote"):
        history({**secret(KEPT), "data": data})


def test_marked_failed_it_is_otherwise_the_same() -> None:
    class Kept:
        def get(self, path: str) -> dict[str, Any]:
            return {**secret(KEPT), "metadata": {"name": "s", "labels": {"status": "pending-upgrade", "owner": "helm"}}}

        def replace(self, path: str, body: dict[str, Any]) -> None:
            assert path == "/api/v1/namespaces/shop/secrets/sh.helm.release.v1.web.v2"
            self.body = body

    door = Kept()
    storage.fail(door, "shop", "web", 2, "a killed run")  # type: ignore[arg-type]
    assert door.body["metadata"]["labels"] == {"status": "failed", "owner": "helm"}
    found = history(door.body)[0]
    assert (found.revision.status, found.revision.description) == ("failed", "a killed run")
    assert (found.manifest, found.values) == ("a: 1\n", {"replicaCount": 2})


def test_nothing_of_the_values_is_shown() -> None:
    assert "replicaCount" not in repr(history(secret(KEPT)))
