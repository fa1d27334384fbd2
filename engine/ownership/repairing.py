"""What others changed put right: those who still belong there come back, values that are still wanted are written again."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from connectors.types import AddMember, SetTraits, TargetKind
from engine.plan import rows
from engine.plan.changes import Changes
from engine.plan.destination import CONTACTS

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.ownership.drifting import Drift, ListDrift, ValueDrift
    from engine.ownership.site import Site
    from engine.plan.columns import Wanted

__all__ = ["correct", "repair"]

Column = Any  # an Arrow array; Arrow ships no types


def repair(site: Site, drift: Drift, should: Wanted) -> pa.Table:
    """The rows that put right what is still wanted there; nobody who may not be written to, nobody who is gone."""
    lists = [one for one in drift.lists if one.lost is not None and one.segment in should.members]
    return rows.ordered([*(_members(site, one, should) for one in lists), _values(site, drift, should)])


def _members(site: Site, one: ListDrift, should: Wanted) -> pa.Table:
    import pyarrow.compute as pc

    back = pc.and_(should.members[one.segment], pc.is_in(should.address, value_set=one.lost))
    address, customer = should.address.filter(back), should.customer_id.filter(back)
    return _rows(Changes(site.name, AddMember.__name__, one.segment, address, customer, why=rows.DRIFT))


def _values(site: Site, drift: Drift, should: Wanted) -> pa.Table:
    """One change a contact, of all its fields that others changed and that are still wanted otherwise."""
    import pyarrow.compute as pc

    fields, before = {}, {}
    is_here = pc.invert(pc.is_in(should.address, value_set=drift.absent))
    for one in drift.values:
        if one.tag in should.values:
            fields[one.tag], before[one.tag] = _value(one, should, is_here)
    if not fields:
        return rows.empty()
    any_ = functools.reduce(pc.or_, [column.is_valid() for column in fields.values()])
    changes = Changes(
        site.name, SetTraits.__name__, CONTACTS, should.address.filter(any_), should.customer_id.filter(any_),
        {name: column.filter(any_) for name, column in fields.items()},
        before={name: column.filter(any_) for name, column in before.items()}, why=rows.DRIFT,
    )  # fmt: skip
    return _rows(changes)


def _value(one: ValueDrift, should: Wanted, is_here: Column) -> tuple[Column, Column]:
    """What is to be written again (null: nothing), and what stands there, where it holds no address."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.scalar(None, pa.string())
    at = pc.index_in(should.address, value_set=one.addresses)
    there, value = one.there.take(at), should.values[one.tag]
    differs = pc.and_(pc.fill_null(pc.not_equal(value, there), pc.is_valid(value)), pc.is_valid(at))
    back = pc.if_else(pc.and_(differs, is_here), value, nothing)
    return back, pc.if_else(pc.fill_null(pc.match_substring(there, "@"), True), nothing, there)


def _rows(changes: Changes) -> pa.Table:
    hashes = changes.hashes()
    return changes.rows(hashes, hashes.is_valid())


def correct(ledger: Ledger, site: Site, drift: Drift, *, plan: str | None = None) -> None:
    """The ledger learns what is no longer so there; what is still wanted, a plan then has again."""
    targets, corrections = site.here.targets, ledger.corrections
    for one in drift.lists:
        if one.missing and (at := targets.get((TargetKind.SEGMENT, one.segment))) is not None:
            corrections.forget_members(site.name, at.position, one.lost, plan=plan)
    for value in drift.values:
        if value.changed and (at := targets.get((TargetKind.FIELD, value.tag))) is not None:
            corrections.forget_value(site.name, at.position, value.addresses, plan=plan)
    if drift.gone:
        corrections.lose(site.name, drift.absent, plan=plan)
