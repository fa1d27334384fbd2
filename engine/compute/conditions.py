"""Test nodes as conditions. NULL means false until `strict` or `complement` makes a condition two-valued (rules 1 to 3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from sqlglot import exp

from engine.compute import values
from engine.compute.backends.protocol import spell
from engine.compute.bounds import POINTS, WEEKDAYS
from engine.compute.literals import double, fold, literal, nfc
from engine.compute.scope import Scope
from engine.compute.spelling import call, complement, every, known, some, within
from engine.errors import UnsupportedByBackend
from engine.language import tree
from engine.language.kinds import type_of
from engine.language.tree import Type

_COMPARE: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip
_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_LITERALS = (tree.Number, tree.Amount, tree.Duration)
_FIXED = (*_LITERALS, tree.Text, tree.Truth, *POINTS)
_BUCKETS = 2**32
_EARTH_KM = Decimal(6371)


def test(node: tree.Test, scope: Scope) -> exp.Expr:
    """A test as a condition that is true exactly where the test holds."""
    return _MAKERS.get(type(node), _special)(node, scope)


def _special(node: tree.Test, scope: Scope) -> exp.Expr:
    return scope.special(node)


def _compare(node: tree.Compare, scope: Scope) -> exp.Expr:
    if node.op == "!=":
        return complement(_compare(tree.Compare("=", node.left, node.right), scope))
    if isinstance(node.left, _FIXED) and not isinstance(node.right, _FIXED):
        node = tree.Compare(_FLIPPED[node.op], node.right, node.left)
    if isinstance(node.left, tree.Bucket):
        return _bucket(node.left, node.op, node.right, scope)
    if isinstance(node.right, POINTS):
        return _against_point(node.left, node.op, node.right, scope)
    average = scope.average(node.left) if isinstance(node.right, _LITERALS) else None
    if average:
        return _average(average, node.op, node.right, scope)
    return _plain(node, scope)


def _plain(node: tree.Compare, scope: Scope) -> exp.Expr:
    left, right = _pair(node.left, node.right, scope)
    return _COMPARE[node.op](this=left, expression=right)


def _pair(left: tree.Value, right: tree.Value, scope: Scope) -> tuple[exp.Expr, exp.Expr]:
    if isinstance(left, tree.CalendarPart) and isinstance(right, tree.Text) and right.value in WEEKDAYS:
        return values.calendar_number(left, scope), literal(WEEKDAYS.index(right.value) + 1)
    kinds = {type_of(left), type_of(right)}
    if Type.TEXT in kinds:
        exact = values.is_exact(left, scope) or values.is_exact(right, scope)
        return _text(left, scope, exact=exact), _text(right, scope, exact=exact)
    if kinds == {Type.DATE, Type.INSTANT}:
        return values.day(left, scope), values.day(right, scope)
    return values.value(left, scope), values.value(right, scope)


def _text(node: tree.Value, scope: Scope, *, exact: bool) -> exp.Expr:
    if isinstance(node, tree.Text):
        return literal(nfc(node.value) if exact else fold(node.value))
    return values.value(node, scope) if exact else exp.Lower(this=values.value(node, scope))


def _against_point(of: tree.Value, op: str, point: tree.Point, scope: Scope) -> exp.Expr:
    born = scope.anniversary(of)
    if born is not None and op == "=":
        return _in_ranges(born, scope.calendar.anniversaries(scope.calendar.point_days(point)), scope)
    if born is not None:
        raise UnsupportedByBackend(f"an anniversary cannot be compared with {op}", hint="use 'in' and a window")
    low, high = _bounds(of, point, scope)
    found = values.value(of, scope)
    if op == "=":
        return every(within(found, low, high))
    return {
        "<": exp.LT(this=found, expression=low),
        "<=": exp.LT(this=found, expression=high),
        ">": exp.GTE(this=found, expression=high),
        ">=": exp.GTE(this=found, expression=low),
    }[op]


def _bounds(of: tree.Value, point: tree.Point, scope: Scope) -> tuple[exp.Expr, exp.Expr]:
    calendar = scope.calendar
    is_instant = type_of(of) is Type.INSTANT
    found = calendar.point_instants(point) if is_instant else calendar.point_days(point)
    low, high = found.low, found.high
    if low is None or high is None:
        raise ValueError(point)
    return literal(low), literal(high)


def _average(parts: tuple[exp.Expr, exp.Expr], op: str, right: tree.Value, scope: Scope) -> exp.Expr:
    total, count = parts
    product = exp.Mul(this=values.value(right, scope), expression=count)
    some_rows = exp.GT(this=count.copy(), expression=literal(0))
    return every([some_rows, _COMPARE[op](this=total, expression=product)])


def _bucket(node: tree.Bucket, op: str, right: tree.Value, scope: Scope) -> exp.Expr:
    if not isinstance(right, tree.Number):
        raise UnsupportedByBackend("bucket() can only be compared with a number (rule 24)")
    return bucket(node.salt, op, right.value, scope)


def bucket(salt: str, op: str, limit: Decimal, scope: Scope) -> exp.Expr:
    """Whether the customer's bucket compares so with a number; the hex digits are compared as text (rule 18)."""
    edge = limit * _BUCKETS / 100
    if op == "=":
        return every([bucket(salt, "<=", limit, scope), bucket(salt, ">=", limit, scope)])
    # `<= x` is `< floor(x) + 1`, `> x` its complement; `< x` is `< ceil(x)`
    above = int(edge.to_integral_value(ROUND_CEILING))
    if op in ("<=", ">"):
        above = int(edge.to_integral_value(ROUND_FLOOR)) + 1
    below = op in ("<", "<=")
    if not 0 < above < _BUCKETS:
        return literal((above > 0) is below)
    digits = spell(scope.backend, "bucket", literal(salt), scope.identifier())
    return (exp.LT if below else exp.GTE)(this=digits, expression=literal(f"{above:08x}"))


def _between(node: tree.Between, scope: Scope) -> exp.Expr:
    born = scope.anniversary(node.of)
    if born is not None:
        window = tree.Span(node.low, node.high)  # type: ignore[arg-type]  # an anniversary is compared with points only
        return _in_window(tree.InWindow(node.of, window, negated=node.negated), scope)
    low, high = tree.Compare(">=", node.of, node.low), tree.Compare("<=", node.of, node.high)
    return _signed(every([_compare(low, scope), _compare(high, scope)]), negated=node.negated)


def _one_of(node: tree.OneOf, scope: Scope) -> exp.Expr:
    found = all(isinstance(item, (tree.Text, *_LITERALS)) for item in node.values)
    if not found or isinstance(node.of, tree.Bucket) or scope.average(node.of):
        return _signed(
            some(_compare(tree.Compare("=", node.of, item), scope) for item in node.values), negated=node.negated
        )
    pairs = [_pair(node.of, item, scope) for item in node.values]
    if not pairs:
        return _signed(exp.false(), negated=node.negated)
    return _signed(exp.In(this=pairs[0][0], expressions=[right for _, right in pairs]), negated=node.negated)


def _in_window(node: tree.InWindow, scope: Scope) -> exp.Expr:
    born, calendar = scope.anniversary(node.of), scope.calendar
    if born is not None:
        ranges = calendar.anniversaries(calendar.days(node.window))
        return _signed(_in_ranges(born, ranges, scope), negated=node.negated)
    if isinstance(node.window, tree.Season) and not node.window.previous:
        return _signed(
            _in_ranges(values.day(node.of, scope), calendar.season(node.window), scope), negated=node.negated
        )
    found = values.value(node.of, scope)
    is_instant = type_of(node.of) is Type.INSTANT
    interval = calendar.instants(node.window) if is_instant else calendar.days(node.window)
    low, high = (None if end is None else literal(end) for end in (interval.low, interval.high))
    return _signed(every(within(found, low, high) or [known(found)]), negated=node.negated)


def _in_ranges(born: exp.Expr, ranges: list[tuple[int, int]], scope: Scope) -> exp.Expr:
    number = spell(scope.backend, "month_day", born)
    return some(exp.Between(this=number.copy(), low=literal(low), high=literal(high)) for low, high in ranges)


def _text_test(node: tree.TextTest, scope: Scope) -> exp.Expr:
    exact = values.is_exact(node.of, scope)
    part = literal(nfc(node.text) if exact else fold(node.text))
    return spell(scope.backend, node.how, _text(node.of, scope, exact=exact), part)


def _within_km(node: tree.Within, scope: Scope) -> exp.Expr:
    lat, lon = (scope.fact(tree.Trait(name, Type.NUMBER)) for name in ("lat", "lon"))
    here_lat, here_lon = (call("RADIANS", double(literal(Decimal(str(at))))) for at in scope.place(node.place))
    lat, lon = call("RADIANS", double(lat)), call("RADIANS", double(lon))
    north = _half_sine(exp.Sub(this=lat, expression=here_lat))
    east = _half_sine(exp.Sub(this=lon, expression=here_lon))
    both = exp.Mul(this=call("COS", lat.copy()), expression=call("COS", here_lat.copy()))
    chord = exp.Add(this=north, expression=exp.Mul(this=both, expression=east))
    arc = exp.Mul(this=literal(2 * _EARTH_KM), expression=call("ASIN", call("SQRT", chord)))
    return exp.LTE(this=arc, expression=double(literal(node.km)))


def _half_sine(angle: exp.Expr) -> exp.Expr:
    sine = call("SIN", exp.Div(this=exp.Paren(this=angle), expression=double(literal(2))))
    return exp.Mul(this=sine, expression=sine.copy())


def _signed(found: exp.Expr, *, negated: bool) -> exp.Expr:
    return complement(found) if negated else found


_MAKERS: dict[type, Callable[[Any, Scope], exp.Expr]] = {
    tree.And: lambda node, scope: every(test(item, scope) for item in node.items),
    tree.Or: lambda node, scope: some(test(item, scope) for item in node.items),
    tree.Not: lambda node, scope: complement(test(node.item, scope)),
    tree.Compare: _compare,
    tree.Between: _between,
    tree.OneOf: _one_of,
    tree.InWindow: _in_window,
    tree.Known: lambda node, scope: _signed(known(_knowable(node.of, scope)), negated=node.negated),
    tree.TextTest: _text_test,
    tree.Within: _within_km,
    tree.Yes: lambda node, scope: scope.fact(node.of),
    tree.Truth: lambda node, _: literal(node.value),
}


def _knowable(node: tree.Value, scope: Scope) -> exp.Expr:
    born = scope.anniversary(node)
    return values.value(node, scope) if born is None else born
