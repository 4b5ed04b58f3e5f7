"""What a release would change of what is there."""

from typing import Any

import pytest

from deployer.guard import Change
from deployer.guard.change import change


def deployment(name: str = "web", replicas: int | None = 3, image: str = "web:1", **labels: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": "web", **labels}},
        "spec": spec | ({"replicas": replicas} if replicas is not None else {}),
    }


def config(name: str = "c", data: str = "1", **meta: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {"a": data}}


WEB = deployment()
HOOK = config("hook", annotations={"helm.sh/hook": "pre-upgrade"})
SAME = {"deployment/web": (3, 3)}
VERSION = {"app.kubernetes.io/version": "2", "helm.sh/chart": "web-2"}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param([], [WEB], Change(0), id="all new"),
        pytest.param([WEB], [WEB], Change(1, replicas=SAME), id="nothing"),
        pytest.param([WEB], [deployment(image="web:2", **VERSION)], Change(1, replicas=SAME), id="another version"),
        pytest.param([WEB], [deployment(part="x")], Change(1, ("deployment/web",), (), SAME), id="another label"),
        pytest.param(
            [WEB], [deployment(replicas=1)], Change(1, ("deployment/web",), (), {"deployment/web": (3, 1)}), id="fewer"
        ),
        pytest.param([WEB], [], Change(1, (), ("deployment/web",), {"deployment/web": (3, 0)}), id="gone"),
        pytest.param([WEB], [deployment(replicas=None)], Change(1, ("deployment/web",)), id="an autoscaler takes over"),
        pytest.param(
            [WEB, config(), config("d")],
            [WEB, config(data="2"), config("e")],
            Change(3, ("configmap/c",), ("configmap/d",), SAME),
            id="changed, removed, new",
        ),
        pytest.param([config(), HOOK], [config(), config("hook2")], Change(1), id="hooks do not count"),
        pytest.param([config()], [config(namespace="shop")], Change(1), id="the namespace written out"),
    ],
)
def test_changes(before: list[dict[str, Any]], after: list[dict[str, Any]], found: Change) -> None:
    assert change(before, after, "shop") == found
