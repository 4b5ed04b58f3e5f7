"""Prometheus, or what speaks its HTTP API, asked for a value at one moment."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError

from deployer import credentials, proxies
from deployer.errors import DeployError, ExitCode
from deployer.metrics.judge import Series
from deployer.profile import Profile

MOST, LONG = 3, 200
"""Warnings of Prometheus that are told, and characters of each."""


class Unanswered(DeployError):
    """It could not be asked: away, overloaded, or not what is at that URL."""

    exit_code = ExitCode.INDETERMINATE


class Refused(DeployError):
    """It answered that it will not: the login, or the query."""

    exit_code = ExitCode.PREFLIGHT


@dataclass(frozen=True)
class Prometheus:
    """One server under one login."""

    url: str  # up to what comes before /api/v1
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0  # seconds for one question
    warned: list[str] = field(default_factory=list)  # what it said of its answers (they are partial, say), each once

    def query(self, promql: str, at: float | None = None) -> Series:
        """The value of each series at a moment (seconds since the epoch), or now; NaN where it has none.

        Raises Unanswered or Refused.
        """
        asked = {"query": promql, "timeout": f"{self.timeout:.0f}s"} | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            answer = self._pool.request(
                "POST",
                f"{self.url.rstrip('/')}/api/v1/query",
                fields=asked,
                encode_multipart=False,
                headers=self.headers,
            )
        except proxies.ProxyFailed as error:
            raise Unanswered(f"Prometheus does not answer: {error}", hint=proxies.HINT) from None
        except MaxRetryError as error:
            raise Unanswered(f"Prometheus does not answer: {_reason(error.reason or error)}", hint=HINT) from None
        except (HTTPError, LocationValueError, ValueError) as error:
            raise Unanswered(f"Prometheus does not answer: {_reason(error)}", hint=HINT) from None
        return self._series(answer.status, answer.data)

    def _series(self, status: int, body: bytes) -> Series:
        if status in (401, 403):
            raise Refused(
                f"Prometheus refuses the login ({status})",
                hint="metrics: names the variables of a login: bearerTokenVariable, or usernameVariable and "
                "passwordVariable, or headers",
            )
        try:
            document: Any = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or "status" not in document:
            raise Unanswered(f"what is at metrics.url answers {status}, and not as Prometheus does", hint=HINT)
        if document["status"] != "success":
            said = str(document.get("error", "")).strip() or f"status {status}"
            if status in (400, 422):
                raise Refused(f"Prometheus does not take the query: {said}")
            raise Unanswered(f"Prometheus answers {status}: {said}")
        self._hear(document.get("warnings"))
        return _values(document.get("data"))

    def _hear(self, warnings: Any) -> None:
        """Some have an address or a time in them, and are never the same: no more than MOST are kept."""
        for one in warnings if isinstance(warnings, list) else ():
            if words := " ".join(str(one).split())[:LONG]:
                sentence = f"Prometheus warns of its answers: {words}"
                if sentence not in self.warned and len(self.warned) < MOST:
                    self.warned.append(sentence)

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        limit = urllib3.Timeout(connect=min(5.0, self.timeout), read=self.timeout)
        return proxies.Pool(timeout=limit, retries=urllib3.Retry(1, redirect=0, raise_on_redirect=False, other=0))


def connect(profile: Profile, known: Mapping[str, str]) -> Prometheus | None:
    """The Prometheus of a profile under its login; None where it names none.

    `known`: the job's variables and those of .env. Raises PreflightError that lists the variables that are not set.
    """
    metrics = profile.metrics
    if not metrics.url:
        return None
    names = variables(profile)
    credentials.require(names, known, what="metrics:")
    headers = {header: known[name] for header, name in metrics.headers.items()}
    if metrics.bearer_token_variable:
        headers["Authorization"] = f"Bearer {known[metrics.bearer_token_variable]}"
    elif metrics.username_variable and metrics.password_variable:
        pair = f"{known[metrics.username_variable]}:{known[metrics.password_variable]}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Prometheus(metrics.url, headers, metrics.timeout)


def variables(profile: Profile) -> tuple[str, ...]:
    """The variables that hold what Prometheus is to be shown: all but the user are secret."""
    metrics = profile.metrics
    login = (metrics.bearer_token_variable, metrics.username_variable, metrics.password_variable)
    return tuple(name for name in (*login, *metrics.headers.values()) if name) if metrics.url else ()


HINT = "check metrics.url, the network and, for a private CA, SSL_CERT_FILE"


def _values(data: Any) -> Series:
    try:
        match data["resultType"]:
            case "scalar":
                return {"{}": float(data["result"][1])}
            case "vector":
                return {_labels(one["metric"]): float(one["value"][1]) for one in data["result"]}
            case kind:
                raise Refused(f"the query gives a {kind}; it has to give a value for one moment")
    except (TypeError, KeyError, ValueError, IndexError):
        raise Unanswered("Prometheus gives an answer that cannot be read") from None


def _labels(metric: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in sorted(metric.items())) + "}"


def _reason(error: BaseException) -> str:
    """The plain part of what urllib3 says: no object addresses, no URL."""
    return re.sub(r"^.*?: (?=\[|Failed|Connect)|<[^>]*>:? ?|\(?host=.*$", "", str(error)).strip("() ")
