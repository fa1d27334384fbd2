"""A client's own sources: a table of the shop's own that becomes countable, or another reading of a neutral table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.errors import DataError
from engine.shop.schema import TABLES, Column, Source, Table, countable, hint_for, sources

_TIME = "happened_at"
_TIMED = sorted(name for name, table in TABLES.items() if table.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTable:
    """`[sources.x]`: `table` is a file of the shop's own, or a neutral table; `columns` are name → kind.

    Without a `time`, a neutral table keeps its own and any other has `happened_at`.
    """

    table: str
    customer: str = "customer_id"
    time: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_neutral(self) -> bool:
        """Whether it reads a table that the shop has anyway."""
        return self.table in TABLES

    @property
    def shape(self) -> Table:
        """The table at rest, of a file of the shop's own."""
        declared = {column: Column(type=kind) for column, kind in self.columns.items()}
        key, time = TABLES["sessions"].columns, self.time or _TIME
        return Table(columns={**declared, "customer_id": key["customer_id"], time: key[_TIME]}, time=time)


def shapes(own: Mapping[str, OwnTable]) -> dict[str, Table]:
    """The tables to load: the neutral ones, with columns that sources declare, and one a source of the shop's own.

    Raises DataError for a source that hides what has another meaning.
    """
    found = dict(TABLES)
    for name, source in own.items():
        if source.is_neutral:
            found[source.table] = _declared(name, source, found[source.table])
        elif name in {*TABLES, *sources(TABLES)}:
            hint = f'[shop.mapping.{name}] file = "…" names the file of a neutral table'
            raise DataError(f"'{name}' has a meaning already", place=f"sources.{name}", hint=hint)
        else:
            found[name] = source.shape
    return found


def readings(own: Mapping[str, OwnTable], tables: Mapping[str, Table]) -> dict[str, Source]:
    """Sources over neutral tables: all their rows, at the time that the client names. Raises DataError."""
    return {name: _reading(name, source, tables[source.table]) for name, source in own.items() if source.is_neutral}


def _declared(name: str, source: OwnTable, table: Table) -> Table:
    for column, kind in source.columns.items():
        if column in table.everything and table.everything[column].type != kind:
            what = f"'{column}' of {source.table} is {table.everything[column].type}, not {kind}"
            raise DataError(what, place=f"sources.{name}", hint="leave it out of columns")
    declared = {column: Column(type=kind) for column, kind in source.columns.items()}
    return replace(table, columns={**declared, **table.columns})


def _reading(name: str, source: OwnTable, table: Table) -> Source:
    place = f"sources.{name}"
    if table.time is None or "customer_id" not in table.everything:
        raise DataError(f"the rows of {source.table} have no time", place=place, hint=f"countable: {', '.join(_TIMED)}")
    if source.customer != "customer_id":
        raise DataError(f"{source.table} is counted by customer_id", place=place, hint="leave customer out")
    time = source.time or table.time
    instants = [column for column, kind in table.everything.items() if kind.type == "instant"]
    if time not in instants:
        raise DataError(f"'{time}' is no time of {source.table}", place=place, hint=hint_for(time, instants))
    return Source(table=source.table, time=time, columns=countable(table))
