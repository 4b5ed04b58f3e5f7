"""docs/canary.md: the chart makes what the page says of its profiles' values."""

import re
from typing import Any

import pytest
import yaml
from rendering import CHART, Helm, laid

pytestmark = pytest.mark.lab

PAGE = (CHART.parent / "docs" / "canary.md").read_text()
PROFILES = dict(re.findall(r"<!-- profile: (\w+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))


def midway(name: str) -> dict[str, Any]:
    """The values of a profile at its first step, as `deploy` would have them."""
    profile = yaml.safe_load(PROFILES[name])
    weight = profile["canary"]["steps"][0]["weight"]
    return laid({"image": {"tag": "v1"}}, profile["values"], {"canary": {"enabled": True, "weight": weight}})


@pytest.mark.parametrize("name", PROFILES)
def test_lint_is_clean(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm.lint(midway(name))


@pytest.mark.parametrize(("name", "weights"), [("httproute", [95, 5]), ("metrics", [95, 5])])
def test_an_httproute_splits_the_requests(helm: Helm, name: str, weights: list[int]) -> None:
    made = helm.render(midway(name))
    assert set(made.all("Deployment")) == {"web", "web-canary"}
    spec = made.one("HTTPRoute")["spec"]
    assert (spec["hostnames"], [one["name"] for one in spec["parentRefs"]]) == (["web.example.com"], ["public"])
    assert [(one["name"], one["weight"]) for one in spec["rules"][0]["backendRefs"]] == [
        ("web", weights[0]),
        ("web-canary", weights[1]),
    ]


def test_istio_splits_them_and_has_rules_for_each_version(helm: Helm) -> None:
    made = helm.render(midway("istio"))
    both = {"web", "web-canary"}
    assert set(made.all("Deployment")) == both
    assert set(made.all("DestinationRule")) == set(made.all("PeerAuthentication")) == both
    spec = made.one("VirtualService")["spec"]
    assert spec["gateways"] == ["istio-system/public", "mesh"]
    (http,) = spec["http"]
    assert [(one["destination"]["host"], one["weight"]) for one in http["route"]] == [("web", 90), ("web-canary", 10)]
    assert (http["timeout"], http["retries"]["perTryTimeout"]) == ("5s", "2s")
    for one in made.all("Deployment").values():
        assert one["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
