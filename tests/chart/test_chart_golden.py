"""What the environments look like. `make golden` rewrites the files; a change shows in the review."""

import os
import re

import pytest
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


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_helm_3_and_4_render_the_same(name: str) -> None:
    three, four = Helm(program("HELM3", None)), Helm(program("HELM", "helm"))
    assert rendered(three, name) == rendered(four, name)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_lint_is_clean(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm.lint(environment(name))


def test_lint_is_clean_without_values(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.lint({})
