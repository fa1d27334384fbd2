"""Codes on their way to the shop and back: the file that it imports, and the file that says which it takes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.errors import DataError
from engine.files import whole
from engine.ledger.codes import LIVE, CodeState

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from engine.ledger import Ledger

__all__ = ["COLUMNS", "BadLine", "Confirmed", "confirm", "export"]

COLUMNS = ("code", "offer", "value", "minimum", "products", "expires_at", "single_use")
_READ = ("code", "offer", "value", "minimum", "products", "expires_at", "renewed_to", "state")
_PART = 50_000  # lines that are Python objects at one time
_TOLD = 100  # bad lines that are told one by one
_WAITING = (CodeState.RESERVED, CodeState.EXPORTED)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line (from 1, the header) that confirmed nothing: why is empty, unknown, repeated, over or undated."""

    line: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a confirmation brought, in codes.

    `moved` can be pushed from now on, `renewed` have their later end, `known` were confirmed before. The others say
    nothing: `unknown` (never issued for this client), `over` (used or ended by now), `undated` (a later end was asked
    for, and the file does not repeat it), `repeated` and `empty` lines. `lines`: the first hundred of them.
    """

    moved: int
    known: int
    unknown: int
    renewed: int = 0
    over: int = 0
    undated: int = 0
    repeated: int = 0
    empty: int = 0
    lines: Sequence[BadLine] = ()

    @property
    def exit_code(self) -> int:
        """1 where the file names codes that nobody knows: it is another client's in part, or somebody typed; else 0."""
        return 1 if self.unknown else 0


def export(ledger: Ledger, path: Path, *, now: datetime) -> int:
    """Write all codes that wait for the shop to a CSV (0600), and only then call them exported; returns how many.

    These are the ones that it has not confirmed, and those whose end is to be later: with that end.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    waiting = ledger.codes.table(states=_WAITING, columns=_READ)
    renewing = ledger.codes.renewing(columns=_READ)
    rows = pa.concat_tables([waiting, renewing])
    if not rows.num_rows:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, is_text=True) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for start in range(0, len(rows), _PART):
            writer.writerows(_lines(rows.slice(start, _PART)))
    new = waiting["code"].filter(pc.equal(waiting["state"], CodeState.RESERVED.value))
    ledger.codes.export(new.to_pylist(), renewing=renewing["code"].to_pylist(), at=now)
    return len(rows)


def _lines(rows: pa.Table) -> Iterator[tuple[object, ...]]:
    import pyarrow.compute as pc

    ends = pc.coalesce(rows["renewed_to"], rows["expires_at"]).to_pylist()
    told = {end: end.isoformat() if end else "" for end in set(ends)}
    words = (rows[name].to_pylist() for name in COLUMNS[:5])
    yield from zip(*words, [told[end] for end in ends], ["yes"] * len(ends), strict=True)


def confirm(ledger: Ledger, path: Path, *, now: datetime) -> Confirmed:
    """The shop redeems the codes of this CSV: a column `code`, and `expires_at` where it takes a later end.

    Raises DataError when it is not such a file, and when no code in it was issued for this client.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    read = _read(path)
    first = _first(read)
    texts = first["code"].to_pylist()
    found = ledger.codes.find(texts, columns=("code", "state", "renewed_to"))
    if texts and not len(found):
        hint = "a file of another client confirms nothing; `ciblage codes export` writes ours"
        raise DataError(
            f"none of the {len(texts)} codes in this file was issued for this client", place=str(path), hint=hint
        )
    place = pc.index_in(found["code"], value_set=first["code"].combine_chunks())
    found = found.append_column("line", first["line"].take(place))
    found = found.append_column("expires", first["expires"].take(place))
    live = pc.is_in(found["state"], value_set=pa.array([state.value for state in LIVE]))
    renewing = found.filter(pc.and_(live, pc.is_valid(found["renewed_to"])))
    dated = pc.fill_null(pc.equal(renewing["renewed_to"], _instants(renewing["expires"])), False)
    new = found.filter(pc.is_in(found["state"], value_set=pa.array([state.value for state in _WAITING])))
    moved = ledger.codes.advance(new["code"].to_pylist(), CodeState.CONFIRMED, at=now)
    renewed = ledger.codes.confirm_ends(renewing["code"].filter(dated).to_pylist())
    bad = {
        "empty": read["line"].filter(pc.equal(read["code"], "")),
        "repeated": _repeated(read, first),
        "unknown": first["line"].filter(pc.invert(pc.is_in(first["code"], value_set=found["code"].combine_chunks()))),
        "over": found["line"].filter(pc.invert(live)),
        "undated": renewing["line"].filter(pc.invert(dated)),
    }
    counts = {why: len(lines) for why, lines in bad.items()}
    known = len(found) - len(new) - renewed - counts["over"] - counts["undated"]
    return Confirmed(moved=moved, known=known, renewed=renewed, lines=_told(bad), **counts)


def _read(path: Path) -> pa.Table:
    """The file's codes in upper case ("" where there is none), where they stand, and the end that it gives them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes, ends, lines = [], [], []
    with _opened(path) as rows:
        header = [cell.strip().lower() for cell in next(rows, [])]
        if "code" not in header:
            raise DataError(
                "the file has no column 'code'", place=f"{path}:1", hint="give the file that the shop returned"
            )
        at, until = header.index("code"), header.index("expires_at") if "expires_at" in header else None
        for row in rows:
            if not row:
                continue  # a blank line
            codes.append(row[at] if at < len(row) else "")
            ends.append(row[until].strip() if until is not None and until < len(row) else "")
            lines.append(rows.line_num)
    texts = pc.utf8_upper(pc.utf8_trim_whitespace(pa.array(codes, pa.string())))
    return pa.table({"code": texts, "expires": pa.array(ends, pa.string()), "line": pa.array(lines, pa.int64())})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The rows of a CSV, whichever of the usual marks is between its cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=max(",;\t", key=head.count))
            try:
                yield rows
            except csv.Error as error:
                raise DataError(f"the file is not a CSV: {error}", place=f"{path}:{rows.line_num}") from None
    except OSError as error:
        what = f"there is no file {path}" if isinstance(error, FileNotFoundError) else f"{path} cannot be read"
        raise DataError(what, place=str(path)) from None
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8", place=str(path), hint="save it as UTF-8") from None


def _first(read: pa.Table) -> pa.Table:
    """Each code once, where it stands first."""
    import pyarrow.compute as pc

    told = read.filter(pc.not_equal(read["code"], ""))
    pairs = [("line", "first"), ("expires", "first")]
    first = told.group_by("code", use_threads=False).aggregate(pairs)
    return first.rename_columns({"line_first": "line", "expires_first": "expires"})


def _repeated(read: pa.Table, first: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    told = read.filter(pc.not_equal(read["code"], ""))
    if len(told) == len(first):
        return told["line"].slice(0, 0)
    return told["line"].filter(pc.invert(pc.is_in(told["line"], value_set=first["line"].combine_chunks())))


def _instants(texts: pa.ChunkedArray) -> pa.Array:
    """The instants that these texts say, null for any other text."""
    import pyarrow as pa

    return pa.array([_instant(text) for text in texts.to_pylist()], pa.timestamp("us", "UTC"))


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(bad: dict[str, pa.ChunkedArray]) -> tuple[BadLine, ...]:
    """The first bad lines, in their order."""
    first = [BadLine(line, why) for why, lines in bad.items() for line in lines.slice(0, _TOLD).to_pylist()]
    return tuple(sorted(first, key=lambda one: one.line)[:_TOLD])
