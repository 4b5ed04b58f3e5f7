"""What a single setting may be."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from deployer.health.limits import Limits
from deployer.profile.schema import (
    CacheName,
    DnsLabel,
    Duration,
    Health,
    Host,
    ImageSettings,
    Platform,
    ReleaseName,
    Repository,
    Variable,
    seconds,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h1s", 3601),
        ("1h2m3s", 3723),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_durations(text: Any, number: float) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5s", "1.5h", "5m1h", "soon", "5d", True, None, [5], {}])
def test_no_durations(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DnsLabel, "a"),
        (DnsLabel, "my-app-2"),
        (DnsLabel, "x" * 63),
        (ReleaseName, "x" * 53),
        (Variable, "_A9"),
        (Host, "registry.lab"),
        (Host, "registry.lab:5443/team/a"),
        (Host, "127.0.0.1:5000"),
        (Repository, "web"),
        (Repository, "team/web_2"),
        (Duration, "5m"),
        (Platform, "linux/amd64"),
        (Platform, "linux/arm/v7"),
        (CacheName, "team/web"),
        (CacheName, "web:build-cache"),
    ],
)
def test_accepted(kind: Any, value: Any) -> None:
    TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DnsLabel, ""),
        (DnsLabel, "-a"),
        (DnsLabel, "a-"),
        (DnsLabel, "A"),
        (DnsLabel, "a.b"),
        (DnsLabel, "a\n"),
        (DnsLabel, "x" * 64),
        (ReleaseName, "x" * 54),
        (Variable, "9A"),
        (Variable, "A-B"),
        (Variable, ""),
        (Host, "https://registry.lab"),
        (Host, "user@registry.lab"),
        (Host, "registry.lab:port"),
        (Repository, "Web"),
        (Repository, "/web"),
        (Repository, "web/"),
        (Repository, "web:1"),
        (Duration, 0),
        (Duration, -1),
        (Duration, float("nan")),
        (Duration, float("inf")),
    ],
)
def test_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


def test_health_is_the_rules_limits_by_default() -> None:
    assert vars(Health()) == vars(Limits())


def test_health_takes_durations_and_numbers() -> None:
    health = TypeAdapter(Health).validate_python({"imagePullTransient": "2m", "soak": 0, "crashExits": 5})
    assert (health.image_pull_transient, health.soak, health.crash_exits) == (120, 0, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arm64", "did you mean `linux/arm64`"),
        ("aarch64", "did you mean `linux/arm64`"),
        ("linux/x86_64", "did you mean `linux/amd64`"),
        ("linux", "is no platform"),
        ("linux/", "is no platform"),
        ("linux/arm/7", "is no platform"),
        ("", "is no platform"),
    ],
)
def test_no_platforms(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Platform).validate_python(text)


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("provenance", False, "false"),
        ("provenance", "max", "max"),
        ("sbom", False, False),
        ("sbom", True, True),
        ("sbom", "mirror/sbom:1", "mirror/sbom:1"),
    ],
)
def test_attestations(key: str, value: Any, found: Any) -> None:
    assert getattr(ImageSettings.model_validate({"repository": "web", key: value}), key) == found


@pytest.mark.parametrize(("key", "value"), [("provenance", True), ("provenance", "all"), ("sbom", ""), ("sbom", ["x"])])
def test_no_attestations(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        ImageSettings.model_validate({"repository": "web", key: value})
