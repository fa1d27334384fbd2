"""Points and windows in time, as the language spells them. `at`, the place in the text, does not count in comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias


class Unit(StrEnum):
    """Calendar and clock units."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def place_field() -> int:
    """The offset of the first character, kept out of comparisons."""
    return field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Day:
    """A literal date: a whole local day when it stands for an instant (rule 10)."""

    day: date
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Moment:
    """A literal instant: naive means local (rule 25)."""

    moment: datetime
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Today:
    """The local day of now."""

    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Now:
    """The run's now."""

    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Shifted:
    """`n unit ago` (n < 0) or `n unit from now` (n > 0)."""

    n: int
    unit: Unit
    at: int = place_field()


Point: TypeAlias = Day | Moment | Today | Now | Shifted


@dataclass(frozen=True, slots=True)
class Last:
    """`last n unit` (rule 11)."""

    n: int
    unit: Unit
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Next:
    """`next n unit` (rule 12)."""

    n: int
    unit: Unit
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class This:
    """`this unit`: the calendar period of now."""

    unit: Unit
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Previous:
    """`previous unit`: the calendar period before."""

    unit: Unit
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Since:
    """`since point`."""

    point: Point
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Before:
    """`before point`."""

    point: Point
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Span:
    """`between point and point`."""

    start: Point
    end: Point
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Year:
    """`2026`."""

    year: int
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Month:
    """`2026-03`."""

    year: int
    month: int
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class On:
    """A single point as a window: `2026-03-02`, `today`."""

    point: Point
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class MonthDay:
    """`12-24`: a day of every year; 29 February is there in leap years only."""

    month: int
    day: int
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Season:
    """`every 12-01 to 12-24`, both days included, over the year's end where the end comes first in the year.

    `previous 12-01 to 12-24` is the latest one that is over.
    """

    start: MonthDay
    end: MonthDay
    previous: bool = False
    at: int = place_field()


Window: TypeAlias = Last | Next | This | Previous | Since | Before | Span | Year | Month | On | Season
