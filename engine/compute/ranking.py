"""Ranks as edges: one narrow pass finds where each part begins, then a comparison places everyone (rule 16).

Equal values share a place because an edge is a value; unknown values have none. An engine that finds the value at a
share of the way through all of them (`Backend.cuts`) gives the edges at once; others count each value's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlglot import exp

from engine.compute.backends.protocol import Backend
from engine.compute.literals import literal
from engine.compute.spelling import column, known, named, strict, when
from engine.compute.steps import Beside
from engine.language import tree

VALUE, PLACE, EVERYONE = (column(name) for name in ("value", "place", "everyone"))
CUTS = "cuts"


def parts(node: tree.Rank, ranked: exp.Column, name: str, backend: Backend) -> tuple[exp.Expr, Beside]:
    """⌈parts · (number ≤ x) / (number known)⌉, and the step that knows the edges."""
    numbers = range(node.parts, 1, -1)
    names = [f"{name}_{part}" for part in numbers]
    ifs = [
        exp.If(this=exp.GTE(this=ranked.copy(), expression=column(edge)), true=literal(part))
        for edge, part in zip(names, numbers, strict=True)
    ]
    place = exp.Case(ifs=[*ifs, exp.If(this=known(ranked.copy()), true=literal(1))])
    if backend.cuts is not None:
        # from the greatest on: the first value that stands after more than (part - 1) / parts of all
        shares = [Decimal(node.parts - part + 1) / node.parts for part in numbers]
        return place, _cut(name, ranked, names, backend.cuts(exp.Ordered(this=ranked.copy(), desc=True), shares))
    scaled = exp.Mul(this=PLACE.copy(), expression=literal(node.parts))
    below = (exp.Mul(this=EVERYONE.copy(), expression=literal(part - 1)) for part in numbers)
    edges = [_edge(exp.GT(this=scaled.copy(), expression=each)) for each in below]
    order = exp.Ordered(this=ranked, nulls_first=False)
    return place, _counted(name, exp.Count(this=exp.Star()), order, [*map(named, edges, names)])


def top(node: tree.Top, ranked: exp.Column, name: str, backend: Backend) -> tuple[exp.Expr, Beside]:
    """Those with fewer than p % of the ranked above them: everyone tied at the edge stays."""
    edge = f"{name}_edge"
    compare = exp.LTE if node.bottom else exp.GTE
    inside = strict(compare(this=ranked.copy(), expression=column(edge)))
    order = exp.Ordered(this=ranked, desc=not node.bottom, nulls_first=False)
    if backend.cuts is not None:
        return inside, _cut(name, ranked, [edge], backend.cuts(order.copy(), [Decimal(node.percent) / 100]))
    above = exp.Mul(this=exp.Paren(this=exp.Sub(this=PLACE.copy(), expression=literal(1))), expression=literal(100))
    share = exp.Mul(this=literal(Decimal(node.percent)), expression=EVERYONE.copy())
    last = _edge(exp.LT(this=above, expression=share), exp.Max if node.bottom else exp.Min)
    return inside, _counted(name, exp.Anonymous(this="RANK"), order, [named(last, edge)])


def _edge(belongs: exp.Expr, end: type[exp.Expr] = exp.Min) -> exp.Expr:
    return end(this=when(belongs, VALUE.copy()))


def _cut(name: str, ranked: exp.Column, edges: Sequence[str], cuts: exp.Expr) -> Beside:
    """The step with the edges out of a list of them."""

    def step(before: exp.Table) -> exp.Select:
        found = exp.select(named(cuts.copy(), CUTS)).from_(before, copy=False).where(known(ranked.copy()), copy=False)
        each = [
            named(exp.Anonymous(this="LIST_EXTRACT", expressions=[column(CUTS), literal(place)]), edge)
            for place, edge in enumerate(edges, 1)
        ]
        return exp.select(*each, copy=False).from_(found.subquery(exp.to_identifier("found", quoted=True)), copy=False)

    return Beside(f"_edges_of_{name}", ranked, step)


def _counted(name: str, place: exp.Expr, order: exp.Ordered, edges: list[exp.Expr]) -> Beside:
    """The step with the edges out of each value's place among all."""
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
