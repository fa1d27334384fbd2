"""Spark's words: Spark SQL in ANSI mode, TIMESTAMP_NTZ in the session zone UTC (`spark.SETTINGS`).

Checked against Spark 4.3's own parser and results by the backend suite; what differs from other engines stands beside
its spelling.
"""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends.protocol import Backend, Spelling
from engine.compute.backends.widening import widen

# Java lower-cases these two by their neighbours: İ becomes two letters, Σ at a word's end ς
_UNEVEN, _EVEN = "İΣ", "i\N{GREEK SMALL LETTER SIGMA}"


def _call(name: str, *operands: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(operands))


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _row(*values: exp.Expr) -> exp.Expr:
    """Several values as one that sorts by each in turn; one wide number of both would take half as long again."""
    return exp.Tuple(expressions=list(values))


def _first(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return _filtered(_call("MIN_BY", value, _row(time, exp.Neg(this=row))), condition)


def _last(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return _filtered(_call("MAX_BY", value, _row(time, row)), condition)


def _filtered(value: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return exp.Filter(this=value, expression=exp.Where(this=condition))


def _micros(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    return _call("TIMESTAMPDIFF", exp.var("MICROSECOND"), earlier, later)


def _month_day(date: exp.Expr) -> exp.Expr:
    month = exp.Mul(this=_call("MONTH", date), expression=_number(100))
    return exp.Paren(this=exp.Add(this=month, expression=_call("DAY", date.copy())))


def _bucket(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    return _call("LEFT", _call("MD5", _call("CONCAT", salt, exp.Literal.string(":"), identifier)), _number(8))


def _divide(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    divisor = _call("NULLIF", _double(b), exp.cast(_number(0), exp.DType.DOUBLE))
    return exp.Paren(this=exp.Div(this=_double(a), expression=divisor))


def _double(value: exp.Expr) -> exp.Expr:
    return exp.cast(value, exp.DType.DOUBLE)


SPELLINGS: dict[str, Spelling] = {
    "first": _first,
    "last": _last,
    "weight": _row,
    "lowest": lambda value, key: _call("MIN_BY", value, key),
    "micros": _micros,
    "days": lambda later, earlier: _call("DATEDIFF", later, earlier),
    "month_day": _month_day,
    "year": lambda date: _call("YEAR", date),
    "month": lambda date: _call("MONTH", date),
    "weekday": lambda date: exp.Paren(this=exp.Add(this=_call("WEEKDAY", date), expression=_number(1))),
    "hour": lambda instant: _call("HOUR", instant),
    "plus_seconds": lambda instant, seconds: _call("TIMESTAMPADD", exp.var("SECOND"), seconds, instant),
    "plus_months": lambda instant, months: _call("TIMESTAMPADD", exp.var("MONTH"), months, instant),
    "bucket": _bucket,
    "divide": _divide,
    "contains": lambda text, part: _call("CONTAINS", text, part),
    "starts": lambda text, part: _call("STARTSWITH", text, part),
    "ends": lambda text, part: _call("ENDSWITH", text, part),
}


def rewrite(query: exp.Query) -> exp.Query:
    """Say which kind of instant is meant whatever the session says, fold letter by letter (rule 23), count sets.

    Several `COUNT(DISTINCT …)` would read each row once for each of them; a set of the known values is one pass.
    """
    for kind in query.find_all(exp.DataType):
        if kind.this == exp.DType.TIMESTAMP:
            kind.set("this", exp.DType.TIMESTAMPNTZ)
    for lower in query.find_all(exp.Lower):
        text = (lower.this, exp.Literal.string(_UNEVEN), exp.Literal.string(_EVEN))
        lower.set("this", _call("TRANSLATE", *text))
    for count in [*query.find_all(exp.Count)]:
        if isinstance(count.this, exp.Distinct):
            known = _call("COLLECT_SET", *count.this.expressions)
            count.replace(exp.cast(_call("SIZE", known), exp.DType.BIGINT))
    for arithmetic in query.find_all(exp.Mul, exp.Add, exp.Sub):
        widen(arithmetic)
    return query


# a step that two others read would stand in the plan twice, and what it reads four times
BACKEND = Backend(name="spark", dialect="spark", spellings=SPELLINGS, rewrite=rewrite, keeps_steps=True)
