"""The file of values that a delivery owns: the values are exactly those asked for, and what people wrote stays."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from deployer.values.document import parse
from deployer.values.edit import rewritten

HEAD = "# ours\n"

TEXT = """\
# Owned by deploy.

# How many; ask ops first
replicas: 2   # since the outage
image: {tag: "1.0", digest: sha256:0}  # pinned

env:
# the log
  LEVEL: 'debug'
  # a URL
  URL: http://a:1

hosts:   # in this order
  - a.example.org  # the old one
  - b.example.org

script: |  # run at start
  echo "# no comment"

  exit 0
# the end of it
last: true
"""
VALUES: dict[str, Any] = {
    "replicas": 2,
    "image": {"tag": "1.0", "digest": "sha256:0"},
    "env": {"LEVEL": "debug", "URL": "http://a:1"},
    "hosts": ["a.example.org", "b.example.org"],
    "script": 'echo "# no comment"\n\nexit 0\n',
    "last": True,
}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in VALUES.items() if name != key}


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        (VALUES, "", ""),
        ({**VALUES, "replicas": 3}, "replicas: 2   # since", "replicas: 3 # since"),
        (
            {**VALUES, "image": {"tag": "2.0", "digest": "sha256:1"}},
            'image: {tag: "1.0", digest: sha256:0}  # pinned\n',
            'image: # pinned\n  tag: "2.0"\n  digest: sha256:1\n',
        ),
        ({**VALUES, "env": {"LEVEL": "info", "URL": "http://a:1"}}, "'debug'", "info"),
        ({**VALUES, "env": {"URL": "http://a:1"}}, "  LEVEL: 'debug'\n", ""),
        ({**VALUES, "env": {**VALUES["env"], "NEW": "on"}}, "http://a:1\n", 'http://a:1\n  NEW: "on"\n'),
        ({**VALUES, "env": {}}, "env:\n# the log\n  LEVEL: 'debug'\n  # a URL\n  URL: http://a:1\n", "env: {}\n"),
        ({**VALUES, "hosts": ["b.example.org"]}, "  - a.example.org  # the old one\n", ""),
        ({**VALUES, "hosts": ["c", *VALUES["hosts"]]}, "  - a.example.org", "  - c\n  - a.example.org"),
        ({**VALUES, "hosts": [*VALUES["hosts"], "c"]}, "  - b.example.org\n", "  - b.example.org\n  - c\n"),
        ({**VALUES, "hosts": ["a.example.org", "c"]}, "  - b.example.org\n", "  - c\n"),
        ({**VALUES, "script": "x\ny"}, '  echo "# no comment"\n\n  exit 0\n', "  x\n  y\n"),
        (without("script"), 'script: |  # run at start\n  echo "# no comment"\n\n  exit 0\n', ""),
        (without("last"), "last: true\n", ""),
        ({**VALUES, "more": [{"a": 1, "b": [2]}]}, "true\n", "true\nmore:\n  - a: 1\n    b:\n      - 2\n"),
    ],
)
def test_nothing_but_the_change_is_new(values: dict[str, Any], old: str, new: str) -> None:
    expected = TEXT.replace(old, new, 1) if old else TEXT
    if "x\ny" in values.values():
        expected = expected.replace("script: |  #", "script: |- #")
    assert rewritten("values.yaml", TEXT, values, HEAD) == expected


def test_a_new_file_has_a_head() -> None:
    assert rewritten("v", "", {"a": {"b": 1}}, HEAD) == "# ours\na:\n  b: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "# one\na: [\n# two\n",
        "# one\na: &x 1\nb: *x # behind\n# two\n",
        "# one\n{a: 1}\n# two\n",
        "# one\n- a\n# two\n",
    ],
)
def test_what_cannot_be_altered_is_written_anew_below_its_comments(text: str) -> None:
    assert rewritten("v", text, {"c": 1}, HEAD) == "# one\n# two\nc: 1\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("on", '"on"'),
        ("No", '"No"'),
        ("1.10", '"1.10"'),
        ("1e3", '"1e3"'),
        ("0x1f", '"0x1f"'),
        ("12:30", '"12:30"'),
        ("2026-01-02", '"2026-01-02"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("reg:5000/a@sha256:0", "reg:5000/a@sha256:0"),
        ("\U0001f600\x85", '"\U0001f600\\u0085"'),
        (1e20, "1.0e+20"),
        (0.5, "0.5"),
        (None, "null"),
        ([], "[]"),
    ],
)
def test_every_reader_of_yaml_reads_a_scalar_alike(value: Any, written: str) -> None:
    text = rewritten("v", "", {"a": value}, "")
    assert text == f"a: {written}\n"
    assert YAML(typ="safe", pure=True).load(text) == yaml.safe_load(text) == {"a": value}


words = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["yes", "a\nb", "a\n\nb\n", "x # y", "- a", "1_000", "-", "k: v", "'", "\n", "a\n\n"]),
)
scalars = st.one_of(words, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False))
keys = st.one_of(st.sampled_from("abcdef"), st.text(st.characters(codec="utf-8"), min_size=1, max_size=4))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
maps = st.dictionaries(keys, trees, max_size=5)


def data(text: str) -> Mapping[str, Any]:
    return parse(Path("v"), text).data


@given(maps)
@settings(deadline=None)
def test_what_is_written_is_what_is_read(values: dict[str, Any]) -> None:
    text = rewritten("v", "", values, HEAD)
    assert data(text) == values
    assert rewritten("v", text, values, HEAD) == text


@given(maps, maps)
@example(old={}, new={"a": "\ufffe", "b": "\uffff"})  # no character of YAML's
@settings(max_examples=200, deadline=None)
def test_any_values_become_any_others_and_comments_stay(old: dict[str, Any], new: dict[str, Any]) -> None:
    text, kept = commented(old, new)
    after = rewritten("v", text, new, HEAD)
    assert data(after) == new
    assert [one for one in kept if one not in after] == []


def commented(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, list[str]]:
    """The old values with a comment above each key at the top and in the maps there, and those that have to stay."""
    lines, kept = ["# the head"], ["# the head"]
    numbers = iter(range(10_000))

    def above(column: int, stays: bool) -> None:
        lines.append(f"{' ' * column}# comment {next(numbers)}.")
        if stays:
            kept.append(lines[-1].strip())

    for key, value in old.items():
        above(0, True)
        if isinstance(value, dict) and value:
            lines.append(entry({key: None}).removesuffix(" null"))
            for inner, deep in value.items():
                above(2, bool(isinstance(new.get(key), dict) and new[key]))
                lines.extend(indented(entry({inner: deep})))
        else:
            lines.append(entry({key: value}))
    return "\n".join([*lines, ""]), kept


def entry(values: dict[str, Any]) -> str:
    return rewritten("v", "", values, "").removesuffix("\n")


def indented(text: str) -> Iterator[str]:
    yield from (f"  {line}" if line else line for line in text.split("\n"))
