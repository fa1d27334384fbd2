"""Reads: offset pages with an overlap, contacts a few or all, and the two incremental reads with their cursors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

import orjson

from connectors.errors import SettingsError, UnexpectedResponse
from connectors.http import Http
from connectors.mailchimp.events import STREAMS, Stream, figures
from connectors.mailchimp.wire import GONE, LEFT, Json, items, moment, record, stamp, subscriber
from connectors.types import Cursor, EngagementEvent, EventKind, Left, Page, Ref, Suppression, normal

T = TypeVar("T")
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
    return next((entry[name] for name in ("id", "email_id", "email_address", "tag") if name in entry), None)


def rows(http: Http, path: str, key: str, fields: Sequence[str], **params: str) -> Iterator[Json]:
    """All records of a list, with these of their fields."""
    names = ",".join([*(f"{key}.{name}" for name in fields), "total_items"])
    for part in pages(http, path, key, params={**params, "fields": names}):
        yield from part.items


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
            yield record(response.json(), *fields[:2])


def everyone(http: Http, audience: str, fields: Sequence[str], **params: str) -> Iterator[Json]:
    """All contacts of the audience, with these of their fields."""
    return rows(http, f"/lists/{audience}/members", "members", fields, **params)


def present(http: Http, ref: Ref) -> set[str]:
    """The subscriber ids in an audience or a segment."""
    path, params = where(ref)
    return {entry["id"] for entry in rows(http, path, "members", ["id"], **params)}


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


# incremental reads: the cursor is JSON, {"t": newest instant by list, "n": [figure, when read] by list, "at": open place}
@dataclass(frozen=True, slots=True, kw_only=True)
class Course(Generic[T]):
    """One list that is read to its end: its name in the cursor, its pages from an instant and an offset on, its items.

    `figure` is what moves with it (None: it is asked each time); `sent`: while a campaign is young it is read again.
    """

    name: str
    read: Callable[[str | None, int], Iterator[Slice]]
    items: Callable[[Json], Iterable[T]]  # of one record
    figure: int | None = None
    sent: datetime | None = None  # of what can be asked for what happened after an instant

    def is_due(self, last: Sequence[int] | None, now: datetime) -> bool:
        """A figure that differs from the one read last; a report of events also while it is young, and daily."""
        if self.figure is None or last is None:
            return self.figure != 0
        is_fresh = timedelta(0) <= now - datetime.fromtimestamp(last[1], UTC) < _DAY
        is_again = self.sent is not None and (now - self.sent < _FRESH or not is_fresh)
        return self.figure != last[0] or (self.figure > 0 and is_again)


def _state(cursor: Cursor | None) -> dict[str, Any]:
    """What the cursor holds; where an older version left off is forgotten, and read again."""
    try:
        found = orjson.loads(cursor) if cursor else {}
        place = found.get("at")
        at = place if isinstance(place, list) and isinstance(place[0], str) else None
        return {"t": dict(found.get("t", {})), "n": dict(found.get("n", {})), "at": at}
    except (ValueError, LookupError, AttributeError, TypeError):
        raise SettingsError("mailchimp: the saved cursor is not one of this connector's") from None


def _sweep(
    courses: Sequence[Course[T]], state: dict[str, Any], now: datetime, at: Callable[[T], datetime | None]
) -> Iterator[Page[T]]:
    """Every list in order, from the place that the cursor left; its instants are never after `now`.

    A wrong date cannot hide what comes.
    """
    tops, known = state["t"], state["n"]
    name, start, top = state.pop("at") or ("", None, None)
    places = {course.name: place for place, course in enumerate(courses)}
    first = places[name] + (start is None) if name in places else 0
    for course in courses[first:]:
        if course.name != name:
            start, top = None, None
        if start is None and not course.is_due(known.get(course.name), now):
            continue
        since = tops.get(course.name)
        asked = None if since is None else stamp(datetime.fromtimestamp(since, UTC) - _AGAIN)
        top = since if top is None else top
        for part in course.read(asked, start or 0):
            found = [item for record in part.items for item in course.items(record)]
            seen = [int(min(moment, now).timestamp()) for moment in map(at, found) if moment]
            top = max([*seen, *([] if top is None else [top])], default=None)
            if part.following is None:
                tops[course.name], known[course.name] = top, (course.figure, int(now.timestamp()))
            state["at"] = (course.name, part.following, top)
            if found:
                yield Page(found, orjson.dumps(state, option=orjson.OPT_SORT_KEYS).decode())
    state.pop("at", None)
    yield Page((), orjson.dumps(state, option=orjson.OPT_SORT_KEYS).decode(), last=True)


def suppressions(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
    """Who left, by status, and who complained."""
    courses: list[Course[Suppression]] = [
        Course(
            name=name, read=partial(_leavers, http, audience, name), items=partial(_suppressed, left, "last_changed")
        )
        for name, left in LEFT.items()
    ]
    params = {"fields": "abuse_reports.id,abuse_reports.email_address,abuse_reports.date,total_items"}
    path = f"/lists/{audience}/abuse-reports"
    complaints: Course[Suppression] = Course(
        name="abuse",
        read=lambda _, start: pages(http, path, "abuse_reports", params=params, start=start),
        items=partial(_suppressed, Left.COMPLAINT, "date"),
    )
    return _sweep([*courses, complaints], _state(since), now, attrgetter("at"))


def _leavers(http: Http, audience: str, status: str, since: str | None, start: int) -> Iterator[Slice]:
    params = {"status": status, "sort_field": "last_changed", "sort_dir": "ASC"}
    params["fields"] = "members.id,members.email_address,members.last_changed,total_items"
    params |= {"since_last_changed": since} if since else {}
    return pages(http, f"/lists/{audience}/members", "members", params=params, start=start)


def _suppressed(left: Left, changed: str, entry: Json) -> Iterator[Suppression]:
    ref = None if left is Left.COMPLAINT else entry.get("id")
    yield Suppression(email=normal(str(entry.get("email_address"))), left=left, at=moment(entry.get(changed)), ref=ref)


def engagement(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
    """Reports of the audience's campaigns, oldest first; campaigns that are too old leave the cursor."""
    state, sent = _state(since), list[tuple[datetime, str, Json]]()
    for report in _reports(http, stamp(now - _HORIZON)):
        at = moment(report.get("send_time"))
        if at is None:
            raise UnexpectedResponse(f"mailchimp: the report of campaign {report.get('id')} has no send_time")
        if report.get("list_id") == audience:
            sent.append((at, str(report["id"]), report))
    courses: list[Course[EngagementEvent]] = [
        Course(
            name=f"{ref}/{stream.path}",
            read=partial(_records, http, f"/reports/{ref}/{stream.path}", stream),
            items=partial(stream.events, report),
            figure=stream.total(report),
            sent=at if stream.since else None,
        )
        for at, ref, report in sorted(sent, key=itemgetter(0, 1))
        for stream in STREAMS
    ]
    names = {course.name for course in courses}
    state |= {key: {name: kept for name, kept in state[key].items() if name in names} for key in ("t", "n")}
    return _sweep(courses, state, now, attrgetter("happened_at"))


def _records(http: Http, path: str, stream: Stream, since: str | None, start: int) -> Iterator[Slice]:
    params = {"since": since} if since and stream.since else {}
    return pages(http, path, stream.key, params=params, count=stream.count, start=start)


_FIGURES = (
    "id", "list_id", "subject_line", "send_time", "emails_sent", "abuse_reports", "unsubscribed", "bounces", "opens",
    "clicks",
)  # fmt: skip


def _reports(http: Http, since: str = "") -> Iterator[Json]:
    """The reports of the account's campaigns, newest first."""
    return rows(http, "/reports", "reports", _FIGURES, **({"since_send_time": since} if since else {}))


def totals(http: Http, campaigns: Sequence[str]) -> dict[str, Mapping[EventKind, int]]:
    """People by kind, of those of the campaigns that have a report: a page of a thousand reports is one call."""
    wanted, found = set(campaigns), dict[str, Mapping[EventKind, int]]()
    for report in _reports(http) if wanted else ():
        if report["id"] in wanted:
            found[report["id"]] = figures(report)
            if len(found) == len(wanted):
                break
    return found
