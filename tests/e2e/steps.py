"""`make gitops`, `make canary`, `make registries`: every test that carries a marker, one line a test."""

import argparse
import sys
from pathlib import Path

from counted import count

TESTS = Path(__file__).parents[1]


def main() -> int:
    """Run, print, and say with the exit code whether all went as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("marker", help="which tests")
    parser.add_argument("--only", default="", help="words of pytest's -k")
    given = parser.parse_args()
    return count([str(TESTS)], "steps", options=("-m", given.marker, "-k", given.only))


if __name__ == "__main__":
    sys.exit(main())
