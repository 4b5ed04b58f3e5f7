"""From the profile's metrics to guards with everything said."""

from typing import Any

import pytest
from pydantic import ValidationError

from deployer.metrics.judge import Guard
from deployer.plan import metrics
from deployer.profile import Profile

BASE: dict[str, Any] = {
    "target": {"context": "c", "namespace": "shop"},
    "registry": {"url": "r"},
    "image": {"repository": "web"},
    "release": {"name": "web"},
}


def guards(**section: Any) -> dict[str, Guard]:
    profile = Profile.model_validate({**BASE, "metrics": {"url": "http://p", **section}})
    return {one.name: one for one in metrics.guards(profile)}


def test_without_a_prometheus_nothing_is_watched() -> None:
    assert metrics.guards(Profile.model_validate(BASE)) == ()
    assert metrics.guards(Profile.model_validate({**BASE, "metrics": {"guards": ["errorRatio"]}})) == ()


def test_a_url_is_enough() -> None:
    found = guards()
    assert list(found) == ["errorRatio", "latencyP99"]
    assert found["errorRatio"].maximum == 0.05
    assert found["errorRatio"].max_ratio == 1.5
    assert found["latencyP99"].maximum is None
    assert all(one.compares for one in found.values())
    assert {name: one.query.rpartition(" ")[2] for name, one in found.items()} == {
        "errorRatio": "20",
        "latencyP99": "200",
    }


@pytest.mark.parametrize(
    ("section", "looks"),
    [
        ({}, 7),
        ({"window": "2m", "interval": "15s", "duration": "5m"}, 9),
        ({"window": "50s", "interval": "15s"}, 5),
        ({"duration": "1m"}, 4),
        ({"duration": "20s"}, 3),
        ({"window": "8s", "interval": "1s", "failAfter": 3}, 3),
        ({"guards": [{"name": "errorRatio", "window": "30s"}]}, 4),
        ({"failAfter": 5, "guards": [{"name": "errorRatio", "failAfter": 2}]}, 2),
    ],
)
def test_one_event_is_no_breach_unless_the_profile_says_so(section: dict[str, Any], looks: int) -> None:
    """It is in every look for as long as the window is."""
    assert guards(**section)["errorRatio"].fail_after == looks


def test_a_longer_watch_lets_a_guard_fail_later() -> None:
    profile = Profile.model_validate({**BASE, "metrics": {"url": "http://p"}})
    assert {one.fail_after for one in metrics.guards(profile, 90)} == {5}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, ""),
        ({"failAfter": 12}, ""),
        ({"failAfter": 13}, "that takes more than 120 s (13 looks, one every 10 s)"),
        ({"duration": "20s"}, "that takes more than 20 s (3 looks, one every 10 s)"),
        ({"duration": "21s"}, ""),
    ],
)
def test_a_watch_too_short_to_fail_is_told(section: dict[str, Any], said: str) -> None:
    profile = Profile.model_validate({**BASE, "metrics": {"url": "http://p", "guards": ["errorRatio"], **section}})
    before = "metrics.duration is too short for metric errorRatio to fail the rollout: "
    assert list(metrics.unwatched(profile)) == ([before + said] if said else [])


def test_what_a_guard_says_wins() -> None:
    found = guards(
        interval="5s",
        failAfter=2,
        guards=[
            {"name": "errorRatio", "max": 0.2, "minRequests": 0, "interval": "1s"},
            {"name": "queue", "query": "queue_depth", "max": 10, "noData": "fail"},
        ],
    )
    assert found["errorRatio"].maximum == 0.2
    assert found["errorRatio"].margin == 0.01
    assert ">=" not in found["errorRatio"].query
    assert found["errorRatio"].interval == 1
    assert found["queue"] == Guard("queue", "queue_depth", maximum=10, interval=5, fail_after=2, no_data="fail")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"guards": ["errorRate"]}, "needs a query; did you mean `errorRatio`"),
        ({"guards": [{"name": "mine", "query": "up"}]}, "`mine` has no bound"),
        ({"guards": [{"name": "mine", "query": "up{pod=~'$pod'}", "max": 1}]}, "did you mean `pods`"),
        ({"guards": [{"name": "errorRatio", "query": "up", "max": 1}]}, "is ready-made"),
        ({"guards": ["errorRatio", "errorRatio"]}, "two guards of the name"),
        ({"guards": [{"name": "mine", "query": "up", "max": 1, "minRequests": 3}]}, "minRequests is for ready-made"),
        ({"guards": [{"name": "mine", "query": "up", "max": "many"}]}, "valid number"),
        ({"url": "prometheus:9090"}, "a URL is expected"),
        ({"url": "http://ann:s3cret@p"}, "a login does not belong into the URL"),
        ({"usernameVariable": "A"}, "belong together"),
        ({"bearerTokenVariable": "A", "usernameVariable": "B", "passwordVariable": "C"}, "two logins"),
    ],
)
def test_what_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        guards(**section)
