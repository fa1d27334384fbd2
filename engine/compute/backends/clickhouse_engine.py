"""The place where ClickHouse's queries run: a server over HTTP, or chDB inside our own process."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from engine.compute.backends import clickhouse_arrow as arrow
from engine.errors import ConfigError, nearest
from engine.tables import QueryError, masked

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

PLACE = "[shop] url"
_SETTINGS: Mapping[str, object] = MappingProxyType({
    "join_use_nulls": 1,  # who has no rows has no value, not '' or 0
    "prefer_column_name_to_alias": 1,  # an alias is not read by its own SELECT
    "transform_null_in": 0,
    "union_default_mode": "ALL",
    "use_variant_as_common_type": 0,  # two kinds of value in one column are a mistake
    "date_time_overflow_behavior": "saturate",  # literals beyond the range of dates stay its ends
    "session_timezone": "UTC",
    "aggregate_functions_null_for_empty": 0,  # the words say where NULL is wanted
    "count_distinct_implementation": "uniqExact",
    "max_query_size": 2**27, "max_ast_elements": 2_000_000, "max_expanded_ast_elements": 20_000_000, "max_ast_depth": 10_000,
    "max_parser_depth": 10_000, "max_parser_backtracks": 100_000_000,  # hundreds of segments in one statement
    "output_format_arrow_string_as_string": 1, "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_date_as_uint16": 0,
})  # fmt: skip
_OPTIONS = ("secure", "verify", "ca_cert")
_LONGEST = 1_000  # characters of a message: it may quote the whole statement
_CODE = re.compile(r"\bcode:? (\d+)", re.IGNORECASE)
_SYNTAX = "62"
_REFUSALS = {
    "192": "it does not know this user", "193": "the password is wrong", "194": "a password is required",
    "516": "the user or the password is wrong", "81": "there is no such database", "497": "this user may not do that",
    "164": "this user may not change settings (its profile has readonly = 1; 0 or 2 is needed)",
}  # fmt: skip


class ClickHouse:
    """A session: its own temporary tables stand before the tables of `database`, which unqualified names mean.

    One statement at a time. Registered and kept tables are temporary: nothing is written that outlives the session.
    """

    name: Final = "clickhouse"

    def __init__(self, open_client: Callable[[], Client]) -> None:
        import clickhouse_connect.driver.exceptions as failures

        self._failures: tuple[type[Exception], ...] = (failures.ClickHouseError,)
        self._client = open_client()
        self._ours: set[str] = set()
        for setting, value in _SETTINGS.items():
            found = self._client.server_settings.get(setting)
            if found is not None and found.value != str(value):  # an older server has fewer
                _demand(setting, changeable=found.readonly == 0)
                self._client.set_client_setting(setting, value)
        self.database: str = self.query("SELECT currentDatabase() AS name")["name"][0].as_py()

    @classmethod
    def connect(cls, url: str, *, schema: str | None = None) -> Self:
        """Open a session on a server: `clickhouse://user:password@host:8443/database?secure=true`.

        `schema` is the database that unqualified names mean, else that of the url. Raises ConfigError, which never holds
        the password.
        """
        import clickhouse_connect
        import clickhouse_connect.driver.exceptions as failures

        logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())  # we say ourselves what went wrong
        options = _options(url)
        where = f"{options['host']}:{options['port']}"
        if schema is not None:
            options["database"] = schema
        try:
            return cls(lambda: clickhouse_connect.get_client(**options))
        except failures.ClickHouseError as error:
            refusal = _refusal(str(error), where)
        raise refusal

    @classmethod
    def in_process(cls) -> Self:
        """Open a session on chDB, in memory: one engine a process, shared by all sessions but for what is temporary."""
        import clickhouse_connect

        return cls(lambda: clickhouse_connect.get_client(interface="chdb"))

    def query(self, sql: str) -> pa.Table:
        """Run one statement and return its rows; QueryError when ClickHouse refuses it."""
        return arrow.settled(self._run(lambda: self._client.query_arrow(sql)))

    def execute(self, sql: str) -> None:
        """Run one statement for its effect."""
        self._run(lambda: self._client.command(sql))

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run one statement and return its rows piece by piece; nothing else may run before the last."""
        import pyarrow as pa

        with self._run(lambda: self._client.query_arrow_stream(sql)) as stream:
            pieces = iter(stream)
            while (piece := self._run(lambda: next(pieces, None))) is not None:
                yield from arrow.settled(pa.Table.from_batches([piece])).to_batches()

    def tables(self, schema: str | None = None) -> frozenset[str]:
        """Names of the tables and views of a database, without the temporary ones."""
        found = self.query(f"SELECT name FROM system.tables WHERE database = {_text(schema or self.database)}")
        return frozenset(found["name"].to_pylist())

    def columns(self, table: str, schema: str | None = None) -> dict[str, str]:
        """Column names with ClickHouse's types, in order."""
        found = self.query(f"DESCRIBE TABLE {_path(table, schema)}")
        return dict(zip(found["name"].to_pylist(), found["type"].to_pylist(), strict=True))

    def register(self, table: str, data: pa.Table) -> None:
        """Send an Arrow table to the session under a name."""
        found = arrow.at_rest(data)
        columns = ", ".join(f"{_name(name)} {kind}" for name, kind in arrow.types(found).items())
        self._claim(table)
        self.execute(f"CREATE TEMPORARY TABLE {_name(table)} ({columns}) ENGINE = Memory")
        if found.num_rows:
            self._run(lambda: self._client.insert_arrow(_name(table), found))

    def unregister(self, table: str) -> None:
        """Forget what was registered, kept or defined under a name."""
        self._ours.discard(table)
        self.execute(f"DROP TEMPORARY TABLE IF EXISTS {_name(table)}")

    def keep(self, table: str, sql: str) -> None:
        """Have a query's rows as a temporary table."""
        self._claim(table)
        self.execute(f"CREATE TEMPORARY TABLE {_name(table)} ENGINE = Memory AS {sql}")

    def define(self, view: str, sql: str) -> None:
        """Have a query under a name, for this session alone; a server before 25.10 has no such views and computes it now."""
        self._claim(view)
        try:
            self.execute(f"CREATE TEMPORARY VIEW {_name(view)} AS {sql}")
        except QueryError as refusal:
            if _code(str(refusal)) != _SYNTAX:
                raise
            self.keep(view, sql)

    def close(self) -> None:
        """End the session and forget what is its own; closing twice is harmless."""
        with suppress(QueryError):  # a server that is gone has forgotten it too
            for table in sorted(self._ours):
                self.unregister(table)
        self._ours.clear()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _claim(self, table: str) -> None:
        """Make room for a name, and remember it: a server keeps a session for an hour after its last word."""
        self.unregister(table)
        self._ours.add(table)

    def _run(self, statement: Callable[[], Any]) -> Any:  # noqa: ANN401 - a table, or ClickHouse's word on an effect
        try:
            return statement()
        except self._failures as error:
            failure = QueryError(f"ClickHouse: {_masked(str(error))}")
        raise failure  # outside the handler: ClickHouse's words hold values, and a chain would keep them


def _demand(setting: str, *, changeable: bool) -> None:
    if not changeable:
        hint = "its profile needs readonly = 0 or 2, and no constraint on this setting"
        raise ConfigError(f"this ClickHouse user may not change the setting {setting}", place=PLACE, hint=hint)


def _options(url: str) -> dict[str, Any]:
    """A url as the arguments of a client."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        found, port = SplitResult("", "", "", "", ""), None
    if found.scheme not in ("clickhouse", "clickhouses") or not found.hostname:
        hint = "write clickhouse://user:password@host:8443/database?secure=true"
        raise ConfigError("this is no url of a ClickHouse server", place=PLACE, hint=hint)
    given = dict(parse_qsl(found.query, keep_blank_values=True))
    for option in given:
        if option not in _OPTIONS:
            near = nearest(option, _OPTIONS)
            hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(_OPTIONS)}"
            raise ConfigError(f"there is no option '{option}' of a ClickHouse url", place=PLACE, hint=hint)
    secure = found.scheme == "clickhouses" or given.pop("secure", "false").lower() in ("true", "1", "yes")
    return {
        **given,
        "host": found.hostname,
        "port": port or (8443 if secure else 8123),
        "interface": "https" if secure else "http",
        "username": unquote(found.username or "default"),
        "password": unquote(found.password or ""),
        "database": unquote(found.path.strip("/")) or None,
        "send_receive_timeout": 3600,
        "settings": {"session_timeout": 3600},
    }


def _refusal(words: str, where: str) -> ConfigError:
    code = _code(words)
    found = _REFUSALS.get(code)
    if not code:
        message, hint = f"no ClickHouse server answers at {where}", "is it running, and is the port that of HTTP (8123, or 8443 with secure=true)?"  # fmt: skip
    else:
        message, hint = f"ClickHouse at {where} refuses: {found or _masked(words)}", "check the user, the password and the database of the url"  # fmt: skip
    return ConfigError(message, place=PLACE, hint=hint)


def _code(words: str) -> str:
    found = _CODE.search(words)
    return found[1] if found else ""


def _masked(words: str) -> str:
    return masked(words)[:_LONGEST]


def _path(table: str, schema: str | None) -> str:
    return f"{_name(schema)}.{_name(table)}" if schema else _name(table)


def _name(identifier: str) -> str:
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(literal: str) -> str:
    return "'" + literal.replace("\\", "\\\\").replace("'", "\\'") + "'"
