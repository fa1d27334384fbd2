"""The stretch of values that a test leaves to what it compares: what lints reckon with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.language.printer import to_text
from engine.language.tree import (
    Aggregate,
    Amount,
    Between,
    Bucket,
    CalendarPart,
    Compare,
    Day,
    Did,
    Duration,
    InWindow,
    Last,
    Month,
    Number,
    On,
    Rank,
    Shifted,
    Span,
    Test,
    Today,
    Trait,
    Type,
    Unit,
    Value,
    Window,
    Year,
)
from engine.traits import Trait as NamedTrait

Traits = Mapping[str, NamedTrait]
_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SECONDS = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3_600, Unit.DAY: 86_400, Unit.WEEK: 604_800}
# the fewest and the most days of a unit, midnights and clock changes included: what is said is then certain
_DAYS = {
    Unit.SECOND: (0, 1), Unit.MINUTE: (0, 1), Unit.HOUR: (0, 1), Unit.DAY: (1, 1), Unit.WEEK: (7, 7), Unit.MONTH: (28, 31),
    Unit.QUARTER: (90, 92), Unit.YEAR: (365, 366),
}  # fmt: skip
_COUNTS = frozenset({"count", "distinct", "periods"})
_PARTS = {"hour": (0, 23), "month": (1, 12)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From `low` to `high`, both included unless open; None is unbounded."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no value lies in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def meet(self, other: Range) -> Range:
        """What lies in both."""
        low, low_open = max(
            (_low(one) for one in (self, other)), key=lambda end: (end[0] is not None, end[0] or 0, end[1])
        )
        high, high_open = min(
            (_high(one) for one in (self, other)), key=lambda end: (end[0] is None, end[0] or 0, not end[1])
        )
        return Range(low=low, high=high, low_open=low_open, high_open=high_open)


def _low(one: Range) -> tuple[Decimal | None, bool]:
    return one.low, one.low_open


def _high(one: Range) -> tuple[Decimal | None, bool]:
    return one.high, one.high_open


def ranges(test: Test, traits: Traits) -> list[tuple[str, Range]]:
    """What a test asks of each thing that it compares with a literal; nothing where that cannot be said."""
    if isinstance(test, Compare):
        return _compared(test, traits)
    if isinstance(test, Between) and not test.negated:
        low, high = Compare(">=", test.of, test.low), Compare("<=", test.of, test.high)
        return [*_compared(low, traits), *_compared(high, traits)]
    if isinstance(test, InWindow) and not test.negated:
        return [(to_text(test.of) + axis, found) for axis, found in _of_window(test.window)]
    return []


def counted(test: Test) -> tuple[Aggregate, Range] | None:
    """The rows that a test counts, and how many it asks for: `did` is at least one, `never` none."""
    if isinstance(test, Did) and test.then is None:
        count = Aggregate("count", test.rows, None, test.window, Type.NUMBER)
        return count, Range(high=Decimal(0)) if test.never else Range(low=Decimal(1))
    if isinstance(test, Compare):
        left, op, right = _literal_last(test)
        if isinstance(left, Aggregate) and left.fn == "count" and isinstance(right, Number):
            found = _of_operator(op, right.value)
            return None if found is None else (left, found)
    return None


def holds(wide: Aggregate, narrow: Aggregate) -> bool:
    """Whether all rows of the one are surely rows of the other."""
    same = wide.rows.source == narrow.rows.source and wide.rows.where in (None, narrow.rows.where)
    return same and (wide.window is None or wide.window == narrow.window or _longer(wide.window, narrow.window))


def _longer(wide: Window, narrow: Window | None) -> bool:
    if not isinstance(wide, Last) or not isinstance(narrow, Last):
        return False
    if wide.unit is narrow.unit:
        return wide.n >= narrow.n
    return wide.n * _DAYS[wide.unit][0] >= narrow.n * _DAYS[narrow.unit][1]


def _compared(test: Compare, traits: Traits) -> list[tuple[str, Range]]:
    left, op, right = _literal_last(test)
    if isinstance(right, Day | Shifted | Today):
        return [(to_text(left) + axis, found) for axis, found in _of_point(op, right)]
    number = _number(right)
    found = None if number is None else _of_operator(op, number)
    if found is None:
        return []
    return [(to_text(left), found), (to_text(left), _domain(left, traits))]


def _literal_last(test: Compare) -> tuple[Value, str, Value]:
    """The comparison with its literal to the right."""
    if _number(test.left) is not None and _number(test.right) is None and test.op in _FLIPPED:
        return test.right, _FLIPPED[test.op], test.left
    return test.left, test.op, test.right


def _number(value: Value) -> Decimal | None:
    if isinstance(value, Number | Amount):
        return value.value
    if isinstance(value, Duration) and value.unit in _SECONDS:
        return Decimal(value.n * _SECONDS[value.unit])
    return None


def _of_operator(op: str, number: Decimal) -> Range | None:
    return {
        "=": Range(low=number, high=number),
        "<": Range(high=number, high_open=True),
        "<=": Range(high=number),
        ">": Range(low=number, low_open=True),
        ">=": Range(low=number),
    }.get(op)


def _domain(value: Value, traits: Traits) -> Range:
    """What a value can be at all."""
    if isinstance(value, Trait) and value.name in traits:
        value = traits[value.name].node
    if isinstance(value, Bucket):
        return Range(low=Decimal(0), high=Decimal(100), high_open=True)
    if isinstance(value, Rank):
        return Range(low=Decimal(1), high=Decimal(value.parts))
    if isinstance(value, CalendarPart) and value.part in _PARTS:
        low, high = _PARTS[value.part]
        return Range(low=Decimal(low), high=Decimal(high))
    if isinstance(value, Aggregate) and value.fn == "share":
        return Range(low=Decimal(0), high=Decimal(1))
    if (isinstance(value, Aggregate) and value.fn in _COUNTS) or (isinstance(value, Trait) and value.name == "age"):
        return Range(low=Decimal(0))
    return Range()


def _of_point(op: str, point: Day | Shifted | Today) -> list[tuple[str, Range]]:
    """The days that a comparison leaves: on the calendar, or counted from today, each end as far out as it can be."""
    axis, low, high = _place(point)
    found = {
        "=": Range(low=low, high=high), "<": Range(high=high), "<=": Range(high=high), ">": Range(low=low), ">=": Range(low=low),
    }.get(op)  # fmt: skip
    return [] if found is None else [(axis, found)]


def _place(point: Day | Shifted | Today) -> tuple[str, Decimal, Decimal]:
    if isinstance(point, Day):
        day = Decimal(point.day.toordinal())
        return " on the calendar", day, day
    n, (least, most) = (point.n, _DAYS[point.unit]) if isinstance(point, Shifted) else (0, (1, 1))
    ends = sorted((n * least, n * most))
    return " from today", Decimal(ends[0] - 1), Decimal(ends[1] + 1)


def _of_window(window: Window) -> list[tuple[str, Range]]:
    if isinstance(window, Last):
        return [(" from today", Range(low=Decimal(-window.n * _DAYS[window.unit][1] - 1), high=Decimal(1)))]
    if isinstance(window, Span) and all(isinstance(end, Day | Shifted | Today) for end in (window.start, window.end)):
        return [*_of_point(">=", window.start), *_of_point("<=", window.end)]  # type: ignore[arg-type]  # said just now
    if isinstance(window, On) and isinstance(window.point, Day | Shifted | Today):
        return _of_point("=", window.point)
    if isinstance(window, Year | Month):
        month = window.month if isinstance(window, Month) else None
        first, last = (Decimal(window.year * 372 + (m - 1) * 31) for m in ((month, month) if month else (1, 12)))
        return [(" by month", Range(low=first, high=last))]
    return []
