"""Places for ledgers: a file, and a PostgreSQL server that is started when a test first asks for it; and old ledgers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from engine.ledger import Ledger

__all__ = ["Home", "home", "postgres", "poured"]

DUMPS = Path(__file__).parent / "ledgers"

_NUMBERS = count()


@dataclass(frozen=True)
class Home:
    """Where a ledger is kept, and whose it is."""

    url: str
    client: str

    def open(self, *, is_readonly: bool = False) -> Ledger:
        return Ledger.open(self.url, self.client, is_readonly=is_readonly)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server of this session."""
    from postgres_server import start_server  # with the engine that computes there

    server = start_server()
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """An empty place for a ledger, in either database; on the server, a client of its own."""
    client = f"client{next(_NUMBERS)}"
    if request.param == "sqlite":
        return Home(f"sqlite:///{tmp_path}/ledger.sqlite", client)
    return Home(request.getfixturevalue("postgres"), client)


def poured(version: int, place: str, name: str) -> str:
    """A ledger of an earlier version, in a folder or in a schema of a server's database; returns its URL."""
    if not place.startswith("postgresql"):
        path = Path(place) / f"{name}.sqlite"
        with closing(sqlite3.connect(path)) as raw:
            raw.executescript((DUMPS / f"sqlite_v{version}.sql").read_text("utf-8"))
        return f"sqlite:///{path}"
    text = (DUMPS / f"postgresql_v{version}.sql").read_text("utf-8")
    with psycopg.connect(place) as raw:
        raw.execute(f"CREATE SCHEMA {name}; SET search_path TO {name};\n{text}")
    url = sa.make_url(place).update_query_dict({"options": f"-csearch_path={name}"})
    return url.render_as_string(hide_password=False)
