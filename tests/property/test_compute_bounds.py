"""Boundaries resolved ahead against days looked at one by one."""

from __future__ import annotations

import itertools
from calendar import isleap
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from drawing import MOMENTS, UNITS, anniversary_windows, instants, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_time import Calendar as Reference
from reference_time import shift

from engine.compute.bounds import TICK, Calendar, Interval, add_months
from engine.language import tree
from engine.language.tree import Unit

PARIS = ZoneInfo("Europe/Paris")
HABITS = [("monday", "feb28"), ("sunday", "mar1")]


def both(now: datetime, zone: str, habits: tuple[str, str] = HABITS[0]) -> tuple[Calendar, Reference]:
    aware, place = now.replace(tzinfo=UTC), ZoneInfo(zone)
    week, leap = habits
    calendar = Calendar(aware, place, week_starts=week, leap_day=leap)
    return calendar, Reference(now=aware, zone=place, week_starts=week, leap_day=leap)


def holds(interval: Interval[datetime] | Interval[date], at: datetime | date) -> bool:
    low, high = interval.low, interval.high
    return (low is None or low <= at) and (high is None or at < high)  # type: ignore[operator]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_windows_bounds_hold_the_instants_and_days_that_lie_in_it(data: st.DataObject) -> None:
    now, zone = data.draw(st.sampled_from(MOMENTS))
    calendar, reference = both(now, zone, data.draw(st.sampled_from(HABITS)))
    window = data.draw(windows(now))
    bounds, days = calendar.instants(window), calendar.days(window)
    edges = [edge + step for edge in (bounds.low, bounds.high) if edge for step in (-TICK, timedelta(0), TICK)]
    for at in [*edges, *data.draw(st.lists(instants(now), max_size=5))]:
        assert holds(bounds, at) == reference.inside(window, at), at
        day = at.date()
        assert holds(days, day) == reference.inside(window, day), day


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rule_09_only_windows_that_name_the_future_reach_beyond_now(data: st.DataObject) -> None:
    now, zone = data.draw(st.sampled_from(MOMENTS))
    calendar, reference = both(now, zone)
    window = data.draw(windows(now))
    for at in data.draw(st.lists(instants(now), min_size=1, max_size=5)):
        counts = reference.inside(window, at) and (at <= now or reference.names_future(window))
        assert holds(calendar.rows(window), at) == counts


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rule_14_anniversaries_in_a_window_are_those_celebrated_in_it(data: st.DataObject) -> None:
    now, zone = data.draw(st.sampled_from(MOMENTS))
    calendar, reference = both(now, zone, data.draw(st.sampled_from(HABITS)))
    window = data.draw(anniversary_windows(now))
    ranges = calendar.anniversaries(calendar.days(window))
    for offset in range(366):
        born = date(2000, 1, 1) + timedelta(days=offset)
        inside = any(low <= born.month * 100 + born.day <= high for low, high in ranges)
        assert inside == reference.anniversary_in(window, born), born


@pytest.mark.parametrize("leap_day", ["feb28", "mar1"])
def test_rule_14_everybody_turns_older_on_their_birthday_and_on_no_other_day(leap_day: str) -> None:
    births = [
        date(1996, 2, 27),
        date(1996, 2, 28),
        date(1996, 2, 29),
        date(1996, 3, 1),
        date(1995, 12, 31),
        date(1996, 1, 1),
    ]
    for offset in range(3 * 366):
        today = date(2023, 1, 1) + timedelta(days=offset)
        calendar = Calendar(
            datetime(today.year, today.month, today.day, 12, tzinfo=UTC), ZoneInfo("UTC"), leap_day=leap_day
        )
        for born in births:
            age = today.year - born.year - (born.month * 100 + born.day > calendar.turned())
            assert age == slow_age(born, today, leap_day), (born, today)


def slow_age(born: date, today: date, leap_day: str) -> int:
    """Birthdays seen so far, counted one by one."""
    found, year = 0, born.year + 1
    while True:
        if (born.month, born.day) == (2, 29) and not isleap(year):
            birthday = date(year, 2, 28) if leap_day == "feb28" else date(year, 3, 1)
        else:
            birthday = born.replace(year=year)
        if birthday > today:
            return found
        found, year = found + 1, year + 1


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-60, 60))
def test_rule_13_months_clamp_and_never_skip_one(day: date, months: int) -> None:
    moved = add_months(day, months)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved.day < day.day and (moved + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30)),  # noqa: DTZ001 - twice: the first
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30)),  # noqa: DTZ001 - never: as if the clock had not changed
    ],
)
def test_rule_25_a_local_time_that_comes_twice_or_never_is_that_of_fold_0(wall: datetime, instant: datetime) -> None:
    assert Calendar(datetime(2026, 1, 1, tzinfo=UTC), PARIS).to_utc(wall) == instant


def test_rule_11_the_last_day_before_a_short_day_starts_at_its_own_midnight() -> None:
    calendar = Calendar(datetime(2026, 3, 29, 10, tzinfo=UTC), PARIS)
    assert calendar.instants(tree.Last(1, Unit.DAY)).low == datetime.fromisoformat("2026-03-27T23:00")
    later = Calendar(datetime(2026, 3, 30, 10, tzinfo=UTC), PARIS)
    low = later.instants(tree.Last(1, Unit.DAY)).low
    assert low == datetime.fromisoformat("2026-03-28T23:00")
    assert later.midnight(date(2026, 3, 30)) - later.midnight(date(2026, 3, 29)) == timedelta(hours=23)
    assert later.instants(tree.Last(24, Unit.HOUR)).low == datetime.fromisoformat("2026-03-29T10:00")


@given(st.sampled_from(MOMENTS), st.sampled_from(UNITS), st.integers(1, 5), st.integers(1, 30))
def test_rule_24_periods_lie_side_by_side_and_cover_the_window(
    at: tuple[datetime, str], unit: Unit, step: int, length: int
) -> None:
    calendar, reference = both(*at)
    window = tree.Last(length, unit)
    whole, parts = calendar.rows(window), calendar.periods(window, unit, step)
    assert (parts[0].low, parts[-1].high) == (whole.low, whole.high)
    assert all(before.high == after.low for before, after in itertools.pairwise(parts))
    starts = [calendar.local_day(part.low) for part in parts[1:] if part.low]
    assert all(reference.first(start, unit) == start for start in starts)
    assert all(shift(start, step, unit) == after for start, after in itertools.pairwise(starts))


def test_rule_25_a_zones_changes_are_those_that_python_knows() -> None:
    calendar = Calendar(datetime(2026, 1, 1, tzinfo=UTC), PARIS)
    for at, before, after in calendar.offsets():
        just_before = (at - timedelta(seconds=1)).replace(tzinfo=UTC).astimezone(PARIS)
        assert just_before.utcoffset() == timedelta(seconds=before)
        assert at.replace(tzinfo=UTC).astimezone(PARIS).utcoffset() == timedelta(seconds=after)
    changes = [at for at, _, _ in calendar.offsets()]
    assert [at for at in changes if at.year == 2026] == [
        datetime.fromisoformat("2026-03-29T01:00"), datetime.fromisoformat("2026-10-25T01:00"),
    ]  # fmt: skip
