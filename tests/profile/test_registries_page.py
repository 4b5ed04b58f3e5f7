"""docs/registries.md tells the truth: its settings, its snippet for GitLab, the words that are said."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployer.errors import ExitCode
from deployer.profile import load
from deployer.refusal import EXIT_CODES, Fault, Refusal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "registries.md").read_text()
SETTINGS, RETRY = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [row for line in PAGE.splitlines() if len(row := line.strip("| ").split(" | ")) == 4]


def test_no_snippet_is_left_out() -> None:
    assert PAGE.count("```") == 4, "those in tests/e2e/test_buildkit.py are lines of a shell"
    lines = re.findall(r"^    \S.*", PAGE, re.MULTILINE)
    assert [line.split()[:3] for line in lines] == [["docker", "buildx", "create"]] * 2


@pytest.mark.parametrize(
    ("text", "builder"), [("", "ci"), ("builder: ${BUILDER:ci}", "ci"), ("builder: ${OWN}", "mine")]
)
def test_the_settings_are_settings(tmp_path: Path, text: str, builder: str) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    base, given = yaml.safe_load((ROOT / "environments/base.yaml").read_text()), yaml.safe_load(SETTINGS)
    assert not text or text == "builder: ${OWN}" or f"`{text}`" in PAGE
    base["image"] |= given["image"] | (yaml.safe_load(text) or {})
    (folder / "base.yaml").write_text(yaml.safe_dump(base))
    (folder / "dev.yaml").write_text((ROOT / "environments/dev.yaml").read_text())
    image = load(tmp_path, "dev", {"REGISTRY_URL": "registry.example", "OWN": "mine"}).image
    assert (image.builder, list(image.platforms)) == (builder, ["linux/amd64", "linux/arm64"])
    assert (image.cache, image.provenance) == ("web/layers", "max")
    assert image.sbom == "registry.example/mirror/sbom:1"


@pytest.mark.parametrize(("snippet", "code"), [(RETRY, 0), (RETRY.replace("[16]", "[sixteen]"), 1)])
def test_gitlab_takes_the_way_to_try_again(tmp_path: Path, snippet: str, code: int) -> None:
    pipeline = yaml.safe_load((ROOT / "deployer/templates/gitlab.yml").read_text())
    pipeline["push"] |= yaml.safe_load(snippet)
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(yaml.safe_dump(pipeline))
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr


def test_what_is_tried_again_is_what_may_pass() -> None:
    assert yaml.safe_load(RETRY)["retry"]["exit_codes"] == [int(ExitCode.UNAVAILABLE)]


@pytest.mark.parametrize("fault", Fault)
def test_the_table_has_each_word_with_its_exit_code(fault: Fault) -> None:
    refusal = Refusal(fault, "H")
    words = refusal.sentence.removeprefix("registry H ")
    (row,) = [row for row in ROWS if f"registry H **{words}**" in row[1]]
    again, code = row[2:]
    assert code == f"{int(EXIT_CODES[fault])} {EXIT_CODES[fault].name.lower()}"
    assert again.startswith("yes") == refusal.passes
