"""One audience of one Mailchimp account: it maps and sends, and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import ClassVar

from connectors.answers import record, scalars
from connectors.http import Http
from connectors.mailchimp import events, reading, sdk, targets, wire, writing
from connectors.mailchimp.spec import SPEC, MailchimpSettings
from connectors.spec import Spec
from connectors.types import (
    Account, Batch, Cursor, EngagementEvent, EventKind, Fitted, Job, Outcome, Page, Profile, Ref, State, Suppression,
    Target, normal,
)  # fmt: skip

_SHOWN = ("id", "email_address", "status")
_NOWHERE = frozenset({HTTPStatus.NOT_FOUND})


class Mailchimp:
    """Contacts by batch add (create-only) and PATCH (never creates), segments as static segments, codes as promo codes."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: MailchimpSettings, http: Http) -> None:
        self._settings = settings
        self._http = http

    def _audience(self) -> Ref:
        return targets.audience_of(self._http, self._settings.audience.strip())

    def check(self) -> Account:
        """The account behind the key; its audience must exist. Two calls."""
        fields = ["account_id", "account_name", "pricing_plan_type"]
        root = record(sdk.ask(self._http, "root.get_root", fields=fields), "account_id")
        self._audience()
        return Account(str(root["account_id"]), str(root.get("account_name", "")), root.get("pricing_plan_type"))

    def find(self, wanted: Iterable[Target]) -> Mapping[Target, Ref]:
        known = list(wanted)
        return targets.find(self._http, self._audience(), self._settings, known) if known else {}

    def create(self, wanted: Iterable[Target]) -> Mapping[Target, Ref]:
        """Never an audience. Raises SettingsError when a field has no room."""
        known = list(wanted)
        return targets.create(self._http, self._audience(), self._settings, known) if known else {}

    def push(self, batch: Batch) -> Iterator[Outcome]:
        return writing.push(self._http, batch, self._settings.store_url) if batch.changes else iter(())

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return writing.poll(self._http, jobs)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return writing.recall(self._http, batch, since) if batch.changes else iter(())

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone there, of every status but archived; the cursor is an offset."""
        del target
        path, params = reading.where(ref)
        for entries, following in reading.pages(self._http, path, "members", _SHOWN, params):
            present = [entry for entry in entries if entry.get("status") != wire.GONE]
            found = [Profile(normal(str(entry["email_address"])), entry["id"]) for entry in present]
            yield Page(found, str(following or ""), last=following is None)

    def count(self, target: Target, ref: Ref) -> int:
        """Everyone in it, whatever the status (not the cached `stats`, not `member_count`'s subscribers alone)."""
        del target
        path, params = reading.where(ref)
        return int(self._http("GET", path, params={**params, "count": 1, "fields": "total_items"}).part("total_items"))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        """Merge fields that hold something, by address and merge tag."""
        emails = (profile.email for profile in profiles)
        found = reading.contacts(self._http, self._audience(), emails, "merge_fields")
        present = {email: entry for email, entry in found.items() if entry["status"] != wire.GONE}
        return {email: scalars(entry.get("merge_fields")) for email, entry in present.items()}

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        """Unsubscribed, cleaned, archived, pending and complained; all of them when `since` is None."""
        return reading.suppressions(self._http, self._audience(), since, now)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """Reports of the campaigns of the last 90 days."""
        return reading.engagement(self._http, self._audience(), since, now)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        return reading.totals(self._http, campaigns)

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        """An audience webhook's delivery, signed with the settings' `webhook_secret`. No call."""
        return events.received(self._settings.webhook_secret, headers, body, now)

    def erase(self, profile: Profile) -> State:
        """Deleted for good in this audience: the address can never be imported again."""
        path = f"/lists/{self._audience()}/members/{wire.subscriber(profile.email)}/actions/delete-permanent"
        answer = self._http("POST", path, accept=_NOWHERE)
        return State.NOOP if answer.status in _NOWHERE else State.APPLIED
