"""Contacts that each destination has acknowledged: one packed row each, keyed by the address it knows them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from connectors.types import Ref
from engine.ledger import packing, schema
from engine.ledger.store import Store, among, chunks, upsert_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Contact", "ContactState", "Contacts", "change", "read", "write"]


class ContactState(StrEnum):
    """How a contact came to be there, or that it is gone."""

    ACKNOWLEDGED = "acknowledged"  # we created it
    FOUND = "found"  # it was there before us: its status and its other values are not ours
    LEFT = "left"  # deleted or archived there: never created again


class Contact(NamedTuple):
    """One contact: target positions where we put it, where it was before us, and its fields, packed as they are kept.

    A tuple: a push reads and makes one a change.
    """

    address: str
    customer_id: str
    state: ContactState
    ref: Ref | None = None
    members: frozenset[int] = frozenset()
    foreign_members: frozenset[int] = frozenset()
    packed: str = ""

    @property
    def fields(self) -> dict[int, str]:
        """JSON scalars by field position, unpacked anew: most outcomes need none of them."""
        return packing.unpack_fields(self.packed)


_STATES = {state.value: state for state in ContactState}
_READ = [
    schema.contacts.c[name]
    for name in ("address", "customer_id", "state", "ref", "members", "foreign_members", "fields")
]
_VALUED = (
    sa.update(schema.contacts)
    .where(schema.contacts.c.destination == sa.bindparam("at"), schema.contacts.c.address == sa.bindparam("who"))
    .values(fields=sa.bindparam("packed"))
)


class Contacts:
    """Contacts by destination."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def table(self, destination: str) -> pa.Table:
        """All contacts in key order: address, customer_id, ref, state, members, foreign_members (packed), fields."""
        import pyarrow as pa

        columns = schema.contacts.c
        query = (
            sa.select(
                columns.address, columns.customer_id, columns.ref, columns.state, columns.members,
                columns.foreign_members, columns.fields,
            )
            .where(columns.destination == destination)
            .order_by(columns.address)
        )  # fmt: skip
        text, packed = pa.string(), pa.binary()
        arrow = pa.schema(
            [
                ("address", text), ("customer_id", text), ("ref", text), ("state", text), ("members", packed),
                ("foreign_members", packed), ("fields", text),
            ]
        )  # fmt: skip
        return self._store.table(query, arrow)

    def of(self, destination: str, addresses: Sequence[str]) -> dict[str, Contact]:
        """These contacts, by address; unknown ones are absent."""
        with self._store.read() as connection:
            return read(connection, destination, addresses)

    def addresses(self, destination: str, customer_ids: Sequence[str]) -> dict[str, list[str]]:
        """The addresses by which a destination knows these customers, by customer id."""
        columns = schema.contacts.c
        found: dict[str, list[str]] = {}
        for part in chunks(customer_ids):
            query = sa.select(columns.customer_id, columns.address).where(
                columns.destination == destination, columns.customer_id.in_(part)
            )
            for row in self._store.rows(query):
                found.setdefault(row["customer_id"], []).append(row["address"])
        return found

    def valued(self, destination: str, count: int) -> list[str]:
        """The first addresses, as the ledger orders them, of contacts there that hold values of ours."""
        columns = schema.contacts.c
        query = (
            sa.select(columns.address)
            .where(columns.destination == destination, columns.state != ContactState.LEFT.value, columns.fields != "")
            .order_by(columns.address)
            .limit(count)
        )
        return [row["address"] for row in self._store.rows(query)]

    def count(self, destination: str) -> int:
        """How many contacts a destination has of ours, those that left aside."""
        columns = schema.contacts.c
        here = (columns.destination == destination, columns.state != ContactState.LEFT.value)
        with self._store.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).where(*here)) or 0


def read(connection: sa.Connection, destination: str, addresses: Sequence[str]) -> dict[str, Contact]:
    """These contacts within a transaction."""
    columns = schema.contacts.c
    found = {}
    states, bits, contact = _STATES, packing.unpack_bits, Contact._make
    for is_asked in among(connection, columns.address, addresses):
        query = sa.select(*_READ).where(columns.destination == destination, is_asked)
        for address, customer, state, ref, members, foreign, packed in connection.execute(query).all():
            found[address] = contact((address, customer, states[state], ref, bits(members), bits(foreign), packed))
    return found


def write(connection: sa.Connection, destination: str, contacts: Sequence[Contact]) -> None:
    """Insert or replace contacts within a transaction."""
    columns: dict[str, Sequence[object]] = {
        "destination": [destination] * len(contacts),
        "address": [contact.address for contact in contacts],
        "customer_id": [contact.customer_id for contact in contacts],
        "ref": [contact.ref for contact in contacts],
        "state": [str(contact.state) for contact in contacts],
        "members": [packing.pack_bits(contact.members) for contact in contacts],
        "foreign_members": [packing.pack_bits(contact.foreign_members) or None for contact in contacts],
        "fields": [contact.packed for contact in contacts],
    }
    upsert_columns(connection, schema.contacts, columns)


def change(connection: sa.Connection, destination: str, changes: Sequence[tuple[Contact | None, Contact]]) -> None:
    """Write contacts, of each only what differs from what the ledger had: most outcomes touch one column, and no index."""
    whole: list[Contact] = []
    moved: dict[frozenset[int], list[str]] = {}
    valued: list[Contact] = []
    for before, after in changes:
        if before is None:
            whole.append(after)
            continue
        _, customer, state, ref, members, foreign, packed = before
        address, customer_now, state_now, ref_now, members_now, foreign_now, packed_now = after
        if customer != customer_now or state is not state_now or ref != ref_now or foreign != foreign_now:
            whole.append(after)
        elif packed == packed_now:
            moved.setdefault(members_now, []).append(address)
        elif members == members_now:
            valued.append(after)
        else:
            whole.append(after)
    write(connection, destination, whole)
    _move(connection, destination, moved)
    _value(connection, destination, valued)


def _move(connection: sa.Connection, destination: str, moved: Mapping[frozenset[int], list[str]]) -> None:
    """Contacts share few combinations of lists: one statement each."""
    columns = schema.contacts.c
    for members, addresses in moved.items():
        for is_one in among(connection, columns.address, sorted(addresses)):
            update = sa.update(schema.contacts).where(columns.destination == destination, is_one)
            connection.execute(update.values(members=packing.pack_bits(members)))


def _value(connection: sa.Connection, destination: str, valued: Sequence[Contact]) -> None:
    if not valued:
        return
    ordered = sorted(valued, key=itemgetter(0))  # pages are written once where keys come in order
    columns: dict[str, list[str]] = {
        "at": [destination] * len(ordered),
        "who": [contact.address for contact in ordered],
        "packed": [contact.packed for contact in ordered],
    }
    compiled = _VALUED.compile(dialect=connection.dialect)
    if connection.dialect.positional:
        order = getattr(compiled, "positiontup", None) or ()
        connection.exec_driver_sql(str(compiled), list(zip(*(columns[name] for name in order), strict=True)))
    else:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        connection.execute(_VALUED, rows)
