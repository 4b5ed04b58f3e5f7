"""What is set where, what differs, what is set for nothing."""

from pathlib import Path
from typing import Any

import pytest

from deployer.plan import settings
from deployer.plan.settings import Finding, Severity
from deployer.values import layers as stack
from deployer.values.assign import shown
from deployer.values.document import parse
from deployer.values.interpolate import interpolate
from deployer.values.layers import Layer, Leaf, everywhere, hidden
from deployer.values.reads import Reads

DEFAULTS = everywhere(stack.DEFAULT, {"release": {"timeout": 300, "chart": "chart"}, "secrets": {}}, "the default")
NOTHING = Reads({}, frozenset(), {})


def file(name: str, text: str, **variables: str) -> Layer:
    source = parse(Path(f"{name}.yaml"), text)
    return stack.document(name, source, interpolate(source.data, variables, quoted=source.quoted.__contains__))


CHART = file("chart", "n: 3\nenv: {}\nlimits: {memory: 1Mi}\n")


def told(found: tuple[Leaf, ...]) -> dict[str, list[Any]]:
    return {shown(leaf.keys): [leaf.origin.place, leaf.value, *(one.place for one in leaf.overrode)] for leaf in found}


def test_all_settings_with_their_places() -> None:
    profile = [
        file("base", "release: {timeout: 5m, chart: other}\nvalues:\n  n: 1\nx-note: 1\n"),
        file("dev", "release:\n  chart: null\ntools: {helm: null}\nvalues: {limits: null, env: {a.b: 1}}\n"),
    ]
    over = [hidden(stack.SECRET, {"env": {"TOKEN": "s"}}, "variable TOKEN")]
    assert told(settings.settings(DEFAULTS, [CHART], profile, over)) == {
        "release.timeout": ["base.yaml:1", "5m", "the default"],
        "release.chart": ["the default", "chart", "dev.yaml:2", "base.yaml:1"],
        "secrets": ["the default", {}],
        "values.n": ["base.yaml:3", 1, "chart.yaml:1"],
        r"values.env.a\.b": ["dev.yaml:4", 1],
        "values.env.TOKEN": ["variable TOKEN", "s"],
        "values.limits": ["dev.yaml:4", None, "chart.yaml:3"],
    }


@pytest.mark.parametrize(
    ("path", "keys"),
    [("release", ["release.timeout", "release.chart"]), ("values.l.0", ["values.l"]), ("nothing", []), ("rel", [])],
)
def test_a_part_of_them(path: str, keys: list[str]) -> None:
    found = settings.settings(DEFAULTS, [], [file("base", "values: {l: [1, 2]}\n")], [])
    assert list(told(settings.chosen(found, tuple(path.split("."))))) == keys


def test_differences() -> None:
    left = stack.leaves([file("dev", "a: 1\nb: 1\nc: 1\nt: 0\n")])
    right = stack.leaves([file("prod", "a: 1\nb: 2\nd: 1\nt: false\n")])
    found = [
        (one.keys[0], one.left and one.left.value, one.right and one.right.value)
        for one in settings.differences(left, right)
    ]
    assert found == [("b", 1, 2), ("c", 1, None), ("t", 0, False), ("d", None, 1)]


@pytest.mark.parametrize(("one", "other", "same"), [("s", "s", True), ("s", "t", False)])
def test_secrets_differ_by_what_they_are(one: str, other: str, same: bool) -> None:
    sides = [stack.leaves([hidden(stack.SECRET, {"t": text}, "variable T")]) for text in (one, other)]
    assert (settings.differences(*sides) == ()) is same
    plain = stack.leaves([everywhere(stack.BASE, {"t": "s"}, "")])
    assert settings.differences(sides[0], plain)


def test_values_that_nothing_reads() -> None:
    reads = Reads({"n": 3, "env": {}, "image": {"tag": "", "pullPolicy": ""}}, frozenset(), {})
    profile = [file("base", "values:\n  m: 1\n  env: {A: 1}\n  image: {tag: v1, pullPolicy: Always}\n")]
    over = [hidden(stack.SECRET, {"secert": "s"}, "variable S")]
    found = list(settings.unread(profile, over, reads))
    assert [(one.severity, one.place) for one in found] == [
        (Severity.PROBLEM, "base.yaml:2"),
        (Severity.PROBLEM, "base.yaml:4"),
        (Severity.PROBLEM, "variable S"),
    ]
    assert found[0].message == "values.m: nothing in the chart reads it"
    assert "values.image.tag is not used: the image of the run says it" in found[1].message


@pytest.mark.parametrize(
    ("base", "env", "said"),
    [
        ("values: {n: 2}", "values: {n: 2}", ("warning", "values.n is `2` already: base.yaml:1")),
        ("values: {n: 3}", "{}", ("note", "values.n is `3` already: chart.yaml:1")),
        ("release: {timeout: 5m}", "{}", ("note", "release.timeout is `300` already: the default")),
        ("values: {l: [1]}", "values: {l: [1]}", ("warning", "values.l is the same already: base.yaml:1")),
        ("{}", "values: {gone: null}", ("warning", "values.gone is null, and nothing is there to take away")),
        ("values: {n: 2}", "values: {n: 4}", None),
        ("values: {n: true}", "values: {n: 1}", None),
        ("values: {n: '${N:2}'}", "values: {n: '2'}", None),
        ("values: {n: 2}", "values: {n: '${N:2}'}", None),
        ("x-a: 1", "x-a: 1", None),
        ("values: {limits: null}", "{}", None),
    ],
)
def test_settings_that_change_nothing(base: str, env: str, said: tuple[str, str] | None) -> None:
    found = list(settings.redundant(DEFAULTS, [CHART], [file("base", base), file("dev", env)]))
    assert [(one.severity.value, one.message) for one in found] == ([said] if said else [])


def test_findings_are_told_once() -> None:
    note, problem = Finding(Severity.NOTE, "a", "m", ("dev",)), Finding(Severity.PROBLEM, "b", "n", ("dev",))
    again = Finding(Severity.NOTE, "a", "m", ("prod",))
    assert settings.gathered([note, problem, again]) == (problem, Finding(Severity.NOTE, "a", "m", ("dev", "prod")))
