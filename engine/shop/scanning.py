"""One pass over a file's bytes: what they hash to, whether they are text, and where lines end that a reader can start after."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from engine.errors import DataError

_CHUNK = 1 << 20
_STEP = 1 << 20  # a mark every so many bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a line: how many lines are before it, and the hash of all bytes before it.

    `is_plain`: no quote is before it, so that every line that is not blank is a record.
    """

    offset: int
    lines: int
    is_plain: bool
    hash: blake2b = field(repr=False)

    @property
    def digest(self) -> str:
        """The hash as text."""
        return self.hash.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a file's bytes say: `marks` by offset, the last one (`end`) where the file ends.

    `is_even`: every line ends in the same way, so that a reader may start after any of them; `is_closed`: the last does end.
    """

    size: int
    marks: dict[int, Mark]
    end: Mark
    is_even: bool
    is_closed: bool

    @property
    def digest(self) -> str:
        """The hash of the file."""
        return self.end.digest


def scan(path: Path, ends: Sequence[int] = (), *, is_text: bool) -> Scan:
    """Read a file once; `marks` are at every MiB and at those of `ends` that are the end of a line.

    Raises DataError, with the line where text is not UTF-8, or when the file is empty.
    """
    found = _Pass(sorted(set(ends)), is_text=is_text)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                found.take(chunk)
            except UnicodeDecodeError:
                raise _not_utf8(path) from None
    if not found.offset:
        raise DataError(f"{path.name} is empty: not even a header", place=str(path), hint="export it again")
    try:
        return found.scan()
    except UnicodeDecodeError:
        raise _not_utf8(path) from None


class _Pass:
    def __init__(self, ends: list[int], *, is_text: bool) -> None:
        self.offset = 0
        self._hash = blake2b(digest_size=16)
        self._decoder = getincrementaldecoder("utf-8")() if is_text else None
        self._ends, self._next = ends, _STEP
        self._marks: dict[int, Mark] = {}
        self._lines = self._returns = self._pairs = 0
        self._is_plain, self._last = is_text, b"\n"

    def take(self, chunk: bytes) -> None:
        if self._decoder is not None and (self._decoder.getstate()[0] or not chunk.isascii()):
            self._decoder.decode(chunk)
        start = 0
        for cut in self._cuts(chunk):
            self._feed(chunk[start:cut])
            start = cut
            if self._last == b"\n":
                self._marks[self.offset] = self._mark()
        self._feed(chunk[start:] if start else chunk)

    def scan(self) -> Scan:
        if self._decoder is not None:
            self._decoder.decode(b"", True)
        is_even = self._returns == self._pairs and self._pairs in {0, self._lines}
        is_closed = self._last == b"\n"
        end = self._mark()
        return Scan(size=self.offset, marks=self._marks, end=end, is_even=is_even, is_closed=is_closed)

    def _cuts(self, chunk: bytes) -> Iterator[int]:
        stop = self.offset + len(chunk)
        cuts = {end - self.offset for end in self._ends if self.offset < end <= stop}
        while self._decoder is not None and self._next <= stop:
            at = chunk.find(b"\n", max(self._next - self.offset, 0))
            if at < 0:
                break
            cuts.add(at + 1)
            self._next = (self.offset + at) // _STEP * _STEP + _STEP
        return iter(sorted(cuts))

    def _feed(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.offset += len(piece)
        if self._decoder is None or not piece:
            return
        self._lines += piece.count(b"\n")
        if b"\r" in piece or self._last == b"\r":
            self._returns += piece.count(b"\r")
            self._pairs += piece.count(b"\r\n") + (self._last == b"\r" and piece[:1] == b"\n")
        self._is_plain = self._is_plain and b'"' not in piece
        self._last = piece[-1:]

    def _mark(self) -> Mark:
        return Mark(self.offset, self._lines, self._is_plain, self._hash.copy())


def _not_utf8(path: Path) -> DataError:
    decoder, line = getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        for chunk in [*iter(lambda: file.read(_CHUNK), b""), b""]:
            try:
                decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                line += chunk[: error.start].count(10)
                break
            line += chunk.count(10)
    hint = "save it as UTF-8 (in Excel: “CSV UTF-8”)"
    return DataError(f"{path.name} is not UTF-8 text", place=f"{path}:{line}", hint=hint)
