"""Tables of a database against the neutral schema: found, matched, refused with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from warehouse_lab import AWARE, FLOAT, TEXT, WALL, WHOLE, ZONE, Raw, load, table

from engine.compute.backends import backend
from engine.errors import ConfigError, DataError
from engine.shop import OwnTable
from engine.tables import Database
from engine.warehouse import Warehouse, plan_tables
from engine.warehouse.reading import Plan, check_types, kind_of, select_typed

PEOPLE = {"customer_id": TEXT, "email": TEXT}
KEYS = {"order_id": TEXT, "customer_id": TEXT, "ordered_at": AWARE}
ORDERS = {**KEYS, "total": FLOAT}


@pytest.fixture
def host() -> Iterator[Database]:
    with Database(threads=1) as database:
        yield database


def warehouse(host: Database, folder: Path, tables: Mapping[str, Mapping[str, pa.DataType]], **more: Any) -> Warehouse:
    raw = Raw(tables={name: table(kinds, []) for name, kinds in tables.items()})
    return Warehouse(host=host, schema=load(host, raw, folder), **more)


def plans(
    host: Database, folder: Path, tables: Mapping[str, Mapping[str, pa.DataType]], **more: Any
) -> dict[str, Plan]:
    return plan_tables(warehouse(host, folder, tables, **more), ZONE)


def test_without_customers_the_nearest_table_is_named(host: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="customers is missing") as refusal:
        plans(host, tmp_path, {"customer": PEOPLE, "orders": ORDERS})
    assert refusal.value.hint == "did you mean 'customer'? there: customer, orders"


def test_a_missing_column_is_named_with_its_table_and_the_nearest_one(host: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="orders: the column 'total' is missing") as refusal:
        plans(host, tmp_path, {"customers": PEOPLE, "orders": {**KEYS, "totals": FLOAT}})
    assert refusal.value.place is not None
    assert refusal.value.place.endswith(".orders")
    assert str(refusal.value.hint).startswith("did you mean 'totals'?")


def test_tables_and_columns_are_found_whatever_their_case(host: Database, tmp_path: Path) -> None:
    found = plans(host, tmp_path, {"Customers": {"CUSTOMER_ID": TEXT, "Email": TEXT, "Favourite Colour": TEXT}})
    assert found["customers"].foreign == "Customers"
    assert found["customers"].readings["customer_id"].source == "CUSTOMER_ID"
    assert "favourite_colour" in found["customers"].columns


def test_a_mapping_names_tables_where_that_of_files_names_files(host: Database, tmp_path: Path) -> None:
    mapping = {"customers": {"table": "clients", "columns": {"email": "Courriel"}}}
    tables = {"clients": {"customer_id": TEXT, "Courriel": TEXT}}
    assert plans(host, tmp_path, tables, mapping=mapping)["customers"].readings["email"].source == "Courriel"
    with pytest.raises(ConfigError, match="a database has tables"):
        plans(host, tmp_path, tables, mapping={"customers": {"file": "clients.csv"}})
    with pytest.raises(DataError, match="cleints is missing") as refusal:
        plans(host, tmp_path, tables, mapping={"customers": {"table": "cleints"}})
    assert str(refusal.value.hint).startswith("did you mean 'clients'?")


def test_a_source_of_ones_own_must_have_its_table(host: Database, tmp_path: Path) -> None:
    own = {"reviews": OwnTable(table="review", time="written_at")}
    tables = {"customers": PEOPLE, "reviews": {"customer_id": TEXT, "written_at": AWARE}}
    with pytest.raises(DataError, match="review is missing"):
        plans(host, tmp_path, tables, own=own)


@pytest.mark.parametrize(("column", "kind"), [("total", TEXT), ("ordered_at", TEXT), ("ordered_at", WHOLE), ("refunded", AWARE), ("delivered_at", FLOAT)])  # fmt: skip
def test_a_column_of_another_type_is_refused_with_what_to_do(
    host: Database, tmp_path: Path, column: str, kind: pa.DataType
) -> None:
    where = warehouse(host, tmp_path, {"customers": PEOPLE, "orders": {**ORDERS, column: kind}})
    found = plan_tables(where, ZONE)
    with pytest.raises(DataError, match=f"orders: '{column}' is ") as refusal:
        check_types(where, found["orders"])
    assert refusal.value.hint == 'cast it in a view; or [compute] backend = "duckdb", which reads text as it reads that of files'  # fmt: skip


def test_how_text_is_read_says_nothing_of_typed_columns(host: Database, tmp_path: Path) -> None:
    mapping = {"orders": {"dates": ["%d/%m/%Y"]}}
    where = warehouse(host, tmp_path, {"customers": PEOPLE, "orders": ORDERS}, mapping=mapping)
    with pytest.raises(ConfigError, match="dates and decimal say how text is read"):
        check_types(where, plan_tables(where, ZONE)["orders"])


def test_rows_of_another_table_in_the_same_one_are_left_out(host: Database, tmp_path: Path) -> None:
    raw = Raw(tables={"customers": table(PEOPLE, []), "orders": table({**ORDERS, "kind": TEXT}, [{"order_id": "a", "kind": "x"}, {"order_id": "b", "kind": " "}])})  # fmt: skip
    where = Warehouse(host=host, schema=load(host, raw, tmp_path), mapping={"orders": {"only": "KIND"}})
    words = backend("duckdb")
    rows = host.query(words.text(select_typed(where, plan_tables(where, ZONE)["orders"], words)))
    assert rows["order_id"].to_pylist() == ["a"]


def test_a_local_time_is_an_instant_as_python_says_with_fold_0(host: Database, tmp_path: Path) -> None:
    moments = [datetime.fromisoformat(text) for text in ("2025-10-26T02:30", "2026-03-29T02:30", "2026-07-01T00:00", "1950-01-01T00:00")]  # fmt: skip
    rows = [{"order_id": str(n), "ordered_at": moment} for n, moment in enumerate(moments)]
    raw = Raw(tables={"customers": table(PEOPLE, []), "orders": table({**ORDERS, "ordered_at": WALL}, rows)})
    where = Warehouse(host=host, schema=load(host, raw, tmp_path))
    words = backend("duckdb")
    found = host.query(words.text(select_typed(where, plan_tables(where, ZONE)["orders"], words))).sort_by("order_id")
    assert found["ordered_at"].to_pylist() == [one.replace(tzinfo=ZONE).astimezone(UTC).replace(tzinfo=None) for one in moments]  # fmt: skip


KINDS = {
    "duckdb": {"VARCHAR": "text", "HUGEINT": "whole", "DECIMAL(18,4)": "exact", "DOUBLE": "float", "TIMESTAMP WITH TIME ZONE": "moment", "TIMESTAMP_NS": "wall", "DATE": "date", "BOOLEAN": "flag", "UUID": "other", "VARCHAR[]": "other", "TIMESTAMP[]": "other", "DECIMAL(18,4)[]": "other"},
    "postgres": {"text": "text", "character varying(20)": "text", "character(3)": "text", "bigint": "whole", "smallint": "whole", "numeric": "exact", "numeric(10,2)": "exact", "double precision": "float", "real": "float", "timestamp with time zone": "moment", "timestamp(3) with time zone": "moment", "timestamp without time zone": "wall", "date": "date", "boolean": "flag", "uuid": "other", "text[]": "other", "numeric[]": "other", "timestamp without time zone[]": "other", "jsonb": "other", "interval": "other", "time without time zone": "other", "money": "other"},
    "clickhouse": {"String": "text", "Nullable(String)": "text", "LowCardinality(Nullable(String))": "other", "FixedString(3)": "other", "Enum8('a' = 1)": "other", "UInt64": "whole", "Nullable(Int8)": "whole", "Decimal(18, 4)": "exact", "Float32": "float", "DateTime": "moment", "Nullable(DateTime64(6, 'UTC'))": "moment", "DateTime('Europe/Paris')": "moment", "Date": "date", "Date32": "date", "Bool": "flag", "UUID": "other", "Array(String)": "other"},
    "spark": {"string": "text", "varchar(20)": "text", "bigint": "whole", "int": "whole", "tinyint": "whole", "decimal(18,4)": "exact", "double": "float", "float": "float", "timestamp": "moment", "timestamp_ntz": "wall", "date": "date", "boolean": "flag", "binary": "other", "array<string>": "other"},
}  # fmt: skip


@pytest.mark.parametrize(("engine", "words"), KINDS.items())
def test_every_engines_words_for_types_are_known(engine: str, words: dict[str, str]) -> None:
    assert {word: kind_of(word, engine).name.lower() for word in words} == words
