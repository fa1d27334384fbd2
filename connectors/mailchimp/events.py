"""Mailchimp's reports and webhooks → engagement events: one table of what is read, and what becomes of each record."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.mailchimp.wire import Json, moment, subscriber
from connectors.types import EngagementEvent, EventKind, Precision, normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One report of a campaign: `total` is the figure that moves with it, `count` its page size (0: not paged)."""

    path: str
    key: str
    count: int = 1000
    since: bool = False  # it can be asked for what happened after an instant
    total: Callable[[Json], int]
    events: Callable[[Json, Json], Iterator[EngagementEvent]]  # of (the campaign's report, one record)


_ONCE = frozenset({EventKind.SEND, EventKind.UNSUBSCRIBE, EventKind.COMPLAINT})  # for a person and a campaign


def _event(report: Json, record: Json, kind: EventKind, at: object, word: str = "") -> EngagementEvent:
    """The event without its particulars; the id is made of what never changes, so that reading twice keeps one."""
    happened = moment(at) or moment(report.get("send_time")) or datetime.fromtimestamp(0, UTC)
    email = normal(str(record.get("email_address")))
    name = f"{report['id']}:{word or kind.value}:{subscriber(email)}"
    return EngagementEvent(
        id=name if kind in _ONCE else f"{name}:{int(happened.timestamp())}",
        kind=kind,
        email=email,
        happened_at=happened,
        campaign=str(report["id"]),
        message=str(report.get("subject_line") or "") or None,
    )


def _raw(entry: Mapping[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=False)


def _sent(report: Json, record: Json) -> Iterator[EngagementEvent]:
    event = _event(report, record, EventKind.SEND, report.get("send_time"))
    yield replace(event, precision=Precision.CAMPAIGN, raw=_raw({"status": record.get("status")}))


def _opens(report: Json, record: Json) -> Iterator[EngagementEvent]:
    for entry in record.get("opens") or ():
        event = _event(report, record, EventKind.OPEN, entry.get("timestamp"))
        yield replace(event, is_machine=bool(entry.get("is_proxy_open")), raw=_raw(entry))


_ACTIONS: Mapping[str, EventKind | None] = {
    "open": None,  # open-details tells the same opens, with the mark of a proxy
    "click": EventKind.CLICK,
    "bounce": EventKind.BOUNCE,
}


def _activity(report: Json, record: Json) -> Iterator[EngagementEvent]:
    for entry in record.get("activity") or ():
        kind, word = _ACTIONS.get(str(entry.get("action")), EventKind.OTHER), str(entry.get("action"))
        if kind is None:
            continue
        event = _event(report, record, kind, entry.get("timestamp"), word)
        url, is_hard = entry.get("url") or None, entry.get("type") == "hard"
        mark = f":{hashlib.sha256(url.encode()).hexdigest()[:12]}" if url else ""
        yield replace(
            event,
            id=_bounced(event) if kind is EventKind.BOUNCE and is_hard else event.id + mark,
            url=url,
            hard=is_hard if kind is EventKind.BOUNCE else None,
            # the reader's IP address serves nothing here, and is personal
            raw=_raw({name: value for name, value in entry.items() if name != "ip"}),
        )


def _bounced(event: EngagementEvent) -> str:
    """The id of a hard bounce, which comes once for a person and a campaign."""
    return f"{event.campaign}:hard:{subscriber(event.email)}"


def _left(report: Json, record: Json) -> Iterator[EngagementEvent]:
    event = _event(report, record, EventKind.UNSUBSCRIBE, record.get("timestamp"))
    yield replace(event, raw=_raw({"reason": record.get("reason")}))


def _complaint(report: Json, record: Json) -> Iterator[EngagementEvent]:
    event = _event(report, record, EventKind.COMPLAINT, record.get("date"))
    yield replace(event, raw=_raw({"id": record.get("id")}))


def _figure(*paths: str) -> Callable[[Json], int]:
    """The sum of some figures of a report, by dotted name."""

    def read(report: Json) -> int:
        return sum(_number(report, path.split(".")) for path in paths)

    return read


def _number(report: object, path: list[str]) -> int:
    for name in path:
        report = report.get(name) if isinstance(report, dict) else None
    return int(report) if isinstance(report, (int, float)) else 0


_BOUNCES = ("bounces.hard_bounces", "bounces.soft_bounces")

STREAMS: tuple[Stream, ...] = (
    Stream(path="sent-to", key="sent_to", total=_figure("emails_sent"), events=_sent),
    Stream(path="open-details", key="members", since=True, total=_figure("opens.opens_total"), events=_opens),
    # 500: pages of 1000 time out now and then (python-mailchimp PR#207)
    Stream(
        path="email-activity",
        key="emails",
        count=500,
        since=True,
        total=_figure("clicks.clicks_total", *_BOUNCES),
        events=_activity,
    ),
    Stream(path="unsubscribed", key="unsubscribes", total=_figure("unsubscribed"), events=_left),
    Stream(path="abuse-reports", key="abuse_reports", count=0, total=_figure("abuse_reports"), events=_complaint),
)

_PEOPLE: Mapping[EventKind, Callable[[Json], int]] = {
    EventKind.SEND: _figure("emails_sent"),
    EventKind.OPEN: _figure("opens.unique_opens"),
    EventKind.CLICK: _figure("clicks.unique_subscriber_clicks"),
    EventKind.BOUNCE: _figure(*_BOUNCES),
    EventKind.COMPLAINT: _figure("abuse_reports"),
    EventKind.UNSUBSCRIBE: _figure("unsubscribed"),
}


def figures(report: Json) -> Mapping[EventKind, int]:
    """A campaign's own totals, in people; opens with those of machines, as they are pulled."""
    return {kind: count(report) for kind, count in _PEOPLE.items()}


# webhooks
_SIGNATURE = re.compile(r"t=(\d{1,12}),\s*v1=([0-9a-f]{64})(?:,.*)?")
_TOLERANCE = 300.0  # seconds between the signature and now (api-concepts/webhooks, 2026-10)
_RETRIES = timedelta(minutes=90)  # a delivery is tried for 75 minutes
_PRIVATE = frozenset({"email", "new_email", "old_email", "merges", "ip_opt", "ip_signup"})
_HOOKS = {"unsubscribe": EventKind.UNSUBSCRIBE, "cleaned": EventKind.BOUNCE}


def received(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[EngagementEvent, ...]:
    """What one delivery tells; nothing of one that names nobody (a campaign was sent).

    Raises Unauthorized before the body is read, and UnexpectedResponse for a body of another shape.
    """
    signed_at = _verified(secret, headers.get("x-mailchimp-signature", ""), body, now)
    word, fired_at, data = _delivery(body)
    email = data.get("email") or data.get("new_email")
    if not email:
        return ()
    kind = EventKind.COMPLAINT if data.get("reason") == "abuse" else _HOOKS.get(word, EventKind.OTHER)
    if data.get("action") == "delete":  # somebody at the account archived the contact: nothing that the person did
        kind = EventKind.OTHER
    # `fired_at` names no zone; where it cannot be UTC the signature's time stands in, which is never too early
    fired = moment(fired_at)
    happened = fired if fired is not None and timedelta(0) <= signed_at - fired <= _RETRIES else signed_at
    campaign, told = data.get("campaign_id"), {name: data[name] for name in data if name not in _PRIVATE}
    event = _event({"id": campaign or "webhook"}, {"email_address": email}, kind, happened.isoformat())
    hard = True if kind is EventKind.BOUNCE else None
    event = replace(event, campaign=campaign, hard=hard, raw=_raw({"type": word, "fired_at": fired_at, **told}))
    if campaign and (hard or kind in _ONCE):
        return (replace(event, id=_bounced(event) if hard else event.id),)
    return (replace(event, id=f"webhook:{word}:{data.get('id') or subscriber(email)}:{fired_at}"),)


def _verified(secret: str, signature: str, body: bytes, now: datetime) -> datetime:
    """When the delivery was signed. Raises Unauthorized, and SettingsError without a secret."""
    if not secret:
        hint = "set it to the signing secret that Mailchimp shows once, when the webhook is made"
        raise SettingsError(f"mailchimp: 'webhook_secret' is empty; {hint}", key="webhook_secret")
    found = _SIGNATURE.fullmatch(signature)
    if not found:
        hint = "a webhook from before signing is to be deleted and made again"
        raise Unauthorized(f"mailchimp: the delivery is not signed; {hint}")
    wanted = hmac.new(secret.encode(), f"{found[1]}.".encode() + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, found[2]):
        raise Unauthorized("mailchimp: the delivery's signature is not that of 'webhook_secret'")
    if abs(now.timestamp() - int(found[1])) > _TOLERANCE:
        raise Unauthorized("mailchimp: the delivery was signed more than five minutes ago, or ahead of our clock")
    return datetime.fromtimestamp(int(found[1]), UTC)


def _delivery(body: bytes) -> tuple[str, str, dict[str, str]]:
    """What, when, and of whom: a form as documented, or the JSON that the vendor's own sample reads (2026-10)."""
    try:
        if body.startswith(b"{"):
            told = json.loads(body)
            data = {str(name): str(value) for name, value in told["data"].items()}
        else:
            told = dict(parse_qsl(body.decode(), keep_blank_values=True))
            data = {name[5:].partition("]")[0]: told[name] for name in told if name.startswith("data[")}
        return str(told["type"]), str(told.get("fired_at", "")), data
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnexpectedResponse("mailchimp: a delivery of another shape than documented") from None
