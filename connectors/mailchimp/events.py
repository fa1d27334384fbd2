"""Mailchimp's reports → engagement events: one table of what is read, and what becomes of each record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from connectors.mailchimp.wire import Json, moment
from connectors.types import EngagementEvent, EventKind, Precision, normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One report of a campaign: `total` is the figure that moves with it, `count` its page size (0: not paged)."""

    path: str
    key: str
    count: int
    since: bool  # it can be asked for what happened after an instant
    total: Callable[[Json], int]
    events: Callable[[Json, Json], Iterator[EngagementEvent]]  # of (the campaign's report, one record)


def _event(report: Json, record: Json, kind: EventKind, at: object, word: str = "") -> EngagementEvent:
    """The event without its particulars; the id is made of what never changes, so that reading twice keeps one."""
    happened = moment(at) or moment(report.get("send_time")) or datetime.fromtimestamp(0, UTC)
    return EngagementEvent(
        id=f"{report['id']}:{word or kind.value}:{record.get('email_id')}:{int(happened.timestamp())}",
        kind=kind,
        email=normal(str(record.get("email_address"))),
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
        kind = _ACTIONS.get(str(entry.get("action")), EventKind.OTHER)
        if kind is None:
            continue
        event = _event(report, record, kind, entry.get("timestamp"), str(entry.get("action")))
        url = entry.get("url") or None
        yield replace(
            event,
            id=f"{event.id}:{hashlib.sha256(url.encode()).hexdigest()[:12]}" if url else event.id,
            url=url,
            hard=entry.get("type") == "hard" if kind is EventKind.BOUNCE else None,
            # the reader's IP address serves nothing here, and is personal
            raw=_raw({name: value for name, value in entry.items() if name != "ip"}),
        )


def _left(report: Json, record: Json) -> Iterator[EngagementEvent]:
    event = _event(report, record, EventKind.UNSUBSCRIBE, record.get("timestamp"))
    yield replace(event, raw=_raw({"reason": record.get("reason")}))


def _complaint(report: Json, record: Json) -> Iterator[EngagementEvent]:
    event = _event(report, record, EventKind.COMPLAINT, record.get("date"))
    yield replace(event, raw=_raw({"id": record.get("id")}))


def _total(*path: str) -> Callable[[Json], int]:
    def read(report: Json) -> int:
        found: object = report
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return int(found) if isinstance(found, (int, float)) else 0

    return read


def _activity_total(report: Json) -> int:
    hard, soft = _total("bounces", "hard_bounces"), _total("bounces", "soft_bounces")
    return _total("clicks", "clicks_total")(report) + hard(report) + soft(report)


STREAMS: tuple[Stream, ...] = (
    Stream(path="sent-to", key="sent_to", count=1000, since=False, total=_total("emails_sent"), events=_sent),
    Stream(
        path="open-details", key="members", count=1000, since=True, total=_total("opens", "opens_total"), events=_opens
    ),
    # 500: pages of 1000 time out now and then (python-mailchimp PR#207)
    Stream(path="email-activity", key="emails", count=500, since=True, total=_activity_total, events=_activity),
    Stream(
        path="unsubscribed", key="unsubscribes", count=1000, since=False, total=_total("unsubscribed"), events=_left
    ),
    Stream(
        path="abuse-reports",
        key="abuse_reports",
        count=0,
        since=False,
        total=_total("abuse_reports"),
        events=_complaint,
    ),
)
