"""`make canary`: the tests of releases in steps, with the lab's Gateway and its mesh; the last line sums them up."""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
TESTS = ("test_canary.py", "test_mesh.py")


def main() -> int:
    """Run them all, one after the other; 0 where each is as expected."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = (*("-m", "canary"), *(str(HERE / name) for name in TESTS), f"--junit-xml={report}", *sys.argv[1:])
        subprocess.run([sys.executable, "-m", "pytest", "-q", *argv], check=False)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    wrong = {f"{case.get('classname')}.{case.get('name')}" for case in cases if len(case.findall("*[@message]"))}
    every = {f"{case.get('classname')}.{case.get('name')}" for case in cases}
    print(f"{len(every - wrong)} of {len(every)} checks as expected")
    return 0 if every and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
