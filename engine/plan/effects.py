"""What a plan sets off beyond what it writes: bills, flows, first mails, money in codes, and things made there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.plan.plan import Plan

__all__ = ["Created", "Flow", "SideEffects", "side_effects"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A list that people join: whatever somebody built to start on joining starts for so many of them."""

    destination: str
    title: str
    people: int


@dataclass(frozen=True, slots=True)
class Created:
    """Titles of what is made at one destination."""

    lists: tuple[str, ...]
    fields: tuple[str, ...]
    pools: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffects:
    """The five: contacts that may be billed and things created, by destination; flows; first mails; money at risk.

    `at_risk`: the most that `codes` new codes can cost; `unpriced`: codes by offer of which nobody knows it.
    """

    billable: Mapping[str, int]
    flows: tuple[Flow, ...]
    first_mails: int
    codes: int
    at_risk: Decimal
    unpriced: Mapping[str, int]
    created: Mapping[str, Created]


def side_effects(plan: Plan) -> SideEffects:
    """What follows from the plan's summary."""
    named = [(one.name, Created(one.lists_created, one.fields_created, one.pools_created)) for one in plan.destinations]
    issuing = [one for one in plan.issues if one.codes]
    return SideEffects(
        billable={one.name: one.contacts_new for one in plan.destinations if one.contacts_new},
        flows=tuple(
            Flow(one.name, target.title, target.joins)
            for one in plan.destinations
            for target in one.targets
            if target.joins
        ),
        first_mails=plan.first_mails,
        codes=sum(one.codes for one in issuing if one.highest_cost is not None),
        at_risk=sum((one.highest_cost for one in issuing if one.highest_cost is not None), Decimal(0)),
        unpriced={one.offer: one.codes for one in issuing if one.highest_cost is None},
        created={name: made for name, made in named if made.lists or made.fields or made.pools},
    )
