"""The rows of a plan at rest: few of them in memory, many in a file without a name, read again a part at a time."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, TYPE_CHECKING, NamedTuple

from engine.plan import rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Part", "Rows", "Run", "Spool", "merged"]

_IN_MEMORY = 20_000  # rows of one plan that lie in no file
_CODEC = "lz4"


class Part(NamedTuple):
    """Some whole changes of one run: their rows, or where these lie in the file."""

    spool: Spool
    rows: int
    changes: int
    table: pa.Table | None = None
    start: int = 0
    size: int = 0

    def read(self) -> pa.Table:
        """The rows, packed."""
        return self.spool.read(self.start, self.size) if self.table is None else self.table


class _Place(NamedTuple):
    """What the rows of a run share, in the order in which runs are carried."""

    phase: int
    destination: str
    target: str
    kind: str


class Spool:
    """Where the rows of plans lie: `most` of them in memory, the rest in a temporary file.

    The file has no name and is for its owner alone: it goes with the process, however that ends. Threads may share it.
    """

    def __init__(self, most: int = _IN_MEMORY) -> None:
        self._room = most
        self._file: IO[bytes] | None = None
        self._end = 0
        self._turn = threading.Lock()

    def keep(self, parts: Iterable[pa.Table]) -> Rows:
        """Keep rows that come in parts: each of one run, whole changes, `rows.PART` of them but in the last of a run."""
        found = []
        for place, same in groupby(parts, key=_place):
            whys: set[str] = set()
            kept = []
            for part in same:
                whys |= _words(part)
                kept.append(self._put(part))
            found.append(Run(*place, tuple(kept), frozenset(whys)))
        return Rows(tuple(found))

    def read(self, start: int, size: int) -> pa.Table:
        """What lies there."""
        import pyarrow as pa

        with self._turn:
            file = self._opened()
            file.seek(start)
            found = file.read(size)
        with pa.ipc.open_stream(pa.py_buffer(found)) as stream:
            return stream.read_all()

    def _put(self, table: pa.Table) -> Part:
        import pyarrow as pa

        changes = len(rows.starts(table))
        if len(table) <= self._room:
            self._room -= len(table)
            return Part(self, len(table), changes, table)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=_CODEC)) as stream:
            stream.write_table(table)
        written = sink.getvalue()
        return Part(self, len(table), changes, None, self._written(written), written.size)

    def _written(self, part: pa.Buffer) -> int:
        """Where it lies now. Raises OSError with the temporary folder's name."""
        with self._turn:
            start = self._end
            try:
                file = self._opened()
                file.seek(start)
                left = memoryview(part)
                while left:
                    left = left[file.write(left) :]
            except OSError as error:
                raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from None
            self._end += part.size
        return start

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, prefix="ciblage-")  # noqa: SIM115 - open as long as somebody may read it
            weakref.finalize(self, self._file.close)
        return self._file


@dataclass(frozen=True, slots=True)
class Run:
    """The rows of one phase, destination and target, and of one kind therefore, in order; and why, for any of them."""

    phase: int
    destination: str
    target: str
    kind: str
    parts: tuple[Part, ...]
    whys: frozenset[str] = frozenset()

    @property
    def changes(self) -> int:
        """How many changes."""
        return sum(part.changes for part in self.parts)

    def tables(self) -> Iterator[pa.Table]:
        """The rows of `rows.PART` changes at a time, packed."""
        return (part.read() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a plan, by run in the order in which they are carried."""

    runs: tuple[Run, ...] = ()
    sums: dict[bytes, str] = field(
        default_factory=dict, repr=False, compare=False
    )  # of these rows, by what they are of

    def __len__(self) -> int:
        return sum(part.rows for run in self.runs for part in run.parts)

    @classmethod
    def of(cls, tables: Iterable[pa.Table], spool: Spool | None = None) -> Rows:
        """Rows that come in order, cut anywhere."""
        parts = (rows.packed(rows.unpacked(part)) for part in _parts(tables))  # what words it repeats is its own
        return (spool or Spool()).keep(parts)

    def chosen(self, **words: str) -> Rows:
        """Those of one destination, target or kind."""
        return Rows(tuple(run for run in self.runs if all(getattr(run, name) == word for name, word in words.items())))

    def tables(self) -> Iterator[pa.Table]:
        """All of them in order, a part at a time, packed."""
        for run in self.runs:
            yield from run.tables()

    def table(self) -> pa.Table:
        """All of them in memory, packed."""
        import pyarrow as pa

        found = list(self.tables())
        return pa.concat_tables(found) if found else rows.empty()


def merged(many: Iterable[Rows], spool: Spool) -> Rows:
    """All rows in order; what is in several of them of one run is put in order anew, the rest stays where it lies."""
    found: dict[_Place, list[Run]] = {}
    for run in (run for one in many for run in one.runs):
        found.setdefault(_Place(run.phase, run.destination, run.target, run.kind), []).append(run)
    whole: list[Run] = []
    for _, same in sorted(found.items()):
        mixed = [table for run in same for table in run.tables()] if len(same) > 1 else []
        whole += Rows.of([rows.ordered(mixed)], spool).runs if mixed else same
    return Rows(tuple(whole))


def _parts(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Rows cut as they are kept: a change may go on in the next table, and a run too."""
    import pyarrow as pa

    left: pa.Table | None = None
    for table in tables:
        *done, last = rows.runs(table if left is None else pa.concat_tables([left, table])) if len(table) else [left]
        for run in done:
            yield from rows.parts(run, rows.PART)
        left = last
        if left is not None and len(begins := rows.starts(left)) > rows.PART:
            whole = begins[(len(begins) - 1) // rows.PART * rows.PART].as_py()
            yield from rows.parts(left.slice(0, whole), rows.PART)
            left = left.slice(whole)
    if left is not None:
        yield from rows.parts(left, rows.PART)


def _place(part: pa.Table) -> _Place:
    return _Place(*(part[name][0].as_py() for name in _Place._fields))


def _words(part: pa.Table) -> set[str]:
    import pyarrow.compute as pc

    return {why for chunk in part["why"].chunks for why in pc.unique(chunk).to_pylist() if why is not None}
