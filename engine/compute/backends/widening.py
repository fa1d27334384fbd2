"""Whole numbers of eight bytes, for engines whose arithmetic stays within four where both sides do."""

from __future__ import annotations

from sqlglot import exp

__all__ = ["widen"]

_SMALL = 9_999  # products of whole numbers up to here stay within four bytes


def widen(arithmetic: exp.Expr) -> None:
    """Whole literals that a product could carry beyond four bytes, as eight."""
    for mine, other in (("this", "expression"), ("expression", "this")):
        literal = arithmetic.args[mine]
        if isinstance(literal, exp.Literal) and not literal.is_string and literal.is_int:
            alone = isinstance(arithmetic, exp.Mul) and arithmetic.args[other].find(exp.Column, exp.Cast) is None
            if alone or int(literal.this) > _SMALL:
                arithmetic.set(mine, exp.cast(literal.copy(), exp.DType.BIGINT))
