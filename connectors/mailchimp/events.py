"""Mailchimp's reports and webhooks → engagement events: one table of what is read, and what becomes of each record."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connectors import webhooks
from connectors.answers import Json, instant, part, record
from connectors.mailchimp.wire import subscriber
from connectors.types import EngagementEvent, EventKind, Precision, normal

_ONCE = frozenset({EventKind.SEND, EventKind.UNSUBSCRIBE, EventKind.COMPLAINT})  # for a person and a campaign
_ACTIONS: Mapping[str, EventKind | None] = {
    "open": None,  # open-details tells the same opens, with the mark of a proxy
    "click": EventKind.CLICK,
    "bounce": EventKind.BOUNCE,
}
_BOUNCES = ("bounces.hard_bounces", "bounces.soft_bounces")


@dataclass(frozen=True, slots=True)
class Stream:
    """One report of a campaign: where it is, and the campaign's figures that move with it."""

    path: str
    figures: tuple[str, ...]
    key: str = ""  # of its records, where the path does not end so
    kind: EventKind | None = None  # None: each act says what it is
    acts: str = ""  # the list of a record that holds what the person did; "": the record itself tells one thing
    kept: str = ""  # of such a record
    time: str = "timestamp"
    count: int = 1000  # of a page; 0: it has no pages
    since: bool = False  # it can be asked for what is new

    def events(self, report: Json, record: Json) -> Iterator[EngagementEvent]:
        """What one record tells of a campaign."""
        for act in (record.get(self.acts) or ()) if self.acts else (record,):
            kind = self.kind or _ACTIONS.get(str(act.get("action")), EventKind.OTHER)
            at = instant(act.get(self.time)) or instant(report.get("send_time"))
            # the reader's IP address serves nothing here, and is personal
            raw = {name: value for name, value in act.items() if name != "ip" and (self.acts or name == self.kept)}
            if kind is not None:
                yield _event(report, str(record.get("email_address")), kind, at, act, raw=raw)


STREAMS: Sequence[Stream] = (
    Stream("sent-to", ("emails_sent",), kind=EventKind.SEND, time="", kept="status"),
    Stream("open-details", ("opens.opens_total",), "members", kind=EventKind.OPEN, acts="opens", since=True),
    # 500: pages of 1000 time out now and then (python-mailchimp PR#207)
    Stream("email-activity", ("clicks.clicks_total", *_BOUNCES), "emails", acts="activity", since=True, count=500),
    Stream("unsubscribed", ("unsubscribed",), "unsubscribes", kind=EventKind.UNSUBSCRIBE, kept="reason"),
    Stream("abuse-reports", ("abuse_reports",), kind=EventKind.COMPLAINT, time="date", kept="id", count=0),
)

PEOPLE: Mapping[EventKind, Sequence[str]] = {
    EventKind.SEND: ("emails_sent",),
    EventKind.OPEN: ("opens.unique_opens",),  # with those of machines, as they are pulled
    EventKind.CLICK: ("clicks.unique_subscriber_clicks",),
    EventKind.BOUNCE: _BOUNCES,
    EventKind.COMPLAINT: ("abuse_reports",),
    EventKind.UNSUBSCRIBE: ("unsubscribed",),
}
"""A campaign's own totals, in people."""


def _event(
    report: Json, address: str, kind: EventKind, at: datetime | None, act: Json, *, raw: Json
) -> EngagementEvent:
    """One event; its id is made of what never changes, so that reading twice keeps one."""
    email, at, url = normal(address), at or datetime.fromtimestamp(0, UTC), act.get("url") or None
    hard = act.get("type") == "hard" if kind is EventKind.BOUNCE else None
    word = "hard" if hard else str(act.get("action")) if kind is EventKind.OTHER else kind.value
    name = f"{report['id']}:{word}:{subscriber(email)}"
    if not hard and kind not in _ONCE:
        name += f":{int(at.timestamp())}" + (f":{hashlib.sha256(url.encode()).hexdigest()[:12]}" if url else "")
    return EngagementEvent(
        id=name,
        kind=kind,
        email=email,
        happened_at=at,
        campaign=str(report["id"]),
        message=str(report.get("subject_line") or "") or None,
        url=url,
        is_machine=bool(act.get("is_proxy_open")),
        hard=hard,
        precision=Precision.CAMPAIGN if kind is EventKind.SEND else Precision.EXACT,
        raw=json.dumps(raw, ensure_ascii=False),
    )


# webhooks
_SIGNATURE = re.compile(r"t=(\d{1,12}),\s*v1=([0-9a-f]{64})(?:,.*)?")
_SHOWN = "it is the signing secret that Mailchimp shows once, when the webhook is made"
_RETRIES = timedelta(minutes=90)  # a delivery is tried for 75 minutes
_PRIVATE = frozenset({"email", "new_email", "old_email", "merges", "ip_opt", "ip_signup"})
_HOOKS = {"unsubscribe": EventKind.UNSUBSCRIBE, "cleaned": EventKind.BOUNCE}


def received(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
    """What one delivery tells; nothing of one that names nobody (a campaign was sent).

    A form as documented, or the JSON that the vendor's own sample reads (2026-10). Raises Unauthorized before it is
    read, and UnexpectedResponse for a body of another shape.
    """
    found = _SIGNATURE.fullmatch(headers.get("x-mailchimp-signature", ""))
    stamp, given = found.groups() if found else ("0", "")
    webhooks.prove_signature(secret, given, [stamp.encode(), b".", body], hint=_SHOWN)
    signed_at = datetime.fromtimestamp(int(stamp), UTC)
    webhooks.prove_new(signed_at, now)
    told = webhooks.json(body) if body.startswith(b"{") else webhooks.form(body)
    word, data = str(part(told, "type")), {name: str(value) for name, value in record(part(told, "data")).items()}
    email, campaign = data.get("email") or data.get("new_email"), data.get("campaign_id")
    if not email:
        return ()
    kind = EventKind.COMPLAINT if data.get("reason") == "abuse" else _HOOKS.get(word, EventKind.OTHER)
    if data.get("action") == "delete":  # somebody at the account archived the contact: nothing that the person did
        kind = EventKind.OTHER
    # `fired_at` names no zone; where it cannot be UTC the signature's time stands in, which is never too early
    fired_at = str(told.get("fired_at", ""))
    fired = instant(fired_at)
    happened = fired if fired is not None and timedelta(0) <= signed_at - fired <= _RETRIES else signed_at
    raw = {"type": word, "fired_at": fired_at, **{name: data[name] for name in data if name not in _PRIVATE}}
    event = _event({"id": campaign}, email, kind, happened, {"type": "hard"}, raw=raw)
    is_pulled = campaign and (event.hard or kind in _ONCE)
    name = event.id if is_pulled else f"webhook:{word}:{data.get('id') or subscriber(email)}:{fired_at}"
    return (replace(event, id=name, campaign=campaign),)
