"""`make bench-metrics ROUNDS=20`: a version with 5 % of errors and a good one, each so many times."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).with_name("test_metric_guard.py")
NAMES = ("test_five_percent_of_errors_are_stopped_and_rolled_back", "test_a_good_version_is_not")


def main() -> int:
    """Run, print, and say with the exit code whether all went as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", default="2", help="runs at a time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", given.jobs, "-p", "no:cacheprovider"),
                *(f"--junitxml={report}", *(f"{TESTS}::{name}" for name in NAMES)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, "ROUNDS": str(given.rounds)},
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    good = 0
    for case in cases:
        well = case.find("failure") is None and case.find("error") is None
        good += well
        print(f"{case.get('name', ''):<64}{float(case.get('time', 0)):>8.1f} s  {'as expected' if well else 'FAILED'}")
    print(f"{good} of {len(NAMES) * given.rounds} runs as expected")
    return 0 if good == len(NAMES) * given.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
