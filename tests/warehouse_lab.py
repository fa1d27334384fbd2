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


# a shop where everything happens that may happen to a row


def moments(draw: random.Random) -> datetime:
    """A local time of the last year, now and then in the hour that a clock change repeats or skips, or in the future."""
    odd = ["2025-10-26T02:30", "2025-10-26T00:30", "2026-03-29T02:30", "2026-12-01"]
    year = datetime.fromisoformat("2025-04-01") + timedelta(seconds=draw.randrange(31_000_000))
    return datetime.fromisoformat(draw.choice(odd)) if draw.random() < ODD else year


class Mix:
    """Rows that are drawn; what an engine has no words for is left out (docs/scaling.md)."""

    def __init__(self, seed: int, engine: str, size: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - the same rows each time
        self.size = size
        self.wall = AWARE if engine == "clickhouse" else WALL
        composed = "Thé" if engine == "spark" else "The\u0301"
        self.words = ["Thé", composed, "savon", " savon ", "SAVON", "", "  ", None, "a'b\"c", "été|noir", "\u00a0sel"]
        self.ids = [f"c{n}" for n in range(size)]
        self.known = [*self.ids, "c1 ", "nobody", None]
        self.products = [f"p{n}" for n in range(size // 4)]

    def some(self, values: Sequence[Any], nothing: float = 0.1) -> Any:
        return None if self.draw.random() < nothing else self.draw.choice(values)

    def word(self, nothing: float = 0.1) -> Any:
        return self.some(self.words, nothing)

    def who(self) -> Any:
        return self.draw.choice(self.known)

    def instant(self, nothing: float = 0.02) -> Any:
        return self.some([moments(self.draw).replace(tzinfo=UTC)], nothing)

    def local(self) -> Any:
        return self.instant(0.03) if self.wall == AWARE else self.some([moments(self.draw)], 0.03)

    def address(self, n: int) -> str | None:
        host = self.draw.choice(["example.org", "Example.ORG", "exämple.org", "xn--exmple-cua.org"])
        return self.draw.choice(
            [f"u{n // 2}@{host}", f" U{n // 2}@{host} ", f"u{n}@example.net", "no address", "", None]
        )

    def customers(self) -> pa.Table:
        some = self.some
        rows = [
            {
                "customer_id": self.draw.choice([one, one, one, f" {one}", f"{one}\u00a0"]), "email": self.address(n), "first_name": self.word(), "gender": some(["F", "homme", "x", "female"]),
                "country": some(["FR", "be"]), "phone": some(["06 12 34 56 78", "+33612345678", "0"]), "birth_date": some([date(1990, 2, 28), date(2000, 2, 29)]),
                "created_at": self.instant(0.1), "consent_email": some(["subscribed", "Subscribed", "unsubscribed", "never", "perhaps"]),
                "consent_email_at": self.instant(0.1), "consent_tracking": some([True, False]), "Loyalty Points": some([3, 40]), "score": some([0.5, 1.25, float("nan")]), "is vip": some([True, False]),
            }
            for n, one in enumerate(self.ids)
        ]  # fmt: skip
        rows += [{**rows[3], "first_name": "again"}, {**rows[5], "customer_id": None}]
        texts = dict.fromkeys(
            ("customer_id", "email", "first_name", "gender", "country", "phone", "consent_email"), TEXT
        )
        times = {"birth_date": DAY, "created_at": AWARE, "consent_email_at": AWARE}
        return table(
            {**texts, **times, "consent_tracking": FLAG, "Loyalty Points": WHOLE, "score": FLOAT, "is vip": FLAG}, rows
        )

    def orders(self) -> pa.Table:
        some = self.some
        rows = [
            {
                "order_id": some([n], 0.02), "customer_id": self.who(), "ordered_at": self.instant(), "total": some([10.005, 3.0, 250.5, float("nan"), float("inf"), 1e17, -4.0], 0.02),
                "status": some(["paid", "Cancelled", "TEST", " refunded", ""]), "currency": some(["EUR", "eur", "USD"], 0.5), "refunded": some([Decimal("3.00"), Decimal("0.00"), Decimal("250.50")], 0.6),
                "coupon": some(["SPRING", None]), "gift": some([0, 1]),
            }
            for n in range(self.size * 3)
        ]  # fmt: skip
        kinds = {"order_id": WHOLE, "customer_id": TEXT, "ordered_at": AWARE, "total": FLOAT, "status": TEXT}
        return table({**kinds, "currency": TEXT, "refunded": MONEY, "coupon": TEXT, "gift": WHOLE}, rows + rows[:9])

    def order_lines(self) -> pa.Table:
        some, last = self.some, self.size * 3
        rows = [
            {"order_id": some([self.draw.randrange(last), 7, 99_999], 0.02), "product_id": some(self.products, 0.02), "quantity": some([1, 2, 5], 0.02), "price": some([Decimal("2.50"), Decimal("19.99")])}
            for _ in range(self.size * 6)
        ]  # fmt: skip
        return table({"order_id": WHOLE, "product_id": TEXT, "quantity": WHOLE, "price": MONEY}, rows)

    def goods(self) -> pa.Table:
        rows = [
            {"product_id": one, "name": one.upper(), "brand": self.word(), "category": self.word(), "colour": self.word(), "price": self.some([Decimal("2.50")]), "launched_at": self.instant(0.1)}
            for one in self.products
        ]  # fmt: skip
        texts = dict.fromkeys(("product_id", "name", "brand", "category", "colour"), TEXT)
        return table({**texts, "price": MONEY, "launched_at": AWARE}, [*rows, rows[0]])

    def email_events(self) -> pa.Table:
        some = self.some
        kinds = ["send", "open", "open", "click", "bounce", "complaint", "unsubscribe", "strange"]
        rows = [
            {
                "event_id": f"e{n}", "customer_id": some(self.known, 0.5), "email": self.address(self.draw.randrange(self.size)), "kind": some(kinds, 0.02), "happened_at": self.instant(),
                "campaign": self.word(), "product_id": some(self.products, 0.7), "brand": self.word(0.8), "hard": some([True, False], 0.5), "is_machine": some([True, False], 0.5),
            }
            for n in range(self.size * 5)
        ]  # fmt: skip
        texts = dict.fromkeys(("event_id", "customer_id", "email", "kind", "campaign", "product_id", "brand"), TEXT)
        return table({**texts, "happened_at": AWARE, "hard": FLAG, "is_machine": FLAG}, rows + rows[:9])

    def small(self) -> dict[str, pa.Table]:
        """Carts, views, searches, lists, and a table of the shop's own."""
        size, some = self.size, self.some
        carts = [{"customer_id": self.who(), "product_id": some(self.products), "happened_at": self.local(), "quantity": some([1.0, 2.5, float("nan")])} for _ in range(size * 2)]  # fmt: skip
        views = [{"customer_id": self.who(), "happened_at": self.local(), "product_id": some(self.products), "category": self.word(), "kind": some(["page", "Product", "download", "page "], 0.3)} for _ in range(size * 4)]  # fmt: skip
        views += [{"customer_id": "c1", "happened_at": self.local(), "kind": "other"}]
        searches = [{"customer_id": self.who(), "term": self.word(), "day": date(2026, 1, 1 + self.draw.randrange(28))} for _ in range(size)]  # fmt: skip
        lists = [{"customer_id": self.who(), "list": some(["interests", "Pref Content", "topics"]), "value": self.word()} for _ in range(size)]  # fmt: skip
        notes = [{"client": self.who(), "written": self.local(), "score": some([1, 5]), "verified": some([True, False]), "title": self.word()} for _ in range(size)]  # fmt: skip
        return {
            "cart_adds": table({"customer_id": TEXT, "product_id": TEXT, "happened_at": self.wall, "quantity": FLOAT}, carts),
            "views": table({"customer_id": TEXT, "happened_at": self.wall, "product_id": TEXT, "category": TEXT, "kind": TEXT}, views),
            "searches": table({"customer_id": TEXT, "term": TEXT, "day": DAY}, searches),
            "customer_lists": table({"customer_id": TEXT, "list": TEXT, "value": TEXT}, lists),
            "notes": table({"client": TEXT, "written": self.wall, "score": WHOLE, "verified": FLAG, "title": TEXT}, notes),
        }  # fmt: skip


NOTED = ("reviews", "surveys", "referred")  # sources that recipes ask for


def mixed(seed: int, engine: str, *, size: int = 40) -> Raw:
    """Tables of a shop with every fault that typed columns can have, but what `engine` has no words for."""
    mix = Mix(seed, engine, size)
    note = OwnTable(table="notes", customer="client", time="written_at", columns={"score": "number", "verified": "boolean"})  # fmt: skip
    return Raw(
        tables={
            "customers": mix.customers(),
            "orders": mix.orders(),
            "order_lines": mix.order_lines(),
            "products": mix.goods(),
            "email_events": mix.email_events(),
            **mix.small(),
        },
        mapping={
            "customers": {
                "columns": {"loyalty_points": "Loyalty Points"},
                "values": {"consent_email": {"perhaps": "pending"}},
            },
            "searches": {"columns": {"happened_at": "day"}},
            **{name: {"columns": {"written_at": "written"}} for name in NOTED},
        },
        own=dict.fromkeys(NOTED, note),
    )
