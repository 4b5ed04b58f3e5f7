"""When two trees of values are one, and a hash of them that tells no secret."""

from typing import Any

import pytest

from deployer.values.fingerprint import fingerprint, hidden, same


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 2**53 + 1}, {"a": float(2**53)}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {}, False),
        ({"a": None}, {"a": ""}, False),
        ({"a": "null"}, {"a": None}, False),
        ({"a": "text x"}, {"a": "x"}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {}}, {"a": []}, False),
        ({"a": 10**400}, {"a": 10**400}, True),
    ],
)
def test_same(one: Any, other: Any, alike: bool) -> None:
    assert same(one, other) is alike
    assert (fingerprint(one, ()) == fingerprint(other, ())) is alike


def test_a_secret_does_not_count() -> None:
    one, other = {"a": 1, "db": {"password": "x"}}, {"a": 1, "db": {"password": "y"}}
    assert fingerprint(one, ["db.password"]) == fingerprint(other, ["db.password"])
    assert fingerprint(one, []) != fingerprint(other, [])
    assert fingerprint(one, ["db.password"]) != fingerprint({**one, "a": 2}, ["db.password"])


def test_hidden_leaves_the_rest_as_it_is() -> None:
    values = {"a": {"b.c": "s3cret", "d": 1}}
    assert hidden(values, [r"a.b\.c"]) == {"a": {"b.c": "***", "d": 1}}
    assert values["a"]["b.c"] == "s3cret"
    assert len(fingerprint({}, ())) == 64
