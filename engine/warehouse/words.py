"""What reading a shop's own tables needs beyond compute's operations, in each engine's words.

Text comes out NFC, trimmed, blank as NULL; instants naive UTC; a number that is none is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlglot import exp

from engine.compute.literals import literal
from engine.compute.spelling import when

_BLANKS = " \t\r\n\f\u00a0\u200b\u202f\ufeff"
_DIGITS = 15  # hexadecimal digits of an md5 that fit a BIGINT


def _call(name: str, *operands: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(operands))


def _trimmed(value: exp.Expr) -> exp.Expr:
    return exp.Trim(this=value, expression=literal(_BLANKS), position="BOTH")


def _cast(value: exp.Expr, to: str) -> exp.Expr:
    return exp.Cast(this=value, to=exp.DataType.build(to))


def _nothing(kind: str) -> exp.Expr:
    return _cast(exp.null(), kind)


def _same(value: exp.Expr) -> exp.Expr:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How one engine spells what it reads of a foreign table."""

    text: Callable[[exp.Expr], exp.Expr]  # any text column as plain text
    normal: Callable[[exp.Expr], exp.Expr]  # NFC
    trimmed: Callable[[exp.Expr], exp.Expr] = _trimmed
    wrong: Callable[[exp.Expr], exp.Expr] | None = None  # whether a float is no number
    wrong_decimals: bool = False  # whether a decimal may be no number, too
    moment: Callable[[exp.Expr], exp.Expr]  # an instant as naive UTC
    wall: Callable[[exp.Expr], exp.Expr]  # a time or date as a naive time
    day: Callable[[exp.Expr], exp.Expr]
    rounded: Callable[[exp.Expr], exp.Expr] = _same  # to four decimals, where a cast would cut them off
    number: Callable[[exp.Expr], exp.Expr]  # hexadecimal digits as a BIGINT
    nothing: Callable[[str], exp.Expr] = _nothing  # NULL of one of DuckDB's types at rest
    keeps: bool = True  # tables attached to persons are made once, not each time that a step reads them


def _nan(value: exp.Expr) -> exp.Expr:
    return exp.IsNan(this=value)


def _ascii_or(value: exp.Expr, normalised: exp.Expr) -> exp.Expr:
    """PostgreSQL composes letter by letter: what has one byte a letter needs none of it."""
    plain = exp.EQ(this=_call("OCTET_LENGTH", value.copy()), expression=_call("CHAR_LENGTH", value.copy()))
    return when(plain, value.copy(), normalised)


def _finite(value: exp.Expr, to: exp.Expr) -> exp.Expr:
    """PostgreSQL has times without end, which no other engine has."""
    return when(_call("ISFINITE", value.copy()), to)


_DUCKDB = Words(
    text=lambda x: x,
    normal=lambda x: _call("NFC_NORMALIZE", x),
    wrong=_nan,
    moment=lambda x: _call("MAKE_TIMESTAMP", _call("EPOCH_US", x)),
    wall=lambda x: _cast(x, "TIMESTAMP"),
    day=lambda x: _cast(x, "DATE"),
    number=lambda x: _cast(exp.DPipe(this=literal("0x"), expression=x), "BIGINT"),
)
_POSTGRES = Words(
    text=lambda x: exp.Collate(this=_cast(x, "TEXT"), expression=exp.column("C", quoted=True)),
    normal=lambda x: _ascii_or(x, _call("NORMALIZE", x.copy(), exp.Var(this="NFC"))),
    wrong=lambda x: exp.EQ(this=_cast(x, "DOUBLE"), expression=_cast(literal("NaN"), "DOUBLE")),
    wrong_decimals=True,
    moment=lambda x: _finite(x, exp.AtTimeZone(this=x, zone=literal("UTC"))),
    wall=lambda x: _finite(x, _cast(x, "TIMESTAMP")),
    day=lambda x: _finite(x, _cast(x, "DATE")),
    number=lambda x: _cast(_cast(exp.DPipe(this=literal("x"), expression=x), f"BIT({4 * _DIGITS})"), "BIGINT"),
)
_CLICKHOUSE_TYPES = {
    "VARCHAR": "String",
    "DECIMAL(18,4)": "Decimal(18, 4)",
    "DOUBLE": "Float64",
    "TIMESTAMP": "DateTime64(6, 'UTC')",
    "DATE": "Date32",
    "BOOLEAN": "Bool",
}
_CLICKHOUSE = Words(
    text=lambda x: _call("toString", x),
    normal=lambda x: _call("normalizeUTF8NFC", x),
    trimmed=lambda x: _call("replaceRegexpAll", x, literal(f"^[{_BLANKS}]+|[{_BLANKS}]+$"), literal("")),
    wrong=_nan,
    moment=lambda x: _call("toDateTime64", x, literal(6), literal("UTC")),
    wall=lambda x: _call("toDateTime64", x, literal(6), literal("UTC")),
    day=lambda x: _call("toDate32", x),
    rounded=lambda x: exp.Round(this=x, decimals=literal(4)),
    keeps=False,  # temporary tables are in the server's memory there
    nothing=lambda kind: _call("CAST", exp.null(), literal(f"Nullable({_CLICKHOUSE_TYPES[kind]})")),
    number=lambda x: _call("toInt64", _call("reinterpretAsUInt64", _call("reverse", _call("unhex", exp.Concat(expressions=[literal("0"), x]))))),
)  # fmt: skip
_SPARK = Words(
    text=lambda x: _cast(x, "TEXT"),
    normal=_same,  # Spark has no composition of letters: text must be NFC there
    wrong=_nan,
    moment=lambda x: _cast(x, "TIMESTAMPNTZ"),
    wall=lambda x: _cast(x, "TIMESTAMPNTZ"),
    day=lambda x: _cast(x, "DATE"),
    number=lambda x: _cast(_call("CONV", x, literal(16), literal(10)), "BIGINT"),
)
WORDS: Mapping[str, Words] = MappingProxyType(
    {"duckdb": _DUCKDB, "postgres": _POSTGRES, "clickhouse": _CLICKHOUSE, "spark": _SPARK}
)


def clean(words: Words, value: exp.Expr) -> exp.Expr:
    """Text trimmed and NFC, blank as NULL."""
    return exp.Nullif(this=words.trimmed(words.normal(words.text(value))), expression=literal(""))


def hashed(words: Words, value: exp.Expr) -> exp.Expr:
    """A number from 0 to 2**60 that is always the same for a text."""
    digits = exp.Left(this=exp.MD5(this=value), expression=literal(_DIGITS))
    return words.number(digits)
