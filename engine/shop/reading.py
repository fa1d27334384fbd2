"""A table's files into one typed table: what was read before comes from the cache, the rest from the files."""

from __future__ import annotations

import hashlib
import tempfile
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from engine.errors import DataError
from engine.shop import extras, files
from engine.shop.cache import Cache, Chain, Facts, Part, Piece, chain
from engine.shop.delimited import Layout, lines_of, read_layout
from engine.shop.extras import Summary
from engine.shop.files import DELIMITED, KEPT, PARQUET, ROW, Raw, format_of
from engine.shop.loading import Place, Plan, Typed, planned
from engine.shop.mapping import TableMapping
from engine.shop.scanning import Scan, scan
from engine.shop.schema import Column, Table
from engine.tables import Database, QueryError, name, text

if TYPE_CHECKING:
    from types import TracebackType

_FORMAT = "2"  # of the parts: another one reads everything anew
_CHUNK = 1 << 20
_LONG = 8  # more parts of one file become one


class _AgainError(Exception):
    """A file is to be read in another way: record by record, or, as its bytes moved meanwhile, from its beginning."""

    def __init__(self, file: _File, *, is_careful: bool) -> None:
        super().__init__(file.path.name)
        self.file, self.is_careful = file, is_careful


@dataclass(slots=True)
class _File:
    """One file of a table in one opening."""

    path: Path
    title: str
    table: str
    scan: Scan
    parts: list[Part]
    is_careful: bool
    layout: Layout | None
    rest: tuple[int, Path] | None = None  # bytes from an offset on, as a file of their own
    said: dict[int, dict[str, Summary]] = field(default_factory=dict)  # what the values from an offset on say

    @property
    def format(self) -> files.Format:
        return format_of(self.path)

    def chain(self, fits: Callable[[Part], bool], *, is_cut: bool) -> Chain:
        parts = [part for part in self.parts if fits(part)]
        found = chain(parts, self.scan, is_cut=is_cut, grows=self.format.grows and not self.is_careful)
        return found if found.end in {0, self.scan.size} or not self._is_marked(found.end) else Chain()

    def _is_marked(self, offset: int) -> bool:
        """Whether a byte order mark stands there: at the beginning of a file it would be none of its text."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(3) == BOM_UTF8

    @property
    def every(self) -> int | None:
        """How many rows there are if every line is one; None where a quote may hold a line break."""
        end = self.scan.end
        return end.lines + (not self.scan.is_closed) - 1 if self.format.is_entered and end.is_plain else None

    def marks(self, start: int) -> list[tuple[int, int, str]]:
        """Where the rows from an offset on can be cut."""
        entered = self.scan.marks.values() if self.every is not None and self.scan.is_even else ()
        return [(mark.offset, mark.lines - 1, mark.digest) for mark in entered if start < mark.offset < self.scan.size]

    def lines(self, last: int) -> Callable[[Sequence[int]], dict[int, int]]:
        """Find the physical lines of rows, where the last row has this number."""
        layout = self.layout
        if layout is None or self.is_careful:
            return lambda numbers: {number: number for number in numbers}
        if self.every == last:
            return lambda numbers: {number: number + 1 for number in numbers}
        return lambda numbers: lines_of(self.path, layout, numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Typed rows that lie somewhere: a relation, the number of each row in its file, and which of them count."""

    relation: str
    number: str
    condition: str | None
    last: int

    def select(self, columns: Mapping[str, Column], there: Mapping[str, object], offset: int) -> str:
        cells = "".join(
            f", {name(column)}" if column in there else f", NULL::{kind.physical} AS {name(column)}"
            for column, kind in columns.items()
        )
        where = f" WHERE {self.condition}" if self.condition else ""
        return f"SELECT {self.number} + {offset} AS row_id, reason{cells} FROM {self.relation}{where}"


class Reader:
    """Reads the tables of one opening; what it made for a table lasts until the next, or until it is closed."""

    def __init__(self, database: Database, zone: ZoneInfo, cache: Cache | None) -> None:
        self.database, self.zone, self.cache = database, zone, cache
        self.checksums: dict[str, object] = {}
        self._open = ExitStack()
        self._tails: Path | None = None
        self._made = ExitStack()
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._open.close()

    def release(self) -> None:
        """Let go of what the last table needed."""
        self._made.close()

    def table(self, table: tuple[str, Table], mapping: TableMapping, paths: Sequence[tuple[str, Path]]) -> Typed:
        """Read one table from its files (title and path each); DataError says what cannot be read at all."""
        read = [self._file(table[0], title, path) for title, path in paths]
        digests = [(file.title, file.scan.digest) for file in read]
        self.checksums[table[0]] = digests[0][1] if len(digests) == 1 else digests
        while True:
            try:
                return self._typed(table, mapping, read)
            except _AgainError as again:
                self.release()
                again.file.is_careful = again.is_careful
                again.file.parts = [part for part in again.file.parts if again.is_careful]
                again.file.said.clear()

    def _file(self, table: str, title: str, path: Path) -> _File:
        parts = [] if self.cache is None else self.cache.of(table)
        form = format_of(path)
        seen = scan(path, [part.end for part in parts], is_text=form.is_text)
        layout = read_layout(path) if form is DELIMITED else None
        same = (part for part in parts if (part.start, part.end, part.digest) == (0, seen.size, seen.digest))
        is_careful = form.is_careful and any(part.facts.is_careful for part in same)
        return _File(path, title, table, seen, parts, is_careful, layout)

    def _typed(self, table: tuple[str, Table], mapping: TableMapping, read: Sequence[_File]) -> Typed:
        plans = [planned(self._raw(file), table, mapping, self.zone) for file in read]
        summaries = [self._summaries(file, plan) for file, plan in zip(read, plans, strict=True)]
        kinds = _kinds(plans, summaries)
        plans = [plan.settled(kinds) for plan in plans]
        columns = {**table[1].columns, **kinds}
        has_email = any(plan.has_email for plan in plans)
        wanted = {**columns, "email": Column(type="text")} if has_email else columns
        selects, places, offset = [], [], 0
        for file, plan in zip(read, plans, strict=True):
            rows = self._rows(file, plan)
            selects += [one.select(wanted, plan.readings, offset) for one in rows]
            last = max((one.last for one in rows), default=0)
            places.append(Place(file.title, last, file.lines(last)))
            offset += last
        return Typed(select=" UNION ALL ".join(selects), columns=columns, has_email=has_email, places=tuple(places))

    def _raw(self, file: _File, start: int = 0) -> Raw:
        """Describe the rows from an offset on."""
        path = file.path if start == 0 else self._tail(file, start)
        if file.layout is not None and file.is_careful:
            columns = dict.fromkeys(file.layout.header, "VARCHAR")
            return replace(
                files.delimited(path, file.title, file.layout), columns=columns, is_numbered=True, has_problems=True
            )
        if file.layout is not None:
            return files.delimited(path, file.title, file.layout, has_header=start == 0)
        if file.format is PARQUET:
            return files.parquet(path, file.title, self.database)
        return files.json_lines(path, file.title, self._keys(file))

    def _keys(self, file: _File) -> list[str]:
        known = file.chain(_is_any, is_cut=False)
        keys = set(known.pieces[-1].part.facts.columns) if known.pieces else set()
        if known.end < file.scan.size:
            keys |= set(files.keys_of(file.path if known.end == 0 else self._tail(file, known.end), self.database))
        return sorted(keys)

    def _summaries(self, file: _File, plan: Plan) -> dict[str, Summary]:
        """What the values of further columns say, those of rows that were read before from the cache."""
        asked = {column: extras.asked(reading) for column, reading in plan.unsure.items()}
        if not asked:
            return {}
        wanted = set(asked.values())
        known = file.chain(
            lambda part: part.facts.is_careful == file.is_careful and wanted <= part.facts.summaries.keys(),
            is_cut=False,
        )
        found = [[piece.part.facts.summaries[asked[column]] for piece in known.pieces] for column in asked]
        if known.end < file.scan.size:
            rest = self._said(file, plan, known.end)
            found = [[*one, rest[key]] for one, key in zip(found, asked.values(), strict=True)]
        return {column: extras.merged(one) for column, one in zip(asked, found, strict=True)}

    def _relation(self, file: _File, start: int) -> str:
        """The file's own rows from an offset on, as they are; a broken file is read record by record."""
        if not file.is_careful or file.layout is None:
            return self._raw(file, start).relation
        view = f"careful_{next(self._numbers)}"
        files.careful(file.path, file.title, file.layout, self.database, view)
        self._made.callback(self.database.unregister, view)
        return name(view)

    def _said(self, file: _File, plan: Plan, start: int) -> dict[str, Summary]:
        """What the values of further columns say from an offset on."""
        if start not in file.said:
            unsure = plan.unsure
            try:
                found = extras.summarise(self.database, self._relation(file, start), unsure) if unsure else {}
            except QueryError:
                raise self._again(file) from None
            file.said[start] = {extras.asked(reading): found[column] for column, reading in unsure.items()}
        return file.said[start]

    def _again(self, file: _File) -> Exception:
        if file.format.is_careful and not file.is_careful:
            return _AgainError(file, is_careful=True)
        return DataError(f"{file.path.name} cannot be read", place=str(file.path))

    def _rows(self, file: _File, plan: Plan) -> list[_Rows]:
        key = _key(plan)
        known = self._known(file, key)
        rows, first = [], 0
        for piece in known.pieces:
            rows.append(_kept(piece, plan, first))
            first += piece.rows
        if known.end < file.scan.size:
            rows.append(self._read(file, plan, (known.end, first), key))
        if self.cache is not None and len(known.pieces) >= _LONG:
            joined = " UNION ALL ".join(f"SELECT * EXCLUDE (file_row_number) FROM {one.relation}" for one in rows)
            facts = replace(_facts(file, plan, 0), summaries={})
            self.cache.keep(self.database, _place(file, 0, key), joined, facts, holds=lambda: True)
        return rows

    def _known(self, file: _File, key: str) -> Chain:
        """The parts of the file in the cache, each one whole; what is not what its name says is left out."""
        while True:
            known = file.chain(lambda part: part.key == key, is_cut=file.format.is_entered)
            bad = [piece.part for piece in known.pieces if self.cache is None or not self.cache.take(piece.part)]
            if not bad:
                return known
            file.parts = [part for part in file.parts if part not in bad]

    def _read(self, file: _File, plan: Plan, at: tuple[int, int], key: str) -> _Rows:
        """Read rows from an offset on into a part of the cache, or else into a table of this opening."""
        start, first = at
        relation = self._relation(file, start)
        select = plan.select(relation)
        last = int(self.database.scalar(f"SELECT max({name(ROW)}) FROM {relation}") or 0) if file.is_careful else 0
        if self.cache is not None:
            facts = replace(_facts(file, plan, start), first=first, last=last, summaries=self._said(file, plan, start))
            part = self.cache.keep(
                self.database, _place(file, start, key), select, facts, holds=lambda: _holds(file, start)
            )
            if part is not None:
                return _kept(Piece(part, part.rows), plan, first)
        table = name(f"part_{next(self._numbers)}")
        try:
            with self.database.in_order():  # rows are numbered as they lie
                self.database.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {select}")
        except QueryError:
            raise self._again(file) from None
        self._made.callback(self.database.execute, f"DROP TABLE IF EXISTS {table}")
        rows = int(self.database.scalar(f"SELECT count(*) FROM {table}"))
        number = name(ROW) if file.is_careful else f"rowid + {first + 1}"
        condition = name(KEPT) if plan.is_sifted else None
        return _Rows(relation=table, number=number, condition=condition, last=last or first + rows)

    def _tail(self, file: _File, start: int) -> Path:
        """Copy the bytes from an offset on into a file of their own."""
        if file.rest is None or file.rest[0] != start:
            if self._tails is None:
                self._tails = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="ciblage-")))
            path = self._tails / f"{next(self._numbers)}{file.path.suffix}"
            try:
                digest = _copied(file, start, path)
            except OSError:  # a full disk: nothing is gained by not reading it from its beginning
                raise _AgainError(file, is_careful=False) from None
            if digest != file.scan.digest:
                raise _AgainError(file, is_careful=False)
            file.rest = (start, path)
        return file.rest[1]


def _copied(file: _File, start: int, path: Path) -> str:
    digest = file.scan.marks[start].hash.copy()
    with file.path.open("rb") as source, path.open("wb") as target:
        source.seek(start)
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _is_any(_: Part) -> bool:
    return True


def _kinds(plans: Sequence[Plan], summaries: Sequence[Mapping[str, Summary]]) -> dict[str, Column]:
    """The types of further columns, over all files of a table."""
    asked: dict[str, list[Summary]] = {}
    native: dict[str, list[Column]] = {}
    for plan, summary in zip(plans, summaries, strict=True):
        for column in (column for column in plan.readings if column in plan.extras):
            native.setdefault(column, [])
            if column in summary:
                asked.setdefault(column, []).append(summary[column])
            else:
                native[column].append(plan.readings[column].column)
    return {
        column: extras.common([*kinds, *([extras.kind_of(extras.merged(asked[column]))] if column in asked else [])])
        for column, kinds in native.items()
    }


def _key(plan: Plan) -> str:
    """A hash of everything that typed rows depend on but the bytes of the file."""
    import duckdb

    habits = [_FORMAT, duckdb.__version__, plan.raw.dialect, list(plan.raw.columns.items()), plan.select("")]
    return hashlib.blake2b(repr(habits).encode(), digest_size=16).hexdigest()


def _place(file: _File, start: int, key: str) -> tuple[str, int, int, str, str]:
    return (file.table, start, file.scan.size, file.scan.digest, key)


def _facts(file: _File, plan: Plan, start: int) -> Facts:
    return Facts(rows=file.every, columns=plan.raw.columns, marks=file.marks(start), is_careful=file.is_careful)


def _holds(file: _File, start: int) -> bool:
    """Whether the rows that were read are those of the hash: a tail is a copy that was checked, a file may have moved."""
    return start > 0 or scan(file.path, is_text=False).digest == file.scan.digest


def _kept(piece: Piece, plan: Plan, first: int) -> _Rows:
    source = f"read_parquet({text(str(piece.part.path))}, file_row_number = true)"
    relation = source if piece.is_whole else f"(SELECT * FROM {source} WHERE file_row_number < {piece.rows})"
    return _Rows(
        relation=relation,
        number=name(ROW) if plan.raw.is_numbered else f"file_row_number + {first + 1}",
        condition=name(KEPT) if plan.is_sifted else None,
        last=piece.part.facts.last or first + piece.rows,
    )
