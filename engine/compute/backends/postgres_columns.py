"""Columns between Arrow and PostgreSQL: of few types at rest, and exact on the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.tables import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 38  # of Arrow's 128-bit decimal
_HEADER, _PRECISION, _SCALE = 4, 16, 0x7FF  # numerictypmodin in the server's numeric.c


def at_rest(data: pa.Table) -> pa.Table:
    """The same rows in the types that we declare: the binary COPY converts nothing."""
    import pyarrow as pa

    fields = [pa.field(field.name, _plain(field.type)) for field in data.schema]
    try:
        return data.cast(pa.schema(fields))
    except pa.ArrowInvalid as error:
        raise QueryError(f"a column cannot be kept in PostgreSQL: {type(error).__name__}") from None


def declared(field: pa.Field) -> str:
    """PostgreSQL's type of a column at rest; text compares by its bytes."""
    import pyarrow as pa

    if pa.types.is_decimal(field.type):
        return f"numeric({field.type.precision}, {field.type.scale})"
    if pa.types.is_list(field.type):
        return 'text[] COLLATE "C"'
    return {
        pa.bool_(): "boolean",
        pa.int64(): "bigint",
        pa.float64(): "double precision",
        pa.date32(): "date",
        pa.timestamp("us"): "timestamp",
    }.get(field.type, 'text COLLATE "C"')


def exact(found: pa.Table) -> pa.Table:
    """Rows as they are handed on: whole numbers of 64 bits, numbers exact, instants naive UTC."""
    import pyarrow as pa

    columns = [
        _number(_storage(column), _numeric(field)) if _is_numeric(field) else column.cast(_plain(field.type))
        for field, column in zip(found.schema, found.columns, strict=True)
    ]
    return pa.table(columns, names=found.column_names)


def piece(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A part of a result, of the same types as every other part: a NUMERIC that declares no scale stays text."""
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    columns = [
        _storage(column)
        if _is_numeric(field) and _numeric(field) is None
        else exact(table.select([field.name])).column(0)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in columns], names=table.column_names)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    tests = pa.types
    if tests.is_dictionary(kind):
        return _plain(kind.value_type)
    if tests.is_decimal(kind):
        return kind
    of = {
        tests.is_boolean: pa.bool_(),
        tests.is_integer: pa.int64(),
        tests.is_floating: pa.float64(),
        tests.is_date: pa.date32(),
        tests.is_timestamp: pa.timestamp("us"),
        tests.is_nested: pa.list_(pa.string()),
    }
    return next((plain for is_one, plain in of.items() if is_one(kind)), pa.string())


def _is_numeric(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"ADBC:postgresql:typname") == b"numeric"


def _numeric(field: pa.Field) -> pa.DataType | None:
    """The type that NUMERIC(precision, scale) declares, if it does: both in one number, four more than they are."""
    import pyarrow as pa

    declared = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")) - _HEADER
    precision, scale = declared >> _PRECISION, declared & _SCALE
    return pa.decimal128(precision, scale) if 0 < precision <= _DIGITS and scale <= precision else None


def _storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The text in which NUMERIC comes; what is no number is unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.chunked_array([getattr(chunk, "storage", chunk) for chunk in column.chunks], pa.string())
    return pc.if_else(pc.match_substring_regex(text, "^-?[0-9.]+$"), text, None)


def _number(text: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray:
    """Numbers as declared, else with the one scale that holds all their digits."""
    return text.cast(kind or _fitting(text))


def _fitting(text: pa.ChunkedArray) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.compute as pc

    points = pc.find_substring(text, ".")
    behind = pc.subtract(pc.subtract(pc.binary_length(text), points), 1)
    digits = pc.if_else(pc.greater_equal(points, 0), behind, 0)
    scale = pc.max(digits).as_py() or 0
    whole = pc.max(pc.subtract(pc.binary_length(text), digits)).as_py() or 0
    return pa.decimal128(_DIGITS, scale) if whole + scale <= _DIGITS else pa.decimal256(2 * _DIGITS, scale)
