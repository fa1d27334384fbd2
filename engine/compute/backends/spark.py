"""Spark: an engine of our own process, of a cluster, or behind Spark Connect; one surface for all three.

Nothing is ever written to a catalogue: what we bring along, and the steps that are kept, are temporary views of our own
session, and the shop's tables are only read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from engine.compute.backends.spark_files import Kind, frame
from engine.compute.backends.spark_sessions import Place, Release, quietly, start
from engine.compute.backends.spark_words import BACKEND
from engine.errors import ConfigError
from engine.tables import QueryError, masked

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["BACKEND", "Spark", "connect"]

T = TypeVar("T")
_CONDITION = re.compile(r"\[[A-Z0-9_.]{6,}\][^\n]*")


def connect(
    url: str | None = None,
    *,
    schema: str | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Spark:
    """Open a session: `local[*]` by default, else `spark://…`, `yarn`, `k8s://…`, or `sc://…` (Spark Connect).

    `schema` (or `catalog.schema`) is where the shop's tables are found. `memory_limit` is the heap of a local session,
    and of each executor elsewhere; `threads` the cores; `options` further settings of Spark's. Raises ConfigError.
    """
    place = Place(url=url or "local[*]", memory_limit=memory_limit, threads=threads, options=options)
    engine = Spark(*start(place))
    if schema:
        try:
            engine.execute(f"USE {'.'.join(name(part) for part in schema.split('.'))}")
        except QueryError as error:
            failure = str(error)
        else:
            return engine
        engine.close()
        raise ConfigError(
            f"Spark has no schema '{schema}': {failure}", place="[compute] schema", hint="SHOW SCHEMAS lists them"
        )
    return engine


def name(identifier: str) -> str:
    """Quote an identifier for a statement."""
    return "`" + identifier.replace("`", "``") + "`"


class Spark:
    """A Spark session as an Engine; instants are naive UTC (TIMESTAMP_NTZ), numbers exact, arithmetic ANSI."""

    name: Final = "spark"

    def __init__(self, session: SparkSession, release: Release) -> None:
        self._session, self._release = session, release
        self._kept: dict[str, DataFrame] = {}
        self._is_open = True
        self._errors = _errors()

    def query(self, sql: str) -> pa.Table:
        """Run one statement and return its rows; QueryError when Spark refuses it."""
        return _naive(self._ask(lambda: self._session.sql(sql).toArrow()))

    def execute(self, sql: str) -> None:
        """Run one statement for its effect."""
        self._ask(lambda: self._session.sql(sql))

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run one statement and return its rows piece by piece; they come here whole."""
        yield from self.query(sql).to_batches()

    def columns(self, table: str, schema: str | None = None) -> dict[str, str]:
        """Column names of a table or view with Spark's types, in order; a schema may be `catalog.database`."""
        path = ".".join(name(part) for part in (*(schema.split(".") if schema else ()), table))
        fields = self._ask(lambda: self._session.table(path).schema.fields)
        return {field.name: field.dataType.simpleString() for field in fields}

    def register(self, table: str, data: pa.Table) -> None:
        """Make an Arrow table readable under a name, as a temporary view over a copy."""
        self.unregister(table)
        at_rest = _naive(data)
        if data.num_rows:
            self._view(table, lambda: self._session.createDataFrame(at_rest))
        else:  # Spark Connect makes nothing of an empty table, not even its columns
            self._view(table, lambda: self._session.createDataFrame(_row_of_nothing(at_rest)).limit(0))

    def unregister(self, table: str) -> None:
        """Forget a temporary view, and free what was kept of it."""
        self._ask(lambda: self._session.catalog.dropTempView(table))
        if table in self._kept:
            kept = self._kept.pop(table)
            self._ask(kept.unpersist)

    def keep(self, table: str, sql: str) -> None:
        """Have a query's rows as a temporary view, computed once, on the executors: in memory, beyond it on disk."""
        self.unregister(table)
        self._kept[table] = self._view(table, lambda: self._session.sql(sql).persist())

    def define(self, view: str, sql: str) -> None:
        """Have a query under a name; its rows are computed by whoever reads it."""
        self._view(view, lambda: self._session.sql(sql))

    def read(self, table: str, path: str, kind: Kind, mark: str = ",", *, multiline: bool = True) -> None:
        """Have a file (or a folder of its parts) as a temporary view: `row_id`, `problem`, then its columns.

        CSV and JSON lines are all text, Parquet keeps its types; `multiline=False` shares one big CSV file among tasks.
        """
        self._view(table, lambda: frame(self._session, path, kind, mark, multiline=multiline))

    def tables(self, schema: str | None = None) -> frozenset[str]:
        """Names of a schema's tables and views, without our own; of the session's, with them."""
        if schema is None:
            return frozenset(self.query("SHOW TABLES")["tableName"].to_pylist())
        found = self.query(f"SHOW TABLES IN {'.'.join(map(name, schema.split('.')))}").to_pylist()
        return frozenset(row["tableName"] for row in found if not row["isTemporary"])

    def close(self) -> None:
        """End the session and free what it kept; closing twice is harmless."""
        if self._is_open:
            self._is_open = False
            for table in [*self._kept]:
                self.unregister(table)
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _view(self, view: str, make: Callable[[], DataFrame]) -> DataFrame:
        def made() -> DataFrame:
            found = make()
            found.createOrReplaceTempView(name(view))
            return found

        return self._ask(made)

    def _ask(self, ask: Callable[[], T]) -> T:
        with quietly():
            try:
                return ask()
            except self._errors as error:
                failure = _masked(error)
        raise failure  # outside the handler: Spark's words hold values, and a chain would keep them


def _errors() -> tuple[type[Exception], ...]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return (PySparkException, Py4JError)


def _masked(error: Exception) -> QueryError:
    """Spark's own sentence without the plan, the statement and the JVM's stack."""
    words = str(error)
    found = _CONDITION.findall(words)
    sentence = found[-1] if found else next(iter(words.strip().splitlines()), "")
    return QueryError(f"{type(error).__name__}: {masked(sentence)}")


def _naive(table: pa.Table) -> pa.Table:
    """Instants as naive UTC microseconds, text as text: what is at rest, and what Spark takes."""
    import pyarrow as pa

    at_rest = pa.timestamp("us")

    def kind(field: pa.Field) -> pa.Field:
        if pa.types.is_timestamp(field.type):
            return field.with_type(at_rest)
        return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field

    wanted = pa.schema([kind(field) for field in table.schema])
    return table if wanted == table.schema else table.cast(wanted)


def _row_of_nothing(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    fields = [field.with_nullable(True) for field in table.schema]
    return pa.table([pa.nulls(1, field.type) for field in fields], schema=pa.schema(fields))
