"""The only place where a value becomes a literal of a query, and where text is folded."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from unicodedata import normalize

from sqlglot import exp

Scalar: TypeAlias = str | bool | int | Decimal | date | datetime


def literal(value: Scalar) -> exp.Expr:
    """A value as a typed literal; instants are naive UTC."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.isoformat(" ", "microseconds")), exp.DType.TIMESTAMP)
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), exp.DType.DATE)
    return _number(Decimal(value))


def double(value: exp.Expr) -> exp.Expr:
    """A value as an IEEE double."""
    return exp.cast(value, exp.DType.DOUBLE)


def fold(text: str) -> str:
    """Unicode simple lower-casing of NFC text, letter by letter: ß stays, İ is i (rules 7 and 23)."""
    return "".join("i" if letter == "İ" else letter.lower() for letter in normalize("NFC", text))


def nfc(text: str) -> str:
    """Text as it is at rest."""
    return normalize("NFC", text)


def _number(value: Decimal) -> exp.Expr:
    spelled = exp.Literal.number(format(value.copy_abs(), "f"))  # abs() rounds beyond 28 digits
    return exp.Paren(this=exp.Neg(this=spelled)) if value < 0 else spelled
