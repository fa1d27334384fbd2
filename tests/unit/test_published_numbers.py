"""Published numbers of public shops, asked for in the segment language over a mapping; the data stays where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from shop_folder import Folder, folder_in
from test_shop_published import ADVENTURE, DATA, convert_adventureworks, convert_online_retail, copy, needs_data

from engine.client.inputs import vocabulary
from engine.compute import Membership, compute
from engine.segments import Definitions, SegmentDefinition, build_catalogue
from engine.segments.definition import SourceDefinition
from engine.shop import OwnTable, Shop
from engine.tables import Database, text
from engine.traits import TraitDefinition


def asked(
    shop: Shop,
    now: datetime,
    zone: str,
    segments: Mapping[str, str],
    traits: Mapping[str, str] | None = None,
    **where: str,
) -> Membership:
    """The answers to definitions; `where` are the client's own filters by source."""
    definitions = Definitions(
        segments=tuple(SegmentDefinition(name=name, where=text) for name, text in segments.items()),
        traits=tuple(TraitDefinition(name=name, value=text) for name, text in (traits or {}).items()),
        sources=tuple(SourceDefinition(name=name, where=text) for name, text in where.items()),
    )
    return compute(shop, build_catalogue(definitions, vocabulary(shop, "EUR")), now, ZoneInfo(zone))


def sizes(found: Membership) -> dict[str, int]:
    return {name: found.members(name).num_rows for name in found.segments}


def total(found: Membership, trait: str) -> Decimal:
    return sum((value for value in found.table[f"trait:{trait}"].to_pylist() if value is not None), Decimal(0))


# Online Retail

RETAIL_NOW = datetime(2012, 1, 1, 12, tzinfo=UTC)
COHORT = [948, 362, 317, 367, 341, 376, 360, 336, 336, 374, 354, 474, 260]


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    for folder in folder_in(tmp_path_factory.mktemp("retail")):
        convert_online_retail(folder)
        yield folder.open(zone="Europe/London", now=RETAIL_NOW)


@needs_data
def test_online_retail_the_cohort_of_december_2010_comes_back_as_published(retail: Shop) -> None:
    months = ["2010-12", *(f"2011-{month:02d}" for month in range(1, 13))]
    segments = {
        f"m{index}": f"first(all_orders.ordered_at) in 2010-12 and did(all_orders, {month})"
        for index, month in enumerate(months)
    }
    assert list(sizes(asked(retail, RETAIL_NOW, "Europe/London", segments)).values()) == COHORT


@needs_data
def test_online_retail_revenue_per_order_and_customer_are_as_published(retail: Shop) -> None:
    found = asked(
        retail, RETAIL_NOW, "Europe/London",
        {"buyers": "count(orders) > 0", "payers": "did(orders where total > 0)", "cancelled_only": "count(all_orders) > 0 and never(orders)"},
        {"spent": "sum(orders.total)", "paid": "count(orders where total > 0)", "placed": "count(orders)", "units": "sum(order_lines.quantity where price > 0)"},
    )  # fmt: skip
    assert sizes(found) == {"buyers": 4339, "payers": 4338, "cancelled_only": 33}
    spent, paid = total(found, "spent"), total(found, "paid")
    assert (round(spent, 2), paid, total(found, "placed")) == (Decimal("8911407.90"), 18_532, 18_536)
    assert total(found, "units") == 5_167_812
    assert round(spent / paid, 2) == Decimal("480.87")
    assert round(spent / 4338, 2) == Decimal("2054.27")


def convert_netted(folder: Folder) -> None:
    """Exact duplicates removed; a cancellation is an order of a negative amount, so that amounts net."""
    with Database() as database:
        source = text(str(DATA / "online_retail" / "onlineretail.parquet"))
        database.execute(
            f"CREATE VIEW retail AS SELECT DISTINCT * FROM read_parquet({source}) WHERE CustomerID IS NOT NULL"
        )
        copy(
            database,
            "SELECT DISTINCT CustomerID::INT AS customer_id, '' AS email FROM retail",
            folder.path / "customers.parquet",
        )
        copy(
            database,
            "SELECT InvoiceNo AS order_id, any_value(CustomerID)::INT AS customer_id, min(InvoiceDate) AS ordered_at,"
            " sum(Quantity * UnitPrice::DECIMAL(18,4)) AS total FROM retail GROUP BY InvoiceNo",
            folder.path / "orders.parquet",
        )  # fmt: skip


@needs_data
def test_online_retail_cancellations_net_to_what_is_published(tmp_path: Path) -> None:
    for folder in folder_in(tmp_path):
        convert_netted(folder)
        shop = folder.open(zone="Europe/London", now=RETAIL_NOW)
        ids = ("12346", "12347", "12348")
        traits = {"invoices": "count(all_orders)", "money": "sum(all_orders.total)"}
        found = asked(shop, RETAIL_NOW, "Europe/London", {"them": f"customer_id in {ids}"}, traits).members("them")
        rows = {row["customer_id"]: (row["trait:invoices"], row["trait:money"]) for row in found.to_pylist()}
        assert rows == {"12346": (2, Decimal(0)), "12347": (7, Decimal(4310)), "12348": (4, Decimal("1797.24"))}


# AdventureWorks


@needs_data
def test_adventureworks_birthdays_are_as_published(tmp_path: Path) -> None:
    now = datetime(2018, 12, 1, 12, tzinfo=UTC)
    for folder in folder_in(tmp_path):
        convert_adventureworks(folder)
        shop = folder.open(ADVENTURE, zone="America/Los_Angeles", now=now)
        segments = {
            "eighth": "birthday in 2018-12-08", "in_a_week": "birthday in 7 days from now", "turn_of_the_year": "birthday in between 2018-12-28 and 2019-01-03",
            "season": "birth_date in every 12-28 to 01-03", "february": "month(birth_date) = 2",
        }  # fmt: skip
        counted = sizes(asked(shop, now, "America/Los_Angeles", segments))
        assert counted == {
            "eighth": 19,
            "in_a_week": 19,
            "turn_of_the_year": 86,
            "season": 86,
            "february": 1652,
        }
        from_28th = datetime(2018, 12, 28, 20, tzinfo=UTC)
        shop = folder.open(ADVENTURE, zone="America/Los_Angeles", now=from_28th)
        assert sizes(asked(shop, from_28th, "America/Los_Angeles", {"next": "birthday in next 7 days"})) == {"next": 86}
        later = datetime(2019, 7, 2, tzinfo=UTC)
        shop = folder.open(ADVENTURE, zone="America/Los_Angeles", now=later)
        found = asked(
            shop, later, "America/Los_Angeles", {"never": "count(orders) = 0"}, {"spent": "sum(orders.total)"}
        )
        assert sizes(found) == {"never": 737}
        assert round(total(found, "spent"), 2) == Decimal("24914586.82")


# Snowplow: each session is asked about as a customer is

SNOWPLOW = {
    "customers": {"columns": {"customer_id": "session", "email": "email"}},
    "views": {"columns": {"customer_id": "session", "happened_at": "derived_tstamp"}},
    "cart_adds": {"columns": {"customer_id": "session", "happened_at": "derived_tstamp", "product_id": "id"}},
    "orders": {
        "columns": {
            "customer_id": "session",
            "ordered_at": "derived_tstamp",
            "order_id": "event_id",
            "total": "revenue",
        }
    },
    "carts": {"columns": {"customer_id": "session", "happened_at": "derived_tstamp"}},
}
CARTS = OwnTable(table="carts", columns={"type": "text", "total_value": "number", "goods": "number"})
ANSWERED = {
    "carts": "count(carts where type = 'add_to_cart' and total_value = goods)",
    "emptied": "count(carts where type = 'remove_from_cart' and total_value = 0)",
    "removals": "count(carts where type = 'remove_from_cart')",
    "views": "count(views)",
    "adds": "count(cart_adds)",
    "orders": "count(orders)",
}


def convert_snowplow(folder: Folder) -> None:
    """Events with an action; a phone's session stands in another table; goods are the products of one event, together."""
    with Database() as database:
        for name, file in (("e", "snowplow_ecommerce_events"), ("a", "com_snowplowanalytics_snowplow_ecommerce_action_1"), ("c", "com_snowplowanalytics_snowplow_ecommerce_cart_1"), ("s", "com_snowplowanalytics_snowplow_client_session_1"), ("p", "com_snowplowanalytics_snowplow_ecommerce_product_1"), ("t", "com_snowplowanalytics_snowplow_ecommerce_transaction_1")):  # fmt: skip
            source = text(str(DATA / "snowplow_ecommerce" / "source" / f"{file}.csv"))
            database.execute(f"CREATE TABLE {name} AS FROM read_csv({source}, all_varchar = true)")
        database.execute(
            "CREATE VIEW acts AS SELECT coalesce(e.domain_sessionid, s.session_id) AS session, e.event_id, e.derived_tstamp, a.type"
            " FROM e JOIN a ON a.root_id = e.event_id LEFT JOIN s ON s.root_id = e.event_id"
        )
        goods = "(SELECT sum(price::DECIMAL(18,4)) FROM p WHERE p.root_id = event_id)"
        for name, query in {
            "customers": "SELECT DISTINCT session, '' AS email FROM acts",
            "views": "SELECT session, derived_tstamp FROM acts WHERE type IN ('product_view', 'list_view')",
            "cart_adds": "SELECT session, derived_tstamp, (SELECT min(id) FROM p WHERE p.root_id = event_id) AS id FROM acts WHERE type = 'add_to_cart'",
            "orders": "SELECT session, derived_tstamp, event_id, revenue FROM acts JOIN t ON t.root_id = event_id WHERE type = 'transaction'",
            "carts": f"SELECT session, derived_tstamp, type, total_value, {goods} AS goods FROM acts JOIN c ON c.root_id = event_id",
        }.items():
            copy(database, query, folder.path / f"{name}.csv")


def published(column: str) -> dict[str, object]:
    with Database() as database:
        source = text(str(DATA / "snowplow_ecommerce" / "expected" / "snowplow_ecommerce_sessions_expected.csv"))
        return {
            str(key): value
            for key, value in database.rows(f"SELECT domain_sessionid, {column} FROM read_csv({source})")
        }


@needs_data
def test_snowplow_sessions_and_their_carts_are_answered_as_published(tmp_path: Path) -> None:
    now = datetime(2023, 6, 1, tzinfo=UTC)
    for folder in folder_in(tmp_path):
        convert_snowplow(folder)
        shop = folder.open(SNOWPLOW, zone="UTC", own={"carts": CARTS}, now=now)
        assert shop.set_aside == ()
        segments = {"all": "true", "abandoned": f"{ANSWERED['carts']} > count(orders)"}
        found = asked(shop, now, "UTC", segments, ANSWERED)
        assert sizes(found) == {"all": 63, "abandoned": 11}
        told = {name: total(found, name) for name in ANSWERED}
        assert told == {"carts": 36, "emptied": 8, "removals": 15, "views": 279, "adds": 38, "orders": 14}
        flags = published("session_cart_abandoned")
        assert set(found.members("abandoned")["customer_id"].to_pylist()) == {
            key for key, flag in flags.items() if flag
        }
        for name, column in {"carts": "number_carts_created", "emptied": "number_carts_emptied", "views": "number_product_views", "adds": "number_add_to_carts", "orders": "total_number_transactions"}.items():  # fmt: skip
            ours = dict(
                zip(found.table["customer_id"].to_pylist(), found.table[f"trait:{name}"].to_pylist(), strict=True)
            )
            assert ours == {key: value or 0 for key, value in published(column).items()}, name
