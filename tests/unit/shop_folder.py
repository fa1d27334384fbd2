"""A shop's folder written from text, and opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engine.shop import Overlays, OwnTable, Shop, ShopSource, open_shop
from engine.tables import Database

NOW = datetime(2018, 1, 1, 12, tzinfo=UTC)


@dataclass
class Folder:
    """Files to be opened; every opened database is closed by the fixture."""

    path: Path
    opened: list[Database] = field(default_factory=list)

    def write(self, name: str, text: str | bytes) -> Path:
        content = text.encode() if isinstance(text, str) else text
        (self.path / name).write_bytes(content)
        return self.path / name

    def customers(self, *rows: str, header: str = "customer_id,email") -> None:
        self.write("customers.csv", "\n".join([header, *rows]) + "\n")

    def open(
        self,
        mapping: str | dict[str, Any] | None = None,
        *,
        zone: str = "Europe/Paris",
        overlays: Overlays | None = None,
        own: dict[str, OwnTable] | None = None,
        now: datetime = NOW,
    ) -> Shop:
        database = Database()
        self.opened.append(database)
        source = ShopSource(path=self.path, mapping=mapping or {}, own=own or {})
        return open_shop(source, zone=ZoneInfo(zone), currency="EUR", now=now, overlays=overlays, database=database)


def folder_in(path: Path) -> Iterator[Folder]:
    folder = Folder(path)
    yield folder
    for database in folder.opened:
        database.close()


def rows(shop: Shop, sql: str) -> list[tuple[Any, ...]]:
    return shop.database.rows(sql)


def reasons(shop: Shop) -> list[tuple[str, int, str]]:
    return [(aside.file, aside.line, aside.reason) for aside in shop.set_aside]
