"""A shop whose tables are in an engine is, row by row, the shop that DuckDB makes of the same tables as files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engines import Engines
from recipe_lab import RECIPES
from warehouse_lab import NOW, SCHEMAS, ZONE, Raw, content, library, mixed, opened_from_files, opened_there, people

from engine.compute.backends.protocol import Engine
from engine.shop import Overlays, Shop
from engine.tables import Database
from engine.warehouse import Terms, Warehouse, WarehouseShop, carry_shop, open_there

EVERY = 1 if os.environ.get("CIBLAGE_HUNT") else 8  # of the recipes: all of them cost an engine a minute
CHOSEN = tuple(RECIPES)[::EVERY]
MANY = 30  # reasons that a row is set aside for


@pytest.fixture(params=range(1 if EVERY > 1 else 10))
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


def bare(engine: str) -> Raw:
    """A few of the tables: opening costs an engine some statements a table."""
    raw = mixed(7, engine)
    return Raw(tables={name: raw.tables[name] for name in ("customers", "orders", "order_lines")})


def test_the_order_of_rows_in_a_database_changes_nothing(database: Engine, tmp_path: Path) -> None:
    raw = bare(database.name)
    turned = replace(
        raw, tables={name: rows.take(list(range(rows.num_rows))[::-1]) for name, rows in raw.tables.items()}
    )
    told = []
    for n, one in enumerate((raw, turned)):  # one after the other: both are called the same in there
        shop = opened_there(database, one, tmp_path / str(n))
        told.append((shop.fingerprint, numbered(shop, "orders"), numbered(shop, "order_lines")))
    assert told[0] == told[1]
    assert len(set(told[0][1])) == len(told[0][1])


def numbered(shop: WarehouseShop, name: str) -> list[Any]:
    quote = "`" if shop.database.name in {"spark", "clickhouse"} else '"'
    rows = shop.database.query(f"SELECT {quote}row_id{quote} FROM {quote}{name}{quote}")
    return sorted(rows.column(0).to_pylist())


def test_a_changed_amount_changes_the_fingerprint(database: Engine, tmp_path: Path) -> None:
    raw = bare(database.name)
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


# what one engine alone has


FOREIGN = {
    "postgres": """
        CREATE SCHEMA {schema};
        CREATE TYPE {schema}.state AS ENUM ('paid', 'cancelled');
        CREATE TABLE {schema}.customers (customer_id char(4), email varchar(40), badge uuid, notes jsonb, tags text[], shoe smallint, seen timestamptz);
        INSERT INTO {schema}.customers VALUES ('a', 'A@example.org', '00000000-0000-0000-0000-00000000000a', '{{"k": 1}}', '{{x,y}}', 38, 'infinity'), ('b', NULL, NULL, NULL, NULL, NULL, '2026-01-01 10:00+02');
        CREATE TABLE {schema}.orders (order_id bigint, customer_id char(4), ordered_at timestamptz, total numeric, status {schema}.state, channel text COLLATE "ucs_basic");
        INSERT INTO {schema}.orders VALUES (1, 'a', '2026-01-01 10:00+02', 10.00005, 'paid', 'Web'), (2, 'a', '-infinity', 3, 'paid', NULL), (3, 'b', '2026-02-01', 'NaN', 'paid', NULL), (4, 'b', '2026-02-01', 'Infinity', NULL, NULL), (5, 'b', '2026-02-01 00:00+00', 7, 'cancelled', ''), (6, 'b', '2026-02-01', 1e15, NULL, NULL)
    """,
    "clickhouse": """
        CREATE DATABASE {schema};
        CREATE TABLE {schema}.customers (customer_id FixedString(1), email LowCardinality(Nullable(String)), badge Nullable(UUID), notes String, tags Array(String), shoe Nullable(UInt8), seen Nullable(DateTime('Europe/Paris'))) ENGINE = MergeTree ORDER BY tuple();
        INSERT INTO {schema}.customers VALUES ('a', 'A@example.org', '00000000-0000-0000-0000-00000000000a', '', ['x', 'y'], 38, NULL), ('b', NULL, NULL, '', [], NULL, '2026-01-01 09:00:00');
        CREATE TABLE {schema}.orders (order_id UInt64, customer_id String, ordered_at DateTime, total Nullable(Decimal(30, 5)), status Nullable(Enum8('paid' = 1, 'cancelled' = 2)), channel LowCardinality(String)) ENGINE = MergeTree ORDER BY order_id;
        INSERT INTO {schema}.orders VALUES (1, 'a', '2026-01-01 08:00:00', 10.00005, 'paid', 'Web'), (3, 'b', '2026-02-01 00:00:00', NULL, 'paid', ''), (5, 'b', '2026-02-01 00:00:00', 7, 'cancelled', ''), (6, 'b', '2026-02-01 00:00:00', 1000000000000000, NULL, '')
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_types_that_only_one_engine_has_are_read_or_told(name: str, engines: Engines, tmp_path: Path) -> None:
    host: Any = engines[name]
    schema = next(SCHEMAS)
    for statement in FOREIGN[name].format(schema=schema).split(";"):
        host.execute(statement)
    terms = Terms(zone=ZONE, currency="EUR", now=NOW)
    with Database(threads=1) as scratch:
        shop = open_there(Warehouse(host=host, schema=schema), terms, tmp_path, scratch)
    orders = [dict(zip(sorted(shop.tables["orders"].everything), row, strict=True)) for row in content(shop, "orders")]
    assert [(one["order_id"], one["customer_id"], one["total"], one["is_purchase"], one["channel"]) for one in orders] == [
        ("1", "a", Decimal("10.0001"), True, "Web"),
        ("5", "b", Decimal(7), False, None),
    ]  # fmt: skip
    assert [one["ordered_at"].isoformat() for one in orders] == ["2026-01-01T08:00:00", "2026-02-01T00:00:00"]
    told = {one.reason: one.count for one in shop.set_aside}
    assert told.pop("ordered_at is missing", 1) == 1
    assert sum(told.values()) == len(told) + (name == "postgres")
    assert told.keys() == {"total is missing", "total is not an amount"}
    facts = shop.vocabulary_facts()
    assert [facts[one].type for one in ("badge", "notes", "tags", "shoe", "seen")] == ["text", "text", "text", "number", "instant"]  # fmt: skip
    customers = dict(zip(sorted([*shop.tables["customers"].everything, *shop.lists]), content(shop, "customers")[0], strict=True))  # fmt: skip
    assert (customers["customer_id"], customers["email"], customers["shoe"]) == ("a", "a@example.org", Decimal(38))
    assert customers["badge"] == "00000000-0000-0000-0000-00000000000a"
    assert customers["seen"] is None
