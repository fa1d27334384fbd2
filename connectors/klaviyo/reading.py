"""Everything that only reads: profiles by address, lists, suppressions and events, always to the last page."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.errors import InvalidRequest
from connectors.klaviyo import events, wire
from connectors.types import Page, Profile, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from connectors.http import Http
    from connectors.types import Cursor, EngagementEvent, EventKind, Fitted, Ref, Suppression

_OVERLAP = timedelta(hours=24)  # Klaviyo's own events arrive up to a day late (airbyte#27498)
_COUNTED_PAGES = 10
_VALUES = ",".join(("email", "properties", *wire.NAMED))
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"


def pages(http: Http, route: str, rate: str, **query: str | int) -> Iterator[wire.Document]:
    """Every page of a collection."""
    return following(lambda **asked: wire.document(http("GET", wire.path(route, **asked), rate=rate)), **query)


def following(read: Callable[..., wire.Document], **query: str | int) -> Iterator[wire.Document]:
    """Every page that `read` gives, by the cursors of the answers."""
    cursor: str | None = None
    while True:
        page = read(**query, **({"page_cursor": cursor} if cursor else {}))
        yield page
        cursor = wire.cursor(page)
        if cursor is None:
            return


def lookup(
    http: Http, emails: Iterable[str], *, list_ref: Ref | None = None, fields: str = "email", suppressed: bool = False
) -> Iterator[tuple[str, wire.Document]]:
    """Profiles by address, of the account or of one list, a hundred a call; unknown ones are absent."""
    route, rate, fields = _of(list_ref, fields)
    shown = {"additional_fields_profile": "subscriptions"} if suppressed else {"fields_profile": fields}
    for chunk in wire.chunks(dict.fromkeys(emails)):
        wanted = wire.any_of("email", chunk)
        for page in pages(http, route, rate, filter=wanted, page_size=wire.PAGE, **shown):
            for item in wire.items(page):
                yield normal(str(wire.attributes(item).get("email") or "")), item


def _of(list_ref: Ref | None, fields: str) -> tuple[str, str, str]:
    """Route, family and fields of the account's profiles or a list's, where the description requires one more field."""
    if list_ref is None:
        return "/profiles", "profiles", fields
    return f"/lists/{list_ref}/profiles", "list-profiles", f"{fields},joined_group_at"


def refs(http: Http, emails: Iterable[str]) -> Mapping[str, Ref]:
    """Profile ids by address."""
    return {email: item["id"] for email, item in lookup(http, emails)}


def traits(http: Http, emails: Iterable[str]) -> Mapping[str, Mapping[Ref, Fitted]]:
    """Custom properties that are scalars, by address."""
    return {email: wire.traits(item) for email, item in lookup(http, emails, fields=_VALUES)}


def members(http: Http, list_ref: Ref | None) -> Iterator[Page[Profile]]:
    """Everyone on a list, or in the account."""
    route, rate, fields = _of(list_ref, "email")
    for page in pages(http, route, rate, fields_profile=fields, page_size=wire.PAGE):
        found = ((wire.attributes(item).get("email"), item["id"]) for item in wire.items(page))
        cursor = wire.cursor(page)
        yield Page([Profile(normal(email), ref) for email, ref in found if email], cursor or "", last=not cursor)


def count(http: Http, list_ref: Ref) -> int:
    """How many are on a list: its ids while they fit ten pages, else its own figure, of which a minute allows fifteen."""
    found = 0
    listed = pages(http, f"/lists/{list_ref}/relationships/profiles", "list-members", page_size=wire.PAGE)
    for page in itertools.islice(listed, _COUNTED_PAGES):
        found += len(wire.items(page))
        if wire.cursor(page) is None:
            return found
    route = wire.path(f"/lists/{list_ref}", additional_fields_list="profile_count")
    return int(wire.attributes(wire.document(http("GET", route, rate="list-count"))["data"])["profile_count"])


def suppressions(http: Http, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
    """Everyone with an account-wide suppression of any reason, the oldest first; all of them without a cursor."""
    mark = _instant(since) if since else _BEGINNING
    wanted = wire.since(_SUPPRESSED_AT, mark - _OVERLAP if since else _BEGINNING)
    query = {"filter": wanted, "sort": _SUPPRESSED_AT, "additional_fields_profile": "subscriptions"}
    for page in pages(http, "/profiles", "profiles", page_size=wire.PAGE, **query):
        found = [entry for item in wire.items(page) for entry in wire.suppressions(item)]
        mark = max([mark, *(entry.at for entry in found if entry.at and entry.at <= now)])
        yield Page(found, mark.isoformat(), last=wire.cursor(page) is None)


def engagement(
    http: Http, metrics: Iterable[tuple[str, EventKind]], since: Cursor | None, now: datetime
) -> Iterator[Page[EngagementEvent]]:
    """Events metric by metric, the oldest first; the cursor holds one time a metric, never a future one.

    Future-dated events (up to a year, by the description of POST /events) are told and read again until they are past.
    """
    marks: dict[str, str] = json.loads(since) if since else {}
    ordered = sorted(metrics)
    if not ordered:
        yield Page((), json.dumps(marks), last=True)
    for metric, kind in ordered:
        before: frozenset[str] = frozenset()
        for page in _events(http, metric, marks.get(metric)):
            emails = _emails(page)
            told = [events.event(item, kind, emails) for item in wire.items(page) if item["id"] not in before]
            fresh = [event for event in told if event]
            before = frozenset(item["id"] for item in wire.items(page))
            times = [event.happened_at for event in fresh if event.happened_at <= now]
            if times:
                marks[metric] = max(marks.get(metric, ""), max(times).isoformat())
            is_last = metric == ordered[-1][0] and wire.cursor(page) is None
            if fresh or is_last:  # an empty page that is not the last would say that something still runs there
                yield Page(fresh, json.dumps(marks, sort_keys=True), last=is_last)


def _events(http: Http, metric: str, mark: str | None) -> Iterator[wire.Document]:
    """A thousand a page, else two hundred: the description names both as the most (2026-11-22)."""
    wanted = wire.equals("metric_id", metric)
    if mark:
        wanted += "," + wire.since("datetime", _instant(mark) - _OVERLAP)
    query = {"filter": wanted, "sort": "datetime", "include": "profile", "fields_profile": "email"}
    try:
        yield from pages(http, "/events", "events", page_size=1_000, **query)
    except InvalidRequest as error:
        if not wire.is_page_too_large(error):
            raise
        yield from pages(http, "/events", "events", page_size=200, **query)


def _emails(page: wire.Document) -> Mapping[str, str]:
    named = ((item.get("id"), wire.attributes(item).get("email")) for item in page.get("included") or ())
    return {ref: normal(email) for ref, email in named if ref and email}


def _instant(cursor: str) -> datetime:
    return datetime.fromisoformat(cursor)
