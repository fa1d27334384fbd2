"""The plan's rows as changes: addresses resolved, and what is done, forbidden or impossible by now left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress, groupby, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.types import TargetKind
from engine.ledger.contacts import Contact
from engine.ledger.outcomes import Sending, is_there
from engine.ledger.packing import scalar, value
from engine.plan.rows import PART, SEPARATOR, content_hash, hashes, parts, phase, starts, unpacked
from engine.push.pools import KIND, pool_groups

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.push.trip import Trip

__all__ = ["groups"]

_HEADS = ("change_id", "kind", "target", "customer_id", "content_hash", "destination")
_TOLD = (*_HEADS[:5], "email")
_NONE: frozenset[str] = frozenset()
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_LOOKED_UP = 20 * PART  # changes whose addresses are found at one time
_RAISES = frozenset({"AddContact", "SetTraits", "AddMember"})


def groups(trip: Trip, table: pa.Table, *, is_first: bool) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    """Kind, target and the changes in parts, in the plan's order; `is_first`: those of people who have left."""
    import pyarrow.compute as pc

    count = pc.sum(pc.less(table["phase"], 0)).as_py() or 0  # rows are in the order of their phases
    mine = table.slice(0, count) if is_first else table.slice(count)
    codes = pc.sum(pc.equal(mine["phase"], phase(KIND, is_first=False))).as_py() or 0  # the last of all
    mine, pooled = mine.slice(0, len(mine) - codes), mine.slice(len(mine) - codes)
    if len(mine):
        yield from _of_people(trip, mine)
    yield from pool_groups(trip, unpacked(pooled))


def _of_people(trip: Trip, mine: pa.Table) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    suppressed = trip.ledger.suppressions.addresses(trip.name)
    stream = groupby(_drafts(trip, mine), key=lambda draft: (draft.change.kind, draft.change.target))
    for (kind, target), drafts in stream:
        yield kind, target, _parts(trip, drafts, suppressed)


class _Draft(NamedTuple):
    """A change of the plan with its customer's address of today ("" without one), and whether that may be mailed."""

    change: Sending
    may: bool
    is_today: bool  # the content's hash is that of today's address


def _drafts(trip: Trip, table: pa.Table) -> Iterator[_Draft]:
    """The changes, read by the column; addresses are looked up for many of them at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for several in parts(table, _LOOKED_UP):
        emails = trip.people.emails(_first_of_each(several, "customer_id"))
        people = pa.table({"email": pc.fill_null(emails, ""), "may": trip.people.may(emails)})
        for number, part in enumerate(map(unpacked, parts(several))):
            yield from _changes(part, starts(part), people.slice(number * PART, PART))


def _first_of_each(table: pa.Table, name: str) -> pa.Array[Any]:
    """One cell of each change."""
    import pyarrow as pa

    return table[name].cast(pa.string()).take(starts(table)).combine_chunks()


def _changes(rows: pa.Table, first: pa.Array[Any], people: pa.Table) -> Iterator[_Draft]:
    import pyarrow.compute as pc

    heads = rows.select(_HEADS).take(first).append_column("email", people["email"])
    text = pc.coalesce(rows["after"], rows["before"]).combine_chunks()
    begins = first.to_pylist()
    ends = [*begins[1:], len(rows)]
    sums = hashes(_contents(heads, rows["field"].combine_chunks(), text, ends))
    flags = (people["may"], pc.equal(sums, heads["content_hash"]))
    columns = [column.to_pylist() for column in (*heads.select(_TOLD).columns, *flags)]
    names = pc.fill_null(rows["field"], "").to_pylist()
    texts = text.to_pylist()
    defaults = pc.fill_null(rows["is_default"], False).to_pylist()
    has_defaults = any(defaults)
    for start, end, key, kind, target, customer, digest, email, may, is_today in zip(
        begins, ends, *columns, strict=True
    ):
        fields = _NO_FIELDS
        status = None
        if end - start > 1 or texts[start]:
            fields = {name: text for name, text in zip(names[start:end], texts[start:end], strict=True) if text}
            status = fields.pop("", None)
        stand_ins = has_defaults and any(defaults[start:end])
        change = Sending(
            change_id=key,
            content_hash=digest,
            kind=kind,
            target=target,
            customer_id=customer,
            address=email,
            fields=fields,
            defaults=frozenset(compress(names[start:end], defaults[start:end])) if stand_ins else _NONE,
            status=str(value(status)) if status else None,
        )
        yield _Draft(change, may, is_today)


def _contents(heads: pa.Table, field: pa.Array[Any], text: pa.Array[Any], ends: Sequence[int]) -> pa.Array[Any]:
    """What each change says at today's address, as `rows.contents` has it; a change's fields are in order, its status last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_value = pc.and_(pc.is_valid(field), pc.is_valid(text))
    lines = pc.binary_join_element_wise(field, text, "=").filter(is_value)
    last = pc.subtract(pa.array(ends, pa.int32()), 1)
    counts = pc.cumulative_sum(is_value.cast(pa.int32())).take(last)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), counts])
    values = pc.binary_join(pa.ListArray.from_arrays(offsets, lines), SEPARATOR)
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    status = pc.if_else(pc.is_null(field.take(last)), text.take(last), pa.scalar(None, pa.string()))
    status = pc.binary_join_element_wise("=", status, "")
    parts = [*(heads[name] for name in ("destination", "kind", "target", "email")), status, values]
    return pc.binary_join_element_wise(*parts, SEPARATOR, null_handling="skip")


def _parts(trip: Trip, drafts: Iterator[_Draft], suppressed: frozenset[str]) -> Iterator[list[Sending]]:
    while part := list(islice(drafts, PART)):
        yield _ready(trip, part, suppressed)


def _ready(trip: Trip, drafts: Sequence[_Draft], suppressed: frozenset[str]) -> list[Sending]:
    """Those that may and need to be sent now; the others are counted as withheld, by why."""
    resolved = list(_resolved(trip, drafts))
    contacts = trip.read([change.address for change, _, _ in resolved])
    ready = []
    for change, may, _ in resolved:
        contact = contacts[change.address]
        why = _why_not(trip, change, contact, may and change.address not in suppressed)
        if why is None:
            ready.append(change)
        else:
            trip.result.withheld[why] += 1
            trip.done += 1
    return ready


def _resolved(trip: Trip, drafts: Sequence[_Draft]) -> Iterator[_Draft]:
    """The plan holds no address: it is the one, of today or in the ledger, that gives the content's hash."""
    moved = []
    for draft in drafts:
        if draft.is_today:
            yield draft
        else:
            moved.append(draft.change)
    if not moved:
        return
    known = trip.ledger.contacts.addresses(trip.name, sorted({change.customer_id for change in moved}))
    for change in moved:
        for address in known.get(change.customer_id, ()):
            if _digest(trip, change, address) == change.content_hash:
                yield _Draft(change._replace(address=address), bool(trip.people.reachable([address])), is_today=False)
                break
        else:
            trip.result.withheld["address"] += 1
            trip.done += 1


def _digest(trip: Trip, change: Sending, address: str) -> str:
    fields = change.fields if change.status is None else {**change.fields, "": scalar(change.status)}
    return content_hash(trip.name, change.kind, change.target, address, fields)


def _why_not(trip: Trip, change: Sending, contact: Contact | None, may: bool) -> str | None:  # noqa: FBT001 - a fact about the person
    if change.kind in _RAISES and not may:
        return "consent"
    if change.kind == "Suppress" and may:
        return "consent"
    if change.kind != "AddContact" and not is_there(contact):
        return "contact"
    return None if _NEEDED[change.kind](trip, change, contact) else "done"


def _lacks_values(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    known = trip.places[TargetKind.FIELD]
    have = contact.fields if contact and change.fields else {}
    return any(have.get(known.get(name, -1)) != text for name, text in change.fields.items())


def _has_values(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    known = trip.places[TargetKind.FIELD]
    have = contact.fields if contact else {}
    return any(known.get(name) in have for name in change.fields)


def _is_outside(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    position = _position(trip, change)
    return contact is not None and position not in contact.members and position not in contact.foreign_members


def _is_inside(trip: Trip, change: Sending, contact: Contact | None) -> bool:
    return contact is not None and _position(trip, change) in contact.members


def _position(trip: Trip, change: Sending) -> int:
    return trip.places[TargetKind.SEGMENT].get(change.target, -1)


_NEEDED: Mapping[str, Callable[[Trip, Sending, Contact | None], bool]] = {
    "AddContact": lambda _trip, _change, contact: contact is None,
    "SetTraits": _lacks_values,
    "ClearTraits": _has_values,
    "AddMember": _is_outside,
    "RemoveMember": _is_inside,
    "Suppress": lambda _trip, _change, contact: is_there(contact),
}
"""Whether the ledger, as it is now, still asks for the change: a resumed push skips what is done."""
