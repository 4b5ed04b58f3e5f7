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
        (  # a run of ann's that bob has run again
            {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ann", "GITHUB_TRIGGERING_ACTOR": "bob"},
            Job("github", "bob"),
        ),
        (
            {"GITLAB_CI": "true", "CI": "true", "GITLAB_USER_LOGIN": "ann", "CI_JOB_URL": "https://git.example/j/1"},
            Job("gitlab", "ann", "https://git.example/j/1", protected=False),
        ),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_REF_TYPE": "branch",
                "GITHUB_REF_NAME": "main",
                "DEPLOY_ENVIRONMENT": "prod",
            },
            Job("github", "", branch="main", environment="prod"),
        ),
        ({"GITHUB_ACTIONS": "true", "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}, Job("github", "", tag="v1")),
        ({"GITLAB_CI": "true", "CI_COMMIT_TAG": "v1"}, Job("gitlab", "", protected=False, tag="v1")),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_REF_NAME": "7/merge",
                "GITHUB_HEAD_REF": "main",
                "GITHUB_REF_TYPE": "branch",
            },
            Job("github", "", branch="7/merge"),
        ),
        (
            {
                "GITLAB_CI": "true",
                "CI_COMMIT_BRANCH": "main",
                "CI_ENVIRONMENT_NAME": "prod",
                "CI_COMMIT_REF_PROTECTED": "true",
                "DEPLOY_ENVIRONMENT": "another",
            },
            Job("gitlab", "", branch="main", environment="prod", protected=True),
        ),
        ({"CI": "1", "USER": "x", "DEPLOY_ENVIRONMENT": "prod"}, Job("ci", "x", environment="prod")),
    ],
)
def test_job(environ: dict[str, str], found: Job) -> None:
    assert job(environ) == found
