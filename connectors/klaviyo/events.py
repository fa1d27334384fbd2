"""Klaviyo's e-mail metrics, webhooks and reports as our events and kinds: two tables."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.klaviyo import wire
from connectors.types import EngagementEvent, EventKind

INTEGRATION = "Klaviyo"
CONVERSION = "Placed Order"  # the metric that reports are usually asked with
KINDS = {
    "Received Email": EventKind.SEND,  # recorded when the mail is handed over; Klaviyo tells no later delivery
    "Opened Email": EventKind.OPEN,
    "Clicked Email": EventKind.CLICK,
    "Bounced Email": EventKind.BOUNCE,
    "Marked Email as Spam": EventKind.COMPLAINT,
    "Unsubscribed from Email Marketing": EventKind.UNSUBSCRIBE,
    "Unsubscribed from Email": EventKind.UNSUBSCRIBE,
}
STATISTICS = {
    "recipients": EventKind.SEND,
    "delivered": EventKind.DELIVERED,
    "opens_unique": EventKind.OPEN,
    "clicks_unique": EventKind.CLICK,
    "bounced": EventKind.BOUNCE,
    "spam_complaints": EventKind.COMPLAINT,
    "unsubscribe_uniques": EventKind.UNSUBSCRIBE,
}
_TOPIC = f"event:{INTEGRATION.lower()}."
_TOPICS = {_TOPIC + name.lower().replace(" ", "_"): kind for name, kind in KINDS.items()}
_TOLERANCE = timedelta(
    minutes=5
)  # Klaviyo prescribes none (2026-11-22): what receivers of signed webhooks usually take


def metric(item: wire.Document) -> tuple[str, EventKind] | None:
    """A metric's id and kind, when it is one of Klaviyo's own about e-mail: a shop may have one of the same name."""
    found = wire.attributes(item)
    name = str(found.get("name") or "")
    if (found.get("integration") or {}).get("name") != INTEGRATION or "Email" not in name:
        return None
    return item["id"], KINDS.get(name, EventKind.OTHER)


def owner(item: wire.Document) -> str:
    """The id of the profile that an event belongs to; empty for none."""
    found = ((item.get("relationships") or {}).get("profile") or {}).get("data") or {}
    return str(found.get("id") or "")


def event(item: wire.Document, kind: EventKind, emails: Mapping[str, str]) -> EngagementEvent | None:
    """One event; `emails` by profile id. None for a profile without an address, or an event without a time.

    `campaign` is the message's id, or the flow's: events hold no other, and reports are grouped by it.
    """
    found = wire.attributes(item)
    happened_at = wire.instant(found.get("datetime"))
    email = emails.get(owner(item))
    if happened_at is None or not email:
        return None
    told = found.get("event_properties") or {}
    return EngagementEvent(
        id=item["id"],
        kind=kind,
        email=email,
        happened_at=happened_at,
        campaign=told.get("$flow") or told.get("$message"),
        message=told.get("$message"),
        url=told.get("URL"),
        is_machine=bool(told.get("machine_open") or told.get("Bot Click")),
        hard=told["Bounce Type"] == "Hard" if "Bounce Type" in told else None,
        raw=json.dumps(told, ensure_ascii=False, sort_keys=True),
    )


def emails(page: wire.Document) -> dict[str, str]:
    """Addresses by profile id, of the profiles that came along."""
    return {str(item.get("id")): wire.email(item) for item in page.get("included") or ()}


def delivery(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> wire.Document:
    """A webhook's body, once its signature over body and time holds. Raises SettingsError, Unauthorized."""
    if not secret:
        message = "klaviyo: webhook_secret is not set: it is the secret_key with which the webhook was created"
        raise SettingsError(message, key="webhook_secret")
    moment = headers.get("klaviyo-timestamp", "")
    signature = hmac.new(secret.encode(), body + moment.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.encode(), headers.get("klaviyo-signature", "").encode("utf-8", "replace")):
        raise Unauthorized("klaviyo: the delivery is not signed with webhook_secret")
    if abs(parsedate_to_datetime(moment) - now) > _TOLERANCE:
        raise Unauthorized("klaviyo: the delivery was signed more than five minutes ago, or ahead")
    found = json.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("data"), list):
        raise UnexpectedResponse("the delivery holds no list of events")
    named = (found.get("meta") or {}).get("klaviyo_webhook_id")
    if named is not None and named != headers.get("klaviyo-webhook-id"):
        raise Unauthorized("klaviyo: the delivery names another webhook than its header")
    return found


def delivered(delivery: wire.Document) -> Iterator[tuple[wire.Document, EventKind, dict[str, str]]]:
    """The e-mail events of a delivery as a pull would give them, with the addresses that came along."""
    for entry in delivery["data"]:
        topic = str(entry.get("topic"))
        payload = entry.get("payload") or {}
        if topic.startswith(_TOPIC) and "email" in topic:
            item = {"id": entry.get("external_id"), **(payload.get("data") or {})}
            yield item, _TOPICS.get(topic, EventKind.OTHER), emails(payload)
