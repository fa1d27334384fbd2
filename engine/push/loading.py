"""The plan's rows as changes: addresses resolved, and what is done, forbidden or impossible by now left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.types import TargetKind
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.outcomes import Sending, is_there
from engine.ledger.packing import SEPARATOR as FIELD_SEPARATOR
from engine.ledger.packing import scalar, value
from engine.plan.rows import ID_LENGTH, SEPARATOR, content_hash, contents, hashes, starts, unpacked
from engine.plan.spool import Rows
from engine.push.pools import KIND, pool_groups

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.spool import Run
    from engine.push.trip import Trip

__all__ = ["groups"]

_NONE: frozenset[str] = frozenset()
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_UNSENT = tuple(Sending._field_defaults[name] for name in ("job", "started_at", "plan", "is_pending"))  # its last parts
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
        yield _ready(trip, run.kind, run.target, _changes(trip, run.kind, run.target, part), suppressed)


class _Drafts(NamedTuple):
    """Changes of the plan with their customers' addresses of today ("" without one).

    By place: whether the address may be mailed, and whether the content's hash is that of today's address.
    """

    changes: list[Sending]
    may: list[bool]
    is_today: list[bool]


def _changes(trip: Trip, kind: str, target: str, part: pa.Table) -> _Drafts:
    """A part of the plan's rows, packed as they lie, as changes, read by the column."""
    import pyarrow.compute as pc

    first = starts(part)
    customers, digests = (_plain(part[name].take(first)) for name in ("customer_id", "content_hash"))
    people = trip.people.today(customers)
    told = _told(part, first)
    bare = contents(trip.name, kind, target, people["email"], {})
    sums = hashes(bare if told is None else told.after(bare))
    fields, defaults, statuses = (repeat(_NO_FIELDS), repeat(_NONE), repeat(None)) if told is None else told.values()
    texts = digests.to_pylist()
    changes = map(
        Sending._make,
        zip(
            [digest[:ID_LENGTH] for digest in texts], texts, repeat(kind), repeat(target), customers.to_pylist(),
            people["email"].to_pylist(), fields, defaults, statuses, *map(repeat, _UNSENT),
        ),
    )  # fmt: skip
    return _Drafts(list(changes), people["may"].to_pylist(), pc.equal(sums, digests).to_pylist())


def _plain(column: pa.ChunkedArray) -> pa.Array[Any]:
    import pyarrow as pa

    return column.cast(pa.string()).combine_chunks()


def _told(part: pa.Table, first: pa.Array[Any]) -> _Told | None:
    """What the changes of a part say beside whom they are about; None where they say nothing more."""
    import pyarrow.compute as pc

    text = pc.coalesce(part["after"], part["before"]).combine_chunks()
    if text.null_count == len(text):
        return None
    begins = first.to_pylist()
    return _Told(_plain(part["field"]), text, part["is_default"], begins, [*begins[1:], len(part)])


class _Told(NamedTuple):
    """Values of changes, row by row, and where the rows of each change begin and end."""

    field: pa.Array[Any]
    text: pa.Array[Any]
    is_default: pa.ChunkedArray
    begins: list[int]
    ends: list[int]

    def after(self, bare: Any) -> pa.Array[Any]:  # noqa: ANN401 - Arrow's columns carry no type
        """What each change says, as `rows.contents` has it, of that without values; its fields are in order, its status last."""
        import pyarrow as pa
        import pyarrow.compute as pc

        is_value = pc.and_(pc.is_valid(self.field), pc.is_valid(self.text))
        lines = pc.binary_join_element_wise(self.field, self.text, "=").filter(is_value)
        last = pc.subtract(pa.array(self.ends, pa.int32()), 1)
        counts = pc.cumulative_sum(is_value.cast(pa.int32())).take(last)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), counts])
        values = pc.binary_join(pa.ListArray.from_arrays(offsets, lines), SEPARATOR)
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        status = pc.if_else(pc.is_null(self.field.take(last)), self.text.take(last), pa.scalar(None, pa.string()))
        status = pc.binary_join_element_wise("=", status, "")
        return pc.binary_join_element_wise(bare, status, values, SEPARATOR, null_handling="skip")

    def values(self) -> tuple[list[dict[str, str]], Iterable[frozenset[str]], list[str | None]]:
        """JSON scalars by field, the fields that stand in for an unknown, and the status, of each change."""
        import pyarrow.compute as pc

        names, texts = _shared(pc.fill_null(self.field, "")), _shared(self.text)
        spans = list(map(slice, self.begins, self.ends))
        if len(spans) == len(names):  # of one field each
            fields = [{name: text} for name, text in zip(names, texts, strict=True)]
        else:
            fields = [dict(zip(names[span], texts[span], strict=True)) for span in spans]
        if self.text.null_count:
            fields = [{name: text for name, text in told.items() if text} for told in fields]
        statuses = [told.pop("", None) for told in fields]
        defaults: Iterable[frozenset[str]] = repeat(_NONE)
        if pc.any(self.is_default).as_py():
            flags = pc.fill_null(self.is_default, False).to_pylist()
            defaults = [frozenset(compress(names[span], flags[span])) for span in spans]
        plain = {status: str(value(status)) if status else None for status in set(statuses)}
        return fields, defaults, [plain[status] for status in statuses]


def _shared(column: pa.Array[Any]) -> list[Any]:
    """The texts of a column, of which equal ones are one object: it is held, hashed and compared once."""
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(column)
    words = [*coded.dictionary.to_pylist(), None]
    return [words[place] for place in pc.fill_null(coded.indices, len(words) - 1).to_pylist()]


def _ready(trip: Trip, kind: str, target: str, drafts: _Drafts, suppressed: frozenset[str]) -> list[Sending]:
    """Those that may and need to be sent now; the others are counted as withheld, by why."""
    changes, may, _ = drafts if all(drafts.is_today) else _resolved(trip, drafts)
    contacts = trip.read([change.address for change in changes])
    is_needed = _NEEDED[kind](trip, target)
    is_raise, is_creation = kind in _RAISES, kind == "AddContact"
    is_consents, left = is_raise or kind == "Suppress", ContactState.LEFT
    ready, why = [], list[str]()
    for change, is_reachable in zip(changes, may, strict=True):
        address = change.address
        contact = contacts[address]
        if is_consents and (is_reachable and address not in suppressed) is not is_raise:
            why.append("consent")
        elif not is_creation and (contact is None or contact.state is left):
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
