"""However large a file is, its rows have the numbers of its lines: ties and what is set aside are told by them."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from shop_folder import NOW

from engine.shop import Cache, ShopSource, open_shop
from engine.tables import Database, text

LINES = 1_600_000  # some 130 MB: several threads of DuckDB 2.0.0 put such a file's rows into another order


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    (folder / "customers.csv").write_text("customer_id,email\nc1,a@example.com\n", "utf-8")
    event = "'e' || lpad(i::VARCHAR, 9, '0') AS event_id, 'c1' AS customer_id, 'open' AS kind, '2024-01-16 03:07:28' AS happened_at"
    more = "'campaign ' || (i % 97) AS campaign, 'Brand 49' AS brand, 'true' AS hard, 'false' AS is_machine"
    with Database() as database:
        rows = f"SELECT {event}, {more} FROM range({LINES}) t(i)"
        database.execute(f"COPY ({rows}) TO {text(str(folder / 'email_events.csv'))} (header)")
    return folder


@pytest.mark.parametrize("kept", [False, True], ids=["read", "kept"])
def test_rows_are_numbered_by_their_lines(shop: Path, tmp_path: Path, *, kept: bool) -> None:
    source = ShopSource(path=shop, cache=Cache(tmp_path / "cache") if kept else None)
    with Database(threads=2) as database:
        open_shop(source, zone=ZoneInfo("Europe/Paris"), currency="EUR", now=NOW, overlays=None, database=database)
        wrong = "SELECT count(*) FROM email_events WHERE event_id <> 'e' || lpad((row_id - 1)::VARCHAR, 9, '0')"
        assert database.scalar("SELECT count(*) FROM email_events") == LINES
        assert database.scalar(wrong) == 0
