"""Which CI job this is, read from the variables that the platforms set. Pure."""

from collections.abc import Mapping

from deployer.model import Job


def job(environ: Mapping[str, str]) -> Job:
    """The job we run in; outside of CI the person at the terminal.

    GitHub: docs.github.com "Variables reference"; GitLab: docs.gitlab.com "Predefined CI/CD variables".
    """
    environment = environ.get("DEPLOY_ENVIRONMENT", "")
    if environ.get("GITHUB_ACTIONS") == "true":
        run = f"{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}"
        url = f"{environ['GITHUB_SERVER_URL']}/{run}" if environ.get("GITHUB_SERVER_URL") else ""
        # Not GITHUB_HEAD_REF: in a fork anybody has a `main`.
        refs = {environ.get("GITHUB_REF_TYPE"): environ.get("GITHUB_REF_NAME", "")}
        branch, tag = refs.get("branch", ""), refs.get("tag", "")
        # GITHUB_ACTOR began the run; who runs it again, and so deploys, is the other one.
        actor = environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR", "")
        return Job("github", actor, url, branch, environment, tag=tag)
    if environ.get("GITLAB_CI") == "true":
        return Job(
            "gitlab",
            environ.get("GITLAB_USER_LOGIN", ""),
            environ.get("CI_JOB_URL", ""),
            environ.get("CI_COMMIT_BRANCH", ""),
            environ.get("CI_ENVIRONMENT_NAME", ""),
            environ.get("CI_COMMIT_REF_PROTECTED") == "true",
            environ.get("CI_COMMIT_TAG", ""),
        )
    person = environ.get("USER") or environ.get("LOGNAME") or ""
    if environ.get("CI") in (None, "", "0", "false"):
        return Job("", person)
    return Job("ci", environ.get("CI_ACTOR", person), environ.get("BUILD_URL", ""), environment=environment)
