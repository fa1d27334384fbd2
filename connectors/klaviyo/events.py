"""Klaviyo's e-mail metrics, webhooks and reports as our events and kinds: two tables."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.http import Response
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


@dataclass(frozen=True, slots=True)
class Secret:
    """A webhook's secret_key, never shown."""

    text: str = field(repr=False)


def delivered(
    secret: Secret, headers: Mapping[str, str], body: bytes, now: datetime
) -> Iterator[tuple[wire.Document, EventKind, dict[str, str]]]:
    """A webhook's e-mail events as a pull would give them, with the addresses that came along.

    Signed over body and time, which are not believed before that holds. Raises SettingsError, Unauthorized.
    """
    if not secret.text:
        message = "klaviyo: webhook_secret is not set: it is the secret_key with which the webhook was created"
        raise SettingsError(message, key="webhook_secret")
    moment, given = (
        headers.get(f"klaviyo-{name}", "").encode("utf-8", "replace") for name in ("timestamp", "signature")
    )
    signature = hmac.new(secret.text.encode(), body + moment, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.encode(), given):
        raise Unauthorized("klaviyo: the delivery is not signed with webhook_secret")
    if abs(_moment(moment.decode()) - now) > _TOLERANCE:
        raise Unauthorized("klaviyo: the delivery was signed more than five minutes ago, or ahead")
    told = Response(HTTPStatus.OK, {}, body).json()
    if not isinstance(told, dict) or not isinstance(told.get("data"), list):
        raise UnexpectedResponse("the delivery holds no list of events")
    named = (told.get("meta") or {}).get("klaviyo_webhook_id")
    if named is not None and named != headers.get("klaviyo-webhook-id"):
        raise Unauthorized("klaviyo: the delivery names another webhook than its header")
    for entry in told["data"]:
        topic, payload = str(entry.get("topic")), entry.get("payload") or {}
        if topic.startswith(_TOPIC) and "email" in topic:
            item = {"id": entry.get("external_id"), **(payload.get("data") or {})}
            yield item, _TOPICS.get(topic, EventKind.OTHER), emails(payload)


def _moment(text: str) -> datetime:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        raise UnexpectedResponse("the delivery's time is no date of HTTP") from None
    return at.replace(tzinfo=at.tzinfo or UTC)


def report(conversion: str) -> wire.Document:
    """What a report of every e-mail campaign is asked with."""
    return {
        "statistics": list(STATISTICS),
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": conversion,
        "filter": wire.clause("equals", "send_channel", "email"),
    }


def figures(page: wire.Document) -> Iterator[tuple[str, dict[EventKind, int]]]:
    """People by kind, under the id of the campaign and under that of its message."""
    for row in wire.attributes(page["data"]).get("results") or ():
        people = {kind: int(row["statistics"].get(name) or 0) for name, kind in STATISTICS.items()}
        groups = row["groupings"]
        yield from ((name, people) for name in {groups.get("campaign_id"), groups.get("campaign_message_id")} if name)
