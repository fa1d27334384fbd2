"""Brevo as a connector: which calls carry what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote

from connectors import types
from connectors import errors
from connectors.answers import Json, inner, instant, record, scalars
from connectors.brevo import codes, engagement, events, reads, wire
from connectors.brevo.spec import AT_ONCE, CONTACTS, OTHER, SMALL, SPEC, BrevoSettings
from connectors.fitting import there
from connectors.http import Http, mask
from connectors.outcomes import applied, contacts, each, noop, parted, rejected, said_yes, shows
from connectors.spec import Spec
from connectors.sweeps import Course, Part, Place, sweep
from connectors.types import Cursor, EventKind, Outcome, Page, Profile, Reason, Ref, State, Target, TargetKind

SWEEP_AGAIN = timedelta(days=7)  # whether leaving moves `modifiedAt` is not documented: sweep all this often
LAG = timedelta(minutes=10)  # changes that show late
SKEW = timedelta(minutes=5)  # between our clock and Brevo's
PATIENCE = 120.0  # seconds for an import: Brevo's edge gives up (524) before
RECALLED = "~"  # marks the job of a batch whose answer was lost
_BLOCKED = re.compile(r"authori[sz]ed_ips|unrecogni[sz]ed IP", re.IGNORECASE)
_BLOCKED_WORDS = (
    "brevo refuses calls from this machine's IP address, not the key: authorise the address, or switch the blocking "
    "of unknown addresses off, at https://app.brevo.com/security/authorised_ips"
)
_NO_STATUS = "brevo has no status: only people who opted in are created"
_UNDONE = {"add": (Reason.GONE, "not a contact of the account"), "remove": (Reason.OTHER, "still in the list")}
_LISTED = frozenset({TargetKind.CONTACTS, TargetKind.SEGMENT})
_ENDED = {"failed": Reason.TRY_LATER, "cancelled": Reason.OTHER}
_ERASED: Mapping[int, State] = {404: State.NOOP, 405: State.REJECTED}  # 405: the account's owner


class Brevo:
    """One Brevo account."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: BrevoSettings, http: Http) -> None:
        self._settings = settings
        self._http = http.explaining(_explained)

    def check(self) -> types.Account:
        answer = self._http("GET", "/account", rate=OTHER)
        about = record(answer.json(), "organization_id")
        plan = next((row.get("type") for row in about.get("plan") or ()), None)
        return types.Account(str(about["organization_id"]), about.get("companyName") or "", plan)

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        return self._found(list(targets), self._folder())

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted, folder = list(targets), self._folder()
        refs = self._found(wanted, folder)
        missing = [target for target in wanted if target not in refs]
        if not folder and any(target.kind in _LISTED for target in missing):
            folder = self._made("/contacts/folders", name=self._settings.place())
        return refs | {target: self._create(target, folder) for target in missing}

    def _folder(self) -> Ref | None:
        return reads.titles(self._http, "/contacts/folders", "folders").get(self._settings.place())

    def _lists(self, folder: Ref | None) -> Mapping[str, Ref]:
        return reads.titles(self._http, f"/contacts/folders/{folder}/lists", "lists") if folder else {}

    def _found(self, wanted: Sequence[Target], folder: Ref | None) -> dict[Target, Ref]:
        kinds = {target.kind for target in wanted}
        known = dict.fromkeys(_LISTED, self._lists(folder) if kinds & _LISTED else {})
        if TargetKind.POOL in kinds:
            known[TargetKind.POOL] = reads.titles(self._http, "/couponCollections", "collections", 100, OTHER)
        named = {target: known.get(target.kind, {}).get(target.title) for target in wanted}
        fields = [target for target in wanted if target.kind is TargetKind.FIELD]
        found = there(fields, reads.attributes(self._http) if fields else {}, SPEC.fields)
        return found | {target: ref for target, ref in named.items() if ref}

    def _create(self, target: Target, folder: Ref | None) -> Ref:
        if target.kind is TargetKind.FIELD:
            body = {"type": SPEC.fields[target.value or types.ValueKind.TEXT].type}
            self._http("POST", f"/contacts/attributes/normal/{target.title}", json=body)
            return target.title
        if target.kind is TargetKind.POOL:
            default = self._settings.default_coupon
            return self._made("/couponCollections", OTHER, name=target.title, defaultCoupon=default)
        return self._made("/contacts/lists", name=target.title, folderId=int(folder or 0))

    def _made(self, path: str, rate: str = CONTACTS, **body: str | int) -> Ref:
        return str(self._http("POST", path, json=body, rate=rate).part("id"))

    def push(self, batch: types.Batch) -> Iterator[Outcome]:
        """Imports answer with a process; removals and small additions answer at once, and cannot create."""
        if isinstance(batch.changes[0], types.AddCode):
            return codes.push(self._http, batch)
        changes = contacts(batch)
        verb = _verb(changes)
        return self._listed(batch.ref, changes, verb) if verb else self._imported(batch.ref, changes)

    def _imported(self, list_ref: Ref, changes: Sequence[types.ContactChange]) -> Iterator[Outcome]:
        willing, others = parted(changes, said_yes)
        yield from each(others, State.REJECTED, Reason.OTHER, words=_NO_STATUS)
        for same in wire.imports(willing):
            body = wire.import_body(same, list_ref)
            try:
                process = self._http("POST", "/contacts/import", json=body, timeout=PATIENCE).part("processId")
            except errors.InvalidRequest as error:
                if error.status != HTTPStatus.NOT_FOUND and not wire.says(error, wire.NO_LIST):
                    raise
                yield from each(same, State.REJECTED, Reason.UNKNOWN_TARGET)
            else:
                yield from each(same, State.PENDING, job=str(process))

    def _listed(self, list_ref: Ref, changes: Sequence[types.ContactChange], verb: str) -> Iterator[Outcome]:
        for at in range(0, len(changes), AT_ONCE):
            some = changes[at : at + AT_ONCE]
            people = list(dict.fromkeys(change.profile.email for change in some))
            done = self._moved(f"/contacts/lists/{list_ref}/contacts/{verb}", people)
            if done is None:
                yield from each(some, State.REJECTED, Reason.UNKNOWN_TARGET)
                continue
            # the answer does not tell why it did nothing for the others
            inside = reads.people(self._http, [email for email in people if email not in done], list_ref)
            for change in some:
                email = change.profile.email
                if email in done:
                    yield applied(change)
                else:
                    yield noop(change) if shows(change, inside.get(email)) else rejected(change, *_UNDONE[verb])

    def _moved(self, path: str, people: Sequence[str]) -> set[str] | None:
        """Whom an add or a remove changed; None: the list is gone."""
        try:
            return wire.succeeded(self._http("POST", path, json={"emails": people}).json())
        except errors.InvalidRequest as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            if not wire.says(error, wire.NO_CHANGE):
                raise
            return set()

    def poll(self, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
        """One call for up to fifty jobs, and one for each collection of codes."""
        pools, imports = parted(jobs, lambda job: isinstance(job.batch.changes[0], types.AddCode))
        yield from codes.poll(self._http, pools)
        found = reads.processes(self._http, {_process(job) for job in imports})
        for job in imports:
            process = found.get(_process(job), {})
            status = process.get("status")
            if status == "completed":
                yield from self._settled(job, process)
            elif status in _ENDED:
                words = mask(str(process.get("error") or status))
                yield from each(job.batch.changes, State.REJECTED, _ENDED[status], words=words)

    def _settled(self, job: types.Job, process: Json) -> Iterator[Outcome]:
        """Applied: completed, in no file of refusals. A recalled job, and a count without a file, are read back."""
        told = inner(process, "info", "import") or {}  # addresses of files, or counts as they are described
        files = {name: about for name, about in told.items() if about and wire.REFUSED.match(name)}
        is_plain = not files and not job.ref.endswith(RECALLED)
        return each(job.batch.changes, State.APPLIED) if is_plain else self._read_back(job, files)

    def _read_back(self, job: types.Job, files: Json) -> Iterator[Outcome]:
        changes, is_recalled = contacts(job.batch), job.ref.endswith(RECALLED)
        people = {change.profile.email for change in changes}
        texts = {
            name: reads.file(self._http, about) if isinstance(about, str) else None for name, about in files.items()
        }
        refused = {email: name for name, text in texts.items() for email in wire.named(text or "", people)}
        is_unclear = is_recalled or None in texts.values()
        held = reads.people(self._http, people, job.batch.ref) if is_unclear else {}
        for change in changes:
            email = change.profile.email
            if email in refused:
                yield rejected(change, wire.refused(refused[email]), refused[email])
            elif is_unclear and not _is_proven(change, held.get(email), is_ours=not is_recalled):
                reason = Reason.TRY_LATER if is_recalled else Reason.INVALID_ADDRESS
                yield rejected(change, reason, "not in the list after the import")
            else:
                yield applied(change)

    def recall(self, batch: types.Batch, since: datetime) -> Iterator[Outcome]:
        """An import that began since may be the lost one: its job is followed, and proven by reading the list back.

        Removals and small additions are harmless to send again, and are not looked up.
        """
        if isinstance(batch.changes[0], types.AddCode):
            yield from each(batch.changes, State.REJECTED, Reason.OTHER, words=codes.UNTOLD)
        elif _verb(contacts(batch)) is None:
            young = [row for row in next(reads.recent(self._http)).rows if wire.may_be(row, since - SKEW)]
            if young:
                yield from each(batch.changes, State.PENDING, job=f"{young[0]['id']}{RECALLED}")

    def erase(self, profile: Profile) -> State:
        """Delete for good; with the contact goes its blocklisting (help 208732189). The account's owner stays: 405."""
        path = f"/contacts/{quote(profile.email, safe='')}?identifierType=email_id"
        return _ERASED.get(self._http("DELETE", path, accept=frozenset(_ERASED)).status, State.APPLIED)

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        del target
        for found, following in reads.pages(self._http, f"/contacts/lists/{ref}/contacts", "contacts", 500):
            people = [Profile(wire.address(row), str(row["id"])) for row in found]
            real = [one for one in people if wire.is_person(one.email)]
            yield Page(real, str(following or ""), last=following is None)

    def count(self, target: Target, ref: Ref) -> int:
        """`uniqueSubscribers`: everyone in the list, also who is blocklisted; the other totals are retired."""
        del target
        return int(self._http("GET", f"/contacts/lists/{ref}").part("uniqueSubscribers"))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, types.Fitted]]:
        """Attributes as Brevo holds them, where they are one plain value."""
        found = reads.people(self._http, [profile.email for profile in profiles])
        return {email: scalars(row.get("attributes")) for email, row in found.items()}

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[types.Suppression]]:
        """Everyone on the blocklist among those modified since; the first time and once a week, among all.

        The cursor goes by Brevo's own `modifiedAt`.
        """
        course = Course(name="contacts", read=self._leavers, whole=SWEEP_AGAIN)
        return sweep([course], since, now, overlap=LAG)

    def _leavers(self, since: datetime | None, place: Place | None) -> Iterator[Part[types.Suppression]]:
        params = {"modifiedSince": wire.moment(since)} if since else {}
        ours: set[int] | None = None
        for found, following in reads.pages(self._http, "/contacts", "contacts", 1000, start=place, **params):
            if ours is None and any(row.get("listUnsubscribed") for row in found):
                ours = {int(ref) for ref in self._lists(self._folder()).values()}
            told = (wire.suppression(row, ours or ()) for row in found)
            times = [instant(row.get("modifiedAt")) for row in found]
            yield Part(items=[one for one in told if one], following=following, times=times)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[types.EngagementEvent]]:
        """An empty page that is not the last means that exports run: come back later."""
        return engagement.Reading(self._http, since, now).pages()

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        """Brevo's own figures; openers include automatic opens, as those of `pull` do."""
        return engagement.totals(self._http, campaigns)

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[types.EngagementEvent]:
        """A delivery of a marketing webhook: exact times and links."""
        events.prove(headers, self._settings.webhook_secret)
        return events.received(body, now)


def _explained(error: errors.ConnectorError, _family: str) -> errors.ConnectorError:
    """A blocked machine is told from a refused key."""
    if not isinstance(error, errors.Unauthorized) or not _BLOCKED.search(str(error)):
        return error
    return errors.Unauthorized(_BLOCKED_WORDS, status=error.status, request_id=error.request_id)


def _process(job: types.Job) -> int:
    return int(job.ref.removesuffix(RECALLED))


def _verb(changes: Sequence[types.ContactChange]) -> str | None:
    """The call of a list's own that carries the changes; None: an import."""
    if isinstance(changes[0], types.RemoveMember):
        return "remove"
    return "add" if isinstance(changes[0], types.AddMember) and len(changes) <= SMALL else None


def _is_proven(change: types.ContactChange, contact: Json | None, *, is_ours: bool) -> bool:
    """The list, as it is read back, shows that the import took effect; who is in it may be mailed all the same."""
    if is_ours and not isinstance(change, types.Suppress):
        return contact is not None
    held = None if contact is None else scalars(contact.get("attributes"))
    return shows(change, held, left=contact is not None and contact.get("emailBlacklisted") is True)
