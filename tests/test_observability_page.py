"""docs/observability.md means what it says: its profiles are taken, its values are the chart's."""

import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deployer.metrics.query import PLACEHOLDERS, READY_MADE
from deployer.plan import metrics
from deployer.profile import load

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "observability.md").read_text()
SNIPPETS = re.findall(r"```yaml\n# environments/(\w+)\.yaml\n(.*?)```", PAGE, re.DOTALL)
JOB = {"REGISTRY_URL": "r.lab", "PROD_CLUSTER_UID": "u"}


def laid(below: Any, over: Any) -> Any:
    if isinstance(below, dict) and isinstance(over, dict):
        return {**below, **{key: laid(below.get(key), one) for key, one in over.items()}}
    return over


@pytest.mark.parametrize(("environment", "snippet"), SNIPPETS)
def test_a_profile_with_the_snippet_is_taken(environment: str, snippet: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    file = tmp_path / "environments" / f"{environment}.yaml"
    file.write_text(yaml.safe_dump(laid(yaml.safe_load(file.read_text()), yaml.safe_load(snippet))))
    profile = load(tmp_path, "test" if environment == "base" else environment, JOB)
    given = yaml.safe_load(snippet)
    if "metrics" in given:
        wanted = [one if isinstance(one, str) else one["name"] for one in given["metrics"].get("guards", READY_MADE)]
        assert [one.name for one in metrics.guards(profile)] == wanted
    if "telemetry" in given:
        assert profile.telemetry.otlp is None
        assert profile.telemetry.timeout == 3


def test_there_are_snippets_of_each_part() -> None:
    assert PAGE.count("```yaml\n") == len(SNIPPETS), "each says of which file it is, or it would not be tried"
    assert {key for _, snippet in SNIPPETS for key in yaml.safe_load(snippet)} == {"metrics", "values", "telemetry"}


def test_the_values_are_the_charts() -> None:
    schema = yaml.safe_load((ROOT / "chart" / "values.schema.json").read_text())
    for _, snippet in SNIPPETS:
        values = yaml.safe_load(snippet).get("values")
        if values:
            whole = laid(yaml.safe_load((ROOT / "chart" / "values.yaml").read_text()), values)
            jsonschema.Draft7Validator(schema).validate({key: whole[key] for key in values})


def test_what_it_lists_is_all_there_is() -> None:
    assert set(re.findall(r"`\$(\w+)`", PAGE)) == set(PLACEHOLDERS)
    assert set(re.findall(r"^\| (errorRatio|latencyP99|\w+Ratio\w*) \|", PAGE, re.MULTILINE)) == set(READY_MADE)
