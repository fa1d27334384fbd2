"""Pieces that several dialects spell alike, and what a tree needs that was built for no engine in particular."""

from __future__ import annotations

from sqlglot import exp

_BEYOND_BIGINT = str(2**64)


def call(name: str, *operands: exp.Expr) -> exp.Expr:
    """A function by its name, as it is."""
    return exp.Anonymous(this=name, expressions=list(operands))


def whole(number: int) -> exp.Expr:
    """A whole number."""
    return exp.Literal.number(number)


def double(value: exp.Expr) -> exp.Expr:
    """A value as an IEEE double."""
    return exp.cast(value, exp.DType.DOUBLE)


def divided(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    """One IEEE division; NULLIF, since each of these engines fails at a division by zero."""
    return exp.Paren(this=exp.Div(this=double(a), expression=call("NULLIF", double(b), whole(0))))


def part(name: str, value: exp.Expr) -> exp.Expr:
    """A part of a date or an instant."""
    return exp.Extract(this=exp.var(name), expression=value)


def month_day(date: exp.Expr) -> exp.Expr:
    """Month and day as one number."""
    month = exp.Mul(this=part("MONTH", date), expression=whole(100))
    return exp.Paren(this=exp.Add(this=month, expression=part("DAY", date.copy())))


def pair(operator: type[exp.Binary], first: exp.Expr, second: exp.Expr, kind: str) -> exp.Expr:
    """Two whole numbers as one exact number that sorts by both; `second` is below 2**64."""
    first, beyond, second = (exp.cast(one, kind) for one in (first, exp.Literal.string(_BEYOND_BIGINT), second))
    return exp.Paren(this=operator(this=exp.Mul(this=first, expression=beyond), expression=second))


def salted(salt: exp.Expr, identifier: exp.Expr) -> exp.Expr:
    """What a bucket is the md5 of."""
    return call("CONCAT", salt, exp.Literal.string(":"), identifier)


def order(node: exp.Expr, *, nulls_are_small: bool) -> exp.Expr:
    """No NULLS FIRST or LAST: what we order by is never NULL, and sqlglot has workarounds for what it takes to differ."""
    if isinstance(node, exp.Ordered):
        node.set("nulls_first", bool(node.args.get("desc")) is not nulls_are_small)
    return node


def retyped(node: exp.Expr, *, instants: exp.DType) -> exp.Expr:
    """Instants under the name of the type that has no zone."""
    if isinstance(node, exp.DataType) and node.this == exp.DType.TIMESTAMP:
        return exp.DataType(this=instants)
    return node


def lowered(node: exp.Lower) -> exp.Expr:
    """Letter by letter (rule 23): full case mapping makes two letters of I with a dot, and a final sigma at a word's end."""
    if isinstance(node.this, exp.Anonymous):
        return node
    uneven, even = exp.Literal.string("\u0130\u03a3"), exp.Literal.string("i\u03c3")
    return exp.Lower(this=call("TRANSLATE", node.this, uneven, even))


def bounded(node: exp.Asin) -> exp.Expr:
    """Beyond 1, where rounding may bring two opposite points of the earth, ASIN fails."""
    if isinstance(node.this, exp.Anonymous):
        return node
    return exp.Asin(this=call("LEAST", whole(1), node.this))
