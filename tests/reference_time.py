"""Time for the reference: days are compared as local dates, where compute compares instants with midnights."""

from __future__ import annotations

from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.language import tree

CLOCK = {"second": 1, "minute": 60, "hour": 3600}
FIXED = {**CLOCK, "day": 86400, "week": 604800}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
TICK = timedelta(microseconds=1)
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(kw_only=True)
class Calendar:
    """Now, the client's zone and habits. Instants are naive UTC."""

    now: datetime
    zone: ZoneInfo
    week_starts: str = "monday"
    leap_day: str = "feb28"

    def instant(self) -> datetime:
        return self.now.astimezone(UTC).replace(tzinfo=None)

    def local(self, at: datetime) -> datetime:
        return at.replace(tzinfo=UTC).astimezone(self.zone)

    def today(self) -> date:
        return self.local(self.instant()).date()

    def utc(self, wall: datetime) -> datetime:
        aware = wall if wall.tzinfo else wall.replace(tzinfo=self.zone, fold=0)
        return aware.astimezone(UTC).replace(tzinfo=None)

    def day(self, at: date | datetime) -> date:
        return self.local(at).date() if isinstance(at, datetime) else at

    def moment(self, point: tree.Point) -> datetime | None:
        """The instant of a point that is not a whole day."""
        if isinstance(point, tree.Now):
            return self.instant()
        if isinstance(point, tree.Moment):
            return self.utc(point.moment)
        if isinstance(point, tree.Shifted) and point.unit in CLOCK:
            return self.instant() + timedelta(seconds=point.n * CLOCK[point.unit])
        return None

    def point_day(self, point: tree.Point) -> date:
        if isinstance(point, tree.Day):
            return point.day
        if isinstance(point, tree.Today):
            return self.today()
        moment = self.moment(point)
        return shift(self.today(), point.n, point.unit) if moment is None else self.day(moment)

    def place(self, at: date | datetime, point: tree.Point) -> int:
        """-1 before the point, 0 in it, 1 after it."""
        moment = self.moment(point)
        if isinstance(at, datetime) and moment is not None:
            return (at > moment) - (at < moment)
        mine, other = self.day(at), self.point_day(point)
        return (mine > other) - (mine < other)

    def inside(self, window: tree.Window, at: date | datetime) -> bool:  # noqa: C901, PLR0911, PLR0912 - one case a window reads plainest
        day, today, now = self.day(at), self.today(), self.instant()
        is_instant = isinstance(at, datetime)
        match window:
            case tree.Last(n, unit) if unit in CLOCK:
                start = now - timedelta(seconds=n * CLOCK[unit])
                return start <= at <= now if is_instant else self.day(start) <= at <= today
            case tree.Last(n, unit):
                return shift(today, -n, unit) <= day and (at <= now if is_instant else at <= today)
            case tree.Next(n, unit) if unit in CLOCK:
                end = now + timedelta(seconds=n * CLOCK[unit])
                return now <= at < end if is_instant else today <= at <= self.day(end - TICK)
            case tree.Next(n, unit):
                return day < shift(today, n, unit) and (now <= at if is_instant else today <= at)
            case tree.This(unit):
                return self.first(day, unit) == self.first(today, unit)
            case tree.Previous(unit):
                return self.first(day, unit) == self.first(self.first(today, unit) - timedelta(days=1), unit)
            case tree.Year(year):
                return day.year == year
            case tree.Month(year, month):
                return (day.year, day.month) == (year, month)
            case tree.Season(start, end, previous):
                return in_season(day, start, end) and (not previous or self.in_previous(day, start, end))
            case tree.Since(point):
                return self.place(at, point) >= 0
            case tree.Before(point):
                return self.place(at, point) < 0
            case tree.On(point):
                return self.place(at, point) == 0
            case tree.Span(start, end):
                is_open = is_instant and self.moment(end) is not None and not isinstance(end, tree.Now)
                return self.place(at, start) >= 0 and (self.place(at, end) < (0 if is_open else 1))
        raise TypeError(window)

    def first(self, day: date, unit: str) -> date:
        """The first day of a calendar period."""
        if unit in MONTHS:
            day = day.replace(day=1)
        while not is_first(day, unit, WEEK.index(self.week_starts)):
            day = shift(day, -1, "month" if unit in MONTHS else "day")
        return day

    def in_previous(self, day: date, start: tree.MonthDay, end: tree.MonthDay) -> bool:
        """Whether today is after the season of this day, and no other season was over in between."""
        last = day
        while goes_on(last, start, end):
            last += timedelta(days=1)
        later = [last + timedelta(days=n) for n in range(1, max(0, (self.today() - last).days))]
        over = [one for one in later if in_season(one, start, end) and not goes_on(one, start, end)]
        return last < self.today() and not over

    def names_future(self, window: tree.Window | None) -> bool:
        match window:
            case tree.Next():
                return True
            case tree.Since(point) | tree.Before(point) | tree.On(point) | tree.Span(_, point):
                return self.place(self.instant(), point) < 0
            case tree.Year(year):
                return year > self.today().year
            case tree.Month(year, month):
                return (year, month) > (self.today().year, self.today().month)
        return False

    def anniversary_in(self, window: tree.Window, born: date) -> bool:
        """Whether the anniversary of some year falls into the window."""
        years = range(self.today().year - 2, self.today().year + 3)
        return any(self.inside(window, self.celebrated(born, year)) for year in years)

    def celebrated(self, born: date, year: int) -> date:
        if (born.month, born.day) == (2, 29) and not isleap(year):
            return date(year, 2, 28) if self.leap_day == "feb28" else date(year, 3, 1)
        return born.replace(year=year)


def in_season(day: date, start: tree.MonthDay, end: tree.MonthDay) -> bool:
    mine, low, high = (day.month, day.day), (start.month, start.day), (end.month, end.day)
    return low <= mine <= high if low <= high else mine >= low or mine <= high


def begins(day: date, start: tree.MonthDay) -> bool:
    """Whether a season starts on this day: that of the start, or in a common year 1 March for 29 February."""
    leapless = (start.month, start.day) == (2, 29) and not isleap(day.year)
    return (day.month, day.day) == ((3, 1) if leapless else (start.month, start.day))


def goes_on(day: date, start: tree.MonthDay, end: tree.MonthDay) -> bool:
    tomorrow = day + timedelta(days=1)
    return in_season(tomorrow, start, end) and not begins(tomorrow, start)


def is_first(day: date, unit: str, week_start: int) -> bool:
    if unit == "week":
        return day.weekday() == week_start
    return unit == "day" or (day.day == 1 and (day.month - 1) % MONTHS[unit] == 0)


def shift(day: date, n: int, unit: str) -> date:
    if unit in FIXED:
        return day + timedelta(seconds=n * FIXED[unit])
    months = day.year * 12 + day.month - 1 + n * MONTHS[unit]
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
