"""What a plan says of itself, counted: destinations, their lists and values, and the codes to issue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.plan.destination import REMOVABLE
from engine.plan.estimate import Estimate
from engine.plan.pools import PoolSummary
from engine.plan.population import SegmentCount
from engine.plan.samples import Sample

__all__ = ["DestinationSummary", "IssueSummary", "Overwritten", "TargetSummary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """One list of ours: how many of our members are there, join and leave; people behind it, in `counts`."""

    name: str
    title: str
    is_new: bool
    before: int
    joins: int
    leaves: int
    counts: SegmentCount | None = None
    removable: float = REMOVABLE  # share of its members that may leave at once
    jump: float | None = None  # share by which its size may change since the last run

    @property
    def after(self) -> int:
        """Members of ours once the plan is carried."""
        return self.before + self.joins - self.leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwritten:
    """Values of one merge tag that would be written where one that is not ours may stand.

    `contacts`: who were there before us, or hold a field that was; `newcomers`: new contacts, of whom some may turn out to
    be there. Of `looked` of all these the destination was asked, and `other` hold a value that differs from ours.
    """

    contacts: int
    newcomers: int = 0
    looked: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSummary:
    """What would change at one destination, counted. `resubscriptions` counts consents that would rise: 0 by law.

    People: `matched` = those of `by_basis` (who belong there) + `blocked` (by why) + `held_out`. `leaving` counts
    removals from lists by why; `values`, `cleared`, `samples` and `overwritten` are by merge tag, `codes_*` by offer.
    `foreign` and `gone` name segments (pools as offers.NAME) whose list is there and not ours, or ours and not there.
    """

    name: str
    connector: str
    account: str | None
    targets: tuple[TargetSummary, ...]
    contacts_before: int
    contacts_new: int
    most_new: int | None = None  # contacts that may come in one plan; None: no bound
    matched: int
    by_basis: Mapping[str, int]
    values: Mapping[str, int]
    cleared: Mapping[str, int]
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    overwritten: Mapping[str, Overwritten] = field(default_factory=dict)
    offers: tuple[str, ...] = ()  # whose codes it is to have
    code_tags: tuple[str, ...] = ()  # merge tags that carry a part of a code
    codes_sent: Mapping[str, int] = field(default_factory=dict)
    codes_cleared: Mapping[str, int] = field(default_factory=dict)
    leaving: Mapping[str, int] = field(default_factory=dict)
    suppressed: int
    blocked: Mapping[str, int]
    held_out: int
    withheld: int
    unfit: Mapping[str, Mapping[str, int]]
    lists_created: tuple[str, ...]
    fields_created: tuple[str, ...]
    pools: tuple[PoolSummary, ...] = ()
    pools_created: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    hears_departures: bool = True  # whether it can be told that somebody left
    on_its_way: int
    changes: int
    estimate: Estimate
    resubscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSummary:
    """Codes to issue for one offer, and the most that they can cost, in the client's currency.

    The cost is None where nobody knows: a percentage, or the shipping, of orders of those to whom a provider hands them
    out. `issued` and `spent` (codes so far, and the most that they cost) stand beside the budget; None: no bound.
    `refused`: people of its segment who get none, by why; `renewed`: codes that they hold and that are to end later.
    """

    offer: str
    codes: int
    highest_cost: Decimal | None
    issued: int = 0
    spent: Decimal | None = None
    most_codes: int | None = None
    most_money: Decimal | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    renewed: int = 0
