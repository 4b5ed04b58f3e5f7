"""Twenty at once."""

import pytest
from conftest import Project
from processes import job

pytestmark = [pytest.mark.lab, pytest.mark.slow]

RUNS = 20


def test_twenty_for_one_release_come_one_after_the_other(fault: Project) -> None:
    fault.profile("dev", lock={"wait": "30m"}, health={"soak": 0}, release={"historyMax": 50, "timeout": "5m"})
    logs = [fault.folder.parent / f"up-{number}.log" for number in range(RUNS)]
    runs = [
        job(fault, "up", "--env", "dev", "--tag", "v1", "--set", f"env.RUN={number}", log=log)
        for number, log in enumerate(logs)
    ]
    try:
        codes = [run.wait(timeout=1800) for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert set(codes) <= {0, 10}, [log.read_text()[-2000:] for log, code in zip(logs, codes, strict=True) if code]
    assert 0 in codes
    labels = [item["metadata"].get("labels", {}) for item in fault.objects("secrets")]
    states = [one["status"] for one in labels if one.get("owner") == "helm"]
    assert sorted(set(states)) in (["deployed"], ["deployed", "superseded"])
    assert states.count("deployed") == 1
    assert len(states) == codes.count(0), "one revision each"
    assert fault.objects("leases") == []
