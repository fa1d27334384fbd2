"""What type a value has, and which types can meet."""

from __future__ import annotations

from engine.language.tree import (
    Amount,
    Anniversary,
    Bucket,
    Day,
    DaysSince,
    Duration,
    Moment,
    Now,
    Number,
    Rank,
    Shifted,
    Text,
    Today,
    Truth,
    Type,
    Unit,
    Value,
)

CLOCK_UNITS = frozenset({Unit.SECOND, Unit.MINUTE, Unit.HOUR})
NUMERIC = frozenset({Type.NUMBER, Type.MONEY})
TIME = frozenset({Type.DATE, Type.INSTANT})
ORDERED = NUMERIC | TIME | {Type.DURATION}
SPOKEN = {
    Type.TEXT: "a text",
    Type.NUMBER: "a number",
    Type.MONEY: "an amount",
    Type.DURATION: "a duration",
    Type.DATE: "a date",
    Type.INSTANT: "a date with a time",
    Type.BOOLEAN: "yes or no",
    Type.LIST: "a list",
}
_FIXED = {
    Number: Type.NUMBER,
    Amount: Type.MONEY,
    Duration: Type.DURATION,
    Text: Type.TEXT,
    Truth: Type.BOOLEAN,
    Day: Type.DATE,
    Today: Type.DATE,
    Moment: Type.INSTANT,
    Now: Type.INSTANT,
    DaysSince: Type.NUMBER,
    Rank: Type.NUMBER,
    Bucket: Type.NUMBER,
    Anniversary: Type.DATE,
}


def type_of(value: Value) -> Type:
    """The type of any value; `3 days ago` is a date, `3 hours ago` an instant."""
    if isinstance(value, Shifted):
        return Type.INSTANT if value.unit in CLOCK_UNITS else Type.DATE
    fixed = _FIXED.get(type(value))
    if fixed is not None:
        return fixed
    found: Type = value.type  # type: ignore[union-attr]  # every other value declares its type
    return found


def family(kind: Type) -> frozenset[Type]:
    """The types that may be compared with this one."""
    return next((group for group in (NUMERIC, TIME) if kind in group), frozenset({kind}))


def common_type(left: Type, right: Type) -> Type | None:
    """The type of a choice between two values; None where they cannot meet."""
    if left == right:
        return left
    if {left, right} == NUMERIC:
        return Type.MONEY
    return Type.INSTANT if {left, right} == TIME else None
