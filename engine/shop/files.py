"""Files of a folder as relations: CSV, Parquet and JSON lines, each row with a number that leads back to its line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DataError, nearest
from engine.shop.delimited import Layout, as_table, checksum, lines_of, read_layout
from engine.tables import Database, QueryError, name, text

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
CAREFUL = "careful_rows"
_MARK = r"E'\x01'"  # no text file has it: a line stays whole
_LONGEST_LINE = 16_777_216


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One file as SQL: a relation of `row_id`, `problem` and `columns` (name → DuckDB's type).

    `lines` turns row ids into physical lines (records of a Parquet file). `careful`, where given, makes a relation
    that survives a broken file.
    """

    file: str
    relation: str
    columns: Mapping[str, str]
    checksum: str
    lines: Callable[[Sequence[int]], dict[int, int]]
    careful: Callable[[Database], Raw] | None = None
    decimal: str = "."


def find(folder: Path, table: str, file: str | None) -> Path | None:
    """Find a table's file: the mapped name, or the table's own with the first suffix that exists; None when absent."""
    if file is not None:
        path = folder / file
        if not path.is_file():
            raise DataError(f"{table}: the file {file} is missing", place=str(folder), hint=listing(folder, file))
        return path
    return next((path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()), None)


def listing(folder: Path, wanted: str) -> str:
    """Say what is in a folder, the nearest name first."""
    there = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
    near = nearest(wanted, there)
    return (f"did you mean {near}? " if near else "") + (f"there: {', '.join(there)}" if there else "nothing is there")


def read(path: Path, database: Database) -> Raw:
    """Describe a file; DataError when it is empty, not UTF-8 or not what its suffix says."""
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_lines}
    return readers.get(path.suffix.lower(), _delimited)(path, database)


def _delimited(path: Path, _: Database) -> Raw:
    digest = checksum(path, is_text=True)
    layout = read_layout(path)
    columns = dict.fromkeys(layout.header, "VARCHAR")
    options = f"delim = {text(layout.mark)}, quote = '\"', escape = '\"', header = true, auto_detect = false"
    spelled = ", ".join(f"{text(column)}: 'VARCHAR'" for column in columns)
    source = f"read_csv({text(str(path))}, {options}, max_line_size = {_LONGEST_LINE}, columns = {{{spelled}}})"

    def careful(database: Database) -> Raw:
        database.register(CAREFUL, as_table(path, layout, layout.header))
        return Raw(
            file=path.name,
            relation=f"SELECT * FROM {CAREFUL}",
            columns=columns,
            checksum=digest,
            lines=_same,
            decimal=_decimal(layout),
        )

    return Raw(
        file=path.name,
        relation=f"SELECT row_number() OVER () AS row_id, NULL::VARCHAR AS problem, * FROM {source}",
        columns=columns,
        checksum=digest,
        lines=lambda numbers: lines_of(path, layout, numbers),
        careful=careful,
        decimal=_decimal(layout),
    )


def _decimal(layout: Layout) -> str:
    return "," if layout.mark == ";" else "."  # where ; separates fields, the comma is the decimal mark


def _parquet(path: Path, database: Database) -> Raw:
    digest = checksum(path, is_text=False)
    source = f"read_parquet({text(str(path))}, file_row_number = true)"
    try:
        found = database.rows(f"DESCRIBE SELECT * FROM {source}")
    except QueryError as error:
        raise DataError(
            f"{path.name} is not a Parquet file", place=str(path), hint=str(error).splitlines()[0]
        ) from None
    columns = {str(row[0]): str(row[1]) for row in found if row[0] != "file_row_number"}
    listed = ", ".join(name(column) for column in columns)
    return Raw(
        file=path.name,
        relation=f"SELECT file_row_number + 1 AS row_id, NULL::VARCHAR AS problem, {listed} FROM {source}",
        columns=columns,
        checksum=digest,
        lines=_same,
    )


def _json_lines(path: Path, database: Database) -> Raw:
    digest = checksum(path, is_text=True)
    options = f"delim = {_MARK}, quote = '', escape = '', header = false, auto_detect = false, max_line_size = {_LONGEST_LINE}"
    source = f"read_csv({text(str(path))}, {options}, columns = {{'j': 'VARCHAR'}})"
    fine = "CASE WHEN json_valid(j) AND json_type(j) = 'OBJECT' THEN j END"
    keys = [
        str(row[0]) for row in database.rows(f"SELECT DISTINCT unnest(json_keys({fine})) AS k FROM {source} ORDER BY k")
    ]
    paths = ", ".join(text("$." + json.dumps(key, ensure_ascii=False)) for key in keys)
    numbered = f"SELECT row_number() OVER () AS row_id, j, {fine} AS fine FROM {source}"
    cells = "".join(f", cells[{place}] AS {name(key)}" for place, key in enumerate(keys, 1))
    extracted = f"json_extract_string(fine, [{paths}])" if keys else "NULL"
    return Raw(
        file=path.name,
        relation=(
            f"SELECT row_id, CASE WHEN fine IS NULL THEN 'is not a JSON object' END AS problem{cells}"
            f" FROM (SELECT row_id, fine, {extracted} AS cells FROM ({numbered}) WHERE trim(j) <> '')"
        ),
        columns=dict.fromkeys(keys, "VARCHAR"),
        checksum=digest,
        lines=_same,
    )


def _same(numbers: Sequence[int]) -> dict[int, int]:
    return {number: number for number in numbers}
