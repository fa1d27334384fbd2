"""One file into typed rows: columns found, values typed, and for every bad row the reason why it is set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from zoneinfo import ZoneInfo

from engine.errors import DataError
from engine.shop.extras import native, slug
from engine.shop.files import KEPT, PROBLEM, ROW, Raw
from engine.shop.mapping import TableMapping
from engine.shop.numbers import NUMBER
from engine.shop.schema import Column, Table, hint_for
from engine.shop.values import MISFITS, Reading
from engine.tables import Database, name, text

_EXAMPLES = 5
_EMAIL = Column(type="text")


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows that were left out for one reason: how many, the first line, and the first few."""

    file: str
    line: int
    reason: str
    count: int
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """One file of a table: how many row ids it has, and the physical line of each of its rows (counted from 1)."""

    file: str
    rows: int
    lines: Callable[[Sequence[int]], Mapping[int, int]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A table as typed SQL: `select` yields row_id, reason (NULL for a good row) and `columns`.

    Row ids go up with the files (in the order of their names) and with the rows of each; `places` leads back.
    """

    select: str
    columns: Mapping[str, Column]
    has_email: bool
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one file is read: `readings` by the column at rest; the types of `unsure` ones depend on their values."""

    raw: Raw
    readings: Mapping[str, Reading]
    extras: frozenset[str]
    has_email: bool
    only: str | None

    @property
    def unsure(self) -> dict[str, Reading]:
        """Further columns that are text in a file that knows no types."""
        if self.raw.dialect == "parquet":
            return {}
        return {column: self.readings[column] for column in self.readings if column in self.extras}

    def settled(self, kinds: Mapping[str, Column]) -> Plan:
        """The same, the types of further columns known."""
        readings = {
            column: replace(reading, column=kinds[column]) if column in self.extras else reading
            for column, reading in self.readings.items()
        }
        return replace(self, readings=readings)

    def select(self, relation: str) -> str:
        """The typed rows of a relation, in its order: `:row` where they are numbered, `:kept` where sifted, reason, columns."""
        beside = [name(ROW)] * self.raw.is_numbered + [f"{name(KEPT)}"] * self.is_sifted
        lead = "".join(f"{column}, " for column in beside)
        finished = "".join(
            f", {reading.finished(name('r:' + column), name('p:' + column))} AS {name(column)}"
            for column, reading in self.readings.items()
        )
        return f"SELECT {lead}{self._reason()} AS reason{finished} FROM (SELECT *{self._parsed()} FROM (SELECT {self._cleaned()} FROM {relation}))"

    @property
    def is_sifted(self) -> bool:
        """Whether some rows do not count."""
        return self.raw.is_sifted or self.only is not None

    def _cleaned(self) -> str:
        problem = name(PROBLEM) if self.raw.has_problems else "NULL::VARCHAR"
        lead = [f"{problem} AS problem"] + [name(ROW)] * self.raw.is_numbered
        if self.is_sifted:
            kept = [name(KEPT)] * self.raw.is_sifted
            if self.only is not None:
                kept.append(
                    f"({problem} IS NOT NULL OR coalesce(trim(CAST({name(self.only)} AS VARCHAR)) <> '', FALSE))"
                )
            lead.append(f"{' AND '.join(kept)} AS {name(KEPT)}")
        return ", ".join(
            [*lead, *(f"{reading.cleaned} AS {name('r:' + column)}" for column, reading in self.readings.items())]
        )

    def _parsed(self) -> str:
        return "".join(
            f", {reading.parsed(name('r:' + column))} AS {name('p:' + column)}"
            for column, reading in self.readings.items()
        )

    def _reason(self) -> str:
        arms = ["WHEN problem IS NOT NULL THEN problem"]
        for column, reading in self.readings.items():
            value, parsed = name("r:" + column), name("p:" + column)
            is_loose = self.has_email and column == "customer_id"
            if reading.column.required and not reading.column.blank and not is_loose:
                arms.append(f"WHEN {value} IS NULL THEN {text(f'{column} is missing')}")
            if reading.column.otherwise is None and (reading.column.type != "text" or reading.column.values):
                misfit = text(f"{column} {MISFITS[reading.column.type]}")
                arms.append(f"WHEN {value} IS NOT NULL AND {parsed} IS NULL THEN {misfit}")
        return f"CASE {' '.join(arms)} END"


def planned(raw: Raw, table: tuple[str, Table], mapping: TableMapping, zone: ZoneInfo) -> Plan:
    """Plan the reading of one file; DataError names a missing required column and the nearest one that is there."""
    title, shape = table
    found = _found(raw, title, shape, mapping)
    readings = {
        column: Reading(
            column=shape.columns.get(column, _EMAIL),
            source=source,
            type=raw.columns[source],
            zone=zone,
            dates=mapping.dates,
            decimal=mapping.decimal or raw.decimal,
            values=mapping.values.get(column, {}),
            name=column,
        )
        for column, source in found.items()
    }
    extras = _extras(raw, set(found.values()), shape, zone)
    return Plan(
        raw=raw,
        readings=readings | extras,
        extras=frozenset(extras),
        has_email="email" in found and "email" not in shape.columns,
        only=None if mapping.only is None else _match(raw, mapping.only),
    )


def report(database: Database, table: str, places: Sequence[Place]) -> list[SetAside]:
    """List why rows of `table` carry a reason, file by file, the most frequent first; remove them and that column."""
    found = kept_apart(database, f"{name(table)} WHERE reason IS NOT NULL", "reason", places)
    if found:
        database.execute(f"DELETE FROM {name(table)} WHERE reason IS NOT NULL")
    database.execute(f"ALTER TABLE {name(table)} DROP COLUMN reason")
    return found


def kept_apart(database: Database, rows: str, reason: str, places: Sequence[Place]) -> list[SetAside]:
    """Say for some rows (a FROM clause with `row_id`) how many there are of a reason (an expression), and where the first few are."""
    ends = list(accumulate(place.rows for place in places))
    order = " + ".join(f"(row_id > {end})::INTEGER" for end in ends[:-1]) or "0"
    groups = database.rows(
        f"SELECT {order} AS file, {reason}, count(*), min(row_id, {_EXAMPLES}) FROM {rows} GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
    )
    wanted: dict[int, set[int]] = {}
    for file, _, _, numbers in groups:
        wanted.setdefault(file, set()).update(number - (ends[file] - places[file].rows) for number in numbers)
    lines = {file: places[file].lines(sorted(numbers)) for file, numbers in wanted.items()}
    apart = []
    for file, words, count, numbers in groups:
        local = [number - (ends[file] - places[file].rows) for number in numbers]
        at = tuple(lines[file].get(number, number) for number in local)
        apart.append(SetAside(places[file].file, at[0], words, count, at))
    return apart


def flag_repeats(database: Database, table: str, key: str) -> None:
    """Give every good row but the first of a key a reason."""
    column = name(key)
    database.execute(
        f"UPDATE {name(table)} SET reason = {text(f'{key} stands twice')} FROM"
        f" (SELECT {column} AS k, min(row_id) AS first FROM {name(table)} WHERE reason IS NULL GROUP BY 1 HAVING count(*) > 1) twice"
        f" WHERE reason IS NULL AND {column} = twice.k AND row_id > twice.first"
    )


def create_empty(database: Database, table: str, shape: Table) -> None:
    """Make the table that a shop does not have: every column, no row."""
    columns = [f"{name(column)} {kind.physical}" for column, kind in shape.everything.items()]
    columns += [f"{name(NUMBER)} INTEGER"] if "customer_id" in shape.everything else []
    database.execute(f"CREATE OR REPLACE TABLE {name(table)} (row_id BIGINT, {', '.join(columns)})")


def _match(raw: Raw, wanted: str) -> str | None:
    return next((column for column in raw.columns if column.strip().casefold() == wanted.strip().casefold()), None)


def _found(raw: Raw, title: str, shape: Table, mapping: TableMapping) -> dict[str, str]:
    found = {}
    for column in (*shape.columns, *(("email",) if "customer_id" in shape.columns else ())):
        wanted = mapping.columns.get(column, column)
        source = _match(raw, wanted)
        if source is not None:
            found[column] = source
        elif column in mapping.columns and (column not in shape.columns or shape.columns[column].required):
            raise _missing(raw, title, wanted)
    for column, kind in shape.columns.items():
        if (
            kind.required
            and column not in found
            and not (column == "customer_id" and "email" in found and title != "customers")
        ):
            raise _missing(raw, title, mapping.columns.get(column, column))
    return found


def _missing(raw: Raw, title: str, column: str) -> DataError:
    return DataError(f"{title}: the column {column!r} is missing", place=raw.file, hint=hint_for(column, raw.columns))


def _extras(raw: Raw, taken: set[str], shape: Table, zone: ZoneInfo) -> dict[str, Reading]:
    known = {*shape.everything, "row_id", "reason", "problem"}
    named: dict[str, str] = {}
    for source in raw.columns:
        if source not in taken:
            named.setdefault(slug(source), source)
    return {
        column: Reading(
            column=native(raw.columns[source]),
            source=source,
            type=raw.columns[source],
            zone=zone,
            name=column,
            decimal=raw.decimal,
        )
        for column, source in named.items()
        if column not in known
    }
