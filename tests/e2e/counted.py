"""Run tests and end with the line `N of N … as expected`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree


def count(
    tests: Sequence[str | Path], what: str, *, jobs: str, expected: int | None = None, environ: Mapping[str, str] = {}
) -> int:
    """A row for each test with its seconds; 0 where all went well, and as many as were expected."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", jobs, "-p", "no:cacheprovider"),
                *(f"--junitxml={report}", *map(str, tests)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, **environ},
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    good = 0
    for case in cases:
        well = all(case.find(word) is None for word in ("failure", "error", "skipped"))
        good += well
        state = "as expected" if well else "FAILED"
        print(f"{case.get('name', ''):<84}{float(case.get('time', 0)):>8.1f} s  {state}")
    wanted = len(cases) if expected is None else expected
    print(f"{good} of {wanted} {what} as expected")
    return 0 if cases and good == wanted else 1
