"""A shop of a few people in tables, opened by the engine's own statements for persons and consent: no file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from consent_reference import Person, Row

from engine.shop import consent, facts, identity
from engine.shop.addresses import create_addresses
from engine.shop.loading import create_empty
from engine.shop.overlays import Overlays
from engine.shop.schema import TABLES
from engine.tables import Database

__all__ = ["SEGMENTS", "Customer", "Opener"]

SEGMENTS = ("loyal", "fresh")
_HEAD = ("row_id", "reason", "customer_id", "email", "created_at", "first_name", "consent_email", "consent_email_at",
         "consent_email_source", "consent_email_basis", "consent_tracking", "consent_sms")  # fmt: skip
_BOUNCED = "EXISTS (SELECT 1 FROM email_events e WHERE e.customer_id = c.customer_id AND e.in_email_bounces AND e.hard AND e.happened_at <= $now)"
_COMPLAINED = "EXISTS (SELECT 1 FROM email_events e WHERE e.customer_id = c.customer_id AND e.in_email_complaints AND e.happened_at <= $now)"


@dataclass(frozen=True, slots=True)
class Customer:
    """A row of the shop, and the segments that it makes its person a member of."""

    row: Row
    segments: frozenset[str] = frozenset()
    name: str = "Anna"


@dataclass
class Opener:
    """Opens shops one after the other in one database."""

    database: Database = field(default_factory=lambda: Database(threads=1))

    def open(self, customers: Sequence[Customer], overlays: Overlays, now: datetime) -> pa.Table:
        """The membership as the plan takes it, with when and by whom consent was given or taken."""
        database = self.database
        given = _staged(customers)
        database.register("given_customers", given)
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE staged_customers AS SELECT {', '.join(_HEAD)} FROM given_customers"
        )
        create_addresses(database)
        identity.identify(database)
        columns = {name: TABLES["customers"].columns[name] for name in _HEAD[2:]}
        identity.merge(database, columns, "SELECT NULL::VARCHAR AS customer_id, NULL::VARCHAR AS nothing WHERE FALSE")
        for table in ("email_events", "products"):
            create_empty(database, table, TABLES[table])
        if overlays.email_events:
            facts.add_pulled_events(database, overlays.email_events)
        consent.place_suppressions(database, overlays, now)
        consent.add_suppressions_as_events(database, now)
        facts.finish_events(database)
        consent.apply_consent(database, now)
        return self._membership(customers, now)

    def told(self, customers: Sequence[Customer], known: Mapping[str, Person]) -> pa.Table:
        """The same membership, made of what plain rules say: half of a round's time is spared."""
        text = pa.string()
        by_email = {one.email: key for key, one in known.items() if one.email is not None}
        canonical = [(one.row.id, by_email.get(one.row.email or "", one.row.id)) for one in customers]
        names = {one.row.id: one.name for one in customers}
        people = pa.table(
            {
                "customer_id": pa.array(known, text),
                "email": pa.array([one.email for one in known.values()], text),
                "consent_email": pa.array([one.state for one in known.values()], text),
                "basis": pa.array([one.basis for one in known.values()], text),
                "trait:first_name": pa.array([names[key] for key in known], text),
                "reachable_email": pa.array([one.is_reachable() for one in known.values()], pa.bool_()),
            }
        )
        return _with_segments(people, _members(customers, canonical))

    def _membership(self, customers: Sequence[Customer], now: datetime) -> pa.Table:
        people = self.database.query(
            'SELECT customer_id, email, consent_email, consent_email_at, consent_email_source, consent_sms, consent_email_basis AS basis, first_name AS "trait:first_name",'
            " consent_email = 'subscribed' AND coalesce(consent_email_basis = 'consent', FALSE)"
            f" AND email IS NOT NULL AND NOT {_BOUNCED} AND NOT {_COMPLAINED} AS reachable_email FROM customers c ORDER BY customer_id",
            {"now": now.astimezone(UTC).replace(tzinfo=None)},
        )
        return _with_segments(
            people, _members(customers, self.database.rows("SELECT customer_id, canonical FROM aliases"))
        )


def _with_segments(people: pa.Table, member: Mapping[str, set[str]]) -> pa.Table:
    for name in SEGMENTS:
        chosen = pa.array(sorted(member[name]), pa.string())
        people = people.append_column(f"segment:{name}", pc.is_in(people["customer_id"], value_set=chosen))
    return people


def _members(customers: Sequence[Customer], aliases: Sequence[tuple[Any, ...]]) -> Mapping[str, set[str]]:
    canonical = dict(aliases)
    found: dict[str, set[str]] = {name: set() for name in SEGMENTS}
    for one in customers:
        for name in one.segments:
            found[name].add(canonical[one.row.id])
    return found


def _staged(customers: Sequence[Customer]) -> pa.Table:
    text, instant = pa.string(), pa.timestamp("us")
    rows = [one.row for one in customers]
    count = len(rows)
    naive = [None if row.at is None else row.at.replace(tzinfo=None) for row in rows]
    return pa.table(
        {
            "row_id": pa.array(range(1, count + 1), pa.int64()),
            "reason": pa.nulls(count, text),
            "customer_id": pa.array([row.id for row in rows], text),
            "email": pa.array([row.email for row in rows], text),
            "created_at": pa.nulls(count, instant),
            "first_name": pa.array([one.name for one in customers], text),
            "consent_email": pa.array([row.state for row in rows], text),
            "consent_email_at": pa.array(naive, instant),
            "consent_email_source": pa.array([row.source for row in rows], text),
            "consent_email_basis": pa.array([row.basis for row in rows], text),
            "consent_tracking": pa.nulls(count, pa.bool_()),
            "consent_sms": pa.array([row.sms for row in rows], text),
        }
    )
