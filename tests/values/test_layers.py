"""Where every effective value comes from, and what it hides; tests/e2e compares the merging with helm's."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.values import layers as stack
from deployer.values.document import parse
from deployer.values.interpolate import Variable, interpolate
from deployer.values.layers import Layer, Leaf, everywhere, hidden, leaves, merged


def file(name: str, text: str, **variables: str) -> Layer:
    source = parse(Path(f"{name}.yaml"), text)
    return stack.document(name, source, interpolate(source.data, variables, quoted=source.quoted.__contains__))


def told(layers: list[Layer]) -> dict[str, list[tuple[str, Any]]]:
    """Each leaf with the places of all that was said there, the one that counts first."""
    return {
        ".".join(leaf.keys): [(one.place, one.value) for one in (leaf.origin, *leaf.overrode)]
        for leaf in leaves(layers)
    }


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        pytest.param("a: 1\n", "b: 2\n", {"a": [("base.yaml:1", 1)], "b": [("over.yaml:1", 2)]}, id="both"),
        pytest.param("a: 1\n", "\na: 2\n", {"a": [("over.yaml:2", 2), ("base.yaml:1", 1)]}, id="over"),
        pytest.param(
            "a:\n  b: 1\n  c: 1\n",
            "a:\n  c: 2\n",
            {"a.b": [("base.yaml:2", 1)], "a.c": [("over.yaml:2", 2), ("base.yaml:3", 1)]},
            id="maps merge",
        ),
        pytest.param("a: [1, 2]\n", "a: [3]\n", {"a": [("over.yaml:1", [3]), ("base.yaml:1", [1, 2])]}, id="a list"),
        pytest.param("a: 1\n", "a: null\n", {"a": [("over.yaml:1", None), ("base.yaml:1", 1)]}, id="null"),
        pytest.param(
            "a: {b: 1}\n", "a: 3\n", {"a": [("over.yaml:1", 3), ("base.yaml:1", {"b": 1})]}, id="a scalar over a map"
        ),
        pytest.param(
            "a: 3\n", "a:\n  b: 1\n", {"a.b": [("over.yaml:2", 1), ("base.yaml:1", 3)]}, id="a map over a scalar"
        ),
        pytest.param("a: {}\n", "a: {b: 1}\n", {"a.b": [("over.yaml:1", 1)]}, id="a map that was empty"),
        pytest.param("a: {b: 1}\n", "a: {}\n", {"a.b": [("base.yaml:1", 1)]}, id="an empty map hides nothing"),
    ],
)
def test_provenance(base: str, over: str, expected: dict[str, Any]) -> None:
    assert told([file("base", base), file("over", over)]) == expected


def test_what_was_hidden_is_told_the_strongest_first() -> None:
    stacked = [file("one", "a: {b: 1}\n"), file("two", "a: 5\n"), file("three", "a: {b: 2}\n")]
    assert told(stacked) == {"a.b": [("three.yaml:1", 2), ("two.yaml:1", 5), ("one.yaml:1", 1)]}


def test_defaults_lie_under_the_layers_as_one() -> None:
    stacked = [file("one", "a: null\nb: null\n"), file("two", "a: {d: 2}\n")]
    found = leaves(stacked, [file("chart", "a: {c: 1, d: 1}\nb: {c: 1}\n")])
    assert [(leaf.keys, leaf.value, leaf.origin.place, [one.place for one in leaf.overrode]) for leaf in found] == [
        (("a", "c"), 1, "chart.yaml:1", []),
        (("a", "d"), 2, "two.yaml:1", ["one.yaml:1", "chart.yaml:1"]),
        (("b",), None, "one.yaml:2", ["chart.yaml:2"]),
    ]


def test_a_value_knows_its_variables() -> None:
    stacked = [file("base", "a: ${A:x}\nl: ['${B}', c]\n", B="b")]
    found = {leaf.keys: leaf.origin.variables for leaf in leaves(stacked)}
    assert found == {("a",): (Variable("A", defaulted=True),), ("l",): (Variable("B", defaulted=False),)}


def test_a_layer_may_lie_in_a_section_of_another() -> None:
    value_file = file("values", "n: ${N:3}\n").under("values")
    stacked = [file("base", "values:\n  n: 1\n"), value_file]
    assert told(stacked) == {"values.n": [("values.yaml:1", 3), ("base.yaml:2", 1)]}
    assert told([layer.section("values") for layer in stacked]) == {"n": [("values.yaml:1", 3), ("base.yaml:2", 1)]}
    assert leaves([value_file.section("values")])[0].origin.variables == (Variable("N", defaulted=True),)
    assert told([file("base", "a: 1\n").section("values")]) == {}


def test_a_secret_is_known_as_one_and_shown_by_no_repr() -> None:
    stacked = [hidden("secret variable", {"token": "s3cret"}, "variable TOKEN")]
    (leaf,) = leaves(stacked)
    assert (leaf.origin.secret, leaf.origin.place) == (True, "variable TOKEN")
    assert "s3cret" not in repr(leaf) + repr(stacked)


@pytest.mark.parametrize(
    ("keys", "name"), [(("a",), "over"), (("b", "c"), "base"), (("b", "x"), "over"), (("l", 1), "base"), ((), "over")]
)
def test_the_owner_of_a_place(keys: tuple[Any, ...], name: str) -> None:
    stacked = [file("base", "a: 1\nb: {c: 1}\nl: [1, 2]\n"), file("over", "a: 2\nb: {d: 1}\n")]
    assert stack.owner(stacked, keys).name == name


@pytest.mark.parametrize(
    ("over", "keys", "effective"),
    [
        ("b: 1\n", ("a",), True),
        ("a: 1\n", ("a",), False),
        ("a: 1\n", ("a", "b"), False),
        ("a: {c: 1}\n", ("a", "b"), True),
        ("l: [1]\n", ("l", 5), False),
    ],
)
def test_what_counts(over: str, keys: tuple[Any, ...], effective: bool) -> None:
    assert stack.counts([everywhere("base", {}, ""), file("over", over)], 0, keys) is effective


SCALARS = st.none() | st.booleans() | st.integers(0, 3)
KEYS = st.sampled_from("abc")
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=2) | st.dictionaries(KEYS, one, max_size=3))
STACKS = st.lists(st.dictionaries(KEYS, VALUES, max_size=3), min_size=1, max_size=4)


def said(data: Any, keys: tuple[str, ...]) -> Any:
    """What a document has at a path; ... for nothing."""
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return ...
        data = data[key]
    return data


@settings(max_examples=50, deadline=None)
@given(STACKS)
def test_the_provenance_of_every_leaf_is_right(documents: list[dict[str, Any]]) -> None:
    """A leaf comes from the last layer that says exactly this there; every layer after it says nothing there."""
    stacked = [everywhere(str(index), data, str(index)) for index, data in enumerate(documents)]
    data, found = merged(stacked), leaves(stacked)
    assert [leaf.keys for leaf in found] == list(stack.paths(data))
    for leaf in found:
        _right(leaf, data, documents)


def _right(leaf: Leaf, data: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    index = int(leaf.origin.place)
    assert said(data, leaf.keys) == leaf.value == said(documents[index], leaf.keys)
    assert all(said(later, leaf.keys) is ... for later in documents[index + 1 :])
    assert [int(one.place) for one in leaf.overrode] == sorted((int(o.place) for o in leaf.overrode), reverse=True)
    for depth in range(1, len(leaf.keys)):  # nor does a later layer wipe the way to it
        assert all(
            said(later, leaf.keys[:depth]) in (...,) or isinstance(said(later, leaf.keys[:depth]), dict)
            for later in documents[index + 1 :]
        )
