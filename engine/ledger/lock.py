"""The run lock: one run a client. The operating system frees it when its holder dies, however it dies."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.errors import Locked
from engine.ledger import schema
from engine.ledger.opening import lock_key
from engine.ledger.store import Store, upsert
from engine.ledger.trouble import LedgerUnavailable, telling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["Holder", "held", "hold", "holder"]

_NAME = "run"
_IDLE_SINCE = (14,)  # the PostgreSQL that can end silent sessions


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock: the command, where it runs, since when (UTC)."""

    who: str
    host: str
    pid: int
    since: datetime


@contextmanager
def hold(store: Store, *, client: str, who: str, since: datetime) -> Iterator[None]:
    """Hold the client's run lock. Raises Locked, naming the holder, when another run has it."""
    with held(store) as is_held:
        if not is_held:
            raise _locked(store, client)
        row = {"name": _NAME, "who": who, "host": socket.gethostname(), "pid": os.getpid(), "since": since}
        with store.write() as connection:
            upsert(connection, schema.holders, [row])
        try:
            yield
        finally:
            with suppress(LedgerUnavailable), store.write() as connection:  # what stopped the run is told already
                connection.execute(sa.delete(schema.holders).where(schema.holders.c.name == _NAME))


def holder(store: Store) -> Holder | None:
    """Who holds the lock, as far as the ledger was told."""
    rows = store.rows(sa.select(schema.holders).where(schema.holders.c.name == _NAME))
    return Holder(rows[0]["who"], rows[0]["host"], rows[0]["pid"], rows[0]["since"]) if rows else None


def _locked(store: Store, client: str) -> Locked:
    known = holder(store)
    told = "it has just started"
    if known is not None:
        told = f"'{known.who}' (process {known.pid} on {known.host}) since {known.since:%Y-%m-%d %H:%M:%S} UTC"
    message = f"another run of {client} holds the lock: {told}"
    return Locked(message, hint="wait until it ends; a lock of a dead process frees itself")


@contextmanager
def held(store: Store) -> Iterator[bool]:
    """Whether the client's lock is ours while this lasts; nobody is told."""
    if not store.is_sqlite:
        with _advisory(store) as is_held:
            yield is_held
    elif store.path is None:
        yield True
    else:
        with _file(store.path.with_name(f"{store.path.name}.lock")) as is_held:
            yield is_held


@contextmanager
def _advisory(store: Store) -> Iterator[bool]:
    """A lock of the connection, which lives as long as our process does; each write asks whether it does."""
    key = lock_key("", store.client)
    with telling(), store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if (connection.dialect.server_version_info or ()) >= _IDLE_SINCE:
            connection.exec_driver_sql("SET idle_session_timeout = 0")
        is_held = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))

        def guard() -> None:
            try:
                connection.execute(sa.select(sa.literal(1)))
            except sa.exc.SQLAlchemyError:
                hint = "the connection that held it broke off; run the command again"
                raise LedgerUnavailable("the run lock is lost", hint=hint) from None

        store.guard = guard if is_held else store.guard
        try:
            yield is_held
        finally:
            if is_held:
                store.guard = None
                with suppress(sa.exc.SQLAlchemyError):
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _file(path: Path) -> Iterator[bool]:
    import fcntl

    try:
        opened = path.open("a")
    except OSError as error:
        hint = "may we write in the ledger's folder?"
        raise LedgerUnavailable(f"the run lock cannot be taken ({error.strerror})", hint=hint) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file lets go of it
