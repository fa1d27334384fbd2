"""Opening a shop: files found, read, typed, merged into persons and joined flat, ready for one pass of compute."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from engine.errors import DataError
from engine.shop import consent, facts, identity
from engine.shop.addresses import create_addresses
from engine.shop.cache import Cache
from engine.shop.erased import Erased
from engine.shop.extras import slug
from engine.shop.files import find, listing
from engine.shop.loading import Place, SetAside, Typed, create_empty, flag_repeats, kept_apart, report
from engine.shop.mapping import TableMapping, read_mapping
from engine.shop.numbers import numbered, without_numbers
from engine.shop.overlays import Overlays
from engine.shop.own import OwnTable, readings, shapes
from engine.shop.phones import normalise_phones
from engine.shop.reading import Reader
from engine.shop.schema import LISTS, PURCHASES, TABLES, Column, Source, Table
from engine.shop.schema import facts as named_facts
from engine.shop.schema import sources as named_sources
from engine.tables import Database, QueryError, name, text

if TYPE_CHECKING:
    import pyarrow as pa

_LISTED = "customer_lists"
_ORDER = (
    "products",
    "orders",
    "order_lines",
    "cart_adds",
    "views",
    "searches",
    "sessions",
    "email_events",
    "referrals",
    _LISTED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSource:
    """Where a shop's files are, how their names differ (`[shop.mapping]`), and its own tables by source name.

    `cache` keeps what was read of them for the next opening; without it everything is read.
    """

    path: Path
    mapping: str | Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, OwnTable] = field(default_factory=dict)
    cache: Cache | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A shop in a database: one typed table a neutral table, instants naive UTC, consent effective.

    `newest` is the latest instant of a fact up to now (UTC-aware), `fingerprint` a hash of the files' bytes and of
    what they are read with; overlays are not part of it.
    """

    database: Database
    tables: Mapping[str, Table]
    lists: tuple[str, ...]
    set_aside: tuple[SetAside, ...]
    counts: Mapping[str, int]
    newest: datetime | None
    fingerprint: str
    readings: Mapping[str, Source] = field(default_factory=dict)  # the client's own over neutral tables

    def vocabulary_facts(self) -> dict[str, Column]:
        """Columns of customers under the language's names (`consent.email`), with `age`, `birthday` and the lists."""
        return named_facts(self.tables["customers"], self.lists)

    def sources(self) -> dict[str, Source]:
        """What can be counted, by the language's names."""
        return {**named_sources(self.tables), **self.readings}

    def known_as(self, address: str) -> list[str]:
        """Every customer_id of the person who has this normal address, the person's own first."""
        found = self.database.rows(
            "SELECT a.customer_id FROM aliases a JOIN customers c ON a.canonical = c.customer_id WHERE c.email = $address"
            " ORDER BY a.customer_id <> a.canonical, a.customer_id",
            {"address": address},
        )
        return [str(row[0]) for row in found]

    def rows_of(self, customer_id: str) -> dict[str, list[dict[str, Any]]]:
        """Every row of the shop that is attached to a person, by table."""
        found = {}
        for table in self.tables:
            if "customer_id" in self.database.columns(table):
                asked = f"{without_numbers(self.database, table)} WHERE customer_id = $key"
                found[table] = self.database.query(asked, {"key": customer_id}).to_pylist()
        return {table: rows for table, rows in found.items() if rows}

    def coupons(self) -> pa.Table:
        """Purchases that used a code: coupon, order_id, ordered_at (UTC-aware), customer_id."""
        import pyarrow as pa

        found = self.database.query(
            f"SELECT coupon, order_id, ordered_at, customer_id FROM orders WHERE coupon IS NOT NULL AND {PURCHASES}"
        )
        texts = [(name, pa.string()) for name in ("coupon", "order_id", "customer_id")]
        aware = pa.schema([*texts[:2], ("ordered_at", pa.timestamp("us", "UTC")), texts[2]])
        return found.cast(aware)


def open_shop(
    source: ShopSource, *, zone: ZoneInfo, currency: str, now: datetime, overlays: Overlays | None, database: Database
) -> Shop:
    """Load a shop's files into `database`; bad rows are set aside, DataError when a table cannot be read at all."""
    if source.cache is not None:
        try:
            opened = _opened(source, (zone, currency, now), overlays, database)
        except QueryError:  # a part that went away or broke while it was read
            return _opened(replace(source, cache=None), (zone, currency, now), overlays, database)
        source.cache.sweep()
        return opened
    return _opened(source, (zone, currency, now), overlays, database)


def _opened(
    source: ShopSource, settings: tuple[ZoneInfo, str, datetime], overlays: Overlays | None, database: Database
) -> Shop:
    zone, currency, now = settings
    with Reader(database, zone, source.cache) as reader:
        loading = _Loading(source, currency, reader, None if overlays is None else overlays.erased)
        loading.customers()
        for table in (*_ORDER, *loading.own):
            loading.fact(table)
    _overlay(database, overlays, now)
    tables = loading.tables
    counts = {table: int(database.scalar(f"SELECT count(*) FROM {name(table)}")) for table in tables}
    return Shop(
        database=database,
        tables=tables,
        lists=tuple(loading.lists),
        set_aside=tuple(loading.set_aside),
        counts=counts,
        newest=_newest(database, tables, now),
        fingerprint=loading.fingerprint(),
        readings=readings(source.own, tables),
    )


class _Loading:
    """The tables of one opening as they come in."""

    def __init__(self, source: ShopSource, currency: str, reader: Reader, erased: Erased | None) -> None:
        if not source.path.is_dir():
            raise DataError(
                "the shop's folder is missing", place=str(source.path), hint="[shop] path names a folder of files"
            )
        self.source, self.currency, self.reader, self.database = source, currency, reader, reader.database
        self.erased = erased
        self.own = {name_: own for name_, own in source.own.items() if not own.is_neutral}
        self.tables = shapes(source.own)
        self.mapping = read_mapping(source.mapping, self.tables)
        for name_, own in self.own.items():
            given = self.mapping.get(name_, TableMapping())
            columns = {"customer_id": own.customer, **given.columns}
            self.mapping[name_] = replace(given, file=given.file or self._file(own.table), columns=columns)
        self.set_aside: list[SetAside] = []
        self.lists: list[str] = []
        self._aside: dict[str, list[SetAside]] = {}
        create_addresses(self.database)

    def customers(self) -> None:
        paths = self._paths("customers")
        if not paths:
            raise DataError(
                "customers is missing", place=str(self.source.path), hint=listing(self.source.path, "customers.csv")
            )
        plan = self._read("customers", paths)
        self.database.execute(f"CREATE OR REPLACE TABLE staged_customers AS {plan.select}")
        self.reader.release()
        flag_repeats(self.database, "staged_customers", "customer_id")
        normalise_phones(self.database, "staged_customers", self.reader.zone)
        identity.identify(self.database, self.erased)
        self._spare("customers", "staged_customers")
        self._aside[_LISTED] = self._load(_LISTED)
        self.lists, lists = facts.lists_of(self.tables["customers"].everything, _list_names(self.database))
        identity.merge(self.database, plan.columns, lists)
        aside = report(self.database, "staged_customers", plan.places)
        self.set_aside += [
            *aside,
            *_invalid_addresses(self.database, plan.places),
            *_invalid_phones(self.database, plan.places),
        ]
        self.database.execute("DROP TABLE staged_customers")

    def fact(self, table: str) -> None:
        """Load a table of what customers did; their lists came with them."""
        self.set_aside += self._aside.pop(table) if table in self._aside else self._load(table)

    def _load(self, table: str) -> list[SetAside]:
        paths = self._paths(table)
        if not paths:
            create_empty(self.database, table, self.tables[table])
            if table == "orders":
                self.database.execute("CREATE OR REPLACE TEMP TABLE orders_aside (order_id VARCHAR)")
            return []
        plan = self._read(table, paths)
        aside = facts.load_fact(self.database, table, plan, currency=self.currency)
        self.tables[table] = numbered(self.tables[table], self.database.columns(table))
        if plan.has_email:
            self._spare(table, f"({plan.select})")
        self.reader.release()
        return aside

    def _spare(self, table: str, rows: str) -> None:
        """Let the cache keep nothing of a table that names somebody who was erased."""
        if self.erased is None or self.source.cache is None:
            return
        spellings = sorted(self.erased.among(self.database))
        if spellings and self.database.scalar(
            f"SELECT count(*) FROM {rows} WHERE list_contains($spellings, email)", {"spellings": spellings}
        ):
            self.source.cache.spare(table)

    def fingerprint(self) -> str:
        checksums = sorted(self.reader.checksums.items())
        parts = [*checksums, self.source.mapping, str(self.reader.zone), self.currency, self.source.own]
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def _read(self, table: str, paths: list[Path]) -> Typed:
        titled = [(path.name if len(paths) == 1 else f"{path.parent.name}/{path.name}", path) for path in paths]
        shape, mapping = self.tables[table], self.mapping.get(table, TableMapping())
        plan = self.reader.table((table, shape), mapping, titled)
        self.tables[table] = Table(columns=plan.columns, joined=shape.joined, key=shape.key, time=shape.time)
        return plan

    def _paths(self, table: str) -> list[Path]:
        mapped = self.mapping.get(table)
        return find(self.source.path, table, None if mapped is None else mapped.file)

    def _file(self, table: str) -> str | None:
        found = find(self.source.path, table, None)
        if not found:
            raise DataError(
                f"the table {table} of [sources] is missing",
                place=str(self.source.path),
                hint=listing(self.source.path, table),
            )
        return found[0].name if found[0].parent == self.source.path else table


def _overlay(database: Database, overlays: Overlays | None, now: datetime) -> None:
    if overlays is not None and overlays.email_events:
        facts.add_pulled_events(database, overlays.email_events)
    consent.place_suppressions(database, overlays, now)
    consent.add_suppressions_as_events(database, now)
    facts.finish_events(database)
    if overlays is not None and overlays.only_tracked:
        facts.keep_tracked_opens(database)
    consent.apply_consent(database, now)
    if overlays is not None and overlays.codes is not None:
        database.register("given_codes", overlays.codes)
        facts.load_codes(database)
    else:
        create_empty(database, "codes", TABLES["codes"])


def _invalid_addresses(database: Database, places: Sequence[Place]) -> list[SetAside]:
    """List rows whose address is no address: the row is kept, the address is not."""
    invalid = "staged_customers s JOIN addresses a ON s.email = a.raw WHERE a.normal IS NULL"
    return kept_apart(database, invalid, _without("email is not an address"), places)


def _invalid_phones(database: Database, places: Sequence[Place]) -> list[SetAside]:
    """List rows whose telephone number is none: the row is kept, the number is not."""
    return kept_apart(
        database, "staged_customers WHERE phone_invalid", _without("phone is not a telephone number"), places
    )


def _without(reason: str) -> str:
    return text(f"{reason} (the customer is kept without it)")


def _list_names(database: Database) -> dict[str, list[str]]:
    words = {known: [known] for known in LISTS}
    for (word,) in database.rows("SELECT DISTINCT list FROM customer_lists ORDER BY list"):
        words.setdefault(slug(word), []).append(word)
    return words


def _newest(database: Database, tables: Mapping[str, Table], now: datetime) -> datetime | None:
    local = now.astimezone(UTC).replace(tzinfo=None)
    times = {table: shape.time for table, shape in tables.items() if shape.time and table != "codes"}
    selects = " UNION ALL ".join(
        f"SELECT max({name(time)}) AS t FROM {name(table)} WHERE {name(time)} <= $now" for table, time in times.items()
    )
    newest = database.scalar(f"SELECT max(t) FROM ({selects})", {"now": local})
    return None if newest is None else newest.replace(tzinfo=UTC)
