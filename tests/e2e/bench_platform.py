"""`make platform`: what observes, releases in steps, the mesh and fleets, all on the real thing, one check a line.

ROUNDS=20 has the metric guard judge twenty bad versions and twenty good ones."""

import sys
from pathlib import Path

from bench_observe import CHECKS
from counted import count

HERE = Path(__file__).parent
PLATFORM = (
    *CHECKS,
    HERE / "test_canary.py",
    HERE / "test_mesh.py",
    HERE / "test_fleet.py",
    HERE / "test_fleet_fifty.py",
    HERE / "test_fleet_page.py",
    HERE.parent / "profile" / "test_canary_page.py",
    HERE.parent / "chart" / "test_chart_canary_page.py",
)

if __name__ == "__main__":
    sys.exit(count([str(one) for one in PLATFORM], "checks"))
