"""The database under the ledger: transactions, streamed reads as Arrow, and the version that grows."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
import sqlalchemy as sa

from engine.errors import ConfigError, EngineError
from engine.ledger import schema
from engine.ledger.opening import file_uri, is_in_memory, lock_key, open_engine, parse, schema_name
from engine.ledger.trouble import LedgerError, LedgerUnavailable, telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Self

    import pyarrow as pa

__all__ = ["LedgerError", "LedgerUnavailable", "Store", "connect", "keepable"]

_CHUNK = 50_000  # rows held as Python objects while a read is turned into columns
_IN = 500  # values in one IN (…): SQLite's oldest limit is 999
_PLACE = "ledger.url"
_PATIENCE = 30.0  # seconds that another program may hold a SQLite file
_NOTHING = sa.make_url("sqlite://")
_FORMER = "public"  # the schema where a ledger in PostgreSQL was before version 3


_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def connect(url: str, client: str = "client", *, is_readonly: bool = False, patience: float = _PATIENCE) -> Store:
    """Open the database of a client; create it where there is none, and bring an older one up to date (never read-only).

    A read-only ledger that does not exist is an empty one in memory. Raises ConfigError for a URL that opens nothing,
    for a newer ledger, and for an older one that may only be read.
    """
    parsed = parse(url, _PLACE)
    path = None if parsed.get_backend_name() != "sqlite" or is_in_memory(parsed) else _path(parsed)
    if path is not None and is_readonly:
        reading = {"mode": "ro", "uri": "true"}
        parsed = parsed.set(database=file_uri(path), query=reading) if path.exists() else _NOTHING
    elif path is not None:
        parsed = parsed.set(database=str(path))
        _make(path)
    engine = open_engine(parsed, client, is_readonly=is_readonly, patience=patience)
    is_alone = is_in_memory(parsed)
    store = Store(engine, is_readonly=is_readonly and not is_alone, is_shared=is_alone, client=client)
    try:
        is_there = _prepare(store)
    except EngineError as error:
        store.close()
        if isinstance(error, LedgerUnavailable):
            raise ConfigError(str(error), place=_PLACE, hint=error.hint) from None
        raise
    if is_there:
        return store
    store.close()
    return connect(str(_NOTHING), client)


def _path(url: sa.URL) -> Path:
    return Path(str(url.database)).absolute()


def _make(path: Path) -> None:
    """The file, for its owner's eyes: it holds addresses; SQLite gives its side files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        hint = "does its folder exist, and may we write there?"
        raise ConfigError(f"the ledger cannot be opened ({error.strerror})", place=_PLACE, hint=hint) from None


def _prepare(store: Store) -> bool:
    """Have the database hold a ledger of this version; False where it holds none and must not be given one."""
    found = store.schema_version()
    if found is None and store.is_readonly:
        return False
    if found is None:
        store.create()
        return True
    if found > schema.SCHEMA_VERSION:
        message = f"the ledger has schema version {found}, and this ciblage knows version {schema.SCHEMA_VERSION}"
        raise ConfigError(message, place=_PLACE, hint="use the version of ciblage that wrote it, or newer")
    if found == schema.SCHEMA_VERSION:
        return True
    if store.is_readonly:
        message = f"the ledger is of an older ciblage (schema version {found}; this one reads {schema.SCHEMA_VERSION})"
        hint = "`ciblage pull`, `push` or `run` brings it up to date, and keeps a copy"
        raise ConfigError(message, place=_PLACE, hint=hint)
    from engine.ledger.upgrade import upgrade

    upgrade(store)
    return True


class Store:
    """One database: writers take turns within the process; every write is one transaction.

    `guard` is asked within every write and raises when we may write no more (a run lock that was lost).
    """

    def __init__(self, engine: sa.Engine, *, is_readonly: bool, is_shared: bool, client: str = "client") -> None:
        self.engine = engine
        self.is_readonly = is_readonly
        self.client = client
        self.guard: Callable[[], None] | None = None
        self._turn = threading.RLock()
        self._is_shared = is_shared  # one connection for all threads: reads take turns too

    @property
    def is_sqlite(self) -> bool:
        """A file, or memory; else a server."""
        return self.engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path | None:
        """The file, where it is one."""
        url = self.engine.url
        if not self.is_sqlite or is_in_memory(url):
            return None
        file = str(url.database)
        return Path(unquote(file.removeprefix("file:")) if "uri" in url.query else file)

    def schema_version(self) -> int | None:
        """The version of the tables that are there; None where there are none."""
        with self.read() as connection:
            return schema_version(connection)

    def create(self) -> None:
        """Make the tables, all or none; another process may have been faster."""
        with self.write() as connection:
            if not self.is_sqlite:
                _make_schema(connection, self.client)
            if schema_version(connection) is not None:
                return
            schema.metadata.create_all(connection)
            rows = {"schema_version": schema.SCHEMA_VERSION, "version": 0}
            texts = [{"key": key, "value": str(value)} for key, value in rows.items()]
            connection.execute(sa.insert(schema.meta), texts)

    def size(self) -> int | None:
        """Bytes on disk; None where the database does not tell."""
        statement = _SIZES.get(self.engine.dialect.name)
        if statement is None:
            return None
        with self.read() as connection:
            return int(connection.scalar(sa.text(statement)) or 0)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, nobody else writing: all of it, or nothing. Raises LedgerError when the database refuses."""
        with telling(self.path), self._turn, self.engine.begin() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(" writes", self.client))))
            if self.guard is not None:
                self.guard()
            yield connection

    @contextmanager
    def move(self, plan: str | None = None) -> Iterator[sa.Connection]:
        """A write that changes what is acknowledged, on its way or known of targets: the version grows."""
        with self.write() as connection:
            yield connection
            _grow(connection, plan)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection to read from. Raises LedgerError when the database refuses."""
        with telling(self.path):
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
            for part in _parts(connection, query):
                columns = zip(*part, strict=True)
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
        if self.is_readonly and self.path is not None:
            _tidy(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def schema_version(connection: sa.Connection) -> int | None:
    """The version of the tables, within a transaction."""
    if not sa.inspect(connection).has_table(schema.meta.name):
        return None
    query = sa.select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")
    found = connection.scalar(query)
    return None if found is None else int(found)


def _make_schema(connection: sa.Connection, client: str) -> None:
    """The client's own schema. One that was made for us beforehand needs no right to make one."""
    name = schema_name(client)
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0)))  # one creator at a time
    if connection.scalar(sa.select(sa.func.current_schema())) is not None:
        return
    if all(sa.inspect(connection).has_table(one, schema=_FORMER) for one in ("meta", "contacts")):
        message = f"this database holds a ledger of an older ciblage, of nobody by name, in its schema '{_FORMER}'"
        hint = f"if it is {client}'s, end the url with ?options=-csearch_path%3D{_FORMER}; else use another database"
        raise ConfigError(message, place=_PLACE, hint=hint)
    connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))


def _tidy(path: Path) -> None:
    """Take away the empty journal that a reader leaves: SQLite does, when one who might write was there last."""
    journal = path.with_name(f"{path.name}-wal")
    with suppress(OSError, sqlite3.Error):
        if journal.stat().st_size == 0:
            with closing(sqlite3.connect(f"{file_uri(path)}?mode=rw", uri=True, timeout=0)) as raw:
                raw.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _parts(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows of a query, some at a time; as SQLite's driver has them where nothing is to be done to a value."""
    plain = (sa.Text, sa.Integer, sa.LargeBinary)
    if connection.dialect.name == "sqlite" and all(isinstance(one.type, plain) for one in query.selected_columns):
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        values = compiled.construct_params()
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(str(compiled), [values[name] for name in compiled.positiontup or ()])
            while part := cursor.fetchmany(_CHUNK):
                yield part
        return
    for rows in connection.execution_options(yield_per=_CHUNK).execute(query).partitions():
        yield [tuple(row) for row in rows]


def keepable(text: str | None) -> str | None:
    """Words of strangers as either database can hold them: no zero byte, no half of a pair."""
    return None if text is None else text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut values for IN (…)."""
    for start in range(0, len(values), _IN):
        yield values[start : start + _IN]


def among(connection: sa.Connection, column: sa.Column[str], values: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that the column has one of the values: SQLite reads any number of them from one JSON text."""
    if connection.dialect.name != "sqlite":
        yield from (column.in_(part) for part in chunks(values))
    elif values:
        listed = sa.func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
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
