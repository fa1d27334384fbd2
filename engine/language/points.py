"""Numbers, dates, points and windows: from tokens to nodes, within what a calendar can hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from engine.language.kinds import CLOCK_UNITS
from engine.language.mistakes import Wrong
from engine.language.syntax import Branch, place
from engine.language.tree import (
    Before,
    Day,
    Last,
    Moment,
    Month,
    MonthDay,
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

TOKEN = str
_DIGITS = 18
_YEARS = range(1800, 2201)
_FARTHEST_DAYS = 366 * 200
_DAYS = {
    Unit.SECOND: 1 / 86400, Unit.MINUTE: 1 / 1440, Unit.HOUR: 1 / 24, Unit.DAY: 1.0, Unit.WEEK: 7.0,
    Unit.MONTH: 30.4, Unit.QUARTER: 91.3, Unit.YEAR: 365.25,
}  # fmt: skip
_LEAP_YEAR = 2024  # every day of a year is in it
_YEARS_HINT = "years run from 1800 to 2200"


def token(branch: Branch, index: int) -> str:
    """The text of a child that is a token."""
    return str(branch.children[index])


def place_of(branch: Branch, index: int) -> int:
    """The offset of a child."""
    return place(branch.children[index])


def unit_of(text: str) -> Unit:
    """`Months` is Unit.MONTH."""
    return Unit(text.lower().removesuffix("s"))


def number_of(text: str, at: int) -> Decimal:
    """A decimal of at most 18 digits, which every engine keeps exactly."""
    if len(text.replace(".", "").lstrip("0")) > _DIGITS:
        raise Wrong("too-large", at, None, number=f"{text[:_DIGITS]}…", limit=_DIGITS)
    return Decimal(text)


def whole_of(text: str, at: int) -> int:
    """A whole number above zero."""
    if "." in text or int(text) < 1:
        raise Wrong("whole-number", at, None, number=text)
    return int(number_of(text, at))


def span_of(branch: Branch, index: int) -> tuple[int, Unit]:
    """`n unit` at two neighbouring tokens, not longer than 200 years."""
    at = place_of(branch, index)
    n, unit = whole_of(token(branch, index), at), unit_of(token(branch, index + 1))
    if n * _DAYS[unit] > _FARTHEST_DAYS:
        raise Wrong("too-far", at, "at most 200 years", text=f"{n} {unit}s")
    return n, unit


def build_point(branch: Branch) -> Point:
    """The point that a syntax tree spells."""
    return _POINTS[str(branch.data)](branch)


def build_window(branch: Branch) -> Window:
    """The window that a syntax tree spells."""
    return _WINDOWS[str(branch.data)](branch)


def build_row_window(branch: Branch, source: str, time: str) -> Window:
    """The window of a source's rows: one stretch of time."""
    window = build_window(branch)
    if isinstance(window, Season) and not window.previous:
        text = f"{_two(window.start)} to {_two(window.end)}"
        hint = f"write {source} where {time} in every {text}; or for the latest one: previous {text}"
        raise Wrong("every-year", window.at, hint)
    return window


def _two(day: MonthDay) -> str:
    return f"{day.month:02d}-{day.day:02d}"


def window_days(window: Window) -> float | None:
    """About how many days a window lasts; None where it is open or its length depends on now."""
    if isinstance(window, Last | Next):
        return window.n * _DAYS[window.unit]
    if isinstance(window, This | Previous):
        return _DAYS[window.unit]
    if isinstance(window, Span):
        start, end = _from_now(window.start), _from_now(window.end)
        if start is not None and end is not None:
            return end - start + 1
        if isinstance(window.start, Day) and isinstance(window.end, Day):
            return float((window.end.day - window.start.day).days + 1)
        return None
    return {Year: 366.0, Month: 31.0, On: 1.0, Season: 366.0}.get(type(window))


def unit_days(unit: Unit) -> float:
    """About how many days a unit lasts."""
    return _DAYS[unit]


def _day(branch: Branch) -> Day:
    at = place(branch)
    try:
        day = date.fromisoformat(token(branch, 0))
    except ValueError:
        raise Wrong("no-such-date", at, None, text=token(branch, 0)) from None
    _check_year(day.year, token(branch, 0), at)
    return Day(day, at=at)


def _moment(branch: Branch) -> Moment:
    at = place(branch)
    try:
        moment = datetime.fromisoformat(token(branch, 0))
    except ValueError:
        raise Wrong("no-such-date", at, None, text=token(branch, 0)) from None
    _check_year(moment.year, token(branch, 0), at)
    return Moment(moment.astimezone(UTC) if moment.tzinfo else moment, at=at)


def _shifted(branch: Branch, sign: int) -> Shifted:
    n, unit = span_of(branch, 0)
    return Shifted(sign * n, unit, at=place(branch))


def _check_year(year: int, text: str, at: int) -> None:
    if year not in _YEARS:
        raise Wrong("no-such-date", at, _YEARS_HINT, text=text)


def _year(branch: Branch) -> Year:
    text, at = token(branch, 0), place(branch)
    if not text.isdigit() or int(text[:9]) not in _YEARS:
        raise Wrong("no-such-date", at, f"a list stands between brackets: in ({text}); {_YEARS_HINT}", text=text[:20])
    return Year(int(text), at=at)


def _month(branch: Branch) -> Month:
    text, at = token(branch, 0), place(branch)
    year, month = int(text[:4]), int(text[5:])
    if not 1 <= month <= 12:  # noqa: PLR2004 - months of a year
        raise Wrong("no-such-date", at, "months run from 01 to 12", text=text)
    _check_year(year, text, at)
    return Month(year, month, at=at)


def _span(branch: Branch) -> Span:
    start, end = _inner_point(branch, 0), _inner_point(branch, 1)
    near, far = _from_now(start), _from_now(end)
    if isinstance(start, Day) and isinstance(end, Day):
        backwards = start.day > end.day
    else:
        backwards = near is not None and far is not None and near > far + 1
    if backwards:
        raise Wrong("backwards", start.at, "put the earlier end first")
    return Span(start, end, at=place(branch))


def _season(branch: Branch, *, previous: bool) -> Season:
    start, end = (_month_day(token(branch, index), place_of(branch, index)) for index in (0, 1))
    return Season(start, end, previous, at=place(branch))


def _month_day(text: str, at: int) -> MonthDay:
    try:
        day = date.fromisoformat(f"{_LEAP_YEAR}-{text}")
    except ValueError:
        hint = "write month and day: 12-24 is 24 December"
        raise Wrong("no-such-date", at, hint, text=text) from None
    return MonthDay(day.month, day.day, at=at)


def _from_now(point: Point) -> float | None:
    """About how many days after now a relative point is."""
    if isinstance(point, Shifted):
        return point.n * _DAYS[point.unit]
    return 0.0 if isinstance(point, Today | Now) else None


def _inner_point(branch: Branch, index: int) -> Point:
    return build_point(cast("Branch", branch.children[index]))


def is_clock(unit: Unit) -> bool:
    """Whether a unit is counted exactly, not on the calendar."""
    return unit in CLOCK_UNITS


_POINTS: dict[str, Callable[[Branch], Point]] = {
    "day": _day,
    "moment": _moment,
    "today": lambda branch: Today(at=place(branch)),
    "now": lambda branch: Now(at=place(branch)),
    "ago": lambda branch: _shifted(branch, -1),
    "from_now": lambda branch: _shifted(branch, 1),
}
POINTS = frozenset(_POINTS)
_WINDOWS: dict[str, Callable[[Branch], Window]] = {
    "last": lambda branch: Last(*span_of(branch, 0), at=place(branch)),
    "next": lambda branch: Next(*span_of(branch, 0), at=place(branch)),
    "this": lambda branch: This(unit_of(token(branch, 0)), at=place(branch)),
    "previous": lambda branch: Previous(unit_of(token(branch, 0)), at=place(branch)),
    "every": lambda branch: _season(branch, previous=False),
    "previous_season": lambda branch: _season(branch, previous=True),
    "since": lambda branch: Since(_inner_point(branch, 0), at=place(branch)),
    "before": lambda branch: Before(_inner_point(branch, 0), at=place(branch)),
    "span": _span,
    "year": _year,
    "year_month": _month,
    "on": lambda branch: On(_inner_point(branch, 0), at=place(branch)),
}
