"""Everything that only reads: profiles by address, lists, suppressions, events and reports, always to the last page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from connectors.errors import InvalidRequest
from connectors.klaviyo import events, wire
from connectors.klaviyo.api import Api
from connectors.types import (
    Cursor, EngagementEvent, EventKind, Fitted, Page, Profile, Ref, Suppression, Target, TargetKind,
)  # fmt: skip

_OVERLAP = timedelta(hours=24)  # Klaviyo's own events arrive up to a day late (airbyte#27498)
_COUNTED_PAGES = 10
_ADDRESS = {"fields[profile]": "email"}
_VALUES = {"fields[profile]": ",".join(("email", "properties", *sorted(wire.NAMED)))}
_CONSENT = {"additional-fields[profile]": "subscriptions"}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"


def lookup(
    api: Api,
    wanted: Iterable[str],
    shown: Mapping[str, str] = _ADDRESS,
    *,
    by: str = "email",
    list_ref: Ref | None = None,
) -> Iterator[tuple[str, wire.Document]]:
    """Profiles of the account or of one list with their addresses, a hundred a call; unknown ones are absent."""
    route, rate, shown = _place(list_ref, shown)
    for chunk in wire.chunks(dict.fromkeys(wanted)):
        query: wire.Query = {"filter": wire.clause("any", by, chunk), "page[size]": wire.PAGE, **shown}
        for item in api.all(route, rate, query):
            yield wire.email(item), item


def _place(list_ref: Ref | None, shown: Mapping[str, str]) -> tuple[str, str, Mapping[str, str]]:
    """Route, family and fields of the account's profiles or a list's, where the description requires one more field."""
    if list_ref is None:
        return "/profiles", "profiles", shown
    return f"/lists/{list_ref}/profiles", "list-profiles", {"fields[profile]": "email,joined_group_at"}


def refs(api: Api, emails: Iterable[str]) -> Mapping[str, Ref]:
    """Profile ids by address."""
    return {email: item["id"] for email, item in lookup(api, emails)}


def traits(api: Api, emails: Iterable[str]) -> Mapping[str, Mapping[Ref, Fitted]]:
    """Custom properties that are scalars, by address."""
    return {email: wire.traits(item) for email, item in lookup(api, emails, _VALUES)}


def suppressed(api: Api, emails: Iterable[str]) -> set[str]:
    """Those of the addresses that Klaviyo does not mail."""
    return {email for email, item in lookup(api, emails, _CONSENT) if wire.suppressions(item)}


class Reading:
    """What a Klaviyo account tells."""

    _api: Api
    _secret: events.Secret

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        """Profile ids by address, a hundred a call; unknown ones are absent."""
        return refs(self._api, (profile.email for profile in profiles))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        return traits(self._api, (profile.email for profile in profiles))

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone on a list, or in the account for CONTACTS."""
        route, rate, shown = _place(None if target.kind is TargetKind.CONTACTS else ref, _ADDRESS)
        for page in self._api.pages(route, rate, {"page[size]": wire.PAGE, **shown}):
            found = [Profile(email, item["id"]) for item in wire.items(page) if (email := wire.email(item))]
            cursor = wire.cursor(page)
            yield Page(found, cursor or "", last=not cursor)

    def count(self, target: Target, ref: Ref) -> int:
        """Ids of a list while they fit ten pages, else its own figure, of which a minute allows fifteen."""
        if target.kind is TargetKind.CONTACTS:
            return sum(len(page.items) for page in self.members(target, ref))
        found = 0
        listed = self._api.pages(f"/lists/{ref}/relationships/profiles", "list-members", {"page[size]": wire.PAGE})
        for page in itertools.islice(listed, _COUNTED_PAGES):
            found += len(wire.items(page))
            if wire.cursor(page) is None:
                return found
        route = wire.path(f"/lists/{ref}", {"additional-fields[list]": "profile_count"})
        return int(wire.attributes(wire.resource(self._api("GET", route, "list-count").json()))["profile_count"])

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        """Everyone with an account-wide suppression of any reason, the oldest first; all of them without a cursor."""
        mark = datetime.fromisoformat(since) if since else _BEGINNING
        wanted = wire.clause("greater-or-equal", _SUPPRESSED_AT, mark - _OVERLAP if since else mark)
        query: wire.Query = {"filter": wanted, "sort": _SUPPRESSED_AT, "page[size]": wire.PAGE, **_CONSENT}
        for page in self._api.pages("/profiles", "profiles", query):
            found = [entry for item in wire.items(page) for entry in wire.suppressions(item)]
            mark = max([mark, *(entry.at for entry in found if entry.at and entry.at <= now)])
            yield Page(found, mark.isoformat(), last=wire.cursor(page) is None)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """Events metric by metric, the oldest first; the cursor holds one time a metric, never a future one.

        Future-dated events (up to a year, by the description of POST /events) are told, and again until they are past.
        """
        marks: dict[str, str] = json.loads(since) if since else {}
        query = {"filter": wire.clause("equals", "integration.name", events.INTEGRATION)}
        ordered = sorted(filter(None, map(events.metric, self._api.all("/metrics", "metrics", query))))
        if not ordered:
            yield Page((), json.dumps(marks), last=True)
        for metric, kind in ordered:
            before: frozenset[str] = frozenset()
            for page in self._events(metric, marks.get(metric)):
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

    def _events(self, metric: str, mark: str | None) -> Iterator[wire.Document]:
        """A thousand a page, else two hundred: the description names both as the most (2026-11-22)."""
        wanted = wire.clause("equals", "metric_id", metric)
        if mark:
            wanted += "," + wire.clause("greater-or-equal", "datetime", datetime.fromisoformat(mark) - _OVERLAP)
        query = {"filter": wanted, "sort": "datetime", "include": "profile", **_ADDRESS}
        try:
            yield from self._api.pages("/events", "events", {**query, "page[size]": 1_000})
        except InvalidRequest as error:
            if "page[size]" not in dict(wire.problems(error)):
                raise
            yield from self._api.pages("/events", "events", {**query, "page[size]": 200})

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        """People by kind as the report of the last 365 days says, by the id of a campaign or of its message.

        One report for all: a minute allows two, a day 225. It wants a metric of conversions, of which nothing is read.
        """
        named = {item["id"]: wire.attributes(item).get("name") for item in self._api.all("/metrics", "metrics", {})}
        if not campaigns or not named:
            return {}
        conversion = next((ref for ref, name in named.items() if name == events.CONVERSION), min(named))
        body = wire.body("campaign-values-report", events.report(conversion))
        found: dict[str, dict[EventKind, int]] = {}
        cursor: str | None = ""
        while cursor is not None:
            route = wire.path("/campaign-values-reports", {"page_cursor": cursor} if cursor else {})
            page = self._api("POST", route, "report", body).json()
            cursor = wire.cursor(page)
            for name, people in events.figures(page):
                if name in campaigns:
                    kept = found.setdefault(name, {})
                    kept.update({kind: kept.get(kind, 0) + count for kind, count in people.items()})
        return found

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        """The events of a system webhook; it names people by id, so that addresses are looked up, a hundred a call."""
        told = list(events.delivered(self._secret, headers, body, now))
        known = {ref: email for _, _, emails in told for ref, email in emails.items()}
        unknown = {owner for item, _, _ in told if (owner := events.owner(item)) and owner not in known}
        known |= {item["id"]: email for email, item in lookup(self._api, sorted(unknown), by="id")}
        return [event for item, kind, _ in told if (event := events.event(item, kind, known))]
