"""Aggregate nodes as columns (rules 5, 15, 22, 24)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import reduce
from typing import Protocol

from sqlglot import exp

from engine.compute import tallies
from engine.compute.backends.protocol import Backend, spell
from engine.compute.bounds import Calendar, Interval
from engine.compute.favourites import Favourite
from engine.compute.literals import literal
from engine.compute.rows import RowScope
from engine.compute.spelling import column, every, filled, known, when
from engine.compute.steps import Steps
from engine.compute.tallies import Entry
from engine.errors import UnsupportedByBackend
from engine.language import tree

ROW = "row_id"
MICROS = 1_000_000
MARKS = 62  # powers of two that a whole number of 64 bits holds, with one to spare


class Counting(Protocol):
    """What an aggregate needs of the place where it stands."""

    @property
    def calendar(self) -> Calendar:
        """The run's time."""
        ...

    @property
    def backend(self) -> Backend:
        """The engine."""
        ...

    @property
    def steps(self) -> Steps:
        """The growing query."""
        ...

    def rows(self, source: str) -> RowScope:
        """One row of a source."""
        ...


def aggregate(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    """The value of an aggregate, from columns of the base step."""
    return _MAKERS[node.fn](node, scope)


def average(node: tree.Aggregate, scope: Counting) -> tuple[exp.Expr, exp.Expr]:
    """Sum and count of the known values."""
    return _tally(node, scope, "sum"), _count(node, scope)


def number(rows: tree.Rows, window: tree.Window | None, scope: Counting) -> exp.Expr:
    """How many rows there are."""
    return _tally(tree.Aggregate("count", rows, None, window, tree.Type.NUMBER), scope, "count")


def time(rows: tree.Rows, window: tree.Window | None, scope: Counting, *, latest: bool) -> exp.Expr:
    """When the latest or the earliest of the rows happened."""
    own = scope.rows(rows.source).source.time
    fn = "max" if latest else "min"
    return _tally(tree.Aggregate(fn, rows, own, window, tree.Type.INSTANT), scope, fn)


def conjuncts(node: tree.Aggregate, scope: Counting) -> tuple[exp.Expr, ...]:
    """What a row must satisfy to count for an aggregate, its time apart: with a column, that it is known."""
    row = scope.rows(node.rows.source)
    found = tuple(row.conjuncts(node.rows.where))
    return found if _is_known(node.column, row) else (*found, known(column(str(node.column))))


def _is_known(name: str | None, row: RowScope) -> bool:
    """Whether a column is known in every row: its own time, or one that the shop requires."""
    found = row.source.columns.get(name or "")
    return name in (None, row.source.time) or (found is not None and found.required)


def _tally(node: tree.Aggregate, scope: Counting, fn: str) -> exp.Expr:
    row, interval = scope.rows(node.rows.source), scope.calendar.rows(node.window)
    entry = Entry(
        alias=f"{fn}_{node.rows.source}",
        build=_build(fn, node, scope),
        conjuncts=tuple(row.conjuncts(node.rows.where)) if fn in _BLIND else conjuncts(node, scope),
        interval=interval,
        zero=fn in ("count", "distinct", "sum"),
    )
    return scope.steps.tally(row.source, (fn, node.rows, _column(fn, node, row), interval), entry)


def _column(fn: str, node: tree.Aggregate, row: RowScope) -> str | None:
    """The column that an aggregate reads; a count reads none that is always known."""
    return None if fn == "count" and _is_known(node.column, row) else node.column


def _build(fn: str, node: tree.Aggregate, scope: Counting) -> tallies.Build:
    row = scope.rows(node.rows.source)
    if fn == "count":
        return tallies.count
    name = node.column or row.source.time
    if fn == "distinct":
        return tallies.distinct(row.folded(name))
    if fn in _PLAIN:
        return tallies.of(_PLAIN[fn], column(name))

    def at_an_end(condition: exp.Expr | None) -> exp.Expr:
        counts = exp.true() if condition is None else condition
        return spell(scope.backend, fn, column(name), row.time, column(ROW), counts)

    return at_an_end


def _count(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    return _tally(node, scope, "count")


def _at_an_end(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    if node.column == scope.rows(node.rows.source).source.time:
        return _tally(node, scope, "min" if node.fn == "first" else "max")
    return _tally(node, scope, node.fn)


def _avg(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    return spell(scope.backend, "divide", *average(node, scope))


def _share(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    everything = number(tree.Rows(node.rows.source), node.window, scope)
    return spell(scope.backend, "divide", number(node.rows, node.window, scope), everything)


def _avg_gap(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    first, last = (_tally(_timed(node, scope), scope, fn) for fn in ("min", "max"))
    gaps = exp.Paren(this=exp.Sub(this=_count(_timed(node, scope), scope), expression=literal(1)))
    micros = exp.Mul(this=gaps, expression=literal(MICROS))
    # the count is 0 or 1 below two rows: one division, and unknown by zero
    several = exp.GT(this=gaps.copy(), expression=literal(0))
    return when(several, spell(scope.backend, "divide", spell(scope.backend, "micros", last, first), micros))


def _timed(node: tree.Aggregate, scope: Counting) -> tree.Aggregate:
    own = node.column or scope.rows(node.rows.source).source.time
    return tree.Aggregate(node.fn, node.rows, own, node.window, node.type)


def _periods(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    if node.window is None or node.by is None or scope.calendar.rows(node.window).low is None:
        raise UnsupportedByBackend("periods() needs a window with a beginning", hint="add for example 'last 12 months'")
    row = scope.rows(node.rows.source)
    parts = scope.calendar.periods(node.window, node.by, node.step)

    def build(_: exp.Expr | None) -> exp.Expr:
        marks = scope.backend.marks
        if marks is not None and node.least == 1:
            tests = conjuncts(node, scope)
            some = [parts[start : start + MARKS] for start in range(0, len(parts), MARKS)]
            return _total(filled(marks(_mark(row, tests, chunk))) for chunk in some)
        return _total(_enough(every([*conjuncts(node, scope), *row.bounds(part)]), node.least) for part in parts)

    interval = scope.calendar.rows(node.window)
    entry = Entry(f"periods_{node.rows.source}", build, conjuncts(node, scope), interval, zero=True)
    return scope.steps.tally(row.source, node, entry)


def _total(found: Iterable[exp.Expr]) -> exp.Expr:
    first, *others = found
    return reduce(lambda total, one: exp.Add(this=total, expression=one), others, first)


def _mark(row: RowScope, tests: tuple[exp.Expr, ...], parts: Sequence[Interval[datetime]]) -> exp.Expr:
    """The power of two of the period in which a row that counts happened: each ends where the next one begins."""
    whole = Interval(parts[0].low, parts[-1].high)
    ifs = [
        exp.If(this=every(row.bounds(Interval(None, part.high))), true=literal(2**number))
        for number, part in enumerate(parts[:-1])
    ]
    last = literal(2 ** (len(parts) - 1))
    number = exp.Case(ifs=ifs, default=last) if ifs else last
    return when(every([*row.bounds(whole), *tests]), number)


def _enough(condition: exp.Expr, least: int) -> exp.Expr:
    return when(exp.GTE(this=tallies.count(condition), expression=literal(least)), literal(1), literal(0))


def _most_frequent(node: tree.Aggregate, scope: Counting) -> exp.Expr:
    row, window = scope.rows(node.rows.source), scope.calendar.rows(node.window)
    key = (node.fn, node.rows, node.column, window)
    if key in scope.steps.sides:
        return column(scope.steps.sides[key].alias)
    alias = scope.steps.unique(f"most_frequent_{node.rows.source}")
    counted = every([*conjuncts(node, scope), *row.bounds(window)])
    return scope.steps.side(key, Favourite(str(node.column), row, counted, scope, alias).side())


_PLAIN: dict[str, type[exp.Expr]] = {"sum": exp.Sum, "min": exp.Min, "max": exp.Max}
_BLIND = frozenset({*_PLAIN, "distinct"})  # unknown values do not change them
_MAKERS: dict[str, Callable[[tree.Aggregate, Counting], exp.Expr]] = {
    "count": _count,
    **{fn: lambda node, scope: _tally(node, scope, node.fn) for fn in ("sum", "min", "max", "distinct")},
    "first": _at_an_end,
    "last": _at_an_end,
    "avg": _avg,
    "share": _share,
    "avg_gap": _avg_gap,
    "periods": _periods,
    "most_frequent": _most_frequent,
}
