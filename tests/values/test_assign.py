from typing import Any

import pytest

from deployer.errors import UsageError
from deployer.values.assign import assign


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("a=1", {"a": 1}),
        ("a.b=x", {"a": {"b": "x"}}),
        ("a.b='1'", {"a": {"b": "1"}}),
        (r"a\.b=x", {"a.b": "x"}),
        ("a=[1, {b: 2}]", {"a": [1, {"b": 2}]}),
        ("a=", {"a": None}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_layers(text: str, layer: dict[str, Any]) -> None:
    assert assign(text) == layer


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", "a[0]=1", "a=[1"])
def test_what_is_wrong(text: str) -> None:
    with pytest.raises(UsageError):
        assign(text)
