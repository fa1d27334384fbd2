"""The difference between what should be at a destination and what is, column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.types import AddContact, ClearTraits, SetTraits, Suppress, TargetKind
from engine.plan.changes import Changes
from engine.plan.destination import CONTACTS
from engine.plan.spool import Rows, Spool

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.columns import Present, Wanted
    from engine.plan.destination import Destination
    from engine.plan.population import Population

__all__ = ["Difference", "differ"]

Column = Any  # an Arrow array; Arrow ships no types


@dataclass(slots=True)
class Difference:
    """The rows of one destination's changes, and how many changes were withheld because they were rejected before.

    `overwritten`: by merge tag, contacts who may hold a value of it that is not ours; `written`: new contacts, who may
    turn out to be there. `met` and `come`: the addresses of both.
    """

    rows: list[Rows] = field(default_factory=list)
    withheld: int = 0
    overwritten: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    met: Column = None
    come: Column = None
    spool: Spool = field(default_factory=Spool)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Both sides, and where each person of one is in the other (`place` is null for those who are new)."""

    destination: Destination
    wanted: Wanted
    here: Present
    people: Population
    held: Column  # content hashes that were rejected
    place: Column
    is_new: Column
    is_found: Column  # was there before us
    is_wanted: Column  # of the contacts: belongs there
    found_fields: Collection[str]  # merge tags whose field was there before us


def differ(
    destination: Destination,
    wanted: Wanted,
    here: Present,
    people: Population,
    held: frozenset[str],
    *,
    found_fields: Collection[str] = (),
    spool: Spool | None = None,
) -> Difference:
    """Every change that takes the destination from what it has to what it should have.

    `found_fields`: merge tags whose field was there before us. `spool`: where the rows are kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    contacts = here.table["address"].combine_chunks()
    place = pc.index_in(wanted.address, value_set=contacts)
    state = here.table["state"].combine_chunks().take(place)
    sides = _Sides(
        destination=destination,
        wanted=wanted,
        here=here,
        people=people,
        held=pa.array(sorted(held), pa.string()),
        place=place,
        is_new=pc.is_null(place),
        is_found=pc.fill_null(pc.equal(state, "found"), False),
        is_wanted=pc.is_in(contacts, value_set=wanted.address),
        found_fields=found_fields,
    )
    difference = Difference(spool=spool or Spool())
    refused = _contacts(sides, difference)
    _values(sides, difference)
    _joiners(sides, difference, refused)
    _leavers(sides, difference)
    return difference


def _contacts(sides: _Sides, difference: Difference) -> Column:
    """New contacts; returns the addresses whose creation was rejected before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = sides.wanted
    status = pc.binary_join_element_wise('"', wanted.status.filter(sides.is_new), '"', "")
    fields = {"": status} | {name: column.filter(sides.is_new) for name, column in wanted.values.items()}
    change = Changes(
        sides.destination.name, AddContact.__name__, CONTACTS,
        wanted.address.filter(sides.is_new), wanted.customer_id.filter(sides.is_new), fields,
        defaults={name: column.filter(sides.is_new) for name, column in wanted.defaults.items()},
    )  # fmt: skip
    kept = _keep(change, sides.held, difference)
    difference.come = change.address.filter(kept)
    for name, column in wanted.values.items():
        is_sent = pc.and_not(column.is_valid(), wanted.defaults[name]).filter(sides.is_new)
        if count := pc.sum(pc.and_(is_sent, kept)).as_py():
            difference.written[name] = count
    return change.address.filter(pc.invert(kept)) if len(change.address) else pa.array([], pa.string())


def _values(sides: _Sides, difference: Difference) -> None:
    """Values that differ, and values of ours that should be empty now."""
    import pyarrow.compute as pc

    is_old = pc.invert(sides.is_new)
    before = {tag.name: sides.here.value(tag.name).take(sides.place) for tag in sides.destination.merge_tags}
    news: dict[str, Column] = {}
    ends: dict[str, Column] = {}
    for tag in sides.destination.merge_tags:
        now, known = sides.wanted.values[tag.name], before[tag.name]
        is_ours = pc.or_(pc.invert(sides.is_found), pc.is_valid(known))  # of a found contact: only what we set
        may = pc.or_(is_ours, pc.invert(sides.wanted.defaults[tag.name]))
        differs = pc.fill_null(pc.not_equal(now, known), pc.is_valid(now))
        news[tag.name] = _where(pc.and_(pc.and_(differs, may), is_old), now)
        if tag.is_cleared_when_unknown:
            ends[tag.name] = _where(pc.and_(pc.is_null(now), is_old), known)
    sent = _send(sides, difference, SetTraits.__name__, news, before)
    if sent is not None:
        _overwrite(sides, difference, sent, news, before)
    _send(sides, difference, ClearTraits.__name__, ends, ends)


def _send(
    sides: _Sides, difference: Difference, kind: str, fields: Mapping[str, Column], before: Mapping[str, Column]
) -> Column | None:
    """Send what is given of these people's fields; returns to whom, None where there is nobody."""
    import pyarrow.compute as pc

    any_ = _any([column.is_valid() for column in fields.values()])
    if any_ is None:
        return None
    change = Changes(
        sides.destination.name, kind, CONTACTS,
        sides.wanted.address.filter(any_), sides.wanted.customer_id.filter(any_),
        {name: column.filter(any_) for name, column in fields.items()},
        before={name: before[name].filter(any_) for name in fields},
    )  # fmt: skip
    return pc.replace_with_mask(any_, any_, _keep(change, sides.held, difference))


def _overwrite(
    sides: _Sides, difference: Difference, sent: Column, news: Mapping[str, Column], before: Mapping[str, Column]
) -> None:
    """R-GRD-07: values that go where one that is not ours may be.

    That is where we never wrote it: at contacts who were there before us, and into fields that were.
    """
    import pyarrow.compute as pc

    any_ = None
    for name, now in news.items():
        theirs = sent if name in sides.found_fields else pc.and_(sent, sides.is_found)
        met = pc.and_(pc.and_(theirs, pc.is_valid(now)), pc.is_null(before[name]))
        if count := pc.sum(met).as_py():
            difference.overwritten[name] = count
            any_ = met if any_ is None else pc.or_(any_, met)
    if any_ is not None:
        difference.met = sides.wanted.address.filter(any_)


def _joiners(sides: _Sides, difference: Difference, refused: Column) -> None:
    """Members that are not there yet, but those whose contact cannot be created; and members that left a segment."""
    import pyarrow.compute as pc

    may = pc.invert(pc.is_in(sides.wanted.address, value_set=refused))
    for segment in _segments(sides):
        put = pc.fill_null(sides.here.member(segment).take(sides.place), False)
        was = pc.fill_null(sides.here.foreign(segment).take(sides.place), False)
        member = sides.wanted.members.get(segment, _never(len(put)))
        joins = pc.and_(pc.and_not(member, pc.or_(put, was)), may)
        _keep(_membership(sides, "AddMember", segment, joins, "segment"), sides.held, difference)
        why = "segment" if segment in sides.wanted.members else "config"
        _keep(_membership(sides, "RemoveMember", segment, pc.and_not(put, member), why), sides.held, difference)


def _membership(sides: _Sides, kind: str, segment: str, rows_: Column, why: str) -> Changes:
    wanted = sides.wanted
    return Changes(
        sides.destination.name, kind, segment, wanted.address.filter(rows_), wanted.customer_id.filter(rows_), why=why
    )


def _leavers(sides: _Sides, difference: Difference) -> None:
    """Contacts that belong there no more: they leave our lists, lose code tags, and are suppressed if they said no."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = sides.here.table
    address, customer = table["address"].combine_chunks(), table["customer_id"].combine_chunks()
    is_there = pc.not_equal(table["state"].combine_chunks(), "left")
    goes = pc.and_not(is_there, sides.is_wanted)
    why = _why(sides, address, customer)
    for segment in _segments(sides):
        chosen = pc.and_(sides.here.member(segment), goes)
        _keep(_departure(sides, "RemoveMember", segment, chosen, why), sides.held, difference)
    is_lost = pc.is_in(why, value_set=pa.array(["blocked", "consent"]))
    _forget_values(sides, difference, pc.and_not(goes, is_lost))
    if Suppress in sides.destination.spec.carries:
        chosen = pc.and_(pc.and_not(is_there, _strangers(table)), pc.equal(why, "consent"))
        nothing = sides.held.slice(0, 0)  # a refusal is told again until it is taken: nobody stays mailed for good
        _keep(_departure(sides, Suppress.__name__, CONTACTS, chosen, why), nothing, difference)


def _strangers(table: pa.Table) -> Column:
    """Contacts that are known for having been in a list that was taken over, and that we never wrote to."""
    import pyarrow.compute as pc

    is_blank = pc.and_(pc.equal(table["members"], b""), pc.equal(table["fields"], ""))
    is_foreign = pc.fill_null(pc.greater(pc.binary_length(table["foreign_members"]), 0), False)
    is_found = pc.equal(table["state"], "found")
    return pc.and_(pc.and_(is_blank, is_foreign), is_found).combine_chunks()


def _why(sides: _Sides, address: Column, customer: Column) -> Column:
    """Why a contact that is not wanted goes, one word each."""
    import pyarrow.compute as pc

    people = sides.people
    said_no = pc.or_(
        pc.is_in(address, value_set=people.left_addresses), pc.is_in(customer, value_set=people.left_customers)
    )
    place = pc.index_in(customer, value_set=people.known_customers)
    has_moved = pc.fill_null(pc.not_equal(people.known_emails.take(place), address), False)
    return pc.case_when(
        pc.make_struct(
            pc.is_in(address, value_set=sides.here.suppressed),
            said_no,
            pc.is_in(address, value_set=people.reachable),
            pc.is_null(place),
            has_moved,
        ),
        "blocked",
        "consent",
        "segment",
        "gone",
        "address",
        "unreachable",
    )


def _departure(sides: _Sides, kind: str, target: str, chosen: Column, why: Column) -> Changes:
    table = sides.here.table
    return Changes(
        sides.destination.name, kind, target,
        table["address"].combine_chunks().filter(chosen), table["customer_id"].combine_chunks().filter(chosen),
        why=why.filter(chosen),
    )  # fmt: skip


def _forget_values(sides: _Sides, difference: Difference, chosen: Column) -> None:
    """Empty code tags, and those that ask for it, of contacts that left the last segment."""
    tags = [tag.name for tag in sides.destination.merge_tags if tag.is_cleared_on_leave]
    table = sides.here.table
    before = {name: sides.here.value(name).filter(chosen) for name in tags}
    any_ = _any([column.is_valid() for column in before.values()])
    if any_ is None or ClearTraits not in sides.destination.spec.carries:
        return
    fields = {name: column.filter(any_) for name, column in before.items()}
    change = Changes(
        sides.destination.name, ClearTraits.__name__, CONTACTS,
        table["address"].combine_chunks().filter(chosen).filter(any_),
        table["customer_id"].combine_chunks().filter(chosen).filter(any_),
        fields, before=fields, why="segment",
    )  # fmt: skip
    _keep(change, sides.held, difference)


def _keep(changes: Changes, held: Column, difference: Difference) -> Column:
    """Add what was not rejected before; returns which of the changes were kept."""
    import pyarrow.compute as pc

    hashes = changes.hashes()
    kept = pc.invert(pc.is_in(hashes, value_set=held))
    difference.withheld += len(kept) - (pc.sum(kept).as_py() or 0)
    difference.rows.append(difference.spool.keep(changes.parts(hashes, kept)))
    return kept


def _segments(sides: _Sides) -> Sequence[str]:
    """Those of the config, then those that were dropped from it and still have members of ours."""
    known = [name for kind, name in sides.here.targets if kind is TargetKind.SEGMENT]
    return list(dict.fromkeys([*sides.destination.segments, *sorted(known)]))


def _where(condition: Column, column: Column) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(condition, column, pa.scalar(None, pa.string()))


def _any(columns: Sequence[Column]) -> Column | None:
    """Where any of them is true; None when there are none."""
    import pyarrow.compute as pc

    found = None
    for column in columns:
        found = column if found is None else pc.or_(found, column)
    return found


def _never(count: int) -> Column:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value=False), count)
