"""A version that passes every rule of health and fails its callers is stopped by its metrics; a good one is not."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from between import HOST, Answer, Between
from conftest import Project
from observed import QUICK, SCRAPED, known, metered, traffic

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ROUNDS = range(int(os.environ.get("ROUNDS", "1")))
UP = ("up", "--env", "dev", "--tag", "v1", "--output", "json", "--set", "env.VERSION=v2")


@pytest.fixture
def service(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A service that counts its requests, and is scraped."""
    project.profile(
        "dev",
        image={"repository": metered(tmp_path_factory.getbasetemp().parent)},
        rollback={"automatic": True},
        values={"replicaCount": 2, "podAnnotations": SCRAPED},
    )
    return project


@pytest.fixture
def observed(service: Project) -> Iterator[Project]:
    """Version 1 serves, is asked all the while, and Prometheus knows it; the next `up` watches the metrics."""
    good = service.deploy("up", "--env", "dev", "--tag", "v1")
    assert good.code == 0, good
    watching(service)
    with traffic(service):
        known(service, 120)
        yield service


def watching(project: Project, **settings: Any) -> None:
    project.profile("dev", metrics={"url": os.environ["LAB_PROMETHEUS"], **QUICK, **settings})


@pytest.mark.parametrize("number", ROUNDS)
def test_five_percent_of_errors_are_stopped_and_rolled_back(observed: Project, number: int) -> None:
    bad = observed.deploy(*UP, "--set", "env.FAIL_PERCENT=5")
    assert bad.code == 5, bad
    found = bad.json
    assert found["release"]["restored"] == 1
    assert [stage["name"] for stage in found["stages"] if stage["ok"]][-2:] == ["rollout", "rollback"]
    assert "errorRatio is 0.0" in found["message"]
    assert "may be at most 0.01" in found["message"]
    reading = next(one for one in found["metrics"] if one["name"] == "errorRatio")
    assert reading["state"] == "breached"
    assert 0.01 < reading["value"] < 0.1
    assert len(reading["samples"]) >= 3
    assert found["diagnosis"]["causes"][0]["rule"] == "metric"
    assert any(fact.startswith("query ") for fact in found["diagnosis"]["facts"])
    assert "deadlock detected" in bad.err, "the log of a new pod"
    history = observed.deploy("history", "--env", "dev", "--output", "json").json["revisions"]
    assert [one["verdict"] for one in history] == ["healthy", "failed", "healthy"]
    assert "errorRatio" in history[1]["record"]["cause"]


@pytest.mark.parametrize("number", ROUNDS)
def test_a_good_version_is_not(observed: Project, number: int) -> None:
    good = observed.deploy(*UP)
    assert good.code == 0, good
    assert {one["name"]: one["state"] for one in good.json["metrics"]} == {
        "errorRatio": "passed",
        "latencyP99": "passed",
    }
    assert all(one["previous"] is not None for one in good.json["metrics"])
    assert not any("metric" in one for one in good.json["warnings"])


def test_a_slower_version_is_stopped(observed: Project) -> None:
    bad = observed.deploy(*UP, "--set", "env.SLOW=300ms")
    assert bad.code == 5, bad
    assert "latencyP99 is 0." in bad.json["message"]
    assert bad.json["release"]["restored"] == 1


def test_queries_of_ones_own(observed: Project) -> None:
    pods = 'count(up{namespace="$namespace",pod=~"$pods"} == 1)'
    watching(observed, duration="5s", guards=[{"name": "pods", "query": pods, "min": 1, "max": 2, "noData": "fail"}])
    good = observed.deploy(*UP)
    assert good.code == 0, good
    watching(observed, guards=[{"name": "nothing", "query": 'absent_metric{pod=~"$pods"}', "max": 1}], duration="3s")
    empty = observed.deploy(*UP, "--set", "env.RUN=2")
    assert empty.code == 0, empty
    assert "metric nothing had no data, so it was not judged" in empty.json["warnings"]
    watching(
        observed,
        window="2s",
        guards=[{"name": "nothing", "query": 'absent_metric{pod=~"$pods"}', "max": 1, "noData": "fail"}],
    )
    strict = observed.deploy(*UP, "--set", "env.RUN=3")
    assert strict.code == 5, strict
    assert "nothing has no data" in strict.json["message"]


def test_a_query_that_prometheus_refuses_is_found_first(service: Project) -> None:
    watching(service, guards=[{"name": "mine", "query": "sum(rate(", "max": 1}])
    done = service.deploy(*UP)
    assert done.code == 3, done
    assert "metric mine: Prometheus does not take the query" in done.json["message"]
    assert done.json["changed"] is False
    assert service.objects("deployments") == []


@pytest.mark.parametrize(("unreachable", "code"), [("warn", 0), ("indeterminate", 3)])
def test_away_before_the_release(service: Project, unreachable: str, code: int) -> None:
    service.profile("dev", metrics={"url": "http://10.97.0.1:1", **QUICK, "duration": "3s", "unreachable": unreachable})
    done = service.deploy(*UP)
    assert done.code == code, done
    if code == 0:
        assert any("the metrics were not judged" in one for one in done.json["warnings"])
    else:
        assert "Prometheus does not answer" in done.json["message"]
        assert service.objects("deployments") == []


EMPTY = Answer(200, '{"status": "success", "data": {"resultType": "vector", "result": []}}')


@pytest.fixture
def between() -> Iterator[Between]:
    """A Prometheus of the test's own, over TLS: what it says is in the test."""
    made = Between("apiserver", "127.0.0.1:1")
    made.script = lambda _: EMPTY
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(("unreachable", "code"), [("warn", 0), ("indeterminate", 7)])
@pytest.mark.parametrize("how", ["away", "overloaded", "no Prometheus"])
def test_doubt_is_no_failure(service: Project, between: Between, how: str, unreachable: str, code: int) -> None:
    """It answers the check of each of the two queries, and then no more."""

    def then(_: object) -> Answer:
        if len(between.asked) > 2 and how == "away":
            between.leave()
        if len(between.asked) > 2 and how == "overloaded":
            return Answer(503, '{"status": "error", "error": "too many queries"}')
        return EMPTY if len(between.asked) <= 2 else Answer(200, "<html>sign in</html>")

    between.script = then
    watching(service, url=f"https://{HOST}:{between.server_port}", duration="3s", unreachable=unreachable)
    done = service.deploy(*UP)
    assert done.code == code, done
    assert done.json["release"]["restored"] is None
    assert {one["state"] for one in done.json["metrics"]} == {"unanswered"}
    assert "the metrics were not judged" in str([done.json["warnings"], done.json["message"]])


def test_a_login_is_shown_to_prometheus_alone(service: Project, between: Between) -> None:
    secret = "tok-7c1f-93aa-not-for-logs"
    watching(
        service,
        url=f"https://{HOST}:{between.server_port}",
        bearerTokenVariable="PROM_BEARER",
        duration="2s",
    )
    unset = service.deploy(*UP)
    assert unset.code == 3, unset
    assert "PROM_BEARER" in unset.json["message"]
    done = service.deploy(*UP, "--verbose", environ={"PROM_BEARER": secret})
    assert done.code == 0, done
    assert {one.authorization for one in between.asked} == {f"Bearer {secret}"}
    assert secret not in done.out + done.err
    between.script = lambda _: Answer(401, "")
    refused = service.deploy(*UP, "--set", "env.RUN=2", environ={"PROM_BEARER": secret})
    assert refused.code == 3, refused
    assert "Prometheus refuses the login (401)" in refused.json["message"]
