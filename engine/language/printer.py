"""Tree to text: the canonical line, with lower-case keywords and no bracket too many.

For every tree that the parser yields, `parse(to_text(tree)) == tree`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine.language.tree import (
    Aggregate,
    Amount,
    And,
    Anniversary,
    Arithmetic,
    Before,
    Between,
    Bucket,
    CalendarPart,
    Column,
    Compare,
    Day,
    DaysSince,
    Default,
    Did,
    Duration,
    Has,
    If,
    InSegment,
    InWindow,
    Known,
    Last,
    Moment,
    Month,
    MonthDay,
    Next,
    Node,
    Not,
    Now,
    Number,
    On,
    OneOf,
    Or,
    Point,
    Previous,
    Rank,
    Reachable,
    Rows,
    Season,
    Shifted,
    Since,
    Span,
    Text,
    TextTest,
    Then,
    This,
    Today,
    Top,
    Trait,
    Truth,
    Unit,
    Window,
    Within,
    Year,
    Yes,
)

RANKS = {5: "quintile", 10: "decile", 100: "percentile"}
_TEXT_TESTS = {"contains": "contains", "starts": "starts with", "ends": "ends with"}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}
_ATOM = 9


def to_text(node: Node | Window | Point | MonthDay) -> str:
    """The canonical text of a test, a value, a window or a point."""
    return _PRINTERS[type(node)](node)


def number_text(value: Decimal) -> str:
    """A decimal without exponent or idle zeros."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def quote(text: str) -> str:
    """A text between quotes."""
    return "'" + text.replace("'", "''") + "'"


def _units(n: int, unit: Unit) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def _moment(node: Moment) -> str:
    moment: datetime = node.moment
    aware = moment.tzinfo is not None
    text = (moment.astimezone(UTC).replace(tzinfo=None) if aware else moment).isoformat()
    text = text.removesuffix(":00") if len(text) == len("2026-03-02T09:30:00") else text
    return text + ("Z" if aware else "")


def _shifted(node: Shifted) -> str:
    return f"{_units(abs(node.n), node.unit)} {'ago' if node.n < 0 else 'from now'}"


def _number(node: Number) -> str:
    return f"{number_text(node.value * 100)}%" if node.percent else number_text(node.value)


def _arithmetic(node: Arithmetic) -> str:
    strength = _STRENGTH[node.op]
    left = _operand(node.left, strength)
    right = _operand(node.right, strength + 1)
    return f"{left} {node.op} {right}"


def _operand(node: Node, least: int) -> str:
    text = to_text(node)
    strength = _STRENGTH[node.op] if isinstance(node, Arithmetic) else _ATOM
    return f"({text})" if strength < least else text


def _rows(node: Rows, column: str | None = None) -> str:
    name = f"{node.source}.{column}" if column else node.source
    return name if node.where is None else f"{name} where {to_text(node.where)}"


def _aggregate(node: Aggregate) -> str:
    text = _rows(node.rows, node.column)
    if node.by is not None:
        text += f" by {node.by}" if node.step == 1 else f" by {_units(node.step, node.by)}"
        text += f" at least {node.least}" if node.least != 1 else ""
    window = f", {to_text(node.window)}" if node.window is not None else ""
    return f"{node.fn}({text}{window})"


def _rank(node: Rank) -> str:
    among = f", {to_text(node.among)}" if node.among is not None else ""
    return f"{RANKS[node.parts]}({to_text(node.of)}{among})"


def _and(node: And) -> str:
    return " and ".join(_bracketed(item, Or) for item in node.items)


def _or(node: Or) -> str:
    return " or ".join(to_text(item) for item in node.items)


def _bracketed(node: Node, *weaker: type[Any]) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, weaker) else text


def _negation(negated: bool) -> str:  # noqa: FBT001 - a field of the node
    return "not " if negated else ""


def _has(node: Has) -> str:
    if node.how == "any" and len(node.values) == 1:
        return f"{to_text(node.of)} has {quote(node.values[0])}"
    return f"{to_text(node.of)} has {node.how} ({', '.join(map(quote, node.values))})"


def _did(node: Did) -> str:
    parts = [_rows(node.rows)]
    if node.window is not None:
        parts.append(to_text(node.window))
    if node.then is not None:
        parts.append(_then(node.then))
    return f"{'never' if node.never else 'did'}({', '.join(parts)})"


def _then(node: Then) -> str:
    text = f"then {'no ' if node.negated else ''}{_rows(node.rows)}"
    text += f" same {node.same}" if node.same else ""
    return text + (f" within {_units(node.within.n, node.within.unit)}" if node.within else "")


def _top(node: Top) -> str:
    among = f" among ({to_text(node.among)})" if node.among is not None else ""
    end = "bottom" if node.bottom else "top"
    return f"{end} {number_text(node.percent)}% by {to_text(node.by)}{among}"


def _one_of(node: OneOf) -> str:
    values = ", ".join(map(to_text, node.values))
    return f"{to_text(node.of)} {_negation(node.negated)}in ({values})"


def _between(node: Between) -> str:
    return f"{to_text(node.of)} {_negation(node.negated)}between {to_text(node.low)} and {to_text(node.high)}"


_PRINTERS: dict[type[Any], Callable[[Any], str]] = {
    Day: lambda node: node.day.isoformat(),
    Moment: _moment,
    Today: lambda _: "today",
    Now: lambda _: "now",
    Shifted: _shifted,
    Last: lambda node: f"last {_units(node.n, node.unit)}",
    Next: lambda node: f"next {_units(node.n, node.unit)}",
    This: lambda node: f"this {node.unit}",
    Previous: lambda node: f"previous {node.unit}",
    Season: lambda node: f"{'previous' if node.previous else 'every'} {to_text(node.start)} to {to_text(node.end)}",
    MonthDay: lambda node: f"{node.month:02d}-{node.day:02d}",
    Since: lambda node: f"since {to_text(node.point)}",
    Before: lambda node: f"before {to_text(node.point)}",
    Span: lambda node: f"between {to_text(node.start)} and {to_text(node.end)}",
    Year: lambda node: f"{node.year:04d}",
    Month: lambda node: f"{node.year:04d}-{node.month:02d}",
    On: lambda node: to_text(node.point),
    Number: _number,
    Amount: lambda node: f"{number_text(node.value)} {node.currency}",
    Duration: lambda node: _units(node.n, node.unit),
    Text: lambda node: quote(node.value),
    Truth: lambda node: "true" if node.value else "false",
    Trait: lambda node: node.name,
    Column: lambda node: node.name,
    Arithmetic: _arithmetic,
    Aggregate: _aggregate,
    If: lambda node: f"if({to_text(node.test)}, {to_text(node.then)}, {to_text(node.otherwise)})",
    DaysSince: lambda node: f"days_since({to_text(node.of)})",
    Default: lambda node: f"default({to_text(node.of)}, {to_text(node.fallback)})",
    Rank: _rank,
    Anniversary: lambda node: (
        "birthday"
        if isinstance(node.of, Trait) and node.of.name == "birth_date"
        else f"anniversary({to_text(node.of)})"
    ),
    CalendarPart: lambda node: f"{node.part}({to_text(node.of)})",
    Bucket: lambda node: f"bucket({quote(node.salt)})",
    And: _and,
    Or: _or,
    Not: lambda node: f"not {_bracketed(node.item, And, Or)}",
    Compare: lambda node: f"{to_text(node.left)} {node.op} {to_text(node.right)}",
    Between: _between,
    OneOf: _one_of,
    InWindow: lambda node: f"{to_text(node.of)} {_negation(node.negated)}in {to_text(node.window)}",
    Known: lambda node: f"{to_text(node.of)} is {'unknown' if node.negated else 'known'}",
    TextTest: lambda node: f"{to_text(node.of)} {_TEXT_TESTS[node.how]} {quote(node.text)}",
    Has: _has,
    Did: _did,
    InSegment: lambda node: f"in segment {node.name}",
    Within: lambda node: f"within {number_text(node.km)} km of {node.place}",
    Top: _top,
    Reachable: lambda node: f"reachable({node.channel})",
    Yes: lambda node: to_text(node.of),
}
