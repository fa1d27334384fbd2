"""Files of a folder as relations: CSV, Parquet and JSON lines, each row in its place, so that it leads back to its line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DataError, nearest
from engine.shop.delimited import Layout, as_table
from engine.tables import Database, QueryError, name, text

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
ROW, PROBLEM, KEPT = ":row", ":problem", ":kept"  # beside the columns of a file: no header has such names
_JSON = (".jsonl", ".ndjson", ".json")
_MARK = r"E'\x01'"  # no text file has it: a line stays whole
_LONGEST_LINE = 16_777_216


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Rows of one file as SQL: a relation of `columns` (name → DuckDB's type), in the file's order.

    Where it `is_numbered`, `:row` is a row's number and `:problem` why it is none; where it `is_sifted`, rows count
    where `:kept` is true.
    """

    file: str
    relation: str
    columns: Mapping[str, str]
    dialect: str = ""
    decimal: str = "."
    is_numbered: bool = False
    is_sifted: bool = False
    has_problems: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """What one kind of file can do: be read as text, go on where it ended, be entered at any line, be read carefully."""

    is_text: bool = True
    grows: bool = True
    is_entered: bool = False
    is_careful: bool = False


DELIMITED = Format(is_entered=True, is_careful=True)
JSON_LINES = Format()
PARQUET = Format(is_text=False, grows=False)


def format_of(path: Path) -> Format:
    """The kind of a file, by its suffix: what is no other is delimited text."""
    suffix = path.suffix.lower()
    return PARQUET if suffix == ".parquet" else JSON_LINES if suffix in _JSON else DELIMITED


def find(folder: Path, table: str, file: str | None) -> list[Path]:
    """Find a table's files: the mapped name, or the table's own with the first suffix that exists; none when absent.

    A folder of that name is a table in several files, in the order of their names. Raises DataError.
    """
    try:
        return _found(folder, table, file)
    except OSError as error:  # a name that no file can have, a folder that may not be read
        wanted = (file or table)[:60]
        raise DataError(
            f"{wanted}: {(error.strerror or '').lower()}", place=str(folder), hint=listing(folder, wanted)
        ) from None


def _found(folder: Path, table: str, file: str | None) -> list[Path]:
    if file is None:
        found = next((path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()), None)
        inside = folder / table
        if found is not None and inside.is_dir():
            what = f"{table}: both the file {found.name} and the folder {table} are there"
            raise DataError(what, place=str(folder), hint=f"keep one, or name it: [shop.mapping.{table}] file = …")
        return [found] if found is not None else _inside(inside, table) if inside.is_dir() else []
    path = folder / file
    if path.is_dir():
        return _inside(path, table)
    if not path.is_file():
        raise DataError(f"{table}: the file {file} is missing", place=str(folder), hint=listing(folder, file))
    return [path]


def _inside(folder: Path, table: str) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    if not found:
        what = f"{table}: the folder {folder.name} has no file"
        raise DataError(what, place=str(folder), hint=f"files end in {', '.join(SUFFIXES)}")
    return found


def listing(folder: Path, wanted: str) -> str:
    """Say what is in a folder, the nearest name first."""
    there = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
    near = nearest(wanted, there)
    return (f"did you mean {near}? " if near else "") + (f"there: {', '.join(there)}" if there else "nothing is there")


def delimited(path: Path, title: str, layout: Layout, *, has_header: bool = True) -> Raw:
    """Describe delimited text that a strict reader reads; `layout` is what the file's first record says."""
    columns = dict.fromkeys(layout.header, "VARCHAR")
    options = f"delim = {text(layout.mark)}, quote = '\"', escape = '\"', header = {has_header}, auto_detect = false"
    spelled = ", ".join(f"{text(column)}: 'VARCHAR'" for column in columns)
    source = f"read_csv({text(str(path))}, {options}, max_line_size = {_LONGEST_LINE}, columns = {{{spelled}}})"
    return Raw(file=title, relation=source, columns=columns, dialect=layout.mark, decimal=_decimal(layout))


def careful(path: Path, title: str, layout: Layout, database: Database, view: str) -> Raw:
    """Read broken delimited text record by record into the registered table `view`; `:row` is the physical line."""
    database.register(view, as_table(path, layout, layout.header, (ROW, PROBLEM)))
    return Raw(
        file=title,
        relation=name(view),
        columns=dict.fromkeys(layout.header, "VARCHAR"),
        dialect=layout.mark,
        decimal=_decimal(layout),
        is_numbered=True,
        has_problems=True,
    )


def _decimal(layout: Layout) -> str:
    return "," if layout.mark == ";" else "."  # where ; separates fields, the comma is the decimal mark


def parquet(path: Path, title: str, database: Database) -> Raw:
    """Describe a Parquet file; DataError when it is none."""
    source = f"read_parquet({text(str(path))})"
    try:
        found = database.rows(f"DESCRIBE SELECT * FROM {source}")
    except QueryError as error:
        raise DataError(
            f"{path.name} is not a Parquet file", place=str(path), hint=str(error).splitlines()[0]
        ) from None
    return Raw(file=title, relation=source, columns={str(row[0]): str(row[1]) for row in found}, dialect="parquet")


def keys_of(path: Path, database: Database) -> list[str]:
    """List the keys of the objects of a file of JSON lines."""
    query = f"SELECT DISTINCT unnest(json_keys({_FINE})) AS k FROM {_lines(path)} ORDER BY k"
    return [str(row[0]) for row in database.rows(query)]


def json_lines(path: Path, title: str, keys: Sequence[str]) -> Raw:
    """Describe JSON lines whose objects have these keys; a line that is no object has a problem, a blank one does not count."""
    paths = ", ".join(text("$." + json.dumps(key, ensure_ascii=False)) for key in keys)
    cells = "".join(f", cells[{place}] AS {name(key)}" for place, key in enumerate(keys, 1))
    extracted = f"json_extract_string(fine, [{paths}])" if keys else "NULL"
    return Raw(
        file=title,
        relation=(
            f"(SELECT CASE WHEN fine IS NULL THEN 'is not a JSON object' END AS {name(PROBLEM)},"
            f" coalesce(trim(j) <> '', FALSE) AS {name(KEPT)}{cells}"
            f" FROM (SELECT j, fine, {extracted} AS cells FROM (SELECT j, {_FINE} AS fine FROM {_lines(path)})))"
        ),
        columns=dict.fromkeys(keys, "VARCHAR"),
        dialect="json",
        is_sifted=True,
        has_problems=True,
    )


_FINE = "CASE WHEN json_valid(j) AND json_type(j) = 'OBJECT' THEN j END"


def _lines(path: Path) -> str:
    options = f"delim = {_MARK}, quote = '', escape = '', header = false, auto_detect = false, max_line_size = {_LONGEST_LINE}"
    return f"read_csv({text(str(path))}, {options}, columns = {{'j': 'VARCHAR'}})"
