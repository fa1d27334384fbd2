"""Laws of the numbers beside ids and values at rest: they say the same as the texts, in every table and for every favourite."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_lab import neutral

from engine.compute import compute
from engine.segments import Definitions, build_catalogue
from engine.shop import Overlays, OwnTable, Shop, ShopSource, open_shop
from engine.shop.numbers import NUMBER, number
from engine.tables import Database, name
from engine.traits import TraitDefinition

NOW, ZONE = datetime(2018, 1, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Paris")
COUNTED = ("brand", "category", "colour")
BRANDS = st.sampled_from(["Acme", "Beta", "beta", "BETA", "Zed", "éclair", "Éclair", "", "aa"])


@contextmanager
def opened(
    files: Mapping[str, Sequence[Mapping[str, Any]]], overlays: Overlays | None = None, **own: OwnTable
) -> Iterator[Shop]:
    """A shop of these rows."""
    with tempfile.TemporaryDirectory() as folder, Database() as database:
        for table, rows in files.items():
            with (Path(folder) / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        source = ShopSource(path=Path(folder), own=own)
        yield open_shop(source, zone=ZONE, currency="EUR", now=NOW, overlays=overlays, database=database)


def favourites(shop: Shop) -> dict[str, dict[str, Any]]:
    """By customer, the favourite brand, category and colour of lines and of views."""
    wanted = [f"{source}.{column}" for source in ("order_lines", "cart_adds") for column in COUNTED]
    traits = tuple(TraitDefinition(name=one.replace(".", "_"), value=f"most_frequent({one})") for one in wanted)
    found = compute(shop, build_catalogue(Definitions(traits=traits), neutral(), {}), NOW, ZONE)
    table = found.table.rename_columns([one.removeprefix("trait:") for one in found.table.column_names])
    return {row["customer_id"]: {trait.name: row[trait.name] for trait in traits} for row in table.to_pylist()}


def expected(rows: Sequence[tuple[datetime, str]]) -> str | None:
    """Most rows, then the latest, then the smallest text without case (rule 15); the smallest spelling of it."""
    groups: dict[str, list[tuple[datetime, str]]] = {}
    for at, value in rows:
        groups.setdefault(value.lower(), []).append((at, value))
    if not groups:
        return None
    best = min(groups, key=lambda key: (-len(groups[key]), -max(at for at, _ in groups[key]).timestamp(), key.encode()))
    return min((value for _, value in groups[best]), key=str.encode)


@settings(max_examples=40, deadline=None)
@given(
    products=st.lists(st.tuples(st.integers(0, 5), BRANDS), min_size=1, max_size=8),
    bought=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=25),
)
def test_a_favourite_is_the_same_by_number_as_by_text(
    products: list[tuple[int, str]], bought: list[tuple[int, int, int]]
) -> None:
    brands: dict[int, str] = {}
    for ref, brand in products:  # a product that stands twice counts as it stood first
        brands.setdefault(ref, brand)
    start = datetime(2017, 1, 1, tzinfo=UTC)
    times = {order: start + timedelta(days=order) for order in range(12)}
    lines = [(customer, (customer, day), product) for customer, product, day in bought]
    files = {
        "customers": [{"customer_id": f"c{who}", "email": f"p{who}@example.com"} for who in range(3)],
        "products": [
            {"product_id": f"p{ref}", "brand": brand, "category": brand[:1], "colour": "Red"} for ref, brand in products
        ],
        "orders": [
            {"order_id": f"o{who}-{day}", "customer_id": f"c{who}", "ordered_at": times[day].isoformat(), "total": "1"}
            for who, day in dict.fromkeys(order for _, order, _ in lines)
        ],
        "order_lines": [
            {"order_id": f"o{who}-{day}", "product_id": f"p{product}", "quantity": "1"}
            for _, (who, day), product in lines
        ],
    }
    with opened(files) as shop:
        found = favourites(shop)
    for who in range(3):
        mine = [(times[day], brands.get(product, "")) for customer, (_, day), product in lines if customer == who]
        assert found[f"c{who}"]["order_lines_brand"] == expected([(at, brand) for at, brand in mine if brand])
        assert found[f"c{who}"]["order_lines_category"] == expected([(at, brand[:1]) for at, brand in mine if brand])


@pytest.mark.parametrize(("brands", "is_numbered"), [(["Acme", "Zed", ""], True), (["Acme", "ACME", "Zed"], False)])
def test_only_values_that_case_does_not_join_have_numbers(brands: list[str], *, is_numbered: bool) -> None:
    files = {
        "customers": [{"customer_id": "c1", "email": "a@example.com"}],
        "products": [{"product_id": f"p{ref}", "brand": brand} for ref, brand in enumerate(brands)],
        "cart_adds": [
            {"customer_id": "c1", "product_id": f"p{ref}", "happened_at": "2017-01-01"} for ref in range(len(brands))
        ],
    }
    with opened(files) as shop:
        assert (number("brand") in shop.database.columns("cart_adds")) is is_numbered
        assert (shop.sources()["cart_adds"].columns["brand"].numbered_in is not None) is is_numbered
        assert shop.sources()["order_lines"].columns["brand"].numbered_in is None  # there are none
        assert favourites(shop)["c1"]["cart_adds_brand"] == ("Acme" if is_numbered else "ACME")


def test_every_row_has_its_persons_number_however_it_came(tmp_path: Path) -> None:
    at = datetime(2017, 2, 1, tzinfo=UTC)
    pulled = tmp_path / "pulled.parquet"
    event = {
        "event_id": "e1",
        "email": "B@example.com",
        "kind": "open",
        "happened_at": at,
        "campaign": "k",
        "raw": "{}",
    }
    pq.write_table(pa.Table.from_pylist([event]), pulled)
    code = {"code_id": "k", "customer_id": "c3", "offer": "thanks", "state": "pushed", "issued_at": at}
    left = {"customer_id": "c1", "email": None, "destination": "news", "left": "complaint", "at": at, "first_seen": at}
    schema = pa.schema(
        [(one, pa.string()) for one in ("customer_id", "email", "destination", "left")]
        + [(one, pa.timestamp("us", "UTC")) for one in ("at", "first_seen")]
    )
    overlays = Overlays(
        suppressions=pa.Table.from_pylist([left], schema=schema),
        email_events=[pulled],
        codes=pa.Table.from_pylist([code]),
    )
    people = ["c2,b@example.com", "c1,a@example.com", "c3,B@EXAMPLE.com", "c0,"]  # c3 is c2
    files = {
        "customers": [dict(zip(("customer_id", "email"), one.split(","), strict=True)) for one in people],
        "orders": [{"order_id": "o1", "customer_id": "c3", "ordered_at": "2017-01-01", "total": "1"}],
        "order_lines": [{"order_id": "o1", "product_id": "p1", "quantity": "1"}],
        "views": [{"email": "b@example.com", "happened_at": "2017-01-01"}],
        "customer_lists": [{"customer_id": "c3", "list": "interests", "value": "yoga"}],
        "reviews": [{"customer_id": "c3", "happened_at": "2017-01-01"}],
    }
    with opened(files, overlays, reviews=OwnTable(table="reviews")) as shop:
        numbers = dict(shop.database.rows(f"SELECT customer_id, {name(NUMBER)} FROM customers"))
        assert sorted(numbers, key=numbers.__getitem__) == ["c0", "c1", "c2"]
        counted = {}
        for table in shop.tables.keys() - {"customers", "products"}:
            found = shop.database.rows(f"SELECT customer_id, {name(NUMBER)} FROM {name(table)}")
            assert all(numbers[customer] == place for customer, place in found), table
            counted[table] = len(found)
        assert counted == {
            **dict.fromkeys(("orders", "order_lines", "views", "customer_lists", "reviews", "codes"), 1),
            "email_events": 2,
            **dict.fromkeys(("cart_adds", "searches", "sessions", "referrals"), 0),
        }
        assert all(NUMBER not in row for rows in shop.rows_of("c2").values() for row in rows)
