"""Who gets a code now, who keeps the one they have, and why the others of the offer's segment get none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from engine.ledger.codes import LIVE, CodeState
from engine.offers.policy import BASKET, Policy, Stock

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

__all__ = ["CODES", "ISSUES", "Decision", "Standing", "Why", "costs", "decide"]

ISSUES = ("offer", "customer_id", "code_id", "cost")
"""Columns of the codes to issue.

Of a pool's code the customer is null, and its id is given before it is minted. `cost` is the most that the code may
cost, in the client's currency; null where nobody knows (a percentage or the shipping of an order that is nobody's).
"""

CODES = (
    "offer", "customer_id", "destination", "state", "code", "cost", "issued_at", "expires_at", "pushed_at", "redeemed_at",
    "renewed_to", "renewals",
)  # fmt: skip
"""Columns of the ledger's codes that `decide` reads."""

_EXACT = 10_000  # costs have four decimals
_SETTLED = (CodeState.CONFIRMED.value, CodeState.PUSHED.value)


class Why(StrEnum):
    """Why a member of an offer's segment gets no code now; the first that holds, in this order."""

    NOT_REACHABLE = "not_reachable"
    HOLDOUT = "holdout"
    EXCLUDED = "excluded"
    HAS_CODE = "has_code"
    COOLDOWN = "cooldown"
    ONCE = "once"
    LIVE_OFFERS = "live_offers"
    LOWER_PRIORITY = "lower_priority"
    BUDGET_CODES = "budget_codes"
    BUDGET_MONEY = "budget_money"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One offer as it stands before the codes of this decision: what it gave out, and its budget; money may be unknown."""

    offer: str
    codes: int
    cost: Decimal | None
    most_codes: int | None = None
    most_money: Decimal | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    renewed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`issues`: columns ISSUES. `refused`: customer_id, offer, reason (of Why). `renewals`: code, offer, customer_id, until."""

    issues: pa.Table
    refused: pa.Table | None = None
    renewals: pa.Table | None = None
    standings: tuple[Standing, ...] = ()


def decide(
    policies: Sequence[Policy], members: pa.Table, codes: pa.Table, *, now: datetime, live_offers: int | None = None
) -> Decision:
    """Codes to issue, by offer and customer_id as text; a pool's are as many as it lacks.

    `members` is the Membership table (`segment:…`, `holdout:…`, `reachable_email`, `trait:largest_order`); `codes`
    is the ledger's (columns CODES), its customers persons. `live_offers`: live codes that a person may have, of all
    offers. Offers come in the order of their priority, then in the config's.
    """
    import pyarrow as pa

    told = _Deciding(members=members, codes=codes, now=now, most=live_offers)
    found = {
        policy.name: told.of(policy) if policy.pool is None else told.stock(policy, policy.pool)
        for policy in sorted(policies, key=lambda one: (one.priority is None, one.priority))
    }
    ordered = [found[policy.name] for policy in policies]
    return Decision(
        issues=pa.concat_tables([_issue_schema().empty_table(), *(one.issues for one in ordered)]),
        refused=pa.concat_tables([_refused_schema().empty_table(), *(one.refused for one in ordered if one.refused)]),
        renewals=pa.concat_tables(
            [_renewal_schema().empty_table(), *(one.renewals for one in ordered if one.renewals)]
        ),
        standings=tuple(standing for one in ordered for standing in one.standings),
    )


def costs(policy: Policy, people: pa.Table, customers: pa.Array) -> pa.Array:
    """The most that a code of each of these customers may cost now; 0 for a percentage of nobody's orders."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if policy.percent is None:
        return pa.repeat(pa.scalar(policy.amount or Decimal(0), pa.decimal128(18, 4)), len(customers))
    place = pc.index_in(customers, value_set=_flat(people["customer_id"].cast(pa.string())))
    return _cost(policy, people.select([f"trait:{BASKET}"]).combine_chunks().take(place))


class _Deciding:
    """The offers in the order in which they are decided; each sees what the ones before it give."""

    def __init__(self, *, members: pa.Table, codes: pa.Table, now: datetime, most: int | None) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.members, self.codes, self.now, self.most = members, codes, now, most
        is_over = pc.fill_null(pc.less_equal(codes["expires_at"], pa.scalar(now, codes["expires_at"].type)), False)
        self.is_live = pc.and_not(pc.is_in(codes["state"], value_set=pa.array(list(LIVE))), is_over)
        self.holders = codes["customer_id"].filter(self.is_live).drop_null().combine_chunks()
        self.given = pa.array([], pa.string())  # customers of this decision's codes

    def of(self, policy: Policy) -> Decision:
        """A segment's offer."""
        import pyarrow as pa
        import pyarrow.compute as pc

        people = self.members.filter(pc.fill_null(self.members[f"segment:{policy.segment}"], False))
        people = people.select(_needed(policy, people)).sort_by("customer_id").combine_chunks()
        customers = people["customer_id"].cast(pa.string()).combine_chunks()
        mine = pc.equal(self.codes["offer"], policy.name)
        given, held = self.codes.filter(mine), self.codes.filter(pc.and_(mine, self.is_live))
        reasons = self._reasons(policy, people, customers, given, held)
        chosen = people.filter(pc.is_null(reasons))
        cost = _cost(policy, chosen)
        spent = _spent(policy, given, self.members)
        room, why = _room(policy, cost, given.num_rows, spent)
        names = customers.filter(pc.is_null(reasons))
        self.given = pa.concat_arrays([self.given, names.slice(0, room)])
        refused = [_refused(policy, customers, reasons), _over(policy, names.slice(room), why)]
        renewals = _renewals(policy, people, held)
        table = pa.concat_tables(refused)
        return Decision(
            issues=_issued(policy, names.slice(0, room), cost.slice(0, room)),
            refused=table,
            renewals=renewals,
            standings=(_standing(policy, given.num_rows, spent, table, len(renewals)),),
        )

    def stock(self, policy: Policy, pool: Stock) -> Decision:
        """What a pool lacks; ids follow from how many codes were issued, so that a plan may be made twice."""
        import pyarrow as pa
        import pyarrow.compute as pc

        mine = pc.equal(self.codes["offer"], policy.name)
        given = self.codes.filter(mine)
        there = pc.fill_null(pc.equal(self.codes["destination"], pool.destination), False)
        live = pc.sum(pc.and_(pc.and_(mine, there), self.is_live)).as_py() or 0
        room = pool.codes - live
        if policy.most_codes is not None:
            room = min(room, policy.most_codes - given.num_rows)
        spent = None if policy.amount is None else policy.amount * given.num_rows
        if policy.most_money is not None and policy.amount and spent is not None:
            room = min(room, int((policy.most_money - spent) / policy.amount))
        first = len(given) - given["customer_id"].drop_null().length()
        ids = [_code_id(policy.name, first + place) for place in range(max(0, room))]
        cost = pa.repeat(pa.scalar(policy.amount, pa.decimal128(18, 4)), len(ids))
        return Decision(
            issues=_issued(policy, pa.nulls(len(ids), pa.string()), cost, pa.array(ids, pa.string())),
            standings=(_standing(policy, given.num_rows, spent, None, 0),),
        )

    def _reasons(
        self, policy: Policy, people: pa.Table, customers: pa.Array, given: pa.Table, held: pa.Table
    ) -> pa.Array:
        """The first reason of each person that holds, null for those who may get a code."""
        import pyarrow as pa
        import pyarrow.compute as pc

        nobody = pa.repeat(pa.scalar(value=False), len(people))
        flags = {
            Why.NOT_REACHABLE: pc.invert(pc.fill_null(people["reachable_email"], False)),
            Why.HOLDOUT: _flag(people, f"holdout:{policy.segment}", nobody),
            Why.EXCLUDED: _flag(people, f"segment:{policy.unless}", nobody),
            Why.HAS_CODE: pc.is_in(customers, value_set=held["customer_id"].combine_chunks()),
            **_waiting(policy, customers, given, held["code"].combine_chunks()),
        }
        if self.most is not None:
            has = _counted(customers, self.holders)
            flags[Why.LIVE_OFFERS] = pc.greater_equal(has, self.most)
            flags[Why.LOWER_PRIORITY] = pc.greater_equal(pc.add(has, _counted(customers, self.given)), self.most)
        reasons = pa.nulls(len(people), pa.string())
        for why, holds in flags.items():
            word = pc.if_else(holds, pa.scalar(why.value, pa.string()), pa.scalar(None, pa.string()))
            reasons = pc.coalesce(reasons, _flat(word))
        return reasons


def _needed(policy: Policy, people: pa.Table) -> list[str]:
    """The columns of members that an offer reads."""
    asked = (
        "customer_id",
        "reachable_email",
        f"holdout:{policy.segment}",
        f"segment:{policy.unless}",
        f"trait:{BASKET}",
    )
    return [name for name in asked if name in people.column_names]


def _flag(people: pa.Table, name: str, nobody: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return _flat(pc.fill_null(people[name], False)) if name in people.column_names else nobody


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _waiting(policy: Policy, customers: pa.Array, given: pa.Table, live: pa.Array) -> dict[Why, pa.Array]:
    """Who had a code within the cooldown (ever, without one). One that nobody saw before it ended does not count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_over = pc.invert(pc.is_in(given["code"], value_set=live))
    unseen = pc.and_(is_over, pc.and_(pc.is_null(given["pushed_at"]), pc.is_null(given["redeemed_at"])))
    given = given.filter(pc.invert(unseen))
    if policy.cooled_since is None:
        return {Why.ONCE: pc.is_in(customers, value_set=given["customer_id"].combine_chunks())}
    recent = pc.greater(given["issued_at"], pa.scalar(policy.cooled_since, given["issued_at"].type))
    return {Why.COOLDOWN: pc.is_in(customers, value_set=given["customer_id"].filter(recent).combine_chunks())}


def _counted(customers: pa.Array, holders: pa.Array) -> pa.Array:
    """How often each customer stands among the holders."""
    import pyarrow.compute as pc

    counts = pc.value_counts(holders)
    place = pc.index_in(customers, value_set=counts.field("values"))
    return pc.fill_null(counts.field("counts").take(place), 0)


def _room(policy: Policy, cost: pa.Array, given: int, spent: Decimal) -> tuple[int, Why]:
    """How many codes, from the first, the budget covers; and what of it ends first."""
    codes = len(cost) if policy.most_codes is None else max(0, policy.most_codes - given)
    if policy.most_money is None:
        return min(codes, len(cost)), Why.BUDGET_CODES
    money = _affordable(policy.most_money - spent, cost)
    return min(codes, money), Why.BUDGET_MONEY if money < codes else Why.BUDGET_CODES


def _affordable(left: Decimal, cost: pa.Array) -> int:
    """How many codes, from the first, the money covers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(cost):
        return 0
    scale = pa.scalar(Decimal(_EXACT), pa.decimal128(6, 0))
    running = pc.cumulative_sum(pc.multiply(cost, scale).cast(pa.int64()))  # there is no running sum of decimals
    return int(pc.sum(pc.less_equal(running, int(left * _EXACT))).as_py() or 0)


def _cost(policy: Policy, chosen: pa.Table) -> pa.Array:
    """The most that each code may cost: the fixed amount, or the percentage of the largest order so far."""
    import pyarrow as pa
    import pyarrow.compute as pc

    money = pa.decimal128(18, 4)
    if policy.percent is None:
        return pa.repeat(pa.scalar(policy.amount or Decimal(0), money), chosen.num_rows)
    baskets = pc.coalesce(
        chosen[f"trait:{BASKET}"].cast(pa.decimal128(24, 4)), pa.scalar(Decimal(0), pa.decimal128(24, 4))
    )
    return _flat(pc.multiply(baskets, pa.scalar(policy.percent, pa.decimal128(6, 4))).cast(money, safe=False))


def _spent(policy: Policy, given: pa.Table, members: pa.Table) -> Decimal:
    """What the codes issued so far may cost, as it was reckoned when they were; of codes older than that, as of now."""
    import pyarrow.compute as pc

    known = Decimal(pc.sum(given["cost"]).as_py() or 0) / _EXACT
    old = given.filter(pc.is_null(given["cost"]))
    if policy.percent is None:
        return known + (policy.amount or Decimal(0)) * int(old.num_rows)
    if not len(old):
        return known
    holders = members.filter(pc.is_in(members["customer_id"], value_set=old["customer_id"].combine_chunks()))
    return known + Decimal(pc.sum(_cost(policy, holders)).as_py() or 0)


def _renewals(policy: Policy, people: pa.Table, held: pa.Table) -> pa.Table:
    """Codes in the hands of people whom the offer still means, and that are about to end: they get a later end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if policy.renewal is None:
        return _renewal_schema().empty_table()
    nobody = pa.repeat(pa.scalar(value=False), len(people))
    means = pc.and_not(
        _flat(pc.fill_null(people["reachable_email"], False)), _flag(people, f"holdout:{policy.segment}", nobody)
    )
    means = pc.and_not(means, _flag(people, f"segment:{policy.unless}", nobody))
    instant = held["expires_at"].type
    ends = pc.and_(
        pc.less_equal(held["expires_at"], pa.scalar(policy.renewal.ends_by, instant)),
        pc.less(held["expires_at"], pa.scalar(policy.valid_until, instant)),
    )
    may = pc.and_(pc.is_in(held["state"], value_set=pa.array(_SETTLED)), pc.is_null(held["renewed_to"]))
    may = pc.and_(may, pc.less(held["renewals"], policy.renewal.times))
    meant = pc.is_in(held["customer_id"], value_set=_flat(people["customer_id"].filter(means)))
    found = held.filter(pc.and_(pc.and_(may, meant), pc.fill_null(ends, False))).sort_by("customer_id")
    until = pa.repeat(pa.scalar(policy.valid_until, pa.timestamp("us", "UTC")), len(found))
    columns = {name: found[name] for name in ("code", "offer", "customer_id", "expires_at")}
    return pa.table({**columns, "until": until}).cast(_renewal_schema())


def _standing(policy: Policy, given: int, spent: Decimal | None, refused: pa.Table | None, renewed: int) -> Standing:
    counts: Counter[str] = Counter()
    for chunk in [] if refused is None else refused["reason"].chunks:
        counts.update(chunk.to_pylist() if len(chunk) < len(Why) else _tallied(chunk))
    reasons = {why.value: counts[why.value] for why in Why if counts[why.value]}
    return Standing(
        offer=policy.name,
        codes=given,
        cost=spent,
        most_codes=policy.most_codes,
        most_money=policy.most_money,
        refused=reasons,
        renewed=renewed,
    )


def _tallied(chunk: pa.Array) -> dict[str, int]:
    import pyarrow.compute as pc

    return {pair["values"]: pair["counts"] for pair in pc.value_counts(chunk).to_pylist()}


def _issued(policy: Policy, customers: pa.Array, cost: pa.Array, ids: pa.Array | None = None) -> pa.Table:
    import pyarrow as pa

    count = len(customers)
    names = pa.repeat(pa.scalar(policy.name, pa.string()), count)
    ids = pa.nulls(count, pa.string()) if ids is None else ids
    return pa.table([names, customers, ids, cost], schema=_issue_schema())


def _refused(policy: Policy, customers: pa.Array, reasons: pa.Array) -> pa.Table:
    """Those who have a reason."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_refused = pc.is_valid(reasons)
    names = pa.repeat(pa.scalar(policy.name, pa.string()), pc.sum(is_refused).as_py() or 0)
    columns = [customers.filter(is_refused), names, reasons.filter(is_refused)]
    return pa.table(columns, names=_refused_schema().names).cast(_refused_schema())


def _over(policy: Policy, customers: pa.Array, why: Why) -> pa.Table:
    """Those for whom the budget did not last."""
    import pyarrow as pa

    return _refused(policy, customers, pa.repeat(pa.scalar(why.value, pa.string()), len(customers)))


def _issue_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([*((name, pa.string()) for name in ISSUES[:-1]), (ISSUES[-1], pa.decimal128(18, 4))])


def _refused_schema() -> pa.Schema:
    import pyarrow as pa

    word = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([("customer_id", pa.string()), ("offer", word), ("reason", word)])


def _renewal_schema() -> pa.Schema:
    import pyarrow as pa

    instant = pa.timestamp("us", "UTC")
    texts = [(name, pa.string()) for name in ("code", "offer", "customer_id")]
    return pa.schema([*texts, ("expires_at", instant), ("until", instant)])


def _code_id(offer: str, number: int) -> str:
    """The id of the nth code of a pool's offer: the ledger takes each once."""
    return blake2b(f"{offer}\x1f{number}".encode(), digest_size=16).hexdigest()
