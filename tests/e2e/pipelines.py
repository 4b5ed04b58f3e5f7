"""`make pipelines`: the shipped pipelines, from commit to prod on the lab, step by step."""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

PIPELINES = Path(__file__).with_name("test_pipelines.py")
STEPS = (
    "a merge request is checked, and gets no secret",
    "a commit is built once and goes to dev and test, one digest",
    "prod waits until somebody lets it in",
    "prod runs the digest of dev and test",
    "each deploy is on record with its run and its actor",
    "what the platform shows and hands on is there",
    "a deploy to prod is cancelled in its midst",
    "the last good version serves",
    "the same job once more converges",
    "a tag is built under its name and goes the same way",
    "no secret is in a log or an artifact",
    "nothing is left running, and no temporary file",
)
"""What is shown on each platform, in this order."""

PLATFORMS = ("github", "gitlab")


def main() -> int:
    """Run, print, and say with the exit code whether all went as expected."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "pipelines", "-p", "no:cacheprovider"]
        argv += [f"--junitxml={report}", "-o", "junit_family=xunit1", *sys.argv[1:], str(PIPELINES)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        good = [one.get("value", "") for one in ElementTree.parse(report).iter("property") if one.get("name") == "step"]
    for platform in PLATFORMS:
        for step in STEPS:
            well = f"{platform}: {step}" in good
            print(f"{platform:<8}{step:<64}{'ok' if well else 'FAILED'}")
    print(f"{len(good)} of {len(PLATFORMS) * len(STEPS)} steps as expected")
    return 0 if done.returncode == 0 and len(good) == len(PLATFORMS) * len(STEPS) else 1


if __name__ == "__main__":
    sys.exit(main())
