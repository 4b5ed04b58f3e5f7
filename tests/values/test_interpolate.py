from typing import Any

import pytest

from deployer.values.interpolate import Missing, Variable, interpolate


@pytest.mark.parametrize(
    ("data", "variables", "filled"),
    [
        pytest.param("${A}", {"A": "x"}, "x", id="set"),
        pytest.param("${A:x}", {}, "x", id="default"),
        pytest.param("${A:y}", {"A": "x"}, "x", id="set over default"),
        pytest.param("${A:a:b}", {}, "a:b", id="a default may hold colons"),
        pytest.param("${A:}", {}, None, id="an empty default is null"),
        pytest.param("${A:3}", {}, 3, id="a whole plain scalar is read as YAML"),
        pytest.param("n=${A:3}", {}, "n=3", id="a part of a string is text"),
        pytest.param("$${A}", {}, "${A}", id="escaped"),
        pytest.param("${A}", {"A": "*x"}, "*x", id="no YAML is text"),
        pytest.param("${A}", {"A": "[1]"}, "[1]", id="a list in a variable is text"),
        pytest.param("${A}", {"A": "!!binary aGk="}, "!!binary aGk=", id="bytes are text"),
        pytest.param("${A}", {"A": "!!set {a}"}, "!!set {a}", id="a set is text"),
        pytest.param("${A}", {"A": "#deploys"}, "#deploys", id="a comment is text"),
        pytest.param("${A}", {"A": "release #5"}, "release #5", id="a comment behind it too"),
        pytest.param("${A}", {"A": "one\ntwo\n"}, "one\ntwo\n", id="lines are text"),
        pytest.param("${A}", {"A": "~"}, None, id="a word for null"),
        pytest.param("${A}", {"A": "'3'"}, "3", id="quotes in a variable"),
        pytest.param({"k": ["${A}-${B:z}"]}, {"A": "x"}, {"k": ["x-z"]}, id="deep"),
        pytest.param(5, {}, 5, id="not a string"),
        pytest.param("$A", {"A": "x"}, "$A", id="only braces"),
    ],
)
def test_fills(data: Any, variables: dict[str, str], filled: Any) -> None:
    found = interpolate(data, variables, quoted=lambda keys: False)
    assert (found.data, found.missing) == (filled, ())


def test_quoted_scalars_stay_strings() -> None:
    assert interpolate({"a": "${A}"}, {"A": "007"}, quoted=lambda keys: keys == ("a",)).data == {"a": "007"}


def test_every_missing_variable_is_told_with_its_place() -> None:
    found = interpolate({"a": "${A}${B}", "c": ["${A}"]}, {}, quoted=lambda keys: False)
    assert found.missing == (Missing(("a",), "A"), Missing(("a",), "B"), Missing(("c", 0), "A"))
    assert found.data == {"a": "${A}${B}", "c": ["${A}"]}


@pytest.mark.parametrize("variables", [{}, {"A": ""}])
def test_a_variable_with_a_message_must_be_set_and_not_empty(variables: dict[str, str]) -> None:
    found = interpolate("${A:?ask: the team}", variables, quoted=lambda keys: False)
    assert found.missing == (Missing((), "A", "ask: the team"),)
    assert interpolate("${A:?ask the team}", {"A": "x"}, quoted=lambda keys: False).data == "x"


def test_what_a_value_was_filled_from_is_told() -> None:
    found = interpolate({"a": "${A:x}-${B:y}", "l": ["$${C}", "${C:}"]}, {"A": "a"}, quoted=lambda keys: False)
    assert found.variables == {
        ("a",): (Variable("A", defaulted=False), Variable("B", defaulted=True)),
        ("l", 1): (Variable("C", defaulted=True),),
    }
