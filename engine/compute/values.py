"""Value nodes as expressions; NULL is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlglot import exp

from engine.compute import conditions
from engine.compute.backends.protocol import spell
from engine.compute.bounds import POINTS, SECONDS, WEEKDAYS
from engine.compute.literals import literal, nfc
from engine.compute.scope import Scope
from engine.compute.spelling import when
from engine.errors import UnsupportedByBackend
from engine.language import tree
from engine.language.kinds import type_of
from engine.language.tree import Type

_OPERATORS: dict[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}
Maker: TypeAlias = Callable[[Any, Scope], exp.Expr]


def value(node: tree.Value, scope: Scope) -> exp.Expr:
    """A value as an expression."""
    return _MAKERS[type(node)](node, scope)


def is_exact(node: tree.Value, scope: Scope) -> bool:
    """Whether a text is compared as it is (rule 7); a literal does not decide."""
    match node:
        case tree.Trait() | tree.Column() | tree.Aggregate():
            return scope.is_exact(node)
        case tree.If(_, then, otherwise):
            return is_exact(then, scope) or is_exact(otherwise, scope)
        case tree.Default(of, fallback):
            return is_exact(of, scope) or is_exact(fallback, scope)
    return isinstance(node, tree.CalendarPart)


def day(node: tree.Value, scope: Scope) -> exp.Expr:
    """A date or instant as a local day."""
    found = value(node, scope)
    return scope.local_day(found) if type_of(node) is Type.INSTANT else found


def instant(node: tree.Value, scope: Scope) -> exp.Expr:
    """A value among instants: a literal day starts at its midnight."""
    if isinstance(node, POINTS):
        low = scope.calendar.point_instants(node).low
        return exp.null() if low is None else literal(low)
    return value(node, scope)


def _point(node: tree.Point, scope: Scope) -> exp.Expr:
    found = scope.calendar.exact(node)
    return literal(scope.calendar.day_of(node) if found is None else found)


def _branch(node: tree.Value, kind: Type, scope: Scope) -> exp.Expr:
    return instant(node, scope) if kind is Type.INSTANT else value(node, scope)


def _if(node: tree.If, scope: Scope) -> exp.Expr:
    then, otherwise = (_branch(branch, node.type, scope) for branch in (node.then, node.otherwise))
    return when(conditions.test(node.test, scope), then, otherwise)


def _default(node: tree.Default, scope: Scope) -> exp.Expr:
    return exp.Coalesce(this=_branch(node.of, node.type, scope), expressions=[_branch(node.fallback, node.type, scope)])


def _arithmetic(node: tree.Arithmetic, scope: Scope) -> exp.Expr:
    left, right = value(node.left, scope), value(node.right, scope)
    instants = {type_of(node.left), type_of(node.right)} & {Type.DATE, Type.INSTANT}
    if instants:
        raise UnsupportedByBackend(f"{node.op} on dates cannot be computed", hint="use days_since(…)")
    if node.op == "/":
        return spell(scope.backend, "divide", left, right)
    return exp.Paren(this=_OPERATORS[node.op](this=left, expression=right))


def _days_since(node: tree.DaysSince, scope: Scope) -> exp.Expr:
    return spell(scope.backend, "days", literal(scope.calendar.today), day(node.of, scope))


def calendar_number(node: tree.CalendarPart, scope: Scope) -> exp.Expr:
    """A part of a date or an instant as a number: Monday is 1."""
    if node.part == "hour":
        return spell(scope.backend, "hour", scope.local(instant(node.of, scope)))
    return spell(scope.backend, node.part, day(node.of, scope))


def _calendar_part(node: tree.CalendarPart, scope: Scope) -> exp.Expr:
    found = calendar_number(node, scope)
    if node.part != "weekday":
        return found
    ifs = [
        exp.If(this=exp.EQ(this=found.copy(), expression=literal(number)), true=literal(name))
        for number, name in enumerate(WEEKDAYS, 1)
    ]
    return exp.Case(ifs=ifs)


def _alone(node: tree.Bucket | tree.Anniversary, _: Scope) -> exp.Expr:
    raise UnsupportedByBackend(f"{type(node).__name__.lower()}() can only be compared with a literal (rule 24)")


def age(birth: exp.Expr, scope: Scope) -> exp.Expr:
    """Whole years since a birth date; born later than today is unknown."""
    today = scope.calendar.today
    born_later = exp.GT(
        this=spell(scope.backend, "month_day", birth.copy()), expression=literal(scope.calendar.turned())
    )
    years = exp.Sub(this=literal(today.year), expression=spell(scope.backend, "year", birth.copy()))
    turned = exp.Sub(this=years, expression=when(born_later, literal(1), literal(0)))
    return when(exp.LTE(this=birth, expression=literal(today)), turned)


_MAKERS: dict[type, Maker] = {
    tree.Number: lambda node, _: literal(node.value),
    tree.Amount: lambda node, _: literal(node.value),
    tree.Duration: lambda node, _: literal(node.n * SECONDS[node.unit]),
    tree.Text: lambda node, _: literal(nfc(node.value)),
    tree.Truth: lambda node, _: literal(node.value),
    **dict.fromkeys(POINTS, _point),
    tree.Trait: lambda node, scope: scope.fact(node),
    tree.Column: lambda node, scope: scope.fact(node),
    tree.Arithmetic: _arithmetic,
    tree.Aggregate: lambda node, scope: scope.aggregate(node),
    tree.If: _if,
    tree.DaysSince: _days_since,
    tree.Default: _default,
    tree.Rank: lambda node, scope: scope.rank(node),
    tree.Anniversary: _alone,
    tree.Bucket: _alone,
    tree.CalendarPart: _calendar_part,
}
