"""What codes brought, counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from shop_folder import Folder, folder_in

from engine.measure import Sold, sold

SINCE, NOW = datetime(2018, 1, 1, tzinfo=UTC), datetime(2018, 2, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("offer", pa.string()),
        ("order_id", pa.string()),
        *((name, INSTANT) for name in ("issued_at", "pushed_at", "redeemed_at")),
    ]
)
ORDERS = """order_id,customer_id,ordered_at,total,refunded,discount
o1,a,2018-01-10,50.00,,5.00
o2,b,2018-01-12,30.10,10.05,3.00
o3,c,2017-12-20,99.00,,9.00
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    for folder in folder_in(tmp_path):
        assert isinstance(folder, Folder)
        folder.customers("a,ann@x.com", "b,bob@x.com", "c,cat@x.com")
        folder.write("orders.csv", ORDERS)
        yield folder.open(now=NOW)


def day(number: int, month: int = 1, year: int = 2018) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def given(*rows: tuple[Any, ...]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def test_money_is_of_the_orders_that_used_a_code_in_the_time(shop: Any) -> None:
    codes = given(
        ("thanks", "o1", day(2), day(3), day(10)),
        ("thanks", "o2", day(20, 12, 2017), day(3), day(12)),
        ("thanks", "o3", day(1, 12, 2017), day(2, 12, 2017), day(20, 12, 2017)),
        ("thanks", None, day(4), None, None),
        ("welcome", None, day(5), day(6), None),
        ("old", "o3", day(1, 12, 2017), None, day(20, 12, 2017)),
    )
    assert sold(shop, codes, since=SINCE, now=NOW) == [
        Sold(offer="thanks", issued=2, sent=2, redeemed=2, revenue=Decimal("70.05"), discount=Decimal("8.00")),
        Sold(offer="welcome", issued=1, sent=1, redeemed=0, revenue=Decimal(0), discount=None),
    ]


def test_a_code_whose_order_the_shop_does_not_have_is_used_and_brings_nothing(shop: Any) -> None:
    [one] = sold(shop, given(("thanks", "o9", day(2), None, day(10))), since=SINCE, now=NOW)
    assert (one.redeemed, one.revenue, one.discount) == (1, Decimal(0), None)


def test_without_codes_there_is_no_offer(shop: Any) -> None:
    assert sold(shop, given(), since=SINCE, now=NOW) == []
