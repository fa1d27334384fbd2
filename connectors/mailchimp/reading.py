"""Reads: offset pages with an overlap, contacts a few or all, and the cursors of the two incremental reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from connectors.errors import SettingsError, UnexpectedResponse
from connectors.http import Http
from connectors.mailchimp.events import STREAMS, Stream, figures
from connectors.mailchimp.wire import GONE, LEFT, Json, items, moment, stamp, subscriber
from connectors.types import Cursor, EngagementEvent, EventKind, Left, Page, Ref, Suppression, normal

COUNT = 1000
_OVERLAP = 50  # records read again on the next page: pages shift while contacts come and go
_FEW = 25  # contacts asked for one by one; more are read as a list
_AGAIN = timedelta(hours=1)  # of every `since`: late rows, and a clock that is not ours
_HORIZON = timedelta(days=90)  # campaigns older than this bring nothing that matters
_FRESH = timedelta(days=3)  # read at every pull; older ones when a total moved, and once a day
_DAY = timedelta(days=1)
_EVERYONE = {"include_cleaned": "true", "include_transactional": "true", "include_unsubscribed": "true"}


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a list: what the page before did not have, and where the next one starts (None: the end)."""

    items: Sequence[Json]
    following: int | None


def pages(
    http: Http, path: str, key: str, *, params: Mapping[str, str] | None = None, count: int = COUNT, start: int = 0
) -> Iterator[Slice]:
    """All pages of a list from `start` on; sizes are what the answers have, not what was asked for."""
    offset: int | None = start
    known: frozenset[object] = frozenset()
    while offset is not None:
        asked: dict[str, str | int] = dict(params or {})
        if count:
            asked |= {"count": count, "offset": offset}
        answer = http("GET", path, params=asked).json()
        found = items(answer, key)
        end = offset + len(found)
        is_last = not found or not count or end >= int(answer.get("total_items", end + 1))
        offset = None if is_last else end - min(_OVERLAP, len(found) // 10)
        yield Slice([entry for entry in found if _identity(entry) not in known], offset)
        known = frozenset(map(_identity, found))


def _identity(entry: Json) -> object:
    return entry.get("id") or entry.get("email_id") or entry.get("email_address")


# contacts
def where(ref: Ref) -> tuple[str, dict[str, str]]:
    """Where the members of an audience or of a segment are read; a segment leaves out the unsubscribed unless asked."""
    audience, _, segment = ref.partition("/")
    return (
        (f"/lists/{audience}/segments/{segment}/members", _EVERYONE) if segment else (f"/lists/{audience}/members", {})
    )


def some(http: Http, audience: str, ids: Collection[str], fields: Sequence[str]) -> Iterable[Json]:
    """These contacts, by the cheaper way: a handful one by one; else everyone, the caller takes what it asked for."""
    return _few(http, audience, ids, fields) if len(ids) <= _FEW else everyone(http, audience, fields)


def _few(http: Http, audience: str, ids: Iterable[str], fields: Sequence[str]) -> Iterator[Json]:
    for ref in ids:
        path, params = f"/lists/{audience}/members/{ref}", {"fields": ",".join(fields)}
        response = http("GET", path, params=params, accept=frozenset({HTTPStatus.NOT_FOUND}))
        if response.status != HTTPStatus.NOT_FOUND:
            yield response.json()


def everyone(http: Http, audience: str, fields: Sequence[str], **params: str) -> Iterator[Json]:
    """All contacts of the audience, with these of their fields."""
    names = ",".join([*(f"members.{name}" for name in fields), "total_items"])
    for part in pages(http, f"/lists/{audience}/members", "members", params={**params, "fields": names}):
        yield from part.items


def present(http: Http, ref: Ref) -> set[str]:
    """The subscriber ids in an audience or a segment."""
    path, params = where(ref)
    asked = {**params, "fields": "members.id,total_items"}
    return {entry["id"] for part in pages(http, path, "members", params=asked) for entry in part.items}


def standing(http: Http, ref: Ref, emails: Iterable[str]) -> dict[str, bool]:
    """By subscriber id: in the segment or not; absent when not a contact (any more)."""
    audience, _, segment = ref.partition("/")
    ids = {subscriber(email) for email in emails}
    found = some(http, audience, ids, ("id", "status", "tags_count", "tags"))
    entries = [entry for entry in found if entry["id"] in ids and entry.get("status") not in GONE]
    if any(len(entry.get("tags", ())) != entry.get("tags_count", -1) for entry in entries):  # fifty are shown at most
        within = present(http, ref)
        return {entry["id"]: entry["id"] in within for entry in entries}
    return {entry["id"]: any(str(tag.get("id")) == segment for tag in entry["tags"]) for entry in entries}


# cursors
def _state(cursor: Cursor | None) -> dict[str, Any]:
    try:
        return dict(json.loads(cursor) if cursor else {})
    except ValueError:
        raise SettingsError("mailchimp: the saved cursor is not one of this connector's") from None


def _cursor(state: Mapping[str, Any]) -> Cursor:
    return json.dumps(state, separators=(",", ":"), sort_keys=True)


def _later(top: int | None, moments: Iterator[datetime | None], now: datetime) -> int | None:
    """The newest instant read, as seconds; never after `now`, so that a wrong date cannot hide what comes."""
    seen = [int(min(at, now).timestamp()) for at in moments if at is not None]
    return max(seen + ([top] if top is not None else []), default=None)


def _since(top: int | None) -> str | None:
    return None if top is None else stamp(datetime.fromtimestamp(top, UTC) - _AGAIN)


# suppressions
_COMPLAINTS = "abuse"
_LEAVERS = (*LEFT, _COMPLAINTS)


def suppressions(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
    """Who left, by status; the cursor holds the newest change read of each, and the place within an open sweep."""
    state = _state(since)
    tops: dict[str, int | None] = state.setdefault("t", {})
    first, start, top = state.pop("at", (0, 0, None))
    for place, status in enumerate(_LEAVERS[first:], start=first):
        top = tops.get(status) if top is None else top
        for part in _leavers(http, audience, status, _since(tops.get(status)), start):
            top = _later(top, (moment(_changed(entry)) for entry in part.items), now)
            found = [_suppression(entry, status) for entry in part.items]
            is_last = part.following is None and place == len(_LEAVERS) - 1
            if part.following is None:
                tops[status] = top
                state["at"] = (place + 1, 0, None)
            else:
                state["at"] = (place, part.following, top)
            if is_last:
                state.pop("at")
            if found or is_last:
                yield Page(found, _cursor(state), last=is_last)
        start, top = 0, None


def _leavers(http: Http, audience: str, status: str, since: str | None, start: int) -> Iterator[Slice]:
    if status == _COMPLAINTS:
        fields = "abuse_reports.id,abuse_reports.email_address,abuse_reports.date,total_items"
        return pages(http, f"/lists/{audience}/abuse-reports", "abuse_reports", params={"fields": fields}, start=start)
    params = {"status": status, "sort_field": "last_changed", "sort_dir": "ASC"}
    params["fields"] = "members.id,members.email_address,members.last_changed,total_items"
    if since:
        params["since_last_changed"] = since
    return pages(http, f"/lists/{audience}/members", "members", params=params, start=start)


def _changed(entry: Json) -> object:
    return entry.get("last_changed") or entry.get("date")


def _suppression(entry: Json, status: str) -> Suppression:
    left = LEFT.get(status, Left.COMPLAINT)
    ref = None if status == _COMPLAINTS else entry.get("id")
    return Suppression(email=normal(str(entry.get("email_address"))), left=left, at=moment(_changed(entry)), ref=ref)


# engagement
def engagement(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
    """Reports of the audience's campaigns, oldest first; the cursor knows each campaign's figures and newest event."""
    state = _state(since)
    sent = (report for report in _reports(http, stamp(now - _HORIZON)) if report.get("list_id") == audience)
    reports = sorted({report["id"]: report for report in sent}.values(), key=lambda each: (_sent_at(each), each["id"]))
    known: dict[str, dict[str, Any]] = state.get("c", {})
    state["c"] = {report["id"]: known.get(report["id"], {"n": {}, "t": {}}) for report in reports}
    at = state.pop("at", None)
    for report in reports:
        place = (_sent_at(report), report["id"])
        if at and place < (at[0], at[1]):
            continue
        resumed = at if at and place == (at[0], at[1]) else None
        yield from _campaign(http, report, state, resumed, now)
    state.pop("at", None)
    yield Page((), _cursor(state), last=True)


def _campaign(
    http: Http, report: Json, state: dict[str, Any], resumed: Sequence[Any] | None, now: datetime
) -> Iterator[Page[EngagementEvent]]:
    known = state["c"][report["id"]]
    first, start, top = resumed[2:] if resumed else (0, 0, None)
    is_due = _is_due(report, known, now)
    for place, stream in enumerate(STREAMS[first:], start=first):
        if (resumed and place == first and start) or _moved(stream, report, known, is_due=is_due):
            top = known["t"].get(stream.path) if top is None else top
            for part in _records(http, report, stream, known, start):
                found = [event for record in part.items for event in stream.events(report, record)]
                top = _later(top, (event.happened_at for event in found), now)
                if part.following is None:
                    known["t"] |= {stream.path: top} if stream.since and top is not None else {}
                    known["n"][stream.path] = stream.total(report)
                    state["at"] = (_sent_at(report), report["id"], place + 1, 0, None)
                else:
                    state["at"] = (_sent_at(report), report["id"], place, part.following, top)
                if found:
                    yield Page(found, _cursor(state))
        start, top = 0, None
    if is_due:
        known["r"] = int(now.timestamp())


def _is_due(report: Json, known: Json, now: datetime) -> bool:
    sent, last = moment(report.get("send_time")), known.get("r")
    if last is None or (sent is not None and now - sent < _FRESH):
        return True
    return not timedelta(0) <= now - datetime.fromtimestamp(last, UTC) < _DAY


def _moved(stream: Stream, report: Json, known: Json, *, is_due: bool) -> bool:
    """A figure that differs from the one read last; a report of events is read again while it is young, and daily."""
    total = stream.total(report)
    return total != known["n"].get(stream.path, 0) or (is_due and stream.since and total > 0)


def _records(http: Http, report: Json, stream: Stream, known: Json, start: int) -> Iterator[Slice]:
    since = _since(known["t"].get(stream.path)) if stream.since else None
    path = f"/reports/{report['id']}/{stream.path}"
    return pages(http, path, stream.key, params={"since": since} if since else {}, count=stream.count, start=start)


_FIGURES = (
    "id", "list_id", "subject_line", "send_time", "emails_sent", "abuse_reports", "unsubscribed", "bounces", "opens",
    "clicks",
)  # fmt: skip


def _reports(http: Http, since: str = "") -> Iterator[Json]:
    """The reports of the account's campaigns, newest first."""
    params = {"fields": ",".join([*(f"reports.{name}" for name in _FIGURES), "total_items"])}
    for part in pages(http, "/reports", "reports", params=params | ({"since_send_time": since} if since else {})):
        yield from part.items


def totals(http: Http, campaigns: Sequence[str]) -> dict[str, Mapping[EventKind, int]]:
    """People by kind, of those of the campaigns that have a report: a page of a thousand reports is one call."""
    wanted, found = set(campaigns), dict[str, Mapping[EventKind, int]]()
    for report in _reports(http) if wanted else ():
        if report["id"] in wanted:
            found[report["id"]] = figures(report)
            if len(found) == len(wanted):
                break
    return found


def _sent_at(report: Json) -> int:
    sent = moment(report.get("send_time"))
    if sent is None:
        raise UnexpectedResponse(f"mailchimp: the report of campaign {report.get('id')} has no send_time")
    return int(sent.timestamp())
