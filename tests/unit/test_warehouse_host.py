"""A shop is reached as its address says, and opened over the wire like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from clickhouse_server import running
from warehouse_lab import NOW, ZONE, Raw, content, load, mixed, opened_from_files

from engine.errors import ConfigError
from engine.tables import Database
from engine.warehouse import Address, Terms, Warehouse, connect, copy_shop, open_there, plan_tables

NAMES = ("customers", "orders", "order_lines", "products", "email_events")


def test_a_shop_in_clickhouse_is_opened_and_copied_over_http(tmp_path: Path) -> None:
    whole = mixed(2, "clickhouse")
    raw = Raw(tables={name: whole.tables[name] for name in NAMES})
    files = opened_from_files(raw, tmp_path / "files")
    with running() as server:
        host, schema = connect("clickhouse", Address(url=server.url("/default")))
        assert schema == "default"
        warehouse = Warehouse(host=host, schema=load(host, raw, tmp_path))
        with Database(threads=1) as scratch:
            there = open_there(warehouse, Terms(zone=ZONE, currency="EUR", now=NOW), tmp_path, scratch)
        for name in NAMES:
            assert content(there, name) == content(files, name), name
        with Database(threads=1) as scratch:
            copied = copy_shop(warehouse, plan_tables(warehouse, ZONE), tmp_path / "copy", scratch)
            for name in NAMES:
                rows = scratch.scalar(f"SELECT count(*) FROM read_parquet('{copied.path / name}.parquet')")
                assert rows == raw.tables[name].num_rows
        host.close()
    files.database.close()


@pytest.mark.parametrize(
    ("engine", "url"), [("postgres", "postgresql://u:hidden-word@127.0.0.1:9/db"), ("clickhouse", "clickhouse://u:hidden-word@127.0.0.1:9/db")]
)  # fmt: skip
def test_a_database_that_does_not_answer_is_told_without_its_password(engine: str, url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        connect(engine, Address(url=url))
    assert "hidden-word" not in f"{refusal.value} {refusal.value.place} {refusal.value.hint}"
