"""A list that somebody else made, taken over: those who are in it now are never ours to remove; and given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from connectors.types import TargetKind
from engine.ledger import contacts, schema
from engine.ledger.accounts import KnownTarget, Targets, record_row
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.packing import unpack_bits
from engine.ledger.store import Store, among, chunks

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.types import Ref, Target

__all__ = ["Adoption", "Held"]

_PART = 10_000  # contacts that are objects at one time


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A list that was taken over: people whom we put there, and those who were there before us."""

    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """Lists taken over."""

    _store: Store
    _targets: Targets

    def take(self, destination: str, target: Target, ref: Ref, present: pa.Table) -> None:
        """The list and everyone in it, all or nothing: whoever is not written down here could be taken for ours.

        `present`: address, customer_id ("" for those whom the shop does not know).
        """
        known = self._targets.of(destination)
        place = 1 + max((at.position for (kind, _), at in known.items() if kind is TargetKind.SEGMENT), default=-1)
        with self._store.move() as connection:
            record_row(connection, destination, target, position=place, ref=ref)
            for start in range(0, len(present), _PART):
                part = present.slice(start, _PART)
                pairs = dict(zip(part["address"].to_pylist(), part["customer_id"].to_pylist(), strict=True))
                before = contacts.read(connection, destination, list(pairs))
                changes = [(before.get(address), _foreign(before.get(address), address, customer, place))
                           for address, customer in pairs.items()]  # fmt: skip
                contacts.change(connection, destination, changes)

    def held(self, destination: str, known: KnownTarget) -> Held:
        """Who of the list is whose."""
        columns = schema.contacts.c
        query = sa.select(columns.members, columns.foreign_members).where(columns.destination == destination)
        ours = theirs = 0
        for row in self._store.rows(query):
            ours += known.position in unpack_bits(row["members"])
            theirs += known.position in unpack_bits(row["foreign_members"])
        return Held(ours=ours, theirs=theirs)

    def give_back(self, destination: str, known: KnownTarget) -> None:
        """Forget the list and who was in it, all or nothing; those of whom nothing else is known are forgotten too."""
        columns, place = schema.contacts.c, known.position
        query = sa.select(columns.address, columns.foreign_members).where(
            columns.destination == destination, columns.foreign_members.is_not(None)
        )
        theirs = [row["address"] for row in self._store.rows(query) if place in unpack_bits(row["foreign_members"])]
        with self._store.move() as connection:
            for part in chunks(theirs):
                before = contacts.read(connection, destination, part)
                after = [(one, one._replace(foreign_members=one.foreign_members - {place})) for one in before.values()]
                contacts.change(connection, destination, [pair for pair in after if not _is_nobody(pair[1])])
                gone = [one.address for _, one in after if _is_nobody(one)]
                for where in among(connection, columns.address, gone):
                    connection.execute(sa.delete(schema.contacts).where(columns.destination == destination, where))
            same = schema.targets.c
            here = (same.destination == destination, same.kind == known.target.kind, same.name == known.target.name)
            connection.execute(sa.delete(schema.targets).where(*here))


def _is_nobody(one: Contact) -> bool:
    """Somebody of whom the ledger knows only that they are there."""
    return one.state is ContactState.FOUND and not (one.members or one.foreign_members or one.packed)


def _foreign(before: Contact | None, address: str, customer: str, place: int) -> Contact:
    one = before or Contact(address=address, customer_id=customer, state=ContactState.FOUND)
    return one._replace(foreign_members=one.foreign_members | {place})
