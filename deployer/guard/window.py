"""The change window: the hours, on the wall clock of its time zone, in which changes are allowed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from deployer.guard.facts import Facts, Refusal
from deployer.profile.schema import Guards, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD = 400
"""Days in which the next opening is looked for: more than a year of blackout is a mistake."""


def window(guards: Guards, facts: Facts) -> Refusal | None:
    """Now is in one of the windows, and on no day without change."""
    rules = guards.window
    if is_open(rules, facts.now):
        return None
    local = facts.now.astimezone(ZoneInfo(rules.timezone))
    why = "is a day without change" if closed(rules, local.date()) else "is outside of the change window"
    then = opens(rules, facts.now)
    return Refusal(
        "window",
        f"{_told(local)} {rules.timezone} {why}",
        f"it opens on {_told(then)}" if then else "it never opens again: see guards.window.not",
        tuple(f"open: {', '.join(one.days)} {one.start}–{one.end}" for one in rules.open),
    )


def is_open(rules: Window, now: datetime) -> bool:
    """Whether changes are allowed at a moment. An hour that the clock shows twice is in the window both times."""
    local = now.astimezone(ZoneInfo(rules.timezone))
    if closed(rules, local.date()):
        return False
    minute = f"{local:%H:%M}"
    return not rules.open or any(
        DAYS[local.weekday()] in one.days and one.start <= minute < one.end for one in rules.open
    )


def closed(rules: Window, day: date) -> bool:
    """Whether a day is one without change."""
    spans = (one.split("..") for one in rules.closed)
    return any(date.fromisoformat(span[0]) <= day <= date.fromisoformat(span[-1]) for span in spans)


def opens(rules: Window, now: datetime) -> datetime | None:
    """The first whole minute after a moment at which changes are allowed, in the window's time zone."""
    zone = ZoneInfo(rules.timezone)
    today = now.astimezone(zone).date()
    after = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    for day in (today + timedelta(days=ahead) for ahead in range(AHEAD)):
        if closed(rules, day) or (rules.open and not any(DAYS[day.weekday()] in one.days for one in rules.open)):
            continue
        # Every minute of the day, on UTC: a day may have 23 or 25 hours, and hours that are there twice or not at all.
        first = max(after, datetime.combine(day, time(), zone).astimezone(UTC).replace(second=0))
        for moment in (first + timedelta(minutes=ahead) for ahead in range(26 * 60)):
            local = moment.astimezone(zone)
            if local.date() > day:
                break
            if is_open(rules, moment):
                return local
    return None


def _told(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M}"
