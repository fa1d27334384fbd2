"""An older ledger becomes one of this version: all of it in one transaction, with a copy of a file beside it."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.errors import Locked
from engine.ledger import lock, schema
from engine.ledger.opening import file_uri
from engine.ledger.store import Store, schema_version
from engine.ledger.trouble import LedgerUnavailable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["upgrade"]

_log = logging.getLogger("ciblage.ledger")
_PAGES = 4096  # copied at one time


def upgrade(store: Store) -> None:
    """Bring the ledger to this version while no run of this client is on. Raises Locked."""
    from engine.ledger import migrations

    with lock.held(store) as is_held:
        if not is_held:
            raise Locked(
                f"the ledger of {store.client} is of an older ciblage, and a run of that one is on",
                hint="wait until it ends; end `ciblage receive` too",
            )
        with store.write() as connection:
            found = schema_version(connection)
            if found is None or found >= schema.SCHEMA_VERSION:  # somebody was faster
                return
            copy = None if store.path is None else _copied(store.path, found)
            migrations.apply(connection, found)
            is_version = schema.meta.c.key == "schema_version"
            connection.execute(sa.update(schema.meta).where(is_version).values(value=str(schema.SCHEMA_VERSION)))
    kept = "" if copy is None else f"; as it was: {copy}"
    _log.info("the ledger went from schema version %d to %d%s", found, schema.SCHEMA_VERSION, kept)


def _copied(path: Path, version: int) -> Path:
    """The ledger as it is, beside it, on disk before anything changes."""
    copy = path.with_name(f"{path.name}.v{version}.bak")
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with (
            closing(sqlite3.connect(f"{file_uri(path)}?mode=ro", uri=True)) as ours,
            closing(sqlite3.connect(part)) as other,
        ):
            ours.backup(other, pages=_PAGES)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(copy)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        message = f"the ledger cannot be copied before it is brought up to date ({type(error).__name__})"
        raise LedgerUnavailable(message, hint="is there room beside it, and may we write there?") from None
    return copy
