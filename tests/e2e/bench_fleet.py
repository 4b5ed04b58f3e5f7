"""`make fleet`: an environment of many targets on the lab, what it took, and whether all went as expected."""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

TESTS = [str(Path(__file__).with_name(f"test_fleet{name}.py")) for name in ("", "_fifty", "_page")]


def main() -> int:
    """Run, print what was measured, and say with the exit code whether all is well."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "fleet", "-p", "no:cacheprovider"]
        argv += [f"--junitxml={report}", "-o", "junit_family=xunit1", *TESTS]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        cases = list(ElementTree.parse(report).iter("testcase"))
    good = 0
    for case in cases:
        well = all(case.find(word) is None for word in ("failure", "error", "skipped"))
        good += well
        words = case.get("name", "").removeprefix("test_").replace("_", " ")
        print(f"{'ok     ' if well else 'FAILED '} {words}  {float(case.get('time', 0)):.0f} s")
        for one in case.iter("property"):
            print(f"          {one.get('name')}: {one.get('value')}")
    print(f"{good} of {len(cases)} checks as expected")
    return 0 if cases and good == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
