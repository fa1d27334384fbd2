"""`did … then [no] …` as a condition (rule 17).

Without `same` and `within` the extremes of both times decide, in the scans of each table. With `same`, the same
extremes by (customer, value). With `within`, each instant and the next B after it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from engine.compute import aggregates
from engine.compute.aggregates import Counting
from engine.compute.backends.protocol import spell
from engine.compute.bounds import MONTHS, SECONDS, Interval
from engine.compute.literals import literal
from engine.compute.rows import RowScope, strictly
from engine.compute.spelling import column, every, known, named, relation, some, when
from engine.compute.steps import Side
from engine.compute.zones import local, universal
from engine.language import tree
from engine.language.tree import Then


def did(node: tree.Did, scope: Counting) -> exp.Expr:
    """The condition of `did`; `never` is its complement, and the caller's."""
    if node.then is None:
        return exp.GT(this=aggregates.number(node.rows, node.window, scope), expression=literal(0))
    if node.then.same is None and node.then.within is None:
        return _by_extremes(node, node.then, scope)
    return exp.EQ(this=_pairs(node, node.then, scope), expression=literal(1))


def _by_extremes(node: tree.Did, then: Then, scope: Counting) -> exp.Expr:
    start = aggregates.time(node.rows, node.window, scope, latest=then.negated)
    return _answered(start, aggregates.time(then.rows, None, scope, latest=True), then, same=node.rows == then.rows)


def _answered(start: exp.Expr, latest: exp.Expr, then: Then, *, same: bool) -> exp.Expr:
    """Whether an A is (not) followed: `start` is the first A, or with `no` the last one; the rows' own instant is no answer to itself."""
    if not then.negated:
        return (exp.GT if same else exp.GTE)(this=latest, expression=start)
    before = (exp.LTE if same else exp.LT)(this=latest, expression=start)
    none = exp.Is(this=latest.copy(), expression=exp.Null())
    return every([known(start.copy()), some([none, before])])


def _pairs(node: tree.Did, then: Then, scope: Counting) -> exp.Column:
    key: Hashable = (node.rows, node.window, then)
    if key in scope.steps.sides:
        return column(scope.steps.sides[key].alias)
    alias = scope.steps.unique(f"then_{then.rows.source}")
    maker = _Pairs(node, then, scope, alias)
    return scope.steps.side(key, Side(maker.earlier(), f"_by_{alias}", maker.by_customer(), alias, zero=True))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Both kinds of rows side by side: `is_a`, `is_b`, when (`at`) and what they must agree on (`key`)."""

    node: tree.Did
    then: Then
    scope: Counting
    alias: str

    @property
    def _customer(self) -> exp.Column:
        return column(self.scope.steps.key)

    @property
    def is_same(self) -> bool:
        return self.node.rows == self.then.rows

    def earlier(self) -> tuple[tuple[str, exp.Query], ...]:
        rows = (f"_{self.alias}_rows", self._rows())
        if not self.then.within:
            return rows, (f"_{self.alias}_pairs", self._extremes())
        return rows, (f"_{self.alias}_instants", self._instants()), (f"_{self.alias}_pairs", self._next())

    def by_customer(self) -> exp.Select:
        holds = self._in_time() if self.then.within else self._by_extremes()
        found = exp.Max(this=when(holds, literal(1), literal(0)))
        query = exp.select(self._customer, named(found, self.alias)).from_(relation(f"_{self.alias}_pairs"), copy=False)
        return query.group_by(self._customer, copy=False)

    def _rows(self) -> exp.Query:
        first, second = self.scope.rows(self.node.rows.source), self.scope.rows(self.then.rows.source)
        window, answers = self.scope.calendar.rows(self.node.window), self.scope.calendar.rows(None)
        # an answer is never before the first A: older rows are not read
        answers = Interval(window.low, answers.high)
        is_a = every(self._tests(first, self.node.rows, window))
        is_b = every(self._tests(second, self.then.rows, answers))
        if first.source.table == second.source.table and first.source.time == second.source.time:
            return self._select(first, strictly(is_a), strictly(is_b), some([is_a.copy(), is_b.copy()]))
        yes, no = literal(1), literal(0)
        return exp.union(
            self._select(first, yes, no, is_a), self._select(second, no.copy(), yes.copy(), is_b), distinct=False
        )

    def _tests(self, row: RowScope, rows: tree.Rows, interval: Interval[datetime]) -> list[exp.Expr]:
        found = [*row.conjuncts(rows.where), *row.bounds(interval)]
        return [*found, known(column(self.then.same))] if self.then.same else found

    def _select(self, row: RowScope, is_a: exp.Expr, is_b: exp.Expr, where: exp.Expr) -> exp.Select:
        agreed = row.folded(self.then.same) if self.then.same else literal(0)
        columns = [
            self._customer, named(agreed, "key"),
            named(row.time, "at"), named(is_a, "is_a"), named(is_b, "is_b"),
        ]  # fmt: skip
        return exp.select(*columns).from_(relation(row.source.table), copy=False).where(where, copy=False)

    def _instants(self) -> exp.Select:
        """One row an instant: rows of the same instant answer each other, or all together nobody."""
        by = [self._customer, column("key"), column("at")]
        flags = [named(exp.Max(this=column(flag)), flag) for flag in ("is_a", "is_b")]
        return exp.select(*by, *flags).from_(relation(f"_{self.alias}_rows"), copy=False).group_by(*by, copy=False)

    def _next(self) -> exp.Select:
        answer = exp.Min(this=_at("is_b"))
        frame = exp.WindowSpec(
            kind="ROWS",
            start=literal(1) if self.is_same else "CURRENT ROW",
            start_side="FOLLOWING" if self.is_same else None,
            end="UNBOUNDED",
            end_side="FOLLOWING",
        )
        over = exp.Window(
            this=answer,
            partition_by=[self._customer, column("key")],
            order=exp.Order(expressions=[column("at")]),
            spec=frame,
        )
        columns = [self._customer, column("at"), column("is_a"), named(over, "answered_at")]
        if self._months:
            columns.append(named(self._wall_limit(), "wall_limit"))
        return exp.select(*columns).from_(relation(f"_{self.alias}_instants"), copy=False)

    def _extremes(self) -> exp.Select:
        start = exp.Max(this=_at("is_a")) if self.then.negated else exp.Min(this=_at("is_a"))
        columns = [self._customer, named(start, "started_at"), named(exp.Max(this=_at("is_b")), "answered_at")]
        query = exp.select(*columns).from_(relation(f"_{self.alias}_rows"), copy=False)
        return query.group_by(self._customer, column("key"), copy=False)

    def _by_extremes(self) -> exp.Expr:
        return _answered(column("started_at"), column("answered_at"), self.then, same=self.is_same)

    def _in_time(self) -> exp.Expr:
        limit = self._limit()
        is_a = exp.EQ(this=column("is_a"), expression=literal(1))
        if not self.then.negated:
            return every([is_a, exp.LTE(this=column("answered_at"), expression=limit)])
        passed = exp.LTE(this=limit, expression=literal(self.scope.calendar.instant))
        none = exp.Is(this=column("answered_at"), expression=exp.Null())
        late = exp.GT(this=column("answered_at"), expression=limit.copy())
        return every([is_a, passed, some([none, late])])

    @property
    def _months(self) -> int:
        """The length of `within` in calendar months, or 0."""
        duration = self.then.within
        return duration.n * MONTHS.get(duration.unit, 0) if duration else 0

    def _wall_limit(self) -> exp.Expr:
        """The local wall time until which an answer counts: calendar months clamp (rule 13)."""
        calendar, backend = self.scope.calendar, self.scope.backend
        return spell(backend, "plus_months", local(column("at"), calendar, backend), literal(self._months))

    def _limit(self) -> exp.Expr:
        calendar, backend, duration = self.scope.calendar, self.scope.backend, self.then.within
        if self._months or duration is None:
            return universal(column("wall_limit"), calendar, backend)
        return spell(backend, "plus_seconds", column("at"), literal(duration.n * SECONDS[duration.unit]))


def _at(flag: str) -> exp.Expr:
    return when(exp.EQ(this=column(flag), expression=literal(1)), column("at"))
