"""`make demo` with a cluster and a registry of one's own: it is given the lab's."""

import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run

pytestmark = pytest.mark.lab


def test_the_demo_on_a_cluster_of_ones_own(namespace: str, kubeconfig: Path, tmp_path: Path) -> None:
    (tmp_path / "deploy").write_text(f'#!/bin/sh\nexec {sys.executable} -m deployer "$@"\n')
    (tmp_path / "deploy").chmod(0o755)
    environ = {
        **os.environ,
        "DEPLOY_KUBECONFIG": str(kubeconfig),
        "DEV_NAMESPACE": namespace,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    said = run("bash", "lab/demo.sh", cwd=ROOT, env=environ).stdout
    assert "your own cluster and registry" in said
    assert '"environment":"dev"' in said.replace(" ", "")
    assert said.splitlines()[-1].startswith("demo: healthy in ")
