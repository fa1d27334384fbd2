"""`most_frequent`: rows grouped by customer and value first, then the best group of each customer (rule 15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.compute import tallies
from engine.compute.backends.protocol import spell
from engine.compute.spelling import column, named, relation
from engine.compute.steps import Side
from engine.shop.numbers import number

if TYPE_CHECKING:
    from engine.compute.aggregates import Counting
    from engine.compute.rows import RowScope

KEY, VALUE = "key", "value"


@dataclass(frozen=True, slots=True)
class Favourite:
    """The value of a column that stands in most of the rows that satisfy `where`; it becomes the column `alias`."""

    name: str
    row: RowScope
    where: exp.Expr
    scope: Counting
    alias: str

    def side(self) -> Side:
        """The steps: groups, and the best of them, in one aggregate where the engine has words for it."""
        backend, listed = self.scope.backend, self.row.source.columns[self.name].numbered_in
        if backend.numbered_favourite is not None and listed is not None:
            groups = self._groups(column(number(self.name)), *self._number_and_time())
            return self._side(
                [groups], backend.numbered_favourite(*map(column, ("number", "time", KEY)), self._values(listed))
            )
        key = self.row.folded(self.name)
        lowest = named(exp.Min(this=column(self.name)), VALUE)
        if backend.favourite is not None:
            groups = self._groups(key, lowest, *self._number_and_time())
            return self._side([groups], backend.favourite(*map(column, (VALUE, "number", "time", KEY))))
        weight = spell(backend, "weight", tallies.count(None), exp.Max(this=self.row.time))
        groups = self._groups(key, lowest, named(weight, "weight"))
        best = (f"_{self.alias}_best", self._from_groups(named(exp.Max(this=column("weight")), "weight")))
        return self._side([groups, best], spell(backend, "lowest", column(VALUE), column(KEY)))

    def _values(self, table: str) -> exp.Subquery:
        """The values of a table in the order of their numbers, as one list."""
        each = exp.select(named(column(number(self.name)), KEY), named(exp.Min(this=column(self.name)), VALUE))
        each = each.from_(relation(table), copy=False).group_by(column(number(self.name)), copy=False)
        order = exp.Order(this=column(VALUE), expressions=[exp.Ordered(this=column(KEY))])
        return exp.select(exp.ArrayAgg(this=order)).from_(each.subquery("listed"), copy=False).subquery()

    @property
    def _customer(self) -> exp.Column:
        return column(self.scope.steps.key)

    def _number_and_time(self) -> tuple[exp.Expr, exp.Expr]:
        return named(tallies.count(None), "number"), named(exp.Max(this=self.row.time), "time")

    def _groups(self, key: exp.Expr, *measures: exp.Expr) -> tuple[str, exp.Select]:
        """A step: what is measured of the rows of each customer and key."""
        query = exp.select(self._customer, named(key, KEY), *measures, copy=False)
        query = query.from_(relation(self.row.source.table), copy=False).where(self.where, copy=False)
        return f"_{self.alias}_groups", query.group_by(self._customer, key.copy(), copy=False)

    def _from_groups(self, measure: exp.Expr) -> exp.Select:
        query = exp.select(self._customer, measure).from_(relation(f"_{self.alias}_groups"), copy=False)
        return query.group_by(self._customer, copy=False)

    def _side(self, earlier: list[tuple[str, exp.Query]], best: exp.Expr) -> Side:
        chosen = self._from_groups(named(best, self.alias))
        for name, _ in earlier[1:]:
            chosen = chosen.join(relation(name), using=[self._customer, column("weight")], copy=False)
        return Side(tuple(earlier), f"_by_{self.alias}", chosen, self.alias, zero=False)
