"""The codes of a plan: minted and committed before anything leaves, each once, whoever dies when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from engine.ledger.codes import LIVE, id_prefix
from engine.ledger.packing import value
from engine.offers import Policy, mint, owned, redraw
from engine.offers.deciding import costs
from engine.offers.mint import Draw, random_bytes
from engine.plan.rows import CODE, RENEWED

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.plan.plan import Plan

__all__ = ["Issued", "Minter", "issue_codes"]

_KEY = "\x1f"


@dataclass(frozen=True, slots=True)
class Issued:
    """Codes that were minted, and codes whose end is to be later."""

    minted: int = 0
    renewed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Minter:
    """What minting needs: offers, the membership of now, customers who are one person, and a source of randomness."""

    ledger: Ledger
    policies: Sequence[Policy]
    people: pa.Table
    now: datetime
    aliases: pa.Table | None = None
    draw: Draw = random_bytes


def issue_codes(made: Plan, minter: Minter, *, without: Collection[str] = ()) -> Issued:
    """Commit the plan's codes; those that an interrupted push of it committed are not minted again.

    Nobody gets one who holds a live code by now, or may not be mailed any more. `without`: offers that are left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    asked = made.issued()
    checksum = made.checksum
    asked = asked.append_column("place", pa.array(range(len(asked)), pa.int64()))
    known = {policy.name for policy in minter.policies} - set(without)
    asked = asked.filter(pc.is_in(asked["target"], value_set=pa.array(sorted(known), pa.string())))
    field = pc.fill_null(asked["field"], "")
    rows = {name: asked.filter(pc.equal(field, name)).combine_chunks() for name in ("", CODE, RENEWED)}
    issues = pa.concat_tables([_of_persons(rows[""], minter, checksum), _of_pools(rows[CODE], minter)])
    policies = {policy.name: policy for policy in minter.policies}
    minted = mint(issues, policies, _live(issues, minter.ledger), now=minter.now, draw=minter.draw)
    count = minter.ledger.codes.issue(minted, redraw=lambda rows: redraw(rows, minter.draw), plan=checksum)
    return Issued(count, _renew(rows[RENEWED], minter, checksum))


def _of_persons(rows: pa.Table, minter: Minter, checksum: str) -> pa.Table:
    """Offer, customer, code_id and cost of those who lack a code; ids follow from the plan."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marks = pc.utf8_lpad(rows["place"].cast(pa.string()), 8, "0")
    ids = pc.binary_join_element_wise(pa.scalar(id_prefix(checksum)), marks, "-")
    issues = pa.table({"offer": rows["target"], "customer_id": rows["customer_id"], "code_id": ids})
    if not len(issues):
        return issues.append_column("cost", pa.array([], pa.decimal128(18, 4)))
    before = minter.ledger.codes.minted(checksum, columns=("code_id",))["code_id"].combine_chunks()
    people = minter.people
    may = people["customer_id"].cast(pa.string()).filter(pc.fill_null(people["reachable_email"], False))
    lacking = pc.and_not(
        pc.is_in(issues["customer_id"], value_set=may.combine_chunks()),
        pc.or_(pc.is_in(issues["code_id"], value_set=before), pc.is_in(_keys(issues), value_set=_held(issues, minter))),
    )
    issues = issues.filter(lacking).combine_chunks()
    policies = {policy.name: policy for policy in minter.policies}
    parts = [issues.slice(0, 0).append_column("cost", pa.array([], pa.decimal128(18, 4)))]
    for offer in issues["offer"].unique().to_pylist():
        mine = issues.filter(pc.equal(issues["offer"], offer)).combine_chunks()
        parts.append(mine.append_column("cost", costs(policies[offer], people, mine["customer_id"].combine_chunks())))
    return pa.concat_tables(parts)


def _held(issues: pa.Table, minter: Minter) -> pa.Array:
    """Offer and person of every live code of these offers."""
    offers = issues["offer"].unique().to_pylist()
    codes = minter.ledger.codes.table(states=LIVE, offers=offers, columns=("offer", "customer_id"))
    return _keys(owned(codes, minter.aliases)).combine_chunks()


def _keys(table: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(table["offer"], table["customer_id"], _KEY)


def _of_pools(rows: pa.Table, minter: Minter) -> pa.Table:
    """The same of codes that are nobody's, by the ids that the plan gives them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array([str(value(text)) for text in rows["after"].to_pylist()], pa.string())
    issues = pa.table({"offer": rows["target"], "customer_id": rows["customer_id"], "code_id": ids})
    offers = issues["offer"].unique().to_pylist()
    if offers:
        known = minter.ledger.codes.table(offers=offers, columns=("code_id",))["code_id"].combine_chunks()
        issues = issues.filter(pc.invert(pc.is_in(issues["code_id"], value_set=known))).combine_chunks()
    amounts = {policy.name: policy.amount for policy in minter.policies}
    cost = pa.array([amounts[offer] for offer in issues["offer"].to_pylist()], pa.decimal128(18, 4))
    return issues.append_column("cost", cost)


def _live(issues: pa.Table, ledger: Ledger) -> Mapping[str, int]:
    """Live codes of each offer, these among them."""
    counts = ledger.codes.counts()
    new = {pair["values"]: pair["counts"] for pair in issues["offer"].value_counts().to_pylist()}
    return {
        offer: count + sum(counts.get(offer, {}).get(state.value, 0) for state in LIVE) for offer, count in new.items()
    }


def _renew(rows: pa.Table, minter: Minter, checksum: str) -> int:
    """Ask for the later ends that the plan names; a code that is over by now, or asked for already, stays as it is."""
    import pyarrow.compute as pc

    if not len(rows):
        return 0
    offers = rows["target"].unique().to_pylist()
    columns = ("code_id", "code", "offer", "customer_id", "state", "issued_at")
    codes = owned(
        minter.ledger.codes.table(states=LIVE, offers=offers, columns=columns), minter.aliases, keeps_order=False
    )
    wanted = rows.select(["target", "customer_id"]).rename_columns(["offer", "customer_id"])
    place = pc.index_in(_keys(wanted), value_set=_keys(codes).combine_chunks())
    texts = codes["code"].take(place.combine_chunks()).to_pylist()
    ends = [datetime.fromisoformat(str(value(text))) for text in rows["after"].to_pylist()]
    return minter.ledger.codes.renew(
        {code: end for code, end in zip(texts, ends, strict=True) if code is not None}, plan=checksum
    )
