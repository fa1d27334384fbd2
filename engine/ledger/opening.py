"""Which database a URL means, with the driver that we install, and how its connections are set."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from engine.errors import ConfigError

__all__ = ["file_uri", "is_in_memory", "lock_key", "open_engine", "parse", "schema_name"]

_JOURNAL = (
    8_000  # pages of 4 KB that the journal holds before they are copied into the database: commits stay as durable
)
_DRIVER = "psycopg"
_SPELLINGS = frozenset({"postgresql", "postgres", f"postgresql+{_DRIVER}"})
_SERVER = {  # libpq's words; what the URL says itself stands
    "application_name": "ciblage",
    "connect_timeout": "10",
    "keepalives_idle": "60",  # seconds: a lock's connection is silent for hours, and must not be cut off for it
}
_LONGEST = 63  # bytes of a name in PostgreSQL


def parse(url: str, place: str) -> sa.URL:
    """The URL of a SQLite or PostgreSQL database. Raises ConfigError: it is none of these, or the driver is missing."""
    what = place.partition(".")[0]
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError(f"the {what}'s url is not a database URL", place=place) from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return parsed
    if parsed.drivername not in _SPELLINGS:
        hint = "it begins with sqlite: or postgresql:"
        raise ConfigError(f"no {what} is kept at '{parsed.drivername}:'", place=place, hint=hint)
    if find_spec(_DRIVER) is None:
        hint = "pip install 'ciblage[postgres]'"
        raise ConfigError(f"a {what} in PostgreSQL needs the package {_DRIVER}", place=place, hint=hint)
    return parsed.set(drivername=f"postgresql+{_DRIVER}")


def is_in_memory(url: sa.URL) -> bool:
    """Whether it is a SQLite database of this process alone."""
    return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}


def file_uri(path: Path) -> str:
    """A file as SQLite's URIs name it, whatever stands in its name."""
    return f"file:{quote(str(path))}"


def schema_name(client: str) -> str:
    """The schema of a client in PostgreSQL: clients of one database do not meet."""
    name = f"ciblage_{client}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(client.encode(), digest_size=8).hexdigest()
    return f"{name[: _LONGEST - 1 - len(digest)]}_{digest}"


def lock_key(purpose: str, client: str) -> int:
    """The number of an advisory lock in PostgreSQL: of one database, as these locks are."""
    digest = hashlib.blake2b(f"ciblage{purpose}:{client}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def open_engine(url: sa.URL, client: str, *, is_readonly: bool, patience: float) -> sa.Engine:
    """Its connections: one after another of this client alone; `patience`: seconds that another may write."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, patience)
    given = str(url.query.get("options", ""))
    own = "" if "search_path" in given else f'-csearch_path="{schema_name(client)}"'
    wait = f"-clock_timeout={round(patience * 1000)}"
    query = {**_SERVER, **url.query, "options": f"{wait} {given} {own}".strip()}
    options: dict[str, Any] = {"postgresql_readonly": True} if is_readonly else {}
    return sa.create_engine(url.set(query=query), hide_parameters=True, pool_pre_ping=True, execution_options=options)


def _sqlite(url: sa.URL, patience: float) -> sa.Engine:
    options: dict[str, Any] = {"hide_parameters": True}  # a parameter may be an address
    if is_in_memory(url):
        options["poolclass"] = sa.StaticPool
    arguments = {"check_same_thread": False, "timeout": patience}
    engine = sa.create_engine(url, connect_args=arguments, **options)
    is_writable = "mode" not in url.query

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own connection
        connection.isolation_level = None  # a transaction begins where we say so
        if is_writable:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # what left must be on disk before it leaves
            connection.execute(f"PRAGMA wal_autocheckpoint={_JOURNAL}")

    return engine
