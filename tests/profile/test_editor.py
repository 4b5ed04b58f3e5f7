"""The JSON schema for editors: up to date, true of the shipped profiles, and no softer than the profile itself."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deployer.profile import editor_schema
from deployer.report import document

FOLDER = Path(__file__).parents[2] / "environments"
FILES = sorted(FOLDER.glob("*.yaml"))


def problems(data: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(editor_schema()).iter_errors(data)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(editor_schema())


def test_the_file_is_up_to_date() -> None:
    text = (FOLDER / "schema.json").read_text()
    assert text == document.text(editor_schema()) + "\n", "run: deploy config schema"
    assert json.loads(text) == editor_schema()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_shipped_files_name_it_and_are_as_it_says(file: Path) -> None:
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert problems(yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "release: {timeout: 5m}",
        "release: {timeout: 300}",
        "release: {timeout: '${TIMEOUT:5m}'}",
        "health: {soak: 1m30s, crashExits: 4}",
        "tools: null",
        "rollback: {automatic: null}",
        "x-notes: [anything]",
        "image: {tag: '${TAG}'}",
        "valueFiles: [a.yaml]",
        "values: {any: {thing: [1, null]}}",
        "secrets: {secret.data.TOKEN: TOKEN}",
    ],
)
def test_taken(text: str) -> None:
    assert problems(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "imag: {}",
        "image: {tagg: branch}",
        "image: {tag: brunch}",
        "release: {timeout: 5 minutes}",
        "release: {historyMax: 1}",
        "rollback: {automatic: sometimes}",
        "health: {soak: soon}",
        "health: {soaks: 3}",
        "valueFiles: a.yaml",
        "secrets: {a: 9-LIVES}",
        "target: {namespace: No_Label}",
    ],
)
def test_refused(text: str) -> None:
    assert problems(yaml.safe_load(text)) != []
