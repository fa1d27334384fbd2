"""What others changed at a destination: its lists and values beside what the ledger says that we left there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from connectors.types import ClearTraits, SetTraits, TargetKind
from engine.ownership.reading import ListSeen, Seen
from engine.plan import rows
from engine.plan.changes import Changes
from engine.plan.destination import CONTACTS
from engine.plan.samples import Sample, samples
from engine.plan.spool import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger.accounts import KnownTarget
    from engine.ledger.outcomes import Sending
    from engine.ownership.site import Site

__all__ = ["Drift", "ListDrift", "ListState", "Unsettled", "ValueDrift", "compare", "unsettled"]

Column = Any  # an Arrow array; Arrow ships no types


class ListState(StrEnum):
    """How a list of ours was found."""

    THERE = "there"
    RENAMED = "renamed"
    GONE = "gone"
    UNREAD = "unread"  # the connector cannot read it


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDrift:
    """One list, in people. `ours` are there by the ledger; `there` is the provider's own count.

    `missing`: ours whom somebody took out; `gone`: ours who are no contacts there any more; `suppressed`: ours who left
    there, which is no drift; `foreign`: others, never touched; `unproven`: on their way, written moments ago, or in a
    list that could not be read to its end.
    """

    segment: str
    title: str
    state: ListState
    ours: int
    there: int | None = None
    missing: int = 0
    gone: int = 0
    suppressed: int = 0
    foreign: int = 0
    unproven: int = 0
    lost: Column = field(default=None, metadata={"shown": False}, compare=False)  # addresses of the missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDrift:
    """One merge tag: contacts that hold something else than we wrote, and the commonest such pairs, masked."""

    tag: str
    changed: int
    unproven: int = 0
    samples: Sequence[Sample] = ()
    addresses: Column = field(default=None, metadata={"shown": False}, compare=False)
    there: Column = field(default=None, metadata={"shown": False}, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One destination. `looked`: contacts whose values were read (None: they cannot be); `gone`: no contacts any more.

    `other_account`: the key opens this one now, and nothing was compared.
    """

    destination: str
    lists: Sequence[ListDrift] = ()
    values: Sequence[ValueDrift] = ()
    gone: int = 0
    looked: int | None = None
    other_account: str | None = None
    why: str | None = None
    absent: Column = field(default=None, metadata={"shown": False}, compare=False)

    @property
    def found(self) -> int:
        """How much others changed of ours: foreign members and departures are no drift."""
        lists = sum(one.missing + (one.state in {ListState.RENAMED, ListState.GONE}) for one in self.lists)
        return lists + sum(one.changed for one in self.values) + self.gone + (self.other_account is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Addresses of whom nothing can be said yet, by list; and those whose values may still be on their way."""

    members: Mapping[str, Column] = field(default_factory=dict)
    values: Column = None

    def of(self, segment: str) -> Column:
        """Of one list."""
        import pyarrow as pa

        return self.members.get(segment, pa.array([], pa.string()))


def unsettled(site: Site, sending: Sequence[Sending], recent: Sequence[pa.Table]) -> Unsettled:
    """Changes on their way, and those of plans carried moments ago (their rows at this destination)."""
    import pyarrow as pa

    members: dict[str, list[Column]] = {}
    values = [pa.array([one.address for one in sending if not one.kind.endswith("Member")], pa.string())]
    for one in sending:
        if one.kind.endswith("Member"):
            members.setdefault(one.target, []).append(pa.array([one.address], pa.string()))
    for table in recent:
        for run in rows.runs(table):
            kind, target = run["kind"][0].as_py(), run["target"][0].as_py()
            addresses = _addresses(site, run)
            if kind.endswith("Member"):
                members.setdefault(target, []).append(addresses)
            else:
                values.append(addresses)
    return Unsettled(
        members={name: pa.concat_arrays(parts) for name, parts in members.items()}, values=pa.concat_arrays(values)
    )


def _addresses(site: Site, run: pa.Table) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    customers = run["customer_id"].cast(pa.string()).unique()
    return site.column("address").filter(pc.is_in(site.column("customer_id"), value_set=customers))


def compare(site: Site, seen: Seen, waiting: Unsettled) -> Drift:
    """What was read there beside what the ledger says."""
    absent = _absent(site, seen, waiting)
    known = {at.target.name: at for (kind, _), at in site.here.targets.items() if kind is TargetKind.SEGMENT and at.ref}
    return Drift(
        destination=site.name,
        lists=[_list(site, known[name], one, waiting, absent) for name, one in sorted(seen.lists.items())],
        values=list(_values(site, seen, waiting)),
        gone=len(absent),
        looked=None if seen.values is None else seen.looked,
        absent=absent,
    )


def _absent(site: Site, seen: Seen, waiting: Unsettled) -> Column:
    """Contacts that neither their account nor any list of ours shows, and that did not leave."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pa.array([], pa.string()) if seen.absent is None else seen.absent
    shown = [one.addresses for one in seen.lists.values() if one.addresses is not None]
    for known in (*shown, waiting.values, site.here.suppressed):
        if known is not None and len(found):
            found = found.filter(pc.invert(pc.is_in(found, value_set=known)))
    return found


def _list(site: Site, known: KnownTarget, seen: ListSeen, waiting: Unsettled, absent: Column) -> ListDrift:
    import pyarrow.compute as pc

    name = known.target.name
    ours = site.column("address").filter(site.here.member(name))
    state = _state(seen)
    if seen.addresses is None:
        return ListDrift(segment=name, title=known.target.title, state=state, ours=len(ours), there=seen.count)
    lost = _not_in(ours, seen.addresses)
    settled = _not_in(lost, waiting.of(name)) if seen.is_whole else lost.slice(0, 0)
    left = _not_in(settled, site.here.suppressed)
    others = _not_in(_not_in(seen.addresses, ours), site.column("address").filter(site.here.foreign(name)))
    strangers = _not_in(others, waiting.of(name))
    missing = _not_in(left, absent)
    return ListDrift(
        segment=name,
        title=known.target.title,
        state=state,
        ours=len(ours),
        there=seen.count,
        missing=len(missing),
        gone=len(left) - len(missing),
        suppressed=len(settled) - len(left),
        foreign=len(strangers),
        unproven=len(lost) - len(settled) + len(others) - len(strangers),
        lost=pc.drop_null(missing),
    )


def _state(seen: ListSeen) -> ListState:
    if seen.is_gone:
        return ListState.GONE
    if seen.is_renamed:
        return ListState.RENAMED
    return ListState.UNREAD if seen.addresses is None else ListState.THERE


def _not_in(addresses: Column, known: Column) -> Column:
    import pyarrow.compute as pc

    return addresses.filter(pc.invert(pc.is_in(addresses, value_set=known)))


def _values(site: Site, seen: Seen, waiting: Unsettled) -> Iterator[ValueDrift]:
    """Each merge tag that holds something else somewhere."""
    import pyarrow.compute as pc

    if seen.values is None:
        return
    table = seen.values.filter(pc.invert(pc.is_in(seen.values["address"], value_set=site.here.suppressed)))
    for tag in sorted(table["field"].unique().to_pylist()):
        mine = table.filter(pc.equal(table["field"], tag)).combine_chunks()
        is_settled = pc.invert(pc.is_in(mine["address"], value_set=waiting.values))
        settled = mine.filter(is_settled).combine_chunks()
        yield ValueDrift(
            tag=tag,
            changed=len(settled),
            unproven=len(mine) - len(settled),
            samples=_samples(site, tag, settled),
            addresses=settled["address"].combine_chunks(),
            there=settled["there"].combine_chunks(),
        )


def _samples(site: Site, tag: str, settled: pa.Table) -> Sequence[Sample]:
    """The commonest pairs of what we wrote and what is there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(settled):
        return ()
    address, there = settled["address"].combine_chunks(), settled["there"].combine_chunks()
    place = pc.index_in(address, value_set=site.column("address"))
    ours, customer = site.here.value(tag).take(place), site.column("customer_id").take(place)
    ends = pc.if_else(pc.is_null(there), ours, pa.scalar(None, pa.string()))
    tables = [rows.empty()]
    for kind, after in ((SetTraits.__name__, there), (ClearTraits.__name__, ends)):
        kept = after.is_valid()
        changes = Changes(site.name, kind, CONTACTS, address, customer, {tag: after}, before={tag: ours})
        tables.append(changes.rows(changes.hashes(), kept))
    private = {one.name for one in site.destination.merge_tags if one.is_private}
    return samples(Rows.of([rows.ordered(tables)]), private).get(tag, ())
