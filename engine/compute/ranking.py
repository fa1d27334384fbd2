"""Ranks as edges: one narrow pass finds where each part begins, then a comparison places everyone (rule 16).

Equal values share a place because an edge is a value; unknown values have none.
"""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from engine.compute.literals import literal
from engine.compute.spelling import column, known, named, strict, when
from engine.compute.steps import Beside
from engine.language import tree

VALUE, PLACE, EVERYONE = (column(name) for name in ("value", "place", "everyone"))


def parts(node: tree.Rank, ranked: exp.Column, name: str) -> tuple[exp.Expr, Beside]:
    """⌈parts · (number ≤ x) / (number known)⌉, and the step that knows the edges."""
    scaled = exp.Mul(this=PLACE.copy(), expression=literal(node.parts))
    ifs, edges = [], []
    for part in range(node.parts, 1, -1):
        edge = f"{name}_{part}"
        below = exp.Mul(this=EVERYONE.copy(), expression=literal(part - 1))
        edges.append(named(_edge(exp.GT(this=scaled.copy(), expression=below)), edge))
        ifs.append(exp.If(this=exp.GTE(this=ranked.copy(), expression=column(edge)), true=literal(part)))
    place = exp.Case(ifs=[*ifs, exp.If(this=known(ranked.copy()), true=literal(1))])
    return place, _beside(name, exp.Count(this=exp.Star()), exp.Ordered(this=ranked, nulls_first=False), edges)


def top(node: tree.Top, ranked: exp.Column, name: str) -> tuple[exp.Expr, Beside]:
    """Those with fewer than p % of the ranked above them: everyone tied at the edge stays."""
    order = exp.Ordered(this=ranked, desc=not node.bottom, nulls_first=False)
    above = exp.Mul(this=exp.Paren(this=exp.Sub(this=PLACE.copy(), expression=literal(1))), expression=literal(100))
    share = exp.Mul(this=literal(Decimal(node.percent)), expression=EVERYONE.copy())
    edge = _edge(exp.LT(this=above, expression=share), exp.Max if node.bottom else exp.Min)
    compare = exp.LTE if node.bottom else exp.GTE
    inside = strict(compare(this=ranked.copy(), expression=column(f"{name}_edge")))
    return inside, _beside(name, exp.Anonymous(this="RANK"), order, [named(edge, f"{name}_edge")])


def _edge(belongs: exp.Expr, end: type[exp.Expr] = exp.Min) -> exp.Expr:
    return end(this=when(belongs, VALUE.copy()))


def _beside(name: str, place: exp.Expr, order: exp.Ordered, edges: list[exp.Expr]) -> Beside:
    ranked = order.this

    def step(before: exp.Table) -> exp.Select:
        placed = (
            exp.select(
                named(ranked.copy(), "value"),
                named(exp.Window(this=place, order=exp.Order(expressions=[order])), "place"),
                named(exp.Window(this=exp.Count(this=exp.Star())), "everyone"),
            )
            .from_(before, copy=False)
            .where(known(ranked.copy()), copy=False)
        )
        return exp.select(*edges, copy=False).from_(
            placed.subquery(exp.to_identifier("placed", quoted=True)), copy=False
        )

    return Beside(f"_edges_of_{name}", ranked, step)
