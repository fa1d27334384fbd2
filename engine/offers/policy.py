"""What an offer says: to whom, for what, how long, how often, and for how much money at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

__all__ = ["BASKET", "Policy", "Renewal", "Stock"]

BASKET = "largest_order"
"""The trait `trait:largest_order` that a percentage is applied to: the largest order so far, 0 without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The pool at a destination, and how many codes it is to have that can still be used."""

    destination: str
    codes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A code that ends by this instant gets a later end, so often at most."""

    ends_by: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One offer: a segment's, or a provider's pool's (exactly one of the two).

    `valid_until` and `cooled_since` are its spans resolved from `now`; no cooldown = once for ever. `unless`: the
    segment whose members get none. `priority`: who comes first, the smallest first; offers without one come last.
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
    products: str | None = None
    unless: str | None = None
    priority: int | None = None
    renewal: Renewal | None = None
