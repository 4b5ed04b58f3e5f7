"""What a release would change: objects against objects, and what rolls for it."""

from typing import Any

import pytest

from deployer.plan.preview import (
    FieldChange,
    Foreseen,
    ObjectChange,
    Origin,
    Roll,
    ValueChange,
    preview,
    values_changed,
)

HELM_4 = [{"manager": "helm", "operation": "Apply"}]


def deployment(image: str = "web:1", *, managed: Any = None, replicas: Any = 2, **more: Any) -> dict[str, Any]:
    container = {"name": "web", "image": image, "envFrom": [{"configMapRef": {"name": "web-config"}}]}
    notes = {"checksum/config": more.pop("checksum", "aaa")}
    metadata: dict[str, Any] = {"name": "web", "resourceVersion": str(hash(image)), "annotations": {}}
    if managed:
        metadata["managedFields"] = managed
    return {
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"annotations": notes}, "spec": {"containers": [container | more]}},
        },
        "status": {"replicas": replicas},
    }


def config(**data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": "web-config"}, "data": data}


def secret(**data: str) -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"name": "web"}, "data": data}


def env(**variables: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


IMAGE = "spec.template.spec.containers[web].image"


@pytest.mark.parametrize(
    ("wanted", "before", "live", "made", "changes"),
    [
        pytest.param(deployment(), deployment(), deployment(), deployment(), None, id="nothing"),
        pytest.param(deployment(), None, None, deployment(), ("create", []), id="made"),
        pytest.param(
            deployment("web:2"),
            deployment(),
            deployment(managed=HELM_4),
            deployment("web:2"),
            ("change", [FieldChange(IMAGE, "web:1", "web:2")]),
            id="a field",
        ),
        pytest.param(
            deployment(),
            deployment(),
            deployment(replicas=1),
            deployment(),
            ("change", [FieldChange("spec.replicas", "1", "2", drift=True)]),
            id="drift that is put right",
        ),
        pytest.param(
            deployment(env=env(A="1")),
            deployment(env=env(A="1", B="2")),
            deployment(env=env(A="1", B="2"), managed=HELM_4),
            deployment(env=env(A="1")),
            ("change", [FieldChange("spec.template.spec.containers[web].env[B].value", "2", None)]),
            id="dropped, and helm 4 had applied it",
        ),
        pytest.param(
            deployment(env=env(A="1")),
            deployment(env=env(A="1", B="2")),
            deployment(env=env(A="1", B="2")),
            deployment(env=env(A="1", B="2")),
            ("change", [FieldChange("spec.template.spec.containers[web].env[B].value", "2", None)]),
            id="dropped, and helm 3 had patched it",
        ),
        pytest.param(
            deployment(env=env(A="1")),
            deployment(env=env(A="1")),
            deployment(env=env(A="1", B="2")),
            deployment(env=env(A="1", B="2")),
            None,
            id="somebody else's field stays",
        ),
        pytest.param(
            deployment(env=env(A="1", B="2")),
            deployment(env=env(B="2", A="1")),
            deployment(env=env(B="2", A="1")),
            deployment(env=env(A="1", B="2")),
            None,
            id="another order",
        ),
        pytest.param(
            deployment("web:2"),
            deployment(),
            deployment(),
            None,
            ("change", [FieldChange(IMAGE, "web:1", "web:2")]),
            id="the API server does not say: manifest against manifest",
        ),
        pytest.param(
            secret(a="b2xk", b="bmV3"),
            secret(a="b2xkZXI="),
            secret(a="b2xkZXI="),
            secret(a="b2xk", b="bmV3"),
            ("change", [FieldChange("data.a", "***", "***"), FieldChange("data.b", None, "***")]),
            id="a secret says nothing, not even its length",
        ),
    ],
)
def test_objects(wanted: Any, before: Any, live: Any, made: Any, changes: Any) -> None:
    found = preview([Foreseen(wanted, before, live, made)], [before] if before else [], ())
    name = f"{wanted['kind'].lower()}/{wanted['metadata']['name']}"
    assert found.objects == ((ObjectChange(name, changes[0], tuple(changes[1])),) if changes else ())


def test_what_leaves_the_manifest_is_deleted_unless_it_is_to_be_kept() -> None:
    kept = {"kind": "Secret", "metadata": {"name": "k", "annotations": {"helm.sh/resource-policy": "keep"}}}
    found = preview([], [config(A="1"), kept], ())
    assert found.objects == (ObjectChange("configmap/web-config", "delete"),)


def test_a_checksum_names_the_config_map_and_is_not_shown() -> None:
    rolling = Foreseen(
        deployment("web:2", checksum="bbb"),
        deployment(),
        deployment(managed=HELM_4),
        deployment("web:2", checksum="bbb"),
    )
    changed = Foreseen(config(A="2"), config(A="1"), config(A="1"), config(A="2"))
    found = preview([changed, rolling], [], ())
    assert found.rolls == (Roll("deployment/web", ("configmap/web-config changed", "containers[web].image")),)
    assert "bbb" not in str(found)


def test_more_replicas_roll_nothing() -> None:
    found = preview([Foreseen(deployment(replicas=3), deployment(), deployment(), deployment(replicas=3))], [], ())
    assert found.objects != ()
    assert found.rolls == ()


def test_what_the_api_server_refuses_is_told() -> None:
    found = preview([Foreseen(deployment("web:2"), deployment(), deployment(), None, "field is immutable")], [], ())
    assert found.problems == ("deployment/web: field is immutable",)


def test_values() -> None:
    def origin(keys: tuple[str, ...]) -> Origin:
        return (
            Origin("secret variable", "variable TOKEN", secret=True) if keys[0] == "t" else Origin("base", "b.yaml:3")
        )

    old = {"a": 1, "t": "old", "gone": "x", "former": "s3cret", "same": 1}
    new = {"a": 2, "t": "new", "more": [1], "same": 1.0}
    assert values_changed(old, new, origin, lambda path: path == "former") == (
        ValueChange("a", "1", "2", "base", "b.yaml:3"),
        ValueChange("former", "***", None),
        ValueChange("gone", "x", None),
        ValueChange("more", None, "[1]", "base", "b.yaml:3"),
        ValueChange("t", "***", "***", "secret variable", "variable TOKEN"),
    )
