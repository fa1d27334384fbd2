"""Who was erased, by keyed hash; what is left to do until an erasure has ended; and the one transaction that forgets."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connectors.types import Ref
from engine.ledger import schema
from engine.ledger.store import Store, among, chunks, upsert

__all__ = ["HERE", "Erasures", "Errand", "Receipt"]

HERE = ""
"""The destination of an errand on this machine."""
_OWN = frozenset({"erased", "erasing", "erasures", "codes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is left to do for one address of an erasure, at one destination or HERE."""

    erasure: str
    destination: str
    address: str
    ref: Ref | None = None
    state: str = "asked"
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One erasure: when it was asked for and ended (None: not yet), and what its receipt says."""

    erasure: str
    asked_at: datetime
    done_at: datetime | None
    facts: Mapping[str, Any]


class Erasures:
    """The erasures of one client."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hashes(self) -> frozenset[str]:
        """Keyed hashes of every address that is never taken in again."""
        return frozenset(row["hash"] for row in self._store.rows(sa.select(schema.erased.c.hash)))

    def find(self, erasure: str) -> Receipt | None:
        """An erasure by its id."""
        rows = self._store.rows(sa.select(schema.erasures).where(schema.erasures.c.erasure == erasure))
        return _receipt(rows[0]) if rows else None

    def open(self) -> list[Receipt]:
        """Erasures that have not ended, oldest first."""
        columns = schema.erasures.c
        query = sa.select(schema.erasures).where(columns.done_at.is_(None)).order_by(columns.asked_at, columns.erasure)
        return [_receipt(row) for row in self._store.rows(query)]

    def errands(self, erasure: str) -> list[Errand]:
        """What is left of one, HERE first."""
        columns = schema.erasing.c
        query = sa.select(schema.erasing).where(columns.erasure == erasure)
        rows = self._store.rows(query.order_by(columns.destination, columns.address))
        return [Errand(**row) for row in rows]

    def held(self, addresses: Collection[str], ids: Collection[str]) -> dict[str, int]:
        """How many rows of each table are about this person."""
        with self._store.read() as connection:
            counts = {
                table.name: _count(connection, table, where) for table, where in _about(connection, addresses, ids)
            }
        return {name: count for name, count in counts.items() if count}

    def known(self, ids: Sequence[str]) -> set[str]:
        """Addresses under which the ledger knows these customers, wherever."""
        found: set[str] = set()
        for table in schema.metadata.sorted_tables:
            if {"address", "customer_id"} <= set(table.c.keys()):
                for part in chunks(list(ids)):
                    query = sa.select(table.c.address).where(table.c.customer_id.in_(part)).distinct()
                    found |= {row["address"] for row in self._store.rows(query)}
        return found

    def places(self, addresses: Collection[str]) -> set[str]:
        """Destinations where the ledger knows one of these addresses."""
        found: set[str] = set()
        for table in (schema.contacts, schema.suppressions):
            for part in chunks(sorted(addresses)):
                query = sa.select(table.c.destination).where(table.c.address.in_(part)).distinct()
                found |= {row["destination"] for row in self._store.rows(query)}
        return found

    def owners(self, addresses: Sequence[str]) -> set[str]:
        """Customers to whom the ledger says that these addresses belong."""
        found: set[str] = set()
        for table in (schema.contacts, schema.suppressions):
            for part in chunks(list(addresses)):
                query = sa.select(table.c.customer_id).where(
                    table.c.address.in_(part), table.c.customer_id.is_not(None)
                )
                found |= {row["customer_id"] for row in self._store.rows(query.distinct())}
        return found

    def forget(
        self,
        erasure: str,
        hashes: Mapping[str, str],
        ids: Collection[str],
        *,
        destinations: Iterable[str],
        at: datetime,
        facts: Mapping[str, Any],
    ) -> Receipt:
        """Forget a person, remember the hashes (by address), and note what is left to do; all of it, or nothing.

        Codes stay, since a code is given once for ever: they end, and belong to `erased-…` from then on.
        """
        addresses = sorted(hashes)
        refs = self._refs(addresses)
        errands = [
            {"destination": place, "address": address, "erasure": erasure, "ref": refs.get((place, address)),
             "state": "asked", "asked_at": at}
            for place in (HERE, *destinations) for address in addresses
        ]  # fmt: skip
        with self._store.move() as connection:
            rows = _removed(connection, addresses, ids)
            rows |= {"codes": count} if (count := _disown(connection, ids, f"erased-{erasure[:16]}", at)) else {}
            told = {**facts, "ledger": rows}
            upsert(connection, schema.erased, [{"hash": one, "erasure": erasure, "at": at} for one in hashes.values()])
            upsert(connection, schema.erasing, errands)
            row = {"erasure": erasure, "asked_at": at, "done_at": None, "receipt": json.dumps(told)}
            upsert(connection, schema.erasures, [row])
        return Receipt(erasure=erasure, asked_at=at, done_at=None, facts=told)

    def mark(self, errand: Errand, state: str, facts: Mapping[str, Any], *, is_done: bool) -> None:
        """Keep how an errand went, with the receipt; one that is done forgets its address."""
        columns, erasures = schema.erasing.c, schema.erasures
        here = (columns.destination == errand.destination, columns.address == errand.address)
        with self._store.move() if is_done else self._store.write() as connection:
            if is_done:
                _removed(connection, [errand.address], [], destination=errand.destination)
                connection.execute(sa.delete(schema.erasing).where(*here))
            else:
                connection.execute(sa.update(schema.erasing).where(*here).values(state=state))
            same = erasures.c.erasure == errand.erasure
            connection.execute(sa.update(erasures).where(same).values(receipt=json.dumps(facts)))

    def end(self, erasure: str, *, at: datetime) -> None:
        """Nothing is left to do."""
        with self._store.write() as connection:
            same = schema.erasures.c.erasure == erasure
            connection.execute(sa.update(schema.erasures).where(same).values(done_at=at))

    def compact(self) -> None:
        """Leave nothing of what was deleted in the bytes of the file (SQLite; PostgreSQL clears up by itself, later)."""
        if self._store.engine.dialect.name == "sqlite":
            with self._store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _refs(self, addresses: Sequence[str]) -> dict[tuple[str, str], Ref | None]:
        columns = schema.contacts.c
        found: dict[tuple[str, str], Ref | None] = {}
        for part in chunks(addresses):
            query = sa.select(columns.destination, columns.address, columns.ref).where(columns.address.in_(part))
            found |= {(row["destination"], row["address"]): row["ref"] for row in self._store.rows(query)}
        return found


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(
        erasure=row["erasure"], asked_at=row["asked_at"], done_at=row["done_at"], facts=json.loads(row["receipt"])
    )


def _about(
    connection: sa.Connection, addresses: Collection[str], ids: Collection[str]
) -> list[tuple[sa.Table, list[sa.ColumnElement[bool]]]]:
    """Each table that holds people, with what finds a person's rows in it: by address where it has one, else by id."""
    found = []
    for table in schema.metadata.sorted_tables:
        if table.name not in _OWN and "address" in table.c:
            found.append((table, list(among(connection, table.c.address, sorted(addresses)))))
        elif table.name not in _OWN - {"codes"} and "customer_id" in table.c:
            found.append((table, list(among(connection, table.c.customer_id, sorted(ids)))))
    return found


def _count(connection: sa.Connection, table: sa.Table, where: Sequence[sa.ColumnElement[bool]]) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return sum(int(connection.scalar(query.where(one)) or 0) for one in where)


def _removed(
    connection: sa.Connection, addresses: Collection[str], ids: Collection[str], *, destination: str | None = None
) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table, where in _about(connection, addresses, ids):
        if table.name in _OWN:
            continue
        here = [] if destination is None or "destination" not in table.c else [table.c.destination == destination]
        for one in where:
            counts[table.name] = (
                counts.get(table.name, 0) + connection.execute(sa.delete(table).where(one, *here)).rowcount
            )
    return {name: count for name, count in counts.items() if count}


def _disown(connection: sa.Connection, ids: Collection[str], nobody: str, at: datetime) -> int:
    columns = schema.codes.c
    moved = 0
    for mine in among(connection, columns.customer_id, sorted(ids)):
        ended = sa.update(schema.codes).where(mine, columns.state.in_(schema.LIVE))
        connection.execute(ended.values(state="expired", expired_at=at))
        moved += connection.execute(sa.update(schema.codes).where(mine).values(customer_id=nobody)).rowcount
    return moved
