"""Points and windows as local dates that a person reads."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.language.kinds import CLOCK_UNITS
from engine.language.tree import (
    Before,
    Day,
    Last,
    Moment,
    Month,
    Next,
    Now,
    On,
    Point,
    Previous,
    Season,
    Shifted,
    Since,
    Span,
    This,
    Today,
    Unit,
    Window,
    Year,
)
from engine.language.words.lexicon import Lexicon

_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_SECONDS = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3600}
_LEAP_YEAR = 2024  # every day of a year is in it
_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """A run's now in the client's zone, in one language; `yearless` leaves the year out, for anniversaries."""

    lexicon: Lexicon
    now: datetime
    zone: ZoneInfo
    week_starts: str = "monday"
    yearless: bool = False

    @property
    def today(self) -> date:
        """The local day of now."""
        return self.now.astimezone(self.zone).date()

    def point(self, point: Point) -> str:
        """`July 1, 2017`, `December 31, 2017, 09:00` or `now`."""
        if isinstance(point, Now):
            return self.lexicon.say("now")
        found = self.resolve(point)
        return self.moment(found) if isinstance(found, datetime) else self.day(found)

    def bound(self, point: Point) -> str:
        """The same with the article that French wants: `le 1er juillet 2017`."""
        return self.articled(self.point(point)) if not isinstance(point, Now) else self.point(point)

    def articled(self, text: str) -> str:
        """`le 1er juillet 2017` in French; English wants none."""
        return f"le {text}" if self.lexicon.lang == "fr" else text

    def resolve(self, point: Point) -> date | datetime:
        """A local day, or a local moment."""
        if isinstance(point, Day):
            return point.day
        if isinstance(point, Shifted):
            if point.unit in CLOCK_UNITS:
                return self._local(self.now + timedelta(seconds=point.n * _SECONDS[point.unit]))
            return shift(self.today, point.n, point.unit)
        if isinstance(point, Moment):
            return self._local(point.moment) if point.moment.tzinfo else point.moment
        return self.today if isinstance(point, Today) else self._local(self.now)

    def day(self, day: date) -> str:
        """`July 1, 2017` or `1er juillet 2017`."""
        from babel.dates import format_date

        french = self.lexicon.lang == "fr"
        pattern = ("d MMMM" if french else "MMMM d") if self.yearless else ("d MMMM y" if french else "MMMM d, y")
        text: str = format_date(day, pattern, locale=self.lexicon.lang)
        return text.replace("1 ", "1er ", 1) if french and day.day == 1 else text

    def moment(self, moment: datetime) -> str:
        """A local day with its time."""
        day = Dates(lexicon=self.lexicon, now=self.now, zone=self.zone).day(moment.date())
        return f"{day}{', ' if self.lexicon.lang == 'en' else ' à '}{moment:%H:%M}"

    def window(self, window: Window, *, starting: bool = False) -> str:
        """`between July 1, 2017 and now`; `starting` words an open beginning as a place in time, not a stretch."""
        if isinstance(window, Since):
            return self._from(window.point, starting=starting)
        if isinstance(window, Before):
            return self.lexicon.say("before", point=self.bound(window.point))
        if isinstance(window, Span):
            return self.lexicon.say("from_to", start=self.bound(window.start), end=self.bound(window.end))
        if isinstance(window, On):
            return self._on(window.point)
        if isinstance(window, Season):
            return self._season(window)
        return self._sliding(window) if isinstance(window, Last | Next) else self._period(window)

    def _on(self, point: Point) -> str:
        found = self.resolve(point)
        if isinstance(found, datetime):
            return self.lexicon.say("at", moment=self.moment(found))
        return self.lexicon.say("on", day=self.day(found))

    def _from(self, point: Point, *, starting: bool) -> str:
        text = self.lexicon.say("starting" if starting else "since", point=self.bound(point))
        return text.replace("de le ", "du ")

    def _sliding(self, window: Last | Next) -> str:
        past, now = isinstance(window, Last), self.lexicon.say("now")
        far = Shifted(-window.n if past else window.n, window.unit)
        if window.unit in CLOCK_UNITS:
            start, end = (self.bound(far), now) if past else (now, self.bound(far))
        elif past:
            start, end = self.bound(far), self.articled(self.day(self.today)) if self.yearless else now
        else:
            last = shift(self.today, window.n, window.unit) - _ONE
            start, end = self.articled(self.day(self.today)), self.articled(self.day(last))
            if last <= self.today:
                return self.lexicon.say("on", day=self.day(self.today))
        return self.lexicon.say("from_to", start=start, end=end)

    def _period(self, window: This | Previous | Year | Month) -> str:
        if isinstance(window, This | Previous) and window.unit in CLOCK_UNITS:
            moment = self._local(self.now) - (timedelta(0) if isinstance(window, This) else _span(window.unit))
            return self.lexicon.say("at", moment=self.moment(moment))
        start, end = self._days(window)
        if (end - start) == _ONE:
            return self.lexicon.say("on", day=self.day(start))
        whole = {Unit.YEAR: "y", Unit.MONTH: "MMMM" if self.yearless else "MMMM y"}
        unit = (
            window.unit
            if isinstance(window, This | Previous)
            else Unit.YEAR
            if isinstance(window, Year)
            else Unit.MONTH
        )
        if unit in whole:
            from babel.dates import format_date

            return self.lexicon.say("in", period=format_date(start, whole[unit], locale=self.lexicon.lang))
        first, last = self.articled(self.day(start)), self.articled(self.day(end - _ONE))
        return self.lexicon.say("from_to", start=first, end=last)

    def _season(self, season: Season) -> str:
        if season.previous:
            start, end = self.latest(season)
            return self.lexicon.say("from_to", start=self.articled(self.day(start)), end=self.articled(self.day(end)))
        yearless = replace(self, yearless=True)
        start, end = (date(_LEAP_YEAR, one.month, one.day) for one in (season.start, season.end))
        first, last = (self.articled(yearless.day(one)) for one in (start, end))
        return self.lexicon.say("every_day" if start == end else "every", start=first, end=last)

    def latest(self, season: Season) -> tuple[date, date]:
        """The first and the last day of the latest season that is over."""
        day = self.today - _ONE
        while not _is_last(day, season):
            day -= _ONE
        start = day
        while _in_season(start - _ONE, season) and not _is_last(start - _ONE, season):
            start -= _ONE
        return start, day

    def _days(self, window: This | Previous | Year | Month) -> tuple[date, date]:
        """The first day, and the day after the last."""
        if isinstance(window, Year):
            return date(window.year, 1, 1), date(window.year + 1, 1, 1)
        if isinstance(window, Month):
            first = date(window.year, window.month, 1)
            return first, shift(first, 1, Unit.MONTH)
        start = self._start(window.unit)
        start = shift(start, -1, window.unit) if isinstance(window, Previous) else start
        return start, shift(start, 1, window.unit)

    def _start(self, unit: Unit) -> date:
        """The first day of the calendar period of today."""
        if unit is Unit.DAY:
            return self.today
        if unit is Unit.WEEK:
            first = 6 if self.week_starts == "sunday" else 0
            return self.today - timedelta(days=(self.today.weekday() - first) % 7)
        months = _MONTHS[unit]
        return date(self.today.year, (self.today.month - 1) // months * months + 1, 1)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None) if moment.tzinfo else moment.replace(tzinfo=UTC)


def shift(day: date, n: int, unit: Unit) -> date:
    """A day n calendar units later; months clamp to their last day (rule 13)."""
    if unit in _DAYS:
        return day + timedelta(days=n * _DAYS[unit])
    year, month = divmod(day.year * 12 + day.month - 1 + n * _MONTHS[unit], 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _in_season(day: date, season: Season) -> bool:
    mine, low, high = ((one.month, one.day) for one in (day, season.start, season.end))
    return low <= mine <= high if low <= high else mine >= low or mine <= high


def _is_last(day: date, season: Season) -> bool:
    """Whether a season ends with this day."""
    mine, tomorrow = ((one.month, one.day) for one in (day, day + _ONE))
    low, high = ((one.month, one.day) for one in (season.start, season.end))
    wraps_fully = tomorrow == low or (low == (2, 29) and mine == (2, 28) and tomorrow == (3, 1))
    return _in_season(day, season) and (mine == high or wraps_fully or not _in_season(day + _ONE, season))


def _span(unit: Unit) -> timedelta:
    return timedelta(seconds=_SECONDS[unit])
