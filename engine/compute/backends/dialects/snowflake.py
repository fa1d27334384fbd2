"""Snowflake, from its documentation (docs.snowflake.com/en/sql-reference; stored copies, read 2026-11); never run.

What a shop needs there: instants as TIMESTAMP_NTZ(6) (naive UTC), numbers as NUMBER(18, 4), text NFC without a collation.
- Quoted names keep their case, unquoted ones are stored in upper case (identifiers-syntax): tables and columns must be made
  as "customers", "customer_id" …, or be read through views that are.
- Dates and instants are literals in ISO form, read so while DATE_INPUT_FORMAT and TIMESTAMP_INPUT_FORMAT are AUTO.
- One statement may be 1 MB of text (query-size-limits; not found again in the stored copies).
"""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends.dialects import common
from engine.compute.backends.dialects.common import call, part, whole
from engine.compute.backends.protocol import Backend, Spelling

_WHOLE = "DECIMAL(38, 0)"
_HIGHEST = "9" * 37  # beyond any microsecond times 2**64
_LOWEST = f"-{_HIGHEST}"


def _epoch(time: exp.Expr) -> exp.Expr:
    return part("EPOCH_MICROSECOND", time)


def _end(value: exp.Expr, key: exp.Expr, condition: exp.Expr, name: str) -> exp.Expr:
    """A row that does not count comes last, without a value: what MAX_BY does with a NULL key is not asked."""
    last = exp.cast(exp.Literal.string(_LOWEST if name == "MAX_BY" else _HIGHEST), _WHOLE)
    counted = exp.Case(ifs=[exp.If(this=condition, true=value)])
    return call(name, counted, exp.Case(ifs=[exp.If(this=condition.copy(), true=key)], default=last))


def _first(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return _end(value, common.pair(exp.Sub, _epoch(time), row, _WHOLE), condition, "MIN_BY")


def _last(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return _end(value, common.pair(exp.Add, _epoch(time), row, _WHOLE), condition, "MAX_BY")


def _between(unit: str) -> Spelling:
    return lambda later, earlier: call("DATEDIFF", exp.var(unit), earlier, later)


def _plus(unit: str) -> Spelling:
    """DATEADD clamps to the last day of a month; ADD_MONTHS would also move the last day of a short month to the last of a long one."""
    return lambda instant, n: call("DATEADD", exp.var(unit), n, instant)


SPELLINGS: dict[str, Spelling] = {
    "first": _first,
    "last": _last,
    "weight": lambda number, time: common.pair(exp.Add, number, _epoch(time), _WHOLE),
    "lowest": lambda value, key: call("MIN_BY", value, key),
    "micros": _between("MICROSECOND"),
    "days": _between("DAY"),
    "month_day": common.month_day,
    "year": lambda date: part("YEAR", date),
    "month": lambda date: part("MONTH", date),
    "weekday": lambda date: part("DAYOFWEEKISO", date),  # not DAYOFWEEK, which the session's WEEK_START moves
    "hour": lambda instant: part("HOUR", instant),
    "plus_seconds": _plus("SECOND"),
    "plus_months": _plus("MONTH"),
    "bucket": lambda salt, identifier: call("LEFT", call("MD5", common.salted(salt, identifier)), whole(8)),
    "divide": common.divided,
    "contains": lambda text, part_: call("CONTAINS", text, part_),
    "starts": lambda text, part_: call("STARTSWITH", text, part_),
    "ends": lambda text, part_: call("ENDSWITH", text, part_),
}


def rewrite(query: exp.Query) -> exp.Query:
    """Instants without a zone, and text lower-cased letter by letter; changes the tree that it is given."""
    query.transform(_fitted, copy=False)
    return query


def _fitted(node: exp.Expr) -> exp.Expr:
    """TIMESTAMP alone is what the session's TIMESTAMP_TYPE_MAPPING says (data-types-datetime)."""
    if isinstance(node, exp.Lower):
        return common.lowered(node)
    if isinstance(node, exp.Asin):
        return common.bounded(node)
    return common.retyped(common.order(node, nulls_are_small=False), instants=exp.DType.TIMESTAMPNTZ)


BACKEND = Backend(
    name="snowflake",
    dialect="snowflake",
    spellings=SPELLINGS,
    rewrite=rewrite,
    untested=True,
)
