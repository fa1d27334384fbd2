"""How one contact's targets and fields are packed in one row, and unpacked as Arrow columns without touching a row.

Targets: little-endian bits, as many bytes as needed. Fields: one JSON scalar per field position, joined by U+001F
(which JSON always escapes); an empty place is a field that we never set, or cleared.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from connectors.types import Fitted

__all__ = [
    "SEPARATOR",
    "WORD_BITS",
    "bit_column",
    "field_column",
    "pack_bits",
    "pack_fields",
    "scalar",
    "unpack_bits",
    "unpack_fields",
    "value",
    "word_column",
]

SEPARATOR = "\x1f"
_WORD = 8  # bytes
WORD_BITS = 64
_ROWS = 100_000  # whose fields are taken apart at one time
_ENCODER = json.JSONEncoder(ensure_ascii=False)


@lru_cache(maxsize=4096)  # contacts share few combinations of lists
def pack_bits(positions: frozenset[int]) -> bytes:
    """The bits of these positions."""
    number = 0
    for position in positions:
        number |= 1 << position
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


@lru_cache(maxsize=4096)
def unpack_bits(packed: bytes | None) -> frozenset[int]:
    """The positions of these bits."""
    number = int.from_bytes(packed or b"", "little")
    return frozenset(position for position in range(number.bit_length()) if number >> position & 1)


def scalar(fitted: Fitted) -> str:
    """A fitted value as one canonical JSON scalar."""
    return _ENCODER.encode(fitted)


def value(text: str) -> Fitted:
    """The fitted value of a canonical JSON scalar."""
    if text[:1] == '"' and "\\" not in text:
        return text[1:-1]
    fitted: Fitted = json.loads(text)
    return fitted


def pack_fields(fields: Mapping[int, str]) -> str:
    """JSON scalars by field position, in one text."""
    cells = [""] * (max(fields, default=-1) + 1)
    for position, text in fields.items():
        cells[position] = text
    return SEPARATOR.join(cells)


def unpack_fields(packed: str) -> dict[int, str]:
    """JSON scalars by field position; positions never set are absent."""
    return {position: text for position, text in enumerate(packed.split(SEPARATOR)) if text}


def word_column(packed: pa.ChunkedArray, word: int) -> pa.Array[Any]:
    """64 positions at once, as one unsigned number a row: positions 64 × word and up (a null is no bit)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    start = word * _WORD
    padded = pc.binary_join_element_wise(
        pc.fill_null(packed.cast(pa.binary()), b""), bytes(start + _WORD), pa.scalar(b"", pa.binary())
    )
    slices = pc.binary_slice(padded, start, start + _WORD).cast(pa.binary(_WORD))
    whole = pa.chunked_array([slices]) if isinstance(slices, pa.Array) else slices
    return pa.chunked_array([_words(chunk) for chunk in whole.chunks], pa.uint64()).combine_chunks()


def bit_column(words: pa.Array[Any], bit: int) -> pa.Array[Any]:
    """Whether this bit (0 to 63) of a word column is set, one boolean a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.bit_wise_and(words, pa.scalar(1 << bit, pa.uint64()))
    return pc.not_equal(found, pa.scalar(0, pa.uint64()))


def _words(chunk: pa.Array[Any]) -> pa.Array[Any]:
    """Fixed binaries of eight bytes read as numbers: Arrow keeps both little-endian."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.uint64(), len(chunk), [None, chunk.buffers()[1]], offset=chunk.offset)


def field_column(packed: pa.ChunkedArray, position: int) -> pa.Array[Any]:
    """The JSON scalar at a field position, one text a row, null where there is none."""
    import pyarrow as pa

    parts = [_field(packed.slice(at, _ROWS), position) for at in range(0, len(packed), _ROWS)]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def _field(packed: pa.ChunkedArray, position: int) -> pa.Array[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    padded = pc.binary_join_element_wise(pc.fill_null(packed, ""), SEPARATOR * (position + 1), "")
    parts = pc.split_pattern(padded, SEPARATOR, max_splits=position + 1)
    text = pc.list_element(parts, position)
    found = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
