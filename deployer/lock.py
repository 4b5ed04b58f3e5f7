"""One deploy at a time: a Lease for each release, held while we work.

It is `deploy.<release>` in the release's namespace (coordination.k8s.io/v1). Whoever holds it renews it; who waits for
it judges by its own monotonic clock how long it has seen no renewal. Two machines' clocks are never compared.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.cluster import Cluster, ClusterError, Conflict, Json, NotFound, Unreachable, path
from deployer.errors import Interrupted, LockedError
from deployer.model import Job
from deployer.result import Event, Notice, Severity
from deployer.stop import Stop

ACTOR, JOB, VERB = "deploy/actor", "deploy/job", "deploy/verb"

PAUSE = 1.0
"""Seconds between two looks at a lease that somebody else holds."""

FRESH = 1.0
"""Seconds for which a renewal proves that the lease is ours."""

FAREWELL = 3.0
"""Seconds that giving the lease back may take: CI kills a cancelled job soon. It runs out by itself otherwise."""

OUTAGE = 60.0
"""Seconds that the API server may be away while we wait."""

TTL = 30.0
"""Seconds, where a Lease that is not ours names none."""


@dataclass(frozen=True)
class Holder:
    """Who holds a release, as its Lease says."""

    id: str  # one a run; empty: nobody
    actor: str
    verb: str  # up, rollback, down
    job: str  # URL of the CI job, or empty
    since: str  # RFC 3339, UTC, by the API server's clock
    renewed: str  # likewise
    ttl: float  # seconds without a renewal after which it may be taken over

    def silent(self, now: float) -> float | None:
        """Seconds since it was renewed last, by the API server's clock; None where the Lease does not say."""
        try:
            return max(0.0, now - datetime.fromisoformat(self.renewed).timestamp())
        except ValueError:
            return None

    def __str__(self) -> str:
        words = f"{self.actor or 'somebody'} holds it" + (f" for `deploy {self.verb}`" if self.verb else "")
        return words + (f" since {self.since}" if self.since else "") + (f" ({self.job})" if self.job else "")


@dataclass(frozen=True)
class Claim:
    """Who wants a release, for what and how patiently."""

    environment: str
    verb: str
    job: Job
    ttl: float  # seconds
    wait: float  # seconds; 0: fail at once where somebody is at work


def holder(cluster: Cluster, namespace: str, release: str) -> Holder | None:
    """Who holds a release now; None: nobody. One request. Raises ClusterError."""
    try:
        found = _holder(cluster.get(_path(namespace, release)))
    except NotFound:
        return None
    return found if found.id else None


def unlock(cluster: Cluster, namespace: str, release: str, held: Holder) -> bool:
    """Take the lease away from this very holder; False where it holds it no longer. Raises ClusterError."""
    where = _path(namespace, release)
    while True:
        try:
            there = cluster.get(where)
            if _holder(there).id != held.id:
                return False
            cluster.delete(where, uid=there["metadata"]["uid"], version=there["metadata"]["resourceVersion"])
            return True
        except NotFound:
            return False
        except Conflict:  # it was renewed in between
            continue


@contextmanager
def held(
    cluster: Cluster,
    namespace: str,
    release: str,
    claim: Claim,
    tell: Callable[[Event], None],
    stop: Stop | None = None,
) -> "Iterator[Lease]":
    """Hold a release while the block runs. Raises LockedError where somebody else does, and ClusterError."""
    lease = Lease(cluster, namespace, release, claim)
    try:
        lease._take(tell, stop or Stop())
        yield lease
    finally:
        lease._give_back()


class Lease:
    """A release that is ours, as long as `check` does not say otherwise."""

    def __init__(self, cluster: Cluster, namespace: str, release: str, claim: Claim) -> None:
        self._cluster, self._claim = cluster, claim
        self._namespace, self._release = namespace, release
        self._id = secrets.token_hex(8)
        self._mutex = threading.Lock()
        self._item: Json | None = None  # as last written
        self._proven = 0.0  # when the last renewal that succeeded was sent
        self._lost = ""  # why it is ours no more
        self._over = threading.Event()
        # Signals reach the main thread alone, so what renews the lease can also give it back undisturbed.
        self._keeper = threading.Thread(target=self._keep, name=f"lease of {release}", daemon=True)

    def check(self) -> None:
        """Ask before each deed. Raises LockedError where the lease is ours no more, or cannot be proven to be.

        One request, unless the last renewal is only a moment ago. An API server that does not answer takes the lease
        from us only after its TTL, when others may have taken it over.
        """
        if not self._lost and time.monotonic() - self._proven > FRESH:
            self._renew()
        silent = time.monotonic() - self._proven
        if not self._lost and silent > self._claim.ttl:
            self._lost = f"the API server has not taken a renewal for {silent:.0f} s"
        if self._lost:
            raise LockedError(
                f"the lease of {self._what} is lost: {self._lost}",
                hint=f"`deploy status --env {self._claim.environment}` says how it is; then run again",
            )

    @property
    def _what(self) -> str:
        return f"{self._release} in {self._namespace}"

    def _take(self, tell: Callable[[Event], None], stop: Stop) -> None:
        began = answered = changed = time.monotonic()
        told, sign = "", ""
        self._keeper.start()
        while True:
            there: Json | None = None
            try:
                there = self._look()
                answered = now = time.monotonic()
                if there is None:
                    self._write(None)
                    return
                found = _holder(there)
                if sign != (sign := there["metadata"]["resourceVersion"]):
                    changed = now
                if not found.id or now - changed > found.ttl:
                    self._write(there)
                    if found.id:
                        tell(Notice(_taken(found), Severity.WARNING))
                    return
            except Conflict:  # somebody else was faster
                continue
            except Unreachable:
                # Nobody can renew either, so what we did not see is no silence.
                sign = ""
                if time.monotonic() - answered > min(self._claim.wait, OUTAGE):
                    raise
            else:
                patience = self._claim.wait or self._doubt(found)
                if now - began > patience:
                    waited = f" (waited {patience:.0f} s)" if self._claim.wait else ""
                    raise LockedError(
                        f"{self._what} is locked: {found}{waited}",
                        hint=f"wait for it; if that run is gone: `deploy unlock --env {self._claim.environment}`",
                    )
                if told != (told := found.id):
                    tell(Notice(f"waiting for {self._what}: {found}; for {patience:.0f} s at most"))
            stop.wait(PAUSE)

    def _doubt(self, found: Holder) -> float:
        """The seconds that somebody who does not want to wait should: none, unless the holder seems to be gone.

        Here alone a clock is read, the API server's, and only to look longer: it takes no lease from anybody.
        """
        silent = found.silent(self._cluster.server_time())
        return found.ttl + 2 * PAUSE if silent is None or silent > found.ttl else 0.0

    def _look(self) -> Json | None:
        try:
            return self._cluster.get(_path(self._namespace, self._release))
        except NotFound:
            return None

    def _write(self, there: Json | None) -> None:
        """Make the lease ours, where nobody was faster."""
        with self._mutex:
            sent, claim = time.monotonic(), self._claim
            now = _stamp(self._cluster.server_time())
            metadata = {
                "name": f"deploy.{self._release}",
                "labels": {"app.kubernetes.io/managed-by": "deploy", "deploy/release": self._release},
                "annotations": {ACTOR: claim.job.actor, JOB: claim.job.url, VERB: claim.verb},
            }
            spec = {
                "holderIdentity": self._id,
                "leaseDurationSeconds": max(1, round(claim.ttl)),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            }
            if there is None:
                item = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
                self._item = self._cluster.create(_path(self._namespace), item)
            else:
                spec["leaseTransitions"] = (there["spec"].get("leaseTransitions") or 0) + 1
                item = there | {"metadata": there["metadata"] | metadata, "spec": spec}
                self._item = self._cluster.replace(_path(self._namespace, self._release), item)
            self._proven = sent

    def _keep(self) -> None:
        while not self._over.wait(self._claim.ttl / 3):
            if self._item is not None and not self._lost:
                self._renew()
        self._remove()

    def _renew(self) -> None:
        """Say that we are here. What fails is tried again later: only another holder, or none, is a loss."""
        with self._mutex:
            assert self._item is not None
            sent = time.monotonic()
            spec = self._item["spec"] | {"renewTime": _stamp(self._cluster.server_time())}
            try:
                self._item = self._cluster.replace(_path(self._namespace, self._release), self._item | {"spec": spec})
                self._proven = sent
            except (Conflict, NotFound):
                self._ask(sent)
            except ClusterError:
                pass

    def _ask(self, sent: float) -> None:
        """Whose it is, when it is not as we left it: maybe our own last renewal, whose answer got lost."""
        try:
            there = self._look()
        except ClusterError:
            return
        if there is None:
            self._lost = "somebody took it away"
        elif _holder(there).id != self._id:
            self._lost = str(_holder(there))
        else:
            self._item, self._proven = there, sent

    def _give_back(self) -> None:
        self._over.set()
        until = time.monotonic() + FAREWELL
        while self._keeper.is_alive() and (left := until - time.monotonic()) > 0:
            with suppress(Interrupted):  # the run is over in any case
                self._keeper.join(left)

    def _remove(self) -> None:
        """Whether or not we know of it: the answer to our taking it may have been lost."""
        until = time.monotonic() + FAREWELL
        while time.monotonic() < until:
            try:
                there = self._look()
                if there is None or _holder(there).id != self._id:
                    return
                version = there["metadata"]["resourceVersion"]
                self._cluster.delete(
                    _path(self._namespace, self._release), uid=there["metadata"]["uid"], version=version
                )
                return
            except (Conflict, NotFound):
                continue
            except ClusterError:
                time.sleep(FAREWELL / 6)


def _taken(found: Holder) -> str:
    who = f"{found.actor or 'somebody'}" + (f" ({found.job})" if found.job else "")
    return f"took the lease over: {who} held it since {found.since}, and gave no sign of life for {found.ttl:.0f} s"


def _path(namespace: str, release: str | None = None) -> str:
    return path("Lease", namespace, release and f"deploy.{release}")


def _holder(item: Json) -> Holder:
    spec, annotations = item.get("spec") or {}, item["metadata"].get("annotations") or {}
    return Holder(
        id=spec.get("holderIdentity") or "",
        actor=annotations.get(ACTOR, ""),
        verb=annotations.get(VERB, ""),
        job=annotations.get(JOB, ""),
        since=str(spec.get("acquireTime") or "")[:19] + "Z" * bool(spec.get("acquireTime")),
        renewed=spec.get("renewTime") or "",
        ttl=float(spec.get("leaseDurationSeconds") or TTL),
    )


def _stamp(moment: float) -> str:
    """As Kubernetes writes a MicroTime."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
