"""Which of a folder's files stand for which of our tables, and which of their columns for ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import DataError
from engine.starter.names import called, names, plain, roughly
from engine.starter.sampling import Dates, consents, dates, samples

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FoundTable", "find_export", "find_tables"]

_TIMES = {"date", "instant"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A file, or a folder of files, that stands for one of our tables; `columns`: ours → theirs; `missing`: must be there.

    `values`: what the words of a column mean, by column; `unknown`: words that nobody knows. `dates`: how they are
    written, where not as ISO 8601; `ambiguous`: columns where day and month could be the other way round; `unread`: by
    column, a date that nobody can read.
    """

    table: str
    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: Sequence[str] = ()
    is_renamed: bool = False
    dates: Sequence[str] = ()
    ambiguous: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def find_export(place: Path) -> str | None:
    """The shipped mapping whose files are there."""
    from engine.shop.mapping import read_mapping, shipped

    for name in shipped():
        named = [one.file for one in read_mapping(name).values() if one.file]
        if named and all((place / file).is_file() for file in named):
            return name
    return None


def find_tables(place: Path, *, is_month_first: bool = False) -> tuple[list[FoundTable], list[str]]:
    """The tables found, in our order, and the names of what stands for none.

    Whose name is ours or another word for it comes first; then those whose name ends so, where what must be there is.
    """
    from engine.shop.schema import TABLES

    left = sorted(_readable(place), key=lambda path: (path.stem not in TABLES, len(path.stem), path.name))
    found: dict[str, FoundTable] = {}
    ways: tuple[tuple[Callable[..., str | None], bool], ...] = ((called, False), (roughly, True))
    for way, is_guess in ways:
        for path in list(left):
            table = way(path.stem if path.is_file() else path.name, TABLES)
            if table is None or table in found:
                continue
            try:
                one = _look(path, table, is_month_first=is_month_first)
            except DataError:
                if is_guess:
                    continue
                raise
            if not is_guess or _is_likely(one):
                found[table] = one
                left.remove(path)
    return [found[name] for name in TABLES if name in found], [path.name for path in left]


def _readable(place: Path) -> Iterator[Path]:
    """Files that can be read, and folders of such files."""
    for path in place.iterdir():
        if _first(path) is not None:
            yield path


def _first(path: Path) -> Path | None:
    """The file itself, or the first of a folder's."""
    from engine.shop.files import SUFFIXES

    if path.is_file():
        return path if path.suffix in SUFFIXES else None
    inside = sorted(one for one in path.iterdir() if one.is_file() and one.suffix in SUFFIXES) if path.is_dir() else []
    return inside[0] if inside else None


def _is_likely(one: FoundTable) -> bool:
    """A name is not enough: all that must be there is; of customers, whose columns are often named oddly, one of both."""
    return not one.missing or (one.table == "customers" and len(one.missing) == 1)


def _look(path: Path, table: str, *, is_month_first: bool) -> FoundTable:
    from engine.shop.schema import TABLES

    first = _first(path)
    if first is None:
        raise FileNotFoundError(path)
    columns = TABLES[table].columns
    given = _columns(_header(first), table)
    told = samples(first, set(given.values()))
    said, unknown = consents(told.get(given.get("consent_email", ""), ()))
    kinds = {ours: columns[ours].type for ours in given}
    read: Dates = dates(
        {ours: told[theirs] for ours, theirs in given.items() if kinds[ours] in _TIMES and theirs in told},
        is_month_first=is_month_first,
    )
    name = path.name if path.is_dir() else path.stem
    return FoundTable(
        table=table, file=path.name, columns=given, unknown=unknown, is_renamed=name != table,
        missing=[one for one, column in columns.items() if (column.required or column.blank) and one not in given],
        values={"consent_email": said} if said else {},
        dates=read.forms, ambiguous=read.ambiguous, unread=read.unread or {},
    )  # fmt: skip


def _columns(there: Sequence[str], table: str) -> dict[str, str]:
    """Theirs by ours: of the same name, else of one that shops give it."""
    from engine.shop.schema import TABLES

    columns, aliases = TABLES[table].columns, names().get(table, {})
    known = {name.strip().casefold(): name.strip() for name in there}
    free = [name for name in there if name.strip().casefold() not in columns]
    given: dict[str, str] = {}
    for column in columns:
        if column in known:
            given[column] = known[column]
            continue
        wanted = (*aliases.get(column, ()), column)
        match = next((name for alias in wanted for name in free if plain(name) == alias), None)
        if match is not None:
            given[column] = match
            free.remove(match)
    return given


def _header(path: Path) -> Sequence[str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    if path.suffix in {".csv", ".tsv"}:
        from engine.shop.delimited import read_layout

        return read_layout(path).header
    with path.open(encoding="utf-8") as lines:
        first: dict[str, Any] = json.loads(lines.readline() or "{}")
    return list(first)
