"""Many rows at once: columns to and from the database, without an object for every row where its driver lets us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.ledger import schema

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger.store import Store

__all__ = ["PART", "cells", "chosen", "kind", "many", "parts", "read", "wide"]

PART = 50_000  # rows that are Python objects at one time
_PAGES = 64_000  # KB of the database held while rows are written: their keys come in no order


def chosen(store: Store, columns: Sequence[sa.Column[Any]]) -> sa.Select[Any]:
    """A query of these columns, for `read`."""
    if store.engine.dialect.name != "sqlite":
        return sa.select(*columns)
    texts = [
        sa.type_coerce(one, sa.Text).label(one.name) if isinstance(one.type, schema.Instant) else one for one in columns
    ]  # as it is stored: columns read instants faster than rows do
    return sa.select(*texts)


def read(store: Store, query: sa.Select[Any], table: sa.Table) -> pa.Table:
    """The rows of a query of this table that `chosen` began; instants as UTC timestamps."""
    import pyarrow as pa

    wanted = pa.schema([(one.name, kind(table.c[one.name])) for one in query.selected_columns])
    is_text = store.engine.dialect.name == "sqlite"
    given = pa.schema(
        [(one.name, pa.string()) if is_text and pa.types.is_timestamp(one.type) else one for one in wanted]
    )
    found = store.table(query, given)
    if not is_text:
        return found
    naive = pa.schema([one.with_type(pa.timestamp("us")) if pa.types.is_timestamp(one.type) else one for one in wanted])
    return found.cast(naive).cast(wanted)


def cells(connection: sa.Connection, column: pa.ChunkedArray) -> list[Any]:
    """A column's values as the driver takes them: SQLite keeps instants as texts, and columns write those faster."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and connection.dialect.name == "sqlite":
        column = column.cast(pa.timestamp("us")).cast(pa.string())
    coded = column.combine_chunks().dictionary_encode()
    if len(coded.dictionary) > len(column) // 2:
        return list(column.to_pylist())
    words = [*coded.dictionary.to_pylist(), None]
    return [words[-1 if place is None else place] for place in coded.indices.to_pylist()]


def many(connection: sa.Connection, statement: Any, cells: Mapping[str, Sequence[Any]]) -> int:  # noqa: ANN401 - an insert or an update
    """Run a statement for each row of these columns; returns how many rows it touched."""
    if connection.dialect.name != "sqlite":
        rows = [dict(zip(cells, line, strict=True)) for line in zip(*cells.values(), strict=True)]
        counting = {"preserve_rowcount": True}
        return connection.execute(statement, rows, execution_options=counting).rowcount if rows else 0
    names = list(cells) if isinstance(statement, sa.Insert) else None
    compiled = statement.compile(dialect=connection.dialect, column_keys=names)
    count = len(next(iter(cells.values())))
    columns = [cells[name] if name in cells else [compiled.params[name]] * count for name in compiled.positiontup]
    lines = list(zip(*columns, strict=True))
    return connection.exec_driver_sql(str(compiled), lines).rowcount if lines else 0


@contextmanager
def wide(connection: sa.Connection) -> Iterator[None]:
    """Room for the pages of an index that is written in no order; a few MB again afterwards."""
    if connection.dialect.name != "sqlite":
        yield
        return
    known = connection.exec_driver_sql("PRAGMA cache_size").scalar()
    connection.exec_driver_sql(f"PRAGMA cache_size = -{_PAGES}")
    yield
    connection.exec_driver_sql(f"PRAGMA cache_size = {known}")


def kind(column: sa.Column[Any]) -> pa.DataType:
    """What a column of the database is among columns of Arrow."""
    import pyarrow as pa

    if isinstance(column.type, schema.Instant):
        return pa.timestamp("us", "UTC")
    if isinstance(column.type, sa.Boolean):
        return pa.bool_()
    return pa.int64() if isinstance(column.type, sa.Integer) else pa.string()


def parts(values: Sequence[str]) -> list[Sequence[str]]:
    """The same, some at a time."""
    return [values[start : start + PART] for start in range(0, len(values), PART)]
