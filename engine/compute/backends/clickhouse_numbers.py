"""What kind of number an expression is, for an engine that does not bring two kinds to one by itself.

ClickHouse refuses `CASE` and `coalesce` over decimals of two scales or over a decimal and a double, and a product of two
decimals overflows at the width of the wider. Columns' types are not in the query: where one is needed the statement asks
for it itself, by toTypeName, which is settled before a row is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

_SMALL = 2**31
_WIDEST = 76  # digits of Decimal256


class Kind(Enum):
    """What is known of an expression from the query alone."""

    WHOLE = "whole"
    EXACT = "exact"
    DOUBLE = "double"
    OTHER = "other"  # text, time, truth
    OPEN = "open"  # a column decides


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind, the digits after the point, and the columns that decide both."""

    kind: Kind
    scale: exp.Expr
    columns: tuple[exp.Column, ...] = ()


def call(name: str, *operands: exp.Expr) -> exp.Anonymous:
    """A function by ClickHouse's own name."""
    return exp.Anonymous(this=name, expressions=list(operands))


def number(value: int) -> exp.Expr:
    """A whole number."""
    return exp.Literal.number(value)


def string(value: str) -> exp.Literal:
    """A text."""
    return exp.Literal.string(value)


def shape(node: exp.Expr) -> Shape:
    """What is known of an expression."""
    for of, found in _SHAPES.items():
        if isinstance(node, of):
            return found(node)
    return _OTHER


def branches(node: exp.Expr) -> list[exp.Expr]:
    """The values that a CASE or a coalesce chooses from."""
    if isinstance(node, exp.Case):
        found = [one.args["true"] for one in node.args["ifs"]]
        return [*found, node.args["default"]] if node.args.get("default") else found
    return [node.this, *node.expressions]


def common_type(values: list[exp.Expr]) -> exp.Expr | None:
    """The type to which all of them must be brought, as a text that ClickHouse computes; None where they agree by themselves."""
    open_to_choice = [one for one in values if not (isinstance(one, exp.Null) or _is_small(one))]
    found = _together([shape(one) for one in open_to_choice])
    if len(open_to_choice) < 2 or found.kind in (Kind.OTHER, Kind.WHOLE):  # noqa: PLR2004 - one alone agrees with itself
        return None
    if found.kind is Kind.DOUBLE:
        return string("Nullable(Float64)")
    exact = call("concat", string(f"Nullable(Decimal({_WIDEST}, "), call("toString", found.scale), string("))"))
    if not found.columns:
        return exact
    names = [call("toTypeName", one.copy()) for one in found.columns]
    every = call("concat", *names, string(""))
    first = call("replaceRegexpOne", names[0].copy(), string(r"^Nullable\((.*)\)$"), string(r"\1"))
    as_it_is = call("concat", string("Nullable("), first, string(")"))
    is_double = call("match", every, string("Float"))
    is_number = exp.true() if found.kind is Kind.EXACT else call("match", every.copy(), string("Decimal|Int"))
    return call("multiIf", is_double, string("Nullable(Float64)"), is_number, exact, as_it_is)


def is_narrow(node: exp.Expr) -> bool:
    """Whether an operand may be a decimal of less than the widest type."""
    return shape(node).kind in (Kind.EXACT, Kind.OPEN) and not isinstance(node, exp.Literal)


def _is_small(node: exp.Expr) -> bool:
    """A literal that every kind of number takes in."""
    inner = node.unnest() if isinstance(node, exp.Paren) else node
    inner = inner.this if isinstance(inner, exp.Neg) else inner
    return isinstance(inner, exp.Literal) and inner.is_int and abs(int(inner.name)) < _SMALL


def _together(shapes: Iterable[Shape], scale: str = "greatest") -> Shape:
    found = list(shapes)
    kinds = {one.kind for one in found}
    columns = tuple(dict.fromkeys(column for one in found for column in one.columns))
    kind = next((one for one in (Kind.OTHER, Kind.DOUBLE, Kind.EXACT, Kind.OPEN) if one in kinds), Kind.WHOLE)
    scales = [one.scale.copy() for one in found if one.scale != _NONE]
    if not scales:
        return Shape(kind, _NONE, columns)
    total = scales[0]
    for one in scales[1:]:
        total = call(scale, total, one)
    return Shape(kind, total, columns)


def _literal(node: exp.Literal) -> Shape:
    if node.is_string:
        return _OTHER
    _, _, digits = node.name.partition(".")
    return Shape(Kind.EXACT, number(len(digits))) if digits else _WHOLE


def _column(node: exp.Column) -> Shape:
    inner = _definition(node)
    if inner is not None:
        return shape(inner)
    digits = call("extract", call("toTypeName", node.copy()), string(r"Decimal\([0-9]+, ([0-9]+)"))
    return Shape(Kind.OPEN, call("toUInt8OrZero", digits), (node,))


def _definition(node: exp.Column) -> exp.Expr | None:
    """What a column of a subquery is, where the subquery stands in the same statement."""
    select = node.find_ancestor(exp.Select)
    source = select.args.get("from_") if select else None
    inner = source.this if source is not None else None
    if not isinstance(inner, exp.Subquery) or not isinstance(inner.this, exp.Select):
        return None
    return next((one.unalias() for one in inner.this.expressions if one.alias_or_name == node.name), None)


def _function(node: exp.Anonymous) -> Shape:
    if node.name in ("argMinIf", "argMaxIf", "toNullable"):
        return shape(node.expressions[0])
    return {"divide": _DOUBLE, "toFloat64": _DOUBLE, **dict.fromkeys(_WHOLE_FUNCTIONS, _WHOLE)}.get(node.name, _OTHER)


_NONE = number(0)
_OTHER, _WHOLE, _DOUBLE = (Shape(kind, _NONE) for kind in (Kind.OTHER, Kind.WHOLE, Kind.DOUBLE))
_WHOLE_FUNCTIONS = ("dateDiff", "minus", "plus", "multiply", "toYear", "toMonth", "toHour", "toDayOfWeek", "RANK")
_SHAPES: dict[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[..., Shape]] = {
    exp.Literal: _literal,
    exp.Column: _column,
    (exp.Add, exp.Sub): lambda node: _together(map(shape, (node.left, node.right))),
    exp.Mul: lambda node: _together(map(shape, (node.left, node.right)), "plus"),
    (exp.Case, exp.Coalesce): lambda node: _together(map(shape, branches(node))),
    (exp.Null, exp.Count): lambda _: _WHOLE,
    (exp.Paren, exp.Neg, exp.Sum, exp.Min, exp.Max, exp.Window): lambda node: shape(node.this),
    exp.Cast: lambda node: _DOUBLE if node.to.this is exp.DType.DOUBLE else _OTHER,
    exp.Anonymous: _function,
}
