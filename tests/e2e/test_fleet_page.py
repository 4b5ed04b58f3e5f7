"""docs/fleet.md: its files load, and its commands do what it says, on the lab's fleet clusters."""

import json
import os
import re
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Project
from fleets import kubectl

PAGE = (ROOT / "docs" / "fleet.md").read_text()
CONTEXTS = {"north": "fleet1", "south": "fleet2"}

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.fleet]


@pytest.fixture
def page(project: Project, faults: str, tmp_path: Path) -> Iterator[Project]:
    """The page's two files, with clusters and namespaces of the lab behind its names."""
    shared, targets = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    word = secrets.token_hex(3)
    folder = project.folder / "environments"
    laid = yaml.safe_load(shared)
    folder.joinpath("edge.yaml").write_text(shared)
    folder.joinpath("edge.targets.yaml").write_text(targets.replace("namespace: shop-", f"namespace: {word}-"))
    assert laid["target"]
    project.profile("edge", image={"repository": faults}, values={"env": {"VERSION": "v1"}})
    config = json.loads(Path(os.environ["FLEET_KUBECONFIG"]).read_text())
    config["contexts"] = [
        {"name": name, "context": {"cluster": cluster, "user": cluster}} for name, cluster in CONTEXTS.items()
    ]
    kubeconfig = tmp_path / "edge-kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    kubeconfig.chmod(0o600)
    project.environ["EDGE_KUBECONFIG"] = str(kubeconfig)
    places = [
        (CONTEXTS[one["context"]], one["namespace"].replace("shop", word)) for one in yaml.safe_load(targets)["targets"]
    ]
    for context, namespace in places:
        kubectl(context, "create", "namespace", namespace)
    yield project
    for context, namespace in places:
        kubectl(context, "delete", "namespace", namespace, "--wait=false")


def test_its_commands_do_what_it_says(page: Project) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    said = {}
    for line in block.splitlines():
        verb, *argv = shlex.split(line, comments=True)[1:]
        argv += ["--tag", "v1"] if verb == "up" else []
        done = page.deploy(verb, *argv)
        assert done.code == 0 or (verb == "rollback" and done.code == 14), f"{line}\n{done}"
        said[line.partition("#")[0].strip()] = done.out
    assert "wave first: 2 targets" in said["deploy up --env edge --dry-run"]
    table = said["deploy up --env edge"].splitlines()
    assert table[0].split() == ["TARGET", "WAVE", "OUTCOME", "REVISION", "TIME", "CAUSE"]
    assert [row.split()[:3] for row in table[1:4]] == [
        ["shop-1", "first", "done"],
        ["shop-2", "first", "done"],
        ["shop-3", "rest", "done"],
    ]
    assert "shop-3  rest  unchanged" in said["deploy up --env edge --target shop-3"]
    assert "edge/shop-3" in said["deploy status --env edge"]
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    digest = ""
    for line in block.splitlines():
        verb, *argv = shlex.split(line.replace("sha256:…", digest), comments=True)[1:]
        done = page.deploy(verb, *argv, *(["--tag", "v1"] if verb == "bundle" else []))
        assert done.code == 0, f"{line}\n{done}"
        digest = digest or re.findall(r"^digest: (sha256:[0-9a-f]{64})$", done.out, re.MULTILINE)[0]
    assert "1 revision" in said["deploy history --env edge --target shop-3"]
