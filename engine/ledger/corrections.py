"""The ledger told what is no longer so at a destination: others took somebody out of a list, changed a value, deleted a contact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.ledger import contacts, packing
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Corrections"]

_PART = 10_000  # contacts that are objects at one time


@dataclass(frozen=True, slots=True)
class Corrections:
    """What is written of contacts without any change of ours having been carried: twice is as once."""

    _store: Store

    def forget_members(self, destination: str, position: int, addresses: pa.Array, *, plan: str | None = None) -> None:
        """These are not in that list any more."""
        self._each(destination, addresses, lambda one: one._replace(members=one.members - {position}), plan=plan)

    def forget_value(self, destination: str, position: int, addresses: pa.Array, *, plan: str | None = None) -> None:
        """What that field holds of these is not what we wrote."""

        def without(one: Contact) -> Contact:
            fields = {place: text for place, text in one.fields.items() if place != position}
            return one._replace(packed=packing.pack_fields(fields))

        self._each(destination, addresses, without, plan=plan)

    def lose(self, destination: str, addresses: pa.Array, *, plan: str | None = None) -> None:
        """These are not contacts there any more: never created again."""
        self._each(
            destination,
            addresses,
            lambda one: one._replace(state=ContactState.LEFT, members=frozenset(), packed=""),
            plan=plan,
        )

    def _each(
        self, destination: str, addresses: pa.Array, change: Callable[[Contact], Contact], *, plan: str | None
    ) -> None:
        for part in _parts(addresses):
            with self._store.move(plan) as connection:
                before = contacts.read(connection, destination, part)
                pairs = [(one, change(one)) for one in before.values()]
                contacts.change(connection, destination, [pair for pair in pairs if pair[0] != pair[1]])


def _parts(addresses: pa.Array) -> Iterator[Sequence[str]]:
    for start in range(0, len(addresses), _PART):
        yield addresses.slice(start, _PART).to_pylist()
