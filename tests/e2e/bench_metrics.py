"""`make bench-metrics ROUNDS=20`: a version with 5 % of errors and a good one, each so many times."""

import argparse
import sys
from pathlib import Path

from counted import count

TESTS = Path(__file__).with_name("test_metric_guard.py")
NAMES = ("test_five_percent_of_errors_are_stopped_and_rolled_back", "test_a_good_version_is_not")


def main() -> int:
    """Run, print, and say with the exit code whether all went as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", default="2", help="runs at a time")
    given = parser.parse_args()
    return count(
        [f"{TESTS}::{name}" for name in NAMES],
        "runs",
        jobs=given.jobs,
        expected=len(NAMES) * given.rounds,
        environ={"ROUNDS": str(given.rounds)},
    )


if __name__ == "__main__":
    sys.exit(main())
