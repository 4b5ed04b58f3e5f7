"""Which paths differ between two sets of values."""

from typing import Any

import pytest

from deployer.values.difference import Difference, differences


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "1", "2")]),
        ({"a": 1}, {"a": "1"}, [("a", "1", '"1"')]),
        ({"a": True}, {"a": 1}, [("a", "true", "1")]),
        ({"a": None}, {}, [("a", "null", "")]),
        ({}, {"a": ""}, [("a", "", '""')]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", "2", "3")]),
        ({"a": {"b": 1}}, {"a": 1}, [("a", "", "1"), ("a.b", "1", "")]),
        ({"a": {}}, {}, [("a", "{}", "")]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("a", '[1, {"b": 2}]', '[1, {"b": 3}]')]),
        ({"a.b": {"c": 1}}, {}, [(r"a\.b.c", "1", "")]),
        ({"b": 1, "a": 1}, {}, [("a", "1", ""), ("b", "1", "")]),
        ({"a": "ü"}, {}, [("a", '"ü"', "")]),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert list(differences(before, after, lambda path, text: text)) == [Difference(*one) for one in found]


def test_what_is_not_to_be_seen_still_differs() -> None:
    def shown(path: tuple[str, ...], text: str) -> str:
        return "***" if path[0] == "secret" else text

    (found,) = differences({"secret": {"a": "x"}, "b": 1}, {"secret": {"a": "y"}, "b": 1}, shown)
    assert found == Difference("secret.a", "***", "***")
    (found,) = differences({"secret": {"a": "x"}}, {}, shown)
    assert found == Difference("secret.a", "***", "")
