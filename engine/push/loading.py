"""The plan's rows as changes: addresses resolved, and what is done, forbidden or impossible by now left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.types import TargetKind
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.outcomes import Sending, is_there
from engine.ledger.packing import SEPARATOR as FIELD_SEPARATOR
from engine.ledger.packing import scalar, value
from engine.plan.rows import SEPARATOR, content_hash, hashes, starts, unpacked
from engine.plan.spool import Rows
from engine.push.pools import KIND, pool_groups

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.spool import Run
    from engine.push.trip import Trip

__all__ = ["groups"]

_HEADS = ("change_id", "kind", "target", "customer_id", "content_hash", "destination")
_TOLD = ("change_id", "customer_id", "content_hash", "email")
_NONE: frozenset[str] = frozenset()
_RAISES = frozenset({"AddContact", "SetTraits", "AddMember"})


def groups(trip: Trip, stored: Rows, *, is_first: bool) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    """Kind, target and the changes in parts, in the plan's order; `is_first`: those of people who have left."""
    mine = [run for run in stored.runs if (run.phase < 0) is is_first]
    people = [run for run in mine if run.kind != KIND]
    if people:
        yield from _of_people(trip, people)
    pooled = Rows(tuple(run for run in mine if run.kind == KIND))  # the last of all
    yield from pool_groups(trip, unpacked(pooled.table()))


def _of_people(trip: Trip, mine: Sequence[Run]) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    suppressed = trip.ledger.suppressions.addresses(trip.name)
    for run in mine:
        yield run.kind, run.target, _parts(trip, run, suppressed)


def _parts(trip: Trip, run: Run, suppressed: frozenset[str]) -> Iterator[list[Sending]]:
    for part in run.tables():
        drafts = _changes(trip, run.kind, run.target, unpacked(part))
        yield _ready(trip, run.kind, run.target, drafts, suppressed)


class _Drafts(NamedTuple):
    """Changes of the plan with their customers' addresses of today ("" without one).

    By place: whether the address may be mailed, and whether the content's hash is that of today's address.
    """

    changes: list[Sending]
    may: list[bool]
    is_today: list[bool]


def _changes(trip: Trip, kind: str, target: str, rows: pa.Table) -> _Drafts:
    """A part of the plan's rows as changes, read by the column."""
    import pyarrow.compute as pc

    first = starts(rows)
    people = trip.people.today(rows["customer_id"].take(first).combine_chunks())
    heads = rows.select(_HEADS).take(first).append_column("email", people["email"])
    text = pc.coalesce(rows["after"], rows["before"]).combine_chunks()
    begins = first.to_pylist()
    ends = [*begins[1:], len(rows)]
    sums = hashes(_contents(heads, rows["field"].combine_chunks(), text, ends))
    keys, customers, digests, emails = (heads[name].to_pylist() for name in _TOLD)
    names = _shared(pc.fill_null(rows["field"], "").combine_chunks())
    texts = _shared(text)
    fields = [_fields(names, texts, start, end) for start, end in zip(begins, ends, strict=True)]
    defaults: Iterable[frozenset[str]] = repeat(_NONE, len(begins))
    if pc.any(rows["is_default"]).as_py():
        flags = pc.fill_null(rows["is_default"], False).to_pylist()
        spans = zip(begins, ends, strict=True)
        defaults = [frozenset(compress(names[start:end], flags[start:end])) for start, end in spans]
    statuses = [told.pop("", None) if told else None for told in fields]
    changes = [
        Sending(key, digest, kind, target, customer, email, told, named, str(value(status)) if status else None)
        for key, digest, customer, email, told, named, status in zip(
            keys, digests, customers, emails, fields, defaults, statuses, strict=True
        )
    ]
    return _Drafts(changes, people["may"].to_pylist(), pc.equal(sums, heads["content_hash"]).to_pylist())


def _shared(column: pa.Array[Any]) -> list[Any]:
    """The texts of a column, of which equal ones are one object: it is held, hashed and compared once."""
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(column)
    words = [*coded.dictionary.to_pylist(), None]
    return [words[place] for place in pc.fill_null(coded.indices, len(words) - 1).to_pylist()]


def _fields(names: Sequence[str], texts: Sequence[str | None], start: int, end: int) -> dict[str, str]:
    """JSON scalars by field, and a status under "": those of the rows from start to end."""
    if end - start == 1:
        text = texts[start]
        return {names[start]: text} if text else {}
    spans = zip(names[start:end], texts[start:end], strict=True)
    return {name: text for name, text in spans if text}


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


def _ready(trip: Trip, kind: str, target: str, drafts: _Drafts, suppressed: frozenset[str]) -> list[Sending]:
    """Those that may and need to be sent now; the others are counted as withheld, by why."""
    changes, may, _ = drafts if all(drafts.is_today) else _resolved(trip, drafts)
    contacts = trip.read([change.address for change in changes])
    is_needed = _NEEDED[kind](trip, target)
    is_raise, is_creation = kind in _RAISES, kind == "AddContact"
    ready, why = [], list[str]()
    for change, is_reachable in zip(changes, may, strict=True):
        contact = contacts[change.address]
        if (is_raise or kind == "Suppress") and (is_reachable and change.address not in suppressed) is not is_raise:
            why.append("consent")
        elif not is_creation and (contact is None or contact.state is ContactState.LEFT):
            why.append("contact")
        elif is_needed(change, contact):
            ready.append(change)
        else:
            why.append("done")
    good = _usable(trip, ready) if is_raise else ready
    why += ["over"] * (len(ready) - len(good))
    trip.result.withheld.update(why)
    trip.done += len(why)
    return good


def _usable(trip: Trip, changes: list[Sending]) -> list[Sending]:
    """Without those that carry a code which was used or ended since the plan was made."""
    tags = [tag.name for tag in trip.carrier.destination.merge_tags if tag.offer and tag.field == "code"]
    codes = [[str(value(change.fields[tag])) for tag in tags if tag in change.fields] for change in changes if tags]
    over = trip.ledger.codes.over([code for held in codes for code in held], now=trip.now)
    if not over:
        return changes
    return [change for change, held in zip(changes, codes, strict=True) if over.isdisjoint(held)]


def _resolved(trip: Trip, drafts: _Drafts) -> _Drafts:
    """The plan holds no address: it is the one, of today or in the ledger, that gives the content's hash."""
    found = _Drafts(
        list(compress(drafts.changes, drafts.is_today)),
        list(compress(drafts.may, drafts.is_today)),
        [flag for flag in drafts.is_today if flag],
    )
    moved = [change for change, is_today in zip(drafts.changes, drafts.is_today, strict=True) if not is_today]
    known = trip.ledger.contacts.addresses(trip.name, sorted({change.customer_id for change in moved}))
    for change in moved:
        for address in known.get(change.customer_id, ()):
            if _digest(trip, change, address) == change.content_hash:
                found.changes.append(change._replace(address=address))
                found.may.append(bool(trip.people.reachable([address])))
                break
        else:
            trip.result.withheld["address"] += 1
            trip.done += 1
    return found


def _digest(trip: Trip, change: Sending, address: str) -> str:
    fields = change.fields if change.status is None else {**change.fields, "": scalar(change.status)}
    return content_hash(trip.name, change.kind, change.target, address, fields)


_Needs = Callable[[Sending, Contact | None], bool]


def _values_wanted(trip: Trip, _: str) -> _Needs:
    """Some value is another than the contact's."""
    known = trip.places[TargetKind.FIELD]

    def needs(change: Sending, contact: Contact | None) -> bool:
        cells = contact.packed.split(FIELD_SEPARATOR) if contact else []
        for name, text in change.fields.items():
            place = known.get(name, len(cells))
            if place >= len(cells) or cells[place] != text:
                return True
        return False

    return needs


def _values_held(trip: Trip, _: str) -> _Needs:
    known = trip.places[TargetKind.FIELD]

    def needs(change: Sending, contact: Contact | None) -> bool:
        have = contact.fields if contact else {}
        return any(known.get(name) in have for name in change.fields)

    return needs


def _outside(trip: Trip, target: str) -> _Needs:
    place = trip.places[TargetKind.SEGMENT].get(target, -1)
    return lambda _, contact: (
        contact is not None and place not in contact.members and place not in contact.foreign_members
    )


def _inside(trip: Trip, target: str) -> _Needs:
    place = trip.places[TargetKind.SEGMENT].get(target, -1)
    return lambda _, contact: contact is not None and place in contact.members


_NEEDED: Mapping[str, Callable[[Trip, str], _Needs]] = {
    "AddContact": lambda _trip, _target: lambda _, contact: contact is None,
    "SetTraits": _values_wanted,
    "ClearTraits": _values_held,
    "AddMember": _outside,
    "RemoveMember": _inside,
    "Suppress": lambda _trip, _target: lambda _, contact: is_there(contact),
}
"""Whether the ledger, as it is now, still asks for a change of the target: a resumed push skips what is done."""
