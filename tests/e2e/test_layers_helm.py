"""Our layers are helm's: random documents, nulls and lists included, merged by us and by every helm there is.

Many documents go into one call of helm, each under a key of its own: merging never looks across keys.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deployer.plan import values
from deployer.values import layers as stack
from deployer.values.document import parse

pytestmark = pytest.mark.lab

# helm reads every number as a float and writes a long one as 1e+06: small ones are as good here.
SCALARS = st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from(["", "x", "null", "1", "a: b", "é\n"])
KEYS = st.sampled_from(["a", "b", "c", "d.e", "global"])
DATA = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(KEYS, DATA, max_size=4)
STACKS = st.lists(st.tuples(DOCUMENTS, DOCUMENTS, DOCUMENTS, DOCUMENTS), min_size=1, max_size=40)
EXAMPLES = int(os.environ.get("INPUTS", "15"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would call helm for minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Helm = Callable[[dict[str, Any] | str, Sequence[dict[str, Any]]], dict[str, Any]]


@pytest.fixture(scope="module", params=["HELM", "HELM3"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """What a helm has as values of a chart with these defaults, under these files."""
    program = shutil.which(os.environ.get(request.param) or {"HELM": "helm"}.get(request.param, ""))
    if program is None:
        pytest.fail(f"{request.param} names no helm")
    folder = tmp_path_factory.mktemp("merge")
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: merge\nversion: 0.1.0\n")
    (folder / "templates/all.yaml").write_text("kind: All\napiVersion: v1\nvalues: {{ .Values | toJson | quote }}\n")

    def given_(defaults: dict[str, Any] | str, files: Sequence[dict[str, Any]]) -> dict[str, Any]:
        (folder / "values.yaml").write_text(defaults if isinstance(defaults, str) else values.text(defaults))
        named: list[str] = []
        for index, data in enumerate(files):
            file = folder / f"{index}.txt"
            file.write_text(values.text(data))
            named += ["--values", str(file)]
        out = run(program, "template", "all", folder, *named).stdout
        found: dict[str, Any] = json.loads(yaml.safe_load(out)["values"])
        return found

    return given_


def together(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Many documents in one, each under a key of its own."""
    return {f"doc{index}": document for index, document in enumerate(documents)}


def bare(data: Any) -> Any:
    """Without the keys that are null: to a template, and to helm from one version to the next, that is the same."""
    if isinstance(data, dict):
        return {key: bare(value) for key, value in data.items() if value is not None}
    return data


@SETTINGS
@given(STACKS)
def test_files_merge_as_in_helm(helm: Helm, stacks: list[tuple[dict[str, Any], ...]]) -> None:
    files = [together([one[index] for one in stacks]) for index in range(3)]
    ours = stack.merged([stack.everywhere("file", data, "") for data in files])
    theirs = helm({}, files)
    theirs.pop("global", None)
    assert {key: theirs[key] for key in ours} == ours


@SETTINGS
@given(STACKS)
def test_files_lie_over_the_charts_defaults_as_in_helm(helm: Helm, stacks: list[tuple[dict[str, Any], ...]]) -> None:
    """And every leaf has the value that its origin has, which is the value helm has there."""
    chart, *files = (together([one[index] for one in stacks]) for index in range(4))
    defaults, *layers = (stack.everywhere(str(index), data, "") for index, data in enumerate((chart, *files)))
    theirs = bare(helm(chart, files))
    ours: dict[str, Any] = {key: {} for key in together(stacks)}
    for leaf in stack.leaves(layers, [defaults]):
        put(ours, leaf.keys, leaf.value)
    assert {key: theirs[key] for key in ours} == bare(ours)
    for leaf in stack.leaves(layers, [defaults]):
        if leaf.value is not None:
            assert at(theirs, leaf.keys) == leaf.value == at((chart, *files)[int(leaf.origin.layer)], leaf.keys)


SPELLINGS = """
    22:30 8022:22 1:30.5 -1:30 1e3 1E3 1e+3 -1e3 1.5e-3 .5 -.5 +.5 5. 1_000 1__0_ 1_0.5 .5_0 1e1_0 1e400 . .e3 .5e3 .5e
    1e 0o17 0O17 -0o17 0o_7 0o8 0o 017 -017 08 019 0_8 00 0_7 0b11 0B11 -0b11 +0b11 0b_1 0b2 0b 0x1F 0X1f -0x1F 0x_f
    0x 0x1.8p1 y Y n N yes No ON off true False tRue yES nULL = + _1 -_1 -_.5 1._5 -0 +1 0. 00.5 2001-01-01
    2001-01-01T01:02:03Z 1_2-3
"""


def test_a_scalar_is_read_as_by_helm(helm: Helm, tmp_path: Path) -> None:
    words = SPELLINGS.split()
    text = "".join(f"'{word}': {word}\n" for word in words)
    ours = parse(tmp_path / "x.yaml", text).data
    theirs = helm(text, [])
    assert {word: repr(theirs[word]) for word in words if theirs[word] != ours[word]} == {}
    assert {word for word in words if isinstance(ours[word], bool)} == {
        word for word in words if isinstance(theirs[word], bool)
    }


def at(data: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        data = data[key]
    return data


def put(data: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        data = data.setdefault(key, {})
    data[keys[-1]] = value
