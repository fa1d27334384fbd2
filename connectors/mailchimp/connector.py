"""One audience of one Mailchimp account: it maps and sends, and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import ClassVar

from connectors import types
from connectors.answers import Json, oldest, record, scalars
from connectors.errors import InvalidRequest, SettingsError, UnexpectedResponse
from connectors.fitting import there
from connectors.http import Http
from connectors.mailchimp import events, reading, sdk, wire, writing
from connectors.mailchimp.spec import FIELDS, FIELDS_AT_MOST, SPEC, MailchimpSettings
from connectors.spec import Spec
from connectors.types import Batch, Cursor, EngagementEvent, Outcome, Page, Profile, Ref, State, Target, TargetKind

_NOWHERE = frozenset({HTTPStatus.NOT_FOUND})
_TITLE_BYTES = 100  # of a promo rule


class Mailchimp:
    """Contacts by batch add (create-only) and PATCH (never creates), segments as static segments, codes as promo codes."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: MailchimpSettings, http: Http) -> None:
        self._settings = settings
        self._http = http

    def check(self) -> types.Account:
        """The account behind the key; its audience must exist. Two calls."""
        fields = ["account_id", "account_name", "pricing_plan_type"]
        root = record(sdk.ask(self._http, "root.get_root", fields=fields), "account_id")
        self._audience()
        return types.Account(str(root["account_id"]), str(root.get("account_name", "")), root.get("pricing_plan_type"))

    def _audience(self) -> Ref:
        """The id of the audience of that id or name. Raises SettingsError."""
        wanted = self._settings.audience.strip()
        known = {str(row["id"]): row["name"] for row in reading.every(self._http, "/lists", "id", "name")}
        found = [wanted] if wanted in known else [ref for ref, name in known.items() if name == wanted]
        if len(found) != 1:
            trouble = "is the name of several audiences: give its id" if found else "does not exist in this account"
            raise SettingsError(f"mailchimp: the audience '{wanted}' {trouble}", key="audience")
        return found[0]

    # targets
    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """The audience's id, "audience/segment", a merge tag, "store/promo rule"; SettingsError where there is no room."""
        return self._found(list(targets), self._audience())

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Never an audience, and an e-commerce store only when its currency is given."""
        wanted, audience = list(targets), self._audience()
        found = self._found(wanted, audience)
        return found | {target: self._created(target, audience) for target in wanted if target not in found}

    def _found(self, wanted: Sequence[Target], audience: Ref) -> dict[Target, Ref]:
        by_kind = {kind: [target for target in wanted if target.kind is kind] for kind in TargetKind}
        found: dict[Target, Ref] = dict.fromkeys(by_kind[TargetKind.CONTACTS], audience)
        if segments := by_kind[TargetKind.SEGMENT]:
            refs = oldest(reading.every(self._http, f"/lists/{audience}/segments", "id", "name", type="static"))
            found |= {target: f"{audience}/{refs[target.title]}" for target in segments if target.title in refs}
        if fields := by_kind[TargetKind.FIELD]:
            found |= self._fields(fields, audience)
        if pools := by_kind[TargetKind.POOL]:
            store = self._store(audience)
            rules = {target: f"{store}/{target.title}" for target in pools} if store else {}
            found |= {target: ref for target, ref in rules.items() if self._http.look(wire.pool(ref))}
        return found

    def _fields(self, wanted: Sequence[Target], audience: Ref) -> dict[Target, Ref]:
        """Those that are there. Raises SettingsError for one of another type, and when the others find no room."""
        present = reading.every(self._http, f"/lists/{audience}/merge-fields", "tag", "type")
        known = {str(entry["tag"]): str(entry["type"]) for entry in present}
        found = there(wanted, known, SPEC.fields)
        missing = len(wanted) - len(found)
        said = min(self._settings.max_merge_fields, FIELDS_AT_MOST)
        room = FIELDS_AT_MOST if len(known) > FIELDS else said  # more than 30: it is Premium
        if missing and len(known) + missing > room:
            more = f"on the Premium plan say max_merge_fields = {FIELDS_AT_MOST}"
            hint = more if room < FIELDS_AT_MOST else "drop some"
            words = f"the audience has {len(known)} merge fields, takes {room} at most, and {missing} more are needed"
            raise SettingsError(f"mailchimp: {words}; {hint}", key="max_merge_fields")
        return found

    def _store(self, audience: Ref) -> Ref | None:
        """The id of the store of that id or name, which must belong to the audience. Raises SettingsError."""
        store = self._settings.store
        if not store or not self._settings.store_url:
            words = "discount codes as Mailchimp's own need 'store' and 'store_url', where a code is redeemed"
            raise SettingsError(f"mailchimp: {words}", key="store_url" if store else "store")
        stores = list(reading.every(self._http, "/ecommerce/stores", "id", "name", "list_id"))
        found = [entry for key in ("id", "name") for entry in stores if entry.get(key) == store]
        if found and found[0].get("list_id") != audience:
            raise SettingsError(f"mailchimp: the store '{store}' belongs to another audience", key="store")
        return str(found[0]["id"]) if found else None

    def _created(self, target: Target, audience: Ref) -> Ref:
        if target.kind is TargetKind.POOL:
            return self._pool(target, audience)
        if target.kind is TargetKind.SEGMENT:
            body = {"name": target.title, "static_segment": []}
            made = sdk.ask(self._http, "lists.create_segment", audience, body)
            return f"{audience}/{record(made, 'id')['id']}"
        about = {"tag": target.title, "name": target.name[:50], "public": False, "required": False}
        about["type"] = SPEC.fields[target.value or types.ValueKind.TEXT].type
        made = self._made(f"/lists/{audience}/merge-fields", about, f"merge field {target.title}")
        if made["tag"] != target.title:
            raise UnexpectedResponse(f"merge field {target.title} was created as {made['tag']}")
        return target.title

    def _pool(self, target: Target, audience: Ref) -> Ref:
        """A promo rule; it names 0.0 where we are not told what the discount is worth: that is the shop's business."""
        name, currency, store = self._settings.store, self._settings.store_currency, self._store(audience)
        if store is None:
            if not currency:
                hint = "connect the shop to Mailchimp, or give 'store_currency' (such as EUR) to have it made"
                raise SettingsError(f"mailchimp: there is no store '{name}'; {hint}", key="store_currency")
            body = {"id": name, "name": name, "currency_code": currency, "list_id": audience}
            store = str(self._made("/ecommerce/stores", body, f"the store {name}")["id"])
        ref, title = f"{store}/{target.title}", target.title.encode()[:_TITLE_BYTES].decode("utf-8", "ignore")
        rule = {"id": target.title, "title": title, "description": target.title, "enabled": True}
        path = wire.pool(ref).rpartition("/")[0]
        self._made(path, rule | wire.discount(target.worth), f"the promo rule {target.title}")
        return ref

    def _made(self, path: str, body: Json, what: str) -> Json:
        try:
            return record(self._http("POST", path, json=body).json(), *body.keys() & {"id", "tag"})
        except InvalidRequest as error:
            raise SettingsError(f"mailchimp: {what} was refused: {error}") from None

    # writes
    def push(self, batch: Batch) -> Iterator[Outcome]:
        return writing.push(self._http, batch, self._settings.store_url) if batch.changes else iter(())

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        return writing.poll(self._http, jobs)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return writing.recall(self._http, batch, since) if batch.changes else iter(())

    def erase(self, profile: Profile) -> State:
        """Deleted for good in this audience: the address can never be imported again."""
        path = f"/lists/{self._audience()}/members/{wire.subscriber(profile.email)}/actions/delete-permanent"
        answer = self._http("POST", path, accept=_NOWHERE)
        return State.NOOP if answer.status in _NOWHERE else State.APPLIED

    # reads
    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone there, of every status but archived; the cursor is an offset."""
        del target
        path, params = reading.where(ref)
        for rows, following in reading.pages(self._http, path, ("id", "email_address", "status"), **params):
            present = [row for row in rows if row.get("status") != wire.GONE]
            found = [Profile(types.normal(str(row["email_address"])), row["id"]) for row in present]
            yield Page(found, str(following or ""), last=following is None)

    def count(self, target: Target, ref: Ref) -> int:
        """Everyone in it, whatever the status (not the cached `stats`, not `member_count`'s subscribers alone)."""
        del target
        path, params = reading.where(ref)
        return int(self._http("GET", path, params={**params, "count": 1, "fields": "total_items"}).part("total_items"))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, types.Fitted]]:
        """Merge fields that hold something, by address and merge tag."""
        emails = (profile.email for profile in profiles)
        found = reading.contacts(self._http, self._audience(), emails, "merge_fields")
        return {email: scalars(row.get("merge_fields")) for email, row in found.items() if row["status"] != wire.GONE}

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Unsubscribed, cleaned, archived, pending and complained; all of them when `since` is None."""
        return reading.suppressions(self._http, self._audience(), since, now)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """Reports of the campaigns of the last 90 days."""
        return reading.engagement(self._http, self._audience(), since, now)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[types.EventKind, int]]:
        return reading.totals(self._http, campaigns)

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        """An audience webhook's delivery, signed with the settings' `webhook_secret`. No call."""
        return events.received(self._settings.webhook_secret, headers, body, now)
