"""Files that people own, changed by us: nothing but the change is new."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.errors import UsageError
from deployer.values.edit import edited

PROD = Path(__file__).parents[2] / "environments" / "prod.yaml"
IDENTITY = ("target", "identity")


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_the_shipped_profile_keeps_every_comment_and_quote() -> None:
    text = PROD.read_text()
    assert edited("prod.yaml", text, {}) == text
    after = edited("prod.yaml", text, {(*IDENTITY, "server"): "https://api:6443", ("release", "timeout"): "9m"})
    assert changed(text, after) == ["+    server: https://api:6443", "-  timeout: 10m", "+  timeout: 9m"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target:\n  context: a # mine\n", "target:\n  context: a # mine\n  identity:\n    uid: u\n"),
        ("# only a note\n", None),
        ("", None),
        ("target: {context: a}\n", "target: {context: a, identity: {uid: u}}\n"),
        ("target:\n  identity: # none yet\nx: 1\n", None),
        (
            "a: 'q'\nb: \"p\"\nl:\n  - 1\n  - 2\n",
            "a: 'q'\nb: \"p\"\nl:\n  - 1\n  - 2\ntarget:\n  identity:\n    uid: u\n",
        ),
    ],
)
def test_sections_that_are_missing_are_made(text: str, expected: str | None) -> None:
    after = edited("a.yaml", text, {(*IDENTITY, "uid"): "u"})
    if expected is not None:
        assert after == expected
    data: Any = yaml.safe_load(after)
    assert data["target"]["identity"] == {"uid": "u"}
    assert all(comment in after for comment in ("# only a note", "# none yet") if comment in text)


@pytest.mark.parametrize(
    ("text", "said"), [("a: [1\n", "a.yaml: not valid YAML"), ("target: x\n", "target.identity is no map")]
)
def test_what_cannot_be_edited(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        edited("a.yaml", text, {(*IDENTITY, "uid"): "u"})
