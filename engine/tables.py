"""Columns at rest and in flight: the one door to DuckDB for everything but the compute backends."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from engine.errors import EngineError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["Database", "Parameters", "QueryError", "masked", "name", "text"]

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]

_ADDRESS = re.compile(r"[^\s'\"<>,;:]+@[^\s'\"<>,;:]+")
_NO_NETWORK = {"autoinstall_known_extensions": "false", "TimeZone": "UTC"}


class QueryError(EngineError):
    """A statement that the engine refused: its words with addresses masked, and never the row's values in a chain."""

    kind = "query"


def name(identifier: str) -> str:
    """Quote an identifier for a statement."""
    return '"' + identifier.replace('"', '""') + '"'


def text(literal: str) -> str:
    """Quote a string for a statement, where a parameter cannot stand (file names, types, options)."""
    return "'" + literal.replace("'", "''") + "'"


class Database:
    """Tables in memory, in `path`, or (`Database.temporary()`) in a file that goes when it is closed.

    `memory_limit` is DuckDB's own spelling ("4GB"); beyond it, work spills beside the file or into the system's
    temporary folder. Instants are naive UTC TIMESTAMP; nothing here reads a clock or the network.
    """

    name: Final = "duckdb"

    def __init__(
        self, path: Path | None = None, *, memory_limit: str | None = None, threads: int | None = None
    ) -> None:
        import duckdb

        options: dict[str, str | bool | int | float | list[str]] = dict(_NO_NETWORK)
        if memory_limit:
            options["memory_limit"] = memory_limit
        if threads:
            options["threads"] = str(threads)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._ours: dict[str, str | None] = {}  # what is kept or defined: a table or a view; None: registered
        if path is None:
            self._folder = tempfile.TemporaryDirectory(prefix="ciblage-")
            options["temp_directory"] = self._folder.name
        self._error: type[Exception] = duckdb.Error
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(str(path) if path else ":memory:", config=options)

    @classmethod
    def temporary(cls, *, memory_limit: str | None = None, threads: int | None = None) -> Database:
        """Open a database in a file of its own, for shops beyond memory; `close` removes it."""
        folder = tempfile.TemporaryDirectory(prefix="ciblage-")
        database = cls(Path(folder.name) / "shop.duckdb", memory_limit=memory_limit, threads=threads)
        database._folder = folder
        return database

    def query(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """Run one statement and return its rows as an Arrow table; QueryError when DuckDB refuses it."""
        try:
            return self.connection.sql(sql, params=parameters or None).to_arrow_table()
        except self._error as error:
            failure = _masked(error)
        raise failure

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run one statement and return its rows piece by piece; nothing else may run before the last."""
        try:
            yield from self.connection.sql(sql).to_arrow_reader()
        except self._error as error:
            failure = _masked(error)
        else:
            return
        raise failure

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its few rows as tuples (for summaries, never for bulk)."""
        try:
            return self.connection.execute(sql, parameters or None).fetchall()
        except self._error as error:
            failure = _masked(error)
        raise failure  # outside the handler: DuckDB's words hold values, and a chain would keep them

    def scalar(self, sql: str, parameters: Parameters = ()) -> Any:  # noqa: ANN401 - a cell is what its column holds
        """Run one statement and return the first cell of its first row, or None."""
        found = self.rows(sql, parameters)
        return found[0][0] if found else None

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """While it lasts, what is written lies in the order in which it was read: by one thread.

        DuckDB 2.0.0 promises it for several too (`preserve_insertion_order`), and breaks it now and then where each row
        of a file of 100 MB or more costs some work (measured 2026-11-23).
        """
        threads = self.scalar("SELECT current_setting('threads')")
        self.execute("SET threads = 1")
        try:
            yield
        finally:
            self.execute(f"SET threads = {int(threads)}")

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one or more statements for their effect."""
        self.rows(sql, parameters)

    def register(self, table: str, data: pa.Table) -> None:
        """Make an Arrow table readable under a name, without copying it."""
        self._make_room(table)
        self.connection.register(table, data)
        self._ours[table] = None

    def unregister(self, table: str) -> None:
        """Forget a registered Arrow table, or one that was kept or defined."""
        kind = self._ours.pop(table, None)
        if kind is None:
            self.connection.unregister(table)
        else:
            self.execute(f"DROP {kind} IF EXISTS temp.main.{name(table)}")

    def keep(self, table: str, sql: str) -> None:
        """Have a query's rows as a table of this connection alone."""
        self._make_room(table)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name(table)} AS {sql}")
        self._ours[table] = "TABLE"

    def define(self, view: str, sql: str) -> None:
        """Have a query under a name, for this connection alone; it is computed when it is read."""
        self._make_room(view)
        self.execute(f"CREATE OR REPLACE TEMP VIEW {name(view)} AS {sql}")
        self._ours[view] = "VIEW"

    def _make_room(self, table: str) -> None:
        if table in self._ours:
            self.unregister(table)

    def tables(self, schema: str = "main") -> frozenset[str]:
        """Names of the tables and views of a schema."""
        found = self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [schema])
        return frozenset(str(row[0]) for row in found)

    def columns(self, table: str, schema: str | None = None) -> dict[str, str]:
        """Column names of a table or view with DuckDB's types, in order."""
        place = name(table) if schema is None else f"{name(schema)}.{name(table)}"
        return {str(row[0]): str(row[1]) for row in self.rows(f"DESCRIBE {place}")}

    def close(self) -> None:
        """Close the connection and remove what was temporary; closing twice is harmless."""
        self.connection.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def masked(words: str) -> str:
    """An engine's words without e-mail addresses."""
    return _ADDRESS.sub("…@…", words)


def _masked(error: Exception) -> QueryError:
    return QueryError(masked(f"{type(error).__name__}: {error}"))
