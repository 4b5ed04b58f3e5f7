"""What a canary has left, told from what is the stable version's: a table over helm's revisions."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from deployer.cluster import Forbidden
from deployer.errors import ExitCode
from deployer.execute import Doors, execute
from deployer.leftover import kept, suspects
from deployer.model import Canary, Revision, Target
from deployer.plan.steps import Clear, Plan, Step
from deployer.process import Programs
from deployer.profile import Profile
from deployer.registry import Registry
from deployer.storage import Stored

CANARY = Canary(5, 1, 2)


def stored(number: int, names: str, canary: Canary | None = None) -> Stored:
    """A revision that has these Deployments; `!` before a name: helm is to keep it."""
    items = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name.removeprefix("!"),
                "annotations": {"helm.sh/resource-policy": "keep"} if name.startswith("!") else None,
            },
        }
        for name in names.split()
    ]
    manifest = "\n---\n".join(map(json.dumps, items))
    return Stored(Revision(number, "superseded", "", "web-1", canary=canary), manifest, {})


@pytest.mark.parametrize(
    ("revisions", "found"),
    [
        pytest.param([], [], id="no release"),
        pytest.param([("web", None), ("web web-canary", CANARY), ("web", None)], ["web-canary"], id="the canary's"),
        pytest.param([("web", None), ("web web-canary", CANARY)], [], id="it still runs"),
        pytest.param(
            [("web !data", None), ("web !data c", CANARY), ("web", None)], ["c"], id="kept, and dropped since"
        ),
        pytest.param([("web", None), ("web !data c", CANARY), ("web", None)], ["c"], id="kept, and the canary's"),
        pytest.param(
            [("web old", None), ("web old c", CANARY), ("web", None)], ["c"], id="helm removes the stable one's"
        ),
        pytest.param([("web", None), ("web c", CANARY), ("web", None), ("web", None)], ["c"], id="cut off twice"),
        pytest.param([("web", None), ("web new c", CANARY), ("web", None)], ["new", "c"], id="at the stable pods"),
    ],
)
def test_suspects(revisions: list[tuple[str, Canary | None]], found: list[str]) -> None:
    history = [stored(number, names, canary) for number, (names, canary) in enumerate(revisions, 1)]
    assert [one["metadata"]["name"] for one in suspects(history)] == found


def test_what_somebody_marked_in_the_cluster_is_kept_too() -> None:
    assert kept({"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}})
    assert not kept({"metadata": {"name": "web"}})


class Api:
    """What helm keeps of a canary that was taken back, and what is still there of it. Of that Deployments must stay."""

    def __init__(self) -> None:
        self.there = {("deployments", "web-canary"), ("services", "web-canary")}

    def list(self, path: str, **query: str) -> tuple[list[dict[str, Any]], str]:
        split = {"canary": {"enabled": True, "weight": 5, "step": 1, "steps": 2}}
        return [self._secret(1, "web", {}), self._secret(2, "web web-canary", split), self._secret(3, "web", {})], ""

    def get(self, path: str) -> dict[str, Any]:
        if path.endswith("v1"):
            names = {"deployments": "Deployment", "services": "Service"}
            return {"resources": [{"name": name, "kind": kind, "namespaced": True} for name, kind in names.items()]}
        return {"metadata": {"annotations": {"meta.helm.sh/release-name": "web"}}}

    def delete(self, path: str) -> None:
        *_, resource, name = path.split("/")
        if resource == "deployments":
            raise Forbidden(f'deployments.apps "{name}" is forbidden', verb="delete", resource="deployments")
        self.there.remove((resource, name))

    def _secret(self, number: int, names: str, values: dict[str, Any]) -> dict[str, Any]:
        kinds = {"apps/v1": "Deployment", "v1": "Service"}
        manifest = "\n---\n".join(
            json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}})
            for name in names.split()
            for version, kind in kinds.items()
        )
        kept = {"version": number, "info": {"status": "superseded"}, "config": values, "manifest": manifest}
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(kept).encode()))).decode()
        return {"type": "helm.sh/release.v1", "metadata": {"name": f"v{number}"}, "data": {"release": packed}}


def test_what_may_not_be_removed_is_told_and_no_reason_to_end_before_the_verdict(tmp_path: Path) -> None:
    profile = Profile.model_validate(
        {
            "target": {"context": "dev", "namespace": "shop"},
            "registry": {"url": "registry.lab"},
            "image": {"repository": "web"},
            "release": {"name": "web"},
        }
    )
    api, target = Api(), Target(tmp_path / "kubeconfig", "dev", "shop")
    plan = Plan("rollback", "dev", target, "web", (Step("rollback", Clear()),))
    doors = Doors(Programs({}), api, Registry("registry.lab"))  # type: ignore[arg-type]
    result = execute(plan, profile, tmp_path, doors, lambda event: None)
    assert result.exit_code is ExitCode.OK, result.message
    assert result.changed
    assert [one.note for one in result.stages] == ["removed service/web-canary"]
    assert result.warnings == (
        'the canary left deployment/web-canary: deployments.apps "web-canary" is forbidden; remove it by hand',
    )
    assert api.there == {("deployments", "web-canary")}
