"""Databricks SQL: Spark's words, but where its documentation differs; never run there, only on a local Spark.

From docs.databricks.com/sql/language-manual (stored copies, read 2026-11).
What a shop needs there: instants as TIMESTAMP_NTZ (naive UTC; Delta's feature timestampNtz, Databricks Runtime 13.3 or later),
numbers as DECIMAL(18, 4), text NFC in the default collation UTF8_BINARY.
- TIMESTAMP is an instant that the session's zone shows, and that zone cannot be relied on: functions that take a TIMESTAMP
  (dateadd, timestampdiff, unix_micros) are avoided, since they would convert a TIMESTAMP_NTZ by it.
- A product of many decimals may lose digits after the point where Spark's session of ours would fail
  (Spark's allowPrecisionLoss, which is not ours to set there): three or more columns multiplied are exact to six decimals only.
- A CTE may be computed once for each place that reads it, as in Spark: hence `keeps_steps`.
"""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends import spark_words
from engine.compute.backends.dialects import common
from engine.compute.backends.dialects.common import call, part, whole
from engine.compute.backends.protocol import Backend, Spelling

_WHOLE = "DECIMAL(38, 0)"
_UNITS = {"DAY": 86_400_000_000, "HOUR": 3_600_000_000, "MINUTE": 60_000_000}


def _micros(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    """The parts of INTERVAL DAY TO SECOND, which the difference is; SECOND has six exact decimals (functions/extract)."""
    passed = exp.Paren(this=exp.Sub(this=later, expression=earlier))
    total: exp.Expr = exp.Mul(this=part("SECOND", passed), expression=whole(1_000_000))
    for name, micros in _UNITS.items():  # an INT each, which times microseconds would overflow
        wide = exp.cast(part(name, passed.copy()), exp.DType.BIGINT)
        total = exp.Add(this=total, expression=exp.Mul(this=wide, expression=whole(micros)))
    return exp.cast(total, exp.DType.BIGINT)


def _epoch(time: exp.Expr) -> exp.Expr:
    return _micros(time, exp.cast(exp.Literal.string("1970-01-01 00:00:00"), exp.DType.TIMESTAMPNTZ))


def _end(name: str, operator: type[exp.Binary]) -> Spelling:
    def spelled(value: exp.Expr, time: exp.Expr, row: exp.Expr, condition: exp.Expr) -> exp.Expr:
        found = call(name, value, common.pair(operator, _epoch(time), row, _WHOLE))
        return exp.Filter(this=found, expression=exp.Where(this=condition))

    return spelled


def _plus_seconds(instant: exp.Expr, n: exp.Expr) -> exp.Expr:
    """An instant and an interval stay a TIMESTAMP_NTZ (functions/make_dt_interval)."""
    return exp.Paren(this=exp.Add(this=instant, expression=call("MAKE_DT_INTERVAL", *map(whole, (0, 0, 0)), n)))


def _plus_months(instant: exp.Expr, n: exp.Expr) -> exp.Expr:
    """A month without that day ends with its last one (functions/plussign)."""
    return exp.Paren(this=exp.Add(this=instant, expression=call("MAKE_YM_INTERVAL", whole(0), n)))


SPELLINGS: dict[str, Spelling] = {
    **spark_words.SPELLINGS,
    "first": _end("MIN_BY", exp.Sub),
    "last": _end("MAX_BY", exp.Add),
    "weight": lambda number, time: common.pair(exp.Add, number, _epoch(time), _WHOLE),
    "micros": _micros,
    "plus_seconds": _plus_seconds,
    "plus_months": _plus_months,
}


BACKEND = Backend(
    name="databricks",
    dialect="databricks",
    spellings=SPELLINGS,
    rewrite=spark_words.rewrite,
    keeps_steps=True,
    untested=True,
)
