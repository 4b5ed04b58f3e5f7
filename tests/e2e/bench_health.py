"""`make bench-health`: every rollout scenario on the lab, as one table: verdict, seconds from helm's return, bound.

`--times 20` repeats those that must never be called failed: 1, 2, 5a, 8, 12, 16, 19, 22b, 25, 28, 36 and 37.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROLLOUTS = Path(__file__).with_name("test_rollouts.py")
DOUBTFUL = ("1-", "2-", "a-for-30-s", "8-", "12-", "16-", "19-", "22b-", "25", "28-", "36", "37")
"""Scenarios in which something looks like a failure for a while, and is none."""


def main() -> int:
    """Run, print, and say with the exit code whether all are within their bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="3", help="scenarios at a time")
    parser.add_argument("--times", type=int, default=1, help="runs of the scenarios that look like a failure")
    parser.add_argument("--only", default="", help="words of pytest's -k")
    given = parser.parse_args()
    cases: list[ElementTree.Element] = []
    for number in range(given.times):
        cases += _run(given.jobs, given.only, DOUBTFUL if number else ())
        print(f"round {number + 1} of {given.times}: {len(cases)} scenarios run", file=sys.stderr, flush=True)
    cases.sort(key=lambda case: _order(_name(case)))
    print(f"{'scenario':<64}{'verdict':<15}{'seconds':>8}{'bound':>7}  cause")
    good = 0
    for case in cases:
        said = {one.get("name"): one.get("value", "") for one in case.iter("property")}
        well = case.find("failure") is None and case.find("error") is None
        good += well
        row = f"{_name(case):<64}{said.get('verdict', '-'):<15}{said.get('seconds', ''):>8}{said.get('bound', ''):>7}"
        print(f"{row}  {said.get('rule', '') if well else 'FAILED: ' + _why(case)}".rstrip())
    print(f"{good} of {len(cases)} scenarios within bounds")
    return 0 if cases and good == len(cases) else 1


def _run(jobs: str, only: str, names: tuple[str, ...]) -> Iterator[ElementTree.Element]:
    """Run the scenarios; the reports of those whose name begins with one of `names`, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "lab", "-n", jobs, "--dist", "worksteal"]
        argv += ["-p", "no:cacheprovider", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        chosen = [f"{ROLLOUTS}::{one}" for one in _collected(only) if not names or _doubtful(one)]
        done = subprocess.run(
            [*argv, *chosen], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        seen: dict[str, ElementTree.Element] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            name = case.get("name", "")
            if case.find("error") is not None or name not in seen:  # an error while it is cleared up counts too
                seen[name] = case
        yield from seen.values()


def _collected(only: str) -> list[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-m", "lab", "--collect-only", str(ROLLOUTS)]
    listed = subprocess.run([*argv, *(["-k", only] if only else [])], capture_output=True, text=True, check=False)
    return [line.partition("::")[2] for line in listed.stdout.splitlines() if "::" in line]


def _doubtful(test: str) -> bool:
    name = test.partition("[")[2] if test.startswith("test_scenario[") else test.removeprefix("test_")
    return name.startswith(DOUBTFUL) or any(f"[{word}" in test for word in DOUBTFUL)


def _name(case: ElementTree.Element) -> str:
    name = case.get("name", "")
    inner = re.fullmatch(r"test_scenario\[(.*)\]", name)
    return inner[1] if inner else name.removeprefix("test_").replace("_", "-")


def _order(name: str) -> tuple[int, str]:
    number = re.match(r"\d+", name)
    return int(number[0]) if number else 99, name


def _why(case: ElementTree.Element) -> str:
    found = case.find("failure") if case.find("failure") is not None else case.find("error")
    assert found is not None
    return (found.get("message") or "").splitlines()[0][:80] if found.get("message") else "error"


if __name__ == "__main__":
    sys.exit(main())
