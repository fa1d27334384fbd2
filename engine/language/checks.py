"""What may meet what: types, closed lists of values, money, and consent."""

from __future__ import annotations

import re

from engine.language.kinds import NUMERIC, ORDERED, SPOKEN, TIME, family, type_of
from engine.language.mistakes import Wrong, suggest
from engine.language.printer import to_text
from engine.language.scope import Scope
from engine.language.tree import (
    Aggregate,
    Amount,
    Anniversary,
    Bucket,
    CalendarPart,
    Column,
    DaysSince,
    Number,
    Rank,
    Text,
    Trait,
    Type,
    Value,
)
from engine.language.walk import walk

_COUNTING = frozenset({"count", "distinct", "periods", "share"})
_RANGES = {"hour": (0, 23), "month": (1, 12)}
_SHOWN = 40
_PERCENT = 100
ORDERING = frozenset({"<", "<=", ">", ">="})


def describe(value: Value) -> str:
    """How a message calls a value."""
    if isinstance(value, Trait | Column):
        return f"'{value.name}'"
    text = to_text(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def describe_typed(value: Value) -> str:
    """The same with its type."""
    return f"{describe(value)} ({SPOKEN[type_of(value)]})"


def check_pair(left: Value, right: Value, scope: Scope) -> None:
    """Two values can be compared, and a literal is one that the other can take."""
    kind, other = type_of(left), type_of(right)
    for value in (left, right):
        refuse_list(value)
        _refuse_anniversary(value)
    if other not in family(kind) or _counted_money(left, right) or _counted_money(right, left):
        hint = _pair_hint(left, right) or _pair_hint(right, left) or _values_hint(left, scope)
        raise Wrong("wrong-type", right.at, hint, left=describe_typed(left), right=describe_typed(right))
    check_literal(left, right, scope)
    check_literal(right, left, scope)


def check_literal(of: Value, literal: Value, scope: Scope) -> None:
    """A text literal is neither blank nor outside the closed list of the value beside it (rules 6, 7); an hour is one."""
    if isinstance(of, CalendarPart) and isinstance(literal, Number):
        low, high = _RANGES[of.part]
        if literal.value != int(literal.value) or not low <= literal.value <= high:
            raise Wrong("out-of-range", literal.at, None, part=of.part, low=low, high=high)
    if not isinstance(literal, Text):
        return
    if not literal.value.strip():
        raise Wrong("blank-text", literal.at, "write 'is unknown'")
    fact = scope.fact(of)
    if fact is not None and fact.values and literal.value not in fact.values:
        name = _name_of(of)
        raise Wrong(
            "unknown-value", literal.at, suggest(literal.value, fact.values, "values"), value=literal.value, name=name
        )


def check_order(value: Value) -> None:
    """The value can be less or more than another."""
    if type_of(value) not in ORDERED:
        hint = "use =, in (…), contains or starts with" if type_of(value) is Type.TEXT else "use ="
        raise Wrong("no-order", value.at, hint, what=describe_typed(value))


def check_bucket(left: Value, right: Value) -> None:
    """bucket() meets a literal share of customers only (rule 24)."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Bucket) and not (
            isinstance(other, Number) and 0 <= other.value <= _PERCENT and not other.percent
        ):
            raise Wrong("bucket", other.at, "for a holdout of a tenth: bucket('name') < 10")


def refuse_bucket(value: Value) -> None:
    """bucket() is no number to reckon with (rule 24)."""
    if isinstance(value, Bucket):
        raise Wrong("bucket", value.at, "for a holdout of a tenth: bucket('name') < 10")


def refuse_list(value: Value) -> None:
    """A list is tested with has."""
    if type_of(value) is Type.LIST:
        raise Wrong(
            "list-test", value.at, "write has 'x', has any (…), has all (…) or has none (…)", what=describe(value)
        )


def refuse_consent(*parts: object) -> None:
    """Consent stands in no negation (rule 4)."""
    for part in parts:
        for one in walk(part):
            if isinstance(one, Trait) and one.name.startswith("consent."):
                raise Wrong("consent-negated", one.at, "say who may be contacted: reachable(email)")


def refuse_in_row(what: str, at: int, scope: Scope) -> None:
    """A test of a where sees one row only (rules 8, 21)."""
    if scope.columns is not None:
        raise Wrong("row-only", at, "test it outside the where, after an 'and'", what=what)


def check_text(value: str, at: int) -> str:
    """A text that every engine can hold: no control characters, no halves of characters."""
    if any((not one.isprintable() and not one.isspace()) or one in "\x00\x1c\x1d\x1e\x1f" for one in value):
        raise Wrong("control-character", at)
    return value


def _refuse_anniversary(value: Value) -> None:
    if isinstance(value, Anniversary):
        raise Wrong("anniversary-test", value.at, "for example: birthday in next 7 days, birthday in today")


def _counted_money(value: Value, other: Value) -> bool:
    """A count, an age or a rank compared with money."""
    counted = isinstance(value, DaysSince | Rank | Bucket | CalendarPart) or (
        isinstance(value, Aggregate) and value.fn in _COUNTING
    )
    return isinstance(other, Amount) and (counted or (isinstance(value, Trait) and value.name == "age"))


def _name_of(value: Value) -> str:
    return value.name if isinstance(value, Trait | Column) else to_text(value)


def _pair_hint(left: Value, right: Value) -> str | None:
    """What to write instead of `right` beside `left`."""
    kind = type_of(left)
    if isinstance(right, Text):
        return _text_hint(kind, right.value)
    if kind is Type.DURATION and isinstance(right, Number):
        return f"add a unit: {to_text(right)} days"
    if kind is Type.TEXT and isinstance(right, Number):
        return f"{describe(left)} is a text: write '{to_text(right)}'"
    if kind in TIME and type_of(right) is Type.DURATION:
        return f"write a date: {to_text(right)} ago"
    return None


def _values_hint(of: Value, scope: Scope) -> str | None:
    """The closed list of a value that was compared with something else."""
    fact = scope.fact(of)
    if type_of(of) is Type.BOOLEAN:
        return (
            f"write {describe(of)[1:-1]} alone, or not {describe(of)[1:-1]}" if isinstance(of, Trait | Column) else None
        )
    return (
        f"values: {', '.join(fact.values)}; for example {_name_of(of)} = '{fact.values[0]}'"
        if fact and fact.values
        else None
    )


def _text_hint(kind: Type, text: str) -> str | None:
    if kind in TIME and re.fullmatch(r"\d{4}-\d{2}-\d{2}.*", text):
        return f"write dates without quotes: {text[:10]}"
    if kind in TIME:
        return "write dates as year-month-day, without quotes: 2026-01-31"
    if kind in NUMERIC and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"write numbers without quotes: {text}"
    if kind is Type.BOOLEAN and text.lower() in {"true", "false", "yes", "no", "0", "1"}:
        return "write true or false, without quotes"
    return None
