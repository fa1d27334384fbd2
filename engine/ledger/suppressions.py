"""Who left, where, when and how we know; and how far each read of a destination has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from connectors.types import Left, Suppression
from engine.ledger import schema
from engine.ledger.store import Store, chunks, upsert

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cursors", "KnownSuppression", "Suppressions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSuppression:
    """A suppression as the ledger keeps it: `origin` is "provider", "ours" or "shop"."""

    suppression: Suppression
    customer_id: str | None
    first_seen: datetime
    origin: str = "provider"


_NEAR = timedelta(days=1)
_OURS = {Left.UNSUBSCRIBED, Left.OTHER}  # how a Suppress of ours reads back
_WEIGHT = {left: weight for weight, left in enumerate(
    (Left.PENDING, Left.ARCHIVED, Left.BOUNCED, Left.OTHER, Left.UNSUBSCRIBED, Left.COMPLAINT)
)}  # fmt: skip
"""Where a read names one address twice, the heavier reason stands; a complaint stands for good."""


class Suppressions:
    """Suppressions by destination and normal address."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, destination: str, found: Sequence[KnownSuppression]) -> int:
        """Keep what a read brought; returns how many are new or changed.

        One that is known keeps its first sight; one that matches a Suppress of ours keeps its time and origin too,
        unless the provider dates it days later: that is the person's own doing.
        """
        addresses = [known.suppression.email for known in found]
        before = self._before(destination, addresses)
        rows = {}
        for known in sorted(found, key=lambda known: _WEIGHT[known.suppression.left]):
            row = _row(destination, known, before.get(known.suppression.email))
            if row != before.get(known.suppression.email):
                rows[known.suppression.email] = row
        if rows:
            with self._store.write() as connection:
                upsert(connection, schema.suppressions, list(rows.values()))
        return len(rows)

    def forget(self, destination: str, addresses: Sequence[str]) -> None:
        """The destination mails these again: what it told us before no longer holds there."""
        columns = schema.suppressions.c
        with self._store.write() as connection:
            for part in chunks(addresses):
                here = (columns.destination == destination, columns.address.in_(part))
                connection.execute(sa.delete(schema.suppressions).where(*here))

    def table(self, destination: str | None = None) -> pa.Table:
        """Suppressions as columns: destination, address, customer_id, left, at, first_seen, origin."""
        import pyarrow as pa

        columns = schema.suppressions.c
        query = sa.select(schema.suppressions).order_by(columns.destination, columns.address)
        if destination is not None:
            query = query.where(columns.destination == destination)
        instant = pa.timestamp("us", "UTC")
        kinds = [
            (column.name, instant if isinstance(column.type, schema.Instant) else pa.string()) for column in columns
        ]
        return self._store.table(query, pa.schema(kinds))

    def addresses(self, destination: str) -> frozenset[str]:
        """Everyone whom a destination will not mail."""
        columns = schema.suppressions.c
        query = sa.select(columns.address).where(columns.destination == destination)
        return frozenset(row["address"] for row in self._store.rows(query))

    def _before(self, destination: str, addresses: Sequence[str]) -> dict[str, dict[str, object]]:
        columns = schema.suppressions.c
        found: dict[str, dict[str, object]] = {}
        for part in chunks(addresses):
            here = (columns.destination == destination, columns.address.in_(part))
            for row in self._store.rows(sa.select(schema.suppressions).where(*here)):
                found[row["address"]] = dict(row)
        return found


def _row(destination: str, known: KnownSuppression, before: dict[str, object] | None) -> dict[str, object]:
    told = known.suppression
    row: dict[str, object] = {
        "destination": destination,
        "address": told.email,
        "customer_id": known.customer_id,
        "left": told.left.value,
        "at": told.at,
        "first_seen": known.first_seen,
        "origin": known.origin,
    }
    if before is None:
        return row
    row["first_seen"] = before["first_seen"]
    row["customer_id"] = known.customer_id or before["customer_id"]
    if before["origin"] == "ours" and told.left in _OURS and not _is_later(told, before["first_seen"]):
        row |= {"left": before["left"], "at": before["at"], "origin": "ours"}
    if before["left"] == Left.COMPLAINT.value and told.left is not Left.COMPLAINT:
        row |= {"left": before["left"], "at": before["at"]}
    return row


def _is_later(told: Suppression, ours: object) -> bool:
    """They came back there by themselves, and left again: a provider's time of our own word is near ours."""
    if told.left is not Left.UNSUBSCRIBED or told.at is None or not isinstance(ours, datetime):
        return False
    return told.at > ours + _NEAR


class Cursors:
    """How far each read of a destination has come."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, destination: str, stream: str) -> str | None:
        """The saved place, or None before the first read."""
        columns = schema.cursors.c
        query = sa.select(columns.cursor).where(columns.destination == destination, columns.stream == stream)
        rows = self._store.rows(query)
        return str(rows[0]["cursor"]) if rows else None

    def of(self, destination: str) -> dict[str, datetime | None]:
        """The moment of each stream's saved place."""
        columns = schema.cursors.c
        query = sa.select(columns.stream, columns.at).where(columns.destination == destination)
        return {row["stream"]: row["at"] for row in self._store.rows(query)}

    def save(self, destination: str, stream: str, cursor: str, *, at: datetime | None = None) -> None:
        """Commit the place after a page that is safely kept."""
        row = {"destination": destination, "stream": stream, "cursor": cursor, "at": at}
        with self._store.write() as connection:
            upsert(connection, schema.cursors, [row])
