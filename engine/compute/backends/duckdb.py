"""DuckDB: the default engine, inside our own process; `engine.tables.Database` runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from sqlglot import exp

from engine.compute.backends.protocol import Backend, Spelling
from engine.compute.spelling import every, known, when

_BEYOND_BIGINT, _KEYS = 2**64, 2**32


def _call(name: str, *operands: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(operands))


def _end(function: str, operator: type[exp.Binary]) -> Spelling:
    def spelled(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
        # both functions pass over rows whose value or key is unknown; a FILTER would come after every row's key is made
        tests = condition.flatten(unnest=False) if isinstance(condition, exp.And) else [condition]
        rest = [test.copy() for test in tests if test not in (known(value), exp.true())]
        key = _pair(operator, _epoch(time), row)
        return _call(function, value, when(every(rest), key) if rest else key)

    return spelled


def _pair(operator: type[exp.Binary], first: exp.Expr, second: exp.Expr) -> exp.Expr:
    """Two whole numbers as one that sorts by both: DuckDB compares ROW(first, second) far more slowly."""
    shifted = exp.Mul(this=exp.cast(first, exp.DType.INT128), expression=exp.Literal.number(_BEYOND_BIGINT))
    return operator(this=shifted, expression=exp.cast(second, exp.DType.BIGINT))


def _favourite(value: exp.Expr, number: exp.Expr, time: exp.Expr, key: exp.Expr) -> exp.Expr:
    """One aggregate instead of a join of the groups with the best of them: a sixth less memory at a million customers."""
    return _call("ARG_MIN", value, _call("ROW", exp.Neg(this=number), exp.Neg(this=_epoch(time)), key))


def _numbered_favourite(number: exp.Expr, time: exp.Expr, key: exp.Expr, values: exp.Expr) -> exp.Expr:
    """Count, time and key as one whole number, whose greatest ends in the key: comparing rows takes longer than grouping."""
    ends = exp.Literal.number(_KEYS - 1)
    packed = exp.Mul(this=exp.Paren(this=_weight(number, time)), expression=exp.Literal.number(_KEYS))
    greatest = exp.Max(this=exp.Add(this=packed, expression=exp.Paren(this=exp.Sub(this=ends, expression=key))))
    last = exp.Paren(this=exp.BitwiseAnd(this=greatest, expression=exp.cast(ends.copy(), exp.DType.INT128)))
    # a list, since a join with so few values makes the planner expect far too many rows, and turn other joins around
    return _call("LIST_EXTRACT", values, exp.cast(exp.Sub(this=ends.copy(), expression=last), exp.DType.BIGINT))


def _weight(number: exp.Expr, time: exp.Expr) -> exp.Expr:
    return _pair(exp.Add, number, _epoch(time))


def _cuts(order: exp.Ordered, shares: Sequence[Decimal]) -> exp.Expr:
    # shares as DECIMAL: DuckDB finds ceil(share * count) in whole numbers then
    listed = exp.Array(expressions=[exp.Literal.number(f"{share:f}" if share < 1 else "1.0") for share in shares])
    return _call("QUANTILE_DISC", order.this.copy(), exp.Order(this=listed, expressions=[order]))


def _marks(mark: exp.Expr) -> exp.Expr:
    # BIT_COUNT's own type holds 127
    return exp.cast(_call("BIT_COUNT", _call("BIT_OR", mark)), exp.DType.BIGINT)


def _epoch(time: exp.Expr) -> exp.Expr:
    return _call("EPOCH_US", time)


def _micros(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Sub(this=_epoch(later), expression=_epoch(earlier)))


def _month_day(date: exp.Expr) -> exp.Expr:
    month = exp.Mul(this=_call("MONTH", date), expression=exp.Literal.number(100))
    return exp.Paren(this=exp.Add(this=month, expression=_call("DAY", date.copy())))


def _bucket(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    return _call(
        "LEFT", _call("MD5", _call("CONCAT", salt, exp.Literal.string(":"), identifier)), exp.Literal.number(8)
    )


def _divide(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Div(this=_double(a), expression=_call("NULLIF", _double(b), exp.Literal.number(0))))


def _double(value: exp.Expr) -> exp.Expr:
    return exp.cast(value, exp.DType.DOUBLE)


def _plus(unit: str) -> Spelling:
    return lambda instant, n: exp.Paren(this=exp.Add(this=instant, expression=_call(unit, n)))


SPELLINGS: dict[str, Spelling] = {
    "first": _end("ARG_MIN", exp.Sub),
    "last": _end("ARG_MAX", exp.Add),
    "weight": _weight,
    "lowest": lambda value, key: _call("ARG_MIN", value, key),
    "micros": _micros,
    "days": lambda later, earlier: exp.Paren(this=exp.Sub(this=later, expression=earlier)),
    "month_day": _month_day,
    "year": lambda date: _call("YEAR", date),
    "month": lambda date: _call("MONTH", date),
    "weekday": lambda date: _call("ISODOW", date),
    "hour": lambda instant: _call("HOUR", instant),
    "plus_seconds": _plus("TO_SECONDS"),
    "plus_months": _plus("TO_MONTHS"),
    "bucket": _bucket,
    "divide": _divide,
    "contains": lambda text, part: _call("CONTAINS", text, part),
    "starts": lambda text, part: _call("STARTS_WITH", text, part),
    "ends": lambda text, part: _call("SUFFIX", text, part),
}


def rewrite(query: exp.Query) -> exp.Query:
    """Keep the steps that are read more than once: DuckDB would fold a plain one into its readers and keep the wide step below."""
    read = Counter(table.name for table in query.find_all(exp.Table))
    for step in query.ctes:
        if read[step.alias] > 1:
            step.set("materialized", True)
    return query


BACKEND = Backend(
    name="duckdb",
    dialect="duckdb",
    spellings=SPELLINGS,
    rewrite=rewrite,
    favourite=_favourite,
    numbered_favourite=_numbered_favourite,
    cuts=_cuts,
    marks=_marks,
)
