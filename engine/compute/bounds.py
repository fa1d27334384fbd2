"""Every boundary in time, resolved in Python from (now, zone): no engine computes a date.

Instants are naive UTC datetimes of microsecond precision, as they are at rest; days are local dates. Everything is
a half-open `Interval`; None is an open end.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_args
from zoneinfo import ZoneInfo

from engine.language import tree
from engine.language.tree import Unit

T = TypeVar("T", date, datetime)
TICK = timedelta(microseconds=1)
POINTS = get_args(tree.Point)
CLOCK = {Unit.SECOND: timedelta(seconds=1), Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}
DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
# a duration compared with another (avg_gap) has no calendar to stand on: the mean Gregorian month is 2,629,746 s
SECONDS = {
    Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3_600, Unit.DAY: 86_400, Unit.WEEK: 604_800,
    Unit.MONTH: 2_629_746, Unit.QUARTER: 7_889_238, Unit.YEAR: 31_556_952,
}  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LEAPLESS = 10  # years: from 1896 to 1904, for one, there was no 29 February
FEB_28, FEB_29, MAR_1 = 228, 229, 301
YEAR = 366  # the most days after which every anniversary has come


@dataclass(frozen=True, slots=True)
class Interval(Generic[T]):
    """From `low` up to, and without, `high`."""

    low: T | None
    high: T | None


def add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day (rule 13)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def month_day(day: date) -> int:
    """Month and day as one number: 4 July is 704."""
    return day.month * 100 + day.day


@dataclass(frozen=True, slots=True)
class Calendar:
    """The run's now in the client's zone, and the client's habits.

    `now` is aware; `leap_day` (feb28 or mar1) is when those born on 29 February have their birthday in a common year.
    """

    now: datetime
    zone: ZoneInfo
    week_starts: str = field(default="monday", kw_only=True)
    leap_day: str = field(default="feb28", kw_only=True)

    @property
    def today(self) -> date:
        """The local day of now."""
        return self.now.astimezone(self.zone).date()

    @property
    def instant(self) -> datetime:
        """Now, naive UTC."""
        return self.now.astimezone(UTC).replace(tzinfo=None)

    def to_utc(self, local: datetime) -> datetime:
        """A local wall time as an instant, fold 0 (rule 25); an aware one as it is."""
        aware = local if local.tzinfo else local.replace(tzinfo=self.zone, fold=0)
        return aware.astimezone(UTC).replace(tzinfo=None)

    def midnight(self, day: date) -> datetime:
        """The instant at which a local day starts."""
        return self.to_utc(datetime.combine(day, time()))

    def local_day(self, instant: datetime) -> date:
        """The local day of an instant."""
        return instant.replace(tzinfo=UTC).astimezone(self.zone).date()

    def shift(self, day: date, n: int, unit: Unit) -> date:
        """A day n calendar units later."""
        return day + timedelta(days=n * DAYS[unit]) if unit in DAYS else add_months(day, n * MONTHS[unit])

    def period(self, day: date, unit: Unit) -> date:
        """The first day of the calendar period that holds a day."""
        if unit is Unit.WEEK:
            return day - timedelta(days=(day.weekday() - WEEKDAYS.index(self.week_starts)) % 7)
        if unit is Unit.DAY:
            return day
        months = MONTHS[unit]
        return date(day.year, (day.month - 1) // months * months + 1, 1)

    # points: a day or one tick

    def exact(self, point: tree.Point) -> datetime | None:
        """The instant of a point that is not a whole day, else None."""
        match point:
            case tree.Now():
                return self.instant
            case tree.Moment(moment):
                return self.to_utc(moment)
            case tree.Shifted(n, unit) if unit in CLOCK:
                return self.instant + n * CLOCK[unit]
        return None

    def day_of(self, point: tree.Point) -> date:
        """The local day that a point is, or lies in."""
        match point:
            case tree.Day(day):
                return day
            case tree.Shifted(n, unit) if unit not in CLOCK:
                return self.shift(self.today, n, unit)
        instant = self.exact(point)
        return self.today if instant is None else self.local_day(instant)

    def point_instants(self, point: tree.Point) -> Interval[datetime]:
        """A point as instants: a whole local day, or one tick (rule 10)."""
        instant = self.exact(point)
        if instant is not None:
            return Interval(instant, instant + TICK)
        day = self.day_of(point)
        return Interval(self.midnight(day), self.midnight(day + timedelta(days=1)))

    def point_days(self, point: tree.Point) -> Interval[date]:
        """A point as local days."""
        day = self.day_of(point)
        return Interval(day, day + timedelta(days=1))

    # windows

    def days(self, window: tree.Window) -> Interval[date]:
        """A window over dates (rules 10 to 13)."""
        if _by_clock(window):
            low, high = self._clock(window)
            return Interval(self.local_day(low), self.local_day(high - TICK) + timedelta(days=1))
        return _DAYS[type(window)](self, window)

    def instants(self, window: tree.Window) -> Interval[datetime]:
        """A window over instants (rules 10 to 13): `last` ends with now itself, `next` starts with it."""
        if _by_clock(window):
            return Interval(*self._clock(window))
        match window:
            case tree.Span(start, end):
                return Interval(self.point_instants(start).low, self._end(end))
            case tree.Since(point) | tree.Before(point) | tree.On(point):
                found = self.point_instants(point)
                low = None if isinstance(window, tree.Before) else found.low
                high = {tree.Since: None, tree.Before: found.low}.get(type(window), found.high)
                return Interval(low, high)
        days = self.days(window)
        low, high = (None if day is None else self.midnight(day) for day in (days.low, days.high))
        if isinstance(window, tree.Last):
            return Interval(low, self.instant + TICK)
        return Interval(self.instant if isinstance(window, tree.Next) else low, high)

    def rows(self, window: tree.Window | None) -> Interval[datetime]:
        """A window over rows: those later than now do not count, unless the window names the future (rule 9)."""
        end = self.instant + TICK
        if window is None:
            return Interval(None, end)
        found = self.instants(window)
        if self._names_future(window, found):
            return found
        return Interval(found.low, end if found.high is None else min(end, found.high))

    def periods(self, window: tree.Window, unit: Unit, step: int) -> list[Interval[datetime]]:
        """The calendar periods that a bounded window touches, `step` units each from its first one, cut to it."""
        whole = self.rows(window)
        if whole.low is None or whole.high is None:
            raise ValueError(window)
        if unit in CLOCK:
            return self._clock_periods(whole.low, whole.high, step * CLOCK[unit])
        found, day = [], self.period(self.local_day(whole.low), unit)
        while (low := self.midnight(day)) < whole.high:
            day = self.shift(day, step, unit)
            found.append(Interval(max(low, whole.low), min(self.midnight(day), whole.high)))
        return found

    def anniversaries(self, days: Interval[date]) -> list[tuple[int, int]]:
        """The month-and-day numbers, as inclusive ranges, whose anniversary falls on one of the days (rule 14)."""
        if days.low is None or days.high is None or (days.high - days.low).days >= YEAR:
            return [(101, 1231)]
        found = set[int]()
        for offset in range((days.high - days.low).days):
            day = days.low + timedelta(days=offset)
            found |= {month_day(day)} | ({FEB_29} if self._stands_in(day) else set())
        return _ranges(found)

    def season(self, season: tree.Season) -> list[tuple[int, int]]:
        """The month-and-day numbers, as inclusive ranges, of a season of every year."""
        start, end = (one.month * 100 + one.day for one in (season.start, season.end))
        return [(start, end)] if start <= end else [(101, end), (start, 1231)]

    def turned(self) -> int:
        """The last month-and-day number whose birthday has come this year: those born later are a year younger."""
        return max(month_day(self.today), FEB_29 if self._stands_in(self.today) else 0)

    def offsets(self) -> tuple[tuple[datetime, int, int], ...]:
        """(instant, seconds east before it, after it) for every change of the zone's offset since 1970."""
        return _offsets(self.zone.key, self.now.year + 10)

    def _stands_in(self, day: date) -> bool:
        return not isleap(day.year) and month_day(day) == (FEB_28 if self.leap_day == "feb28" else MAR_1)

    def _clock(self, window: tree.Window) -> tuple[datetime, datetime]:
        now = self.instant
        match window:
            case tree.Last(n, unit):
                return now - n * CLOCK[unit], now + TICK
            case tree.Next(n, unit):
                return now, now + n * CLOCK[unit]
            case tree.This(unit) | tree.Previous(unit):
                local = self.now.astimezone(self.zone).replace(microsecond=0, second=0)
                local = local.replace(minute=0) if unit is Unit.HOUR else local
                if unit is Unit.SECOND:
                    local = self.now.replace(microsecond=0)
                low = local.astimezone(UTC).replace(tzinfo=None) - CLOCK[unit] * isinstance(window, tree.Previous)
                return low, low + CLOCK[unit]
        raise ValueError(window)

    def _end(self, point: tree.Point) -> datetime | None:
        instant = None if isinstance(point, tree.Now) else self.exact(point)
        return self.point_instants(point).high if instant is None else instant

    def _names_future(self, window: tree.Window, found: Interval[datetime]) -> bool:
        match window:
            case tree.Next():
                return True
            case tree.Since(point) | tree.Before(point) | tree.On(point) | tree.Span(_, point):
                low = self.point_instants(point).low
            case _:
                low = found.low
        return low is not None and low > self.instant

    def _clock_periods(self, low: datetime, high: datetime, step: timedelta) -> list[Interval[datetime]]:
        count = -((low - high) // step)
        return [Interval(low + n * step, min(low + (n + 1) * step, high)) for n in range(count)]


def _by_clock(window: tree.Window) -> bool:
    return isinstance(window, tree.Last | tree.Next | tree.This | tree.Previous) and window.unit in CLOCK


def _last(calendar: Calendar, window: tree.Last) -> Interval[date]:
    today = calendar.today
    return Interval(calendar.shift(today, -window.n, window.unit), today + timedelta(days=1))


def _next(calendar: Calendar, window: tree.Next) -> Interval[date]:
    return Interval(calendar.today, calendar.shift(calendar.today, window.n, window.unit))


def _calendar_period(calendar: Calendar, window: tree.This | tree.Previous) -> Interval[date]:
    low = calendar.period(calendar.today, window.unit)
    if isinstance(window, tree.Previous):
        low = calendar.shift(low, -1, window.unit)
    return Interval(low, calendar.shift(low, 1, window.unit))


def _year(_: Calendar, window: tree.Year) -> Interval[date]:
    return Interval(date(window.year, 1, 1), date(window.year + 1, 1, 1))


def _month(_: Calendar, window: tree.Month) -> Interval[date]:
    first = date(window.year, window.month, 1)
    return Interval(first, add_months(first, 1))


def _span(calendar: Calendar, window: tree.Span) -> Interval[date]:
    return Interval(calendar.day_of(window.start), calendar.day_of(window.end) + timedelta(days=1))


def _previous_season(calendar: Calendar, window: tree.Season) -> Interval[date]:
    """The latest one that is over: its last day is before today. 29 February alone is there in leap years only."""
    start, end = window.start, window.end
    wraps = (start.month, start.day) > (end.month, end.day)
    for year in range(calendar.today.year, calendar.today.year - LEAPLESS, -1):
        low, high = _on_or_after(year - wraps, start), _on_or_after(year, end, after=True)
        if low < high <= calendar.today:
            return Interval(low, high)
    raise ValueError(window)


def _on_or_after(year: int, day: tree.MonthDay, *, after: bool = False) -> date:
    """That day of a year, or the next one that there is; `after`: the day after it, if there is such a day."""
    if (day.month, day.day) == (2, 29) and not isleap(year):
        return date(year, 3, 1)
    return date(year, day.month, day.day) + timedelta(days=after)


_DAYS: dict[type, Callable[[Calendar, Any], Interval[date]]] = {
    tree.Last: _last,
    tree.Next: _next,
    tree.This: _calendar_period,
    tree.Previous: _calendar_period,
    tree.Year: _year,
    tree.Month: _month,
    tree.Span: _span,
    tree.Season: _previous_season,
    tree.Since: lambda calendar, window: Interval(calendar.day_of(window.point), None),
    tree.Before: lambda calendar, window: Interval(None, calendar.day_of(window.point)),
    tree.On: lambda calendar, window: calendar.point_days(window.point),
}


def _ranges(found: set[int]) -> list[tuple[int, int]]:
    year = [month_day(date(2000, 1, 1) + timedelta(days=n)) for n in range(366)]
    ranges: list[tuple[int, int]] = []
    for before, number in zip([0, *year], year, strict=False):
        if number in found:
            low = ranges.pop()[0] if ranges and ranges[-1][1] == before else number
            ranges.append((low, number))
    return ranges


@lru_cache
def _offsets(key: str, until: int) -> tuple[tuple[datetime, int, int], ...]:
    zone, found = ZoneInfo(key), []
    step, at = timedelta(days=7), datetime(1970, 1, 1, tzinfo=UTC)
    while at.year < until:
        low, high = at, at + step
        if _east(low, zone) != _east(high, zone):
            while high - low > timedelta(seconds=1):
                middle = low + ((high - low) // 2 // timedelta(seconds=1)) * timedelta(seconds=1)
                low, high = (low, middle) if _east(middle, zone) != _east(at, zone) else (middle, high)
            found.append((high.replace(tzinfo=None), _east(low, zone), _east(high, zone)))
        at += step
    return tuple(found)


def _east(at: datetime, zone: ZoneInfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
