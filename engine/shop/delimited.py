"""Delimited text, record by record with physical line numbers: for files that a strict reader refuses, and to say where.

A record is one or more physical lines (quoted line breaks). A broken one costs its first line only: reading goes on
with the next, so that an unclosed quote never swallows the rest of the file.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from engine.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MARKS = (",", ";", "\t", "|")
_BATCH = 50_000
_LONGEST = 1_000  # physical lines of one record: beyond it, a quote was not closed


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its first physical line, its fields, or why it is broken."""

    line: int
    fields: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first record of a file says."""

    mark: str
    header: tuple[str, ...]


def read_layout(path: Path) -> Layout:
    """Find the field mark and the header of a delimited file; DataError when a name is missing or stands twice."""
    with _opened(path) as file:
        first = next((line for line in file if line.strip()), "")
    mark = max(_MARKS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    header = next((record.fields for record in records(path, mark)), ())
    header = tuple(field.strip() for field in header)
    while header and not header[-1]:
        header = header[:-1]
    known = [field.casefold() for field in header]
    twice = sorted({field for field in header if known.count(field.casefold()) > 1})
    if twice or "" in known:
        what = f"the column {twice[0]!r} stands twice" if twice else "a column has no name"
        raise DataError(f"{path.name}: {what}", place=f"{path}:1", hint="name every column once in the first line")
    if not header:
        raise DataError(f"{path.name} is empty: not even a header", place=str(path), hint="export it again")
    return Layout(mark, header)


def records(path: Path, mark: str, width: int | None = None) -> Iterator[Record]:
    """Read every record, the header first; with `width` another number of fields is a problem. Blank lines are skipped."""
    with closing(_Lines(path)) as lines:
        while (record := lines.record(mark, width)) is not None:
            if record.fields or record.problem:
                yield record


class _Lines:
    """Physical lines that can be given back."""

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        self._back: deque[str] = deque()
        self._number = 1

    def close(self) -> None:
        self._file.close()

    def record(self, mark: str, width: int | None) -> Record | None:
        """Take the next record, without fields when the line is blank; None at the end."""
        taken: list[str] = []
        fields = self._fields(taken, mark)
        if not taken:
            return None
        if fields is None and len(taken) == 1 and not _is_open(taken[0], mark):
            fields = next(csv.reader(taken, delimiter=mark, skipinitialspace=True), [])
        blank = width != 1 and len(taken) == 1 and not taken[0].strip()
        problem = None if blank else _problem(fields, width)
        used = taken[:1] if problem else taken
        self._back.extendleft(reversed(taken[len(used) :]))
        line, self._number = self._number, self._number + len(used)
        return Record(line, () if blank or problem else tuple(fields or ("",))[:width], problem)

    def _fields(self, taken: list[str], mark: str) -> list[str] | None:
        try:
            return next(csv.reader(self._feed(taken), delimiter=mark, strict=True, skipinitialspace=True), [])
        except csv.Error:
            return None

    def _feed(self, taken: list[str]) -> Iterator[str]:
        while len(taken) < _LONGEST:
            line = self._back.popleft() if self._back else self._file.readline()
            if not line:
                return
            taken.append(line)
            yield line


def _is_open(line: str, mark: str) -> bool:
    try:
        next(csv.reader([line], delimiter=mark, strict=True, skipinitialspace=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _problem(fields: list[str] | None, width: int | None) -> str | None:
    if fields is None:
        return "a quote is not closed"
    if width is None or not fields or len(fields) == width or (len(fields) > width and not any(fields[width:])):
        return None
    return "too few fields" if len(fields) < width else "too many fields"


def as_table(path: Path, layout: Layout, columns: Sequence[str], beside: tuple[str, str]) -> pa.Table:
    """Read a delimited file carefully into Arrow: the physical line and the problem (named as in `beside`), the columns as text."""
    import pyarrow as pa

    line, problem = beside
    schema = pa.schema([(line, pa.int64()), (problem, pa.string()), *((column, pa.string()) for column in columns)])
    batches: list[pa.RecordBatch] = []
    batch: list[Record] = []

    def close() -> None:
        if batch:
            cells = zip(*(record.fields or ("",) * len(columns) for record in batch), strict=True)
            data = [[record.line for record in batch], [record.problem for record in batch], *map(list, cells)]
            batches.append(
                pa.record_batch([pa.array(cell, field.type) for cell, field in zip(data, schema, strict=True)], schema)
            )
            batch.clear()

    for number, record in enumerate(records(path, layout.mark, len(columns))):
        if number:  # the header is the first record
            batch.append(record)
        if len(batch) >= _BATCH:
            close()
    close()
    return pa.Table.from_batches(batches, schema)


def lines_of(path: Path, layout: Layout, numbers: Sequence[int]) -> dict[int, int]:
    """Find the physical lines of some records (1 is the first after the header) of a file without broken ones."""
    wanted, found = set(numbers), {}
    for number, record in enumerate(records(path, layout.mark, len(layout.header))):
        if number in wanted:
            found[number] = record.line
            wanted.discard(number)
        if not wanted:
            break
    return found


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")
