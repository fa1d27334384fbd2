"""One table: what ActiveCampaign's webhooks call an event → our kind, and the counts of it in a campaign's report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from connectors.errors import UnexpectedResponse
from connectors.types import EngagementEvent, EventKind, normal

KINDS: Mapping[str, tuple[EventKind, tuple[str, ...]]] = {
    "sent": (EventKind.SEND, ("send_amt",)),
    "open": (EventKind.OPEN, ("uniqueopens",)),
    "click": (EventKind.CLICK, ("subscriberclicks",)),
    "bounce": (EventKind.BOUNCE, ("hardbounces", "softbounces")),
    "unsubscribe": (EventKind.UNSUBSCRIBE, ("unsubscribes",)),
}


def event(body: bytes, now: datetime) -> EngagementEvent:
    """The one event of a delivery, a form with keys like `contact[email]`; it is `now`: nothing is delivered later."""
    told = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if not told.get("contact[email]"):
        raise UnexpectedResponse("activecampaign: a delivery without contact[email]")
    return EngagementEvent(
        id=f"activecampaign:{hashlib.sha256(body).hexdigest()[:32]}",
        kind=KINDS.get(told.get("type", ""), (EventKind.OTHER,))[0],
        email=normal(told["contact[email]"]),
        happened_at=now,
        campaign=told.get("campaign[id]") or None,
        url=told.get("link[url]") or None,
        raw=json.dumps(told, ensure_ascii=False),
    )


def totals(campaign: Mapping[str, str]) -> Mapping[EventKind, int]:
    """People by what they did; the counts come as texts."""
    return {kind: sum(int(campaign.get(name) or 0) for name in names) for kind, names in KINDS.values()}
