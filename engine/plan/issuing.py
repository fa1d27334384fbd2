"""The codes that a plan would have minted: counted by offer, beside its budget, and as rows without any code."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.plan import rows
from engine.plan.changes import Changes
from engine.plan.summary import IssueSummary

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.offers import Decision, Standing

__all__ = ["issued_codes"]


def issued_codes(decision: Decision | None) -> tuple[tuple[IssueSummary, ...], pa.Table]:
    """Each offer that issues, renews or refuses, and rows that name only offer and customer; of a pool's code, the code's id."""
    import pyarrow.compute as pc

    if decision is None:
        return (), rows.empty()
    told, tables = [], []
    standings = {one.offer: one for one in decision.standings}
    names = {*pc.unique(decision.issues["offer"]).to_pylist()}
    names |= {one.offer for one in decision.standings if one.refused or one.renewed}
    for offer in sorted(names):
        mine = decision.issues.filter(pc.equal(decision.issues["offer"], offer)).combine_chunks()
        told.append(_summary(offer, mine, standings.get(offer)))
        tables.append(_rows(offer, mine))
        if decision.renewals is not None:
            tables.append(_renewed(offer, decision.renewals.filter(pc.equal(decision.renewals["offer"], offer))))
    return tuple(told), rows.ordered([table for table in tables if len(table)])


def _summary(offer: str, mine: pa.Table, standing: Standing | None) -> IssueSummary:
    import pyarrow.compute as pc

    cost = None if mine["cost"].null_count else Decimal(pc.sum(mine["cost"]).as_py() or 0)
    if standing is None:
        return IssueSummary(offer=offer, codes=len(mine), highest_cost=cost)
    return IssueSummary(
        offer=offer,
        codes=len(mine),
        highest_cost=cost,
        issued=standing.codes,
        spent=standing.cost,
        most_codes=standing.most_codes,
        most_money=standing.most_money,
        refused=standing.refused,
        renewed=standing.renewed,
    )


def _rows(offer: str, mine: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    customers = mine["customer_id"].combine_chunks()
    if customers.null_count:
        ids = pc.binary_join_element_wise('"', mine["code_id"].combine_chunks(), '"', "")
        change = Changes("", rows.ISSUE, offer, ids, customers, {rows.CODE: ids}, why="offer")
    else:
        change = Changes("", rows.ISSUE, offer, customers, customers, why="offer")
    hashes = change.hashes()
    return change.rows(hashes, hashes.is_valid())


def _renewed(offer: str, mine: pa.Table) -> pa.Table:
    """Codes that people hold and that are to end later: the customer, the end before and the one after."""
    import pyarrow as pa
    import pyarrow.compute as pc

    customers = mine["customer_id"].combine_chunks()
    ends = [
        pa.array([f'"{end.isoformat()}"' for end in mine[name].to_pylist()], pa.string())
        for name in ("expires_at", "until")
    ]
    before, after = ({rows.RENEWED: end} for end in ends)
    change = Changes("", rows.ISSUE, offer, customers, customers, after, before=before, why="renewal")
    hashes = change.hashes()
    return change.rows(hashes, pc.is_valid(hashes))
