"""Values: literals, names, arithmetic and functions, each checked where it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from engine.language.checks import check_text, describe_typed, refuse_bucket, refuse_in_row, refuse_list
from engine.language.dispatch import VALUES, build_test, build_value, inner, rule
from engine.language.kinds import ORDERED, TIME, common_type, type_of
from engine.language.mistakes import Wrong
from engine.language.points import is_clock, number_of, place_of, span_of, token
from engine.language.printer import to_text
from engine.language.scope import Scope
from engine.language.syntax import Branch, place
from engine.language.tree import (
    Amount,
    Anniversary,
    Arithmetic,
    Bucket,
    CalendarPart,
    DaysSince,
    Default,
    Duration,
    If,
    Now,
    Number,
    Rank,
    Text,
    Today,
    Truth,
    Type,
    Unit,
    Value,
)

_FIXED_UNITS = frozenset({Unit.DAY, Unit.WEEK})
_N, _M, _D = Type.NUMBER, Type.MONEY, Type.DURATION
_ARITHMETIC: dict[tuple[str, Type, Type], Type] = {
    **{(op, _N, _N): _N for op in "+-*/"},
    **{(op, one, other): _M for op in "+-" for one, other in ((_M, _M), (_M, _N), (_N, _M))},
    **{(op, _D, _D): _D for op in "+-"},
    **{(op, kind, _N): kind for op in "*/" for kind in (_M, _D)},
    **{("*", _N, kind): kind for kind in (_M, _D)},
    **{("/", kind, kind): _N for kind in (_M, _D)},
}
_RANKS = {"quintile": 5, "decile": 10, "percentile": 100}


@rule(VALUES, "number")
def _number(branch: Branch, _scope: Scope) -> Value:
    return Number(number_of(token(branch, 0), place(branch)), at=place(branch))


@rule(VALUES, "percent")
def _percent(branch: Branch, _scope: Scope) -> Value:
    return Number(number_of(token(branch, 0), place(branch)).scaleb(-2), percent=True, at=place(branch))


@rule(VALUES, "amount")
def _amount(branch: Branch, scope: Scope) -> Value:
    code, currency = token(branch, 1), scope.vocabulary.currency
    if code != currency:
        hint = f"write {token(branch, 0)} {currency}; converting belongs to loading"
        raise Wrong("currency", place_of(branch, 1), hint, currency=currency, found=code)
    return Amount(number_of(token(branch, 0), place(branch)), code, at=place(branch))


@rule(VALUES, "duration")
def _duration(branch: Branch, _scope: Scope) -> Value:
    n, unit = span_of(branch, 0)
    if not is_clock(unit) and unit not in _FIXED_UNITS:
        raise Wrong("no-fixed-length", place(branch), "write it in days or weeks", unit=unit)
    return Duration(n, unit, at=place(branch))


@rule(VALUES, "text")
def _text(branch: Branch, _scope: Scope) -> Value:
    return Text(unquote(token(branch, 0), place(branch)), at=place(branch))


@rule(VALUES, "truth")
def _truth(branch: Branch, _scope: Scope) -> Value:
    return Truth(token(branch, 0).lower() == "true", at=place(branch))


@rule(VALUES, "name")
def _name(branch: Branch, scope: Scope) -> Value:
    return scope.name(token(branch, 0), place(branch))


@rule(VALUES, "minus")
def _minus(branch: Branch, scope: Scope) -> Value:
    of, at = build_value(inner(branch, 1), scope), place(branch)
    if isinstance(of, Number | Amount):
        return replace(of, value=-of.value, at=at)
    zero = Number(Decimal(0), at=at)
    return Arithmetic("-", zero, of, _arithmetic_type("-", zero, of), at=at)


@rule(VALUES, "sum")
@rule(VALUES, "product")
def _chain(branch: Branch, scope: Scope) -> Value:
    left = build_value(inner(branch, 0), scope)
    for index in range(1, len(branch.children), 2):
        op, right = token(branch, index), build_value(inner(branch, index + 1), scope)
        left = Arithmetic(op, left, right, _arithmetic_type(op, left, right), at=place(branch))
    return left


def unquote(text: str, at: int) -> str:
    """What stands between the quotes."""
    return check_text(text[1:-1].replace("''", "'"), at)


def _date_hint(op: str, left: Value, right: Value) -> str | None:
    """What to write instead of reckoning with dates."""
    kinds = {type_of(left), type_of(right)}
    if not kinds & TIME:
        return None
    if isinstance(left, Now | Today) and isinstance(right, Duration | Number):
        span = to_text(right) if isinstance(right, Duration) else f"{to_text(right)} days"
        return f"write {span} {'ago' if op == '-' else 'from now'}"
    return "for the age of a date write days_since(…)"


def _arithmetic_type(op: str, left: Value, right: Value) -> Type:
    """The type of `left op right`: money and durations add to their own kind and scale by numbers."""
    for value in (left, right):
        refuse_list(value)
        refuse_bucket(value)
    found = _ARITHMETIC.get((op, type_of(left), type_of(right)))
    if found is None:
        hint = _date_hint(op, left, right)
        raise Wrong("wrong-arithmetic", right.at, hint, left=describe_typed(left), op=op, right=describe_typed(right))
    return found


@rule(VALUES, "function")
def _function(branch: Branch, scope: Scope) -> Value:
    name = token(branch, 0).lower()
    least, most, wanted, build = _FUNCTIONS[name]
    if not least <= len(branch.children) - 1 <= most:
        raise Wrong("wrong-count", place(branch), None, function=name, wanted=wanted)
    return build(branch, scope)


def _if(branch: Branch, scope: Scope) -> Value:
    test = build_test(inner(branch, 1), scope)
    then, otherwise = build_value(inner(branch, 2), scope), build_value(inner(branch, 3), scope)
    return If(test, then, otherwise, _choice("if", then, otherwise), at=place(branch))


def _default(branch: Branch, scope: Scope) -> Value:
    of, fallback = build_value(inner(branch, 1), scope), build_value(inner(branch, 2), scope)
    return Default(of, fallback, _choice("default", of, fallback), at=place(branch))


def _choice(function: str, left: Value, right: Value) -> Type:
    for value in (left, right):
        refuse_list(value)
        refuse_bucket(value)
    found = common_type(type_of(left), type_of(right))
    if found is None:
        wanted = f"two values of one type: {describe_typed(left)}"
        raise Wrong("wrong-argument", right.at, None, function=function, wanted=wanted, found=describe_typed(right))
    return found


def _days_since(branch: Branch, scope: Scope) -> Value:
    return DaysSince(_dated(branch, scope, "days_since"), at=place(branch))


def _anniversary(branch: Branch, scope: Scope) -> Value:
    return Anniversary(_dated(branch, scope, "anniversary"), at=place(branch))


def _dated(branch: Branch, scope: Scope, function: str) -> Value:
    of = build_value(inner(branch, 1), scope)
    if type_of(of) not in TIME or isinstance(of, Anniversary):
        raise Wrong("wrong-argument", of.at, None, function=function, wanted="a date", found=describe_typed(of))
    return of


def _calendar_part(branch: Branch, scope: Scope) -> Value:
    part, of = token(branch, 0).lower(), build_value(inner(branch, 1), scope)
    of = of.of if part == "month" and isinstance(of, Anniversary) else _dated(branch, scope, part)
    if part == "hour" and type_of(of) is not Type.INSTANT:
        wanted, found = "a date with a time", describe_typed(of)
        raise Wrong("wrong-argument", of.at, None, function=part, wanted=wanted, found=found)
    return CalendarPart(part, of, at=place(branch))


def _bucket(branch: Branch, scope: Scope) -> Value:
    refuse_in_row("bucket()", place(branch), scope)
    salt = build_value(inner(branch, 1), scope)
    if not isinstance(salt, Text) or not salt.value.strip():
        found = describe_typed(salt)
        raise Wrong("wrong-argument", salt.at, None, function="bucket", wanted="a name between quotes", found=found)
    return Bucket(salt.value, at=place(branch))


def _rank(branch: Branch, scope: Scope) -> Value:
    name = token(branch, 0).lower()
    refuse_in_row(f"{name}()", place(branch), scope)
    of = build_rankable(inner(branch, 1), scope, name)
    among = build_test(inner(branch, 2), scope) if len(branch.children) > 2 else None  # noqa: PLR2004 - name, value, among
    return Rank(_RANKS[name], of, among, at=place(branch))


def build_rankable(branch: Branch, scope: Scope, function: str) -> Value:
    """A value with an order, for ranks."""
    of = build_value(branch, scope)
    refuse_bucket(of)
    if type_of(of) not in ORDERED or isinstance(of, Anniversary):
        wanted = "a number, an amount, a duration or a date"
        raise Wrong("wrong-argument", of.at, None, function=function, wanted=wanted, found=describe_typed(of))
    return of


_FUNCTIONS: dict[str, tuple[int, int, str, Callable[[Branch, Scope], Value]]] = {
    "if": (3, 3, "a test and two values: if(test, value, value)", _if),
    "default": (2, 2, "a value and what stands in when it is unknown", _default),
    "days_since": (1, 1, "one date", _days_since),
    "anniversary": (1, 1, "one date", _anniversary),
    "hour": (1, 1, "one date with a time", _calendar_part),
    "weekday": (1, 1, "one date", _calendar_part),
    "month": (1, 1, "one date", _calendar_part),
    "bucket": (1, 1, "one name between quotes", _bucket),
    "quintile": (1, 2, "a value, and maybe a test: quintile(value, test)", _rank),
    "decile": (1, 2, "a value, and maybe a test: decile(value, test)", _rank),
    "percentile": (1, 2, "a value, and maybe a test: percentile(value, test)", _rank),
}
