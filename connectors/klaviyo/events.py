"""Klaviyo's e-mail metrics, webhooks and reports as our events and kinds: two tables."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from connectors import webhooks
from connectors.answers import Json, figures, http_date, inner, instant, record, rows
from connectors.errors import Unauthorized, UnexpectedResponse
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
_STATISTICS = {
    EventKind.SEND: ("recipients",),
    EventKind.DELIVERED: ("delivered",),
    EventKind.OPEN: ("opens_unique",),
    EventKind.CLICK: ("clicks_unique",),
    EventKind.BOUNCE: ("bounced",),
    EventKind.COMPLAINT: ("spam_complaints",),
    EventKind.UNSUBSCRIBE: ("unsubscribe_uniques",),
}
_TOPIC = f"event:{INTEGRATION.lower()}."
_HINT = "it is the secret_key with which the webhook was created"
_TOPICS = {_TOPIC + name.lower().replace(" ", "_"): kind for name, kind in KINDS.items()}


def kind_of(metric: Json) -> EventKind | None:
    """What a metric counts, when it is one of Klaviyo's own about e-mail: a shop may have one of the same name."""
    name = str(metric.get("name"))
    is_ours = inner(metric, "integration", "name") == INTEGRATION and "Email" in name
    return KINDS.get(name, EventKind.OTHER) if is_ours else None


def owner(row: Json) -> str:
    """The id of the profile that an event belongs to; empty for none."""
    return inner(row, "related", "profile", "data", "id") or ""


def addressed(page: Json) -> list[tuple[Json, str]]:
    """The events of a page, with the addresses of the profiles that came along; empty for the others."""
    emails = {profile["id"]: wire.email(profile) for profile in wire.rows({"included": [], **page}, "included")}
    return [(row, emails.get(owner(row), "")) for row in wire.rows(page)]


def event(row: Json, kind: EventKind, email: str) -> EngagementEvent | None:
    """One event. None for a profile without an address, or an event without a time.

    `campaign` is the message's id, or the flow's: events hold no other, and reports are grouped by it.
    """
    happened_at, about = instant(row.get("datetime")), row.get("event_properties") or {}
    if happened_at is None or not email:
        return None
    return EngagementEvent(
        id=row["id"],
        kind=kind,
        email=email,
        happened_at=happened_at,
        campaign=about.get("$flow") or about.get("$message"),
        message=about.get("$message"),
        url=about.get("URL"),
        is_machine=bool(about.get("machine_open") or about.get("Bot Click")),
        hard=about["Bounce Type"] == "Hard" if "Bounce Type" in about else None,
        raw=json.dumps(about, ensure_ascii=False, sort_keys=True),
    )


def delivered(
    secret: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> Iterator[tuple[Json, EventKind, str]]:
    """A webhook's e-mail events as a pull would give them, with the addresses that came along.

    Signed over body and time, which are not believed before that holds. Raises SettingsError, Unauthorized.
    """
    moment = headers.get("klaviyo-timestamp", "")
    told = (body, moment.encode("utf-8", "replace"))
    webhooks.prove_signature(secret, headers.get("klaviyo-signature", ""), told, hint=_HINT)
    if (signed_at := http_date(moment)) is None:
        raise UnexpectedResponse("the delivery's time is no date of HTTP")
    webhooks.prove_new(signed_at, now)
    delivery = webhooks.json(body)
    named = inner(delivery, "meta", "klaviyo_webhook_id")
    if named is not None and named != headers.get("klaviyo-webhook-id"):
        raise Unauthorized("the delivery names another webhook than its header")
    for entry in rows(delivery, "data", holding=frozenset()):
        topic = str(entry["topic"])
        if topic.startswith(_TOPIC) and "email" in topic:
            payload, kind = record(entry["payload"], "data"), _TOPICS.get(topic, EventKind.OTHER)
            yield from ((row, kind, email) for row, email in addressed({**payload, "data": [payload["data"]]}))


def report(conversion: str) -> Json:
    """What a report of every e-mail campaign is asked with."""
    return {
        "statistics": [name for names in _STATISTICS.values() for name in names],
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": conversion,
        "filter": wire.clause("equals", "send_channel", "email"),
    }


def totals(pages: Iterable[Json], campaigns: Collection[str]) -> Mapping[str, Mapping[EventKind, int]]:
    """People by kind, under the id of a campaign and under that of its message; a campaign may have several messages."""
    found: dict[str, Counter[EventKind]] = defaultdict(Counter)
    for row in (row for page in pages for row in rows(page, "data", "attributes", "results", holding=frozenset())):
        groups, people = row["groupings"], figures(row["statistics"], _STATISTICS)
        for name in {groups.get("campaign_id"), groups.get("campaign_message_id")}.intersection(campaigns):
            found[name].update(people)
    return found
