"""docs/canary.md: its profiles are profiles, and the chart takes their values."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.profile import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "canary.md").read_text()
PROFILES = dict(re.findall(r"<!-- profile: (\w+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))
SHIPPED = ROOT / "environments"
VARIABLES = {"REGISTRY_URL": "registry.example.com", "PROD_CLUSTER_UID": "0b5e7c1e-uid"}


def merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
    return over


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "base.yaml").write_text((SHIPPED / "base.yaml").read_text())
    return tmp_path


def prod(folder: Path, text: str) -> Path:
    shipped = yaml.safe_load((SHIPPED / "prod.yaml").read_text())
    file = folder / "environments" / "prod.yaml"
    file.write_text(yaml.safe_dump(merged(shipped, yaml.safe_load(text))))
    return file


def test_both_routes_are_shown() -> None:
    assert set(PROFILES) == {"httproute", "istio", "metrics"}
    assert PAGE.count("```yaml\n") == len(PROFILES), "each has a name, or it would not be tried"


@pytest.mark.parametrize(("name", "route"), [("httproute", "httproute"), ("istio", "istio"), ("metrics", "httproute")])
def test_a_profile_of_the_page_is_one(folder: Path, name: str, route: str) -> None:
    prod(folder, PROFILES[name])
    found = load(folder, "prod", VARIABLES)
    assert (found.strategy, found.canary.route) == ("canary", route)
    assert [step.weight for step in found.canary.steps] == sorted(step.weight for step in found.canary.steps)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("strategy: canary", "prod.yaml:.*strategy is canary, so canary.steps must say its steps"),
        (
            "{strategy: canary, canary: {steps: [{weight: 5}]}, rollback: {automatic: false}}",
            "prod.yaml:.*rollback.automatic cannot be false",
        ),
        ("canary: {steps: [{weight: 25}, {weight: 5}]}", "canary.steps: weights must rise, and 5 comes after 25"),
        ("canary: {steps: [{weight: 0}]}", r"canary.steps.0.weight is `0`"),
        ("canary: {steps: [{weigth: 5}]}", "unknown key `weigth`.*did you mean `weight`"),
        ("canary: {replicas: 1, share: 10%}", "say one of them"),
        ("canary: {share: 150%}", "150% of the stable version's pods; it is 100% at most"),
        ("canary: {route: ingress}", "it must be one of httproute, istio"),
        ("strategy: blue", "it must be one of rolling, canary"),
    ],
)
def test_what_is_no_canary_is_told_with_its_place(folder: Path, text: str, said: str) -> None:
    from deployer.errors import UsageError

    prod(folder, text)
    with pytest.raises(UsageError) as told:
        load(folder, "prod", VARIABLES)
    assert re.search(said, "\n".join((told.value.message, *told.value.detail)))


def test_the_page_tells_every_stage() -> None:
    for word in ("canary 0%", "`stable`", "`release`", "`rollout`"):
        assert word in PAGE
