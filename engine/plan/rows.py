"""The rows of a plan: one change is one or more rows that share its id; ids are hashes of what would be sent."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from engine.plan.destination import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CODE",
    "DRIFT",
    "FIRST",
    "ID_LENGTH",
    "ISSUE",
    "PART",
    "RENEWED",
    "SEPARATOR",
    "UNDER_WAY",
    "UNDO",
    "WITHDRAW",
    "chosen",
    "content_hash",
    "contents",
    "empty",
    "hashes",
    "ordered",
    "packed",
    "parts",
    "phase",
    "runs",
    "schema",
    "starts",
    "unpacked",
]

ISSUE = "Issue"
WITHDRAW = "Withdraw"  # a code that nobody has seen ends
RENEWED = "renewed_to"  # the field of an Issue that gives a code a later end instead of minting one
CODE = "code_id"  # the field of an Issue that names a pool's code to mint, and of a Withdraw
UNDO, DRIFT = "undo", "drift"  # why: a run is taken back; what others changed is put right
PART = 10_000  # changes that are carried, and held as objects, at one time: calls are cut within a part
UNDER_WAY = 30_000  # changes that wait for jobs, held in memory: more are not sent before these are settled
ID_LENGTH = 24  # hexadecimal digits of a change's id: the beginning of its content hash
SEPARATOR = "\x1f"
_BLANK = hashlib.blake2b(digest_size=16)
_NAMES = (
    "change_id", "destination", "target", "kind", "customer_id", "field", "before", "after", "content_hash", "why",
)  # fmt: skip
_REPEATED = frozenset({"destination", "target", "kind", "customer_id", "field", "content_hash", "why"})
_PACKED = 50_000  # rows that share one list of their words
_GROUP = ("phase", "destination", "target")
_ORDER = {kind: place for place, kind in enumerate([*KINDS, ISSUE, WITHDRAW])}
FIRST = frozenset({"consent", "blocked", "unreachable"})  # reasons whose changes are carried before all others


def schema() -> pa.Schema:
    """Texts, `is_default` (the value stands in for an unknown) and `phase` (the order in which they are carried)."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in _NAMES]
    return pa.schema([*texts, ("is_default", pa.bool_()), ("phase", pa.int8())])


def empty() -> pa.Table:
    """No rows."""
    return packed_schema().empty_table()


def content_hash(destination: str, kind: str, target: str, address: str, fields: Mapping[str, str]) -> str:
    """The hash of what is sent: the same content is the same change, whenever it is planned.

    `fields`: JSON scalars by merge tag, and under "" the status of an AddContact.
    """
    parts = [destination, kind, target, address, *(f"{name}={fields[name]}" for name in sorted(fields))]
    return _digest(SEPARATOR.join(parts))


def contents(destination: str, kind: str, target: str, address: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
    """The same contents as columns, one text a change; a null field is left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    constants = [pa.scalar(text, pa.string()) for text in (destination, kind, target)]
    valued = [
        pc.binary_join_element_wise(pa.scalar(f"{name}=", pa.string()), fields[name], "") for name in sorted(fields)
    ]
    return pc.binary_join_element_wise(*constants, address, *valued, SEPARATOR, null_handling="skip")


def hashes(texts: Any) -> pa.Array[Any]:  # noqa: ANN401 - Arrow's columns carry no type
    """The content hash of each text."""
    import pyarrow as pa

    blank, found = _BLANK.copy, []
    for text in texts.cast(pa.binary()).to_pylist():
        one = blank()  # made ready, at half the cost of making one
        one.update(text)
        found.append(one.hexdigest())
    return pa.array(found, pa.string())


def _digest(text: str) -> str:
    one = _BLANK.copy()
    one.update(text.encode())
    return one.hexdigest()


def phase(kind: str, *, is_first: bool) -> int:
    """Where a kind comes in the order; what consent asks for comes first."""
    return _ORDER[kind] - (len(_ORDER) if is_first else 0)


def ordered(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows in the order in which they are carried; the rows of one change stay together.

    Each table is in order by itself: only what several tables say of one target is sorted anew, the rest is not copied.
    """
    import pyarrow as pa

    groups: dict[tuple[str, ...], list[pa.Table]] = {}
    for run in chain.from_iterable(map(runs, tables)):
        groups.setdefault(tuple(run[name][0].as_py() for name in _GROUP), []).append(run)
    order = [(name, "ascending") for name in ("customer_id", "change_id", "field")]
    whole = [
        packed(unpacked(pa.concat_tables(found)).combine_chunks().sort_by(order)) if len(found) > 1 else found[0]
        for _, found in sorted(groups.items())
    ]
    return pa.concat_tables(whole) if whole else empty()


def runs(table: pa.Table) -> Iterator[pa.Table]:
    """The rows of each phase, destination and target, where they lie; of one kind therefore."""
    yield from _slices(table, _starts(table, _GROUP).to_pylist())


def chosen(table: pa.Table, **words: str) -> pa.Table:
    """The rows of one destination, target or kind, where they lie."""
    import pyarrow as pa

    found = [run for run in runs(table) if all(run[name][0].as_py() == word for name, word in words.items())]
    return pa.concat_tables(found) if found else table.slice(0, 0)


def parts(table: pa.Table, count: int = PART) -> Iterator[pa.Table]:
    """The rows of so many changes at a time, where they lie."""
    yield from _slices(table, starts(table).to_pylist()[::count])


def starts(table: pa.Table) -> pa.Array[Any]:
    """Where each change begins."""
    return _starts(table, ("content_hash",))


def _starts(table: pa.Table, names: Sequence[str]) -> pa.Array[Any]:
    """Rows that differ from the one before in any of these columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found, place, before = [pa.array([], pa.int64())], 0, None
    for batch in table.select(names).to_batches():
        if not len(batch):
            continue
        columns = [column.indices if pa.types.is_dictionary(column.type) else column for column in batch.columns]
        differs = [pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)) for column in columns]
        places = pc.indices_nonzero(functools.reduce(pc.or_, differs)).cast(pa.int64())
        first, last = ([column[at].as_py() for column in batch.columns] for at in (0, len(batch) - 1))
        found += [pa.array([place] if first != before else [], pa.int64()), pc.add(places, place + 1)]
        place, before = place + len(batch), last
    return pa.concat_arrays(found)


def packed_schema() -> pa.Schema:
    """The rows as a plan holds them: repeated words are kept once a part, and a change's id is in its content's hash."""
    import pyarrow as pa

    return pa.schema(
        [
            one.with_type(pa.dictionary(pa.int32(), pa.string())) if one.name in _REPEATED else one
            for one in schema()
            if one.name != "change_id"
        ]
    )


def packed(table: pa.Table) -> pa.Table:
    """Rows as a plan holds them, a part at a time."""
    import pyarrow as pa

    whole = packed_schema()
    found = []
    for start in range(0, len(table), _PACKED):
        part = table.slice(start, _PACKED).combine_chunks()
        found.append(part.select(whole.names).cast(whole))
    return pa.concat_tables(found) if found else whole.empty_table()


def unpacked(table: pa.Table) -> pa.Table:
    """Rows with the schema of a plan's file."""
    import pyarrow.compute as pc

    whole = schema()
    if "change_id" in table.column_names:
        return table
    texts = table.cast(_plain(table.schema))
    ids = pc.utf8_slice_codeunits(texts["content_hash"], 0, ID_LENGTH)
    return texts.append_column("change_id", ids).select(whole.names)


def _plain(packed: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([one.with_type(pa.string()) if one.name in _REPEATED else one for one in packed])


def _slices(table: pa.Table, begins: Sequence[int]) -> Iterator[pa.Table]:
    bounds = [*begins, len(table)]
    for start, end in pairwise(bounds):
        yield table.slice(start, end - start)
