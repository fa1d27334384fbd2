"""Typed rows of a shop's files at rest, so that the next opening reads only what it has not read before.

A part is a Parquet file that is never changed: typed rows of the bytes from `start` to `end` of one file. Its name says
what it was made from (a hash of all bytes up to `end`), how it was read (`key`) and what it holds itself (a hash of its
own bytes): it is used where all three hold, else the file is read again. Parts are written aside and renamed; whoever
finds one missing, broken or in the way of a full disk does without.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.shop.extras import Summary
from engine.shop.scanning import Mark, Scan
from engine.tables import Database, QueryError, text

_NAME = re.compile(r"(\d+)-(\d+)\.([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9a-f]{32})\.parquet")
_FACTS = b"ciblage"
_LEAST = 1 << 16  # bytes of a file: fewer are read as fast as found


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a part's rows and not in them.

    `first`: rows of the file before it; `rows`: rows of the file up to its end, if every line is one; `marks`: where it
    can be cut (offset, rows before, hash before); `last`: its highest row number where rows are numbered by line.
    """

    first: int = 0
    rows: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    marks: Sequence[tuple[int, int, str]] = ()
    is_careful: bool = False
    last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: typed rows of the bytes `start` to `end`, where all bytes up to `end` hash to `digest`."""

    path: Path
    start: int
    end: int
    digest: str
    key: str
    rows: int
    facts: Facts

    @property
    def is_plain(self) -> bool:
        """Whether every line of the file up to the part's end is a row."""
        return self.facts.rows == self.facts.first + self.rows

    def cuts(self) -> Iterator[tuple[int, int, str]]:
        """Offsets where it can be left, how many of its rows are before, and the hash of all bytes before."""
        yield (self.end, self.rows, self.digest)
        if self.is_plain:
            yield from ((offset, rows - self.facts.first, digest) for offset, rows, digest in self.facts.marks)


@dataclass(frozen=True, slots=True)
class Piece:
    """The first `rows` rows of a part."""

    part: Part
    rows: int

    @property
    def is_whole(self) -> bool:
        """Whether no row of the part is left out."""
        return self.rows == self.part.rows


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts, one after the other, that hold the rows of a file up to `end`."""

    pieces: tuple[Piece, ...] = ()
    end: int = 0

    @property
    def rows(self) -> int:
        """How many rows they hold."""
        return sum(piece.rows for piece in self.pieces)


def chain(parts: Sequence[Part], scan: Scan, *, is_cut: bool, grows: bool) -> Chain:
    """Find the parts that hold the rows of a file as far as possible; a part may be cut where `is_cut`."""
    reached: dict[int, tuple[Piece, ...]] = {0: ()}
    for part in sorted(parts, key=lambda part: part.start):
        before = reached.get(part.start)
        if before is None:
            continue
        for offset, rows, digest in part.cuts():
            is_open = (is_cut or offset == part.end) and (
                _ends(scan, offset, digest) or (grows and not part.facts.is_careful and _passes(scan, offset, digest))
            )
            if is_open and (offset not in reached or len(before) + 1 < len(reached[offset])):
                reached[offset] = (*before, Piece(part, rows))
    end = max(reached)
    return Chain(reached[end], end)


def _ends(scan: Scan, offset: int, digest: str) -> bool:
    return offset == scan.size and digest == scan.digest


def _passes(scan: Scan, offset: int, digest: str) -> bool:
    mark: Mark | None = scan.marks.get(offset)
    return scan.is_even and mark is not None and mark.digest == digest


class Cache:
    """The parts of one client, in a folder of their own (0700, files 0600); `least` bytes are worth one."""

    def __init__(self, folder: Path, *, is_readonly: bool = False, least: int = _LEAST) -> None:
        self.folder, self.is_readonly, self.least = folder, is_readonly, least
        self._used: set[Path] = set()

    def of(self, table: str) -> list[Part]:
        """The parts of a table; one that cannot be read is left out."""
        found = (_part(path, path.name.removeprefix(f"{table}.")) for path in self._files(f"{table}.*.parquet"))
        return [part for part in found if part is not None]

    def take(self, part: Part) -> bool:
        """Use a part, if its own bytes are what they were."""
        with suppress(OSError):
            if _hash(part.path) == part.path.name.split(".")[-2]:
                self._used.add(part.path)
                return True
        return False

    def keep(
        self,
        database: Database,
        place: tuple[str, int, int, str, str],
        select: str,
        facts: Facts,
        *,
        holds: Callable[[], bool],
    ) -> Part | None:
        """Write the rows of a select as the part of a place (table, start, end, digest, key); None when it cannot be.

        `holds` is asked after the rows were read: whether they were those of the digest.
        """
        table, start, end, digest, key = place
        if self.is_readonly or end - start < self.least:
            return None
        try:
            half = self._half()
        except OSError:
            return None
        try:
            told = f"KV_METADATA {{{_FACTS.decode()}: {text(_written(facts))}}}"
            with database.in_order():  # a part's rows are numbered as they lie
                database.execute(f"COPY ({select}) TO {text(str(half))} ({_OPTIONS}, {told})")
            if not holds():
                return None
            path = self.folder / f"{table}.{start}-{end}.{digest}.{key}.{_hash(half)}.parquet"
            half.replace(path)
            self._used.add(path)
            return _part(path, path.name.removeprefix(f"{table}."))
        except (OSError, QueryError):
            return None
        finally:
            with suppress(OSError):
                half.unlink(missing_ok=True)

    def spare(self, table: str) -> None:
        """Keep nothing of a table's parts when the opening ends: they hold somebody who must not be kept."""
        self._used -= set(self._files(f"{table}.*.parquet"))

    def sweep(self) -> None:
        """Remove every part that was not used."""
        if not self.is_readonly:
            for path in [*self._files("*.parquet"), *self._files(".*.half")]:
                if path not in self._used:
                    with suppress(OSError):
                        path.unlink(missing_ok=True)

    def _files(self, pattern: str) -> list[Path]:
        try:
            return sorted(self.folder.glob(pattern))
        except OSError:
            return []

    def _half(self) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, path = tempfile.mkstemp(prefix=".", suffix=".half", dir=self.folder)  # 0600
        os.close(number)
        return Path(path)


_OPTIONS = "FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _written(facts: Facts) -> str:
    return json.dumps(
        {
            "first": facts.first,
            "rows": facts.rows,
            "columns": list(facts.columns.items()),
            "summaries": dict(facts.summaries),
            "marks": list(facts.marks),
            "is_careful": facts.is_careful,
            "last": facts.last,
        }
    )


def _part(path: Path, named: str) -> Part | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = _NAME.fullmatch(named)
    if found is None:
        return None
    try:
        metadata = pq.read_metadata(path)
        said = json.loads((metadata.metadata or {})[_FACTS])
        facts = Facts(
            first=int(said["first"]),
            rows=said["rows"],
            columns=dict(said["columns"]),
            summaries={key: tuple(cells) for key, cells in said["summaries"].items()},
            marks=[(int(offset), int(rows), str(digest)) for offset, rows, digest in said["marks"]],
            is_careful=bool(said["is_careful"]),
            last=int(said["last"]),
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    start, end, digest, key, _ = found.groups()
    return Part(path=path, start=int(start), end=int(end), digest=digest, key=key, rows=metadata.num_rows, facts=facts)
