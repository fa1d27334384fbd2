"""One ActiveCampaign account: segments are tags, merge tags are custom fields, everyone we send is on one list."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from connectors import errors, outcomes, types
from connectors.activecampaign import events, wire
from connectors.http import Http
from connectors.pace import EVERY, Rate
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import Batch, ContactChange, Outcome, Page, Reason, Ref, Target, TargetKind, ValueKind, normal

PAGE = 100  # the most; 20 when nobody asks
LEFT = {"0": types.Left.PENDING, "2": types.Left.UNSUBSCRIBED, "3": types.Left.BOUNCED}
PLACES = {  # where a target is, by which name and of which type: a field of another one is not ours
    TargetKind.CONTACTS: ("lists", "name", ""),
    TargetKind.SEGMENT: ("tags", "tag", ""),
    TargetKind.FIELD: ("fields", "perstag", "type"),
}
_REFUSED = frozenset({404, 422})
# help.activecampaign.com 360017846539, 2026-08; `each`: with sixty fields at most, what a contact has around its values
_IMPORT = Limit(items=250, bytes=400_000, each=1_000, rate="bulk", is_job=True)
_LATER = replace(_IMPORT, after=frozenset({types.AddContact}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCampaignSettings:
    """What opens the account, as Settings → Developer shows it, and the list whose people we write to."""

    base_url: str
    api_key: str = field(repr=False)
    list_name: str
    prefix: str = ""
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
            types.AddContact: _IMPORT,
            **dict.fromkeys((types.SetTraits, types.ClearTraits, types.AddMember), _LATER),
            types.RemoveMember: Limit(items=1),
            types.Suppress: replace(_LATER, items=100),  # of as many lists as there are
        },
        fields={kind: Field(type=wire.TYPES[kind], max_bytes=wire.MOST) for kind in ValueKind},
        fit=wire.fit,
        field_names=Names(length=50, upper=True, reserved=frozenset({"EMAIL", "FIRSTNAME", "LASTNAME", "PHONE"})),
        max_fields=60,
        creates={TargetKind.SEGMENT: 1, TargetKind.FIELD: 2},
        rates={EVERY: (Rate(5, 1),), "default": (), "bulk": (Rate(100, 60),), "single": (Rate(20, 60),)},
        poll_after=(5.0, 15.0, 30.0, 60.0),
        reports={kind: types.Precision.EXACT for kind, _ in events.KINDS.values()},
    )

    def __init__(self, settings: ActiveCampaignSettings, http: Http) -> None:
        self._http = http
        self._settings, self._list = settings, settings.list_name

    def check(self) -> types.Account:
        """A key is a person's; what it opens is the account of the address."""
        self._http("GET", "/users/me").part("user")
        host = urlsplit(self._settings.base_url).netloc
        return types.Account(host, host.partition(".")[0])

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted, found = list(targets), dict[Target, Ref]()
        for kind, (path, name, type_) in PLACES.items():
            titles = {one: self._list if path == "lists" else one.title for one in wanted if one.kind is kind}
            known = {(row[name], row.get(type_)): row["id"] for row in reversed(self._rows(path))} if titles else {}
            keys = {one: (title, one.value and wire.TYPES[one.value]) for one, title in titles.items()}
            found |= {one: known[key] for one, key in keys.items() if key in known}
        return found

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        refs = dict(self.find(wanted))
        return refs | {one: self._created(one) for one in wanted if one not in refs and one.kind in PLACES}

    def _created(self, target: Target) -> Ref:
        if target.kind is TargetKind.SEGMENT:
            return self._made("tag", {"tag": target.title, "tagType": "contact"})
        if target.kind is TargetKind.FIELD:
            about = {"title": target.title, "perstag": target.title, "type": wire.TYPES[target.value or ValueKind.TEXT]}
            ref = self._made("field", about)
            self._made("fieldRel", {"field": int(ref), "relid": 0})  # of all lists: a field of none is not shown
            return ref
        raise errors.SettingsError(f"activecampaign: there is no list '{self._list}': make it there", key="list_name")

    def _made(self, name: str, about: wire.Json) -> Ref:
        return str(self._http("POST", f"/{name}s", json={name: about}).part(name, "id"))

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
        refs = self.resolve([change.profile for change in changes])
        told = {change.id: wire.settled(change, refs.get(normal(change.profile.email)), fields) for change in changes}
        yield from filter(None, told.values())
        people = outcomes.by_address(change for change in changes if not told[change.id])
        job = self._imported(people, about) if people else ""
        for email, same in people.items():
            yield from (Outcome(id=one.id, state=types.State.PENDING, job=job, ref=refs.get(email)) for one in same)

    def _about(self, change: ContactChange, ref: Ref) -> wire.Json | None:
        """What an import says of each contact beside the fields; None: the target is gone."""
        if isinstance(change, types.AddMember):
            names = {row["id"]: row["tag"] for row in self._rows("tags")}
            return {"tags": [names[ref]]} if ref in names else None  # an unknown name would be a new tag
        if not isinstance(change, types.AddContact | types.Suppress):
            return {}
        lists = [row["id"] for row in self._rows("lists")]
        if isinstance(change, types.Suppress):
            return {"unsubscribe": [{"listid": int(each)} for each in lists]}
        return {"subscribe": [{"listid": int(ref)}]} if ref in lists else None

    def _imported(self, people: Mapping[str, Sequence[ContactChange]], about: wire.Json) -> Ref:
        body = {"contacts": [wire.contact(email, same, about) for email, same in people.items()]}
        rate = "bulk" if len(people) > 1 else "single"
        try:
            answer = self._http("POST", "/import/bulk_import", json=body | {"exclude_automations": True}, rate=rate)
        except errors.InvalidRequest as error:
            raise wire.refusal(error, people) from None
        return str(answer.part("batchId"))  # only what is queued has one

    def _untagged(self, change: ContactChange, tag: Ref) -> Outcome:
        ref = change.profile.ref or self.resolve([change.profile]).get(normal(change.profile.email))
        if ref is None:
            return outcomes.noop(change, Reason.GONE)
        try:
            rows = self._rows(f"contacts/{ref}/contactTags")
        except errors.InvalidRequest:  # no such contact, or no such path (unconfirmed): tagging again tells the id, too
            body = {"contactTag": {"contact": int(ref), "tag": int(tag)}}
            answer = self._http("POST", "/contactTags", json=body, accept=_REFUSED)
            rows = [] if answer.status in _REFUSED else [answer.part("contactTag")]
        joins = [row["id"] for row in rows if str(row["tag"]) == tag]
        for join in joins:
            self._http("DELETE", f"/contactTags/{join}", accept=_REFUSED)
        return outcomes.applied(change, ref) if joins else outcomes.noop(change, ref=ref)

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        for job in jobs:
            told = self._http("GET", "/import/info", params={"batchId": job.ref}, accept=_REFUSED)
            if told.status not in _REFUSED and told.part("status") == "completed":
                yield from self._done(outcomes.contacts(job.batch), told.part("success"), told.part("failure"))

    def _done(self, changes: Sequence[ContactChange], ids: list[str], addresses: list[str]) -> Iterator[Outcome]:
        """Applied: among the ids that succeeded; when somebody is in neither list of results, ids are looked up."""
        done, failed = set(map(str, ids)), set(map(normal, addresses))
        people = {normal(change.profile.email) for change in changes}
        is_whole = len(done) + len(people & failed) >= len(people)
        refs = {} if is_whole else self.resolve([change.profile for change in changes])
        for change in changes:
            email = normal(change.profile.email)
            if email not in failed and (is_whole or refs.get(email) in done):
                yield outcomes.applied(change, refs.get(email))
            else:
                yield outcomes.rejected(change, Reason.REFUSED_ADDRESS, "the import did not take it")

    def resolve(self, profiles: Sequence[types.Profile]) -> Mapping[str, Ref]:
        """Asked for one by one, or found among all where that is fewer calls."""
        people = {normal(profile.email) for profile in profiles}
        total = self._http("GET", "/contacts", params={"limit": 1}).part("meta", "total")
        is_few = len(people) * PAGE < int(total)
        rows = [row for email in people for row in next(self._pages("contacts", email=email), [])] if is_few else []
        if not is_few or any(normal(row["email"]) not in people for row in rows):  # not filtered (unconfirmed)
            rows = self._rows("contacts")
        return {email: row["id"] for row in rows if (email := normal(row["email"])) in people}

    def suppressions(self, since: types.Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Everyone on our list who left, bounced or has not confirmed; the cursor is a place in one whole read."""
        del now
        ours = Target(kind=TargetKind.CONTACTS, name=self._list, title=self._list)
        ref = self.create([ours])[ours]  # or an error: without the list nobody is known to have left
        begun, _, after = (since or "").partition(":")
        for status, left in ((status, left) for status, left in LEFT.items() if status >= begun):
            for rows in self._pages("contacts", int(after) if status == begun else 0, listid=ref, status=status):
                found = [types.Suppression(email=normal(row["email"]), left=left, ref=row["id"]) for row in rows]
                yield Page(found, f"{status}:{rows[-1]['id']}")
        yield Page([], "", last=True)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[types.EventKind, int]]:
        return {row["id"]: events.totals(row) for row in self._rows("campaigns") if row["id"] in campaigns}

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[types.EngagementEvent]:
        """ActiveCampaign signs nothing: a secret in the address that it calls stands for it."""
        secret = self._settings.webhook_secret
        if not secret:
            raise errors.SettingsError("activecampaign: webhook_secret is empty (…?token=)", key="webhook_secret")
        given = parse_qs(urlsplit(headers.get(":path", "")).query).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise errors.Unauthorized("activecampaign: a delivery without the secret of its address")
        return [events.event(body, now)]

    def erase(self, profile: types.Profile) -> types.State:
        refs = self.resolve([profile]).values()
        told = {self._http("DELETE", f"/contacts/{ref}", accept=_REFUSED).status for ref in refs}
        return types.State.APPLIED if told - _REFUSED else types.State.NOOP

    def _rows(self, path: str) -> list[wire.Json]:
        return [row for rows in self._pages(path) for row in rows]

    def _pages(self, path: str, start: int = 0, **asked: str) -> Iterator[list[wire.Json]]:
        """Contacts by growing id until there are no more, the others by place until as many came as are told."""
        key, total = path.rpartition("/")[2], math.inf
        while start < total:
            place = {"orders[id]": "ASC", "id_greater": str(start)} if key == "contacts" else {"offset": str(start)}
            answer = self._http("GET", f"/{path}", params={"limit": PAGE, **place, **asked})
            rows = [{**row, "id": str(row["id"])} for row in answer.part(key)]
            if not rows:
                return
            yield rows
            last, start = start, int(rows[-1]["id"]) if key == "contacts" else start + len(rows)
            if start <= last:
                raise errors.UnexpectedResponse(f"activecampaign: pages of {key} do not follow each other")
            if key != "contacts" and "meta" in answer.json():
                total = int(answer.part("meta", "total"))
