"""Who may get a code now: members of the offer's segment who can be reached, within cooldown and budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BASKET", "ISSUES", "Policy", "issues"]

ISSUES = ("offer", "customer_id", "cost")
"""Columns of the table that `issues` returns: cost is the most that the code may cost, in the client's currency."""

BASKET = "largest_order"
"""The trait `trait:largest_order` that a percentage is applied to: the largest order so far, 0 without one."""

_EXACT = 10_000  # costs have four decimals
_LIVE = ("reserved", "exported", "confirmed", "pushed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One offer. `valid_until` and `cooled_since` are its spans resolved from `now`; no cooldown = once for ever."""

    name: str
    segment: str
    prefix: str
    value: str
    minimum: str | None
    percent: Decimal | None
    amount: Decimal | None
    valid_until: datetime
    cooled_since: datetime | None
    most_codes: int | None = None
    most_money: Decimal | None = None


def issues(policies: Sequence[Policy], members: pa.Table, codes: pa.Table) -> pa.Table:
    """Codes to issue, by offer in the config's order and customer_id as text.

    `members` is the Membership table (`segment:…`, `holdout:…`, `reachable_email`, `trait:largest_order`); `codes`
    is the ledger's. Nobody gets a second live code of an offer, nor a new one before the cooldown is over.
    """
    import pyarrow as pa

    found = [_of(policy, members, codes) for policy in policies]
    schema = pa.schema([("offer", pa.string()), ("customer_id", pa.string()), ("cost", pa.decimal128(18, 4))])
    return pa.concat_tables([schema.empty_table(), *found])


def _of(policy: Policy, members: pa.Table, codes: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    given = codes.filter(pc.equal(codes["offer"], policy.name))
    eligible = pc.and_(members[f"segment:{policy.segment}"], members["reachable_email"])
    if (holdout := f"holdout:{policy.segment}") in members.column_names:
        eligible = pc.and_(eligible, pc.invert(members[holdout]))
    eligible = pc.and_(eligible, pc.invert(pc.is_in(members["customer_id"], value_set=_waiting(policy, given))))
    chosen = members.filter(eligible).sort_by("customer_id")
    cost = _cost(policy, chosen)
    room = chosen.num_rows if policy.most_codes is None else max(0, policy.most_codes - given.num_rows)
    if policy.most_money is not None:
        room = min(room, _affordable(policy.most_money - _spent(policy, given, members), cost))
    names = pa.array([policy.name] * chosen.num_rows, pa.string())
    table = pa.table({"offer": names, "customer_id": chosen["customer_id"].cast(pa.string()), "cost": cost})
    return table.slice(0, room)


def _waiting(policy: Policy, given: pa.Table) -> pa.Array:
    """Customers who hold a live code, or had one within the cooldown (ever, without one)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if policy.cooled_since is not None:
        recent = pc.greater(given["issued_at"], pa.scalar(policy.cooled_since, given["issued_at"].type))
        given = given.filter(pc.or_(recent, pc.is_in(given["state"], value_set=pa.array(_LIVE))))
    return given["customer_id"].combine_chunks()


def _cost(policy: Policy, chosen: pa.Table) -> pa.Array:
    """The most that each code may cost: the fixed amount, or the percentage of the largest order so far."""
    import pyarrow as pa
    import pyarrow.compute as pc

    money = pa.decimal128(18, 4)
    if policy.percent is None:
        return pa.array([policy.amount or Decimal(0)] * chosen.num_rows, money)
    baskets = pc.coalesce(
        chosen[f"trait:{BASKET}"].cast(pa.decimal128(24, 4)), pa.scalar(Decimal(0), pa.decimal128(24, 4))
    )
    return pc.multiply(baskets, pa.scalar(policy.percent, pa.decimal128(6, 4))).cast(money, safe=False).combine_chunks()


def _affordable(left: Decimal, cost: pa.Array) -> int:
    """How many codes, from the first, the money covers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(cost):
        return 0
    scale = pa.scalar(Decimal(_EXACT), pa.decimal128(6, 0))
    running = pc.cumulative_sum(pc.multiply(cost, scale).cast(pa.int64()))  # there is no running sum of decimals
    return int(pc.sum(pc.less_equal(running, int(left * _EXACT))).as_py() or 0)


def _spent(policy: Policy, given: pa.Table, members: pa.Table) -> Decimal:
    """What the codes issued so far may cost."""
    import pyarrow.compute as pc

    if policy.percent is None:
        return (policy.amount or Decimal(0)) * int(given.num_rows)
    holders = members.filter(pc.is_in(members["customer_id"], value_set=given["customer_id"].combine_chunks()))
    spent: Decimal | None = pc.sum(_cost(policy, holders)).as_py()
    return spent or Decimal(0)
