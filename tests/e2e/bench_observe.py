"""`make observe`: what the service, the chart and `deploy` tell is heard, and the metric guard judges by it."""

import sys
from pathlib import Path

from counted import count

HERE = Path(__file__).parent
CHECKS = (
    HERE / "test_told.py",
    HERE / "test_run_told.py",
    HERE / "test_metric_guard.py",
    HERE / "test_observed_page.py",
    HERE.parent / "test_observability_page.py",
    HERE.parent / "chart" / "test_chart_golden.py",
)

if __name__ == "__main__":
    sys.exit(count([str(one) for one in CHECKS], "checks", jobs="2"))
