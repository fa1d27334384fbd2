"""The plan's rows as changes: addresses resolved, and what is done, forbidden or impossible by now left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

from connectors.types import TargetKind
from engine.ledger.contacts import Contact
from engine.ledger.outcomes import Sending, is_there
from engine.ledger.packing import value
from engine.plan.rows import ISSUE, content_hash

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.push.trip import Trip

__all__ = ["groups"]

_PART = 10_000  # changes held as objects at one time
_COLUMNS = ("change_id", "kind", "target", "customer_id", "field", "before", "after", "content_hash", "is_default")
_RAISES = frozenset({"AddContact", "SetTraits", "AddMember"})


def groups(trip: Trip, table: pa.Table, *, is_first: bool) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    """Kind, target and the changes in parts, in the plan's order; `is_first`: those of people who have left."""
    import pyarrow.compute as pc

    less = pc.less(table["phase"], 0)
    mine = table.filter(pc.and_(less if is_first else pc.invert(less), pc.not_equal(table["kind"], ISSUE)))
    mine = mine.append_column("email", trip.people.emails(mine["customer_id"].combine_chunks()))
    suppressed = trip.ledger.suppressions.addresses(trip.name)
    stream = groupby(_drafts(mine), key=lambda draft: (draft.kind, draft.target))
    for (kind, target), drafts in stream:
        yield kind, target, _parts(trip, drafts, suppressed)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A change of the plan, without the address; `email` is the customer's address of today."""

    change_id: str
    kind: str
    target: str
    customer_id: str
    content_hash: str
    fields: Mapping[str, str]
    defaults: frozenset[str]
    email: str | None


def _drafts(table: pa.Table) -> Iterator[_Draft]:
    batches = table.select([*_COLUMNS, "email"]).to_batches(max_chunksize=_PART)
    cells = (zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches)
    return _whole(chain.from_iterable(cells))  # a change's rows may lie in two batches


def _whole(rows: Iterator[tuple[Any, ...]]) -> Iterator[_Draft]:
    for key, cells in groupby(rows, key=lambda row: row[0]):
        parts = list(cells)
        _, kind, target, customer, _, _, _, digest, _, email = parts[0]
        fields = {row[4] or "": (row[6] if row[6] is not None else row[5]) for row in parts if row[6] or row[5]}
        yield _Draft(key, kind, target, customer, digest, fields, frozenset(row[4] for row in parts if row[8]), email)


def _parts(trip: Trip, drafts: Iterator[_Draft], suppressed: frozenset[str]) -> Iterator[list[Sending]]:
    while part := list(islice(drafts, _PART)):
        yield _ready(trip, part, suppressed)


def _ready(trip: Trip, drafts: Sequence[_Draft], suppressed: frozenset[str]) -> list[Sending]:
    """Those that may and need to be sent now; the others are counted as withheld, by why."""
    resolved = list(_resolved(trip, drafts))
    addresses = [change.address for change in resolved]
    contacts = trip.ledger.contacts.of(trip.name, addresses)
    may = trip.people.reachable(addresses) - suppressed
    ready = []
    for change in resolved:
        why = _why_not(trip, change, contacts.get(change.address), change.address in may)
        if why is None:
            ready.append(change)
        else:
            trip.result.withheld[why] += 1
            trip.done += 1
    return ready


def _resolved(trip: Trip, drafts: Sequence[_Draft]) -> Iterator[Sending]:
    """The plan holds no address: it is the one, of today or in the ledger, that gives the content's hash."""
    moved = []
    for draft in drafts:
        if draft.email is not None and _digest(trip, draft, draft.email) == draft.content_hash:
            yield _sending(draft, draft.email)
        else:
            moved.append(draft)
    known = trip.ledger.contacts.addresses(trip.name, sorted({draft.customer_id for draft in moved})) if moved else {}
    for draft in moved:
        for address in known.get(draft.customer_id, ()):
            if _digest(trip, draft, address) == draft.content_hash:
                yield _sending(draft, address)
                break
        else:
            trip.result.withheld["address"] += 1
            trip.done += 1


def _digest(trip: Trip, draft: _Draft, address: str) -> str:
    return content_hash(trip.name, draft.kind, draft.target, address, draft.fields)


def _sending(draft: _Draft, address: str) -> Sending:
    status = draft.fields.get("")
    return Sending(
        change_id=draft.change_id,
        content_hash=draft.content_hash,
        kind=draft.kind,
        target=draft.target,
        customer_id=draft.customer_id,
        address=address,
        fields={name: text for name, text in draft.fields.items() if name},
        defaults=draft.defaults,
        status=str(value(status)) if status else None,
    )


def _why_not(trip: Trip, change: Sending, contact: Contact | None, may: bool) -> str | None:  # noqa: FBT001 - a fact about the person
    if change.kind in _RAISES and not may:
        return "consent"
    if change.kind == "Suppress" and may:
        return "consent"
    if change.kind != "AddContact" and not is_there(contact):
        return "contact"
    return None if _NEEDED[change.kind](trip, change, contact) else "done"


def _lacks_values(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    known = {name: at.position for (kind, name), at in trip.targets.items() if kind is TargetKind.FIELD}
    have = contact.fields if contact else {}
    return any(have.get(known.get(name, -1)) != text for name, text in change.fields.items())


def _has_values(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    known = {name: at.position for (kind, name), at in trip.targets.items() if kind is TargetKind.FIELD}
    return contact is not None and any(known.get(name) in contact.fields for name in change.fields)


def _is_outside(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    position = _position(trip, change)
    return contact is not None and position not in contact.members | contact.foreign_members


def _is_inside(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    return contact is not None and _position(trip, change) in contact.members


def _position(trip: Trip, change: Sending) -> int:
    known = trip.targets.get((TargetKind.SEGMENT, change.target))
    return known.position if known else -1


_NEEDED: Mapping[str, Callable[[Trip, Sending, Contact | None], bool]] = {
    "AddContact": lambda _trip, _change, contact: contact is None,
    "SetTraits": _lacks_values,
    "ClearTraits": _has_values,
    "AddMember": _is_outside,
    "RemoveMember": _is_inside,
    "Suppress": lambda _trip, _change, contact: is_there(contact),
}
"""Whether the ledger, as it is now, still asks for the change: a resumed push skips what is done."""
