"""The typed tree of a segment or trait: what a definition means, without a word of SQL.

Nodes are frozen and compare by meaning: `at`, the place in the text (offset of the first character), does not
count. `Test` nodes are true or false for every customer, `Value` nodes have a `Type` and may be unknown.
Inside a `Rows.where`, `Column` stands for a column of the row; outside, `Trait` stands for a fact of the customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from engine.language.windows import (
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
    place_field,
)

__all__ = [
    "Aggregate", "Amount", "And", "Anniversary", "Arithmetic", "Before", "Between", "Bucket", "CalendarPart", "Column", "Compare",
    "Day", "DaysSince", "Default", "Did", "Duration", "Has", "If", "InSegment", "InWindow", "Known", "Last",
    "Moment", "Month", "MonthDay", "Next", "Node", "Not", "Now", "Number", "On", "OneOf", "Or", "Point", "Previous", "Rank",
    "Reachable", "Rows", "Season", "Shifted", "Since", "Span", "Test", "Text", "TextTest", "Then", "This", "Today", "Top",
    "Trait", "Truth", "Type", "Unit", "Value", "Window", "Within", "Year", "Yes",
]  # fmt: skip


class Type(StrEnum):
    """What a value is."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DURATION = "duration"  # seconds as a number, or calendar units in a literal
    DATE = "date"
    INSTANT = "instant"
    BOOLEAN = "boolean"
    LIST = "list"  # of texts


# values


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `n%` is n/100 with `percent` kept for the printer."""

    value: Decimal
    percent: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in the shop's currency (rule 19)."""

    value: Decimal
    currency: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Duration:
    """`45 days`."""

    n: int
    unit: Unit
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`: as a value, or as a whole test."""

    value: bool
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Trait:
    """A fact of the customer: a column of customers, or a named trait."""

    name: str
    type: Type
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the row that a `where` constrains."""

    name: str
    type: Type
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, op one of + - * /."""

    op: str
    left: Value
    right: Value
    type: Type
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a source; every test of `where` is on the same row (rule 8)."""

    source: str
    where: Test | None = None
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`fn(source.column where …, window)`; `by`, `step` and `least` belong to `periods`."""

    fn: str
    rows: Rows
    column: str | None
    window: Window | None
    type: Type
    by: Unit | None = None
    step: int = 1
    least: int = 1
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class If:
    """`if(test, then, otherwise)`."""

    test: Test
    then: Value
    otherwise: Value
    type: Type
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class DaysSince:
    """`days_since(date)` (rule 24)."""

    of: Value
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Default:
    """`default(x, y)`."""

    of: Value
    fallback: Value
    type: Type
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Rank:
    """`quintile(x[, among])` and its kin: `parts` is 5, 10 or 100 (rule 16)."""

    parts: int
    of: Value
    among: Test | None = None
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Anniversary:
    """`anniversary(date)`: month and day only (rule 14). The trait `birthday` is the anniversary of birth_date."""

    of: Value
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Bucket:
    """`bucket('salt')` in [0, 100) (rule 18)."""

    salt: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """`hour(instant)` (0 to 23), `weekday(date)` (monday to sunday) or `month(date)` (1 to 12), in local time (rule 25)."""

    part: str
    of: Value
    at: int = place_field()

    @property
    def type(self) -> Type:
        """A weekday is a text, the others are numbers."""
        return Type.TEXT if self.part == "weekday" else Type.NUMBER


Value: TypeAlias = (
    Number | Amount | Duration | Text | Truth | Day | Moment | Today | Now | Shifted | Trait | Column | Arithmetic
    | Aggregate | If | DaysSince | Default | Rank | Anniversary | Bucket | CalendarPart
)  # fmt: skip


# tests


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    items: tuple[Test, ...]
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    items: tuple[Test, ...]
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Not:
    """The exact complement (rule 3)."""

    item: Test
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, op one of = != < <= > >=."""

    op: str
    left: Value
    right: Value
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Between:
    """`of between low and high`, both ends included."""

    of: Value
    low: Value
    high: Value
    negated: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class OneOf:
    """`of in (a, b)`."""

    of: Value
    values: tuple[Value, ...]
    negated: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class InWindow:
    """`of in last 30 days`."""

    of: Value
    window: Window
    negated: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Known:
    """`of is known`, or `is unknown` when negated."""

    of: Value
    negated: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class TextTest:
    """`of contains 'x'`; how is contains, starts or ends."""

    how: str
    of: Value
    text: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Has:
    """`list has any ('a', 'b')`; how is any, all or none (`has 'a'` is any of one)."""

    how: str
    of: Value
    values: tuple[str, ...]
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Then:
    """`then [no] rows [same column] [within n unit]` (rule 17)."""

    rows: Rows
    negated: bool = False
    same: str | None = None
    within: Duration | None = None
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Did:
    """`did(rows, window, then …)`; `never` is its complement."""

    rows: Rows
    window: Window | None = None
    then: Then | None = None
    never: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class InSegment:
    """`in segment name`."""

    name: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Within:
    """`within n km of place`."""

    km: Decimal
    place: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Top:
    """`top n% by value [among (test)]`; `bottom` the same from the other end."""

    percent: Decimal
    by: Value
    among: Test | None = None
    bottom: bool = False
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Reachable:
    """`reachable(channel)`: the channel's test of `[reachable]`, with the accepted bases."""

    channel: str
    at: int = place_field()


@dataclass(frozen=True, slots=True)
class Yes:
    """A yes-no trait or column, standing alone."""

    of: Trait | Column
    at: int = place_field()


Test: TypeAlias = (
    And | Or | Not | Compare | Between | OneOf | InWindow | Known | TextTest | Has | Did | InSegment | Within | Top
    | Reachable | Yes | Truth
)  # fmt: skip
Node: TypeAlias = Test | Value
