"""Archives that are no bundle, however they are made: an error that says so, and never one of Python's own."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from deployer import bundle
from deployer.errors import UsageError
from deployer.plan.bundle import MANIFEST

BLOB = b"{}"
HEX = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
NAME = f"image/blobs/sha256/{HEX}"


def archive(file: Path, headers: dict[str, str]) -> Path:
    """A bundle of an empty image; its blob has these headers."""
    facts = {"environment": "edge", "project": ".", "repository": "web", "tag": "v1", "source": None}
    manifest = {"format": "deploy/bundle/v1", **facts, "digest": f"sha256:{HEX}", "files": {NAME: HEX}}
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as out:
        for name, content in ((MANIFEST, json.dumps(manifest).encode()), (NAME, BLOB)):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), headers if name == NAME else {}
            out.addfile(member, io.BytesIO(content))
    return file


def test_a_bundle_is_opened(tmp_path: Path) -> None:
    with bundle.opened(archive(tmp_path / "b.tar", {}), "edge") as found:
        assert (found.image / "blobs" / "sha256" / HEX).read_bytes() == BLOB


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "1,a"},
        {"GNU.sparse.size": "x"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "x"},
    ],
)
def test_a_header_that_is_none_is_told(tmp_path: Path, headers: dict[str, str]) -> None:
    with (
        pytest.raises(UsageError, match="is no bundle, or is cut off"),
        bundle.opened(archive(tmp_path / "b.tar", headers), "edge"),
    ):
        pass
