"""System webhooks: events as they happen, signed over the body and then the time."""

from __future__ import annotations

import hashlib
import hmac
import json
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from connectors.sandbox.klaviyo.engagement import METRICS
from connectors.sandbox.klaviyo.shapes import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.klaviyo.state import Account, Event

_WEBHOOK, _ACCOUNT = "01WEBHOOK", "SbxK1v"


def deliver(account: Account, event: Event, options: Mapping[str, str]) -> None:
    """Post an event to the webhook."""
    now = account.world.now()
    name, integration = METRICS[event.metric]
    topic = f"event:{integration.lower()}.{name.lower().replace(' ', '_')}"
    meta: dict[str, Any] = {"timestamp": iso(now), "version": "2026-07-15"}
    if options["webhook_meta"] == "full":
        meta |= {"klaviyo_account_id": _ACCOUNT, "klaviyo_webhook_id": _WEBHOOK}
    entry = {"external_id": event.id, "topic": topic, "payload": _payload(account, event, options)}
    body = json.dumps({"data": [entry], "meta": meta}, ensure_ascii=False).encode()
    moment = format_datetime(now, usegmt=True)
    headers = {
        "content-type": "application/json",
        "klaviyo-webhook-id": _WEBHOOK,
        "klaviyo-timestamp": moment,
        "klaviyo-signature": sign(options["webhook_secret"], body, moment),
    }
    account.deliveries.append((headers, body))


def sign(secret: str, body: bytes, moment: str) -> str:
    """Hex of the HMAC-SHA256 over body and time, without anything between."""
    return hmac.new(secret.encode(), body + moment.encode(), hashlib.sha256).hexdigest()


def _payload(account: Account, event: Event, options: Mapping[str, str]) -> dict[str, Any]:
    """What GET /events/{id} gives."""
    told = {
        "timestamp": int(event.at.timestamp()),
        "datetime": iso(event.at),
        "uuid": event.id,
        "event_properties": event.properties,
    }
    owners = {"profile": ("profile", event.person), "metric": ("metric", event.metric)}
    related = {name: {"data": {"type": kind, "id": ref}} for name, (kind, ref) in owners.items()}
    payload: dict[str, Any] = {"data": {"type": "event", "id": event.id, "attributes": told, "relationships": related}}
    if options["webhook_profile"] == "included":
        email = account.people[event.person].email
        payload["included"] = [{"type": "profile", "id": event.person, "attributes": {"email": email}}]
    return payload
