"""BigQuery, from its documentation (docs.cloud.google.com/bigquery/docs; stored copies, read 2026-11); never run.

What a shop needs there: instants as DATETIME (naive UTC), numbers as NUMERIC(18, 4), text NFC.
- Column names ignore case, and a column that is called like its table is read as the whole row (schemas, "Column names"):
  `segment:NAME` stands, flexible column names may hold a colon. None has a dot: a trait from a column with one is beyond it.
- One statement may be 1 MB of text and give 10,000 columns (quotas, "Query jobs"), and a CTE is computed once for each place
  that reads it (query-syntax, "Non-recursive CTEs"), hence `keeps_steps`: both as long known, not found again in the copies.
- A window without PARTITION BY is one worker's work: ranks beyond some tens of millions of customers may exceed its memory.
"""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends.dialects import common
from engine.compute.backends.dialects.common import call, part, whole
from engine.compute.backends.protocol import Backend, Spelling

_SCALE = 9  # decimals of NUMERIC; it has 29 digits before them (data-types, "Decimal types")


def _end(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr, *, latest: bool) -> exp.Expr:
    """The value of the first or last row; the condition holds that it is known, so IGNORE NULLS leaves the others out."""
    keys = [exp.Ordered(this=time, desc=latest), exp.Ordered(this=row, desc=True)]
    counted = exp.Case(ifs=[exp.If(this=condition, true=value)])
    listed = exp.Limit(this=exp.Order(this=counted, expressions=keys), expression=whole(1))
    array = exp.IgnoreNulls(this=exp.ArrayAgg(this=listed))
    return exp.Bracket(this=array, expressions=[whole(0)], offset=0, safe=True)


def _plus(unit: str) -> Spelling:
    """DATETIME_ADD: an INT64 of units; a month without that day ends with its last one (datetime_functions)."""
    return lambda instant, n: call("DATETIME_ADD", instant, exp.Interval(this=n, unit=exp.var(unit)))


def _weekday(date: exp.Expr) -> exp.Expr:
    """DAYOFWEEK is 1 on Sunday (date_functions, EXTRACT); ISO has 7 there."""
    shifted = call("MOD", exp.Add(this=part("DAYOFWEEK", date), expression=whole(5)), whole(7))
    return exp.Paren(this=exp.Add(this=shifted, expression=whole(1)))


def _bucket(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    """MD5 gives bytes, TO_HEX lower-case digits (hash_functions, string_functions)."""
    return call("LEFT", call("TO_HEX", call("MD5", common.salted(salt, identifier))), whole(8))


def _contains(text: exp.Expr, part_: exp.Expr) -> exp.Expr:
    """STRPOS compares letter by letter; CONTAINS_SUBSTR would ignore case and width (string_functions)."""
    return exp.GT(this=call("STRPOS", text, part_), expression=whole(0))


SPELLINGS: dict[str, Spelling] = {
    "first": lambda *operands: _end(*operands, latest=False),
    "last": lambda *operands: _end(*operands, latest=True),
    "weight": lambda number, time: common.pair(exp.Add, number, _micros(time), "NUMERIC"),
    "lowest": lambda value, key: call("MIN_BY", value, key),
    "micros": lambda later, earlier: call("DATETIME_DIFF", later, earlier, exp.var("MICROSECOND")),
    "days": lambda later, earlier: call("DATE_DIFF", later, earlier, exp.var("DAY")),
    "month_day": common.month_day,
    "year": lambda date: part("YEAR", date),
    "month": lambda date: part("MONTH", date),
    "weekday": _weekday,
    "hour": lambda instant: part("HOUR", instant),
    "plus_seconds": _plus("SECOND"),
    "plus_months": _plus("MONTH"),
    "bucket": _bucket,
    "divide": common.divided,
    "contains": _contains,
    "starts": lambda text, part_: call("STARTS_WITH", text, part_),
    "ends": lambda text, part_: call("ENDS_WITH", text, part_),
}


def _micros(time: exp.Expr) -> exp.Expr:
    epoch = exp.cast(exp.Literal.string("1970-01-01 00:00:00"), exp.DType.TIMESTAMP)
    return call("DATETIME_DIFF", time, epoch, exp.var("MICROSECOND"))


def rewrite(query: exp.Query) -> exp.Query:
    """Types that are exact, names that end where they should, and what there is no function for; changes the tree that it is given."""
    query.transform(_fitted, copy=False)
    return query


def _fitted(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal) and not node.is_string:
        return _number(node)
    if isinstance(
        node, exp.Identifier
    ):  # the escapes of text hold inside backticks too (lexical, "Quoted identifiers")
        node.set("this", node.this.replace("\\", "\\\\"))
        return node
    if isinstance(node, exp.Lower):
        return common.lowered(node)
    if isinstance(node, exp.Asin):
        return common.bounded(node)
    if isinstance(node, exp.Radians):  # there is no RADIANS and no PI (mathematical_functions)
        degree = exp.Div(this=call("ACOS", exp.Neg(this=whole(1))), expression=whole(180))
        return exp.Paren(this=exp.Mul(this=exp.Paren(this=node.this), expression=exp.Paren(this=degree)))
    return common.order(node, nulls_are_small=True)


def _number(node: exp.Literal) -> exp.Expr:
    """A literal with a point is FLOAT64, and beside it a NUMERIC becomes one too (conversion_rules): typed, it is exact."""
    scale = len(node.this.partition(".")[2])
    if not scale:
        return node
    return exp.cast(exp.Literal.string(node.this), "NUMERIC" if scale <= _SCALE else "BIGNUMERIC", dialect="bigquery")


BACKEND = Backend(
    name="bigquery",
    dialect="bigquery",
    spellings=SPELLINGS,
    rewrite=rewrite,
    keeps_steps=True,
    untested=True,
)
