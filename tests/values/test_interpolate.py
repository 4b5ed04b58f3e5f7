from typing import Any

import pytest

from deployer.values.interpolate import interpolate


@pytest.mark.parametrize(
    ("data", "variables", "filled"),
    [
        pytest.param("${A}", {"A": "x"}, "x", id="set"),
        pytest.param("${A:y}", {}, "y", id="default"),
        pytest.param("${A:y}", {"A": "x"}, "x", id="set over default"),
        pytest.param("${A:a:b}", {}, "a:b", id="a default may hold colons"),
        pytest.param("${A:}", {}, None, id="an empty default is null"),
        pytest.param("${A:3}", {}, 3, id="a whole plain scalar is read as YAML"),
        pytest.param("n=${A:3}", {}, "n=3", id="a part of a string is text"),
        pytest.param("$${A}", {}, "${A}", id="escaped"),
        pytest.param("${A}", {"A": "*x"}, "*x", id="no YAML is text"),
        pytest.param("${A}", {"A": "[1]"}, "[1]", id="a list in a variable is text"),
        pytest.param({"k": ["${A}-${B:z}"]}, {"A": "x"}, {"k": ["x-z"]}, id="deep"),
        pytest.param(5, {}, 5, id="not a string"),
        pytest.param("$A", {"A": "x"}, "$A", id="only braces"),
    ],
)
def test_fills(data: Any, variables: dict[str, str], filled: Any) -> None:
    assert interpolate(data, variables, quoted=lambda keys: False) == (filled, [])


def test_quoted_scalars_stay_strings() -> None:
    assert interpolate({"a": "${A}"}, {"A": "007"}, quoted=lambda keys: keys == ("a",)) == ({"a": "007"}, [])


def test_every_missing_variable_is_told_with_its_place() -> None:
    _, missing = interpolate({"a": "${A}${B}", "c": ["${A}"]}, {}, quoted=lambda keys: False)
    assert missing == [(("a",), "A"), (("a",), "B"), (("c", 0), "A")]
