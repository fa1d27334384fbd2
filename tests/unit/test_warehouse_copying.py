"""A shop copied from a database is the shop of its files: text is read alike, order is fixed, nobody else may read it."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from warehouse_lab import AWARE, CURRENCY, NOW, TEXT, WALL, ZONE, Raw, content, load, mixed, table, write

from engine.shop import OwnTable, Shop, ShopSource, open_shop
from engine.tables import Database, QueryError
from engine.warehouse import Warehouse, copy_shop, plan_tables

Opened = Callable[[ShopSource], Shop]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def host() -> Iterator[Database]:
    with Database(threads=1) as database:
        yield database


def copied(host: Database, raw: Raw, tmp_path: Path) -> ShopSource:
    where = Warehouse(host=host, schema=load(host, raw, tmp_path), mapping=raw.mapping or {}, own=raw.own or {})
    with Database(threads=1) as scratch:
        return copy_shop(where, plan_tables(where, ZONE), tmp_path / "state" / "shop", scratch)


@pytest.fixture
def opened() -> Iterator[Callable[[ShopSource], Shop]]:
    with ExitStack() as stack:
        yield lambda source: open_shop(
            source,
            zone=ZONE,
            currency=CURRENCY,
            now=NOW,
            overlays=None,
            database=stack.enter_context(Database(threads=1)),
        )


def texts(folder: Path) -> dict[str, pa.Table]:
    """Delimited files as tables of text, as a careless import makes them."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        mark = ";" if ";" in path.read_text("utf-8-sig").splitlines()[0] else ","
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter=mark) if None not in row and None not in row.values()]
        found[path.stem] = table(dict.fromkeys(rows[0], TEXT), rows)
    return found


def test_every_table_of_a_copy_is_that_of_the_same_files(host: Database, tmp_path: Path, opened: Opened) -> None:
    raw = mixed(5, "duckdb")
    files = opened(ShopSource(path=write(raw, tmp_path / "files"), mapping=raw.mapping or {}, own=raw.own or {}))
    there = opened(copied(host, raw, tmp_path))
    for name in files.tables:
        assert content(there, name) == content(files, name), name
    assert there.set_aside == files.set_aside
    assert (there.counts, there.newest, there.sources()) == (files.counts, files.newest, files.sources())


@pytest.mark.parametrize("example", ["tea", "hostile"])
def test_text_in_a_database_is_read_as_text_of_files_is(
    host: Database, tmp_path: Path, opened: Opened, example: str
) -> None:
    tables = texts(EXAMPLES / example / "data")
    mapping = {name: {"decimal": ","} for name in tables} if example == "hostile" else {}
    there = opened(copied(host, Raw(tables=tables, mapping=mapping), tmp_path))
    files = opened(ShopSource(path=EXAMPLES / example / "data"))
    for name in files.tables:  # of two rows with one key the first in the file stays, and a database has no first
        assert example == "hostile" or content(there, name) == content(files, name), name
    assert there.counts == files.counts
    assert {(one.reason, one.count) for one in there.set_aside} == {(one.reason, one.count) for one in files.set_aside}


def test_the_copy_is_its_owners_alone_and_replaces_the_one_before(host: Database, tmp_path: Path) -> None:
    source = copied(host, mixed(5, "duckdb"), tmp_path)
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in source.path.iterdir()} == {0o600}
    assert "orders.parquet" in {file.name for file in source.path.iterdir()}
    people = {"customer_id": TEXT, "email": TEXT}
    copied(host, Raw(tables={"customers": table(people, [{"customer_id": "a"}])}), tmp_path)
    assert [file.name for file in source.path.iterdir()] == ["customers.parquet"]
    assert [file.name for file in source.path.parent.iterdir()] == ["shop"]


def test_a_copy_that_fails_leaves_the_one_before(host: Database, tmp_path: Path) -> None:
    source = copied(host, mixed(5, "duckdb"), tmp_path)
    before = {file.name: file.read_bytes() for file in source.path.iterdir()}
    host.execute("CREATE SCHEMA broken; CREATE VIEW broken.customers AS SELECT 'a' AS customer_id, error('no')::VARCHAR AS email")  # fmt: skip
    where = Warehouse(host=host, schema="broken")
    with Database(threads=1) as scratch, pytest.raises(QueryError, match="no"):
        copy_shop(where, plan_tables(where, ZONE), source.path, scratch)
    assert {file.name: file.read_bytes() for file in source.path.iterdir()} == before
    assert [file.name for file in source.path.parent.iterdir()] == ["shop"]


def test_rows_in_another_order_make_the_same_bytes(host: Database, tmp_path: Path) -> None:
    raw = mixed(6, "duckdb")
    turned = {name: rows.take(list(range(rows.num_rows))[::-1]) for name, rows in raw.tables.items()}
    first = {file.name: file.read_bytes() for file in copied(host, raw, tmp_path).path.iterdir()}
    again = copied(host, Raw(tables=turned, mapping=raw.mapping, own=raw.own), tmp_path)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == first


def rows(shop: Shop, name: str) -> Mapping[str, Any]:
    found: dict[str, Any] = shop.database.query(f"SELECT * FROM {name}").to_pydict()
    return found


def test_an_instant_stays_one_and_a_local_time_is_the_clients(host: Database, tmp_path: Path, opened: Opened) -> None:
    moment = NOW.replace(tzinfo=None)
    views = [{"customer_id": "a", "happened_at": moment, "seen": NOW}]
    raw = Raw(tables={"customers": table({"customer_id": TEXT, "email": TEXT}, [{"customer_id": "a"}]), "views": table({"customer_id": TEXT, "happened_at": WALL, "seen": AWARE}, views)})  # fmt: skip
    found = rows(opened(copied(host, raw, tmp_path)), "views")
    assert found["seen"] == [moment]
    assert found["happened_at"] == [
        moment.replace(hour=10)
    ]  # noon in Paris, after the clocks went forward that morning


def test_an_empty_table_is_copied_with_its_columns(host: Database, tmp_path: Path, opened: Opened) -> None:
    people = {"customer_id": TEXT, "email": TEXT, "shoe_size": pa.int64()}
    shop = opened(copied(host, Raw(tables={"customers": table(people, [])}), tmp_path))
    assert "shoe_size" in shop.vocabulary_facts()
    assert shop.counts["customers"] == 0


def test_two_sources_may_read_one_table_of_ones_own(host: Database, tmp_path: Path, opened: Opened) -> None:
    raw = mixed(6, "duckdb")
    one = {name: OwnTable(table="notes", customer="client", time="written_at") for name in ("reviews", "surveys")}
    tables = {name: raw.tables[name] for name in ("customers", "notes")}
    mapping = {name: {"columns": {"written_at": "written"}} for name in one}
    shop = opened(copied(host, Raw(tables=tables, mapping=mapping, own=one), tmp_path))
    assert rows(shop, "reviews") == rows(shop, "surveys")
    assert shop.counts["reviews"] > 0
