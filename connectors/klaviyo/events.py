"""Klaviyo's e-mail metrics as engagement events: one table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connectors.klaviyo import wire
from connectors.types import EngagementEvent, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "Received Email": EventKind.SEND,  # recorded when the mail is handed over; Klaviyo tells no later delivery
    "Opened Email": EventKind.OPEN,
    "Clicked Email": EventKind.CLICK,
    "Bounced Email": EventKind.BOUNCE,
    "Marked Email as Spam": EventKind.COMPLAINT,
    "Unsubscribed from Email Marketing": EventKind.UNSUBSCRIBE,
    "Unsubscribed from Email": EventKind.UNSUBSCRIBE,
}
INTEGRATION = "Klaviyo"


def metric(item: wire.Document) -> tuple[str, EventKind] | None:
    """A metric's id and kind, when it is one of Klaviyo's own about e-mail: a shop may have one of the same name."""
    found = wire.attributes(item)
    name = str(found.get("name") or "")
    if (found.get("integration") or {}).get("name") != INTEGRATION or "Email" not in name:
        return None
    return item["id"], KINDS.get(name, EventKind.OTHER)


def event(item: wire.Document, kind: EventKind, emails: Mapping[str, str]) -> EngagementEvent | None:
    """One event; `emails` by profile id. None for a profile without an address, or an event without a time."""
    found = wire.attributes(item)
    happened_at = wire.instant(found.get("datetime"))
    owner = ((item.get("relationships") or {}).get("profile") or {}).get("data") or {}
    email = emails.get(owner.get("id") or "")
    if happened_at is None or email is None:
        return None
    told = found.get("event_properties") or {}
    return EngagementEvent(
        id=item["id"],
        kind=kind,
        email=email,
        happened_at=happened_at,
        campaign=told.get("Campaign Name"),
        message=told.get("$message"),
        url=told.get("URL"),
        is_machine=bool(told.get("machine_open") or told.get("Bot Click")),
        hard=told["Bounce Type"] == "Hard" if "Bounce Type" in told else None,
        raw=json.dumps(told, ensure_ascii=False, sort_keys=True),
    )
