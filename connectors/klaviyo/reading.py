"""Everything that only reads: profiles by address, lists, suppressions, events and reports, always to the last page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from connectors.errors import InvalidRequest
from connectors.klaviyo import events, wire
from connectors.klaviyo.api import Api, following
from connectors.types import Cursor, EngagementEvent, EventKind, Fitted, Page, Profile, Ref, Suppression

_OVERLAP = timedelta(hours=24)  # Klaviyo's own events arrive up to a day late (airbyte#27498)
_COUNTED_PAGES = 10
_VALUES = ",".join(("email", "properties", *sorted(wire.NAMED)))
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"
_SUBSCRIPTIONS = {"additional_fields_profile": "subscriptions"}


def lookup(
    api: Api, wanted: Iterable[str], *, by: str = "email", list_ref: Ref | None = None, **shown: str
) -> Iterator[tuple[str, wire.Document]]:
    """Profiles of the account or of one list with their addresses, a hundred a call; unknown ones are absent."""
    route, rate, shown = _of(list_ref, shown or {"fields_profile": "email"})
    for chunk in wire.chunks(dict.fromkeys(wanted)):
        for item in api.all(route, rate, filter=wire.any_of(by, chunk), page_size=wire.PAGE, **shown):
            yield wire.email(item), item


def _of(list_ref: Ref | None, shown: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """Route, family and fields of the account's profiles or a list's, where the description requires one more field."""
    if list_ref is None:
        return "/profiles", "profiles", shown
    return f"/lists/{list_ref}/profiles", "list-profiles", {"fields_profile": "email,joined_group_at"}


def refs(api: Api, emails: Iterable[str]) -> Mapping[str, Ref]:
    """Profile ids by address."""
    return {email: item["id"] for email, item in lookup(api, emails)}


def traits(api: Api, emails: Iterable[str]) -> Mapping[str, Mapping[Ref, Fitted]]:
    """Custom properties that are scalars, by address."""
    return {email: wire.traits(item) for email, item in lookup(api, emails, fields_profile=_VALUES)}


def suppressed(api: Api, emails: Iterable[str]) -> set[str]:
    """Those of the addresses that Klaviyo does not mail."""
    return {email for email, item in lookup(api, emails, **_SUBSCRIPTIONS) if wire.suppressions(item)}


def members(api: Api, list_ref: Ref | None) -> Iterator[Page[Profile]]:
    """Everyone on a list, or in the account."""
    route, rate, shown = _of(list_ref, {"fields_profile": "email"})
    for page in api.pages(route, rate, page_size=wire.PAGE, **shown):
        found = [Profile(email, item["id"]) for item in wire.items(page) if (email := wire.email(item))]
        cursor = wire.cursor(page)
        yield Page(found, cursor or "", last=not cursor)


def count(api: Api, list_ref: Ref) -> int:
    """How many are on a list: its ids while they fit ten pages, else its own figure, of which a minute allows fifteen."""
    found = 0
    listed = api.pages(f"/lists/{list_ref}/relationships/profiles", "list-members", page_size=wire.PAGE)
    for page in itertools.islice(listed, _COUNTED_PAGES):
        found += len(wire.items(page))
        if wire.cursor(page) is None:
            return found
    answer = api("GET", wire.path(f"/lists/{list_ref}", additional_fields_list="profile_count"), rate="list-count")
    return int(wire.attributes(wire.resource(answer))["profile_count"])


def suppressions(api: Api, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
    """Everyone with an account-wide suppression of any reason, the oldest first; all of them without a cursor."""
    mark = datetime.fromisoformat(since) if since else _BEGINNING
    wanted = wire.since(_SUPPRESSED_AT, mark - _OVERLAP if since else _BEGINNING)
    query = {"filter": wanted, "sort": _SUPPRESSED_AT, **_SUBSCRIPTIONS}
    for page in api.pages("/profiles", "profiles", page_size=wire.PAGE, **query):
        found = [entry for item in wire.items(page) for entry in wire.suppressions(item)]
        mark = max([mark, *(entry.at for entry in found if entry.at and entry.at <= now)])
        yield Page(found, mark.isoformat(), last=wire.cursor(page) is None)


def engagement(
    api: Api, metrics: Iterable[tuple[str, EventKind]], since: Cursor | None, now: datetime
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
        for page in _events(api, metric, marks.get(metric)):
            emails = events.emails(page)
            told = [events.event(item, kind, emails) for item in wire.items(page) if item["id"] not in before]
            fresh = [event for event in told if event]
            before = frozenset(item["id"] for item in wire.items(page))
            times = [event.happened_at for event in fresh if event.happened_at <= now]
            if times:
                marks[metric] = max(marks.get(metric, ""), max(times).isoformat())
            is_last = metric == ordered[-1][0] and wire.cursor(page) is None
            if fresh or is_last:  # an empty page that is not the last would say that something still runs there
                yield Page(fresh, json.dumps(marks, sort_keys=True), last=is_last)


def _events(api: Api, metric: str, mark: str | None) -> Iterator[wire.Document]:
    """A thousand a page, else two hundred: the description names both as the most (2026-11-22)."""
    wanted = wire.equals("metric_id", metric)
    if mark:
        wanted += "," + wire.since("datetime", datetime.fromisoformat(mark) - _OVERLAP)
    query = {"filter": wanted, "sort": "datetime", "include": "profile", "fields_profile": "email"}
    try:
        yield from api.pages("/events", "events", page_size=1_000, **query)
    except InvalidRequest as error:
        if not wire.is_page_too_large(error):
            raise
        yield from api.pages("/events", "events", page_size=200, **query)


def received(api: Api, delivery: wire.Document) -> Sequence[EngagementEvent]:
    """The events of a webhook; it names profiles by id, so that addresses are looked up, a hundred a call."""
    told = list(events.delivered(delivery))
    known = {ref: email for _, _, emails in told for ref, email in emails.items()}
    unknown = {owner for item, _, _ in told if (owner := events.owner(item)) and owner not in known}
    known |= {item["id"]: email for email, item in lookup(api, sorted(unknown), by="id")}
    return [event for item, kind, _ in told if (event := events.event(item, kind, known))]


def totals(api: Api, campaigns: Sequence[str], conversion: Ref) -> Mapping[str, Mapping[EventKind, int]]:
    """People by kind as the report of the last 365 days says, by the id of a campaign or of its message.

    One report for all of them: a minute allows two, a day 225. It wants a metric of conversions, of which none is read.
    """
    asked = {
        "statistics": list(events.STATISTICS),
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": conversion,
        "filter": wire.equals("send_channel", "email"),
    }
    body = {"data": {"type": "campaign-values-report", "attributes": asked}}

    def read(page_cursor: str = "") -> wire.Document:
        route = f"/campaign-values-reports?page_cursor={page_cursor}" if page_cursor else "/campaign-values-reports"
        return wire.document(api("POST", route, json=body, rate="report"))

    found: dict[str, dict[EventKind, int]] = {}
    for page in following(read):
        for row in wire.attributes(page["data"]).get("results") or ():
            groups = row["groupings"]
            for name in {groups.get("campaign_id"), groups.get("campaign_message_id")}.intersection(campaigns):
                people = found.setdefault(name, dict.fromkeys(events.STATISTICS.values(), 0))
                for statistic, kind in events.STATISTICS.items():
                    people[kind] += int(row["statistics"].get(statistic) or 0)
    return found
