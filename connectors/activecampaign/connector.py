"""One ActiveCampaign account: segments are tags, merge tags are custom fields, everyone we send is on one list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

from connectors import answers, errors, outcomes, types, webhooks
from connectors.activecampaign import events, wire
from connectors.http import Http
from connectors.pace import EVERY, Rate
from connectors.spec import Field, Limit, Names, Spec
from connectors.sweeps import offsets
from connectors.types import Batch, ContactChange, Outcome, Page, Reason, Ref, Target, TargetKind, ValueKind, normal

PAGE = 100  # the most; 20 when nobody asks
LEFT = {"0": types.Left.PENDING, "2": types.Left.UNSUBSCRIBED, "3": types.Left.BOUNCED}
PLACES = {  # where a target is, by which name and of which type: a field of another one is not ours
    TargetKind.CONTACTS: ("lists", "name", ""),
    TargetKind.SEGMENT: ("tags", "tag", ""),
    TargetKind.FIELD: ("fields", "perstag", "type"),
}
_REFUSED = frozenset({404, 405, 422})
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
        reports=dict.fromkeys(events.FIGURES, types.Precision.EXACT),
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
        refs = self.find(wanted)
        return {**refs, **{one: self._created(one) for one in wanted if one not in refs and one.kind in PLACES}}

    def _created(self, target: Target) -> Ref:
        if target.kind is TargetKind.SEGMENT:
            return self._made("tag", {"tag": target.title, "tagType": "contact"})
        if target.kind is TargetKind.FIELD:
            about = {"title": target.title, "perstag": target.title, "type": wire.TYPES[target.value or ValueKind.TEXT]}
            ref = self._made("field", about)
            self._made("fieldRel", {"field": int(ref), "relid": 0})  # of all lists: a field of none is not shown
            return ref
        raise errors.SettingsError(f"activecampaign: there is no list '{self._list}': make it there", key="list_name")

    def _made(self, name: str, about: answers.Json) -> Ref:
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
        fields = {row["id"] for row in self._rows("fields")} if any(map(outcomes.values, changes)) else set()
        refs = self.resolve([change.profile for change in changes])
        told = {change.id: wire.settled(change, refs.get(normal(change.profile.email)), fields) for change in changes}
        yield from filter(None, told.values())
        people = outcomes.by_address(change for change in changes if not told[change.id])
        job = self._imported(people, about) if people else ""
        for email, same in people.items():
            yield from (Outcome(id=one.id, state=types.State.PENDING, job=job, ref=refs.get(email)) for one in same)

    def _about(self, change: ContactChange, ref: Ref) -> answers.Json | None:
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

    def _imported(self, people: Mapping[str, Sequence[ContactChange]], about: answers.Json) -> Ref:
        body = {"contacts": [wire.contact(email, same, about) for email, same in people.items()]}
        rate = "bulk" if len(people) > 1 else "single"
        try:
            answer = self._http("POST", "/import/bulk_import", json=body | {"exclude_automations": True}, rate=rate)
        except errors.InvalidRequest as error:
            raise wire.refusal(error, people) from None
        return str(answer.part("batchId"))  # only what is queued has one

    def _untagged(self, change: ContactChange, tag: Ref) -> Outcome:
        """One call where the tag is on the contact; a refusal says that it is not, or that there is no such path."""
        ref = change.profile.ref or self.resolve([change.profile]).get(normal(change.profile.email))
        if ref is None:
            return outcomes.noop(change, Reason.GONE)
        if self._http("DELETE", f"/contacts/{ref}/tags/{tag}", accept=_REFUSED).status not in _REFUSED:
            return outcomes.applied(change, ref)
        asked = {"filters[subscriberid]": ref, "filters[tagid]": tag}
        rows = self._rows("contactTags", **asked)  # more than was asked for, where the filters are not obeyed
        joins = [row["id"] for row in rows if (str(row["contact"]), str(row["tag"])) == (ref, tag)]
        for join in joins:
            self._http("DELETE", f"/contactTags/{join}", accept=_REFUSED)
        return outcomes.applied(change, ref) if joins else outcomes.noop(change, ref=ref)

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        for job in jobs:
            told = self._http("GET", "/import/info", params={"batchId": job.ref}, accept=_REFUSED)
            if told.status not in _REFUSED and told.part("status") == "completed":
                yield from self._done(outcomes.contacts(job.batch), told.part("success"), told.part("failure"))

    def _done(self, changes: Sequence[ContactChange], ids: list[str], addresses: list[str]) -> Iterator[Outcome]:
        """Applied: whose id is among those that succeeded. Who is in neither list of results was passed over."""
        done, failed = set(map(str, ids)), set(map(normal, addresses))
        known = {normal(one.profile.email): one.profile.ref for one in changes if one.profile.ref in done}
        known |= self._named(done - set(known.values()))
        known |= self.resolve([one.profile for one in changes if normal(one.profile.email) not in known])
        for change in changes:
            email = normal(change.profile.email)
            if email not in failed and known.get(email) in done:
                yield outcomes.applied(change, known[email])
            else:
                yield outcomes.rejected(change, Reason.REFUSED_ADDRESS, "the import did not take it")

    def resolve(self, profiles: Sequence[types.Profile]) -> Mapping[str, Ref]:
        """By ids where they are known, the others by address."""
        people = {normal(profile.email) for profile in profiles}
        known = self._named({profile.ref for profile in profiles if profile.ref})
        if left := people - known.keys():
            known |= self._looked_up(left)
        return {email: ref for email, ref in known.items() if email in people}

    def _looked_up(self, people: Collection[str]) -> dict[str, Ref]:
        """Ids by address, asked for one by one, or found among all where that is fewer calls."""
        total = int(self._http("GET", "/contacts", params={"limit": 1}).part("meta", "total"))
        if len(people) * PAGE < total:
            told = [(email, row) for email in people for row in next(self._people(email=email), [])]
            if all(normal(row["email"]) == email for email, row in told):  # else the filter is not obeyed (unconfirmed)
                return {email: row["id"] for email, row in told}
        return {normal(row["email"]): row["id"] for page in self._people() for row in page}

    def _named(self, refs: Collection[Ref]) -> dict[str, Ref]:
        """Ids by address, a hundred a call; nobody where the filter is not obeyed (unconfirmed)."""
        wanted, found = sorted(refs), dict[str, Ref]()
        for at in range(0, len(wanted), PAGE):
            asked = urlencode([("ids[]", ref) for ref in wanted[at : at + PAGE]])
            rows, _ = self._ask(f"contacts?{asked}")
            if any(row["id"] not in refs for row in rows):
                return {}
            found |= {normal(row["email"]): row["id"] for row in rows}
        return found

    def suppressions(self, since: types.Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Everyone on our list who left, bounced or has not confirmed: all of them each time, as nothing tells when."""
        del since, now
        ours = Target(kind=TargetKind.CONTACTS, name=self._list, title=self._list)
        ref = self.create([ours])[ours]  # or an error: without the list nobody is known to have left
        for status, left in LEFT.items():
            for rows in self._people(listid=ref, status=status):
                found = [types.Suppression(email=normal(row["email"]), left=left, ref=row["id"]) for row in rows]
                yield Page(found, "")
        yield Page([], "", last=True)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[types.EventKind, int]]:
        wanted = [row for row in self._rows("campaigns") if row["id"] in campaigns]
        return {row["id"]: answers.figures(row, events.FIGURES) for row in wanted}

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[types.EngagementEvent]:
        """ActiveCampaign signs nothing: a secret in the address that it calls stands for it."""
        given = parse_qs(urlsplit(headers.get(":path", "")).query).get("token", [""])[0]
        webhooks.prove_secret(self._settings.webhook_secret, given, hint="as the address that is called ends: …?token=")
        return [events.event(body, now)]

    def erase(self, profile: types.Profile) -> types.State:
        refs = self.resolve([profile]).values()
        told = {self._http("DELETE", f"/contacts/{ref}", accept=_REFUSED).status for ref in refs}
        return types.State.APPLIED if told - _REFUSED else types.State.NOOP

    def _rows(self, path: str, **asked: str) -> list[answers.Json]:
        pages = offsets(lambda start: self._ask(path, **asked, offset=str(start)))
        return [row for page in pages for row in page.rows]

    def _ask(self, path: str, **asked: str) -> tuple[list[answers.Json], int | None]:
        """A page of a collection, its ids as texts; and how many there are in all, where that is told."""
        answer = self._http("GET", f"/{path}", params={"limit": PAGE, **asked}).json()
        rows, total = answers.rows(answer, urlsplit(path).path), answers.inner(answer, "meta", "total")
        return [{**row, "id": str(row["id"])} for row in rows], None if total is None else int(total)

    def _people(self, **asked: str) -> Iterator[list[answers.Json]]:
        """Contacts by growing id until there are no more: offsets degrade, and skip when somebody is deleted meanwhile."""
        last = 0
        while rows := self._ask("contacts", **asked, id_greater=str(last), **{"orders[id]": "ASC"})[0]:
            yield rows
            if int(rows[-1]["id"]) <= last:
                raise errors.UnexpectedResponse("activecampaign: pages of contacts do not follow each other")
            last = int(rows[-1]["id"])
