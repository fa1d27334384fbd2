"""Bring back what a destination knows: first who left, then who did what; each page kept before its cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from connectors.base import Connector, PullsEngagement, ReadsSuppressions
from engine.engagement.parts import Parts
from engine.ledger.suppressions import KnownSuppression

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.http import Clock
    from connectors.types import Page, Suppression
    from engine.ledger import Ledger
    from engine.shop.erased import Erased

__all__ = ["Patience", "Pulled", "is_swept", "known", "pull"]

T = TypeVar("T")

_UNSWEPT = "those who left could not be read to the end; nothing is sent before they are"
SUPPRESSIONS, ENGAGEMENT = "suppressions", "engagement"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider may prepare an answer (Brevo's exports) before the rest is left to the next pull."""

    clock: Clock
    seconds: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What one destination brought: new or changed suppressions, new events by kind; `is_complete` when no page is left."""

    destination: str
    suppressions: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True
    error: str | None = None


def is_swept(ledger: Ledger, destination: str) -> bool:
    """Whether all who left there have been read at least once: a first push needs it."""
    return ledger.cursors.get(destination, SUPPRESSIONS) is not None


def pull(
    destination: str,
    connector: Connector,
    ledger: Ledger,
    parts: Parts,
    *,
    now: datetime,
    patience: Patience,
    engagement: bool = True,
) -> Pulled:
    """Read both streams to their end, or only who left. Raises connectors.errors; what was read before stays, and is not read again."""
    left, is_swept_now = 0, True
    if isinstance(connector, ReadsSuppressions):
        left, is_swept_now = _suppressions(destination, connector, ledger, now, parts.erased())
    waits = connector.spec.poll_after
    pulled = Pulled(destination=destination, suppressions=left)
    if not is_swept_now:
        return replace(pulled, is_complete=False, error=_UNSWEPT)
    if not engagement or not isinstance(connector, PullsEngagement):
        return pulled
    since = ledger.cursors.get(destination, ENGAGEMENT)
    counts: Counter[str] = Counter()
    is_complete = False
    for page in _patient(connector.pull(since, now), waits, patience):
        counts += parts.keep(destination, since, page.items)
        ledger.cursors.save(destination, ENGAGEMENT, page.cursor, at=now)
        since, is_complete = page.cursor, page.last
    return replace(pulled, events=dict(counts), is_complete=is_complete)


def _suppressions(
    destination: str, connector: ReadsSuppressions, ledger: Ledger, now: datetime, erased: Erased | None
) -> tuple[int, bool]:
    """How many are new or changed, and whether the sweep came to its end.

    The cursor is saved at the end only. A sweep that went on where another broke off would not see who left since in what
    that one had read already, and a run would write to them.
    """
    since = ledger.cursors.get(destination, SUPPRESSIONS)
    changed, is_ended = 0, False
    for page in connector.suppressions(since, now):
        changed += ledger.suppressions.record(destination, known(destination, page.items, ledger, now, erased))
        if page.last:
            ledger.cursors.save(destination, SUPPRESSIONS, page.cursor, at=now)
            is_ended = True
    return changed, is_ended


def known(
    destination: str, found: Sequence[Suppression], ledger: Ledger, now: datetime, erased: Erased | None = None
) -> list[KnownSuppression]:
    """Suppressions as the ledger keeps them, with the customer whose address it is; of people erased, none."""
    if erased is not None:
        found = [item for item in found if item.email not in erased]
    contacts = ledger.contacts.of(destination, [item.email for item in found])
    return [
        KnownSuppression(
            suppression=item,
            customer_id=contacts[item.email].customer_id if item.email in contacts else None,
            first_seen=now,
        )
        for item in found
    ]


def _patient(pages: Iterator[Page[T]], waits: Sequence[float], patience: Patience) -> Iterator[Page[T]]:
    """The pages; between one that is empty and the next the provider gets time, but not without end."""
    empty, started = 0, patience.clock.monotonic()
    for page in pages:
        yield page
        empty = 0 if page.items else empty + 1
        if page.last or (empty and patience.clock.monotonic() - started > patience.seconds):
            return
        if empty:
            patience.clock.sleep(waits[min(empty, len(waits)) - 1])
