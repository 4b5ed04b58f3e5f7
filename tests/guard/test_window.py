"""The change window on the wall clock, over the days on which the clock is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.guard.window import DAYS, closed, is_open, opens
from deployer.profile.schema import Window

OFFICE = Window.model_validate(
    {
        "timezone": "Europe/Berlin",
        "open": [
            {"days": ["mon", "tue", "wed", "thu"], "from": "09:00", "to": "16:00"},
            {"days": ["fri"], "from": "09:00", "to": "12:00"},
        ],
        "not": ["2026-12-24..2027-01-03", "2026-11-30"],
    }
)
NIGHT = Window.model_validate(
    {"timezone": "Europe/Berlin", "open": [{"days": ["sun"], "from": "02:15", "to": "02:45"}]}
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "now", "allowed", "then"),
    [
        pytest.param(OFFICE, "2026-11-26T08:00", True, "Thu 26 08:01", id="the first minute"),
        pytest.param(OFFICE, "2026-11-26T07:59:59", False, "Thu 26 08:00", id="a second before"),
        pytest.param(OFFICE, "2026-11-26T15:00", False, "Fri 27 08:00", id="the end is outside"),
        pytest.param(OFFICE, "2026-11-27T11:00", False, "Tue 01 08:00", id="over the weekend and a blackout"),
        pytest.param(OFFICE, "2026-12-23T16:00", False, "Mon 04 08:00", id="over the holidays"),
        pytest.param(OFFICE, "2026-07-23T07:00", True, "Thu 23 07:01", id="summer time"),
        pytest.param(NIGHT, "2026-03-29T00:30", False, "Sun 05 00:15", id="the half hour that is not there"),
        pytest.param(NIGHT, "2026-10-25T00:30", True, "Sun 25 00:31", id="the half hour, first time"),
        pytest.param(NIGHT, "2026-10-25T00:45", False, "Sun 25 01:15", id="between"),
        pytest.param(NIGHT, "2026-10-25T01:30", True, "Sun 25 01:31", id="the half hour, second time"),
        pytest.param(Window(), "2026-11-26T08:00", True, "Thu 26 08:01", id="always"),
        pytest.param(
            Window.model_validate({"not": ["2026-01-01..2099-01-01"]}), "2026-11-26T08:00", False, None, id="never"
        ),
    ],
)
def test_windows(rules: Window, now: str, allowed: bool, then: str | None) -> None:
    assert is_open(rules, utc(now)) is allowed
    found = opens(rules, utc(now))
    assert (f"{found.astimezone(UTC):%a %d %H:%M}" if found else None) == then


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Havana",
    "Asia/Kolkata",
]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    def opening() -> dict[str, object]:
        start, end = sorted(draw(st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True)))
        days = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
        return {"days": days, "from": f"{start // 60:02}:{start % 60:02}", "to": f"{end // 60:02}:{end % 60:02}"}

    return Window.model_validate(
        {
            "timezone": draw(st.sampled_from(ZONES)),
            "open": [opening() for _ in range(draw(st.integers(0, 2)))],
            "not": draw(st.lists(st.dates(utc("2026-01-01").date(), utc("2026-12-31").date()).map(str), max_size=2)),
        }
    )


moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    # The hours around the changes of the clock in those zones.
    st.builds(
        lambda day, hours: utc(day) + timedelta(minutes=hours),
        st.sampled_from(
            ["2026-03-08", "2026-03-29", "2026-04-04", "2026-04-24", "2026-10-25", "2026-11-01", "2026-10-03"]
        ),
        st.integers(-600, 2000),
    ),
)


@settings(deadline=None, max_examples=300)
@given(windows(), moments)
def test_open_is_what_the_wall_clock_says(rules: Window, now: datetime) -> None:
    local = now.astimezone(ZoneInfo(rules.timezone))
    minutes = local.hour * 60 + local.minute

    def number(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    hit = not rules.open or any(
        DAYS[local.weekday()] in one.days and number(one.start) <= minutes < number(one.end) for one in rules.open
    )
    assert is_open(rules, now) is (hit and str(local.date()) not in rules.closed)


@settings(deadline=None, max_examples=100)
@given(windows(), moments)
def test_the_next_opening_is_open_and_nothing_is_before_it(rules: Window, now: datetime) -> None:
    then = opens(rules, now)
    if then is None:  # an hour of a day that is a blackout, or that the clock leaves out
        assert rules.open
        return
    assert is_open(rules, then)
    assert then > now
    first = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    minutes = int((then.astimezone(UTC) - first).total_seconds() // 60)
    assert not any(is_open(rules, first + timedelta(minutes=at)) for at in range(0, minutes, max(1, minutes // 1500)))


def test_blackouts_hold_both_ends() -> None:
    days = ["2026-12-23", "2026-12-24", "2027-01-03", "2027-01-04"]
    assert [closed(OFFICE, utc(day).date()) for day in days] == [False, True, True, False]
