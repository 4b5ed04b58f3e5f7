"""Reading a chart's folder without helm."""

from pathlib import Path
from typing import Any

import pytest

from deployer import chart
from deployer.errors import PreflightError
from deployer.values.layers import leaves

ROOT = Path(__file__).parents[1]


def made(folder: Path, **files: str) -> chart.Chart:
    for name, text in {"Chart_yaml": "name: web\n", **files}.items():
        file = folder / "chart" / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return chart.read(folder, Path("chart"))


def told(found: chart.Chart, values: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    return {".".join(leaf.keys): (leaf.value, leaf.origin.place) for leaf in leaves(found.layers(values))}


def test_defaults_know_their_lines(tmp_path: Path) -> None:
    found = made(tmp_path, values_yaml="a: 1\nb:\n  c: 2\n")
    assert told(found, {}) == {"a": (1, "chart/values.yaml:1"), "b.c": (2, "chart/values.yaml:3")}


def test_charts_within_lie_under_their_name_or_alias(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        Chart_yaml="dependencies:\n- {name: redis, alias: cache, condition: cache.enabled}\n- {name: gone}\n",
        values_yaml="cache: {enabled: true, n: 3}\n",
        charts__redis__Chart_yaml="name: redis\n",
        charts__redis__values_yaml="n: 1\nm: 2\n",
        charts__more__Chart_yaml="name: more\n",
        charts__more__values_yaml="k: 1\n",
    )
    assert told(found, {}) == {
        "cache.enabled": (True, "chart/values.yaml:1"),
        "cache.n": (3, "chart/values.yaml:1"),
        "cache.m": (2, "chart/charts/redis/values.yaml:2"),
        "more.k": (1, "chart/charts/more/values.yaml:1"),
    }
    assert "cache.m" not in told(found, {"cache": {"enabled": False}})
    reads = found.reads()
    assert reads.any_use(("cache", "m"))
    assert not reads.any_use(("cache", "o"))
    assert reads.any_use(("gone", "anything"))


def test_what_templates_name(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        templates__a_yaml='{{ .Values.a.b }} {{- with $.Values.c }} {{ index .Values "d-e" "f" }} .Valuesx.g',
        templates__deep__b_tpl="{{ .Values.h }}",
    )
    assert found.mentioned == {("a", "b"), ("c",), ("d-e", "f"), ("h",)}


@pytest.mark.parametrize("how", ["get $.Values $key", "index .Values $key"])
def test_keys_that_a_template_takes_from_a_list_are_named_whole(tmp_path: Path, how: str) -> None:
    listed = '{{ range $key := list "probe" "resources" }}{{ toYaml (HOW) }}{{ end }}{{ list "of words" }}'
    found = made(tmp_path, templates__a_yaml=listed.replace("HOW", how), values_yaml="probe: {httpGet: {path: /}}\n")
    assert found.reads().any_use(("probe", "tcpSocket", "port"))
    assert not found.reads().any_use(("prob",))
    assert made(tmp_path, templates__a_yaml='{{ list "a" "b" }}').mentioned == frozenset()


@pytest.mark.parametrize("text", ["base: &b {a: 1}\nx:\n  <<: *b\n", "1: a\n"])
def test_yaml_that_a_profile_may_not_be(tmp_path: Path, text: str) -> None:
    found = made(tmp_path, values_yaml=text)
    assert found.defaults.data
    assert found.defaults.place(("x",)) == "chart/values.yaml"


@pytest.mark.parametrize("text", ["a: [1\n", "- a\n", ""])
def test_defaults_that_are_none(tmp_path: Path, text: str) -> None:
    assert made(tmp_path, values_yaml=text).defaults.data == {}


def test_no_chart(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="there is no chart at nowhere"):
        chart.read(tmp_path, Path("nowhere"))


def test_the_shipped_chart_reads_all_its_defaults() -> None:
    found = chart.read(ROOT, Path("chart"))
    reads = found.reads()
    everything = leaves(found.layers({"redis": {"enabled": True}}))
    assert len(everything) > 80
    assert all(reads.any_use(leaf.keys) for leaf in everything)
