"""The codes that a plan would have minted: counted by offer, beside its budget, and as rows without any code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.plan import rows
from engine.plan.changes import Changes
from engine.plan.summary import IssueSummary

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.offers import Policy

__all__ = ["issued_codes"]


def issued_codes(
    issues: pa.Table | None, policies: Sequence[Policy], ledger: Ledger
) -> tuple[tuple[IssueSummary, ...], pa.Table]:
    """Each offer that issues, and rows that name only offer and customer; of a pool's code, the code's id."""
    import pyarrow.compute as pc

    if issues is None or len(issues) == 0:
        return (), rows.empty()
    terms = {policy.name: policy for policy in policies}
    given = ledger.codes.counts() if terms else {}
    told, tables = [], []
    for offer in sorted(pc.unique(issues["offer"]).to_pylist()):
        mine = issues.filter(pc.equal(issues["offer"], offer)).combine_chunks()
        told.append(_summary(offer, mine, terms.get(offer), sum(given.get(offer, {}).values())))
        tables.append(_rows(offer, mine))
    return tuple(told), rows.ordered(tables)


def _summary(offer: str, mine: pa.Table, policy: Policy | None, issued: int) -> IssueSummary:
    """A percentage's codes so far are not reckoned here: what they may cost changes with the baskets."""
    import pyarrow.compute as pc

    return IssueSummary(
        offer=offer,
        codes=len(mine),
        highest_cost=None if mine["cost"].null_count else pc.sum(mine["cost"]).as_py(),
        issued=issued,
        spent=policy.amount * issued if policy and policy.amount is not None else None,
        most_codes=policy.most_codes if policy else None,
        most_money=policy.most_money if policy else None,
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
