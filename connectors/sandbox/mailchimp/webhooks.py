"""Operations on audience webhooks, and what they deliver: signed, as a form; the account's `outbox` keeps it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from connectors.sandbox.mailchimp import values
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.words import Refusal

if TYPE_CHECKING:
    from connectors.sandbox.mailchimp.call import Account, Call

_KEYS: Mapping[str, type] = {"url": str, "events": dict, "sources": dict}
_EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
_SOURCES = ("user", "admin", "api")
_ELSEWHERE = timedelta(hours=-5)  # a zone that `fired_at` may be meant in


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of an audience; its `secret` is told once."""

    id: str
    audience: str
    url: str
    events: Mapping[str, bool]
    sources: Mapping[str, bool]
    secret: str

    def told(self) -> Json:
        """As the API shows it."""
        events, sources = dict(self.events), dict(self.sources)
        return {"id": self.id, "url": self.url, "events": events, "sources": sources, "list_id": self.audience}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST that Mailchimp would send: header names are lower-cased."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def webhooks(call: Call) -> Json:
    """GET /lists/{list}/webhooks."""
    found = call.account.audience(call.parts["list"])
    told = [one.told() for one in call.account.webhooks.values() if one.audience == found.id]
    return {"webhooks": told, "list_id": found.id, "total_items": len(told)}


def add(call: Call) -> Json:
    """POST /lists/{list}/webhooks: the answer is the only one that holds the signing secret."""
    found, account = call.account.audience(call.parts["list"]), call.account
    body = values.checked(call.body, _KEYS, required=("url",), strict=account.says("unknown_keys", "refused"))
    plain = str(body["url"]).partition("?")[0]
    if any(one.url.partition("?")[0] == plain and one.audience == found.id for one in account.webhooks.values()):
        raise Refusal("webhook_twice", plain)
    ref = f"{account.world.random.getrandbits(40):010x}"
    secret = f"{account.world.random.getrandbits(256):064x}" if account.says("signing", "yes") else ""
    events, sources = _flags(body.get("events"), _EVENTS), _flags(body.get("sources"), _SOURCES)
    made = account.webhooks[ref] = Webhook(ref, found.id, str(body["url"]), events, sources, secret)
    return made.told() | ({"signing_secret": secret, "signing_enabled": True} if secret else {})


def remove(call: Call) -> None:
    """DELETE /lists/{list}/webhooks/{webhook}."""
    if call.account.webhooks.pop(call.parts["webhook"], None) is None:
        raise Refusal("missing")


def deliver(account: Account, audience: str, kind: str, data: Json, *, source: str = "user") -> None:
    """Tell each webhook of the audience that listens to it; nobody sends what is in the outbox."""
    now = account.world.now()
    for one in account.webhooks.values():
        if one.audience == audience and one.events.get(kind) and (kind == "campaign" or one.sources.get(source)):
            account.outbox.append(signed(account, one, kind, {"list_id": audience, **data}, now))


def signed(account: Account, webhook: Webhook, kind: str, data: Json, now: datetime) -> Delivery:
    """The delivery of one thing that happened `now`."""
    fired = (now + (_ELSEWHERE if account.says("webhook_zone", "elsewhere") else timedelta())).strftime(
        "%Y-%m-%d %H:%M:%S"
    )
    if account.says("webhook_body", "json"):
        kind_of, body = "application/json", json.dumps({"type": kind, "fired_at": fired, "data": dict(data)}).encode()
    else:
        pairs = {"type": kind, "fired_at": fired, **dict(_pairs("data", data))}
        kind_of, body = "application/x-www-form-urlencoded", urlencode(pairs).encode()
    headers = {"content-type": kind_of, "user-agent": "MailChimp"}
    if webhook.secret:
        at = int(now.timestamp())
        mark = hmac.new(webhook.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers["x-mailchimp-signature"] = f"t={at},v1={mark}"
    return Delivery(webhook.url, headers, body)


def _pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A form's names and values: data[merges][EMAIL]."""
    if not isinstance(value, dict):
        yield name, str(value)
        return
    for inner, one in value.items():
        yield from _pairs(f"{name}[{inner}]", one)


def _flags(given: object, names: tuple[str, ...]) -> Mapping[str, bool]:
    """Those that are not named are off."""
    return {name: bool(given.get(name)) if isinstance(given, dict) else False for name in names}
