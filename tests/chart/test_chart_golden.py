"""What the environments look like. `make golden` rewrites the files; a change shows in the review."""

import json
import os
import re
from typing import Any

import pytest
import yaml
from rendering import HERE, Helm, environment, program

pytestmark = pytest.mark.lab
ENVIRONMENTS = ("dev", "test", "prod", "gateway", "mesh")


def rendered(helm: Helm, name: str) -> str:
    """As helm prints it; helm 4 puts empty lines between documents where helm 3 puts none."""
    return re.sub(r"\n+---\n", "\n---\n", helm.render(environment(name)).text.strip() + "\n")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_renders_as_recorded(helm: Helm, name: str) -> None:
    golden = HERE / "golden" / f"{name}.yaml"
    text = rendered(helm, name)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


SWITCHES: dict[str, dict[str, Any]] = {
    "serviceMonitor": {"labels": {"release": "prometheus"}},
    "scrape": {},
    "openTelemetry": {"endpoint": "http://collector:4318", "samplerArg": 0.1, "resourceAttributes": {"team": "shop"}},
    "grafanaDashboard": {"annotations": {"grafana_folder": "shop"}},
    "prometheusRule": {"labels": {"release": "prometheus"}, "limits": {"restarts": None}},
}
"""What is told of the service: off, each costs nothing; on, each is one object, or some lines of the pods."""


class Lines(yaml.SafeDumper):
    """Text of many lines as lines: that is what a review reads."""


Lines.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)
)


def switched(helm: Helm, name: str) -> str:
    """The objects that are others, or new, where a switch is on."""
    off, on = helm.render(), helm.render({name: {"enabled": True, **SWITCHES[name]}})
    return yaml.dump_all(
        [one for one in on.objects if one not in off.objects], Dumper=Lines, sort_keys=False, width=1000
    )


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_adds_what_is_recorded(helm: Helm, name: str) -> None:
    golden = HERE / "golden" / f"switch-{name}.yaml"
    text = switched(helm, name)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", SWITCHES)
def test_lint_is_clean_with_a_switch(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm.lint({"image": {"tag": "v1"}, name: {"enabled": True, **SWITCHES[name]}})


def test_the_dashboard_is_one(helm: Helm) -> None:
    data = helm.render({"grafanaDashboard": {"enabled": True}}).one("ConfigMap", "web-dashboard")["data"]
    dashboard = json.loads(data["shop-web.json"])
    assert dashboard["title"] == "web in shop"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert "%" not in "".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", []))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_helm_3_and_4_render_the_same(name: str) -> None:
    three, four = Helm(program("HELM3", None)), Helm(program("HELM", "helm"))
    assert rendered(three, name) == rendered(four, name)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_lint_is_clean(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm.lint(environment(name))


def test_lint_is_clean_without_values(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.lint({})
