"""What differs between two trees of values."""

from typing import Any

import pytest

from deployer.values.compare import ABSENT, changes, dotted


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({}, {}, []),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", 1, 2)]),
        ({"a": 1}, {}, [("a", 1, ABSENT)]),
        ({}, {"a": None}, [("a", ABSENT, None)]),
        ({"a": {}}, {"a": {"b": 1}}, [("a", {}, ABSENT), ("a.b", ABSENT, 1)]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [("a", [1, 2], [1, 3])]),
        ({"a": {"x.y": 1}}, {"a": {"x.y": 2}}, [(r"a.x\.y", 1, 2)]),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, [("a", 1, 2), ("b", 1, 2)]),
    ],
)
def test_changes(old: Any, new: Any, found: list[Any]) -> None:
    assert [(dotted(one.keys), one.old, one.new) for one in changes(old, new)] == found


def test_nothing_of_the_values_is_shown_by_accident() -> None:
    assert "s3cret" not in repr(changes({"a": "s3cret"}, {"a": "other"}))
