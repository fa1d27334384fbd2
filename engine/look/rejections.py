"""`rejected`: what destinations refused, counted first, each with what to do about it and when it is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.masking import mask
from connectors.types import Reason
from engine.errors import check_name
from engine.words import say

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ledger.runs import Rejection

__all__ = ["Rejected", "RejectedChange", "RejectedGroup", "rejected"]

LIMIT = 20  # changes shown where nobody asks for more


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedGroup:
    """Changes that one destination refused for one reason: how many, of how many people, since when, and what to do.

    `words`: what the provider said most often, masked.
    """

    destination: str
    reason: Reason
    changes: int
    customers: int
    since: datetime
    words: str | None
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedChange:
    """One change that a destination refused: who (our id), what, why, in its own masked words, and since when.

    `not_before`: when it is sent again by itself; None: once it, or the connector, changes, or with `--retry`.
    """

    destination: str
    customer_id: str
    kind: str
    target: str
    reason: Reason
    words: str | None
    at: datetime
    not_before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """All that is refused, counted by destination and reason; then the oldest changes one by one, as many as were asked for."""

    groups: Sequence[RejectedGroup]
    rows: Sequence[RejectedChange]
    total: int


def rejected(
    client: Client, *, destination: str | None = None, reason: str | None = None, limit: int | None = None
) -> Rejected:
    """Every refused change that the ledger keeps, or those of a destination or for a reason. Raises ConfigError."""
    check_name(destination, client.settings.destinations, flag="--destination")
    check_name(reason, [one.value for one in Reason], flag="--reason")
    found = [one for one in client.ledger.rejections.of(destination) if reason in {None, one.reason.value}]
    pairs = Counter((one.destination, one.reason) for one in found)
    groups = [
        _group([one for one in found if (one.destination, one.reason) == pair], client)
        for pair, _ in pairs.most_common()
    ]
    return Rejected(groups=groups, rows=[_row(one, client) for one in found[: limit or LIMIT]], total=len(found))


def _group(found: Sequence[Rejection], client: Client) -> RejectedGroup:
    first, said = found[0], Counter(one.words for one in found if one.words)
    return RejectedGroup(
        destination=first.destination,
        reason=first.reason,
        changes=len(found),
        customers=len({one.customer_id for one in found if one.customer_id}),
        since=min(one.at for one in found).astimezone(client.settings.zone),
        words=mask(said.most_common(1)[0][0]) if said else None,
        advice=say(f"advice.{first.reason.value}", client.lang),
    )


def _row(one: Rejection, client: Client) -> RejectedChange:
    zone = client.settings.zone
    return RejectedChange(
        destination=one.destination,
        customer_id=one.customer_id,
        kind=one.kind,
        target=one.target,
        reason=one.reason,
        words=None if one.words is None else mask(one.words),
        at=one.at.astimezone(zone),
        not_before=None if one.not_before is None else one.not_before.astimezone(zone),
    )
