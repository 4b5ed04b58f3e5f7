"""The door to those who observe: OTLP, Pushgateway, Grafana, a file. What fails is a warning, and soon over."""

import fcntl
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from deployer import proxies
from deployer.profile import Profile
from deployer.result import Result
from deployer.telemetry import otlp
from deployer.telemetry.annotation import annotation
from deployer.telemetry.context import Context
from deployer.telemetry.figures import exposition, figures, group


def variables(profile: Profile) -> tuple[str, ...]:
    """The variables that hold what is shown to those who are told: all of them secret."""
    telemetry = profile.telemetry
    named = (telemetry.grafana_token_variable if telemetry.grafana else None, *telemetry.headers.values())
    return tuple(name for name in named if name)


def tell(result: Result, profile: Profile, project: Path, context: Context, known: Mapping[str, str]) -> list[str]:
    """Tell all whom the profile names, side by side; what could not be told, and why. `result` holds no secret."""
    return _told(dict(_deeds(result, profile, project, context, known, time.time())), profile.telemetry.timeout)


def tell_above(result: Result, profile: Profile, context: Context, known: Mapping[str, str]) -> list[str]:
    """Tell of a run on many targets what they hang below: each has told of itself. Answers as `tell` does."""
    if not (profile.telemetry.otlp and context.sampled):
        return []
    return _told(dict([_traced(result, profile, context, known, time.time())]), profile.telemetry.timeout)


def _told(deeds: Mapping[str, Callable[[], str]], timeout: float) -> list[str]:
    """Nobody waits for a late answer, not even the end of the program: hence no thread pool."""
    inbox: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def run(name: str, deed: Callable[[], str]) -> None:
        try:
            inbox.put((name, deed()))
        except (HTTPError, LocationValueError, OSError, ValueError) as error:
            plain = not isinstance(error, HTTPError) or isinstance(error, proxies.ProxyFailed)
            inbox.put((name, str(error) if plain else type(error).__name__))

    for name, deed in deeds.items():
        threading.Thread(target=run, args=(name, deed), name="telemetry", daemon=True).start()
    missing = dict.fromkeys(deeds, f"no answer within {timeout:.0f} s")
    until = time.monotonic() + timeout
    for _ in deeds:
        try:
            name, problem = inbox.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        del missing[name]
        if problem:
            missing[name] = problem
    return [f"{name}: {why}" for name, why in missing.items()]


def _deeds(
    result: Result, profile: Profile, project: Path, context: Context, known: Mapping[str, str], now: float
) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is to be done under the name that a warning has for it; each answers why it was not done, or nothing."""
    telemetry, numbers = profile.telemetry, figures(result, now)
    if telemetry.otlp:
        if context.sampled:
            yield _traced(result, profile, context, known, now)
        counted = otlp.metrics(result, numbers, now)
        yield "the metrics were not sent", lambda: _collected(profile, "metrics", counted, known)
    if telemetry.pushgateway:
        where = telemetry.pushgateway.rstrip("/") + group(result)
        yield (
            "the metrics were not pushed",
            lambda: _send("PUT", where, exposition(numbers).encode(), {}, telemetry.timeout),
        )
    mark = annotation(result, now)
    if mark and telemetry.grafana:
        where_marks = f"{telemetry.grafana.rstrip('/')}/api/annotations"
        token = known.get(telemetry.grafana_token_variable or "")
        login = {"Authorization": f"Bearer {token}"} if token else {}
        yield "Grafana was not told", lambda: _post(where_marks, mark, login, telemetry.timeout)
    if mark and telemetry.file:
        file = project / telemetry.file
        yield "the deploy was not written down", lambda: _append(file, mark)


def _traced(
    result: Result, profile: Profile, context: Context, known: Mapping[str, str], now: float
) -> tuple[str, Callable[[], str]]:
    traced = otlp.trace(result, context, now)
    return "the trace was not sent", lambda: _collected(profile, "traces", traced, known)


def _collected(profile: Profile, signal: str, body: Mapping[str, Any], known: Mapping[str, str]) -> str:
    telemetry = profile.telemetry
    assert telemetry.otlp
    headers = {header: known.get(name, "") for header, name in telemetry.headers.items()}
    return _post(f"{telemetry.otlp.rstrip('/')}/v1/{signal}", body, headers, telemetry.timeout)


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float) -> str:
    kind = {"Content-Type": "application/json"}
    return _send("POST", url, json.dumps(body).encode(), {**kind, **headers}, timeout)


def _send(method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> str:
    pool = proxies.Pool(timeout=urllib3.Timeout(total=timeout), retries=False)
    answer = pool.request(method, url, body=body, headers=headers, redirect=False)
    return "" if 200 <= answer.status < 300 else f"it answers {answer.status}"


def _append(file: Path, mark: Mapping[str, Any]) -> str:
    """A line in one piece, however many runs write at once."""
    with file.open("a", encoding="utf-8") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        lines.write(json.dumps(mark, ensure_ascii=False) + "\n")
    return ""
