"""Opening a shop: files found, read, typed, merged into persons and joined flat, ready for one pass of compute."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from engine.errors import DataError
from engine.shop import consent, facts, identity
from engine.shop.addresses import create_addresses
from engine.shop.files import CAREFUL, Raw, find, listing, read
from engine.shop.loading import SetAside, Typed, create_empty, flag_repeats, report, slug, typed
from engine.shop.mapping import TableMapping, read_mapping
from engine.shop.overlays import Overlays
from engine.shop.own import OwnTable, readings, shapes
from engine.shop.phones import normalise_phones
from engine.shop.schema import LISTS, PURCHASES, TABLES, Column, Source, Table
from engine.shop.schema import facts as named_facts
from engine.shop.schema import sources as named_sources
from engine.tables import Database, QueryError, name

if TYPE_CHECKING:
    import pyarrow as pa

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
    "customer_lists",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSource:
    """Where a shop's files are, how their names differ (`[shop.mapping]`), and its own tables by source name."""

    path: Path
    mapping: str | Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, OwnTable] = field(default_factory=dict)


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

    def coupons(self) -> pa.Table:
        """Purchases that used a code: coupon, order_id, ordered_at (UTC-aware)."""
        import pyarrow as pa

        found = self.database.query(
            f"SELECT coupon, order_id, ordered_at FROM orders WHERE coupon IS NOT NULL AND {PURCHASES}"
        )
        aware = pa.schema(
            [("coupon", pa.string()), ("order_id", pa.string()), ("ordered_at", pa.timestamp("us", "UTC"))]
        )
        return found.cast(aware)


def open_shop(
    source: ShopSource, *, zone: ZoneInfo, currency: str, now: datetime, overlays: Overlays | None, database: Database
) -> Shop:
    """Load a shop's files into `database`; bad rows are set aside, DataError when a table cannot be read at all."""
    loading = _Loading(source, zone, currency, database)
    loading.customers()
    for table in (*_ORDER, *loading.own):
        loading.fact(table)
    _overlay(database, overlays, now)
    tables = loading.tables
    lists = tuple(facts.add_lists(database, tables["customers"].everything, _list_names(database)))
    counts = {table: int(database.scalar(f"SELECT count(*) FROM {name(table)}")) for table in tables}
    return Shop(
        database=database,
        tables=tables,
        lists=lists,
        set_aside=tuple(loading.set_aside),
        counts=counts,
        newest=_newest(database, tables, now),
        fingerprint=loading.fingerprint(),
        readings=readings(source.own, tables),
    )


class _Loading:
    """The tables of one opening as they come in."""

    def __init__(self, source: ShopSource, zone: ZoneInfo, currency: str, database: Database) -> None:
        if not source.path.is_dir():
            raise DataError(
                "the shop's folder is missing", place=str(source.path), hint="[shop] path names a folder of files"
            )
        self.source, self.zone, self.currency, self.database = source, zone, currency, database
        self.own = {name_: own for name_, own in source.own.items() if not own.is_neutral}
        self.tables = shapes(source.own)
        self.mapping = read_mapping(source.mapping, self.tables)
        for name_, own in self.own.items():
            given = self.mapping.get(name_, TableMapping())
            columns = {"customer_id": own.customer, **given.columns}
            self.mapping[name_] = replace(given, file=given.file or self._file(own.table), columns=columns)
        self.set_aside: list[SetAside] = []
        self.checksums: dict[str, str] = {}
        create_addresses(database)

    def customers(self) -> None:
        path = self._path("customers")
        if path is None:
            raise DataError(
                "customers is missing", place=str(self.source.path), hint=listing(self.source.path, "customers.csv")
            )
        plan = self._load("customers", path, self._stage_customers)
        self._keep("customers", plan)
        normalise_phones(self.database, "staged_customers", self.zone)
        identity.merge(self.database, plan.columns)
        aside = report(self.database, "staged_customers", plan.raw)
        self.set_aside += [
            *aside,
            *_invalid_addresses(self.database, plan.raw),
            *_invalid_phones(self.database, plan.raw),
        ]
        self.database.execute("DROP TABLE staged_customers")

    def fact(self, table: str) -> None:
        path = self._path(table)
        if path is None:
            create_empty(self.database, table, self.tables[table])
            if table == "orders":
                self.database.execute("CREATE OR REPLACE TEMP TABLE orders_aside (order_id VARCHAR)")
            return
        self._keep(table, self._load(table, path, lambda plan: self._create_fact(table, plan)))

    def fingerprint(self) -> str:
        parts = [*sorted(self.checksums.items()), self.source.mapping, str(self.zone), self.currency, self.source.own]
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def _stage_customers(self, plan: Typed) -> None:
        self.database.execute(f"CREATE OR REPLACE TABLE staged_customers AS {plan.select}")
        flag_repeats(self.database, "staged_customers", "customer_id")

    def _create_fact(self, table: str, plan: Typed) -> None:
        self.set_aside += facts.load_fact(self.database, table, plan, currency=self.currency)

    def _load(self, table: str, path: Path, create: Callable[[Typed], None]) -> Typed:
        raw = read(path, self.database)
        self.checksums[table] = raw.checksum
        try:
            return self._tried(table, path, raw, create)
        finally:
            self.database.unregister(CAREFUL)

    def _tried(self, table: str, path: Path, raw: Raw, create: Callable[[Typed], None]) -> Typed:
        for attempt in _attempts(raw, self.database):
            try:
                plan = typed(
                    self.database,
                    attempt,
                    (table, self.tables[table]),
                    self.mapping.get(table, TableMapping()),
                    self.zone,
                )
                create(plan)
            except QueryError:
                if attempt.careful is None:
                    raise
            else:
                return plan
        raise DataError(f"{path.name} cannot be read", place=str(path))

    def _keep(self, table: str, plan: Typed) -> None:
        shape = self.tables[table]
        self.tables[table] = Table(columns=plan.columns, joined=shape.joined, key=shape.key, time=shape.time)

    def _path(self, table: str) -> Path | None:
        mapped = self.mapping.get(table)
        return find(self.source.path, table, None if mapped is None else mapped.file)

    def _file(self, table: str) -> str | None:
        found = find(self.source.path, table, None)
        if found is None:
            raise DataError(
                f"the table {table} of [sources] is missing",
                place=str(self.source.path),
                hint=listing(self.source.path, table),
            )
        return found.name


def _attempts(raw: Raw, database: Database) -> Iterator[Raw]:
    yield raw
    if raw.careful is not None:
        yield raw.careful(database)


def _overlay(database: Database, overlays: Overlays | None, now: datetime) -> None:
    if overlays is not None and overlays.email_events:
        facts.add_pulled_events(database, overlays.email_events)
    consent.place_suppressions(database, overlays, now)
    consent.add_suppressions_as_events(database)
    facts.finish_events(database)
    consent.apply_consent(database, now)
    if overlays is not None and overlays.codes is not None:
        database.register("given_codes", overlays.codes)
        facts.load_codes(database)
    else:
        create_empty(database, "codes", TABLES["codes"])


def _invalid_addresses(database: Database, raw: Raw) -> list[SetAside]:
    """List rows whose address is no address: the row is kept, the address is not."""
    invalid = "staged_customers s JOIN addresses a ON s.email = a.raw WHERE a.normal IS NULL"
    return _kept_without(database, raw, invalid, "email is not an address")


def _invalid_phones(database: Database, raw: Raw) -> list[SetAside]:
    """List rows whose telephone number is none: the row is kept, the number is not."""
    return _kept_without(database, raw, "staged_customers WHERE phone_invalid", "phone is not a telephone number")


def _kept_without(database: Database, raw: Raw, invalid: str, reason: str) -> list[SetAside]:
    count, first = database.rows(f"SELECT count(*), min(row_id, 5) FROM {invalid}")[0]
    if not count:
        return []
    lines = raw.lines(first)
    at = tuple(lines.get(number, number) for number in first)
    return [SetAside(raw.file, at[0], f"{reason} (the customer is kept without it)", count, at)]


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
