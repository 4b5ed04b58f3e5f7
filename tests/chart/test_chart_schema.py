"""values.schema.json refuses what nothing reads, and says the same as values.yaml."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import CHART, TAGGED, Helm

REFUSED = {
    "envs": ({"envs": {"A": "1"}}, "'envs' not allowed"),
    "image.tagg": ({"image": {"tagg": "v1"}}, "'tagg' not allowed"),
    "ingress.host": ({"ingress": {"host": "a.example.com"}}, "'host' not allowed"),
    "networkPolicy.egress.rule": ({"networkPolicy": {"egress": {"rule": []}}}, "'rule' not allowed"),
    "resources.limit": ({"resources": {"limit": {"memory": "1Gi"}}}, "'limit' not allowed"),
    "strategy.rollingUpdate.surge": ({"strategy": {"rollingUpdate": {"surge": 1}}}, "'surge' not allowed"),
    "redis.pasword": ({"redis": {"enabled": True, "pasword": "x"}}, "'pasword' not allowed"),
    "env as a list": ({"env": [{"name": "A", "value": "1"}]}, "/env': got array, want object"),
    "a name that is no variable": ({"env": {"1A": "x"}}, "/env': additional properties '1A' not allowed"),
    "valueFrom forgotten": ({"env": {"A": {"secretKeyRef": {"name": "s"}}}}, "/env/A': missing property 'valueFrom'"),
    "a list as a variable": ({"env": {"A": [1]}}, "/env/A': got array"),
    "a map as configuration": ({"config": {"data": {"a": {"b": 1}}}}, "/config/data/a': got object"),
    "a path as a file's name": ({"secret": {"files": {"a/b": "x"}}}, "'a/b' not allowed"),
    "a number as a tag": ({"image": {"tag": 1234567}}, "/image/tag': got number, want string"),
    "half a digest": ({"image": {"digest": "sha256:abc"}}, "/image/digest'"),
    "a scheme before the registry": ({"image": {"registry": "https://r"}}, "/image/registry'"),
    "a tag in the repository": ({"image": {"repository": "web:v1"}}, "/image/repository'"),
    "text as a count": ({"replicaCount": "three"}, "/replicaCount': got string, want integer"),
    "no such port": ({"service": {"port": 70000}}, "/service/port'"),
    "a label that is a number": ({"commonLabels": {"team": 7}}, "/commonLabels/team': got number, want string"),
    "ingress without a host": ({"ingress": {"enabled": True}}, "/ingress/hosts': minItems"),
    "a route without a Gateway": ({"httpRoute": {"enabled": True}}, "/httpRoute/parentRefs': minItems"),
    "more than all requests": ({"canary": {"weight": 101}}, "/canary/weight'"),
    "half a percent": ({"canary": {"weight": 0.5}}, "/canary/weight': got number, want integer"),
    "a mesh that is none": ({"istio": {"mode": "proxyless"}}, "/istio/mode'"),
    "a Gateway for nobody": ({"istio": {"enabled": True, "gateway": {"enabled": True}}}, "/istio/hosts': minItems"),
    "traces to nowhere": ({"openTelemetry": {"enabled": True}}, "/openTelemetry/endpoint': minLength"),
}


@pytest.mark.lab
@pytest.mark.parametrize("wrong", REFUSED)
def test_refuses(helm: Helm, wrong: str) -> None:
    given, said = REFUSED[wrong]
    assert said in helm.refuse(TAGGED, given)


@pytest.mark.lab
def test_says_that_the_image_is_missing(helm: Helm) -> None:
    assert "image.tag or image.digest must be given" in helm.refuse({})


@pytest.mark.parametrize("chart", [CHART, CHART / "charts" / "redis"], ids=["web", "redis"])
def test_schema_describes_every_value(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    described, undescribed = set(_keys(schema)), set(_keys(schema, described=False))
    given = set(_leaves(defaults))
    assert not undescribed
    assert not {key for key in given if not any(key[:end] in described for end in range(1, len(key) + 1))}
    assert set(schema["properties"]) == set(defaults)


@pytest.mark.parametrize("chart", [CHART, CHART / "charts" / "redis"], ids=["web", "redis"])
def test_every_key_of_the_schema_has_its_default_in_sight(chart: Path) -> None:
    """values.yaml is the documentation: what can be said is shown there."""
    schema = json.loads((chart / "values.schema.json").read_text())
    text = (chart / "values.yaml").read_text()
    hidden = {"resources.claims", "ingress.hosts.items"}
    assert not {name for key in _keys(schema) if (name := ".".join(key)) not in hidden and key[-1] not in text}


def test_the_dependency_is_in_the_folder() -> None:
    """Nothing to download: what Chart.yaml asks for is unpacked under charts/, in that version."""
    (dependency,) = yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    found = yaml.safe_load((CHART / "charts" / dependency["name"] / "Chart.yaml").read_text())
    assert not dependency["repository"]
    assert (found["name"], found["version"]) == (dependency["name"], dependency["version"])


def _keys(schema: Mapping[str, Any], at: tuple[str, ...] = (), described: bool = True) -> Iterator[tuple[str, ...]]:
    for name, part in schema.get("properties", {}).items():
        if bool(part.get("description")) == described:
            yield (*at, name)
        yield from _keys(part, (*at, name), described)


def _leaves(values: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name)
