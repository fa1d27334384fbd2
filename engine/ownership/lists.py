"""Lists taken back: who was put into them leaves again, who was taken out comes back where they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.ownership.site import Site, Undone, digests
from engine.plan import rows
from engine.plan.changes import Changes

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger.accounts import KnownTarget

__all__ = ["members_back"]

Column = Any  # an Arrow array; Arrow ships no types

_BACK = {"AddMember": "RemoveMember", "RemoveMember": "AddMember"}


def members_back(site: Site, run: pa.Table, undone: Undone) -> list[Changes]:
    """The opposite of these changes of one list, of one kind, for those of whom the run had the last word."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, called = run["kind"][0].as_py(), run["target"][0].as_py()
    hashes = run["content_hash"].cast(pa.string()).combine_chunks()
    known = site.segment(called)
    if known is None:
        undone.gone[called] += len(hashes)
        return []
    name = known.target.name
    chosen = _standing(site, kind, name, run)
    mine = pc.is_in(digests(site.name, kind, called, site.column("address").filter(chosen)), value_set=hashes)
    places = pc.indices_nonzero(chosen).filter(mine)
    undone.absent += len(hashes) - len(places)
    places = _last_word(site, kind, known, places, undone)
    if kind == "RemoveMember":
        places = _may_return(site, name, places, undone)
    (undone.returned if kind == "RemoveMember" else undone.removed)[name] += len(places)
    address, customer = (site.column(column).take(places) for column in ("address", "customer_id"))
    return [Changes(site.name, _BACK[kind], name, address, customer, why=rows.UNDO)]


def _standing(site: Site, kind: str, name: str, run: pa.Table) -> Column:
    """Contacts of whom the ledger still says what such a change left behind."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_ours = site.here.member(name)
    if kind == "AddMember":
        return is_ours
    customers = pc.unique(run["customer_id"].cast(pa.string()))
    is_named = pc.is_in(
        site.column("customer_id"),
        value_set=customers.combine_chunks() if isinstance(customers, pa.ChunkedArray) else customers,
    )
    outside = pc.invert(pc.or_(is_ours, site.here.foreign(name)))
    return pc.and_(pc.and_(outside, site.is_there), is_named)


def _last_word(site: Site, kind: str, known: KnownTarget, places: Column, undone: Undone) -> Column:
    """Without those whom a later plan put where they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    address = site.column("address").take(places)
    for name in (known.target.name, *known.was):
        hashes = digests(site.name, kind, name, address)
        found = site.later.members(site.name, hashes)
        undone.superseded.update(found.values())
        is_free = pc.invert(pc.is_in(hashes, value_set=pa.array(list(found), pa.string())))
        places, address = places.filter(is_free), address.filter(is_free)
    return places


def _may_return(site: Site, name: str, places: Column, undone: Undone) -> Column:
    """Those who may be written to now, and whom nobody else has put back."""
    import pyarrow.compute as pc

    may = site.may.take(places)
    undone.unreachable += len(places) - (pc.sum(may).as_py() or 0)
    places = places.filter(may)
    there = site.seen.lists.get(name) if site.seen else None
    if there is None or there.addresses is None:
        return places
    is_back = pc.is_in(site.column("address").take(places), value_set=there.addresses)
    undone.changed[name] += pc.sum(is_back).as_py() or 0
    return places.filter(pc.invert(is_back))
