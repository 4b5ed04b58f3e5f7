"""A note on a GitLab merge request: one an environment, written anew in its place. Asked over GitLab's HTTP API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from deployer import proxies
from deployer.errors import DeployError

TOKEN = "DEPLOY_GITLAB_TOKEN"  # noqa: S105  # the name of a variable
"""A token with the scope api. The job's own, CI_JOB_TOKEN, may not write notes."""

LONGEST = 200_000
"""Characters of a note. GitLab takes a million, and readers far less."""

PAGES = 20
"""Pages of a hundred notes that are looked through for ours."""


@dataclass(frozen=True)
class MergeRequest:
    """One merge request, under a token that may comment on it."""

    api: str  # https://gitlab.example/api/v4
    project: str
    number: str
    token: str = field(repr=False)

    def leave(self, marker: str, text: str) -> None:
        """Write the note with this marker, a line that nobody sees; make it where there is none yet.

        Raises DeployError where GitLab does not let us, or does not answer.
        """
        body = f"<!-- {marker} -->\n{text}"
        if len(body) > LONGEST:
            body = f"{body[:LONGEST]}\n\n… and more: see the job's log"
        mine = self._find(marker)
        if mine is None:
            self._ask("POST", "", body)
        else:
            self._ask("PUT", f"/{mine}", body)

    def _find(self, marker: str) -> int | None:
        """The id of the first note that begins with the marker."""
        for page in range(1, PAGES + 1):
            found = self._ask("GET", f"?sort=asc&order_by=created_at&per_page=100&page={page}")
            notes = found if isinstance(found, list) else []
            for note in notes:
                if not note.get("system") and str(note.get("body", "")).startswith(f"<!-- {marker} -->"):
                    return int(note["id"])
            if len(notes) < 100:
                break
        return None

    def _ask(self, method: str, rest: str, body: str | None = None) -> Any:
        where = f"/projects/{quote(self.project, safe='')}/merge_requests/{quote(self.number, safe='')}/notes"
        headers = {"PRIVATE-TOKEN": self.token}
        content = None
        if body is not None:
            headers["Content-Type"], content = "application/json", json.dumps({"body": body})
        try:
            # No redirect is followed: the token is for this host.
            answer = self._pool.request(
                method, f"{self.api}{where}{rest}", headers=headers, body=content, redirect=False
            )
            if answer.status not in (200, 201):
                raise DeployError(f"GitLab answers {answer.status} to {method} {where}{_meant(answer.status)}")
            return answer.json()
        except proxies.ProxyFailed as error:
            raise DeployError(f"GitLab does not answer: {error}") from None
        except HTTPError as error:
            raise DeployError(f"GitLab does not answer: {type(error).__name__}") from None
        except ValueError:
            raise DeployError(f"what {self.api} answers is not GitLab's API") from None

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        # A POST is not repeated: it may have come through, and then there would be two notes.
        again = urllib3.Retry(2, backoff_factor=0.3, status_forcelist=(429, 502, 503, 504), raise_on_status=False)
        return proxies.Pool(timeout=urllib3.Timeout(connect=3, read=10), retries=again)


def merge_request(environ: Mapping[str, str]) -> MergeRequest | None:
    """The merge request that a job of GitLab's runs for; None elsewhere, and where no token was given."""
    names = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID", TOKEN)
    known = [environ.get(name, "") for name in names]
    if environ.get("GITLAB_CI") != "true" or not all(known):
        return None
    return MergeRequest(*known)


def _meant(status: int) -> str:
    return {
        401: f": {TOKEN} is not taken; it may have run out",
        403: f": {TOKEN} needs the scope api, and the role Reporter at least",
        404: f": {TOKEN} may not see this merge request",
    }.get(status, "")
