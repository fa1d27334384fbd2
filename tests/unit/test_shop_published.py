"""Published numbers of two public shops, through a mapping and a small conversion; the data stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from shop_folder import Folder, folder_in, rows

from engine.tables import Database, text

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the folder shared/data is not beside the repository")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    yield from folder_in(tmp_path_factory.mktemp("shop"))


def copy(database: Database, query: str, file: Path) -> None:
    database.execute(
        f"COPY ({query}) TO {text(str(file))} (FORMAT {'csv, HEADER' if file.suffix == '.csv' else 'parquet'})"
    )


def convert_online_retail(folder: Folder) -> None:
    """Invoices become orders; a number that starts with C is a cancellation; nobody has an address."""
    with Database() as database:
        database.execute(
            f"CREATE VIEW retail AS FROM read_parquet({text(str(DATA / 'online_retail' / 'onlineretail.parquet'))})"
        )
        copy(
            database,
            "SELECT DISTINCT CustomerID::DOUBLE AS customer_id, '' AS email FROM retail WHERE CustomerID IS NOT NULL",
            folder.path / "customers.parquet",
        )
        copy(
            database,
            "SELECT InvoiceNo AS order_id, any_value(CustomerID) AS customer_id, min(InvoiceDate) AS ordered_at, sum(Quantity * UnitPrice::DECIMAL(18,4)) AS total,"
            " CASE WHEN starts_with(InvoiceNo, 'C') THEN 'cancelled' END AS status FROM retail GROUP BY InvoiceNo",
            folder.path / "orders.parquet",
        )
        lines = "SELECT InvoiceNo AS order_id, StockCode AS product_id, Quantity AS quantity, UnitPrice AS price FROM retail"
        copy(database, lines, folder.path / "order_lines.csv")


@needs_data
def test_online_retail_is_counted_as_published(folder: Folder) -> None:
    convert_online_retail(folder)
    shop = folder.open(zone="Europe/London")
    aside = {(found.file, found.reason): found.count for found in shop.set_aside}
    assert shop.counts["customers"] == 4372
    assert shop.counts["orders"] + aside["orders.parquet", "customer_id is missing"] == 25_900
    assert aside["order_lines.csv", "its order was set aside"] == 135_080
    assert shop.counts["order_lines"] == 541_909 - 135_080
    bought = "SELECT count(DISTINCT customer_id), count(DISTINCT order_id), count(*) FROM order_lines WHERE is_purchase"
    assert rows(shop, bought) == [(4339, 18_536, 397_924)]
    paid = "SELECT count(DISTINCT customer_id), count(DISTINCT order_id), round(sum(quantity * price), 2), sum(quantity) FROM order_lines WHERE is_purchase AND price > 0"
    assert rows(shop, paid) == [(4338, 18_532, Decimal("8911407.90"), Decimal(5_167_812))]


ADVENTURE = {
    "customers": {
        "file": "people.csv",
        "columns": {
            "customer_id": "CustomerKey",
            "email": "EmailAddress",
            "first_name": "FirstName",
            "last_name": "LastName",
            "birth_date": "BirthDate",
            "gender": "Gender",
        },
        "dates": ["%m/%d/%Y"],
    },
    "orders": {
        "columns": {"order_id": "OrderNumber", "customer_id": "CustomerKey", "ordered_at": "OrderDate"},
        "dates": ["%m/%d/%Y"],
    },
    "order_lines": {
        "columns": {
            "order_id": "OrderNumber",
            "product_id": "ProductKey",
            "quantity": "OrderQuantity",
            "price": "ProductPrice",
        }
    },
}


def convert_adventureworks(folder: Folder) -> None:
    """One row an order (two order numbers are shared by two customers: the customer is made part of them)."""
    source = DATA / "adventureworks"
    (folder.path / "people.csv").write_bytes((source / "AdventureWorks_Customers.csv").read_bytes())
    with Database() as database:
        database.execute(
            f"CREATE VIEW sales AS SELECT OrderNumber || '/' || CustomerKey AS OrderNumber, * EXCLUDE (OrderNumber) FROM read_csv({text(str(source / 'AdventureWorks_Sales_*.csv'))}, all_varchar = true)"
            f" JOIN (SELECT ProductKey, ProductPrice FROM read_csv({text(str(source / 'AdventureWorks_Products.csv'))}, all_varchar = true)) USING (ProductKey)"
        )
        orders = "SELECT OrderNumber, any_value(CustomerKey) AS CustomerKey, any_value(OrderDate) AS OrderDate, sum(OrderQuantity::INT * ProductPrice::DECIMAL(18,4)) AS total FROM sales GROUP BY 1"
        copy(database, orders, folder.path / "orders.csv")
        copy(
            database,
            "SELECT OrderNumber, ProductKey, OrderQuantity, ProductPrice FROM sales",
            folder.path / "order_lines.csv",
        )


@needs_data
def test_adventureworks_is_counted_as_published(tmp_path: Path) -> None:
    for folder in folder_in(tmp_path):
        convert_adventureworks(folder)
        shop = folder.open(ADVENTURE, zone="America/Los_Angeles")
        assert shop.set_aside == ()
        assert shop.counts["customers"] == 18_148
        assert rows(
            shop,
            "SELECT count(DISTINCT split_part(order_id, '/', 1)), count(DISTINCT customer_id), round(sum(total), 2) FROM orders",
        ) == [(25_162, 17_411, Decimal("24914586.82"))]
        assert shop.counts["order_lines"] == 56_046
        assert rows(shop, "SELECT count(*) FROM customers ANTI JOIN orders USING (customer_id)") == [(737,)]
        birthdays = "SELECT count(*) FILTER (month(birth_date) = 12 AND day(birth_date) = 8), count(*) FILTER (month(birth_date) = 2) FROM customers"
        assert rows(shop, birthdays) == [(19, 1652)]
        assert rows(shop, "SELECT gender, count(*) FROM customers WHERE gender IS NULL GROUP BY 1") == [(None, 130)]
        assert rows(shop, "SELECT count(*) FROM customers WHERE email <> strip_accents(email)") == [(39,)]
