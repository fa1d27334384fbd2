"""Who may get a code now: reachable members of the offer's segment, within cooldown and budget; or nobody, for a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BASKET", "ISSUES", "Policy", "Stock", "issues"]

ISSUES = ("offer", "customer_id", "code_id", "cost")
"""Columns of the table that `issues` returns.

Of a pool's code the customer is null, and its id is given before it is minted. `cost` is the most that the code may
cost, in the client's currency; null where nobody knows (a percentage or the shipping of an order that is nobody's).
"""

BASKET = "largest_order"
"""The trait `trait:largest_order` that a percentage is applied to: the largest order so far, 0 without one."""

_EXACT = 10_000  # costs have four decimals
_LIVE = ("reserved", "exported", "confirmed", "pushed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The pool at a destination, and how many codes it is to have that can still be used."""

    destination: str
    codes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One offer: a segment's, or a provider's pool's (exactly one of the two).

    `valid_until` and `cooled_since` are its spans resolved from `now`; no cooldown = once for ever.
    """

    name: str
    segment: str | None = None
    pool: Stock | None = None
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
    """Codes to issue, by offer in the config's order and customer_id as text; a pool's are as many as it lacks.

    `members` is the Membership table (`segment:…`, `holdout:…`, `reachable_email`, `trait:largest_order`); `codes`
    is the ledger's. Nobody gets a second live code of an offer, nor a new one before the cooldown is over.
    """
    import pyarrow as pa

    found = [
        _of(policy, members, codes) if policy.pool is None else _stock(policy, policy.pool, codes)
        for policy in policies
    ]
    texts = [(name, pa.string()) for name in ISSUES[:-1]]
    return pa.concat_tables([pa.schema([*texts, (ISSUES[-1], pa.decimal128(18, 4))]).empty_table(), *found])


def _stock(policy: Policy, pool: Stock, codes: pa.Table) -> pa.Table:
    """What the pool lacks; ids follow from how many codes were issued, so that a plan may be made twice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    given = codes.filter(pc.equal(codes["offer"], policy.name))
    mine = given.filter(pc.equal(given["destination"], pool.destination))
    live = pc.sum(pc.is_in(mine["state"], value_set=pa.array(_LIVE))).as_py() or 0
    room = pool.codes - live
    if policy.most_codes is not None:
        room = min(room, policy.most_codes - given.num_rows)
    if policy.most_money is not None and policy.amount:
        room = min(room, int(policy.most_money / policy.amount) - given.num_rows)
    first = len(given) - given["customer_id"].drop_null().length()
    ids = [_code_id(policy.name, first + place) for place in range(max(0, room))]
    cost = pa.scalar(policy.amount, pa.decimal128(18, 4))
    return pa.table(
        {
            "offer": pa.repeat(pa.scalar(policy.name, pa.string()), len(ids)),
            "customer_id": pa.nulls(len(ids), pa.string()),
            "code_id": pa.array(ids, pa.string()),
            "cost": pa.repeat(cost, len(ids)),
        }
    )


def _code_id(offer: str, number: int) -> str:
    """The id of the nth code of a pool's offer: the ledger takes each once."""
    return blake2b(f"{offer}\x1f{number}".encode(), digest_size=16).hexdigest()


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
    customers = chosen["customer_id"].cast(pa.string())
    ids = pa.nulls(chosen.num_rows, pa.string())
    table = pa.table({"offer": names, "customer_id": customers, "code_id": ids, "cost": cost})
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
