"""Merging as Helm does it; the comparison with the real helm is in tests/e2e."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.values.merge import merge

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)
MAPS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


@pytest.mark.parametrize(
    ("base", "overlay", "merged"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="keys of both"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="a scalar replaces"),
        pytest.param({"a": {"b": 1, "c": 1}}, {"a": {"b": 2}}, {"a": {"b": 2, "c": 1}}, id="maps merge"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="a list replaces"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"a": None, "b": 2}, id="null replaces"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": None}}, id="null replaces within"),
        pytest.param({"a": {"b": 1}}, {"a": 3}, {"a": 3}, id="a scalar replaces a map"),
        pytest.param({"a": 3}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="a map replaces a scalar"),
        pytest.param({}, {"a": {"b": None, "c": 1}}, {"a": {"b": None, "c": 1}}, id="null in a new map"),
    ],
)
def test_rules(base: dict[str, Any], overlay: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge(base, overlay) == merged


@settings(deadline=None)
@given(MAPS, MAPS)
def test_changes_neither(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    before = repr((base, overlay))
    merge(base, overlay)
    assert repr((base, overlay)) == before


@settings(deadline=None)
@given(MAPS, MAPS)
def test_overlaying_again_changes_nothing(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    once = merge(base, overlay)
    assert merge(once, overlay) == once


@settings(deadline=None)
@given(MAPS)
def test_an_empty_layer_changes_nothing(base: dict[str, Any]) -> None:
    assert merge(base, {}) == base
