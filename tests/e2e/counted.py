"""Run tests and end with the line `N of N … as expected`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree


def count(
    tests: Sequence[str], what: str, *, jobs: str, expected: int | None = None, environ: Mapping[str, str] = {}
) -> int:
    """A row for each test with its seconds; 0 where all went well, and as many as were expected.

    `tests`: files, or file::test. Those of one folder run together: each folder has a conftest of its own.
    """
    good = seen = broken = 0
    for folder in dict.fromkeys(str(Path(one.partition("::")[0]).parent) for one in tests):
        mine = [one for one in tests if str(Path(one.partition("::")[0]).parent) == folder]
        cases = list(_run(mine, jobs, environ))
        broken += not cases
        for case in cases:
            well = all(case.find(word) is None for word in ("failure", "error", "skipped"))
            good, seen = good + well, seen + 1
            state = "as expected" if well else "FAILED"
            print(f"{case.get('name', ''):<84}{float(case.get('time', 0)):>8.1f} s  {state}", flush=True)
    wanted = (seen if expected is None else expected) + broken
    print(f"{good} of {wanted} {what} as expected")
    return 0 if good == wanted else 1


def _run(tests: Sequence[str], jobs: str, environ: Mapping[str, str]) -> Iterator[ElementTree.Element]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", jobs, "-p", "no:cacheprovider"),
                *(f"--junitxml={report}", *tests),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, **environ},
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        if report.exists():
            yield from ElementTree.parse(report).iter("testcase")
