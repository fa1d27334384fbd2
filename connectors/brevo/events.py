"""One table: Brevo's exports of a campaign's people → our kinds of event."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors.types import EngagementEvent, EventKind, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connectors.brevo.wire import Json

__all__ = ["ACTIONS", "Action", "events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What an export of these people says of each; `figures` are the campaign's counts that grow with it."""

    kinds: tuple[EventKind, ...]
    figures: tuple[str, ...]
    hard: bool | None = None


# Openers include automatic opens (Apple MPP): the export does not tell them apart. There is no export of those who
# complained; they are among `unsubscribed` ("blacklisted via any means"). POST /contacts/export, 2026-11-22.
ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "openers": Action(kinds=(EventKind.SEND, EventKind.DELIVERED, EventKind.OPEN), figures=("uniqueViews",)),
        "nonOpeners": Action(kinds=(EventKind.SEND, EventKind.DELIVERED), figures=("delivered",)),
        "clickers": Action(kinds=(EventKind.CLICK,), figures=("uniqueClicks",)),
        "unsubscribed": Action(kinds=(EventKind.UNSUBSCRIBE,), figures=("unsubscriptions", "complaints")),
        "hardBounces": Action(kinds=(EventKind.SEND, EventKind.BOUNCE), figures=("hardBounces",), hard=True),
        "softBounces": Action(kinds=(EventKind.SEND, EventKind.BOUNCE), figures=("softBounces",), hard=False),
    }
)


def events(action: str, campaign: int, sent_at: datetime, email: str, row: Json) -> Iterator[EngagementEvent]:
    """What one row of an export says: the campaign's send time stands in for the time of each act."""
    about = ACTIONS[action]
    for kind in about.kinds:
        hard = about.hard if kind is EventKind.BOUNCE else None
        key = f"{campaign}|{kind}|{hard}|{email}"
        yield EngagementEvent(
            id=f"brevo:{hashlib.sha256(key.encode()).hexdigest()[:32]}",
            kind=kind,
            email=email,
            happened_at=sent_at,
            campaign=str(campaign),
            hard=hard,
            precision=Precision.CAMPAIGN,
            raw=json.dumps({"action": action, "campaign": campaign, "row": row}, ensure_ascii=False),
        )
