"""A synthetic shop as `open_shop` leaves one: the neutral tables, typed, joined flat, one row after the other in time.

A customer has 10 orders, 20 order lines, 10 views, 2 cart adds and 10 mail events on average. Every cell is a function
of its row's number, so that two machines build the same shop with the same DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.shop.numbers import NUMBER, number, number_products, numbered
from engine.shop.schema import EMAIL_SOURCES, PURCHASE, TABLES, Source, sources
from engine.tables import Database, name

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Paris")
PRODUCTS = 2_000
NUMBERED = ("brand", "category", "colour")
OF_PRODUCTS = ("order_lines", "views", "cart_adds")
_SPAN = 3 * 365 * 86_400  # seconds of orders, up to now


def pick(salt: int, *choices: str) -> str:
    """One of several texts (`NULL` is none), by the row's number."""
    cases = ", ".join("NULL" if choice == "NULL" else f"'{choice}'" for choice in choices)
    return f"([{cases}])[1 + {draw(salt, len(choices))}]"


def draw(salt: int, below: int | str) -> str:
    """A whole number from 0 up to, and without, `below`, by the row's number."""
    return f"CAST(hash(i * 31 + {salt}) % {below} AS BIGINT)"


def _before_now(seconds: int, rows: str) -> str:
    """Rows in order of time, each up to a day off its place, none after now."""
    return f"TIMESTAMP '{NOW:%Y-%m-%d %H:%M:%S}' - to_seconds({seconds} - CAST(i * {seconds}.0 / {rows} AS BIGINT) + {draw(1, 86_400)})"


_CUSTOMERS = {
    "customer_id": "format('c{:08d}', i)",
    "email": f"CASE WHEN {draw(2, 50)} > 0 THEN format('person{{:08d}}@example.com', i) END",
    "email_invalid": "FALSE",
    "first_name": pick(3, "Ada", "Bruno", "Chloe", "David", "Emma", "NULL"),
    "last_name": pick(4, "Martin", "Bernard", "Thomas", "Petit"),
    "phone": f"CASE WHEN {draw(5, 2)} = 0 THEN format('+336{{:08d}}', i) END",
    "birth_date": f"CASE WHEN {draw(6, 10)} > 0 THEN DATE '1940-01-01' + CAST({draw(7, 24_000)} AS INTEGER) END",
    "gender": pick(8, "female", "male", "other", "NULL"),
    "language": pick(9, "fr", "en", "de"),
    "timezone": pick(10, "Europe/Paris", "Europe/Berlin"),
    "country": pick(11, "FR", "BE", "CH", "DE"),
    "region": pick(12, "Bretagne", "Occitanie", "Normandie", "Corse", "NULL"),
    "city": pick(13, "Paris", "Lyon", "Lille", "Nantes", "Bordeaux", "Rennes", "NULL"),
    "postcode": f"format('{{:05d}}', {draw(14, 95_000)})",
    "lat": f"43 + {draw(15, 7_000)} / 1000.0",
    "lon": f"-1 + {draw(16, 8_000)} / 1000.0",
    "climate_zone": pick(17, "oceanic", "continental", "mediterranean"),
    "density": pick(18, "urban", "rural"),
    "income": f"20000 + {draw(19, 60_000)}",
    "occupation": pick(20, "student", "employee", "retired", "NULL"),
    "education": pick(21, "master", "bachelor", "school"),
    "household": pick(22, "single", "couple", "family"),
    "company_size": f"CASE WHEN {draw(23, 5)} = 0 THEN {draw(24, 500)} END",
    "company_sector": pick(25, "retail", "health", "NULL", "NULL"),
    "utm_source": pick(26, "google", "facebook", "newsletter", "NULL"),
    "utm_campaign": pick(27, "summer_sale", "winter_sale", "brand", "NULL"),
    "loyalty_tier": pick(28, "gold", "silver", "NULL", "NULL"),
    "loyalty_points": draw(29, 1_000),
    "loyalty_points_expire_at": f"TIMESTAMP '2026-01-01' + to_days(CAST({draw(30, 365)} AS INTEGER))",
    "pref_frequency": pick(31, "weekly", "monthly", "NULL"),
    "consent_email": pick(32, "subscribed", "subscribed", "subscribed", "unsubscribed", "never"),
    "consent_email_at": f"TIMESTAMP '2026-01-15' - to_days(CAST({draw(33, 900)} AS INTEGER))",
    "consent_email_basis": "'consent'",
}
_PRODUCT = {
    "product_id": "format('p{:06d}', i)",
    "brand": f"format('Brand {{}}', {draw(40, 50)})",
    "category": f"format('category {{}}', {draw(41, 20)})",
    "colour": f"format('colour {{}}', {draw(42, 10)})",
    "price": f"5 + {draw(43, 20_000)} / 100.0",
    "complements": f"CASE WHEN {draw(44, 2)} = 0 THEN format('p{{:06d}}', {draw(45, 100)}) END",
    "upgrade_of": "CASE WHEN i % 4 = 0 AND i > 0 THEN format('p{:06d}', i - 1) END",
}
_CUSTOMER_OF_ROW = "format('c{:08d}', CAST(hash(i * 7 + 5) % $n AS BIGINT))"
_ORDERS = {
    "order_id": "format('o{:09d}', i)",
    "customer_id": _CUSTOMER_OF_ROW,
    "ordered_at": _before_now(_SPAN, "(10 * $n)"),
    "total": f"10 + {draw(50, 25_000)} / 100.0",
    "status": f"CASE WHEN {draw(51, 25)} = 0 THEN 'cancelled' ELSE 'paid' END",
    "currency": "'EUR'",
    "discount": f"CASE WHEN {draw(52, 10)} < 3 THEN {draw(53, 2_000)} / 100.0 ELSE 0 END",
    "coupon": f"CASE WHEN {draw(55, 10)} < 3 THEN format('CODE{{}}', {draw(56, 1_000)}) END",
    "channel": pick(54, "web", "store", "app"),
    "refunded": "0",
}
_LINES = {
    "order_id": "format('o{:09d}', i // 2)",
    "product_id": f"format('p{{:06d}}', {draw(60, PRODUCTS)})",
    "quantity": f"1 + {draw(61, 4)}",
    "price": f"5 + {draw(62, 20_000)} / 100.0",
    "discount": "0",
}
_OF_ORDER = ("customer_id", "ordered_at", "delivered_at", "status", "is_purchase")
_VIEWS = {
    "customer_id": _CUSTOMER_OF_ROW,
    "happened_at": _before_now(365 * 86_400, "(10 * $n)"),
    "product_id": f"format('p{{:06d}}', {draw(70, PRODUCTS)})",
    "url": f"format('https://shop.example/{{}}/{{}}', {pick(72, 'sale', 'new', 'guide', 'shoes', 'bags', 'home')}, {draw(73, 1_000)})",
    "kind": f"CASE WHEN {draw(71, 50)} = 0 THEN 'download' ELSE 'product' END",
}
_CART_ADDS = {
    "customer_id": _CUSTOMER_OF_ROW,
    "product_id": f"format('p{{:06d}}', {draw(80, PRODUCTS)})",
    "happened_at": _before_now(365 * 86_400, "(2 * $n)"),
    "quantity": "1",
}
_EMAIL_EVENTS = {
    "event_id": "format('e{:09d}', i)",
    "customer_id": _CUSTOMER_OF_ROW,
    "kind": f"CASE WHEN {draw(90, 1000)} < 3 THEN 'bounce' WHEN {draw(90, 1000)} < 5 THEN 'complaint' ELSE "
    + pick(91, *["send"] * 5, *["delivered"] * 3, *["open"] * 3, "click")
    + " END",
    "happened_at": _before_now(2 * 365 * 86_400, "(10 * $n)"),
    "campaign": f"format('campaign {{}}', {draw(92, 100)})",
    "brand": f"format('Brand {{}}', {draw(93, 50)})",
    "hard": f"{draw(94, 2)} = 0",
    "is_machine": f"{draw(95, 10)} = 0",
}
_LISTS = {
    "customer_id": "format('c{:08d}', i // 2)",
    "list": f"CASE WHEN i % 2 = 0 THEN 'interests' ELSE {pick(97, 'values', 'pref_content')} END",
    "value": pick(96, "yoga", "trail", "organic", "local", "art"),
}


def build(database: Database, customers: int) -> None:
    """Create every neutral table for this many customers."""
    _create(database, "customers", _CUSTOMERS, customers, customers)
    _create(database, "products", _PRODUCT, PRODUCTS, customers)
    _create(database, "orders", _ORDERS, 10 * customers, customers)
    database.execute(
        "CREATE OR REPLACE TABLE orders AS SELECT * REPLACE (ordered_at + to_days(3) AS delivered_at,"
        f" {PURCHASE.format(o='')} AS is_purchase) FROM orders"
    )
    joined = "LEFT JOIN products p ON t.product_id = p.product_id"
    product = "p.brand AS brand, p.category AS category, p.colour AS colour"
    related = "p.complements AS complements, p.upgrade_of AS upgrade_of"
    _create(database, "order_lines", _LINES, 20 * customers, customers)
    order = ", ".join(f"o.{cell} AS {cell}" for cell in _OF_ORDER)
    _rejoin(
        database, "order_lines", f"{order}, {product}, {related}", f"JOIN orders o ON t.order_id = o.order_id {joined}"
    )
    for table, columns, each in (("views", _VIEWS, 10), ("cart_adds", _CART_ADDS, 2)):
        _create(database, table, columns, each * customers, customers)
        _rejoin(database, table, product, joined)
    _create(database, "email_events", _EMAIL_EVENTS, 10 * customers, customers)
    flags = ", ".join(f"{condition} AS in_{source}" for source, condition in EMAIL_SOURCES.items())
    database.execute(f"CREATE OR REPLACE TABLE email_events AS SELECT * REPLACE ({flags}) FROM email_events")
    _create(database, "customer_lists", _LISTS, 2 * customers, customers)
    for table in ("searches", "sessions", "referrals", "codes"):
        _create(database, table, {}, 0, customers)


def cluster(database: Database, brought: str) -> None:
    """Have what `build` left in the schema `brought` as `open_shop` leaves a large shop: numbered, a customer's rows side by side."""
    person, of_product = name(NUMBER), [name(number(column)) for column in NUMBERED]
    _create_from(database, "products", "*", f"{name(brought)}.products")
    number_products(database)
    ids = f"*, CAST(row_number() OVER (ORDER BY customer_id) AS INTEGER) AS {person}"
    _create_from(database, "customers", ids, f"{name(brought)}.customers ORDER BY customer_id")
    for table in TABLES.keys() - {"customers", "products"}:
        joined = f"{name(brought)}.{name(table)} t JOIN customers c ON t.customer_id = c.customer_id"
        more = [f"c.{person}"]
        if table in OF_PRODUCTS:
            joined += " LEFT JOIN products p ON t.product_id = p.product_id"
            more += [f"p.{column}" for column in of_product]
        _create_from(database, table, f"t.*, {', '.join(more)}", f"{joined} ORDER BY c.{person}")


def neutral_sources(database: Database | None = None) -> Mapping[str, Source]:
    """What can be counted, in a database as it has the tables."""
    if database is None:
        return sources(TABLES)
    return sources({table: numbered(shape, database.columns(table)) for table, shape in TABLES.items()})


def _create_from(database: Database, table: str, cells: str, rows: str) -> None:
    database.execute(f"CREATE OR REPLACE TABLE {name(table)} AS SELECT {cells} FROM {rows}")


def _create(database: Database, table: str, columns: Mapping[str, str], rows: int, customers: int) -> None:
    shape = TABLES[table].everything
    cells = ", ".join(
        f"CAST({columns.get(column, 'NULL').replace('$n', str(customers))} AS {kind.physical}) AS {name(column)}"
        for column, kind in shape.items()
    )
    database.execute(f"CREATE OR REPLACE TABLE {name(table)} AS SELECT i AS row_id, {cells} FROM range({rows}) r(i)")


def _rejoin(database: Database, table: str, cells: str, joins: str) -> None:
    """Have a fact table joined flat, in its order."""
    database.execute(
        f"CREATE OR REPLACE TABLE {name(table)} AS SELECT t.* REPLACE ({cells}) FROM {name(table)} t {joins} ORDER BY t.row_id"
    )
