"""Aggregates of all segments gathered by table: one scan (or one more for recent rows), one GROUP BY, a conditional column for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from sqlglot import exp

from engine.compute.bounds import Interval
from engine.compute.literals import literal
from engine.compute.spelling import column, every, is_known, named, relation, some, when, within

Conjuncts: TypeAlias = "tuple[exp.Expr, ...]"
Build: TypeAlias = "Callable[[exp.Expr | None], exp.Expr]"  # from what is left of the condition to the aggregate


@dataclass(frozen=True, slots=True)
class Entry:
    """One conditional column."""

    alias: str
    build: Build
    conjuncts: Conjuncts
    interval: Interval[datetime]
    zero: bool  # without rows it is 0, else unknown (rule 5)


@dataclass(slots=True)
class Tally:
    """What is counted in one table, by customer."""

    table: str
    customer: str
    time: str
    name: str
    entries: dict[Hashable, Entry] = field(default_factory=dict)

    def add(self, key: Hashable, entry: Entry) -> exp.Column:
        """Have one column computed, once for all who ask, and return it."""
        return column(self.entries.setdefault(key, entry).alias)

    def parts(self) -> list[Tally]:
        """The scans: rows of any kind apart where few of them are new enough, since each row costs what all columns do."""
        plain = {key: entry for key, entry in self.entries.items() if not self._is_picky(entry)}
        picky = {key: entry for key, entry in self.entries.items() if key not in plain}
        if not plain or not picky:
            return [self]
        near, far = (_hull([entry.interval for entry in some.values()]) for some in (plain, picky))
        if near.low is None or _hull([near, far]) == near:
            return [self]
        return [replace(self, entries=picky), replace(self, name=f"{self.name}_of_late", entries=plain)]

    def _is_picky(self, entry: Entry) -> bool:
        """Whether few rows count: more is asked of one than its time, known values and what every column asks."""
        shared = self._shared()
        return any(test not in shared and not is_known(test) for test in entry.conjuncts)

    def select(self) -> exp.Select:
        """The step's query; what all columns ask of a row is asked once, before grouping."""
        shared, reach = self._shared(), self._reach()
        columns = [named(self._column(entry, shared, reach), entry.alias) for entry in self.entries.values()]
        key = column(self.customer)
        query = (
            exp.select(key, *columns, copy=False)
            .from_(relation(self.table), copy=False)
            .group_by(column(self.customer), copy=False)
        )
        tests = [*shared, *self._bounds(reach, Interval(None, None)), *self._counted(shared, reach)]
        return query.where(every(tests), copy=False) if tests else query

    def _counted(self, shared: list[exp.Expr], reach: Interval[datetime]) -> list[exp.Expr]:
        """That some column counts the row: most rows of a long history are none's."""
        wide: dict[Conjuncts, Interval[datetime]] = {}
        for entry in self.entries.values():
            kind = tuple(dict.fromkeys(test for test in entry.conjuncts if test not in shared))
            wide[kind] = _hull([entry.interval, *([wide[kind]] if kind in wide else [])])
        kinds = [
            every([*(test.copy() for test in kind), *self._bounds(interval, reach)])
            for kind, interval in wide.items()
            if not any(set(other) < set(kind) and _hull([wide[other], interval]) == wide[other] for other in wide)
        ]
        return [] if any(isinstance(one, exp.Boolean) for one in kinds) else [some(kinds)]

    def _column(self, entry: Entry, shared: list[exp.Expr], reach: Interval[datetime]) -> exp.Expr:
        rest = [test.copy() for test in entry.conjuncts if test not in shared]
        rest += self._bounds(entry.interval, reach)
        return entry.build(every(rest) if rest else None)

    def _bounds(self, interval: Interval[datetime], done: Interval[datetime]) -> list[exp.Expr]:
        low, high = (
            None if end is None or end == known else literal(end)
            for end, known in ((interval.low, done.low), (interval.high, done.high))
        )
        return within(column(self.time), low, high)

    def _shared(self) -> list[exp.Expr]:
        first, *others = (entry.conjuncts for entry in self.entries.values())
        return [test for test in first if all(test in other for other in others)]

    def _reach(self) -> Interval[datetime]:
        """From the earliest beginning to the latest end of all windows: other rows are not read."""
        return _hull([entry.interval for entry in self.entries.values()])


def _hull(intervals: list[Interval[datetime]]) -> Interval[datetime]:
    lows, highs = [one.low for one in intervals], [one.high for one in intervals]
    return Interval(
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
    )


def count(condition: exp.Expr | None) -> exp.Expr:
    """The number of rows."""
    return exp.Count(this=exp.Star() if condition is None else when(condition, literal(1)))


def of(function: type[exp.Expr], value: exp.Expr) -> Build:
    """An aggregate of a value over the rows that count."""

    def build(condition: exp.Expr | None) -> exp.Expr:
        return function(this=value if condition is None else when(condition, value))

    return build


def distinct(value: exp.Expr) -> Build:
    """The number of different known values."""

    def build(condition: exp.Expr | None) -> exp.Expr:
        found = value if condition is None else when(condition, value)
        return exp.Count(this=exp.Distinct(expressions=[found]))

    return build
