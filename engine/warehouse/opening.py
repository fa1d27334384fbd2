"""A shop opened where its tables are: persons are merged here and put back, everything else stays and is read through views.

Customers and their lists come here whole, since a result has a row for each of them anyway: so identity, addresses,
telephones and consent follow the very rules of a shop of files. Of the mail events come those that touch consent.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlglot import exp

from engine.compute.backends import backend
from engine.compute.literals import literal
from engine.compute.spelling import column, known, named, relation
from engine.shop import Overlays, SetAside, Shop, ShopSource, open_shop, schema
from engine.shop.addresses import add_addresses
from engine.shop.numbers import without_numbers
from engine.shop.own import readings
from engine.shop.schema import Column, Source, Table
from engine.tables import Database
from engine.warehouse import facts
from engine.warehouse.copying import copy_shop, write_sorted
from engine.warehouse.host import Host, Warehouse
from engine.warehouse.reading import Plan, check_types, plan_tables, select_typed
from engine.warehouse.words import WORDS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Terms", "WarehouseShop", "open_there"]

_HERE = ("customers", "customer_lists")
_PUT_BACK = ("customers", "aliases", "customer_lists", "codes")
_ORDER = ("products", "orders", "order_lines")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseShop:
    """A shop in an engine of its own: what `engine.shop.Shop` is, and its words; rows that were set aside have no line.

    `fingerprint` is of customers' rows, and of the others' numbers: rows, first and last time, sums, known values.
    """

    database: Host
    tables: Mapping[str, Table]
    lists: tuple[str, ...]
    set_aside: tuple[SetAside, ...]
    counts: Mapping[str, int]
    newest: datetime | None
    fingerprint: str
    readings: Mapping[str, Source] = field(default_factory=dict)

    def vocabulary_facts(self) -> dict[str, Column]:
        """Columns of customers under the language's names."""
        return schema.facts(self.tables["customers"], self.lists)

    def sources(self) -> dict[str, Source]:
        """What can be counted, by the language's names."""
        return {**schema.sources(self.tables), **self.readings}

    def known_as(self, address: str) -> list[str]:
        """Every customer_id of the person who has this normal address, the person's own first."""
        people = exp.select(column("customer_id")).from_(relation("customers"))
        people = people.where(column("email").eq(literal(address)))
        own = self.database.query(backend(self.database.name).text(people))["customer_id"].to_pylist()
        rows = exp.select(column("customer_id")).from_(relation("aliases"))
        rows = rows.where(exp.or_(*(column("canonical").eq(literal(key)) for key in own))) if own else rows.limit(0)
        found = self.database.query(backend(self.database.name).text(rows))["customer_id"].to_pylist()
        return [*own, *sorted(set(found) - set(own))]

    def rows_of(self, customer_id: str) -> dict[str, list[dict[str, Any]]]:
        """Every row of the shop that is attached to a person, by table."""
        found = {}
        for table, shape in self.tables.items():
            if "customer_id" in shape.everything:
                rows = exp.select(exp.Star()).from_(relation(table))
                rows = rows.where(column("customer_id").eq(literal(customer_id)))
                found[table] = self.database.query(backend(self.database.name).text(rows)).to_pylist()
        return {table: rows for table, rows in found.items() if rows}

    def coupons(self) -> pa.Table:
        """Purchases that used a code: coupon, order_id, ordered_at (UTC-aware), customer_id."""
        import pyarrow as pa

        cells = [column(name) for name in ("coupon", "order_id", "ordered_at", "customer_id")]
        rows = exp.select(*cells).from_(relation("orders"))
        rows = rows.where(known(column("coupon")), column(schema.PURCHASES))
        found = self.database.query(backend(self.database.name).text(rows))
        texts = [(name, pa.string()) for name in ("coupon", "order_id", "customer_id")]
        kinds = [*texts[:2], ("ordered_at", pa.timestamp("us", "UTC")), texts[2]]
        return found.cast(pa.schema(kinds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a shop is opened by: the client's zone and currency, the moment, and what the ledger and engagement know."""

    zone: ZoneInfo
    currency: str
    now: datetime
    overlays: Overlays | None = None


def open_there(warehouse: Warehouse, terms: Terms, state: Path, scratch: Database) -> WarehouseShop:
    """Open a shop in its own engine; a folder in `state` and `scratch` hold customers for as long as this takes. Raises DataError."""
    opening = _Opening(warehouse, terms, scratch)
    with tempfile.TemporaryDirectory(prefix=".people-", dir=state) as folder:  # of mode 0700
        people = opening.people(Path(folder) / "shop")
    opening.put_back(people)
    return opening.shop(people)


class _Opening:
    """One opening as its views come about."""

    def __init__(self, warehouse: Warehouse, terms: Terms, scratch: Database) -> None:
        self.warehouse, self.terms, self.scratch = warehouse, terms, scratch
        self.host, self.backend = warehouse.host, backend(warehouse.host.name)
        self.plans = plan_tables(warehouse, terms.zone)
        self.there = {name: plan for name, plan in self.plans.items() if name not in _HERE}
        for plan in self.there.values():
            check_types(warehouse, plan)
            self.host.define(facts.typed_name(plan.table), self._text(select_typed(warehouse, plan, self.backend)))
        self.aside: list[SetAside] = []
        self.counts: dict[str, int] = {}
        self.newest: list[datetime] = []
        self.marks: list[object] = []

    def people(self, folder: Path) -> Shop:
        """Customers as a shop of files has them, with all that is known of their consent."""
        here = {name: plan for name, plan in self.plans.items() if name in _HERE}
        neutral = {name: own for name, own in self.warehouse.own.items() if own.is_neutral}
        source = copy_shop(replace(self.warehouse, own=neutral), here, folder, self.scratch)
        if "email_events" in self.there:
            rows = self._query(facts.consent_events(self.there["email_events"]))
            write_sorted(_aware(rows).to_reader(), folder / "email_events.parquet", self.scratch)
        terms = self.terms
        return open_shop(
            ShopSource(path=source.path, mapping=source.mapping, own=neutral),
            zone=terms.zone,
            currency=terms.currency,
            now=terms.now,
            overlays=terms.overlays,
            database=self.scratch,
        )

    def put_back(self, people: Shop) -> None:
        """Give the engine its persons, and every neutral table that the shop does not have, empty."""
        empty = [name for name in schema.TABLES if name not in {*self.plans, *_PUT_BACK, "email_events"}]
        for name in (*_PUT_BACK, *empty):
            self.host.register(name, self.scratch.query(without_numbers(self.scratch, name)))
        if "orders" not in self.there:
            self.host.register(facts.ASIDE, self.scratch.query("SELECT order_id FROM orders LIMIT 0"))
        named = [plan for plan in self.there.values() if plan.has_email]
        if named:
            self.host.register(facts.PEOPLE, self._spelled(named))
        self.counts = {name: people.counts[name] for name in schema.TABLES}
        self.marks.append(people.fingerprint)
        self.newest += [people.newest.replace(tzinfo=None)] if people.newest else []
        own = [SetAside(one.file.removesuffix(".parquet"), 0, one.reason, one.count) for one in people.set_aside]
        self.aside += [one for one in own if one.file in _HERE]

    def shop(self, people: Shop) -> WarehouseShop:
        """Everything else, view by view."""
        rest = [name for name in self.there if name not in {*_ORDER, "email_events"}]
        for name in (*(name for name in _ORDER if name in self.there), *rest):
            self._fact(self.there[name])
        self._events(people)
        tables = {**people.tables, **{name: plan.everything for name, plan in self.there.items()}}
        fingerprint = hashlib.blake2b(repr(self.marks).encode(), digest_size=16).hexdigest()
        return WarehouseShop(
            database=self.host,
            tables=tables,
            lists=people.lists,
            set_aside=tuple(self.aside),
            counts=self.counts,
            newest=max(self.newest).replace(tzinfo=UTC) if self.newest else None,
            fingerprint=fingerprint,
            readings=readings(self.warehouse.own, tables),
        )

    def _fact(self, plan: Plan) -> None:
        self._place(plan, plan.table)
        if plan.table == "orders":
            self.host.keep(facts.ASIDE, self._text(facts.orders_aside()))

    def _place(self, plan: Plan, name: str) -> None:
        """Attach a table's rows to persons and orders, count them, and have the good ones under a name."""
        place = self.host.keep if WORDS[self.host.name].keeps else self.host.define
        place(facts.placed_name(plan.table), self._text(facts.placed(plan, self.terms.currency)))
        found = [facts.counted(row) for row in self._query(facts.counting(plan, self.terms.now)).to_pylist()]
        counting = facts.repeated(plan)
        repeats = 0 if counting is None else int(self._query(counting)["rows"][0].as_py() or 0)
        told = {one.reason: one.rows for one in found if one.reason is not None}
        told |= {f"{plan.shape.key} stands twice": repeats} if repeats else {}
        ordered = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        self.aside += [SetAside(plan.foreign, 0, reason, rows) for reason, rows in ordered]
        good = [one for one in found if one.reason is None]
        self.counts[plan.table] = sum(one.rows for one in good) - repeats
        self.newest += [one.newest for one in good if one.newest is not None]
        self.marks.append((plan.table, sorted(one.marks for one in found)))
        rows = self._text(facts.good(plan, once=bool(repeats)))
        if repeats:
            self.host.keep(name, rows)
        else:
            self.host.define(name, rows)

    def _events(self, people: Shop) -> None:
        """The shop's own mail events and what is known here, in one table."""
        plan, local = self.there.get("email_events"), self.scratch.query(without_numbers(self.scratch, "email_events"))
        self.host.register(facts.KNOWN_EVENTS, local)
        own = None
        if plan is not None:
            self._place(plan, facts.OWN_EVENTS)
            own = facts.OWN_EVENTS
            twice = self._query(facts.repeated_events())["event_id"]
            if len(twice):
                import pyarrow.compute as pc

                fresh = local.filter(pc.invert(pc.is_in(local["event_id"], value_set=twice.combine_chunks())))
                self.host.register(facts.KNOWN_EVENTS, fresh)
        shape = people.tables["email_events"] if plan is None else plan.everything
        self.host.define("email_events", self._text(facts.events(shape, own, only_tracked=self._is_tracked())))
        count = exp.select(named(exp.Count(this=exp.Star()), "rows")).from_(relation("email_events"))
        self.counts["email_events"] = int(self._query(count)["rows"][0].as_py())

    def _is_tracked(self) -> bool:
        return self.terms.overlays is not None and self.terms.overlays.only_tracked

    def _spelled(self, plans: Sequence[Plan]) -> pa.Table:
        """Whom an address means that stands in rows in place of an id: raw, customer_id."""
        for plan in plans:
            self.scratch.register("given_addresses", self._query(facts.unplaced_addresses(plan)))
            add_addresses(self.scratch, "SELECT email FROM given_addresses")
            self.scratch.unregister("given_addresses")
        return self.scratch.query("SELECT a.raw, c.customer_id FROM addresses a JOIN customers c ON a.normal = c.email")

    def _query(self, query: exp.Query) -> pa.Table:
        return self.host.query(self._text(query))

    def _text(self, query: exp.Query) -> str:
        return self.backend.text(query)


def _aware(rows: pa.Table) -> pa.Table:
    """Naive UTC instants with their zone, as files of ours have them."""
    import pyarrow as pa

    aware = pa.timestamp("us", "UTC")
    return rows.cast(
        pa.schema([(one.name, aware if pa.types.is_timestamp(one.type) else one.type) for one in rows.schema])
    )
