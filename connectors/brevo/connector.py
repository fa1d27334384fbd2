"""Brevo as a connector: which calls carry what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote

from connectors import errors
from connectors.brevo import codes, events, wire
from connectors.brevo.engagement import Reading
from connectors.brevo.reads import Reads
from connectors.brevo.spec import AT_ONCE, OTHER, SMALL, SPEC, TYPES, BrevoSettings
from connectors.brevo.wire import Json
from connectors.http import Http, mask
from connectors.outcomes import applied, contacts, each, noop, rejected
from connectors.spec import Settings, Spec
from connectors.types import (
    Account, AddCode, AddContact, AddMember, Batch, Consent, ContactChange, Cursor, EngagementEvent, EventKind, Fitted,
    Job, Outcome, Page, Profile, Reason, Ref, RemoveMember, State, Suppress, Suppression, Target, TargetKind, ValueKind, normal,
)  # fmt: skip

__all__ = ["Brevo", "BrevoSettings"]

SWEEP_AGAIN = timedelta(days=7)  # whether leaving moves `modifiedAt` is not documented: sweep all this often
LAG = timedelta(minutes=10)  # changes that show late
SKEW = timedelta(minutes=5)  # between our clock and Brevo's
PATIENCE = 120.0  # seconds for an import: Brevo's edge gives up (524) before
RECALLED = "~"  # marks the job of a batch whose answer was lost
_NO_STATUS = "brevo has no status: only people who opted in are created"
_UNDONE = {"add": (Reason.GONE, "not a contact of the account"), "remove": (Reason.OTHER, "still in the list")}
_LISTED = frozenset({TargetKind.CONTACTS, TargetKind.SEGMENT})
_ERASED: Mapping[int, State] = {404: State.NOOP, 405: State.REJECTED}  # 405: the account's owner


class Brevo:
    """One Brevo account."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: Settings, http: Http) -> None:
        if not isinstance(settings, BrevoSettings):
            raise errors.SettingsError("brevo: these are another connector's settings")
        self._settings = settings
        self._reads = Reads(http)

    def check(self) -> Account:
        about: Json = self._reads.call("GET", "/account", rate=OTHER).json()
        organisation = str(wire.part(about, "organization_id"))
        plan = next((row.get("type") for row in about.get("plan") or ()), None)
        return Account(organisation, about.get("companyName") or "", plan)

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        return self._found(list(targets), self._folder())

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted, folder = list(targets), self._folder()
        refs = self._found(wanted, folder)
        for target in wanted:
            if target not in refs:
                if target.kind in _LISTED and not folder:
                    folder = self._made("/contacts/folders", {"name": self._settings.place()})
                refs[target] = self._create(target, folder)
        return refs

    def _folder(self) -> Ref | None:
        return self._reads.titles("/contacts/folders", "folders").get(self._settings.place())

    def _lists(self, folder: Ref | None) -> Mapping[str, Ref]:
        return self._reads.titles(f"/contacts/folders/{folder}/lists", "lists") if folder else {}

    def _found(self, wanted: Sequence[Target], folder: Ref | None) -> dict[Target, Ref]:
        kinds = {target.kind for target in wanted}
        known = dict.fromkeys(_LISTED, self._lists(folder) if kinds & _LISTED else {})
        if TargetKind.POOL in kinds:
            known[TargetKind.POOL] = self._reads.titles("/couponCollections", "collections", 100, OTHER)
        named = {target: known.get(target.kind, {}).get(target.title) for target in wanted}
        fields = [target for target in wanted if target.kind is TargetKind.FIELD]
        found = self._reads.attributes(fields) if fields else {}
        return found | {target: ref for target, ref in named.items() if ref}

    def _create(self, target: Target, folder: Ref | None) -> Ref:
        match target.kind:
            case TargetKind.FIELD:
                body = {"type": TYPES[target.value or ValueKind.TEXT]}
                self._reads.call("POST", f"/contacts/attributes/normal/{target.title}", json=body)
                return target.title
            case TargetKind.POOL:
                body = {"name": target.title, "defaultCoupon": self._settings.default_coupon}
                return self._made("/couponCollections", body, rate=OTHER)
        return self._made("/contacts/lists", {"name": target.title, "folderId": int(folder or 0)})

    def _made(self, path: str, body: Json, **options: str) -> Ref:
        return str(wire.part(self._reads.call("POST", path, json=body, **options).json(), "id"))

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Imports answer with a process; removals and small additions answer at once, and cannot create."""
        if isinstance(batch.changes[0], AddCode):
            yield from codes.push(self._reads, batch)
            return
        changes = contacts(batch)
        verb = _verb(changes)
        if verb is None:
            yield from self._imported(batch.ref, changes)
            return
        for at in range(0, len(changes), AT_ONCE):
            yield from self._listed(batch.ref, changes[at : at + AT_ONCE], verb)

    def _imported(self, list_ref: Ref, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
        others = [one for one in changes if isinstance(one, AddContact) and one.status is not Consent.SUBSCRIBED]
        yield from each(others, State.REJECTED, Reason.OTHER, words=_NO_STATUS)
        refused = {one.id for one in others}
        for part in wire.imports(one for one in changes if one.id not in refused):
            carried = [change for same in part.changes.values() for change in same]
            body = wire.import_body(part, list_ref)
            try:
                answer = self._reads.call("POST", "/contacts/import", json=body, timeout=PATIENCE)
            except errors.InvalidRequest as error:
                words = wire.words(error.body)
                if error.status != HTTPStatus.NOT_FOUND and not wire.NO_LIST.search(words):
                    raise
                yield from each(carried, State.REJECTED, Reason.UNKNOWN_TARGET, words=words)
            else:
                yield from each(carried, State.PENDING, job=str(wire.part(answer.json(), "processId")))

    def _listed(self, list_ref: Ref, changes: Sequence[ContactChange], verb: str) -> Iterator[Outcome]:
        people = list(dict.fromkeys(change.profile.email for change in changes))
        path = f"/contacts/lists/{list_ref}/contacts/{verb}"
        try:
            done = wire.succeeded(self._reads.call("POST", path, json={"emails": people}).json())
        except errors.InvalidRequest as error:
            words = wire.words(error.body)
            if error.status == HTTPStatus.NOT_FOUND:
                yield from each(changes, State.REJECTED, Reason.UNKNOWN_TARGET, words=words)
                return
            if not wire.NO_CHANGE.search(words):
                raise
            done = set()
        doubtful = set(people) - done  # the answer does not tell why it did nothing for them
        inside = self._reads.people(doubtful, list_ref) if doubtful else {}
        for change in changes:
            email = change.profile.email
            if email in done:
                yield applied(change)
            elif (email in inside) == (verb == "add"):
                yield noop(change)
            else:
                yield rejected(change, *_UNDONE[verb])

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """One call for up to fifty jobs, and one for each collection of codes."""
        yield from codes.poll(self._reads, [job for job in jobs if isinstance(job.batch.changes[0], AddCode)])
        imports = [job for job in jobs if not isinstance(job.batch.changes[0], AddCode)]
        found = self._reads.processes({_process(job) for job in imports})
        for job in imports:
            process = found.get(_process(job), {})
            if process.get("status") == "completed":
                yield from self._settled(job, process)
            elif process.get("status") in {"failed", "cancelled"}:
                reason = Reason.TRY_LATER if process["status"] == "failed" else Reason.OTHER
                words = mask(str(process.get("error") or process["status"]))
                yield from each(job.batch.changes, State.REJECTED, reason, words=words)

    def _settled(self, job: Job, process: Json) -> Iterator[Outcome]:
        """Applied: completed, in no file of refusals. A recalled job, and a count without a file, are read back."""
        changes = contacts(job.batch)
        people = {change.profile.email for change in changes}
        refused: dict[str, str] = {}
        recalled = job.ref.endswith(RECALLED)
        is_unclear = recalled
        told = (process.get("info") or {}).get("import") or {}  # addresses of files, or counts as they are described
        for name, about in ((name, told[name]) for name in wire.FILES if told.get(name)):
            text = self._reads.file(about) if isinstance(about, str) else None
            is_unclear = is_unclear or text is None
            refused |= dict.fromkeys(wire.named(text or "", people), name)
        held = self._reads.people(people, job.batch.ref) if is_unclear else {}
        for change in changes:
            email = change.profile.email
            must_show = recalled or isinstance(change, Suppress)  # who is in the list may be mailed all the same
            is_proven = wire.is_done(change, held.get(email)) if must_show else email in held
            if email in refused:
                yield rejected(change, wire.FILES[refused[email]], refused[email])
            elif is_unclear and not is_proven:
                reason = Reason.TRY_LATER if recalled else Reason.INVALID_ADDRESS
                yield rejected(change, reason, "not in the list after the import")
            else:
                yield applied(change)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """An import that began since may be the lost one: its job is followed, and proven by reading the list back.

        Removals and small additions are harmless to send again, and are not looked up.
        """
        if isinstance(batch.changes[0], AddCode):
            yield from each(batch.changes, State.REJECTED, Reason.OTHER, words=codes.UNTOLD)
        elif _verb(contacts(batch)) is None:
            rows, _, _ = next(self._reads.recent_processes())
            young = [row for row in rows if wire.may_be(row, since - SKEW)]
            if young:
                yield from each(batch.changes, State.PENDING, job=f"{young[0]['id']}{RECALLED}")

    def erase(self, profile: Profile) -> State:
        """Delete for good; with the contact goes its blocklisting (help 208732189). The account's owner stays: 405."""
        path = f"/contacts/{quote(profile.email, safe='')}?identifierType=email_id"
        return _ERASED.get(self._reads.call("DELETE", path, accept=frozenset(_ERASED)).status, State.APPLIED)

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        del target
        for rows, offset, last in self._reads.pages(f"/contacts/lists/{ref}/contacts", "contacts", 500):
            people = [Profile(normal(row.get("email") or ""), str(row["id"])) for row in rows]
            yield Page([one for one in people if wire.is_person(one.email)], str(offset), last)

    def count(self, target: Target, ref: Ref) -> int:
        """`uniqueSubscribers`: everyone in the list, also who is blocklisted; the other totals are retired."""
        del target
        return int(wire.part(self._reads.call("GET", f"/contacts/lists/{ref}").json(), "uniqueSubscribers"))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        """Attributes as Brevo holds them, where they are one plain value."""
        found = self._reads.people({profile.email for profile in profiles})
        held = {email: row.get("attributes") or {} for email, row in found.items()}
        return {
            email: {name: value for name, value in all_.items() if _is_plain(value)} for email, all_ in held.items()
        }

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        """Everyone on the blocklist among those modified since; the first time and once a week, among all.

        The cursor goes by Brevo's own `modifiedAt`, never by our clock.
        """
        kept: Json = json.loads(since) if since else {}
        if not kept.get("offset") and not (kept.get("modified") and now - wire.instant(kept["swept"]) < SWEEP_AGAIN):
            kept = {"swept": wire.moment(now)}
        params = {"modifiedSince": kept["modified"]} if kept.get("modified") else {}
        pages = self._reads.pages("/contacts", "contacts", 1000, offset=kept.get("offset", 0), params=params)
        ours: set[int] | None = None
        for rows, offset, last in pages:
            if ours is None and any(row.get("listUnsubscribed") for row in rows):
                ours = {int(ref) for ref in self._lists(self._folder()).values()}
            moved = [wire.moment(wire.instant(wire.part(row, "modifiedAt"))) for row in rows]
            kept |= {"newest": max([kept.get("newest", ""), *moved]), "offset": offset}
            if last:
                newest = wire.moment(wire.instant(kept["newest"]) - LAG) if kept["newest"] else ""
                kept = {"modified": newest or kept.get("modified", ""), "swept": kept["swept"]}
            found = (wire.suppression(row, ours or ()) for row in rows)
            yield Page([one for one in found if one], json.dumps(kept), last)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """An empty page that is not the last means that exports run: come back later."""
        return Reading(self._reads, since, now).pages()

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        """Brevo's own figures; openers include automatic opens, as those of `pull` do."""
        return {ref: events.total(told) for ref, told in self._reads.statistics(campaigns).items()}

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        """A delivery of a marketing webhook: exact times and links."""
        events.verify(headers, self._settings.webhook_secret)
        return events.received(body, now)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value != ""


def _process(job: Job) -> int:
    return int(job.ref.removesuffix(RECALLED))


def _verb(changes: Sequence[ContactChange]) -> str | None:
    """The call of a list's own that carries the changes; None: an import."""
    if isinstance(changes[0], RemoveMember):
        return "remove"
    return "add" if isinstance(changes[0], AddMember) and len(changes) <= SMALL else None
