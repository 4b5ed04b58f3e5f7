"""Real requests through the lab's gateways, counted by which version answered. `gateway` is a variable of the lab."""

import http.client
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GATEWAY, MESH = "LAB_GATEWAY", "LAB_MESH"
THREADS = 4
FAILED = "failed"


def ask(host: str, count: int, gateway: str = GATEWAY) -> Counter[str]:
    """Send that many requests, and count the answers; `failed 503` for what is no answer of a pod."""
    with ThreadPoolExecutor(THREADS) as pool:
        shares = [count // THREADS + (1 if index < count % THREADS else 0) for index in range(THREADS)]
        return sum(pool.map(lambda share: _each(host, share, gateway), shares), Counter())


def share(counted: Counter[str], version: str) -> float:
    """The percent of the answers that a version gave."""
    return 100 * counted[version] / sum(counted.values())


def measured(host: str, version: str, weight: float, count: int = 10_000, gateway: str = GATEWAY) -> tuple[float, int]:
    """The percent that a version answers, and of how many requests.

    Each request is dealt by chance: of 10,000 at 25 % one run in fifty is a point off. Such a run is counted on, until
    chance has no say any more.
    """
    counted = ask(host, count, gateway)
    if abs(share(counted, version) - weight) > 1:
        counted += ask(host, 5 * count, gateway)
    return share(counted, version), sum(counted.values())


def _each(host: str, count: int, gateway: str) -> Counter[str]:
    found: Counter[str] = Counter()
    connection = _connection(gateway)
    for _ in range(count):
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace").strip()
            found[text if answer.status == 200 else f"{FAILED} {answer.status}"] += 1
        except (OSError, http.client.HTTPException):
            connection.close()
            connection = _connection(gateway)
            found[FAILED] += 1
    connection.close()
    return found


def _connection(gateway: str = GATEWAY) -> http.client.HTTPConnection:
    address = urlsplit(os.environ[gateway])
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)


@dataclass
class Traffic:
    """Requests all the while, one after the other: when each version answered."""

    host: str
    gateway: str = GATEWAY
    answers: list[tuple[float, str]] = field(default_factory=list)  # time.monotonic(), what was answered
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Traffic":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        connection = _connection(self.gateway)
        while not self._over.is_set():
            said = FAILED
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/", headers={"Host": self.host})
                answer = connection.getresponse()
                text = answer.read().decode(errors="replace").strip()
                said = text if answer.status == 200 else f"{FAILED} {answer.status}"
            if said == FAILED:
                connection.close()
                connection = _connection(self.gateway)
            self.answers.append((time.monotonic(), said))
            time.sleep(0.005)
        connection.close()

    def last(self, version: str) -> float:
        """When a version answered last; 0 where it never did."""
        return max((at for at, said in self.answers if said == version), default=0.0)
