"""One Klaviyo account: lists are segments, custom properties are merge tags, coupons are pools of codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar

from connectors import types
from connectors.answers import Json, inner, oldest, part
from connectors.errors import UnexpectedResponse
from connectors.http import Http
from connectors.klaviyo import events, results, sdk, wire, writing
from connectors.klaviyo.api import CONSENT, VALUES, Api, place
from connectors.klaviyo.spec import SPEC, KlaviyoSettings
from connectors.spec import Spec
from connectors.sweeps import Course, Part, Place, spoken, sweep
from connectors.types import Cursor, EngagementEvent, EventKind, Outcome, Page, Profile, Ref, State, Target, TargetKind

_OVERLAP = timedelta(hours=24)  # Klaviyo's own events arrive up to a day late (airbyte#27498)
_EVENTS = 200  # a page: the description names 200 and 1,000 as the most (2026-11-22)
_COUNTED_PAGES = 10
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"


class Klaviyo:
    """The connector; README.md has limits, choices and quirks with their sources."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: KlaviyoSettings, http: Http) -> None:
        self._settings = settings
        self._api = Api(http)  # `http` already carries the credentials and the address

    @cached_property
    def _sdk(self) -> Any:  # noqa: ANN401 - the SDK ships no types
        return sdk.client(self._api)

    # targets

    def check(self) -> types.Account:
        """The account that the key opens. Raises Unauthorized."""
        for account in wire.rows(self._sdk.Accounts.get_accounts()):
            name = inner(account, "contact_information", "organization_name")
            return types.Account(account["id"], name or account["id"])
        raise UnexpectedResponse("the key opens no account")

    @cached_property
    def _account(self) -> Ref:
        return self.check().id  # a key opens one account for ever, and a minute allows fifteen of these calls

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Lists by exact name (the oldest of several), coupons by id, the account for CONTACTS; a property needs none."""
        return {target: ref for target in targets if (ref := self._find(target))}

    def _find(self, target: Target) -> Ref | None:
        if target.kind is TargetKind.CONTACTS:
            return self._account
        if target.kind is TargetKind.FIELD:
            return target.title
        if target.kind is TargetKind.SEGMENT:
            query: wire.Query = {"filter": wire.clause("equals", "name", target.title), "page[size]": 10}
            return oldest(self._api.all("/lists", "lists", query), age=itemgetter("created", "id")).get(target.title)
        found = self._api.one(f"/coupons/{wire.coupon(target.title)}", "coupons")
        return found["id"] if found else None

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Create the lists and coupons that are missing: lists single opt-in, which no call of ours uses."""
        return {target: self._find(target) or self._create(target) for target in dict.fromkeys(targets)}

    def _create(self, target: Target) -> Ref:
        if target.kind is TargetKind.SEGMENT:
            named = {"name": target.title, "opt_in_process": "single_opt_in"}
            made = self._sdk.Lists.create_list({"data": {"type": "list", "attributes": named}})
        else:
            named = {"external_id": wire.coupon(target.title), "description": target.title}
            made = self._sdk.Coupons.create_coupon({"data": {"type": "coupon", "attributes": named}})
        return str(part(made, "data", "id"))

    # writes

    def push(self, batch: types.Batch) -> Iterator[Outcome]:
        return writing.push(self._api, batch)

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        return results.poll(self._api, jobs)

    def recall(self, batch: types.Batch, since: datetime) -> Iterator[Outcome]:
        return results.recall(self._api, batch, since)

    def erase(self, profile: Profile) -> State:
        """Ask for the deletion of every profile of the address, or of the one that has another address by now."""
        whom: Json = {"attributes": {"email": profile.email}}
        if not any(self._api.profiles([profile.email])):
            if not profile.ref or not any(self._api.profiles([profile.ref], by="id")):
                return State.NOOP
            whom = {"id": profile.ref, "attributes": {}}
        body = wire.body("data-privacy-deletion-job", {"profile": {"data": {"type": "profile", **whom}}})
        self._api("POST", "/data-privacy-deletion-jobs", "erase", body)
        return State.PENDING

    # reads

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        """Profile ids by address, a hundred a call; unknown ones are absent."""
        return self._api.ids(profile.email for profile in profiles)

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, types.Fitted]]:
        """Custom properties that are scalars, by address."""
        emails = (profile.email for profile in profiles)
        return {email: wire.traits(found) for email, found in self._api.profiles(emails, VALUES)}

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone on a list, or in the account for CONTACTS."""
        route, rate, shown = place(None if target.kind is TargetKind.CONTACTS else ref)
        for page in self._api.pages(route, rate, {"page[size]": wire.PAGE, **shown}):
            found = [Profile(email, row["id"]) for row in wire.rows(page) if (email := wire.email(row))]
            following = wire.following(page)
            yield Page(found, following or "", last=not following)

    def count(self, target: Target, ref: Ref) -> int:
        """Ids of a list while they fit ten pages, else its own figure, of which a minute allows fifteen."""
        if target.kind is TargetKind.CONTACTS:
            return sum(len(page.items) for page in self.members(target, ref))
        asked = self._api.pages(f"/lists/{ref}/relationships/profiles", "list-members", {"page[size]": wire.PAGE})
        pages = list(islice(asked, _COUNTED_PAGES))
        if wire.following(pages[-1]) is None:
            return sum(len(wire.rows(page)) for page in pages)
        listed = self._api.one(f"/lists/{ref}", "list-count", {"additional-fields[list]": "profile_count"})
        return int(part(listed, "profile_count"))

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Everyone with an account-wide suppression of any reason, the oldest first; all of them without a cursor."""
        course = Course(name="suppressed", read=self._suppressed, is_ordered=True)
        return sweep([course], since, now, overlap=_OVERLAP)

    def _suppressed(self, since: datetime | None, _: Place | None) -> Iterator[Part[types.Suppression]]:
        wanted = wire.clause("greater-or-equal", _SUPPRESSED_AT, since or _BEGINNING)
        query = {"filter": wanted, "sort": _SUPPRESSED_AT, "page[size]": wire.PAGE, **CONSENT}
        for page in self._api.pages("/profiles", "profiles", query):
            found = [reasons for row in wire.rows(page) if (reasons := wire.suppressions(row))]
            times = [min((one.at for one in reasons if one.at), default=None) for reasons in found]
            yield Part(items=[one for reasons in found for one in reasons], following=wire.following(page), times=times)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """Events metric by metric, the oldest first.

        Future-dated events (up to a year, by the description of POST /events) are told, and again until they are past.
        """
        query = {"filter": wire.clause("equals", "integration.name", events.INTEGRATION)}
        metrics = self._api.all("/metrics", "metrics", query)
        known = sorted((row["id"], kind) for row in metrics if (kind := events.kind_of(row)))
        courses = [Course(name=ref, read=partial(self._events, ref, kind), is_ordered=True) for ref, kind in known]
        return spoken(sweep(courses, since, now, overlap=_OVERLAP))

    def _events(
        self, metric: Ref, kind: EventKind, since: datetime | None, _: Place | None
    ) -> Iterator[Part[EngagementEvent]]:
        wanted = [wire.clause("equals", "metric_id", metric)]
        wanted += [wire.clause("greater-or-equal", "datetime", since)] if since else []
        query = {"filter": ",".join(wanted), "sort": "datetime", "include": "profile", "fields[profile]": "email"}
        for page in self._api.pages("/events", "events", {**query, "page[size]": _EVENTS}):
            told = (events.event(row, kind, email) for row, email in events.addressed(page))
            found = [event for event in told if event]
            yield Part(items=found, following=wire.following(page), times=[event.happened_at for event in found])

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        """People by kind as the report of the last 365 days says, by the id of a campaign or of its message.

        One report for all: a minute allows two, a day 225. It wants a metric of conversions, of which nothing is read.
        """
        named = {row["id"]: row.get("name") for row in self._api.all("/metrics", "metrics")} if campaigns else {}
        if not named:
            return {}
        conversion = next((ref for ref, name in named.items() if name == events.CONVERSION), min(named))
        body = wire.body("campaign-values-report", events.report(conversion))
        pages = self._api.pages("/campaign-values-reports", "report", body=body)
        return events.totals(pages, set(campaigns))

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        """The events of a system webhook; it names people by id, so that addresses are looked up, a hundred a call."""
        told = list(events.delivered(self._settings.webhook_secret, headers, body, now))
        unknown = sorted({events.owner(row) for row, _, email in told if not email} - {""})
        known = {found["id"]: email for email, found in self._api.profiles(unknown, by="id")}
        each = (events.event(row, kind, email or known.get(events.owner(row), "")) for row, kind, email in told)
        return [event for event in each if event]
