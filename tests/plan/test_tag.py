from dataclasses import replace

import pytest

from deployer.errors import PreflightError, UsageError
from deployer.model import Job
from deployer.plan.facts import Source
from deployer.plan.tag import tag

SHA = "0123456789abcdef0123456789abcdef01234567"
CLEAN = Source(SHA, "main", (), (), "")
NOBODY = Job("", "ann")
DIRTY = replace(CLEAN, dirty=("service/main.go",), tree="feedfacefeedface")


@pytest.mark.parametrize(
    ("strategy", "source", "given", "expected"),
    [
        ("commit", CLEAN, None, "0123456789ab"),
        ("commit", DIRTY, None, "0123456789ab-dirty-feedface"),
        ("branch", CLEAN, None, "main-0123456789ab"),
        ("branch", replace(CLEAN, branch="feature/some thing"), None, "feature-some-thing-0123456789ab"),
        ("branch", replace(CLEAN, branch=""), None, "detached-0123456789ab"),
        ("branch", replace(CLEAN, branch="x" * 200), None, "x" * 90 + "-0123456789ab"),
        ("version", replace(CLEAN, tags=("v1.2.3", "v1.2.2")), None, "v1.2.3"),
        ("version", replace(CLEAN, tags=("nightly", "1.2.3-rc.1")), None, "1.2.3-rc.1"),
        ("version", replace(CLEAN, tags=("v1.2.3+4",)), None, "v1.2.3_4"),
        ("version", CLEAN, "v9", "v9"),
        ("commit", None, "mine", "mine"),
    ],
)
def test_tags(strategy: str, source: Source | None, given: str | None, expected: str) -> None:
    assert tag(strategy, source, given, NOBODY) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "source", "job", "expected"),
    [
        ("branch", replace(CLEAN, branch=""), Job("gitlab", "ann", branch="main"), "main-0123456789ab"),
        ("branch", replace(CLEAN, branch=""), Job("gitlab", "ann", tag="v1.2.3"), "v1.2.3-0123456789ab"),
        ("branch", CLEAN, Job("gitlab", "ann", branch="other"), "main-0123456789ab"),
        ("version", CLEAN, Job("github", "ann", tag="v1.2.3"), "v1.2.3"),
        ("version", replace(CLEAN, tags=("v2.0.0",)), Job("github", "ann", tag="v1.2.3"), "v2.0.0"),
    ],
)
def test_a_job_s_clone_knows_less_than_its_platform(strategy: str, source: Source, job: Job, expected: str) -> None:
    assert tag(strategy, source, None, job) == expected  # type: ignore[arg-type]


def test_a_version_needs_a_tag() -> None:
    with pytest.raises(PreflightError, match="has no version tag"):
        tag("version", replace(CLEAN, tags=("nightly",)), None, NOBODY)


def test_without_git_a_tag_must_be_given() -> None:
    with pytest.raises(PreflightError, match="not in a git repository"):
        tag("commit", None, None, NOBODY)


@pytest.mark.parametrize("given", ["a b", "-x", "", "x" * 129, "a/b", "ü"])
def test_no_image_tag(given: str) -> None:
    with pytest.raises(UsageError, match="is not an image tag"):
        tag("commit", CLEAN, given, NOBODY)
