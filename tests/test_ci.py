"""Which CI job this is."""

import pytest

from deployer.ci import job
from deployer.model import Job


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"USER": "ann"}, Job("", "ann")),
        ({"USER": "ann", "CI": "false"}, Job("", "ann")),
        (
            {"CI": "true", "LOGNAME": "agent", "BUILD_URL": "https://ci.example/7"},
            Job("ci", "agent", "https://ci.example/7"),
        ),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTOR": "ann",
                "GITHUB_SERVER_URL": "https://git.example",
                "GITHUB_REPOSITORY": "shop/web",
                "GITHUB_RUN_ID": "42",
            },
            Job("github", "ann", "https://git.example/shop/web/actions/runs/42"),
        ),
        ({"GITHUB_ACTIONS": "true"}, Job("github", "")),
        (
            {"GITLAB_CI": "true", "CI": "true", "GITLAB_USER_LOGIN": "ann", "CI_JOB_URL": "https://git.example/j/1"},
            Job("gitlab", "ann", "https://git.example/j/1"),
        ),
    ],
)
def test_job(environ: dict[str, str], found: Job) -> None:
    assert job(environ) == found
