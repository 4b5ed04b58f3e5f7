"""What the tests of metrics need: requests through the lab, and the lab's Prometheus."""

import fcntl
import http.client
import json
import math
import os
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import Project, build_image
from processes import until

METERED = Path(__file__).parent / "metered"
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
QUICK: dict[str, Any] = {
    "duration": "15s",
    "window": "8s",
    "interval": "1s",
    "failAfter": 3,
    "guards": ["errorRatio", {"name": "latencyP99", "minRequests": 20}],  # few come within so short a window
}
"""The settings of a profile, for a Prometheus that scrapes every second."""


def metered(common: Path) -> str:
    """The image that counts its requests, built and pushed once for all workers of a session; its repository.

    `common`: a folder that the workers share.
    """
    folder = common / f"metered-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            build_image(METERED, folder, ("v1",))
            (folder / "done").touch()
    return METERED.name


@dataclass(frozen=True)
class Span:
    """A span, and the attributes of who sent it."""

    about: dict[str, str]
    data: dict[str, Any]


@contextmanager
def traffic(project: Project, every: float = 0.08) -> Iterator[list[int]]:
    """Four callers ask the service all the while, each time over a connection of its own; the codes of the answers."""
    spec = project.objects("services")[0]["spec"]
    over, codes = threading.Event(), list[int]()

    def ask() -> None:
        while not over.wait(every):
            connection = http.client.HTTPConnection(spec["clusterIP"], spec["ports"][0]["port"], timeout=10)
            try:
                connection.request("GET", "/")
                codes.append(connection.getresponse().status)
            except OSError:
                codes.append(0)
            finally:
                connection.close()

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for one in callers:
        one.start()
    try:
        yield codes
    finally:
        over.set()
        for one in callers:
            one.join()


def values(query: str) -> list[float]:
    """What Prometheus says of a query at this moment: a number for each series that has one."""
    url = f"{os.environ['LAB_PROMETHEUS']}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found = [float(one["value"][1]) for one in json.load(answer)["data"]["result"]]
    return [one for one in found if not math.isnan(one)]


def value(query: str) -> float | None:
    """The first of them; None where it says nothing."""
    return next(iter(values(query)), None)


def spans(matters: Callable[[dict[str, str]], bool]) -> list[Span]:
    """The spans that the collector has written of resources that matter."""
    found = []
    for group in _collected("resourceSpans"):
        about = attributes(group["resource"])
        if matters(about):
            found += [Span(about, one) for scope in group["scopeSpans"] for one in scope["spans"]]
    return found


def gauges(name: str, labels: dict[str, str]) -> list[float]:
    """What the collector has written of one of deploy's figures with these labels, in the order it came."""
    return [
        float(point["asDouble"])
        for group in _collected("resourceMetrics")
        for scope in group["scopeMetrics"]
        for figure in scope["metrics"]
        if figure["name"] == name
        for point in figure["gauge"]["dataPoints"]
        if labels.items() <= attributes(point).items()
    ]


def _collected(kind: str) -> Iterator[dict[str, Any]]:
    whole, _, _ = Path(os.environ["LAB_TRACES"]).read_text().rpartition("\n")  # the last line may be half written
    for line in whole.splitlines():
        yield from json.loads(line).get(kind, [])


def attributes(of: dict[str, Any]) -> dict[str, str]:
    """Attributes of OTLP in JSON as plain text."""
    return {one["key"]: str(next(iter(one["value"].values()), "")) for one in of.get("attributes", [])}


def known(project: Project, seconds: float, window: str = "8s") -> None:
    """Await that Prometheus has seen enough requests for the window before a release to be a measure."""
    query = f'sum(increase(http_requests_total{{namespace="{project.namespace}",route="/"}}[{window}]))'
    until(lambda: (value(query) or 0) > 100, "traffic that Prometheus knows of", seconds)
