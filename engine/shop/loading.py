"""One file into one typed table: columns found, extras typed, bad rows set aside with file, line and reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from engine.errors import DataError
from engine.shop.files import Raw
from engine.shop.mapping import TableMapping
from engine.shop.schema import Column, Table, hint_for
from engine.shop.values import MISFITS, Reading
from engine.tables import Database, name, text

_EXAMPLES = 5
_EMAIL = Column(type="text")
_PLAIN = r"^-?(0|[1-9]\d{0,13})(\.\d{1,4})?$"
_WIDE = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
_DATE = r"^[1-9]\d{3}-\d{2}-\d{2}$"
_MOMENT = r"^[1-9]\d{3}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*$"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows that were left out for one reason: how many, the first line, and the first few."""

    file: str
    line: int
    reason: str
    count: int
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A file as typed SQL: `select` yields row_id, reason (NULL for a good row) and `columns`; `extras` are among them."""

    select: str
    columns: Mapping[str, Column]
    has_email: bool
    raw: Raw


def slug(header: str) -> str:
    """Spell a foreign column's name as the language does: lower_snake, without accents."""
    plain = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return f"c_{word}" if not word or word[0].isdigit() else word


def matched(
    database: Database, raw: Raw, table: tuple[str, Table], mapping: TableMapping, zone: ZoneInfo
) -> dict[str, Reading]:
    """Find each neutral column in a file, and name and type its own further ones; DataError names a missing one and the nearest."""
    title, shape = table
    found = _found(raw, title, shape, mapping)
    readings = {
        column: _reading(raw, column, shape.columns.get(column, _EMAIL), source, mapping, zone)
        for column, source in found.items()
    }
    taken = set(found.values())
    return readings | _extras(database, raw, [column for column in raw.columns if column not in taken], shape, zone)


def typed(database: Database, raw: Raw, table: tuple[str, Table], mapping: TableMapping, zone: ZoneInfo) -> Typed:
    """Plan the reading of one file; DataError names a missing required column and the nearest one that is there."""
    _, shape = table
    readings = matched(database, raw, table, mapping, zone)
    absent = {column: kind for column, kind in shape.columns.items() if column not in readings}
    has_email = stands_in(readings, shape)
    only = None if mapping.only is None else _match(raw, mapping.only)
    select = _select(raw.relation, readings, absent, only, loose={"customer_id"} if has_email else set())
    known = {*shape.columns, "email"} if has_email else {*shape.columns}
    extras = {column: reading.column for column, reading in readings.items() if column not in known}
    return Typed(select=select, columns={**shape.columns, **extras}, has_email=has_email, raw=raw)


def stands_in(readings: Mapping[str, Reading], shape: Table) -> bool:
    """Whether an address names the person of a row."""
    return "email" in readings and "email" not in shape.columns and "customer_id" in shape.columns


def report(database: Database, table: str, raw: Raw) -> list[SetAside]:
    """List why rows of `table` carry a reason, the most frequent first, and remove them together with that column."""
    found = database.rows(
        f"SELECT reason, count(*), min(row_id, {_EXAMPLES}) FROM {name(table)} WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
    )
    lines = raw.lines(sorted({number for row in found for number in row[2]})) if found else {}
    if found:
        database.execute(f"DELETE FROM {name(table)} WHERE reason IS NOT NULL")
    database.execute(f"ALTER TABLE {name(table)} DROP COLUMN reason")
    places = [tuple(lines.get(number, number) for number in row[2]) for row in found]
    return [SetAside(raw.file, at[0], row[0], row[1], at) for row, at in zip(found, places, strict=True)]


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
    columns = ", ".join(f"{name(column)} {kind.physical}" for column, kind in shape.everything.items())
    database.execute(f"CREATE OR REPLACE TABLE {name(table)} (row_id BIGINT, {columns})")


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


def _reading(raw: Raw, column: str, kind: Column, source: str, mapping: TableMapping, zone: ZoneInfo) -> Reading:  # noqa: PLR0917 - one value each
    return Reading(
        column=kind,
        source=source,
        type=raw.columns[source],
        zone=zone,
        dates=mapping.dates,
        decimal=mapping.decimal or raw.decimal,
        values=mapping.values.get(column, {}),
        name=column,
    )


def _extras(database: Database, raw: Raw, sources: Iterable[str], shape: Table, zone: ZoneInfo) -> dict[str, Reading]:
    known = {*shape.everything, "row_id", "reason", "problem"}
    named: dict[str, str] = {}
    for source in sources:
        named.setdefault(slug(source), source)
    extras = {
        column: Reading(
            column=_native(raw.columns[source]),
            source=source,
            type=raw.columns[source],
            zone=zone,
            name=column,
            decimal=raw.decimal,
        )
        for column, source in named.items()
        if column not in known
    }
    unsure = {
        column: reading
        for column, reading in extras.items()
        if reading.type == "VARCHAR" and not raw.file.endswith(".parquet")
    }
    return {**extras, **_inferred(database, raw, unsure)}


def _native(duck: str) -> Column:
    for start, kind in (("TIMESTAMP", "instant"), ("DATE", "date"), ("BOOLEAN", "boolean"), ("VARCHAR", "text")):
        if duck.startswith(start):
            return Column(type=kind)
    if duck.startswith("DECIMAL") or duck.endswith("INT") or duck in {"INTEGER", "UINTEGER"}:
        return Column(type="number")
    return Column(type="number", precise=True) if duck in ("DOUBLE", "FLOAT", "REAL") else Column(type="text")


def _inferred(database: Database, raw: Raw, unsure: Mapping[str, Reading]) -> dict[str, Reading]:
    if not unsure:
        return {}
    parts = [
        f"count(v{i}), bool_and(regexp_matches(replace(v{i}, {text(reading.decimal)}, '.'), {text(_PLAIN)})),"
        f" bool_and(regexp_matches(replace(v{i}, {text(reading.decimal)}, '.'), {text(_WIDE)})),"
        f" bool_and(regexp_matches(v{i}, {text(_DATE)}) AND TRY_CAST(v{i} AS DATE) IS NOT NULL) FILTER (v{i} IS NOT NULL),"
        f" bool_and(regexp_matches(v{i}, {text(_MOMENT)}) AND {replace(reading, column=Column(type='instant')).parsed(f'v{i}')} IS NOT NULL) FILTER (v{i} IS NOT NULL),"
        f" bool_and(lower(v{i}) IN ('true', 'false'))"
        for i, reading in enumerate(unsure.values())
    ]
    cleaned = ", ".join(f"{reading.cleaned} AS v{i}" for i, reading in enumerate(unsure.values()))
    row = database.rows(f"SELECT {', '.join(parts)} FROM (SELECT {cleaned} FROM ({raw.relation}))")[0]
    found = {}
    for i, (column, reading) in enumerate(unsure.items()):
        count, plain, wide, date, moment, truth = row[6 * i : 6 * i + 6]
        choices = (
            (plain, Column(type="number")),
            (wide, Column(type="number", precise=True)),
            (date, Column(type="date")),
            (moment, Column(type="instant")),
            (truth, Column(type="boolean")),
        )
        kind = next((kind for holds, kind in choices if holds and count), Column(type="text"))
        found[column] = replace(reading, column=kind)
    return found


def _select(
    relation: str, readings: Mapping[str, Reading], absent: Mapping[str, Column], only: str | None, *, loose: set[str]
) -> str:
    cleaned = "".join(f", {reading.cleaned} AS {name('r:' + column)}" for column, reading in readings.items())
    parsed = "".join(
        f", {reading.parsed(name('r:' + column))} AS {name('p:' + column)}" for column, reading in readings.items()
    )
    finished = "".join(
        f", {reading.finished(name('r:' + column), name('p:' + column))} AS {name(column)}"
        for column, reading in readings.items()
    )
    empty = "".join(f", NULL::{kind.physical} AS {name(column)}" for column, kind in absent.items())
    kept = "" if only is None else f" WHERE problem IS NOT NULL OR trim(CAST({name(only)} AS VARCHAR)) <> ''"
    return (
        f"SELECT row_id, {_reason(readings, loose)} AS reason{finished}{empty}"
        f" FROM (SELECT *{parsed} FROM (SELECT row_id, problem{cleaned} FROM ({relation}){kept}))"
    )


def _reason(readings: Mapping[str, Reading], loose: set[str]) -> str:
    arms = ["WHEN problem IS NOT NULL THEN problem"]
    for column, reading in readings.items():
        value, parsed = name("r:" + column), name("p:" + column)
        if reading.column.required and not reading.column.blank and column not in loose:
            arms.append(f"WHEN {value} IS NULL THEN {text(f'{column} is missing')}")
        if reading.column.otherwise is None and (reading.column.type != "text" or reading.column.values):
            arms.append(
                f"WHEN {value} IS NOT NULL AND {parsed} IS NULL THEN {text(f'{column} {MISFITS[reading.column.type]}')}"
            )
    return f"CASE {' '.join(arms)} END"
