"""What another revision would change: chart, images, values; nothing secret."""

from typing import Any

import pytest

from deployer.plan.difference import Content, Difference, differences

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers: [{name: init, image: r/init:1}]
      containers: [{name: web, image: IMAGE}]
---
apiVersion: v1
kind: Pod
metadata: {name: once}
spec: {containers: [{name: a, image: r/a:1}]}
"""


def content(runs: str = "r/web:1", chart: str = "web-1", **values: Any) -> Content:
    return Content(chart, MANIFEST.replace("IMAGE", runs), values)


def told(before: Content, after: Content) -> list[tuple[str, str | None, str | None]]:
    found = differences(before, after, ["secret.data.TOKEN", r"a\.b"])
    return [(one.what, one.before, one.after) for one in found]


def test_nothing() -> None:
    assert told(content(a=1), content(a=1)) == []


def test_the_image_is_told_once() -> None:
    before, after = content("r/web:1", image={"tag": "1"}), content("r/web:2", image={"tag": "2"})
    assert told(before, after) == [("image of deployment/web, container web", "r/web:1", "r/web:2")]


def test_a_value_of_the_image_that_changes_no_image() -> None:
    assert told(content(image={"pullPolicy": "Always"}), content(image={})) == [
        ("values: image", None, "{}"),
        ("values: image.pullPolicy", "Always", None),
    ]


def test_the_chart() -> None:
    assert told(content(), content(chart="web-2")) == [("chart", "web-1", "web-2")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"env": {"A": "1"}}, {"env": {"A": "2"}}, ("values: env.A", "1", "2")),
        ({"n": 1}, {"n": 2}, ("values: n", "1", "2")),
        ({"args": ["a"]}, {"args": ["a", "b"]}, ("values: args", '["a"]', '["a", "b"]')),
        ({}, {"a": {"b": True}}, ("values: a.b", None, "true")),
        ({"a": "x\ny"}, {}, ("values: a", "x⏎y", None)),
        ({"a": "x" * 101}, {"a": ""}, ("values: a", "x" * 99 + "…", "")),
    ],
)
def test_values(before: Any, after: Any, expected: tuple[str, str | None, str | None]) -> None:
    assert told(content(**before), content(**after)) == [expected]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"secret": {"data": {"TOKEN": "old"}}}, {"secret": {"data": {"TOKEN": "new"}}}, ("***", "***")),
        (
            {"secret": {"data": {"TOKEN": {"deep": "old"}}}},
            {"secret": {"data": {"TOKEN": {"deep": "new"}}}},
            ("***", "***"),
        ),
        ({"secret": "old"}, {"secret": "new"}, ("***", "***")),
        ({"a.b": "old"}, {}, ("***", None)),
    ],
)
def test_secrets_are_never_shown(before: Any, after: Any, expected: tuple[str | None, str | None]) -> None:
    (one,) = differences(content(**before), content(**after), ["secret.data.TOKEN", r"a\.b"])
    assert (one.before, one.after) == expected


@pytest.mark.parametrize("data", ["data: {TOKEN: aHVzaC1odXNo}", "stringData: {TOKEN: hush-hush}"])
def test_what_a_revision_has_put_into_a_secret_is_hidden_whoever_named_it(data: str) -> None:
    manifest = f"kind: Secret\nmetadata: {{name: a}}\n{data}\n"
    before, after = Content("web-1", manifest, {"old": {"token": "hush-hush"}}), Content("web-1", "", {})
    assert [(one.what, one.before) for one in differences(before, after, [])] == [("values: old.token", "***")]


def test_a_container_that_comes() -> None:
    before = Content("web-1", "", {})
    assert differences(before, content(), [])[0] == Difference(
        "image of deployment/web, container init", None, "r/init:1"
    )
