"""Codes as they stand, offer by offer; and who gets none of an offer, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.client import Client
    from engine.ledger.codes import Tally
    from engine.offers import Decision

__all__ = ["CodesByState", "OfferCodes", "RefusedCodes", "RefusedPerson", "codes", "refused_codes"]

_EXACT = 10_000  # the ledger's costs have four decimals


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCodes:
    """One offer's codes, in codes.

    `states`: where each is in its life. `issued`, `redeemed` (in the order of somebody else: `by_another`), `ended`
    unused; `renewing`: a later end waits for the shop. `at_risk`: the most that those which can still be used may cost,
    None where nobody knows. `budget_codes`, `budget_money` and `reason` (why gender, age, income or place decide) are
    the config's.
    """

    offer: str
    states: Mapping[str, int]
    issued: int = 0
    redeemed: int = 0
    by_another: int = 0
    ended: int = 0
    renewing: int = 0
    at_risk: Decimal | None = None
    first_issued: datetime | None = None
    last_issued: datetime | None = None
    next_end: datetime | None = None
    last_end: datetime | None = None
    budget_codes: int | None = None
    budget_money: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesByState:
    """How many codes, by offer and state; and each offer with its money and dates, in the client's zone and currency."""

    counts: Mapping[str, Mapping[str, int]]
    offers: Sequence[OfferCodes] = ()
    currency: str = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPerson:
    """Why somebody gets no code of an offer now: a word of engine.offers.Why, `not_member`, or `none` (they get one)."""

    customer_id: str
    offer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCodes:
    """Members of offers' segments who get no code now: counted by offer and reason, and one by one."""

    counts: Mapping[str, Mapping[str, int]]
    rows: Sequence[RefusedPerson]
    left_out: int = 0
    customer: str | None = None


def codes(client: Client) -> CodesByState:
    """Codes by offer and state; an offer without codes is there too."""
    ledger = client.ledger
    tallies: dict[str, list[Tally]] = {name: [] for name in client.settings.offers}
    for one in ledger.codes.tallies():
        tallies.setdefault(one.offer, []).append(one)
    offers = [_offer(client, name, tallies[name]) for name in sorted(tallies)]
    return CodesByState(
        counts={one.offer: one.states for one in offers}, offers=offers, currency=client.settings.currency
    )


def _offer(client: Client, name: str, found: Sequence[Tally]) -> OfferCodes:
    from engine.ledger.codes import LIVE, CodeState

    given = client.settings.offers.get(name)
    budget = given.budget if given else None
    live = [one for one in found if one.state in LIVE]
    over = [one for one in found if one.state in {CodeState.EXPIRED, CodeState.CLEARED}]
    zone = client.settings.zone

    def edge(moments: Sequence[datetime | None], *, is_last: bool) -> datetime | None:
        known = [moment.astimezone(zone) for moment in moments if moment is not None]
        return (max(known) if is_last else min(known)) if known else None

    return OfferCodes(
        offer=name,
        states={one.state.value: one.count for one in found},
        issued=sum(one.count for one in found),
        redeemed=sum(one.redeemed for one in found),
        by_another=sum(one.by_another for one in found),
        ended=sum(one.count - one.redeemed for one in over),
        renewing=sum(one.renewing for one in live),
        at_risk=None if any(one.cost is None for one in live) else Decimal(sum(one.cost or 0 for one in live)) / _EXACT,
        first_issued=edge([one.first_issued for one in found], is_last=False),
        last_issued=edge([one.last_issued for one in found], is_last=True),
        next_end=edge([one.next_end for one in live], is_last=False),
        last_end=edge([one.last_end for one in live], is_last=True),
        budget_codes=budget.codes if budget else None,
        budget_money=budget.amount.value if budget and budget.amount else None,
        reason=given.reason if given else None,
    )


def refused_codes(client: Client, *, offer: str | None, customer: str | None, limit: int | None) -> RefusedCodes:
    """Who gets no code now, of every offer of a segment or of one, and why; of one customer, each offer."""
    from engine.stages import decide_codes

    policies = [policy for policy in client.policies() if policy.pool is None]
    names = [policy.name for policy in policies]
    if offer is not None and offer not in names:
        near = nearest(offer, names)
        hint = f"did you mean '{near}'?" if near else f"offers of a segment: {', '.join(names) or 'none'}"
        raise ConfigError(f"there is no offer '{offer}' of a segment", place="--offer", hint=hint)
    decision = decide_codes(client, policies)
    told = [one for one in decision.standings if offer in {None, one.offer}]
    counts = {one.offer: one.refused for one in told}
    if customer is not None:
        rows = [_person(client, decision, name, customer) for name in names if offer in {None, name}]
        return RefusedCodes(counts=counts, rows=rows, customer=customer)
    return _listed(decision, counts, limit)


def _listed(decision: Decision, counts: Mapping[str, Mapping[str, int]], limit: int | None) -> RefusedCodes:
    import pyarrow as pa
    import pyarrow.compute as pc

    if decision.refused is None:
        return RefusedCodes(counts=counts, rows=())
    found = decision.refused.filter(
        pc.is_in(decision.refused["offer"].cast(pa.string()), value_set=pa.array(list(counts), pa.string()))
    )
    rows = [RefusedPerson(**row) for row in found.slice(0, limit).to_pylist()]
    return RefusedCodes(counts=counts, rows=rows, left_out=len(found) - len(rows))


def _person(client: Client, decision: Decision, offer: str, customer: str) -> RefusedPerson:
    """What this offer says to one customer; whoever was merged into another is that one."""
    import pyarrow.compute as pc

    person = client.became(customer)
    if not pc.any(pc.equal(client.membership.table["customer_id"], person)).as_py():
        raise ConfigError(f"there is no customer {customer}", place="--customer", hint="see `ciblage members SEGMENT`")
    reasons = _of(decision.refused, offer, person)
    gets = _of(decision.issues, offer, person)
    reason = reasons[0]["reason"] if reasons else "none" if gets else "not_member"
    return RefusedPerson(customer_id=customer, offer=offer, reason=reason)


def _of(table: pa.Table | None, offer: str, person: str) -> list[dict[str, str]]:
    import pyarrow.compute as pc

    if table is None:
        return []
    mine = table.filter(pc.equal(table["customer_id"], person))
    found: list[dict[str, str]] = mine.to_pylist()
    return [row for row in found if row["offer"] == offer]
