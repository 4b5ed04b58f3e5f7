"""Which layer of values wins, and how values look on helm's stdin."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import UsageError
from deployer.model import Image
from deployer.plan.values import effective, nest, release, text
from deployer.profile import Profile
from deployer.values.document import scalar
from deployer.values.layers import SOPS, hidden

IMAGE = Image("registry.lab:5443", "web", "1.2.3", "sha256:" + "a" * 64)
FACTS = {"registry": "registry.lab:5443", "repository": "web", "tag": "1.2.3", "digest": IMAGE.digest}


def profile(values: dict[str, Any]) -> Profile:
    return Profile.model_validate(
        {
            "target": {"context": "dev", "namespace": "dev"},
            "registry": {"url": "registry.lab"},
            "image": {"repository": "web"},
            "release": {"name": "web"},
            "values": values,
        }
    )


@pytest.mark.parametrize(
    ("values", "secrets", "assignments", "expected"),
    [
        pytest.param({"a": 1}, {}, [], {"a": 1}, id="the profile's"),
        pytest.param({"a": {"b": 1, "c": 1}}, {"a.b": "s"}, [], {"a": {"b": "s", "c": 1}}, id="a secret over them"),
        pytest.param({"a": {"b": 1}}, {"a.b": "s"}, ["a.b=x"], {"a": {"b": "x"}}, id="--set over a secret"),
        pytest.param({}, {}, ["a=1", "a=2"], {"a": 2}, id="the last --set"),
        pytest.param({"a": 1, "b": 2}, {}, ["a=null"], {"a": None, "b": 2}, id="--set null is helm's to understand"),
        pytest.param({}, {"a": "007"}, [], {"a": "007"}, id="a secret is text"),
        pytest.param({}, {"a": "{b: 1}"}, [], {"a": "{b: 1}"}, id="whatever it looks like"),
        pytest.param({}, {r"env.a\.b": "s"}, [], {"env": {"a.b": "s"}}, id="a dot in a key"),
        pytest.param({"l": [1, 2]}, {}, ["l=[3]"], {"l": [3]}, id="lists replace"),
    ],
)
def test_layers(
    values: dict[str, Any], secrets: dict[str, str], assignments: list[str], expected: dict[str, Any]
) -> None:
    made = profile(values)
    assert effective(made, secrets, assignments) == expected
    assert made.values == values


def test_decrypted_files_lie_between_the_profile_and_the_secrets_by_name() -> None:
    opened = [hidden(SOPS, data, "f") for data in ({"a": {"b": 2, "c": 2, "d": 2}}, {"a": {"c": 3}})]
    made = effective(profile({"a": {"b": 1, "z": 1}}), {"a.d": "4"}, ["a.e=5"], opened)
    assert made == {"a": {"z": 1, "b": 2, "c": 3, "d": "4", "e": 5}}


def test_a_wrong_assignment() -> None:
    with pytest.raises(UsageError, match="the form is key"):
        effective(profile({}), {}, ["a"])


def test_nest() -> None:
    assert nest(r"a.b\.c.d", 1) == {"a": {"b.c": {"d": 1}}}


@pytest.mark.parametrize(
    ("values", "pull_secret", "expected"),
    [
        pytest.param({"a": 1}, None, {"a": 1, "image": FACTS}, id="the image of the run"),
        pytest.param({"image": {"tag": "mine"}}, None, {"image": FACTS | {"tag": "mine"}}, id="under --set"),
        pytest.param({}, "s", {"image": FACTS, "imagePullSecrets": [{"name": "s"}]}, id="with its pull secret"),
        pytest.param({"imagePullSecrets": []}, "s", {"image": FACTS, "imagePullSecrets": []}, id="the profile's own"),
    ],
)
def test_release(values: dict[str, Any], pull_secret: str | None, expected: dict[str, Any]) -> None:
    assert release(values, IMAGE, pull_secret) == expected


def test_without_a_digest_it_is_empty() -> None:
    assert release({}, Image("r", "web", "1"), None)["image"]["digest"] == ""


# PyYAML reads `1e+22` as text, for it wants a dot; helm reads the number.
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32).filter(
    lambda x: "." in repr(x) and "e" not in repr(x)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "🚀",
        "\x00\x07\x1b\x7f\x85\x9f",
        "\u2028\u2029\ufeff\ufffe\uffff",
        "a: b # c",
        "yes",
        "0x1f",
        "1_000",
        "- x",
        "é\n\t",
    ]
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda one: st.lists(one, max_size=4) | st.dictionaries(TEXTS, one, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, DATA, max_size=4))
def test_every_reader_gets_the_same_data_back(values: dict[str, Any]) -> None:
    made = text(values)
    assert made.endswith("\n")
    assert json.loads(made) == values
    assert yaml.safe_load(made) == values
    assert scalar(made) == values
