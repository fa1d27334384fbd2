"""A run taken back: the plan that leads to what stood before it, and all that no plan can take back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, AddContact, AddMember, ClearTraits, RemoveMember, SetTraits, Suppress
from engine.ledger.transitions import CodeState
from engine.ownership.fields import values_back
from engine.ownership.lists import members_back
from engine.ownership.site import Site, Undone
from engine.plan import rows
from engine.plan.changes import Changes

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.plan.plan import Plan

__all__ = ["CodesBack", "Undoing", "codes_back", "undo"]

_UNSEEN = frozenset({CodeState.RESERVED, CodeState.EXPORTED, CodeState.CONFIRMED})
_GIVEN = frozenset({CodeState.PUSHED, CodeState.REDEEMED})
_LISTS = frozenset({AddMember.__name__, RemoveMember.__name__})
_VALUES = frozenset({AddContact.__name__, SetTraits.__name__, ClearTraits.__name__})


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesBack:
    """Codes of the run: `withdrawn` before anybody saw them, `exported` of those (a shop may know them), `given` away."""

    table: pa.Table
    withdrawn: int = 0
    exported: int = 0
    given: int = 0


@dataclass(frozen=True, slots=True)
class Undoing:
    """One destination: the rows that take the run back there, and what they come to."""

    table: pa.Table
    undone: Undone


def undo(site: Site, run: pa.Table) -> Undoing:
    """What takes these rows of a carried plan back, as far as the ledger, later plans and what was read there allow."""
    undone = Undone(destination=site.name)
    tables = [rows.empty()]
    for changes in _opposites(site, run, undone):
        hashes = changes.hashes()
        tables.append(changes.rows(hashes, hashes.is_valid()))
    return Undoing(rows.ordered(tables), undone)


def _opposites(site: Site, run: pa.Table, undone: Undone) -> Iterator[Changes]:
    valued = []
    for part in rows.runs(run):
        kind = part["kind"][0].as_py()
        if kind in _LISTS:
            yield from members_back(site, part, undone)
        elif kind in _VALUES:
            valued.append(part)
            undone.created += _created(site, part) if kind == AddContact.__name__ else 0
        else:
            _count(kind, len(rows.starts(part)), undone)
    yield from values_back(site, valued, undone)


def _count(kind: str, changes: int, undone: Undone) -> None:
    undone.suppressed += changes if kind == Suppress.__name__ else 0
    undone.pooled += changes if kind == AddCode.__name__ else 0


def _created(site: Site, part: pa.Table) -> int:
    """Contacts that we created: they stay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    customers = part["customer_id"].cast(pa.string()).unique()
    is_ours = pc.equal(site.column("state"), "acknowledged")
    return pc.sum(pc.and_(is_ours, pc.is_in(site.column("customer_id"), value_set=customers))).as_py() or 0


def codes_back(plan: Plan, checksum: str, ledger: Ledger) -> CodesBack:
    """The codes that this plan's push minted: those that nobody has seen end, the others are told."""
    import pyarrow as pa
    import pyarrow.compute as pc

    issued = plan.issued()
    pooled = issued.filter(pc.fill_null(pc.equal(issued["field"], rows.CODE), False))
    ids = pc.utf8_trim(pooled["after"], '"').combine_chunks()
    every = ledger.codes.table()
    minted = pa.concat_tables([ledger.codes.minted(checksum), every.filter(pc.is_in(every["code_id"], value_set=ids))])
    unseen = minted.filter(_among(minted["state"], _UNSEEN))
    waiting = unseen.filter(pc.invert(_under_way(unseen, plan, ledger)))
    tables = [rows.empty(), *(_withdrawal(offer, waiting) for offer in sorted(pc.unique(waiting["offer"]).to_pylist()))]
    return CodesBack(
        table=rows.ordered(tables),
        withdrawn=len(waiting),
        exported=pc.sum(_among(waiting["state"], _UNSEEN - {CodeState.RESERVED})).as_py() or 0,
        given=pc.sum(_among(minted["state"], _GIVEN)).as_py() or 0,
    )


def _among(column: Any, states: frozenset[CodeState]) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(column, value_set=pa.array(sorted(state.value for state in states)))


def _under_way(codes: pa.Table, plan: Plan, ledger: Ledger) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
    """Codes that have left, or may have: no longer ours to withdraw."""
    import pyarrow as pa
    import pyarrow.compute as pc

    leaving = [change for one in plan.destinations for change in ledger.sending.of(one.name)]
    texts = {text for change in leaving for text in change.fields.values()}
    quoted = pc.binary_join_element_wise('"', codes["code"], '"', "")
    return pc.is_in(quoted, value_set=pa.array(sorted(texts), pa.string()))


def _withdrawal(offer: str, waiting: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    mine = waiting.filter(pc.equal(waiting["offer"], offer)).combine_chunks()
    ids = pc.binary_join_element_wise('"', mine["code_id"].combine_chunks(), '"', "")
    change = Changes(
        "", rows.WITHDRAW, offer, ids, mine["customer_id"].combine_chunks(), {rows.CODE: ids}, why=rows.UNDO
    )
    hashes = change.hashes()
    return change.rows(hashes, hashes.is_valid())
