"""Run tests and end with the line `N of N … as expected`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree


def count(
    tests: Sequence[str],
    what: str,
    *,
    jobs: str = "0",
    options: Sequence[str] = (),
    expected: int | None = None,
    environ: Mapping[str, str] = {},
) -> int:
    """A row for each test with its seconds and the figures that it tells; 0 where all went well.

    `tests`: files, file::test, or a folder. Those of one folder run together: each folder has a conftest of its own.
    `options`: of pytest, what to choose of them; `expected`: how many there must be.
    """
    good = seen = broken = 0
    for folder in dict.fromkeys(str(Path(one.partition("::")[0]).parent) for one in tests):
        mine = [one for one in tests if str(Path(one.partition("::")[0]).parent) == folder]
        cases: dict[str, list[ElementTree.Element]] = {}
        for case in _run([*options, *mine], jobs, environ):  # an error while it is cleared up is a case of its own
            cases.setdefault(f"{case.get('classname')}::{case.get('name')}", []).append(case)
        broken += not cases
        for reports in cases.values():
            well = all(one.find(bad) is None for one in reports for bad in ("failure", "error", "skipped"))
            good, seen = good + well, seen + 1
            name = reports[0].get("name", "").removeprefix("test_").replace("_", " ")
            state = "as expected" if well else "FAILED"
            print(f"{name:<84}{float(reports[0].get('time') or 0):>8.1f} s  {state}", flush=True)
            for figure in reports[0].iter("property"):
                print(f"    {figure.get('name')}: {figure.get('value')}")
    wanted = (seen if expected is None else expected) + broken
    print(f"{good} of {wanted} {what} as expected")
    return 0 if good == wanted else 1


def _run(arguments: Sequence[str], jobs: str, environ: Mapping[str, str]) -> Iterator[ElementTree.Element]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", jobs, "-p", "no:cacheprovider"),
                *(f"--junitxml={report}", "-o", "junit_family=xunit1", *arguments),
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
