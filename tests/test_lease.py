"""The lease's decisions, against an API server that misbehaves on demand. The real one is in tests/e2e/test_lock.py."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apiserver
import pytest
from apiserver import ApiServer

from deployer import cluster, lock
from deployer.errors import LockedError
from deployer.lock import Claim
from deployer.model import Job
from deployer.result import Event, Notice

LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
NAME = "deploy.web"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    yield server
    server.stop()


@pytest.fixture
def door(api: ApiServer, tmp_path: Path) -> cluster.Cluster:
    return cluster.connect(api.kubeconfig(tmp_path), "dev")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PAUSE", 0.02)
    monkeypatch.setattr(lock, "FRESH", 0.0)


def claim(ttl: float = 30, wait: float = 0, actor: str = "ann") -> Claim:
    return Claim("dev", "up", Job("gitlab", actor, "https://ci/1"), ttl, wait)


def held(
    door: cluster.Cluster, mine: Claim, tell: Callable[[Event], None] = lambda event: None
) -> contextlib.AbstractContextManager[lock.Lease]:
    return lock.held(door, "shop", "web", mine, tell)


def there(api: ApiServer) -> dict[str, apiserver.Json]:
    return api._objects.get(LEASES, {})


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steal(api: ApiServer, by: str = "thief", **spec: object) -> None:
    item = there(api).get(NAME) or {"metadata": {}, "spec": {}}
    spec = {"leaseDurationSeconds": 1, **item["spec"], **spec, "holderIdentity": by}
    api.put(LEASES, NAME, {"kind": "Lease", "spec": spec}, annotations={lock.ACTOR: by})


def test_it_says_who_holds_it_and_is_gone_afterwards(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim()):
        found = lock.holder(door, "shop", "web")
        assert found
        assert (found.actor, found.verb, found.job, found.ttl) == ("ann", "up", "https://ci/1", 30)
        assert str(found) == f"ann holds it for `deploy up` since {found.since} (https://ci/1)"
    assert there(api) == {}
    assert lock.holder(door, "shop", "web") is None


def test_it_is_given_back_whatever_happens(api: ApiServer, door: cluster.Cluster) -> None:
    with pytest.raises(KeyError), held(door, claim()):
        raise KeyError
    assert there(api) == {}


def test_who_does_not_wait_is_told_at_once(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim()):
        with pytest.raises(LockedError, match="web in shop is locked: ann holds it") as error, held(door, claim()):
            pass
        assert "deploy unlock --env dev" in (error.value.hint or "")
        assert NAME in there(api), "the loser does not take it away"


def test_it_is_waited_for_and_told_once(door: cluster.Cluster) -> None:
    told: list[Event] = []
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        with held(door, claim(wait=30, actor="bob"), lambda event: told.append(event) or inside.set()):
            order.append("second")

    with held(door, claim()):
        thread = threading.Thread(target=second)
        thread.start()
        assert inside.wait(20)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    assert len(told) == 1
    assert isinstance(told[0], Notice)
    assert told[0].text.startswith("waiting for web in shop: ann holds it for `deploy up` since")


def test_waiting_ends(api: ApiServer, door: cluster.Cluster) -> None:
    steal(api, leaseDurationSeconds=600)
    with pytest.raises(LockedError, match="waited 0 s"), held(door, claim(wait=0.2)):
        pass


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_holder_whose_clock_is_off_is_not_robbed_while_it_renews(
    api: ApiServer, door: cluster.Cluster, hours: int
) -> None:
    over = threading.Event()

    def renew() -> None:
        beat = 0
        while not over.wait(0.05):
            beat += 1
            steal(api, "skewed", renewTime=lock._stamp(time.time() + hours * 3600 + beat))

    steal(api, "skewed", renewTime=lock._stamp(time.time() + hours * 3600))
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(LockedError), held(door, claim(wait=2.5)):
            pass
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_a_holder_that_gives_no_sign_is_taken_over_after_its_ttl(
    api: ApiServer, door: cluster.Cluster, hours: int
) -> None:
    told: list[Event] = []
    steal(api, "dead", renewTime=lock._stamp(time.time() + hours * 3600))
    began = time.monotonic()
    with held(door, claim(wait=30), told.append) as lease:
        assert time.monotonic() - began >= 1
        lease.check()
        assert there(api)[NAME]["spec"]["leaseTransitions"] == 1
    assert isinstance(told[-1], Notice)
    assert "took the lease over: dead held it" in told[-1].text


def test_on_a_terminal_a_dead_holder_is_looked_at_for_its_ttl(api: ApiServer, door: cluster.Cluster) -> None:
    steal(api, "dead", renewTime=lock._stamp(time.time() - 60))
    with held(door, claim()) as lease:
        lease.check()


def test_nobody_is_robbed_because_the_api_server_was_away(api: ApiServer, door: cluster.Cluster) -> None:
    steal(api)
    api.fail("get", apiserver.status(503), 60)
    began = time.monotonic()
    with held(door, claim(wait=30)):
        assert time.monotonic() - began > 60 * 0.02 + 0.9


def test_a_stolen_lease_stops_us(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim()) as lease:
        lease.check()
        steal(api)
        with pytest.raises(LockedError, match="is lost: thief holds it") as error:
            lease.check()
        assert "deploy status --env dev" in (error.value.hint or "")
    assert there(api)[NAME]["spec"]["holderIdentity"] == "thief"


def test_an_unlocked_lease_stops_us(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim()) as lease:
        found = lock.holder(door, "shop", "web")
        assert found
        assert lock.unlock(door, "shop", "web", found)
        assert not lock.unlock(door, "shop", "web", found)
        with pytest.raises(LockedError, match="somebody took it away"):
            lease.check()


def test_a_short_outage_costs_nothing_and_a_long_one_the_lease(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim(ttl=2)) as lease:
        api.fail("*", apiserver.status(503), 10**6)
        lease.check()
        until(lambda: time.monotonic() - lease._proven > 2)
        with pytest.raises(LockedError, match="has not taken a renewal for"):
            lease.check()
        api.heal()


def test_after_an_outage_it_is_ours_where_nobody_took_it(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim(ttl=1)) as lease:
        api.fail("*", apiserver.status(503), 10**6)
        until(lambda: time.monotonic() - lease._proven > 1.5)
        api.heal()
        lease.check()


def test_a_renewal_whose_answer_got_lost_is_no_theft(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim()) as lease:
        assert lease._item
        found = there(api)[NAME]
        api.put(LEASES, NAME, {"kind": "Lease", "spec": found["spec"]}, uid=found["metadata"]["uid"])
        lease.check()
    assert there(api) == {}


def test_it_is_renewed_while_we_work(api: ApiServer, door: cluster.Cluster) -> None:
    with held(door, claim(ttl=0.3)):
        until(lambda: api.count("replace", NAME) >= 3)
