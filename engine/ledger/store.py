"""The database under the ledger: transactions, streamed reads as Arrow, and the version that grows."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.errors import ConfigError, EngineError
from engine.ledger import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = ["LedgerError", "Store", "connect"]

_CHUNK = 50_000  # rows held as Python objects while a read is turned into columns
_JOURNAL = (
    8_000  # pages of 4 KB that the journal holds before they are copied into the database: commits stay as durable
)
_IN = 500  # values in one IN (…): SQLite's oldest limit is 999


class LedgerError(EngineError):
    """The database refused: disk full, locked, read-only. Nothing of the transaction was kept."""

    kind = "ledger"


def connect(url: str, *, is_readonly: bool = False) -> Store:
    """Open the database, and create its tables where they are missing (never when read-only).

    A read-only SQLite ledger that does not exist is an empty one in memory. Raises ConfigError for a URL that opens
    nothing, and for a ledger of another schema version.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError("the ledger's url is not a database URL", place="ledger.url") from None
    if parsed.get_backend_name() == "sqlite":
        parsed = _sqlite_url(parsed, is_readonly=is_readonly)
    engine = _engine(parsed)
    is_new = parsed.database in {None, "", ":memory:"}
    store = Store(engine, is_readonly=is_readonly and not is_new, is_shared=is_new)
    try:
        store.prepare()
    except sa.exc.SQLAlchemyError as error:
        store.close()
        message = f"the ledger cannot be opened ({type(error).__name__})"
        raise ConfigError(message, place="ledger.url", hint="does its folder exist, and may we write there?") from None
    except EngineError:
        store.close()
        raise
    return store


def _sqlite_url(url: sa.URL, *, is_readonly: bool) -> sa.URL:
    if url.database in {None, "", ":memory:"}:
        return url
    path = Path(str(url.database)).absolute()
    if not is_readonly:
        path.parent.mkdir(parents=True, exist_ok=True)
        return url.set(database=str(path))
    if not path.exists():
        return url.set(database=":memory:")  # set() ignores None
    return url.set(database=f"file:{path}", query={"mode": "ro", "uri": "true"})


def _engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {"hide_parameters": True}  # a parameter may be an address
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, **options)
    if url.database in {None, "", ":memory:"}:
        options["poolclass"] = sa.StaticPool
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": 30}, **options)
    is_writable = "mode" not in url.query

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own connection
        cursor = connection.cursor()
        if is_writable:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")  # what left must be on disk before it leaves
            cursor.execute(f"PRAGMA wal_autocheckpoint={_JOURNAL}")
        cursor.close()

    return engine


class Store:
    """One database: writers take turns within the process; every write is one transaction."""

    def __init__(self, engine: sa.Engine, *, is_readonly: bool, is_shared: bool) -> None:
        self.engine = engine
        self.is_readonly = is_readonly
        self._turn = threading.RLock()
        self._is_shared = is_shared  # one connection for all threads: reads take turns too

    def prepare(self) -> None:
        """Create what is missing and check the schema's version."""
        if not self.is_readonly:
            schema.metadata.create_all(self.engine)
        with self.read() as connection:
            found = connection.scalar(sa.select(schema.meta.c.value).where(schema.meta.c.key == "schema_version"))
        if found is None and not self.is_readonly:
            with self.write() as connection:
                rows = [
                    {"key": "schema_version", "value": str(schema.SCHEMA_VERSION)},
                    {"key": "version", "value": "0"},
                ]
                connection.execute(sa.insert(schema.meta), rows)
        elif found != str(schema.SCHEMA_VERSION):
            message = f"the ledger has schema version {found}, and this ciblage knows version {schema.SCHEMA_VERSION}"
            raise ConfigError(message, place="ledger.url", hint="use the version of ciblage that wrote it, or newer")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it, or nothing. Raises LedgerError when the database refuses."""
        try:
            with self._turn, self.engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            kind = type(error.orig).__name__
            words = "" if isinstance(error, sa.exc.IntegrityError) else f": {error.orig}"
            raise LedgerError(f"the ledger could not be written ({kind}{words})") from None

    @contextmanager
    def move(self, plan: str | None = None) -> Iterator[sa.Connection]:
        """A write that changes what is acknowledged, on its way or known of targets: the version grows."""
        with self.write() as connection:
            yield connection
            _grow(connection, plan)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection to read from."""
        if self._is_shared:
            with self._turn, self.engine.connect() as connection:
                yield connection
        else:
            with self.engine.connect() as connection:
                yield connection

    def version(self) -> int:
        """The ledger's version: grows with every `move`."""
        with self.read() as connection:
            return _version(connection)

    def table(self, query: sa.Select[Any], arrow: pa.Schema) -> pa.Table:
        """The rows of a query as columns, read in chunks; the query's columns are the schema's, in order."""
        import pyarrow as pa

        batches: list[pa.RecordBatch] = []
        with self.read() as connection:
            rows = connection.execution_options(yield_per=_CHUNK).execute(query)
            for part in rows.partitions():
                columns = zip(*(tuple(row) for row in part), strict=True)
                arrays = [pa.array(column, type=item.type) for column, item in zip(columns, arrow, strict=True)]
                batches.append(pa.RecordBatch.from_arrays(arrays, schema=arrow))
        return pa.Table.from_batches(batches, schema=arrow)

    def rows(self, query: sa.Select[Any]) -> Sequence[Mapping[str, Any]]:
        """A few rows, as mappings."""
        with self.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut values for IN (…)."""
    for start in range(0, len(values), _IN):
        yield values[start : start + _IN]


def among(connection: sa.Connection, column: sa.Column[str], values: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that the column has one of the values: SQLite reads any number of them from one JSON text."""
    if connection.dialect.name != "sqlite":
        yield from (column.in_(part) for part in chunks(values))
    elif values:
        listed = sa.func.json_each(json.dumps(list(values), ensure_ascii=False)).table_valued("value")
        yield column.in_(sa.select(listed.c.value))


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those whose key is there; every row has the same columns."""
    if rows:
        upsert_columns(connection, table, {name: [row[name] for row in rows] for name in rows[0]})


def upsert_columns(connection: sa.Connection, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """The same, from columns of one length."""
    names = tuple(columns)
    if not columns[names[0]]:
        return
    if not connection.dialect.positional:
        named = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        connection.execute(_upserting(table, names, connection.dialect.name), named)
        return
    text, order, binders = _compiled(table, names, connection.dialect)
    bound = [
        columns[name] if bind is None else _bound(columns[name], bind)
        for name, bind in zip(order, binders, strict=True)
    ]
    key = itemgetter(*(order.index(column.name) for column in table.primary_key))
    rows = sorted(zip(*bound, strict=True), key=key)  # pages are written once where keys come in order
    connection.exec_driver_sql(text, rows)


def _bound(column: Sequence[Any], bind: Callable[[Any], Any]) -> list[Any]:
    """A column as the driver takes it; rows share most of their instants."""
    known = {value: bind(value) for value in set(column)}
    return [known[value] for value in column]


@lru_cache(maxsize=64)
def _compiled(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> tuple[str, list[str], list[Any]]:
    """The statement's text, its columns in order, and what each of them does to a value."""
    compiled = _upserting(table, names, dialect.name).compile(dialect=dialect, column_keys=list(names))
    order = list(getattr(compiled, "positiontup", None) or names)
    types = [table.c[name].type for name in order]
    binders = [kind.dialect_impl(dialect).bind_processor(dialect) if _is_bound(kind) else None for kind in types]
    return str(compiled), order, binders


def _is_bound(kind: sa.types.TypeEngine[Any]) -> bool:
    return not isinstance(kind, (sa.Text, sa.Integer, sa.LargeBinary))


def _upserting(table: sa.Table, names: tuple[str, ...], dialect: str) -> Any:  # noqa: ANN401 - either dialect's own insert
    from sqlalchemy.dialects import postgresql, sqlite

    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def _version(connection: sa.Connection) -> int:
    found = connection.scalar(sa.select(schema.meta.c.value).where(schema.meta.c.key == "version"))
    return int(found or 0)


def _grow(connection: sa.Connection, plan: str | None) -> None:
    before = _version(connection)
    is_version = schema.meta.c.key == "version"
    connection.execute(sa.update(schema.meta).where(is_version).values(value=str(before + 1)))
    if plan is None:
        return
    pushes = schema.pushes.c
    known = connection.scalar(sa.select(pushes.last_version).where(pushes.plan == plan))
    if known is None:
        row = {"plan": plan, "base_version": before, "last_version": before + 1}
        connection.execute(sa.insert(schema.pushes), row)
    elif known == before:
        connection.execute(sa.update(schema.pushes).where(pushes.plan == plan).values(last_version=before + 1))
