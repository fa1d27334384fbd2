"""`most_frequent`: rows grouped by customer and value first, then the best group of each customer (rule 15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.compute import tallies
from engine.compute.backends.protocol import spell
from engine.compute.spelling import column, named, relation
from engine.compute.steps import Side

if TYPE_CHECKING:
    from engine.compute.aggregates import Counting
    from engine.compute.rows import RowScope

CUSTOMER, KEY, VALUE = "customer_id", "key", "value"


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
        groups = (f"_{self.alias}_groups", self._groups())
        if self.scope.backend.favourite is not None:
            return self._side([groups], self.scope.backend.favourite(*map(column, (VALUE, "number", "time", KEY))))
        heaviest = self._from_groups(named(exp.Max(this=column("weight")), "weight"))
        best = (f"_{self.alias}_best", heaviest)
        return self._side([groups, best], spell(self.scope.backend, "lowest", column(VALUE), column(KEY)))

    def _groups(self) -> exp.Select:
        customer, key = column(self.row.source.customer), self.row.folded(self.name)
        lowest = named(exp.Min(this=column(self.name)), VALUE)
        columns = [named(customer, CUSTOMER), named(key, KEY), lowest, *self._measures()]
        query = exp.select(*columns, copy=False).from_(relation(self.row.source.table), copy=False)
        return query.where(self.where, copy=False).group_by(customer.copy(), key.copy(), copy=False)

    def _measures(self) -> list[exp.Expr]:
        number, time = tallies.count(None), exp.Max(this=self.row.time)
        if self.scope.backend.favourite is not None:
            return [named(number, "number"), named(time, "time")]
        return [named(spell(self.scope.backend, "weight", number, time), "weight")]

    def _from_groups(self, measure: exp.Expr) -> exp.Select:
        query = exp.select(column(CUSTOMER), measure).from_(relation(f"_{self.alias}_groups"), copy=False)
        return query.group_by(column(CUSTOMER), copy=False)

    def _side(self, earlier: list[tuple[str, exp.Query]], best: exp.Expr) -> Side:
        chosen = self._from_groups(named(best, self.alias))
        for name, _ in earlier[1:]:
            chosen = chosen.join(relation(name), using=[column(CUSTOMER), column("weight")], copy=False)
        return Side(tuple(earlier), f"_by_{self.alias}", chosen, self.alias, zero=False)
