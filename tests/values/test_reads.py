"""Which values a chart can have a use for."""

import pytest

from deployer.values.reads import Reads

REDIS = Reads({"persistence": {"enabled": False}}, frozenset(), {})
CHART = Reads(
    {"replicaCount": 1, "env": {}, "image": {"tag": ""}, "resources": {"limits": {"memory": "1Mi"}}, "list": []},
    frozenset({("resources",), ("extra", "flag"), ("only",)}),
    {"redis": REDIS, "packed": None},
)


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        pytest.param("replicaCount", True, id="a default"),
        pytest.param("replcas", False, id="no default"),
        pytest.param("env.ANY.deep", True, id="below a map that is empty"),
        pytest.param("image.tag", True, id="a default below"),
        pytest.param("image.tagg", False, id="no default below"),
        pytest.param("replicaCount.x", False, id="below a scalar"),
        pytest.param("resources.requests.cpu", True, id="below what a template passes on"),
        pytest.param("extra", True, id="above what a template names"),
        pytest.param("extra.flag", True, id="what a template names"),
        pytest.param("extra.flg", False, id="beside it"),
        pytest.param("only", True, id="named, and no default"),
        pytest.param("global.anything", True, id="global"),
        pytest.param("redis.persistence.enabled", True, id="of a chart within"),
        pytest.param("redis.persistance.enabled", False, id="not of a chart within"),
        pytest.param("redis", True, id="a chart within"),
        pytest.param("packed.what", True, id="a chart that is packed"),
    ],
)
def test_use(keys: str, used: bool) -> None:
    assert CHART.any_use(tuple(keys.split("."))) is used


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ("replcas", ("replicaCount", "env", "image", "resources", "list")),
        ("image.tagg", ("tag",)),
        ("replicaCount.x", ()),
        ("redis.persistance.enabled", ("persistence",)),
        ("redis", ()),
    ],
)
def test_what_stands_beside(keys: str, names: tuple[str, ...]) -> None:
    assert CHART.beside(tuple(keys.split("."))) == names
