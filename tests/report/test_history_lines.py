"""A release's revisions as text."""

from pathlib import Path

from samples import DIGEST

from deployer.model import Record, Revision, Target
from deployer.plan.figures import Figures, figures
from deployer.report import history

TARGET = Target(Path("/k"), "lab", "shop")
IMAGE = f"r/team/web:1.2.3@{DIGEST}"
GOOD = Record(
    "healthy", "up", "", IMAGE, "3b054bf0f57ece", "ann", "https://ci.example/7", "2026-01-01T00:00:00+00:00", 42.3
)
BAD = Record(
    "failed", "up", "pod/web-1: exit 1", IMAGE, "9ad26c9", "bob", began="2026-01-02T00:00:00+00:00", seconds=9.0
)
BACK = Record("healthy", "rollback", actor="bob", began="2026-01-02T00:10:00+00:00", seconds=60.0)
FOREIGN = Revision(1, "superseded", "2025-12-31T23:00:00Z", "web-1", "Install complete")
PROMOTED = Record("healthy", "promote", source="test", overrides={"cleanTree": "hotfix"})
REVISIONS = (
    FOREIGN,
    Revision(2, "superseded", "2026-01-01T00:00:00Z", "web-1", "Upgrade complete", "healthy", GOOD),
    Revision(3, "superseded", "2026-01-02T00:00:00Z", "web-1", "Upgrade complete", "failed", BAD),
    Revision(4, "superseded", "2026-01-02T00:10:00Z", "web-1", "Rollback to 2", "healthy", BACK),
    Revision(5, "deployed", "2026-01-03T00:00:00Z", "web-1", "Upgrade complete", "healthy", PROMOTED),
)
NOW = 1_768_003_200.0  # 2026-01-10


def lines(*revisions: Revision, counted: Figures | None = None) -> list[str]:
    return list(history.lines("dev", "web", TARGET, revisions, counted or figures(revisions, NOW)))


def test_the_newest_first_and_what_needs_a_sentence_below() -> None:
    assert lines(*REVISIONS) == [
        "dev: web in shop (context lab): 5 revisions",
        "REVISION  VERDICT  STATUS      RELEASED              TOOK   IMAGE                   COMMIT        BY",
        "5         healthy  deployed    2026-01-03 00:00 UTC  -      -                       -             -",
        "          promoted from test",
        "          override of cleanTree: hotfix",
        "4         healthy  superseded  2026-01-02 00:10 UTC  60 s   -                       -             bob",
        "          rollback to 2",
        "3         failed   superseded  2026-01-02 00:00 UTC  9.0 s  web:1.2.3@aaaaaaaaaaaa  9ad26c9       bob",
        "          reason: pod/web-1: exit 1",
        "2         healthy  superseded  2026-01-01 00:00 UTC  42 s   web:1.2.3@aaaaaaaaaaaa  3b054bf0f57e  ann",
        "          run: https://ci.example/7",
        "1         -        superseded  2025-12-31 23:00 UTC  -      -                       -             -",
        "          Install complete",
        "over 5 revisions that are kept, 9 days:",
        "  deploys          4, 0.44 a day, 3.1 a week",
        "  failure rate     25% (1 of 4)",
        "  time to recover  11 min 0 s on average (1 time)",
    ]


def test_the_figures_are_over_all_whatever_is_shown() -> None:
    shown = lines(*REVISIONS[-1:], counted=figures(REVISIONS, NOW))
    assert shown[0] == "dev: web in shop (context lab): 5 revisions"
    assert [line.split()[0] for line in shown[2:4]] == ["5", "promoted"]
    assert "over 5 revisions that are kept, 9 days:" in shown


def test_what_is_broken_still() -> None:
    young = figures(REVISIONS[1:3], NOW - 7.9 * 86_400)
    assert list(history.measured(young))[1:] == [
        "  deploys          2, 1.82 a day",
        "  failure rate     50% (1 of 2)",
        "  broken since     2026-01-02 00:00 UTC",
    ]


def test_nothing_was_released() -> None:
    assert lines() == ["dev: web in shop (context lab): nothing was released"]
