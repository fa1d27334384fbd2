"""The run lock: one run a client. The operating system frees it when its holder dies, however it dies."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.errors import Locked
from engine.ledger import schema
from engine.ledger.store import Store, upsert

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = ["Holder", "hold"]

_NAME = "run"


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
    with _held(store, client) as is_held:
        if not is_held:
            raise _locked(store, client)
        row = {"name": _NAME, "who": who, "host": socket.gethostname(), "pid": os.getpid(), "since": since}
        with store.write() as connection:
            upsert(connection, schema.holders, [row])
        try:
            yield
        finally:
            with store.write() as connection:
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
def _held(store: Store, client: str) -> Iterator[bool]:
    if store.engine.dialect.name == "postgresql":
        with _advisory(store, client) as is_held:
            yield is_held
        return
    path = str(store.engine.url.database or "")
    if not path or path == ":memory:":
        yield True
        return
    with _file(Path(path + ".lock")) as is_held:
        yield is_held


@contextmanager
def _advisory(store: Store, client: str) -> Iterator[bool]:
    key = int.from_bytes(hashlib.blake2b(f"ciblage:{client}".encode(), digest_size=8).digest(), "big", signed=True)
    with store.engine.connect() as connection:
        yield bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
        connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _file(path: Path) -> Iterator[bool]:
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file lets go of it
