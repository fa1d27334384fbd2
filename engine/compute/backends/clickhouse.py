"""ClickHouse: a shop's own server, or chDB in process; `clickhouse_engine` runs it, `clickhouse_tree` fits the whole query."""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends.clickhouse_numbers import call
from engine.compute.backends.clickhouse_tree import rewrite
from engine.compute.backends.protocol import Backend, Spelling

_BEYOND_BIGINT = "18446744073709551616"


def _pair(operator: str, first: exp.Expr, second: exp.Expr) -> exp.Expr:
    """Two whole numbers as one that sorts by both: one number is compared faster than a tuple."""
    width = call("toInt128", exp.Literal.string(_BEYOND_BIGINT))
    return call(operator, call("multiply", call("toInt128", first), width), call("toInt128", second))


def _favourite(value: exp.Expr, number: exp.Expr, time: exp.Expr, key: exp.Expr) -> exp.Expr:
    return call("argMin", value, call("tuple", call("negate", number), call("negate", _epoch(time)), key))


def _epoch(time: exp.Expr) -> exp.Expr:
    return call("toUnixTimestamp64Micro", time)


def _end(function: str, operator: str) -> Spelling:
    def spelled(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
        # toNullable: where no row counts, a column without NULL would give '' or 0
        return call(function, call("toNullable", value), _pair(operator, _epoch(time), row), condition)

    return spelled


def _micros(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    return call("minus", _epoch(later), _epoch(earlier))


def _month_day(date: exp.Expr) -> exp.Expr:
    month = call("multiply", call("toMonth", date), exp.Literal.number(100))
    return call("plus", month, call("toDayOfMonth", date.copy()))


def _bucket(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    digest = call("MD5", call("concat", salt, exp.Literal.string(":"), identifier))
    return call("substring", call("lower", call("hex", digest)), exp.Literal.number(1), exp.Literal.number(8))


def _divide(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return call("divide", call("toFloat64", a), call("nullIf", call("toFloat64", b), exp.Literal.number(0)))


def _named(function: str) -> Spelling:
    return lambda *operands: call(function, *operands)


SPELLINGS: dict[str, Spelling] = {
    "first": _end("argMinIf", "minus"),
    "last": _end("argMaxIf", "plus"),
    "weight": lambda number, time: _pair("plus", number, _epoch(time)),
    "lowest": lambda value, key: call("argMin", value, key),
    "micros": _micros,
    "days": lambda later, earlier: call("dateDiff", exp.Literal.string("day"), earlier, later),
    "month_day": _month_day,
    "year": _named("toYear"),
    "month": _named("toMonth"),
    "weekday": _named("toDayOfWeek"),
    "hour": _named("toHour"),
    "plus_seconds": _named("addSeconds"),
    "plus_months": _named("addMonths"),
    "bucket": _bucket,
    "divide": _divide,
    "contains": lambda text, part: exp.GT(this=call("position", text, part), expression=exp.Literal.number(0)),
    "starts": _named("startsWith"),
    "ends": _named("endsWith"),
}


BACKEND = Backend(
    name="clickhouse",
    dialect="clickhouse",
    spellings=SPELLINGS,
    favourite=_favourite,
    rewrite=rewrite,
    keeps_steps=True,
)
