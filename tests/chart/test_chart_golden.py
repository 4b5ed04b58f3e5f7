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
    "serviceMonitor": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "scrape": {"scrape": {"enabled": True}},
    "openTelemetry": {
        "openTelemetry": {
            "enabled": True,
            "endpoint": "http://collector:4318",
            "samplerArg": 0.1,
            "resourceAttributes": {"team": "shop"},
        }
    },
    "grafanaDashboard": {"grafanaDashboard": {"enabled": True, "annotations": {"grafana_folder": "shop"}}},
    "prometheusRule": {
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "limits": {"restarts": None}}
    },
    "istio-ambient": {"istio": {"mode": "ambient"}},
    "istio-sidecar": {"istio": {"mode": "sidecar"}},
    "no-serviceAccount": {"serviceAccount": {"create": False}},
    "no-test": {"test": {"enabled": False}},
}
"""Values that differ from the chart's own in one switch: each is one object more or less, or some lines of the pods."""


class Lines(yaml.SafeDumper):
    """Text of many lines as lines: that is what a review reads."""


Lines.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)
)


def switched(helm: Helm, name: str) -> str:
    """The objects that are others, or new, with a switch; those that are not there any more are a comment."""
    before, after = helm.render(), helm.render(SWITCHES[name])
    named = [(one["kind"], one["metadata"]["name"]) for one in after.objects]
    gone = [one for one in before.objects if (one["kind"], one["metadata"]["name"]) not in named]
    changed = [one for one in after.objects if one not in before.objects]
    text = "".join(f"# not there: {one['kind']} {one['metadata']['name']}\n" for one in gone)
    return text + (yaml.dump_all(changed, Dumper=Lines, sort_keys=False, width=1000) if changed else "")


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_changes_what_is_recorded(helm: Helm, name: str) -> None:
    golden = HERE / "golden" / f"switch-{name}.yaml"
    text = switched(helm, name)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", SWITCHES)
def test_lint_is_clean_with_a_switch(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm.lint({"image": {"tag": "v1"}, **SWITCHES[name]})


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
