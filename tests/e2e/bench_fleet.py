"""`make fleet`: an environment of many targets on the lab, what it took, and whether all went as expected."""

import sys
from pathlib import Path

from counted import count

TESTS = [str(Path(__file__).with_name(f"test_fleet{name}.py")) for name in ("", "_fifty", "_page")]

if __name__ == "__main__":
    sys.exit(count(TESTS, "checks"))
