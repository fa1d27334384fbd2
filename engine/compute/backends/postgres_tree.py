"""What one operation's spelling cannot say in PostgreSQL: how text folds and sorts, how wide a number is, how long a name may be."""

from __future__ import annotations

from hashlib import md5

from sqlglot import exp

from engine.compute.backends.folding import letters, letters_of
from engine.compute.backends.widening import widen
from engine.compute.literals import fold

LONGEST = 63  # bytes of a name (NAMEDATALEN - 1): what is beyond is cut off
_DIGEST = 16
_COMMON = "esaitnrulodcmpvqfbghjxyzkwéèàêçâîôûùëïüöä 0123456789-'&.,"  # of what texts are made, the most frequent first
_AGGREGATES = (exp.Count, exp.Sum, exp.Min, exp.Max)


def call(name: str, *operands: exp.Expr) -> exp.Expr:
    """A function by its name."""
    return exp.Anonymous(this=name, expressions=list(operands))


def by_bytes(text: exp.Expr) -> exp.Expr:
    """A text that compares as its bytes do, whatever the server's locale."""
    return exp.Collate(this=text, expression=exp.to_identifier("C", quoted=True))


def short(name: str) -> str:
    """A name that PostgreSQL does not cut off: a long one ends with its digest."""
    if len(name.encode()) <= LONGEST:
        return name
    digest = md5(name.encode(), usedforsecurity=False).hexdigest()[:_DIGEST]
    return f"{name.encode()[: LONGEST - _DIGEST - 1].decode(errors='ignore')}~{digest}"


def beside(text: exp.Expr, *parts: exp.Expr) -> exp.Expr:
    """A folded text beside folded literals: only letters that fold to one of theirs can make a difference."""
    spelled = [part.name for part in parts if isinstance(part, exp.Literal) and fold(part.name) == part.name]
    if not isinstance(text, exp.Lower) or len(spelled) < len(parts):
        return text
    return _translated(text.this, dict(letters_of("".join(spelled))))


def rewrite(query: exp.Query) -> exp.Query:
    """The whole query as PostgreSQL takes it; the query is changed."""
    for lower in reversed(list(query.find_all(exp.Lower))):  # the innermost first
        lower.replace(_folded(lower))
    for aggregate in list(query.find_all(*_AGGREGATES)):
        _filter(aggregate)
    for arithmetic in query.find_all(exp.Add, exp.Sub, exp.Mul):
        widen(arithmetic)
    for sine in query.find_all(exp.Asin):  # of two points that are opposite, rounding may give a little more than 1
        sine.set("this", call("LEAST", exp.Literal.number(1), sine.this))
    for name in query.find_all(exp.Identifier):
        name.set("this", short(name.this))
    for ordered in query.args["order"].expressions if query.args.get("order") else ():
        ordered.set("this", by_bytes(ordered.this))
    return query


def _folded(lower: exp.Lower) -> exp.Expr:
    around = lower.parent
    if isinstance(around, exp.EQ):
        found = beside(lower, around.expression if around.this is lower else around.this)
    elif isinstance(around, exp.In) and around.this is lower:
        found = beside(lower, *around.expressions)
    else:
        found = lower
    return _everywhere(lower.this) if found is lower else found


def _everywhere(text: exp.Expr) -> exp.Expr:
    """Every letter folded; where all are ASCII, which is soon told, there are few."""
    common = {one: one for one in _COMMON}  # translate() looks for each character from the left
    every = _translated(text, common | dict(letters()))
    if not isinstance(text, exp.Column):
        return every
    is_ascii = exp.EQ(this=call("OCTET_LENGTH", text.copy()), expression=call("LENGTH", text.copy()))
    return exp.Case(ifs=[exp.If(this=is_ascii, true=_translated(text, {}))], default=every)


def _translated(text: exp.Expr, pairs: dict[str, str]) -> exp.Expr:
    plain = exp.Lower(this=by_bytes(text.copy()))  # by bytes: ASCII letters only
    if not pairs:
        return plain
    return call("TRANSLATE", plain, *(exp.Literal.string("".join(side)) for side in (pairs, pairs.values())))


def _filter(aggregate: exp.Expr) -> None:
    """COUNT(CASE WHEN test THEN 1 END) as COUNT(*) FILTER (WHERE test): rows that do not count cost less."""
    of = aggregate.this
    found = of.expressions[0] if isinstance(of, exp.Distinct) else of
    if not isinstance(found, exp.Case) or found.args.get("default") is not None or len(found.args["ifs"]) > 1:
        return
    (branch,) = found.args["ifs"]
    value = branch.args["true"]
    counted = isinstance(aggregate, exp.Count) and isinstance(value, exp.Literal)
    if isinstance(of, exp.Distinct):
        of.set("expressions", [value])
    else:
        aggregate.set("this", exp.Star() if counted else value)
    aggregate.replace(exp.Filter(this=aggregate.copy(), expression=exp.Where(this=branch.this)))
