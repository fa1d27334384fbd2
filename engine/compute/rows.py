"""Rows of a source: which count, and how their columns are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlglot import exp

from engine.compute import conditions
from engine.compute.backends.protocol import Backend
from engine.compute.bounds import Calendar, Interval
from engine.compute.literals import literal
from engine.compute.spelling import column, strict, within
from engine.compute.steps import Wall
from engine.compute.zones import local
from engine.errors import UnsupportedByBackend
from engine.language import tree
from engine.language.tree import Type
from engine.shop.schema import Source


@dataclass(frozen=True, slots=True)
class RowScope:
    """One row of a source: columns, and nothing of the customer (rule 8)."""

    name: str
    source: Source
    calendar: Calendar
    backend: Backend
    own: tree.Test | None = None  # the client's own filter of the source
    walls: dict[exp.Expr, Wall] = field(default_factory=dict, compare=False)  # of the table, by their instants

    @property
    def time(self) -> exp.Column:
        """When the row happened."""
        return column(self.source.time)

    def fact(self, node: tree.Trait | tree.Column) -> exp.Expr:
        """The row's column."""
        return column(node.name)

    def is_exact(self, node: tree.Trait | tree.Column | tree.Aggregate) -> bool:
        """Whether a text column is compared as it is."""
        return not isinstance(node, tree.Aggregate) and self.exact(node.name)

    def exact(self, name: str) -> bool:
        """Whether a column is an id or a closed list."""
        found = self.source.columns.get(name)
        return found is not None and (found.exact or bool(found.values))

    def folded(self, name: str) -> exp.Expr:
        """A column as it is compared: text without case, unless it is exact (rule 7)."""
        found = self.source.columns.get(name)
        is_text = found is not None and found.type == Type.TEXT and not self.exact(name)
        return exp.Lower(this=column(name)) if is_text else column(name)

    def conjuncts(self, where: tree.Test | None) -> list[exp.Expr]:
        """What a row must satisfy to count, its time apart: the source's filters and the where."""
        keep = [column(self.source.keep)] if self.source.keep else []
        return [*keep, *(conditions.test(item, self) for item in (*_items(self.own), *_items(where)))]

    def bounds(self, interval: Interval[datetime]) -> list[exp.Expr]:
        """When a row must have happened to count."""
        return within(self.time, *(None if end is None else literal(end) for end in (interval.low, interval.high)))

    def average(self, _: tree.Value) -> None:
        """Nothing is aggregated within a row."""

    def anniversary(self, node: tree.Value) -> exp.Expr | None:
        """The date whose month and day count."""
        from engine.compute import values

        return values.day(node.of, self) if isinstance(node, tree.Anniversary) else None

    def local_day(self, instant: exp.Expr) -> exp.Expr:
        """The local day of an instant of the row."""
        return exp.cast(self.local(instant), exp.DType.DATE)

    def local(self, instant: exp.Expr) -> exp.Expr:
        """The local wall time of an instant of the row, as a column of the scan: a zone's changes are many."""
        if instant not in self.walls:
            alias = f"_local_{self.source.table}_{len(self.walls) + 1}"
            self.walls[instant] = Wall(alias, local(instant, self.calendar, self.backend))
        return column(self.walls[instant].alias)

    def aggregate(self, _: tree.Aggregate) -> exp.Expr:
        """Refused: a row holds no rows."""
        raise self._refusal("an aggregate")

    def rank(self, _: tree.Rank) -> exp.Expr:
        """Refused: a row has no rank."""
        raise self._refusal("a rank")

    def place(self, _: str) -> tuple[float, float]:
        """Refused: a row is nowhere."""
        raise self._refusal("'within km'")

    def special(self, node: tree.Test) -> exp.Expr:
        """Refused: the customer's tests are not the row's."""
        raise self._refusal(type(node).__name__.lower())

    def identifier(self) -> exp.Expr:
        """Refused: buckets are the customer's."""
        raise self._refusal("bucket()")

    def _refusal(self, what: str) -> UnsupportedByBackend:
        return UnsupportedByBackend(f"{what} cannot stand inside 'where' of {self.name}")


def _items(where: tree.Test | None) -> tuple[tree.Test, ...]:
    return where.items if isinstance(where, tree.And) else () if where is None else (where,)


def strictly(test: exp.Expr) -> exp.Expr:
    """A row's condition as 1 or 0."""
    return exp.Case(ifs=[exp.If(this=strict(test), true=literal(1))], default=literal(0))
