"""`make bench-unchanged`: an `up` that has nothing to do, against the bare commands on the same project, in pairs.

Not collected by `make test`: a measurement wants a machine that does nothing else.
"""

import os
import statistics
import time
from pathlib import Path

import pytest
from conftest import Project, run

pytestmark = pytest.mark.lab

PAIRS = int(os.environ.get("PAIRS", "7"))
TARGET, BOUND = 0.5, 0.85
"""Of the time that the bare commands take, all of them cached and with everything on this machine: docs/plan.md."""


def test_unchanged(project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = project.deploy("up", "--env", "dev", "-o", "json")
    assert first.code == 0, first
    image = first.json["image"]["reference"].partition("@")[0]
    docker = {**project.environ, "DOCKER_CONFIG": str(tmp_path / "docker")}
    run(
        *("docker", "login", "-u", os.environ["REG_USER"], "--password-stdin", os.environ["REGISTRY_URL"]),
        stdin=os.environ["REG_PASS"],
        env=docker,
    )
    values = tmp_path / "values.json"
    where = ("--kubeconfig", project.environ["DEPLOY_KUBECONFIG"], "--kube-context", "dev", "-n", project.namespace)
    values.write_text(run("helm", "get", "values", "web", "--output", "json", *where).stdout + "\n")
    arguments = [f"GO_IMAGE={os.environ['GO_IMAGE']}", f"RUNTIME_IMAGE={os.environ['RUNTIME_IMAGE']}"]
    build = [part for one in arguments for part in ("--build-arg", one)]

    def bare() -> None:
        # The same digest as ours, so that helm's --wait has nothing to wait for either.
        name = f"{image}-bare"
        run("docker", "buildx", "build", "--load", "--tag", name, *build, project.folder / "service", env=docker)
        run("docker", "push", name, env=docker)
        run("helm", "upgrade", "web", project.folder / "chart", "--install", "--values", values, "--wait", *where)

    compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # as an installed program is

    def ours() -> None:
        done = project.deploy("up", "--env", "dev", environ=compiled)
        assert done.code == 0, done
        assert "is unchanged" in done.out

    bare()  # fills docker's cache
    assert project.deploy("up", "--env", "dev", "--force").code == 0
    pairs = []
    for _ in range(PAIRS):
        times = []
        for one in (ours, bare):
            began = time.monotonic()
            one()
            times.append(time.monotonic() - began)
        pairs.append((times[0], times[1]))
        assert project.deploy("up", "--env", "dev", "--force").code == 0  # helm's revision is not on our record
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    with capfd.disabled():
        print(f"\n{'deploy':>8}{'bare':>9}{'ratio':>8}")
        for mine, theirs in pairs:
            print(f"{mine:>6.2f} s{theirs:>7.2f} s{mine / theirs:>8.2f}")
        print(f"median ratio {statistics.median(ratios):.2f} of {PAIRS} pairs (target {TARGET})")
    assert statistics.median(ratios) <= BOUND
