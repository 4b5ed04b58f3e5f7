"""What the API can answer instead of what was asked.

Each class exists because a caller acts differently::

    DeployError
    ├── PreflightError        connect(): no such file or context, broken YAML, no credentials
    └── ClusterError          the API said no; `status` is its HTTP status
        ├── Unreachable       no sensible answer: down, timeout, TLS, 5xx, 429, not JSON. Worth another try
        ├── Unauthorized      401, after the credentials were read again
        ├── Forbidden         403: a permission is missing
        ├── NotFound          404
        ├── Conflict          409: it exists already, or somebody else changed it
        └── Gone              410: the resource version is too old; list again
"""

import json
import ssl
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from deployer import proxies
from deployer.cluster import kinds
from deployer.errors import DeployError, ExitCode


class ClusterError(DeployError):
    """The API server said no."""

    def __init__(self, message: str, *, status: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Unreachable(ClusterError):
    """The API gave no sensible answer; asking again may help. `retry_after`: the seconds it asked us to wait.

    `away`: there is nobody at all, or no way there.
    """

    exit_code = ExitCode.INDETERMINATE

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        hint: str | None = None,
        retry_after: float = 0.0,
        away: bool = False,
    ) -> None:
        super().__init__(message, status=status, hint=hint)
        self.retry_after = retry_after
        self.away = away


class Unauthorized(ClusterError):
    """The API does not accept our credentials, not even after reading them again."""


class Forbidden(ClusterError):
    """A permission is missing: `verb` on `resource`."""

    def __init__(self, message: str, *, verb: str = "", resource: str = "") -> None:
        super().__init__(message, status=403, hint=f"grant {verb} on {resource} to this identity" if verb else None)
        self.verb = verb
        self.resource = resource


class NotFound(ClusterError):
    """There is no such object, or no such kind."""


class Conflict(ClusterError):
    """It exists already, or it changed since it was read."""


class Gone(ClusterError):
    """The resource version asked for is no longer kept."""


def answered(status: int, body: bytes, headers: Mapping[str, str], *, verb: str = "", path: str = "") -> ClusterError:
    """The error for an HTTP answer that is not a success."""
    message = _message(body) or f"HTTP {status}"
    match status:
        case 401:
            return Unauthorized(
                f"the API server refused the credentials: {message}", status=401, hint="log in to the cluster again"
            )
        case 403:
            return Forbidden(message, verb=verb, resource=kinds.resource(path))
        case 404:
            return NotFound(message, status=404)
        case 409:
            return Conflict(message, status=409)
        case 410:
            return Gone(message, status=410)
    if status == 429 or status >= 500 or status < 400:
        retry_after = headers.get("Retry-After", "")
        return Unreachable(
            f"the API server answered {status}: {message}",
            status=status,
            retry_after=float(retry_after) if retry_after.isdigit() else 0.0,
        )
    return ClusterError(message, status=status)


def unanswered(error: Exception, server: str) -> Unreachable:
    """The error for a request that got no answer, or half of one."""
    hint = None
    match error:
        case ProxyError():
            reason, hint = str(proxies.failed("its proxy", error)), proxies.HINT
        case NameResolutionError():
            reason = "its name cannot be resolved"
        case NewConnectionError():
            reason = str(error).rsplit("] ", 1)[-1].rsplit(": ", 1)[-1]
        case ConnectTimeoutError():
            reason = "no connection in time"
        case ReadTimeoutError() | TimeoutError():
            reason = "no answer in time"
        case ProtocolError():
            reason = "the connection broke off"
        case SSLError() | ssl.SSLError():
            reason = str(error)
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                hint = "the kubeconfig's CA did not sign this server's certificate"
        case json.JSONDecodeError():
            reason = "its answer is not JSON"
        case _:
            reason = str(error) or type(error).__name__
    away = not isinstance(error, SSLError | ssl.SSLError | json.JSONDecodeError)
    return Unreachable(f"the API server {server} does not answer: {reason}", hint=hint, away=away)


def _message(body: bytes) -> str:
    try:
        status: Any = json.loads(body)
        return str(status["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
