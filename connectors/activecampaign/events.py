"""One table: what ActiveCampaign's webhooks call an event → our kind, and the counts of it in a campaign's report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from connectors import webhooks
from connectors.answers import inner
from connectors.errors import UnexpectedResponse
from connectors.types import EngagementEvent, EventKind, normal

KINDS: Mapping[str, tuple[EventKind, tuple[str, ...]]] = {
    "sent": (EventKind.SEND, ("send_amt",)),
    "open": (EventKind.OPEN, ("uniqueopens",)),
    "click": (EventKind.CLICK, ("subscriberclicks",)),
    "bounce": (EventKind.BOUNCE, ("hardbounces", "softbounces")),
    "unsubscribe": (EventKind.UNSUBSCRIBE, ("unsubscribes",)),
}
FIGURES = dict(KINDS.values())


def event(body: bytes, now: datetime) -> EngagementEvent:
    """The one event of a delivery, a form with keys like `contact[email]`; it is `now`: nothing is delivered later."""
    told = webhooks.form(body)
    email = inner(told, "contact", "email")
    if not email:
        raise UnexpectedResponse("activecampaign: a delivery without contact[email]")
    return EngagementEvent(
        id=f"activecampaign:{hashlib.sha256(body).hexdigest()[:32]}",
        kind=KINDS.get(str(told.get("type")), (EventKind.OTHER,))[0],
        email=normal(str(email)),
        happened_at=now,
        campaign=inner(told, "campaign", "id") or None,
        url=inner(told, "link", "url") or None,
        raw=json.dumps(told, ensure_ascii=False),
    )
