"""PostgreSQL, 14 or later: a shop's own database; `postgres_engine` connects to it.

Nothing that differs between servers is asked of them: no locale (text is compared by bytes, and folded by letters that
stand in the query), no zone, no setting.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.compute.backends.postgres_tree import beside, by_bytes, call, rewrite
from engine.compute.backends.protocol import Backend, Spelling


def _whole(value: exp.Expr) -> exp.Expr:
    return exp.cast(value, exp.DType.BIGINT)


def _part(name: str, moment: exp.Expr) -> exp.Expr:
    return _whole(exp.Extract(this=exp.Var(this=name), expression=moment))


def _interval(amount: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(amount), exp.DType.INTERVAL)


def _plus(unit: str) -> Spelling:
    def plus(instant: exp.Expr, n: exp.Expr) -> exp.Expr:
        return exp.Paren(this=exp.Add(this=instant, expression=exp.Mul(this=n, expression=_interval(f"1 {unit}"))))

    return plus


def _at_an_end(*, latest: bool) -> Spelling:
    def at_an_end(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
        order = [
            exp.Ordered(this=time, desc=latest, nulls_first=latest),
            exp.Ordered(this=row, desc=True, nulls_first=True),
        ]
        rows = exp.Filter(this=_in_order(value, order), expression=exp.Where(this=condition))
        return _head(rows)

    return at_an_end


def _in_order(value: exp.Expr, order: Sequence[exp.Expr]) -> exp.Expr:
    return exp.ArrayAgg(this=exp.Order(this=value, expressions=list(order)), nulls_excluded=False)


def _head(values: exp.Expr) -> exp.Expr:
    return exp.Bracket(this=exp.Paren(this=values), expressions=[exp.Literal.number(1)], offset=1)


def _weight(number: exp.Expr, time: exp.Expr) -> exp.Expr:
    """Two instants, the first for the number: arrays of one type compare element by element, and no row has a maximum."""
    origin = exp.cast(exp.Literal.string("2000-01-01"), exp.DType.TIMESTAMP)
    counted = exp.Add(this=origin, expression=exp.Mul(this=number, expression=_interval("1 microsecond")))
    return exp.Array(expressions=[counted, time])


def _micros(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    between = exp.Paren(this=exp.Sub(this=later, expression=earlier))
    seconds = exp.Extract(this=exp.Var(this="EPOCH"), expression=between)  # exact: a NUMERIC
    return exp.Paren(this=exp.Mul(this=seconds, expression=exp.Literal.number(1_000_000)))


def _month_day(date: exp.Expr) -> exp.Expr:
    month = exp.Mul(this=_part("MONTH", date), expression=exp.Literal.number(100))
    return exp.Paren(this=exp.Add(this=month, expression=_part("DAY", date.copy())))


def _bucket(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    salted = exp.DPipe(this=exp.DPipe(this=salt, expression=exp.Literal.string(":")), expression=identifier)
    return by_bytes(call("LEFT", call("MD5", salted), exp.Literal.number(8)))


def _divide(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    double, zero = exp.DType.DOUBLE, exp.Literal.number(0)
    return exp.Paren(this=exp.Div(this=exp.cast(a, double), expression=call("NULLIF", exp.cast(b, double), zero)))


def _ends(text: exp.Expr, part: exp.Expr) -> exp.Expr:
    return exp.EQ(this=call("RIGHT", beside(text, part), call("LENGTH", part)), expression=part.copy())


SPELLINGS: dict[str, Spelling] = {
    "first": _at_an_end(latest=False),
    "last": _at_an_end(latest=True),
    "weight": _weight,
    "lowest": lambda value, key: _head(_in_order(value, [exp.Ordered(this=key, nulls_first=False)])),
    "micros": _micros,
    "days": lambda later, earlier: _whole(exp.Paren(this=exp.Sub(this=later, expression=earlier))),
    "month_day": _month_day,
    "year": lambda date: _part("YEAR", date),
    "month": lambda date: _part("MONTH", date),
    "weekday": lambda date: _part("ISODOW", date),
    "hour": lambda instant: _part("HOUR", instant),
    "plus_seconds": _plus("second"),
    "plus_months": _plus("month"),
    "bucket": _bucket,
    "divide": _divide,
    "contains": lambda text, part: exp.GT(
        this=call("STRPOS", beside(text, part), part), expression=exp.Literal.number(0)
    ),
    "starts": lambda text, part: call("STARTS_WITH", beside(text, part), part),
    "ends": _ends,
}


BACKEND = Backend(name="postgres", dialect="postgres", spellings=SPELLINGS, rewrite=rewrite)
