"""An archive brings image, chart and profiles to an edge whose registry knows nothing of the source's."""

import io
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Project

pytestmark = pytest.mark.lab

Change = Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]


@pytest.fixture
def packed(fault: Project) -> Path:
    """A bundle of dev; afterwards nothing is left of the project, and the profile's registry is another."""
    fault.profile("dev", registry={"url": "${SITE_REGISTRY}"}, values={"env": {"RUN": "bundled"}})
    file = fault.folder.parent / "dev.tar"
    fault.environ["SITE_REGISTRY"] = os.environ["REGISTRY_URL"]
    done = fault.deploy("bundle", "--env", "dev", "--tag", "v1", "--out", str(file), "--output", "json")
    assert done.code == 0, done
    fault.environ["BUNDLE_DIGEST"] = done.json["digest"]
    for name in ("environments", "chart", "service"):
        shutil.rmtree(fault.folder / name)
    fault.environ["SITE_REGISTRY"] = f"{os.environ['REGISTRY_URL']}/site-{fault.namespace}"
    return file


def rewritten(file: Path, change: Change) -> Path:
    """The archive with every member changed, or left out where nothing is answered."""
    fresh = file.with_name("changed.tar")
    with tarfile.open(file) as old, tarfile.open(fresh, "w") as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream
            answer = change(member, stream.read())
            if answer:
                info, content = answer
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return fresh


def test_the_site_gets_image_chart_and_values(fault: Project, packed: Path) -> None:
    planned = fault.deploy("up", "--env", "dev", "--bundle", str(packed), "--dry-run")
    assert planned.code == 0, planned
    done = fault.deploy(
        *("up", "--env", "dev", "--bundle", str(packed), "--bundle-digest", fault.environ["BUNDLE_DIGEST"]),
        *("--output", "json"),
    )
    assert done.code == 0, done
    assert done.json["image"]["reference"].startswith(f"{fault.environ['SITE_REGISTRY']}/fault:v1@sha256:")
    (pod, *_) = [one for one in fault.objects("pods") if "deletionTimestamp" not in one["metadata"]]
    container = pod["spec"]["containers"][0]
    assert container["image"] == done.json["image"]["reference"]
    assert {"name": "RUN", "value": "bundled"} in container["env"]
    again = fault.deploy("up", "--env", "dev", "--bundle", str(packed))
    assert again.code == 0
    assert "unchanged" in again.out, again
    assert [one.name for one in fault.folder.parent.glob("deploy-*")] == [], "no folder is left"


def test_it_is_the_same_for_the_same_contents_and_holds_no_secret(fault: Project) -> None:
    files = [fault.folder.parent / f"{number}.tar" for number in range(2)]
    for file in files:
        done = fault.deploy("bundle", "--env", "dev", "--tag", "v1", "--out", str(file))
        assert done.code == 0, done
    assert files[0].read_bytes() == files[1].read_bytes()
    assert os.environ["REG_PASS"].encode() not in files[0].read_bytes()
    with tarfile.open(files[0]) as archive:
        names = archive.getnames()
    assert "files/environments/dev.yaml" in names
    assert not [name for name in names if "prod.yaml" in name or ".env" in name or "/service/" in name]
    assert {"image/oci-layout", "image/index.json"} <= set(names)

    fault.profile("dev", values={"env": {"WORD": os.environ["REG_PASS"]}})
    done = fault.deploy("bundle", "--env", "dev", "--tag", "v1", "--out", str(files[0]))
    assert done.code == 2
    assert "environments/dev.yaml holds a secret in plain text" in done.err


def _values(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, content.replace(b"replicaCount", b"replicaCOUNT") if member.name.endswith("dev.yaml") else content


def _layer(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, content + b"\0" if "blobs" in member.name and len(content) > 100_000 else content


def _less(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes] | None:
    return None if member.name.endswith("chart/Chart.yaml") else (member, content)


def _link(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    if member.name.endswith("chart/Chart.yaml"):
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        return member, b""
    return member, content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_values, r"files/environments/dev.yaml was changed; nothing of it is used"),
        (_layer, r"image/blobs/sha256/[0-9a-f]{64} was changed"),
        (_less, r"files/chart/Chart.yaml is missing"),
        (_link, r"files/chart/Chart.yaml is no plain file"),
    ],
)
def test_what_was_tampered_with_is_refused_by_name(fault: Project, packed: Path, change: Change, words: str) -> None:
    done = fault.deploy("up", "--env", "dev", "--bundle", str(rewritten(packed, change)))
    assert done.code == 3, done
    assert re.search(words, done.err), done
    assert fault.objects("deployments") == []


def test_what_is_no_bundle_is_refused(fault: Project, packed: Path) -> None:
    half = packed.with_name("half.tar")
    half.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    for file, words in ((half, "cut off|is missing"), (fault.folder / ".gitignore", "is no bundle")):
        done = fault.deploy("up", "--env", "dev", "--bundle", str(file))
        assert done.code in (2, 3)
        assert re.search(words, done.err), done
    done = fault.deploy("up", "--env", "dev", "--bundle", str(packed), "--bundle-digest", "sha256:" + "0" * 64)
    assert done.code == 3
    assert "not the one that was expected" in done.err
    done = fault.deploy("up", "--env", "dev", "--bundle", str(packed), "--tag", "v2")
    assert done.code == 2
    assert "--tag has nothing to say" in done.err
    assert fault.objects("deployments") == []


def test_what_belongs_to_the_run_is_beside_the_bundle(fault: Project) -> None:
    """The freeze file and the marks of telemetry; the profile that a guard asks about is packed."""
    guards = {"healthyIn": "test", "freeze": "FREEZE", "overridable": ["healthyIn"]}
    fault.profile("dev", guards=guards, telemetry={"file": "marks.jsonl"})
    file = fault.folder.parent / "dev.tar"
    done = fault.deploy("bundle", "--env", "dev", "--tag", "v1", "--out", str(file))
    assert done.code == 0, done
    for name in ("environments", "chart", "service"):
        shutil.rmtree(fault.folder / name)
    up = ("up", "--env", "dev", "--bundle", str(file), "--override", "healthyIn", "--reason", "the first one")
    (fault.folder / "FREEZE").write_text("until monday")
    done = fault.deploy(*up)
    assert done.code == 3, done
    assert "until monday" in done.err
    assert "there is no other environment" not in done.err
    (fault.folder / "FREEZE").unlink()
    done = fault.deploy(*up)
    assert done.code == 0, done
    assert "version:v1" in (fault.folder / "marks.jsonl").read_text()
