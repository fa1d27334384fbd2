"""One ActiveCampaign account: segments are tags, merge tags are custom fields, everyone we send is on one list."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from connectors import errors, outcomes, types
from connectors.activecampaign import events, wire
from connectors.activecampaign.wire import Json
from connectors.http import Http, Rate
from connectors.spec import Field, Limit, Names, Settings, Spec, cut
from connectors.types import AddContact, AddMember, Batch, Left, Outcome, Page, Reason, Ref, Target, TargetKind, normal

PAGE = 100  # the most; 20 when nobody asks
LEFT = {"2": Left.UNSUBSCRIBED, "3": Left.BOUNCED, "0": Left.PENDING}
PLACES = {
    TargetKind.CONTACTS: ("lists", "name"),
    TargetKind.SEGMENT: ("tags", "tag"),
    TargetKind.FIELD: ("fields", "perstag"),
}
_REFUSED = frozenset({404, 422})
_LATER = Limit(items=2_500, after=frozenset({AddContact}))  # ten imports: who is there is looked up once for them


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCampaignSettings:
    """What opens the account: `base_url` and `api_key` as Settings → Developer shows them; `list_name` is our list.

    `sender_url` (the shop) is needed where the list must be created, `webhook_secret` where events are received.
    """

    base_url: str
    api_key: str = field(repr=False)
    prefix: str = ""
    list_name: str = ""
    sender_url: str = ""
    sender_reminder: str = "You asked our shop for news."
    webhook_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", self.base_url.rstrip("/").removesuffix("/api/3") + "/api/3")

    def headers(self) -> Mapping[str, str]:
        return {"api-token": self.api_key}


class ActiveCampaign:
    """The connector; README.md has limits, choices and quirks with their sources."""

    spec: ClassVar[Spec] = Spec(
        name="activecampaign",
        version="1",
        settings=ActiveCampaignSettings,
        carries={
            AddContact: Limit(items=2_500),
            types.SetTraits: _LATER,
            types.ClearTraits: _LATER,
            AddMember: _LATER,
            types.RemoveMember: Limit(items=1),
            types.Suppress: _LATER,
        },
        fields={kind: Field(type=name, max_bytes=wire.MAX_TEXT) for kind, name in wire.TYPES.items()},
        fit=wire.fit,
        field_names=Names(length=50, upper=True, reserved=frozenset({"EMAIL", "FIRSTNAME", "LASTNAME", "PHONE"})),
        # the account has 5 a second for all calls: each family has its part of them
        rates={"default": (Rate(3, 1),), "bulk": (Rate(1, 1), Rate(100, 60)), "single": (Rate(1, 1), Rate(20, 60))},
        share={"default": 1.0},
        poll_after=(5.0, 15.0, 30.0, 60.0),
        reports=dict.fromkeys(events.KINDS.values(), types.Precision.EXACT),
    )

    def __init__(self, settings: Settings, http: Http) -> None:
        if not isinstance(settings, ActiveCampaignSettings):
            raise errors.SettingsError("activecampaign: these are another connector's settings")
        self._http = http
        self._settings = settings
        self._list = settings.list_name or settings.prefix.strip(" -_:/|·") or "ciblage"

    def check(self) -> types.Account:
        """A key is a person's; what it opens is the account of the address."""
        wire.part(self._http("GET", "/users/me").json(), "user")
        host = urlsplit(self._settings.base_url).netloc
        return types.Account(host, host.partition(".")[0])

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted, found = list(targets), dict[Target, Ref]()
        for kind, (key, name) in PLACES.items():
            ours = {target: self._title(target) for target in wanted if target.kind is kind}
            known = {row[name]: row for row in reversed(self._rows(key))} if ours else {}
            found |= {target: _checked(target, known[title]) for target, title in ours.items() if title in known}
        return found

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        refs = dict(self.find(wanted))
        missing = [target for target in wanted if target not in refs and target.kind in PLACES]
        return refs | {target: self._created(target) for target in missing}

    def _created(self, target: Target) -> Ref:
        title = self._title(target)
        if target.kind is TargetKind.SEGMENT:
            return self._made("tag", {"tag": title, "tagType": "contact"})
        if target.kind is TargetKind.FIELD:
            ref = self._made(
                "field", {"title": title, "type": wire.TYPES[target.value or types.ValueKind.TEXT], "perstag": title}
            )
            self._made("fieldRel", {"field": int(ref), "relid": 0})  # of all lists: a field of none is not shown
            return ref
        if not self._settings.sender_url:
            raise errors.SettingsError("activecampaign: set sender_url (the shop), or list_name", key="sender_url")
        word = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") or "ciblage"
        sender = {name: getattr(self._settings, name) for name in ("sender_url", "sender_reminder")}
        return self._made("list", {"name": title, "stringid": word, **sender})

    def _made(self, name: str, about: Json) -> Ref:
        return str(wire.part(wire.part(self._http("POST", f"/{name}s", json={name: about}).json(), name), "id"))

    def _title(self, target: Target) -> str:
        return self._list if target.kind is TargetKind.CONTACTS else target.title

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Imports of those whom they cannot harm, accepted as jobs; tags are taken off one by one."""
        changes = outcomes.contacts(batch)
        if isinstance(changes[0], types.RemoveMember):
            yield from (self._untagged(change, batch.ref) for change in changes)
            return
        about = self._about(changes[0], batch.ref)
        if about is None:
            yield from outcomes.each(changes, types.State.REJECTED, Reason.UNKNOWN_TARGET, words="the target is gone")
            return
        fields = {row["id"] for row in self._rows("fields")} if any(map(wire.fields, changes)) else set()
        refs = self._known({normal(change.profile.email) for change in changes})
        told = {change.id: wire.settled(change, refs.get(normal(change.profile.email)), fields) for change in changes}
        yield from filter(None, told.values())
        yield from self._imported([change for change in changes if not told[change.id]], about, refs)

    def _about(self, change: types.ContactChange, ref: Ref) -> Json | None:
        """What an import says of each contact beside the fields; None: the target is gone."""
        if isinstance(change, AddMember):
            names = {row["id"]: row["tag"] for row in self._rows("tags")}
            return {"tags": [names[ref]]} if ref in names else None  # an unknown name would be a new tag
        if not isinstance(change, AddContact | types.Suppress):
            return {}
        lists = [row["id"] for row in self._rows("lists")]
        if isinstance(change, types.Suppress):
            return {"unsubscribe": [{"listid": int(each)} for each in lists]}
        return {"subscribe": [{"listid": int(ref)}]} if ref in lists else None

    def _imported(
        self, changes: Sequence[types.ContactChange], about: Json, refs: Mapping[str, Ref]
    ) -> Iterator[Outcome]:
        """250 contacts and 400,000 bytes a call: a body has at most 2.2 times the bytes that `cut` counts."""
        of = {change.id: change for change in changes}
        for some in cut(changes, Limit(items=250, bytes=180_000, each=100 + len(json.dumps(about)))):
            people = outcomes.by_address(of[change.id] for change in some)
            body = {"contacts": [wire.contact(email, same, about) for email, same in people.items()]}
            rate = "bulk" if len(people) > 1 else "single"
            try:
                answer = self._http("POST", "/import/bulk_import", json=body | {"exclude_automations": True}, rate=rate)
            except errors.InvalidRequest as error:
                raise wire.refusal(error, people) from None
            job = wire.accepted(answer.json())
            for email, same in people.items():
                yield from (Outcome(id=one.id, state=types.State.PENDING, job=job, ref=refs.get(email)) for one in same)

    def _untagged(self, change: types.ContactChange, tag: Ref) -> Outcome:
        ref = change.profile.ref or self.resolve([change.profile]).get(normal(change.profile.email))
        if ref is None:
            return outcomes.noop(change, Reason.GONE)
        try:
            rows = self._rows("contactTags", f"/contacts/{ref}/contactTags")
        except errors.InvalidRequest:  # no such contact, or no such path (unconfirmed): tagging again tells the id, too
            body = {"contactTag": {"contact": int(ref), "tag": int(tag)}}
            answer = self._http("POST", "/contactTags", json=body, accept=_REFUSED)
            rows = [] if answer.status in _REFUSED else [wire.part(answer.json(), "contactTag")]
        joins = [row["id"] for row in rows if str(row["tag"]) == tag]
        for join in joins:
            self._http("DELETE", f"/contactTags/{join}", accept=_REFUSED)
        return outcomes.applied(change, ref) if joins else outcomes.noop(change, ref=ref)

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        for job in jobs:
            told = self._http("GET", "/import/info", params={"batchId": job.ref}, accept=_REFUSED).json() or {}
            if told.get("status") == "completed":
                yield from self._done(outcomes.contacts(job.batch), told)

    def _done(self, changes: Sequence[types.ContactChange], told: Json) -> Iterator[Outcome]:
        """Applied: among the ids that succeeded; when somebody is in no list of results, ids are looked up."""
        failed = {normal(email) for email in wire.part(told, "failure")}
        done = {str(ref) for ref in wire.part(told, "success")}
        people = {normal(change.profile.email) for change in changes}
        is_whole = len(done) + len(people & failed) >= len(people)
        refs = {} if is_whole else self._known(people)
        for change in changes:
            email = normal(change.profile.email)
            if email not in failed and (is_whole or refs.get(email) in done):
                yield outcomes.applied(change, refs.get(email))
            else:
                yield outcomes.rejected(change, Reason.REFUSED_ADDRESS, "the import did not take it")

    def resolve(self, profiles: Sequence[types.Profile]) -> Mapping[str, Ref]:
        return self._known({normal(profile.email) for profile in profiles})

    def suppressions(self, since: types.Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Everyone on our list who left, bounced or has not confirmed; the cursor is a place in one whole read."""
        del now
        lists = [row["id"] for row in self._rows("lists") if row["name"] == self._list]
        begun, _, after = (since or "").partition(":")
        for status in [*LEFT][[*LEFT].index(begun) if begun else 0 :] if lists else ():
            asked = {"listid": lists[0], "status": status}
            for rows in self._contacts(asked, int(after) if status == begun else 0):
                left = LEFT[status]
                found = [types.Suppression(email=normal(row["email"]), left=left, ref=row["id"]) for row in rows]
                yield Page(found, f"{status}:{rows[-1]['id']}")
        yield Page([], "", last=True)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[types.EventKind, int]]:
        return {row["id"]: events.totals(row) for row in self._rows("campaigns") if row["id"] in campaigns}

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[types.EngagementEvent]:
        """ActiveCampaign signs nothing: a secret in the address that it calls stands for it."""
        secret = self._settings.webhook_secret
        if not secret:
            raise errors.SettingsError("activecampaign: set webhook_secret; deliveries go to …?token=SECRET")
        given = parse_qs(urlsplit(headers.get(":path", "")).query).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise errors.Unauthorized("activecampaign: a delivery without the secret of its address")
        return [events.event(body, now)]

    def erase(self, profile: types.Profile) -> types.State:
        refs = self.resolve([profile]).values()
        done = [self._http("DELETE", f"/contacts/{ref}", accept=_REFUSED).status not in _REFUSED for ref in refs]
        return types.State.APPLIED if any(done) else types.State.NOOP

    def _known(self, people: Collection[str]) -> dict[str, Ref]:
        """Ids by address of who is there: asked for one by one, or found among all where that is fewer calls."""
        total = self._http("GET", "/contacts", params={"limit": 1}).json() if len(people) > 1 else None
        is_few = total is None or int(wire.part(total, "meta")["total"]) > PAGE * len(people)
        rows = [row for email in people for row in self._rows("contacts", email=email)] if is_few else []
        if not is_few or any(normal(row["email"]) not in people for row in rows):  # not filtered (unconfirmed)
            rows = [row for page in self._contacts({}) for row in page]
        return {email: row["id"] for row in rows if (email := normal(row["email"])) in people}

    def _contacts(self, asked: Mapping[str, str], after: int = 0) -> Iterator[list[Json]]:
        """Pages by growing id until one is empty: a page may be shorter than asked for."""
        while rows := self._page("contacts", "/contacts", {"orders[id]": "ASC", "id_greater": after, **asked})[0]:
            if int(rows[-1]["id"]) <= after:
                raise errors.UnexpectedResponse("activecampaign: pages of contacts do not follow each other")
            after = int(rows[-1]["id"])
            yield rows

    def _rows(self, key: str, path: str = "", **asked: str) -> list[Json]:
        """All pages, by the provider's own total."""
        found, total = list[Json](), 1
        while len(found) < total:
            rows, total = self._page(key, path or f"/{key}", {"offset": len(found), **asked})
            found += rows
        return found

    def _page(self, key: str, path: str, asked: Mapping[str, str | int]) -> tuple[list[Json], int]:
        """The rows of a page, and how many there are in all; 0 on an empty page."""
        answer = self._http("GET", path, params={"limit": PAGE, **asked}).json()
        rows = wire.part(answer, key)
        return rows, int(wire.part(answer, "meta")["total"]) if rows else 0


def _checked(target: Target, row: Json) -> Ref:
    """Its id. Raises SettingsError for a field of another type than ours."""
    needed = wire.TYPES[target.value or types.ValueKind.TEXT]
    if target.kind is TargetKind.FIELD and row["type"] != needed:
        about = f"%{target.title}% is of type {row['type']}, merge tag '{target.name}' needs {needed}"
        raise errors.SettingsError(f"activecampaign: {about}: give the merge tag another name")
    return str(row["id"])
