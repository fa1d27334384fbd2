"""Columns on their way into ClickHouse and out of it: Arrow's types beside ClickHouse's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import UnsupportedByBackend

if TYPE_CHECKING:
    import pyarrow as pa

_WIDTH = 38  # digits of a decimal128


def at_rest(table: pa.Table) -> pa.Table:
    """A table in types that ClickHouse has: instants in microseconds, dictionaries spelled out."""
    import pyarrow as pa

    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
        if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            kind = pa.string()
        if pa.types.is_date64(kind):
            kind = pa.date32()
        fields.append(pa.field(field.name, kind))
    return table.cast(pa.schema(fields))


def types(table: pa.Table) -> dict[str, str]:
    """ClickHouse's type of each column; Nullable where a value is missing."""
    found = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = _type(field.name, field.type)
        found[field.name] = f"Nullable({kind})" if column.null_count and not kind.startswith("Array") else kind
    return found


def _type(name: str, kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return f"Decimal({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "DateTime64(6, 'UTC')"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"Array(Nullable({_type(name, kind.value_type)}))"
    named = {"string": "String", "bool": "Bool", "date32[day]": "Date32", "double": "Float64", "float": "Float32"}
    found = named.get(
        str(kind), str(kind).replace("uint", "UInt").replace("int", "Int") if "int" in str(kind) else None
    )
    if found is None:
        raise UnsupportedByBackend(f"clickhouse has no type for the column {name} ({kind})")
    return found


def settled(table: pa.Table) -> pa.Table:
    """A result as every engine returns it: text, bool, date32, naive UTC instants, decimal128, int64, double."""
    import pyarrow as pa

    columns = [_settled(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _settled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_float32(kind):
        return column.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return column.cast(pa.string())
    if pa.types.is_decimal(kind):
        return _narrowed(column)
    return column


def _narrowed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A decimal as others read it: whole numbers as int64, the rest in 38 digits, and what is larger as doubles."""
    import pyarrow as pa

    kind = column.type
    if kind.scale > 0 and pa.types.is_decimal128(kind):
        return column
    try:
        return column.cast(pa.int64() if kind.scale == 0 else pa.decimal128(_WIDTH, min(kind.scale, _WIDTH)))
    except pa.ArrowInvalid:
        return column if pa.types.is_decimal128(kind) else column.cast(pa.float64())
