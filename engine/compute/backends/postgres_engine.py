"""A PostgreSQL database as the place where queries run: over ADBC, whose rows arrive as columns (binary COPY both ways)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from engine.compute.backends.postgres_columns import at_rest, declared, exact, piece
from engine.compute.backends.postgres_login import connected
from engine.compute.backends.postgres_tree import short
from engine.errors import ConfigError, Locked
from engine.tables import QueryError, masked, name, text

if TYPE_CHECKING:
    import pyarrow as pa

OURS = "ciblage"  # the comment on what we make in a schema that others see
MANY = 1_000  # rows from which the planner needs statistics
OLDEST = 140_000  # 14: since then EXTRACT(EPOCH …) is exact
# each can be overridden; time limits and parallel workers stay as the server has them
SESSION: Mapping[str, str] = MappingProxyType(
    {
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "standard_conforming_strings": "on",  # a backslash in a literal is a backslash
        "client_min_messages": "error",
        "jit": "off",  # a statement has hundreds of expressions, each of which would be compiled for this one run
        "work_mem": "64MB",  # the library over 200,000 customers: 27 CPU seconds with 4MB, 21 with 32MB, no less beyond
    }
)
_HINTS = {  # by SQLSTATE
    "42501": "the role needs SELECT on the shop's tables, and TEMPORARY on the database or CREATE on the writable schema",
    "25006": "this server takes no writes: a replica? Use one that does, or [compute] backend = 'duckdb'",
    "54011": "a statement has at most 1,664 columns: split the segments over several configs",
    "57014": "the server's statement_timeout, or somebody, stopped it: raise it for this role, or [compute] backend = 'duckdb'",
}


class Postgres:
    """One session. What is registered, kept or defined is temporary, or in the schema `writable`, until it is closed.

    Temporary tables need the TEMP privilege on the database, and parallel workers cannot read them; a schema of our own
    needs CREATE on it. Queries need no more than SELECT.
    """

    name: Final = "postgres"

    def __init__(self, connection: Any, *, writable: str | None = None) -> None:  # noqa: ANN401 - ADBC ships no types
        import adbc_driver_manager

        self.connection = connection
        self._writable = writable
        self._made: dict[str, str] = {}
        self._error: type[Exception] = adbc_driver_manager.Error

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        schema: str | None = None,
        writable: str | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Connect as libpq spells it; the shop's tables are in `schema` (else where the role looks), ours in `writable`.

        `settings` are the server's own (`work_mem` …), beyond and instead of SESSION. Raises ConfigError; Locked
        while another session works in `writable`.
        """
        if writable is not None and writable == schema:
            raise ConfigError(
                "what we write needs a schema of its own", place="[shop] schema", hint="CREATE SCHEMA ciblage"
            )
        engine = cls(connected(url), writable=writable)
        try:
            engine._prepare(schema, {**SESSION, **settings})
        except BaseException:
            engine.close()
            raise
        return engine

    def query(self, sql: str) -> pa.Table:
        """Run one statement and return its rows; QueryError when the server refuses it."""
        return exact(self._run(sql, lambda cursor: cursor.fetch_arrow_table()))

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run one statement and return its rows piece by piece; nothing else can run meanwhile."""
        import pyarrow as pa

        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    yield piece(batch)
        except (self._error, OSError, pa.ArrowException) as error:  # a refusal midway is Arrow's to tell
            failure = _failure(error)
        else:
            return
        raise failure

    def execute(self, sql: str) -> None:
        """Run one statement for its effect."""
        self._run(sql, lambda _: None)

    def tables(self, schema: str | None = None) -> frozenset[str]:
        """Names of the tables and views of a schema, else of all where the session looks, temporary ones apart."""
        places = "ANY(current_schemas(false))" if schema is None else text(schema)
        found = self.query(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = {places}"
        )
        return frozenset(found["relname"].to_pylist())

    def columns(self, table: str, schema: str | None = None) -> dict[str, str]:
        """Column names with PostgreSQL's types, in order."""
        place = name(table) if schema is None else f"{name(schema)}.{name(table)}"
        found = self.query(
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute"
            f" WHERE attrelid = {text(place)}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return dict(zip(found["attname"].to_pylist(), found["type"].to_pylist(), strict=True))

    def register(self, table: str, data: pa.Table) -> None:
        """Copy an Arrow table to the server."""
        rows = at_rest(data.rename_columns([short(column) for column in data.column_names]))
        columns = ", ".join(f"{name(field.name)} {declared(field)}" for field in rows.schema)
        self._make(table, "TABLE", f"({columns})")
        where = {"temporary": True} if self._writable is None else {"db_schema_name": self._writable}
        self._run(None, lambda cursor: cursor.adbc_ingest(short(table), rows, "append", **where))
        self._look_at(table, rows.num_rows)

    def unregister(self, table: str) -> None:
        """Drop what was registered, kept or defined under a name."""
        kind = self._made.pop(table, None)
        if kind is not None:
            self.execute(f"DROP {kind} IF EXISTS {self._place(table)} CASCADE")

    def keep(self, table: str, sql: str) -> None:
        """Have a query's rows as a table of ours."""
        self._make(table, "TABLE", f"AS {sql}")
        self._look_at(table, MANY)

    def define(self, view: str, sql: str) -> None:
        """Have a query under a name; it is computed where it is read."""
        self._make(view, "VIEW", f"AS {sql}")

    def close(self) -> None:
        """Drop what we made and disconnect; closing twice is harmless."""
        if self.connection is None:
            return
        try:
            for table in [*self._made] if self._writable is not None else ():
                self.unregister(table)
        except QueryError:
            pass  # the connection is gone: what is left is ours by its comment, and replaced the next time
        finally:
            self.connection.close()
            self.connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, schema: str | None, settings: Mapping[str, str]) -> None:
        """Set the session; refuse servers, encodings and schemas that cannot do."""
        pairs = ", ".join(f"set_config({text(key)}, {text(value)}, false)" for key, value in settings.items())
        self.query(f"SELECT {pairs}")
        found = self.query(
            "SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS spelled,"
            " current_setting('server_encoding') AS encoding"
        ).to_pylist()[0]
        if found["version"] < OLDEST:
            raise ConfigError(f"PostgreSQL {found['spelled']} is too old: 14 at least", place="[shop] url")
        if found["encoding"] != "UTF8":
            raise ConfigError(
                f"the database holds text as {found['encoding']}, not UTF8",
                place="[shop] url",
                hint="compute a copy of it: [compute] backend = 'duckdb'",
            )
        self._look_in(schema)
        self._be_alone()

    def _look_in(self, schema: str | None) -> None:
        for place, privilege in ((schema, "USAGE"), (self._writable, "CREATE")):
            if place is None:
                continue
            if self.query(f"SELECT to_regnamespace({text(name(place))}) IS NULL AS is_missing")["is_missing"][
                0
            ].as_py():
                raise ConfigError(f"the database has no schema '{place}'", place="[shop] schema")
            may = f"SELECT has_schema_privilege({text(place)}, '{privilege}') AS may"
            if not self.query(may)["may"][0].as_py():
                raise ConfigError(
                    f"the role may not use the schema '{place}'",
                    place="[shop] schema",
                    hint=f"GRANT {privilege} ON SCHEMA {name(place)} TO the role",
                )
        path = [name(place) for place in (self._writable, schema) if place is not None]
        if schema is None and path:
            path.append(str(self.query("SELECT current_setting('search_path') AS path")["path"][0].as_py()))
        if path:
            self.query(f"SELECT set_config('search_path', {text(', '.join(path))}, false)")

    def _be_alone(self) -> None:
        """Hold the writable schema until this session ends, however it ends: two would read each other's tables."""
        if self._writable is None:
            return
        held = self.query(
            f"SELECT pg_try_advisory_lock(hashtextextended({text(f'{OURS} {self._writable}')}, 0)) AS held"
        )
        if not held["held"][0].as_py():
            raise Locked(f"another session of ours works in the schema '{self._writable}'", hint="wait until it ends")

    def _place(self, table: str) -> str:
        return f"{'pg_temp' if self._writable is None else name(self._writable)}.{name(short(table))}"

    def _make(self, table: str, kind: str, content: str) -> None:
        """Create a table or view of ours, in place of one of that name that is ours."""
        self.unregister(table)
        if self._writable is None:
            self.execute(f"CREATE TEMPORARY {kind} {name(short(table))} {content}")
        else:
            self._clear(table)
            self.execute(f"CREATE {'UNLOGGED ' if kind == 'TABLE' else ''}{kind} {self._place(table)} {content}")
            self.execute(f"COMMENT ON {kind} {self._place(table)} IS {text(OURS)}")
        self._made[table] = kind

    def _clear(self, table: str) -> None:
        """Drop what an interrupted run left in the writable schema; what is not ours stays, and is refused."""
        place = text(self._place(table))
        found = self.query(
            f"SELECT relkind = 'v' AS is_view, obj_description(oid, 'pg_class') = {text(OURS)} AS is_ours"
            f" FROM pg_class WHERE oid = to_regclass({place})"
        ).to_pylist()
        for one in found:
            if not one["is_ours"]:
                raise ConfigError(
                    f"{self._place(table)} is there already, and not ours",
                    place="[shop] schema",
                    hint="give ciblage a schema of its own",
                )
            self.execute(f"DROP {'VIEW' if one['is_view'] else 'TABLE'} {self._place(table)} CASCADE")

    def _look_at(self, table: str, rows: int) -> None:
        if rows >= MANY:
            self.execute(f"ANALYZE {self._place(table)}")

    def _run(self, sql: str | None, use: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - ADBC ships no types
        if sql is not None and "\0" in sql:
            raise QueryError("PostgreSQL's text cannot hold NUL")
        try:
            with self.connection.cursor() as cursor:
                if sql is not None:
                    cursor.execute(sql)
                return use(cursor)
        except self._error as error:
            failure = _failure(error)
        raise failure  # outside the handler: the server's words hold values, and a chain would keep them


def _failure(error: Exception) -> QueryError:
    """What the server said, without what it quotes of the statement and its rows."""
    details = {str(key): value for key, value in getattr(error, "details", ())}
    said = next((value.decode(errors="replace") for key, value in details.items() if "MESSAGE_PRIMARY" in key), None)
    words = said or str(error).partition("ERROR:")[2].strip() or str(error)
    state = getattr(error, "sqlstate", None) or ""
    return QueryError(masked(f"PostgreSQL: {words.splitlines()[0]}{state and f' ({state})'}"), hint=_HINTS.get(state))
