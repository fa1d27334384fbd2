"""Two tables: what ActiveCampaign's webhooks call an event, and what its campaigns count → our kinds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from connectors.errors import UnexpectedResponse
from connectors.types import EngagementEvent, EventKind, normal

KINDS: Mapping[str, EventKind] = {
    "sent": EventKind.SEND,
    "open": EventKind.OPEN,
    "click": EventKind.CLICK,
    "bounce": EventKind.BOUNCE,
    "unsubscribe": EventKind.UNSUBSCRIBE,
}
FIGURES: Mapping[EventKind, tuple[str, ...]] = {
    EventKind.SEND: ("send_amt",),
    EventKind.OPEN: ("uniqueopens",),
    EventKind.CLICK: ("subscriberclicks",),
    EventKind.BOUNCE: ("hardbounces", "softbounces"),
    EventKind.UNSUBSCRIBE: ("unsubscribes",),
}


def event(body: bytes, now: datetime) -> EngagementEvent:
    """The one event of a delivery, a form with keys like `contact[email]`; it happened `now`: nothing is sent later.

    Raises UnexpectedResponse.
    """
    told = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if not told.get("contact[email]"):
        raise UnexpectedResponse("activecampaign: a delivery without contact[email]")
    return EngagementEvent(
        id=f"activecampaign:{hashlib.sha256(body).hexdigest()[:32]}",
        kind=KINDS.get(told.get("type", ""), EventKind.OTHER),
        email=normal(told["contact[email]"]),
        happened_at=now,
        campaign=told.get("campaign[id]") or None,
        url=told.get("link[url]") or None,
        raw=json.dumps(told, ensure_ascii=False),
    )


def totals(campaign: Mapping[str, str | None]) -> Mapping[EventKind, int]:
    """A campaign's counts of people, which come as texts; a missing one is left out."""
    told = {kind: names for kind, names in FIGURES.items() if campaign.keys() >= set(names)}
    return {kind: sum(int(campaign[name] or 0) for name in names) for kind, names in told.items()}
