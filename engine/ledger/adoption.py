"""A list that somebody else made, taken over: those who are in it now are never ours to remove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.types import TargetKind
from engine.ledger import contacts
from engine.ledger.accounts import Targets, record_row
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.types import Ref, Target

__all__ = ["Adoption"]

_PART = 10_000  # contacts that are objects at one time


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


def _foreign(before: Contact | None, address: str, customer: str, place: int) -> Contact:
    one = before or Contact(address=address, customer_id=customer, state=ContactState.FOUND)
    return one._replace(foreign_members=one.foreign_members | {place})
