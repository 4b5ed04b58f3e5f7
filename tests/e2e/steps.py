"""`make gitops`: run every test that carries a marker, one line a test, and say whether all went as expected."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).parents[1]


def main() -> int:
    """Run, print, and say with the exit code whether all went as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("marker", help="which tests")
    parser.add_argument("--only", default="", help="words of pytest's -k")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-m", given.marker, "-p", "no:cacheprovider", str(TESTS)]
        argv += [f"--junitxml={report}", "-o", "junit_family=xunit1", *(["-k", given.only] if given.only else [])]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    steps: dict[str, list[ElementTree.Element]] = {}
    for case in cases:  # an error while it is cleared up is a case of its own
        steps.setdefault(f"{case.get('classname')}::{case.get('name')}", []).append(case)
    good = 0
    for reports in steps.values():
        well = all(one.find(bad) is None for one in reports for bad in ("failure", "error", "skipped"))
        good += well
        name = (reports[0].get("name") or "").removeprefix("test_").replace("_", " ")
        print(f"{name:<84}{float(reports[0].get('time') or 0):>7.1f} s  {'as expected' if well else 'NOT AS EXPECTED'}")
    print(f"{good} of {len(steps)} steps as expected")
    return 0 if steps and good == len(steps) else 1


if __name__ == "__main__":
    sys.exit(main())
