"""One audience of one Mailchimp account: it maps and sends, and keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, cast

from connectors import errors
from connectors.http import Http
from connectors.mailchimp import members, pages, sdk, wire, writes
from connectors.mailchimp.jobs import poll, recall_updates, submit
from connectors.mailchimp.spec import SPEC, MailchimpSettings
from connectors.mailchimp.targets import audience_of, create, find
from connectors.spec import Settings, Spec
from connectors.types import (
    Account,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Cursor,
    EngagementEvent,
    Fitted,
    Job,
    Outcome,
    Page,
    Profile,
    Ref,
    RemoveMember,
    SetTraits,
    Suppress,
    Suppression,
    Target,
    normal,
)

_ROUTES: Mapping[type[Change], Callable[[Http, Batch], Iterator[Outcome]]] = {
    AddContact: writes.add,
    SetTraits: submit,
    ClearTraits: submit,
    Suppress: submit,
    AddMember: writes.move,
    RemoveMember: writes.move,
}


class Mailchimp:
    """Contacts by batch add (create-only) and PATCH (never creates), segments as static segments."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: Settings, http: Http) -> None:
        self._settings = cast("MailchimpSettings", settings)
        self._http = http

    def check(self) -> Account:
        """The account behind the key; its audience must exist. Two calls."""
        root = sdk.ask(self._http, "root.get_root", fields=["account_id", "account_name", "pricing_plan_type"])
        self._audience()
        if not root.get("account_id"):
            raise errors.UnexpectedResponse("mailchimp: the account has no account_id")
        return Account(str(root["account_id"]), str(root.get("account_name", "")), root.get("pricing_plan_type"))

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """CONTACTS: the audience's id; SEGMENT: "audience/segment"; FIELD: the merge tag."""
        wanted = list(targets)
        return find(self._http, self._audience(), wanted) if wanted else {}

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Segments and fields that are missing; never an audience. Raises SettingsError when a field has no room."""
        wanted = list(targets)
        return create(self._http, self._audience(), wanted) if wanted else {}

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """One call a batch, and look-ups only for what its answer leaves open."""
        return _ROUTES[type(batch.changes[0])](self._http, batch) if batch.changes else iter(())

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return poll(self._http, jobs)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """What an ambiguous write did: an outcome for each change that is seen to be done, none for the others."""
        changes = wire.contacts(batch)
        if not changes:
            return iter(())
        if isinstance(changes[0], AddContact):
            return writes.recall_added(self._http, batch.ref, changes, since)
        if isinstance(changes[0], (AddMember, RemoveMember)):
            return writes.recall_moved(self._http, batch.ref, changes)
        return recall_updates(self._http, batch, since)

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone there, of every status but archived; the cursor is an offset."""
        _ = target
        path, params = members.where(ref)
        params |= {"fields": "members.id,members.email_address,members.status,total_items"}
        for part in pages.read(self._http, path, "members", params=params):
            profiles = [
                Profile(normal(str(entry["email_address"])), entry.get("id"))
                for entry in part.items
                if entry.get("status") not in wire.GONE
            ]
            yield Page(profiles, str(part.following or ""), last=part.following is None)

    def count(self, target: Target, ref: Ref) -> int:
        """Everyone in it, whatever the status (not the cached `stats`, not `member_count`'s subscribers alone)."""
        _ = target
        path, params = members.where(ref)
        answer = self._http("GET", path, params={**params, "count": 1, "fields": "total_items"}).json()
        return int(str(wire.field(answer, "total_items")))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        """Merge fields that hold something, by address and merge tag."""
        wanted = {wire.subscriber(profile.email): profile.email for profile in profiles}
        entries = members.some(self._http, self._audience(), wanted, ("id", "status", "merge_fields"))
        return {
            wanted[entry["id"]]: {tag: value for tag, value in entry["merge_fields"].items() if _is_scalar(value)}
            for entry in entries
            if entry["id"] in wanted and entry.get("status") not in wire.GONE
        }

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        """Unsubscribed, cleaned, archived, pending and complained; all of them when `since` is None."""
        return pages.suppressions(self._http, self._audience(), since, now)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """Reports of the campaigns of the last 90 days."""
        return pages.engagement(self._http, self._audience(), since, now)

    def _audience(self) -> str:
        return audience_of(self._http, self._settings.audience.strip())


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value != ""
