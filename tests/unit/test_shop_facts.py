from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from shop_folder import Folder, folder_in, reasons, rows

from engine.errors import ConfigError, DataError
from engine.shop import OwnTable
from engine.shop.mapping import read_mapping, shipped
from engine.shop.schema import TABLES, facts, physical, spoken


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


@pytest.fixture
def shop(folder: Folder) -> Folder:
    folder.customers("c1,a@example.com", "c2,b@example.com")
    folder.write("products.csv", "product_id,brand,category\np1,Acme,Shoes\np2,Acme,Hats\np1,Twice,Twice\n")
    return folder


def test_lines_carry_their_order_and_product(shop: Folder) -> None:
    shop.write("orders.csv", "order_id,customer_id,ordered_at,total,status\no1,c1,2017-01-02T10:00Z,10,paid\n")
    shop.write("order_lines.csv", "order_id,product_id,quantity,price\no1,p1,2,5\no1,unknown,1,\n")
    found = rows(
        shop.open(),
        "SELECT customer_id, status, brand, category, quantity, is_purchase, hour(ordered_at) FROM order_lines ORDER BY row_id",
    )
    assert found == [
        ("c1", "paid", "Acme", "Shoes", Decimal(2), True, 10),
        ("c1", "paid", None, None, Decimal(1), True, 10),
    ]


def test_a_line_without_its_order_is_set_aside_and_says_which_kind_of_absence(shop: Folder) -> None:
    shop.write(
        "orders.csv",
        "order_id,customer_id,ordered_at,total,currency\no1,c1,2017-01-02,10,USD\no2,c9,2017-01-02,10,EUR\no3,c1,2017-01-02,10,eur\n",
    )
    shop.write("order_lines.csv", "order_id,product_id,quantity\no1,p1,2\no2,p1,1\no3,p1,1\no4,p1,1\n,p1,1\n")
    opened = shop.open()
    assert set(reasons(opened)) == {
        ("products.csv", 4, "product_id stands twice"),
        ("orders.csv", 2, "is in another currency than EUR"),
        ("orders.csv", 3, "its customer is not in customers"),
        ("order_lines.csv", 2, "its order was set aside"),
        ("order_lines.csv", 5, "its order is not in orders"),
        ("order_lines.csv", 6, "order_id is missing"),
    }
    assert opened.counts["order_lines"] == 1


@pytest.mark.parametrize(
    ("status", "refunded", "is_purchase"),
    [
        ("", "", True), ("paid", "", True), ("Cancelled", "", False), ("canceled", "", False), ("TEST", "", False), ("refunded", "", False),
        ("paid", "9.99", True), ("paid", "10", False), ("paid", "11", False), ("paid", "0", True),
    ],
)  # fmt: skip
def test_a_purchase_is_not_cancelled_nor_a_test_nor_fully_refunded(
    shop: Folder, status: str, refunded: str, *, is_purchase: bool
) -> None:
    shop.write(
        "orders.csv",
        f"order_id,customer_id,ordered_at,total,status,refunded\no1,c1,2017-01-02,10,{status},{refunded}\n",
    )
    assert rows(shop.open(), "SELECT is_purchase FROM orders") == [(is_purchase,)]


def test_a_free_order_is_a_purchase_though_nothing_is_left_to_refund(shop: Folder) -> None:
    shop.write("orders.csv", "order_id,customer_id,ordered_at,total,refunded\no1,c1,2017-01-02,0,0\n")
    assert rows(shop.open(), "SELECT is_purchase FROM orders") == [(True,)]


def test_only_purchases_redeem_coupons(shop: Folder) -> None:
    shop.write(
        "orders.csv",
        "order_id,customer_id,ordered_at,total,status,coupon\no1,c1,2017-01-02,1,paid,Abc\no2,c1,2017-01-02,1,cancelled,DEF\no3,c1,2017-01-02,1,,\n",
    )
    found = shop.open().coupons()
    assert found.column("coupon").to_pylist() == ["Abc"]
    assert str(found.schema.field("ordered_at").type) == "timestamp[us, tz=UTC]"


def test_views_know_their_category_themselves_or_from_the_product(shop: Folder) -> None:
    shop.write(
        "views.csv",
        "customer_id,happened_at,product_id,category,kind\nc1,2017-01-01,p2,Sale,Product\nc1,2017-01-02,p2,,\nc1,2017-01-03,,,nonsense\n",
    )
    opened = shop.open()
    assert rows(opened, "SELECT category, brand, kind FROM views ORDER BY row_id") == [
        ("Sale", "Acme", "product"),
        ("Hats", "Acme", None),
    ]
    assert ("views.csv", 4, "kind is none of its values") in reasons(opened)


def test_an_event_of_a_kind_nobody_knows_is_other_and_its_brand_comes_from_the_product(shop: Folder) -> None:
    shop.write(
        "email_events.csv",
        "event_id,customer_id,kind,happened_at,product_id\ne1,c1,CLICK,2017-01-01,p1\ne2,c1,forwarded,2017-01-01,\n",
    )
    assert rows(shop.open(), "SELECT kind, brand, in_email_clicks FROM email_events ORDER BY 1") == [
        ("click", "Acme", True),
        ("other", None, False),
    ]


def test_a_customers_lists_are_traits(shop: Folder) -> None:
    shop.write(
        "customer_lists.csv",
        "customer_id,list,value\nc1,Interests,yoga\nc1,interests,trail\nc1,interests,yoga\nc2,Centres d'intérêt,eau\nc2,email,x\n",
    )
    opened = shop.open()
    assert opened.lists == ("centres_d_interet", "interests", "pref_content", "topics", "values")
    assert rows(opened, "SELECT interests, centres_d_interet FROM customers ORDER BY customer_id") == [
        (["trail", "yoga"], None),
        (None, ["eau"]),
    ]
    assert opened.vocabulary_facts()["interests"].type == "list"


def test_lists_by_address_are_those_of_the_person_and_bad_rows_of_them_are_told_in_their_turn(folder: Folder) -> None:
    folder.customers("c2,Ann@example.com", "c1,ann@example.com", "c3,b@example.com")
    folder.write("customer_lists.csv", "email,list,value\nANN@example.com ,topics,art\nnobody@example.com,topics,x\n")
    folder.write("views.csv", "customer_id,happened_at\nc9,2017-01-01\n")
    opened = folder.open()
    assert rows(opened, "SELECT customer_id, topics FROM customers ORDER BY 1") == [("c1", ["art"]), ("c3", None)]
    assert reasons(opened) == [
        ("views.csv", 2, "its customer is not in customers"),
        ("customer_lists.csv", 3, "its customer is not in customers"),
    ]


def test_every_source_and_fact_is_a_column_of_the_database(shop: Folder) -> None:
    opened = shop.open()
    for source in opened.sources().values():
        there = opened.database.columns(source.table)
        assert {"row_id", "customer_id", source.time, *source.columns} <= set(there)
        assert source.keep is None or there[source.keep] == "BOOLEAN"
    there = opened.database.columns("customers")
    assert {physical(fact) for fact in opened.vocabulary_facts()} - {"age", "birthday"} <= set(there)
    for table, shape in opened.tables.items():
        there = opened.database.columns(table)
        assert {column: there[column] for column in shape.everything} == {
            column: kind.physical for column, kind in shape.everything.items()
        }


def test_row_ids_are_unique_and_follow_the_file(shop: Folder) -> None:
    shop.write(
        "views.csv", "customer_id,happened_at\n" + "".join(f"c1,2017-01-01T00:{minute:02}Z\n" for minute in range(50))
    )
    assert rows(
        shop.open(), "SELECT bool_and(minute(happened_at) = row_id - 1), count(DISTINCT row_id) FROM views"
    ) == [(True, 50)]


def test_spoken_names_are_read_back() -> None:
    named = facts(TABLES["customers"], ["interests"])
    assert {"consent.email", "consent.email_at", "consent.sms", "age", "birthday", "interests"} <= set(named)
    assert all(physical(spoken(column)) == column for column in TABLES["customers"].columns)


# the shop's own tables and names


def test_a_table_of_the_shops_own_is_countable(shop: Folder) -> None:
    shop.write("reviews.csv", "id,client,written_at,stars\nr1,c1,2017-01-01,5\nr2,nobody,2017-01-01,4\n")
    opened = shop.open(own={"reviews": OwnTable(table="reviews", customer="client", time="written_at")})
    source = opened.sources()["reviews"]
    assert (source.table, source.time, source.columns["stars"].type) == ("reviews", "written_at", "number")
    assert rows(opened, "SELECT customer_id, stars FROM reviews") == [("c1", Decimal(5))]


def test_a_missing_own_table_is_said(shop: Folder) -> None:
    with pytest.raises(DataError, match="reviews"):
        shop.open(own={"reviews": OwnTable(table="reviews")})


def test_other_names_values_and_dates_are_mapped(folder: Folder) -> None:
    folder.write(
        "clients.csv",
        "id;courriel;né le;accord\n1;a@example.com;31/12/1980;Oui\n2;b@example.com;1980-12-31;non\n3;c@example.com;;jamais\n",
    )
    mapping = {
        "customers": {
            "file": "clients.csv",
            "columns": {"customer_id": "ID", "email": "courriel", "birth_date": "Né le", "consent_email": "accord"},
            "values": {"consent_email": {"oui": "subscribed", "Non": "unsubscribed"}},
            "dates": ["%d/%m/%Y"],
        }
    }
    opened = folder.open(mapping)
    assert reasons(opened) == [
        ("clients.csv", 3, "birth_date is not a date"),
        ("clients.csv", 4, "consent_email is none of its values"),
    ]
    assert rows(opened, "SELECT customer_id, consent_email, birth_date::VARCHAR FROM customers") == [
        ("1", "subscribed", "1980-12-31")
    ]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"custmers": {}}, "did you mean 'customers'"),
        ({"customers": {"colums": {}}}, "did you mean 'columns'"),
        ({"customers": {"columns": {"emial": "x"}}}, "did you mean 'email'"),
        ({"customers": {"columns": []}}, ""),
        ({"customers": "x.csv"}, "keys:"),
        ("shopyfi", "did you mean 'shopify'"),
    ],
)
def test_a_wrong_mapping_names_the_nearest(mapping: str | dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_mapping(mapping)
    assert words in (caught.value.hint or "")


def test_a_mapped_file_or_column_that_is_missing_is_said(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    with pytest.raises(DataError, match=r"clients\.csv is missing"):
        folder.open({"customers": {"file": "clients.csv"}})
    with pytest.raises(DataError, match="'Courriel' is missing"):
        folder.open({"customers": {"columns": {"email": "Courriel"}}})


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_mapping_reads(name: str) -> None:
    assert read_mapping(name)["customers"].columns["email"]


def test_shopifys_exports_are_a_shop(folder: Folder) -> None:
    folder.write(
        "customers_export.csv",
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Total Spent\n'77,Ann,Lee,ann@example.com,yes,30.00\n'78,Bob,Ray,bob@example.com,no,0.00\n",
    )
    folder.write(
        "orders_export.csv",
        "Name,Email,Financial Status,Currency,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku\n"
        "#1001,ANN@example.com,paid,EUR,30.00,WELCOME,5.00,2017-01-15 10:00:00 +0100,2,Mug,15.00,MUG\n"
        "#1001,ANN@example.com,,,,,,2017-01-15 10:00:00 +0100,1,Pen,5.00,PEN\n"
        "#1002,bob@example.com,voided,EUR,9.00,,,2017-01-16 10:00:00 +0100,1,Pen,9.00,PEN\n",
    )
    opened = folder.open("shopify")
    assert opened.set_aside == ()
    assert rows(
        opened, "SELECT order_id, customer_id, total, hour(ordered_at), is_purchase FROM orders ORDER BY 1"
    ) == [
        ("#1001", "'77", Decimal(30), 9, True),
        ("#1002", "'78", Decimal(9), 9, False),
    ]
    assert rows(opened, "SELECT product_id, quantity, customer_id FROM order_lines ORDER BY row_id LIMIT 2") == [
        ("MUG", Decimal(2), "'77"),
        ("PEN", Decimal(1), "'77"),
    ]


def test_a_neutral_table_can_be_read_at_another_time(shop: Folder) -> None:
    opened = shop.open(own={"deliveries": OwnTable(table="orders", time="delivered_at")})
    source = opened.sources()["deliveries"]
    assert (source.table, source.time, source.keep) == ("orders", "delivered_at", None)
    assert "is_purchase" not in source.columns
    assert opened.sources()["orders"].keep == "is_purchase"
