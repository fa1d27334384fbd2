"""Tables of a database as a folder of Parquet files, which is opened as any other: every rule is the files' own.

A database has no order of rows and a run must not depend on one: each file is sorted by all of its columns.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.compute.backends import backend
from engine.shop import ShopSource
from engine.shop.mapping import TableMapping
from engine.tables import Database, text
from engine.warehouse.reading import Kind, Plan, select_raw

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.warehouse.host import Warehouse

__all__ = ["copy_shop", "write_sorted"]


def copy_shop(warehouse: Warehouse, plans: Mapping[str, Plan], folder: Path, scratch: Database) -> ShopSource:
    """Copy tables into `folder`, which is made anew (0700, files 0600), and say how to open it."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # of mode 0700
    try:
        for plan in plans.values():
            write_sorted(_rows(warehouse, plan), fresh / f"{_file(warehouse, plan)}.parquet", scratch)
        _replace(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    mapping = {table: _told(plan.mapping) for table, plan in plans.items()}
    own = {name: one for name, one in warehouse.own.items() if one.is_neutral or name in plans}
    return ShopSource(path=folder, mapping=mapping, own=own)


def write_sorted(rows: pa.RecordBatchReader, path: Path, scratch: Database) -> None:
    """Write rows as a Parquet file of mode 0600, the smallest first."""
    import pyarrow.parquet as pq

    part = path.with_suffix(".part")
    for file in (part, path):
        file.touch(mode=0o600)
    with pq.ParquetWriter(part, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    sort = f"SELECT * FROM read_parquet({text(str(part))}) ORDER BY ALL"
    scratch.execute(f"COPY ({sort}) TO {text(str(path))} (FORMAT parquet)")
    path.chmod(0o600)
    part.unlink()


def _rows(warehouse: Warehouse, plan: Plan) -> pa.RecordBatchReader:
    """A table piece by piece, all pieces of one schema, instants with their zone (UTC)."""
    import pyarrow as pa

    statement = backend(warehouse.host.name).text(select_raw(warehouse, plan))
    pieces = iter(warehouse.host.batches(statement))
    first = next(pieces, None)
    found = warehouse.host.query(statement).schema if first is None else first.schema  # without rows, there are columns
    aware = pa.timestamp("us", "UTC")
    schema = pa.schema(
        [(name, aware if kind is Kind.MOMENT else found.field(name).type) for name, kind in plan.types.items()]
    )
    return pa.RecordBatchReader.from_batches(schema, _cast(chain([] if first is None else [first], pieces), schema))


def _cast(pieces: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for piece in pieces:
        yield from pa.Table.from_batches([piece]).cast(schema).to_batches()


def _file(warehouse: Warehouse, plan: Plan) -> str:
    own = warehouse.own.get(plan.table)
    return plan.table if own is None or own.is_neutral else own.table


def _told(mapping: TableMapping) -> dict[str, Any]:
    """A mapping as the config would say it; tables are found under their own names."""
    keys = {key.name: getattr(mapping, key.name) for key in fields(mapping) if key.name != "file"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in keys.items() if value}


def _replace(folder: Path, fresh: Path) -> None:
    """Put a new folder in the place of an old one; who is reading the old one reads on."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / folder.name)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.rename(folder)
