"""Discount codes and their life: each transition once, never back; one live code an offer and customer, many a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.ledger import schema
from engine.ledger.store import Store, chunks

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LIVE", "Code", "CodeState", "Codes"]


class CodeState(StrEnum):
    """Where a code is in its life."""

    RESERVED = "reserved"
    EXPORTED = "exported"
    CONFIRMED = "confirmed"
    PUSHED = "pushed"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CLEARED = "cleared"


LIVE = tuple(CodeState(state) for state in schema.LIVE)
"""States in which a code can still be used."""

_FROM: Mapping[CodeState, frozenset[CodeState]] = {
    CodeState.RESERVED: frozenset(),
    CodeState.EXPORTED: frozenset({CodeState.RESERVED}),
    CodeState.CONFIRMED: frozenset({CodeState.RESERVED, CodeState.EXPORTED}),
    CodeState.PUSHED: frozenset({CodeState.CONFIRMED}),
    CodeState.REDEEMED: frozenset({CodeState.EXPORTED, CodeState.CONFIRMED, CodeState.PUSHED}),
    CodeState.EXPIRED: frozenset({CodeState.RESERVED, CodeState.EXPORTED, CodeState.CONFIRMED, CodeState.PUSHED}),
    CodeState.CLEARED: frozenset({CodeState.REDEEMED, CodeState.EXPIRED}),
}
"""From which states a code may enter a state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code as it is minted: a customer's, or nobody's and of the pool at a destination (one of the two).

    `value` and `minimum` are the words that a mail shows, instants are UTC.
    """

    code_id: str
    offer: str
    customer_id: str | None
    code: str
    issued_at: datetime
    destination: str | None = None
    expires_at: datetime | None = None
    value: str | None = None
    minimum: str | None = None


class Codes:
    """All codes of the client."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve(self, codes: Sequence[Code], *, plan: str | None = None) -> None:
        """Commit minted codes, all or none. Raises LedgerError for a second live code of a customer or a known code."""
        rows = [
            {
                "code_id": code.code_id, "offer": code.offer, "customer_id": code.customer_id, "code": code.code,
                "state": CodeState.RESERVED.value, "value": code.value, "minimum": code.minimum,
                "issued_at": code.issued_at, "expires_at": code.expires_at, "destination": code.destination,
            }
            for code in codes
        ]  # fmt: skip
        if rows:
            with self._store.move(plan) as connection:
                connection.execute(sa.insert(schema.codes), rows)

    def advance(self, codes: Sequence[str], state: CodeState, *, at: datetime) -> int:
        """Move these codes (their text, any case) on to a state; those that may not enter it stay. Returns how many."""
        with self._store.write() as connection:
            return advance(connection, codes, state, at=at)

    def redeem(self, orders: Mapping[str, tuple[str, datetime]]) -> int:
        """Mark codes (upper case) as used, with the order and its time."""
        columns = schema.codes.c
        may = [before.value for before in _FROM[CodeState.REDEEMED]]
        statement = (
            sa.update(schema.codes)
            .where(columns.code == sa.bindparam("used"), columns.state.in_(may))
            .values(state=CodeState.REDEEMED.value, order_id=sa.bindparam("order"), redeemed_at=sa.bindparam("when"))
        )
        rows = [{"used": code.upper(), "order": order, "when": at} for code, (order, at) in orders.items()]
        moved = 0
        with self._store.write() as connection:
            for row in rows:
                moved += connection.execute(statement, row).rowcount
        return moved

    def expire(self, now: datetime) -> int:
        """Let every live code end whose time has come."""
        columns = schema.codes.c
        values = {"state": CodeState.EXPIRED.value, "expired_at": now}
        over = (columns.state.in_(schema.LIVE), columns.expires_at <= now)
        with self._store.write() as connection:
            return connection.execute(sa.update(schema.codes).where(*over).values(values)).rowcount

    def clear(self, pairs: Sequence[tuple[str, str]], *, at: datetime) -> int:
        """Ended codes of these (offer, customer_id) whose tag is empty now are cleared. Returns how many."""
        with self._store.write() as connection:
            return clear(connection, pairs, at=at)

    def table(self, *, states: Sequence[CodeState] = (), offers: Sequence[str] = ()) -> pa.Table:
        """Codes as columns, by code_id: every column of the ledger's table, instants as UTC timestamps."""
        import pyarrow as pa

        columns = schema.codes.c
        query = sa.select(schema.codes).order_by(columns.code_id)
        if states:
            query = query.where(columns.state.in_([state.value for state in states]))
        if offers:
            query = query.where(columns.offer.in_(list(offers)))
        instant = pa.timestamp("us", "UTC")
        kinds = [
            (column.name, instant if isinstance(column.type, schema.Instant) else pa.string()) for column in columns
        ]
        return self._store.table(query, pa.schema(kinds))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many codes, by offer and state."""
        columns = schema.codes.c
        query = sa.select(columns.offer, columns.state, sa.func.count().label("count"))
        found: dict[str, dict[str, int]] = {}
        for row in self._store.rows(query.group_by(columns.offer, columns.state)):
            found.setdefault(row["offer"], {})[row["state"]] = row["count"]
        return found


def advance(connection: sa.Connection, codes: Sequence[str], state: CodeState, *, at: datetime) -> int:
    """Move codes on, within a transaction."""
    columns = schema.codes.c
    values: dict[str, object] = {"state": state.value, f"{state.value}_at": at}
    moved = 0
    for part in chunks([code.upper() for code in codes]):
        here = (columns.code.in_(part), columns.state.in_([before.value for before in _FROM[state]]))
        moved += connection.execute(sa.update(schema.codes).where(*here).values(values)).rowcount
    return moved


def clear(connection: sa.Connection, pairs: Sequence[tuple[str, str]], *, at: datetime) -> int:
    """Let ended codes be cleared, within a transaction."""
    columns = schema.codes.c
    may = [before.value for before in _FROM[CodeState.CLEARED]]
    statement = (
        sa.update(schema.codes)
        .where(
            columns.offer == sa.bindparam("which"), columns.customer_id == sa.bindparam("who"), columns.state.in_(may)
        )
        .values(state=CodeState.CLEARED.value, cleared_at=at)
    )
    return sum(connection.execute(statement, {"which": offer, "who": customer}).rowcount for offer, customer in pairs)
