"""A shop's tables with proper types, as Parquet files and in any engine, for the tests of shops in databases."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from recipe_lab import PLACES, RECIPES, TRAITS, library_segment

from engine.client.inputs import vocabulary
from engine.compute import compute
from engine.segments import Catalogue, Definitions, build_catalogue
from engine.shop import Overlays, OwnTable, Shop, ShopSource, open_shop
from engine.tables import Database
from engine.traits import TraitDefinition
from engine.warehouse import Terms, Warehouse, WarehouseShop, open_there

ZONE, CURRENCY = ZoneInfo("Europe/Paris"), "EUR"
NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
SCHEMAS = (f"raw_{number}" for number in count())
TEXT, WHOLE, FLAG, DAY = pa.string(), pa.int64(), pa.bool_(), pa.date32()
MONEY, FLOAT = pa.decimal128(12, 2), pa.float64()
AWARE, WALL = pa.timestamp("us", "UTC"), pa.timestamp("us")
Rows = Sequence[Mapping[str, Any]]
ODD = 0.1


@dataclass(frozen=True)
class Raw:
    """Tables as a database would have them, and how the client's config names them."""

    tables: Mapping[str, pa.Table]
    mapping: Mapping[str, Any] | None = None
    own: Mapping[str, OwnTable] | None = None


def table(kinds: Mapping[str, pa.DataType], rows: Rows) -> pa.Table:
    """Rows as a table; a key that is missing is NULL."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(list(kinds.items())))


CREATE: Mapping[str, tuple[str, str]] = {  # engine → schema, table
    "duckdb": ("CREATE SCHEMA IF NOT EXISTS {schema}", "CREATE OR REPLACE TABLE {schema}.{table} AS {select}"),
    "postgres": ("CREATE SCHEMA IF NOT EXISTS {schema}", "CREATE TABLE {schema}.{table} AS {select}"),
    "clickhouse": ("CREATE DATABASE IF NOT EXISTS {schema}", "CREATE TABLE {schema}.{table} ENGINE = MergeTree ORDER BY tuple() AS {select}"),
    "spark": ("CREATE DATABASE IF NOT EXISTS {schema} LOCATION '{folder}'", "CREATE TABLE {schema}.{table} AS {select}"),
}  # fmt: skip
INSTANT = {
    "duckdb": "CAST({} AS TIMESTAMPTZ)",
    "postgres": "{} AT TIME ZONE 'UTC'",
    "clickhouse": "{}",
    "spark": "CAST({} AS TIMESTAMP_LTZ)",
}


def load(host: Any, raw: Raw, folder: Path) -> str:
    """Make the tables in an engine, in a new schema; returns its name."""
    schema = next(SCHEMAS)
    for_schema, for_table = CREATE[host.name]
    quote = "`" if host.name in {"spark", "clickhouse"} else '"'
    host.execute(for_schema.format(schema=schema, folder=folder / "spark"))
    for name, rows in raw.tables.items():
        cells = []
        for one in rows.schema:
            quoted = f"{quote}{one.name}{quote}"
            is_aware = pa.types.is_timestamp(one.type) and one.type.tz is not None
            cells.append(f"{INSTANT[host.name].format(quoted)} AS {quoted}" if is_aware else quoted)
        host.register("given", rows.cast(pa.schema([_naive(one) for one in rows.schema])))
        select = f"SELECT {', '.join(cells)} FROM given"
        host.execute(for_table.format(schema=schema, table=f"{quote}{name}{quote}", select=select))
        host.unregister("given")
    return schema


def _naive(one: pa.Field) -> pa.Field:
    return pa.field(one.name, pa.timestamp("us")) if pa.types.is_timestamp(one.type) else one


def write(raw: Raw, folder: Path) -> Path:
    """The same tables as files, sorted as a copy would be."""
    folder.mkdir(parents=True)
    for name, rows in raw.tables.items():
        pq.write_table(rows, folder / "unsorted")
        with Database() as database:
            select = f"SELECT * FROM read_parquet('{folder / 'unsorted'}') ORDER BY ALL"
            database.execute(f"COPY ({select}) TO '{folder / name}.parquet' (FORMAT parquet)")
        (folder / "unsorted").unlink()
    return folder


def opened_from_files(raw: Raw, folder: Path, overlays: Overlays | None = None, *, now: datetime = NOW) -> Shop:
    """The shop as DuckDB has it from files."""
    source = ShopSource(path=write(raw, folder), mapping=raw.mapping or {}, own=raw.own or {})
    return open_shop(source, zone=ZONE, currency=CURRENCY, now=now, overlays=overlays, database=Database(threads=1))


def opened_there(
    host: Any, raw: Raw, folder: Path, overlays: Overlays | None = None, *, now: datetime = NOW
) -> WarehouseShop:
    """The shop as its own engine has it."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = load(host, raw, folder)
    warehouse = Warehouse(host=host, schema=schema, mapping=raw.mapping or {}, own=raw.own or {})
    terms = Terms(zone=ZONE, currency=CURRENCY, now=now, overlays=overlays)
    with Database(threads=1) as scratch:
        return open_there(warehouse, terms, folder, scratch)


def content(shop: Shop | WarehouseShop, name: str) -> list[tuple[Any, ...]]:
    """A neutral table's rows in some fixed order, without their numbers."""
    shape = shop.tables[name]
    columns = sorted(set(shape.everything) | (set(shop.lists) if name == "customers" else set()))
    quote = "`" if shop.database.name in {"spark", "clickhouse"} else '"'
    rows = shop.database.query(f"SELECT {', '.join(quote + one + quote for one in columns)} FROM {quote}{name}{quote}")
    assert rows.column_names == columns
    return sorted((tuple(map(_plain, row.values())) for row in rows.to_pylist()), key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return Decimal(value).quantize(Decimal("0.0001"))
    return (tuple(value) or None) if isinstance(value, list) else value  # ClickHouse has no unknown list


def library(shop: Shop | WarehouseShop, names: Sequence[str] = tuple(RECIPES)) -> Catalogue:
    """Shipped recipes as segments over a shop."""
    traits = tuple(TraitDefinition(name=name, value=value) for name, value in TRAITS.items())
    segments = tuple(library_segment(name) for name in names)
    return build_catalogue(
        Definitions(traits=traits, segments=segments, recipes=RECIPES), vocabulary(shop, CURRENCY), PLACES
    )


def people(shop: Shop | WarehouseShop, catalogue: Catalogue) -> dict[str, list[str]]:
    """The members of every segment, and who may be written to."""
    found = compute(shop, catalogue, NOW, ZONE)
    reached = found.table.filter(found.table["reachable_email"])["customer_id"].to_pylist()
    return {name: found.members(name)["customer_id"].to_pylist() for name in found.segments} | {"reachable": reached}


NOTED = ("reviews", "surveys", "referred")  # sources that recipes ask for


# a shop where everything happens that may happen to a row


def moments(draw: random.Random, *, wall: bool = False) -> datetime:
    """A time of the last year, now and then in the hour that a clock change repeats or skips, or in the future."""
    odd = ["2025-10-26T02:30", "2025-10-26T00:30", "2026-03-29T02:30", "2026-12-01"]
    year = datetime.fromisoformat("2025-04-01") + timedelta(seconds=draw.randrange(31_000_000))
    local = datetime.fromisoformat(draw.choice(odd)) if draw.random() < ODD else year
    return local if wall else local.replace(tzinfo=UTC)


def mixed(seed: int, engine: str, *, size: int = 40) -> Raw:
    """Tables of a shop with every fault that typed columns can have, but what `engine` has no words for."""
    draw = random.Random(seed)  # noqa: S311 - the same rows each time
    walls, decomposed = engine != "clickhouse", engine != "spark"  # docs/scaling.md
    words = [
        "Thé",
        "The\u0301" if decomposed else "Thé",
        "savon",
        " savon ",
        "SAVON",
        "",
        "  ",
        None,
        "a'b\"c",
        "été|noir",
        "\u00a0sel",
    ]
    ids = [f"c{n}" for n in range(size)]
    products = [f"p{n}" for n in range(size // 4)]

    def some(values: Sequence[Any], nothing: float = 0.1) -> Any:
        return None if draw.random() < nothing else draw.choice(values)

    def padded(value: str) -> str:
        return draw.choice([value, value, value, f" {value}", f"{value}\u00a0"])

    def address(n: int) -> str | None:
        host = draw.choice(["example.org", "Example.ORG", "exämple.org", "xn--exmple-cua.org"])
        return draw.choice([f"u{n // 2}@{host}", f" U{n // 2}@{host} ", f"u{n}@example.net", "no address", "", None])

    people = [
        {
            "customer_id": padded(one), "email": address(n), "first_name": some(words), "gender": some(["F", "homme", "x", "female"]),
            "country": some(["FR", "be"]), "phone": some(["06 12 34 56 78", "+33612345678", "0"]), "birth_date": some([date(1990, 2, 28), date(2000, 2, 29)]),
            "created_at": some([moments(draw)]), "consent_email": some(["subscribed", "Subscribed", "unsubscribed", "never", "perhaps"]),
            "consent_email_at": some([moments(draw)]), "consent_tracking": some([True, False]), "Loyalty Points": some([3, 40]), "score": some([0.5, 1.25, float("nan")]), "is vip": some([True, False]),
        }
        for n, one in enumerate(ids)
    ]  # fmt: skip
    people += [{**people[3], "first_name": "again"}, {**people[5], "customer_id": None}]
    known = [*ids, "c1 ", "nobody", None]
    time = "happened_at"
    wall = WALL if walls else AWARE

    def when() -> Any:
        return some([moments(draw, wall=walls)], 0.03)

    orders = [
        {
            "order_id": some([n], 0.02), "customer_id": draw.choice(known), "ordered_at": some([moments(draw)], 0.02), "total": some([10.005, 3.0, 250.5, float("nan"), float("inf"), 1e17, -4.0], 0.02),
            "status": some(["paid", "Cancelled", "TEST", " refunded", ""]), "currency": some(["EUR", "eur", "USD"], 0.5), "refunded": some([Decimal("3.00"), Decimal("0.00"), Decimal("250.50")], 0.6),
            "coupon": some(["SPRING", None]), "gift": some([0, 1]),
        }
        for n in range(size * 3)
    ]  # fmt: skip
    orders += orders[:9]
    lines = [
        {"order_id": some([draw.randrange(size * 3), 7, 99_999], 0.02), "product_id": some(products, 0.02), "quantity": some([1, 2, 5], 0.02), "price": some([Decimal("2.50"), Decimal("19.99")])}
        for _ in range(size * 6)
    ]  # fmt: skip
    goods = [{"product_id": one, "name": one.upper(), "brand": some(words), "category": some(words), "colour": some(words), "price": some([Decimal("2.50")]), "launched_at": some([moments(draw)])} for one in products]  # fmt: skip
    goods.append(goods[0])
    carts = [{"customer_id": draw.choice(known), "product_id": some(products), time: when(), "quantity": some([1.0, 2.5, float("nan")])} for _ in range(size * 2)]  # fmt: skip
    views = [{"customer_id": draw.choice(known), time: when(), "product_id": some(products), "category": some(words), "kind": some(["page", "Product", "download", "page "], 0.3)} for _ in range(size * 4)]  # fmt: skip
    views += [{"customer_id": "c1", time: when(), "kind": "other"}]
    searches = [{"customer_id": draw.choice(known), "term": some(words), "day": date(2026, 1, 1 + draw.randrange(28))} for _ in range(size)]  # fmt: skip
    mails = [
        {
            "event_id": f"e{n}", "customer_id": some(known, 0.5), "email": address(draw.randrange(size)), "kind": some(["send", "open", "open", "click", "bounce", "complaint", "unsubscribe", "strange"], 0.02), time: some([moments(draw)], 0.02),
            "campaign": some(words), "product_id": some(products, 0.7), "brand": some(words, 0.8), "hard": some([True, False], 0.5), "is_machine": some([True, False], 0.5),
        }
        for n in range(size * 5)
    ]  # fmt: skip
    mails += mails[:9]
    lists = [{"customer_id": draw.choice(known), "list": some(["interests", "Pref Content", "topics"]), "value": some(words)} for _ in range(size)]  # fmt: skip
    notes = [{"client": draw.choice(known), "written": when(), "score": some([1, 5]), "verified": some([True, False]), "title": some(words)} for _ in range(size)]  # fmt: skip
    money = {"total": FLOAT, "status": TEXT, "currency": TEXT, "refunded": MONEY, "coupon": TEXT, "gift": WHOLE}
    return Raw(
        tables={
            "customers": table({"customer_id": TEXT, "email": TEXT, "first_name": TEXT, "gender": TEXT, "country": TEXT, "phone": TEXT, "birth_date": DAY, "created_at": AWARE, "consent_email": TEXT, "consent_email_at": AWARE, "consent_tracking": FLAG, "Loyalty Points": WHOLE, "score": FLOAT, "is vip": FLAG}, people),
            "orders": table({"order_id": WHOLE, "customer_id": TEXT, "ordered_at": AWARE, **money}, orders),
            "order_lines": table({"order_id": WHOLE, "product_id": TEXT, "quantity": WHOLE, "price": MONEY}, lines),
            "products": table({"product_id": TEXT, "name": TEXT, "brand": TEXT, "category": TEXT, "colour": TEXT, "price": MONEY, "launched_at": AWARE}, goods),
            "cart_adds": table({"customer_id": TEXT, "product_id": TEXT, time: wall, "quantity": FLOAT}, carts),
            "views": table({"customer_id": TEXT, time: wall, "product_id": TEXT, "category": TEXT, "kind": TEXT}, views),
            "searches": table({"customer_id": TEXT, "term": TEXT, "day": DAY}, searches),
            "email_events": table({"event_id": TEXT, "customer_id": TEXT, "email": TEXT, "kind": TEXT, time: AWARE, "campaign": TEXT, "product_id": TEXT, "brand": TEXT, "hard": FLAG, "is_machine": FLAG}, mails),
            "customer_lists": table({"customer_id": TEXT, "list": TEXT, "value": TEXT}, lists),
            "notes": table({"client": TEXT, "written": wall, "score": WHOLE, "verified": FLAG, "title": TEXT}, notes),
        },
        mapping={
            "customers": {"columns": {"loyalty_points": "Loyalty Points"}, "values": {"consent_email": {"perhaps": "pending"}}},
            "searches": {"columns": {"happened_at": "day"}},
            **{name: {"columns": {"written_at": "written"}} for name in NOTED},
        },
        own={name: OwnTable(table="notes", customer="client", time="written_at", columns={"score": "number", "verified": "boolean"}) for name in NOTED},
    )  # fmt: skip
