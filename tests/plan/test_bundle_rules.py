"""What a bundle's manifest may say, and what is found out of an archive that was changed."""

import json
from typing import Any

import pytest

from deployer.errors import PreflightError, UsageError
from deployer.plan import bundle as plans
from deployer.plan.bundle import Bundle
from deployer.plan.facts import Source

HEX = "a" * 64
BLOB = f"image/blobs/sha256/{HEX}"
FILES = {"files/chart/Chart.yaml": "1" * 64, BLOB: HEX}
MADE = Bundle("edge", "svc", "web", "v1", f"sha256:{HEX}", Source("5ba", "main", ("v1",), (), "t"), FILES)


def test_there_and_back() -> None:
    assert plans.parse("f", plans.text(MADE)) == MADE
    without = Bundle("edge", ".", "web", "v1", f"sha256:{HEX}", None, FILES)
    assert plans.parse("f", plans.text(without)) == without


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "deploy/bundle/v9"}, "another version"),
        ({"format": "deploy/build/v1"}, "is no bundle"),
        ({"digest": "sha256:5ba"}, "damaged"),
        ({"project": "../elsewhere"}, "damaged"),
        ({"files": {"../../etc/passwd": HEX}}, "damaged"),
        ({"files": {"/etc/passwd": HEX}}, "damaged"),
        ({"files": {"files//x": HEX}}, "damaged"),
        ({"source": {"sha": "1"}}, "damaged"),
        ({"more": 1}, "damaged"),
        ({"tag": None}, "damaged"),
    ],
)
def test_what_is_no_manifest(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plans.parse("f", json.dumps({**json.loads(plans.text(MADE)), **change}))


@pytest.mark.parametrize("given", ["", "sha256:", HEX, f"sha256:{HEX}0", f"sha256:{HEX.upper()}", f"sha512:{HEX}"])
def test_what_is_no_digest_of_a_bundle(given: str) -> None:
    assert plans.expected(f"sha256:{HEX}") == HEX
    with pytest.raises(UsageError, match="--bundle-digest"):
        plans.expected(given)


@pytest.mark.parametrize("text", ["hello", "[" * 1_000_000, "[]"], ids=["words", "brackets", "list"])
def test_text_is_no_manifest(text: str) -> None:
    with pytest.raises(UsageError, match="is no bundle"):
        plans.parse("f", text)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            {**FILES, "files/chart/Chart.yaml": "2" * 64},
            r"f: files/chart/Chart.yaml was changed; nothing of it is used",
        ),
        ({BLOB: HEX}, "files/chart/Chart.yaml is missing"),
        ({**FILES, "files/more": HEX}, "files/more was added"),
        ({**FILES, BLOB: "b" * 64}, "was changed"),
        ({}, r"\(and 1 more\)"),
    ],
)
def test_what_was_changed_is_named(found: dict[str, str], words: str) -> None:
    with pytest.raises(PreflightError, match=words):
        plans.demand("f", MADE, found, "edge")


def test_a_blob_is_what_its_name_says() -> None:
    made = Bundle("edge", ".", "web", "v1", f"sha256:{HEX}", None, {BLOB: "b" * 64})
    with pytest.raises(PreflightError, match="is not what its name says"):
        plans.demand("f", made, {BLOB: "b" * 64}, "edge")
    with pytest.raises(PreflightError, match="is not in it"):
        plans.demand("f", Bundle("edge", ".", "web", "v1", f"sha256:{HEX}", None, {}), {}, "edge")


def test_it_is_for_its_environment() -> None:
    plans.demand("f", MADE, FILES, "edge")
    with pytest.raises(UsageError, match="is a bundle for edge, not for prod"):
        plans.demand("f", MADE, FILES, "prod")
