"""The growing query: what customers' columns, counted tables, side tables and derived columns it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from engine.compute.spelling import column, filled, named, relation
from engine.compute.tallies import Entry, Tally
from engine.shop.schema import Source

CUSTOMERS, BASE = "customers", "_base"  # steps begin with _: no table of a shop does


@dataclass(frozen=True, slots=True)
class Side:
    """A step of its own by customer, for what one GROUP BY cannot say; earlier steps come first."""

    earlier: tuple[tuple[str, exp.Query], ...]
    name: str
    query: exp.Query
    alias: str
    zero: bool


@dataclass(frozen=True, slots=True)
class Wall:
    """The local wall time of an instant of a table's rows."""

    alias: str
    value: exp.Expr


@dataclass(frozen=True, slots=True)
class Beside:
    """One row over everyone, from the step before: what a column must know of the others."""

    name: str
    reads: exp.Column
    make: Callable[[exp.Table], exp.Query]


@dataclass(frozen=True, slots=True)
class Derived:
    """A column computed from columns of earlier steps: a rank, a named trait, a segment that others refer to."""

    alias: str
    value: exp.Expr
    level: int
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Named steps in the order in which they stand on each other, and the result over them."""

    steps: tuple[tuple[str, exp.Query], ...]
    result: exp.Select

    def whole(self) -> exp.Select:
        """All of it as one statement."""
        query = self.result.copy()
        for name, step in self.steps:
            query = query.with_(exp.to_identifier(name, quoted=True), as_=step, copy=False)
        return query

    def read_often(self) -> frozenset[str]:
        """The steps that others read more than once."""
        readers = [query for _, query in self.steps] + [self.result]
        read = Counter(table.name for reader in readers for table in reader.find_all(exp.Table))
        return frozenset(name for name, _ in self.steps if read[name] > 1)


@dataclass(slots=True)
class Steps:
    """Collects what all segments and traits need; `assemble` makes it one query."""

    key: str = "customer_id"  # the column by which rows of all tables are grouped, and joined to customers
    facts: dict[str, str] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    sides: dict[Hashable, Side] = field(default_factory=dict)
    derived: dict[Hashable, Derived] = field(default_factory=dict)
    walls: dict[str, dict[exp.Expr, Wall]] = field(default_factory=dict)
    _levels: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def unique(self, stem: str) -> str:
        """A name that no other column or step has."""
        self._count += 1
        return f"{stem}_{self._count}"

    def fact(self, name: str) -> exp.Column:
        """A column of customers."""
        return column(self.facts.setdefault(name, f"f_{name}"))

    def tally(self, source: Source, key: Hashable, entry: Entry) -> exp.Column:
        """One aggregate over a source's table, in the scans of that table; `entry.alias` is made unique."""
        place = (source.table, source.time)
        tally = self.tallies.get(place)
        if tally is None:
            name = f"_by_customer_{source.table}"
            taken = any(one.name == name for one in self.tallies.values())
            tally = self.tallies.setdefault(
                place, Tally(source.table, self.key, source.time, self.unique(name) if taken else name)
            )
        found = tally.entries.get(key)
        return column(found.alias) if found else tally.add(key, replace(entry, alias=self.unique(entry.alias)))

    def side(self, key: Hashable, side: Side) -> exp.Column:
        """The column of a side table."""
        return column(self.sides.setdefault(key, side).alias)

    def derive(self, key: Hashable, alias: str, value: exp.Expr, beside: Beside | None = None) -> exp.Column:
        """A column of a later step, once for all who refer to it; `beside` is read along with the step before."""
        if key not in self.derived:
            reads = [value, beside.reads] if beside else [value]
            levels = (self._levels.get(found.name, 0) for read in reads for found in read.find_all(exp.Column))
            # a column that knows of the others reads the step before twice: never the base, which is wide
            level = 1 + max(levels, default=0) if beside is None else 1 + max([1, *levels])
            self.derived[key] = Derived(alias, value, level, beside)
            self._levels[alias] = level
        return column(self.derived[key].alias)

    def known(self, key: Hashable) -> exp.Column | None:
        """A derived column that is there already."""
        return column(self.derived[key].alias) if key in self.derived else None

    def assemble(self, result: list[exp.Expr]) -> Query:
        """The whole query: scans, base, one step a level, and the columns of the result from the last."""
        steps = (*self._scans(), (BASE, self._base()), *self._levels_in_order(result))
        query = exp.select(*result, copy=False).from_(relation(steps[-1][0]), copy=False)
        return Query(steps, query.order_by(column("customer_id"), copy=False))

    def _scans(self) -> Iterator[tuple[str, exp.Query]]:
        for tally in self._tallies():
            yield tally.name, self._with_walls(tally.select())
        for side in self.sides.values():
            for name, query in side.earlier:
                yield name, self._with_walls(query)
            yield side.name, side.query

    def _tallies(self) -> list[Tally]:
        return [part for tally in self.tallies.values() for part in tally.parts()]

    def _with_walls(self, scan: exp.Query) -> exp.Query:
        """A scan whose tables have the wall times that it reads as columns."""
        read = {found.name for found in scan.find_all(exp.Column)}
        for table in list(scan.find_all(exp.Table)):
            walls = [wall for wall in self.walls.get(table.name, {}).values() if wall.alias in read]
            if walls:
                rows = exp.select(exp.Star(), *(named(wall.value.copy(), wall.alias) for wall in walls))
                table.replace(rows.from_(table.copy(), copy=False).subquery(exp.to_identifier(table.name, quoted=True)))
        return scan

    def _base(self) -> exp.Select:
        columns: list[exp.Expr] = [column("customer_id", CUSTOMERS)]
        columns += [named(column(name, CUSTOMERS), alias) for name, alias in self.facts.items()]
        query = exp.select(*columns, copy=False).from_(relation(CUSTOMERS), copy=False)
        for tally in self._tallies():
            entries = [(entry.alias, entry.zero) for entry in tally.entries.values()]
            query = self._joined(query, tally.name, entries)
        for side in self.sides.values():
            query = self._joined(query, side.name, [(side.alias, side.zero)])
        return query

    def _joined(self, query: exp.Select, name: str, columns: list[tuple[str, bool]]) -> exp.Select:
        for alias, zero in columns:
            found = column(alias, name)
            query = query.select(named(filled(found) if zero else found, alias), copy=False)
        same = exp.EQ(this=column(self.key, CUSTOMERS), expression=column(self.key, name))
        return query.join(relation(name), on=same, join_type="left", copy=False)

    def _levels_in_order(self, result: list[exp.Expr]) -> Iterator[tuple[str, exp.Query]]:
        before, there = BASE, self._columns_of_base()
        for level in range(1, 1 + max((found.level for found in self.derived.values()), default=0)):
            step = [found for found in self.derived.values() if found.level == level]
            later = self._read_after(level, result)
            there = [name for name in there if name in later]
            query = exp.select(*(column(name) for name in there), copy=False).from_(relation(before), copy=False)
            query = query.select(*(named(found.value, found.alias) for found in step), copy=False)
            for beside in (found.beside for found in step if found.beside):
                yield beside.name, beside.make(relation(before))
                query = query.join(relation(beside.name), join_type="cross", copy=False)
            before, there = f"_step_{level}", [*there, *(found.alias for found in step)]
            yield before, query

    def _columns_of_base(self) -> list[str]:
        counted = (entry.alias for tally in self.tallies.values() for entry in tally.entries.values())
        return ["customer_id", *self.facts.values(), *counted, *(side.alias for side in self.sides.values())]

    def _read_after(self, level: int, result: list[exp.Expr]) -> set[str]:
        """What the steps beyond a level read: nothing else is carried there, since a step that is read often is kept."""
        later = [found for found in self.derived.values() if found.level > level]
        readers = [*result, *(found.value for found in later), *(found.beside.reads for found in later if found.beside)]
        return {found.name for reader in readers for found in reader.find_all(exp.Column)}
