"""The door itself: every request to the API server goes through `Cluster`."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from deployer.cluster import errors, kinds
from deployer.cluster.clock import ServerClock
from deployer.cluster.errors import Gone, Unauthorized, Unreachable
from deployer.cluster.kinds import Access, Json
from deployer.cluster.session import Session
from deployer.cluster.stream import Stream
from deployer.errors import PreflightError

FIELD_MANAGER = "deploy"
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 30.0  # admission webhooks may take that long
WATCH_TIMEOUT = 25.0
PAGE = 500
RENEW_SPACING = 30.0  # a plugin that opens a browser must not run for every refused request


def connect(
    kubeconfig: Path, context: str, *, read_timeout: float = READ_TIMEOUT, connect_timeout: float = CONNECT_TIMEOUT
) -> "Cluster":
    """Read the credentials of a context; PreflightError when there are none. Says nothing to the server yet."""
    return Cluster(kubeconfig, context, read_timeout=read_timeout, connect_timeout=connect_timeout)


class Cluster:
    """One API server, seen with the credentials of one context."""

    def __init__(
        self,
        kubeconfig: Path,
        context: str,
        *,
        read_timeout: float = READ_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.context = context
        self.requests = 0
        self._kubeconfig = kubeconfig
        self._read_timeout = read_timeout
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._clock = ServerClock()
        self._session = Session(kubeconfig, context)
        self._renewed_at = -RENEW_SPACING

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self._session.server

    @property
    def ca_sha256(self) -> str | None:
        """The fingerprint of the cluster's CA, as `openssl x509 -fingerprint -sha256` has it; None without a CA."""
        return self._session.ca_sha256

    def get(self, path: str, **query: Any) -> Json:
        """One object, or whatever JSON object lives at a path."""
        return self._json("get", "GET", path, query)

    def list(
        self, path: str, *, label_selector: str | None = None, field_selector: str | None = None
    ) -> tuple[tuple[Json, ...], str]:
        """All objects of a collection, read from the quorum page by page, and the version to watch from."""
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": PAGE}
        for _ in range(3):
            items: tuple[Json, ...] = ()
            more: str | None = None
            try:
                while more is None or more:
                    page = self._json("list", "GET", path, query | {"continue": more})
                    names = {"kind": str(page["kind"]).removesuffix("List"), "apiVersion": page["apiVersion"]}
                    items += tuple(names | kinds.lean(one) for one in page.get("items") or ())
                    more = str(page["metadata"].get("continue") or "")
                return items, str(page["metadata"].get("resourceVersion", ""))
            except Gone:  # it changed too much while we paged through it: begin again
                continue
            except (KeyError, TypeError) as error:
                raise Unreachable(f"{self.server}{path} did not answer with a list") from error
        raise Unreachable(f"{self.server}{path} changes faster than it can be listed")

    def watch(
        self,
        path: str,
        resource_version: str,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 290,
        read_timeout: float = WATCH_TIMEOUT,
    ) -> Stream:
        """Watch from a version on, BOOKMARKs included. Silence longer than `read_timeout` is Unreachable."""
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "timeoutSeconds": timeout_seconds,
        }
        return Stream(self._request("watch", "GET", path, query, read_timeout=read_timeout), self.server)

    def apply(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> Json:
        """Server-side apply: what we say wins, what others own stays. `dry_run` only says what would become."""
        query = {"fieldManager": manager, "force": "true", "dryRun": "All" if dry_run else None}
        return self._json("patch", "PATCH", path, query, body, "application/apply-patch+yaml")

    def merge(self, path: str, body: Mapping[str, Any]) -> Json:
        """A JSON merge patch: null takes a field away. With a resourceVersion, Conflict where that changed."""
        return self._json("patch", "PATCH", path, {"fieldManager": FIELD_MANAGER}, body, "application/merge-patch+json")

    def create(self, path: str, body: Mapping[str, Any]) -> Json:
        """Create an object in a collection; Conflict when it exists."""
        return self._json("create", "POST", path, {"fieldManager": FIELD_MANAGER}, body)

    def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """Put an object in place of the one with the same resourceVersion; Conflict when that changed."""
        return self._json("update", "PUT", path, {"fieldManager": FIELD_MANAGER}, body)

    def delete(self, path: str, *, uid: str | None = None, version: str | None = None) -> None:
        """Delete an object and what it owns; with `uid`, `version` only that very one as it was: else Conflict."""
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        self._json("delete", "DELETE", path, {}, options | ({"preconditions": only} if only else {}))

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        tail_lines: int = 25,
        limit_bytes: int = 64 * 1024,
    ) -> str:
        """The end of a container's log. A ClusterError of status 400: it has not started, or has no previous run."""
        query = {"container": container, "tailLines": tail_lines, "limitBytes": limit_bytes}
        place = kinds.path("Pod", namespace, pod) + "/log"
        return self._text(place, query | ({"previous": "true"} if previous else {}))

    def can_i(self, checks: Iterable[Access]) -> tuple[Access, ...]:
        """Those of the permissions that we do not have."""

        def allowed(check: Access) -> bool:
            resource, _, sub = check.resource.partition("/")
            wanted = {"verb": check.verb, "group": check.group, "resource": resource, "namespace": check.namespace}
            wanted |= {"name": check.name} if check.name else {}
            review = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": wanted | ({"subresource": sub} if sub else {})},
            }
            answer = self.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            return bool(answer.get("status", {}).get("allowed"))

        wanted = tuple(checks)
        with ThreadPoolExecutor(max_workers=8) as threads:
            return tuple(check for check, yes in zip(wanted, threads.map(allowed, wanted), strict=True) if not yes)

    def server_time(self) -> float:
        """The server's clock now, in seconds since 1970. Asks the server only if it has never answered yet."""
        if self._clock.offset is None:
            self.version()
        return self._clock.now()

    def version(self) -> Json:
        """What the server says about itself."""
        return self.get("/version")

    def proxy(self, namespace: str, service: str, port: int | str, path: str) -> str:
        """GET a path of a service through the API server."""
        return self._text(f"{kinds.path('Service', namespace, service)}:{port}/proxy/{path.lstrip('/')}", {})

    def close(self) -> None:
        """Close idle connections."""
        self._session.pool.clear()

    def _text(self, path: str, query: Mapping[str, Any]) -> str:
        return str(self._request("get", "GET", path, query).data.decode(errors="replace"))

    def _json(
        self,
        verb: str,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> Json:
        response = self._request(verb, method, path, query, body, content)
        try:
            answer = json.loads(response.data)
        except ValueError as error:
            raise Unreachable(f"{self.server}{path} does not speak JSON: is this the API server?") from error
        if not isinstance(answer, dict):
            raise Unreachable(f"{self.server}{path} did not answer with an object: is this the API server?")
        return answer

    def _request(
        self,
        verb: str,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
        *,
        read_timeout: float | None = None,
    ) -> Any:
        """Every request: time limits, credentials, errors, the count of requests and the server's clock."""
        words = urlencode({key: value for key, value in query.items() if value not in (None, "")})
        headers = {"Accept": "application/json, */*", "User-Agent": "deploy"}
        headers |= {"Accept-Encoding": "gzip"} if verb != "watch" else {}
        headers |= {"Content-Type": content} if body is not None else {}
        read = read_timeout or (self._read_timeout if method == "GET" else WRITE_TIMEOUT)

        def send(session: Session) -> Any:
            with self._lock:
                self.requests += 1
            sent = time.monotonic()
            answer = session.pool.request(
                method,
                f"{session.server}{path}?{words}" if words else f"{session.server}{path}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers | session.authorization(),
                timeout=urllib3.Timeout(connect=self._connect_timeout, read=read),
                retries=False,
                preload_content=verb != "watch",
            )
            with self._lock:
                self._clock.hear(answer.headers.get("Date"), sent, time.monotonic())
            return answer

        try:
            session = self._session
            response = send(session)
            if response.status == 401 and self._renew(session):
                response.drain_conn()
                response = send(self._session)
            if response.status < 300:
                return response
            raise errors.answered(response.status, response.data, response.headers, verb=verb, path=path)
        except (HTTPError, OSError) as error:
            raise errors.unanswered(error, self.server) from error

    def _renew(self, refused: Session) -> bool:
        """Read the credentials again, once for all the threads that were refused."""
        with self._lock:
            if self._session is not refused:
                return True
            if time.monotonic() - self._renewed_at < RENEW_SPACING:
                return False
            self._renewed_at = time.monotonic()
            try:
                self._session = Session(self._kubeconfig, self.context)
            except PreflightError as error:
                raise Unauthorized(error.message, status=401, hint=error.hint) from error
            return True
