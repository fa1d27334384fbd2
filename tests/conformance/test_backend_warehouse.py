"""A shop whose tables are in an engine is, row by row, the shop that DuckDB makes of the same tables as files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recipe_lab import RECIPES
from warehouse_lab import NOW, Raw, content, library, mixed, opened_from_files, opened_there, people

from engine.compute.backends.protocol import Engine
from engine.shop import Overlays, Shop
from engine.warehouse import WarehouseShop, carry_shop

EVERY = 1 if os.environ.get("CIBLAGE_HUNT") else 8  # of the recipes: all of them cost an engine a minute
CHOSEN = tuple(RECIPES)[::EVERY]
MANY = 30  # reasons that a row is set aside for


@pytest.fixture(params=range(2 if EVERY > 1 else 10))
def both(request: pytest.FixtureRequest, database: Engine, tmp_path: Path) -> Iterator[tuple[Shop, WarehouseShop]]:
    """The same tables with the same overlays, as files and where they are."""
    raw = mixed(request.param, database.name)
    overlays = known(raw, tmp_path)
    files = opened_from_files(raw, tmp_path / "files", overlays)
    yield files, opened_there(database, raw, tmp_path, overlays)
    files.database.close()


def known(raw: Raw, folder: Path) -> Overlays:
    """Departures, codes, and pulled events: one that the shop has too, one of nobody, one that stands twice, one of an unknown kind."""
    days = [NOW.replace(tzinfo=None) - timedelta(days=one) for one in range(40)]
    own = raw.tables["email_events"].to_pylist()
    same = next(row for row in own if row["kind"] == "open" and row["happened_at"] and row["event_id"])
    pulled = [
        {"event_id": f"pulled{n}", "email": f"U{n}@example.org", "kind": kind, "happened_at": days[n], "is_machine": n == 2, "product_id": "p1"}
        for n, kind in enumerate(["open", "click", "open", "complaint", "unsubscribe", "bounce", "delivered", "send"])
    ]  # fmt: skip
    pulled += [{**pulled[0], "event_id": same["event_id"]}, {**pulled[1], "email": "nobody@example.org"}, pulled[2]]
    pq.write_table(pa.Table.from_pylist(pulled), folder / "pulled.parquet")
    left = ["unsubscribed", "complaint", "bounced", "other", "archived", "pending"]
    return Overlays(
        suppressions=pa.Table.from_pylist(
            [
                {"customer_id": None, "email": f"u{20 + n}@example.org", "destination": "d", "left": why, "at": days[n] if n % 2 else None, "first_seen": days[n]}
                for n, why in enumerate(left)
            ],
            schema=pa.schema({"customer_id": pa.string(), "email": pa.string(), "destination": pa.string(), "left": pa.string(), "at": pa.timestamp("us"), "first_seen": pa.timestamp("us")}),
        ),
        email_events=[folder / "pulled.parquet"],
        codes=pa.Table.from_pylist(
            [{"code_id": f"x{n}", "customer_id": f"c{n}", "offer": "thanks", "state": "confirmed", "issued_at": days[n], "expires_at": None, "redeemed_at": days[0] if n else None} for n in range(4)],
            schema=pa.schema({"code_id": pa.string(), "customer_id": pa.string(), "offer": pa.string(), "state": pa.string(), "issued_at": pa.timestamp("us"), "expires_at": pa.timestamp("us"), "redeemed_at": pa.timestamp("us")}),
        ),
    )  # fmt: skip


def aside(shop: Shop | WarehouseShop) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for one in shop.set_aside:
        found[one.file.removesuffix(".parquet"), one.reason] += one.count
    return found


def test_a_shop_in_a_database_is_the_shop_of_its_files(both: tuple[Shop, WarehouseShop]) -> None:
    files, there = both
    assert there.tables.keys() == files.tables.keys()
    for name in files.tables:
        assert content(there, name) == content(files, name), name
    assert aside(there) == aside(files)
    assert len(aside(files)) > MANY
    assert (there.counts, there.newest) == (files.counts, files.newest)
    assert there.vocabulary_facts() == files.vocabulary_facts()
    assert there.sources() == files.sources()
    assert there.coupons().sort_by("order_id").equals(files.coupons().sort_by("order_id"))
    found = people(there, library(there, CHOSEN))
    assert found == people(files, library(files, CHOSEN))
    assert sum(map(bool, found.values())) > len(CHOSEN) / 4


def test_the_order_of_rows_in_a_database_changes_nothing(database: Engine, tmp_path: Path) -> None:
    raw = mixed(7, database.name)
    turned = replace(
        raw, tables={name: rows.take(list(range(rows.num_rows))[::-1]) for name, rows in raw.tables.items()}
    )
    first, again = (opened_there(database, one, tmp_path / str(n)) for n, one in enumerate((raw, turned)))
    assert first.fingerprint == again.fingerprint
    for name in ("orders", "order_lines", "views"):
        assert numbered(again, name) == numbered(first, name), name


def numbered(shop: WarehouseShop, name: str) -> list[Any]:
    quote = "`" if shop.database.name in {"spark", "clickhouse"} else '"'
    rows = shop.database.query(f"SELECT {quote}row_id{quote} FROM {quote}{name}{quote}")
    return sorted(rows.column(0).to_pylist())


def test_a_changed_amount_changes_the_fingerprint(database: Engine, tmp_path: Path) -> None:
    raw = mixed(7, database.name)
    rows = raw.tables["order_lines"].to_pylist()
    rows[0]["quantity"] = 99
    changed = pa.Table.from_pylist(rows, schema=raw.tables["order_lines"].schema)
    before = opened_there(database, raw, tmp_path / "0").fingerprint
    after = opened_there(database, replace(raw, tables={**raw.tables, "order_lines": changed}), tmp_path / "1")
    assert after.fingerprint != before


def test_of_rows_with_one_key_one_stays_whatever_they_say(database: Engine, tmp_path: Path) -> None:
    raw = mixed(7, database.name)
    orders = raw.tables["orders"]
    good = next(row for row in orders.to_pylist() if row["order_id"] and row["customer_id"] == "c1" and row["total"] == 3.0 and row["ordered_at"])  # fmt: skip
    twice = pa.Table.from_pylist([good, {**good, "total": 4.0}, {**good, "total": 5.0}], schema=orders.schema)
    shop = opened_there(database, Raw(tables={"customers": raw.tables["customers"], "orders": twice}), tmp_path)
    assert shop.counts["orders"] == len(content(shop, "orders")) == 1
    assert aside(shop)["orders", "order_id stands twice"] == 2


def test_a_shop_of_files_is_the_same_where_it_is_carried(database: Engine, tmp_path: Path) -> None:
    raw = mixed(3, database.name)
    files = opened_from_files(raw, tmp_path / "files", known(raw, tmp_path))
    there = carry_shop(files, database)  # type: ignore[arg-type] # every engine of the suite is a host
    for name in files.tables:
        assert content(there, name) == content(files, name), name
    assert people(there, library(there, CHOSEN)) == people(files, library(files, CHOSEN))
    assert (there.counts, there.set_aside, there.fingerprint) == (files.counts, files.set_aside, files.fingerprint)
    files.database.close()
