"""`make bench-rivals`: the same fault, judged by `deploy up` and by `helm upgrade --wait`, side by side in one run.

Not collected by `make test`: helm needs its whole timeout for each fault.
"""

import time

import pytest
from conftest import Project, run

pytestmark = pytest.mark.lab

HELM_TIMEOUT = 90
"""Seconds; helm's own default is 300."""

FAULTS = {
    "missing tag": ("--set", "image.tag=absent", "--set", 'image.digest=""'),
    "wrong pull secret": ("--set", "imagePullSecrets=[{name: wrong}]", "--set", "image.pullPolicy=Always"),
    "crash at start": ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1"),
}


def test_rivals(fault: Project, capfd: pytest.CaptureFixture[str]) -> None:
    fault.profile("dev", rollback={"automatic": True})
    assert fault.deploy("up", "--env", "dev", "--tag", "v1").code == 0
    config = '{"auths":{"registry.lab:5443":{"username":"deploy","password":"wrong","auth":"ZGVwbG95Ondyb25n"}}}'
    fault.kubectl(
        "create",
        "secret",
        "generic",
        "wrong",
        f"--from-literal=.dockerconfigjson={config}",
        "--type=kubernetes.io/dockerconfigjson",
    )
    rows = []
    for name, change in FAULTS.items():
        ours = fault.deploy("up", "--env", "dev", "--tag", "v1", *change, "-o", "json")
        assert ours.code == 5, ours
        mine = next(stage["seconds"] for stage in ours.json["stages"] if stage["name"] == "rollout")
        values = [part.replace("=[{name: wrong}]", "[0].name=wrong").replace('=""', "=") for part in change]
        began = time.monotonic()
        theirs = run(
            *(
                "helm",
                "upgrade",
                "web",
                fault.folder / "chart",
                "--namespace",
                fault.namespace,
                "--reuse-values",
                *values,
            ),
            *("--kubeconfig", fault.environ["DEPLOY_KUBECONFIG"], "--kube-context", "dev"),
            *("--wait", "--timeout", f"{HELM_TIMEOUT}s"),
            check=False,
        )
        took = time.monotonic() - began
        said = (theirs.stderr.strip().splitlines() or ["success"])[-1][:60]
        rows.append((name, mine, ours.json["message"].partition(": ")[2][:70], took, said))
        assert fault.deploy("rollback", "--env", "dev", "--yes").code == 0
    with capfd.disabled():
        print(f"\n{'fault':<20}{'deploy':>9}{'helm':>9}{'ratio':>8}   what each says")
        for name, mine, words, took, said in rows:
            print(f"{name:<20}{mine:>7.1f} s{took:>7.1f} s{took / mine:>7.1f}x   {words}")
            print(f"{'':<49}{said}")
    assert all(took > mine for _, mine, _, took, _ in rows)
