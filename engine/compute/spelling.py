"""Small pieces of query tree: every identifier quoted, every connective two-valued where it must be."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from engine.compute.literals import literal


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column."""
    return exp.column(name, table=table, quoted=True)


def relation(name: str) -> exp.Table:
    """A quoted table."""
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def named(value: exp.Expr, alias: str) -> exp.Expr:
    """A value under a quoted name."""
    return exp.alias_(value, exp.to_identifier(alias, quoted=True))


def call(name: str, *operands: exp.Expr) -> exp.Expr:
    """A function that every engine spells alike."""
    return exp.func(name, *operands)


def every(tests: Iterable[exp.Expr]) -> exp.Expr:
    """All of them; TRUE without any."""
    found = list(tests)
    return exp.and_(*found, copy=False) if found else exp.true()


def some(tests: Iterable[exp.Expr]) -> exp.Expr:
    """At least one of them; FALSE without any."""
    found = list(tests)
    return exp.or_(*found, copy=False) if found else exp.false()


def strict(test: exp.Expr) -> exp.Expr:
    """True or false, never NULL (rule 1)."""
    if isinstance(test, (exp.Boolean, exp.Coalesce)) or _is_known_test(test):
        return test
    return exp.Coalesce(this=test, expressions=[exp.false()])


def complement(test: exp.Expr) -> exp.Expr:
    """The exact complement of a test (rule 3)."""
    return exp.Not(this=exp.paren(strict(test), copy=False))


def known(value: exp.Expr) -> exp.Expr:
    """Whether a value is there."""
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def is_known(test: exp.Expr) -> bool:
    """Whether a test asks only that a column is there."""
    return isinstance(test, exp.Not) and isinstance(test.this, exp.Is) and isinstance(test.this.this, exp.Column)


def when(test: exp.Expr, then: exp.Expr, otherwise: exp.Expr | None = None) -> exp.Case:
    """THEN where the test is true, else OTHERWISE or unknown."""
    return exp.Case(ifs=[exp.If(this=test, true=then)], default=otherwise)


def within(value: exp.Expr, low: exp.Expr | None, high: exp.Expr | None) -> list[exp.Expr]:
    """The bounds of a half-open interval as tests."""
    found: list[exp.Expr] = []
    if low is not None:
        found.append(exp.GTE(this=value.copy(), expression=low))
    if high is not None:
        found.append(exp.LT(this=value.copy(), expression=high))
    return found


def filled(value: exp.Expr, nothing: int = 0) -> exp.Expr:
    """A value, or a number where there are no rows (rule 5)."""
    return exp.Coalesce(this=value, expressions=[literal(nothing)])


def _is_known_test(test: exp.Expr) -> bool:
    inner = test.this if isinstance(test, exp.Not) else test
    inner = inner.this if isinstance(inner, exp.Paren) else inner
    return isinstance(inner, (exp.Is, exp.Boolean, exp.Coalesce))
