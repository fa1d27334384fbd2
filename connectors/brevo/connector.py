"""Brevo as a connector: what it carries, and which calls carry it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from connectors import errors
from connectors.brevo import wire
from connectors.brevo.engagement import Reading
from connectors.brevo.events import ACTIONS
from connectors.brevo.reads import CONTACTS, FILES, LISTED, OTHER, Reads
from connectors.http import Rate, mask
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import (
    Account,
    AddContact,
    AddMember,
    ClearTraits,
    EngagementEvent,
    Outcome,
    Page,
    Precision,
    Profile,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Suppression,
    TargetKind,
    ValueKind,
    normal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.brevo.wire import Json
    from connectors.http import Http
    from connectors.spec import Settings
    from connectors.types import Batch, ContactChange, Cursor, Fitted, Job, Ref, Target

__all__ = ["Brevo", "BrevoSettings"]

AT_ONCE = 150  # addresses in one add or remove (POST /contacts/lists/{id}/contacts/add, 2026-11-22)
SMALL = 10 * AT_ONCE  # additions go by address, which cannot create, up to here; more go as an import
FEW = 20  # contacts read one by one; more are found by paging
SWEEP_AGAIN = timedelta(days=7)  # whether leaving moves `modifiedAt` is not documented: sweep all this often
LAG = timedelta(minutes=10)  # changes that show late
SKEW = timedelta(minutes=5)  # between our clock and Brevo's
PATIENCE = 120.0  # seconds for an import: Brevo's edge gives up (524) before
RECALLED = "~"  # marks the job of a batch whose answer was lost
_RESERVED = "EMAIL SMS EXT_ID WHATSAPP LANDLINE_NUMBER ADDED_TIME MODIFIED_TIME"
_IMPORT = Limit(items=10_000, bytes=8_000_000, each=60)  # 10 MB a body, 8 advised (POST /contacts/import, 2026-11-22)
_LATER = Limit(items=10_000, bytes=8_000_000, each=60, after=frozenset({AddContact}))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrevoSettings:
    """What opens the account: `folder` holds our lists there (default: the prefix without its separators)."""

    api_key: str = field(repr=False)
    prefix: str = ""
    folder: str = ""
    base_url: str = "https://api.brevo.com/v3"

    def __post_init__(self) -> None:
        if not self.api_key.strip():
            raise errors.SettingsError("brevo: api_key is empty")

    def headers(self) -> Mapping[str, str]:
        return {"api-key": self.api_key}

    def place(self) -> str:
        """The name of our folder."""
        return self.folder or self.prefix.strip(" -_:/|·") or "ciblage"


class Brevo:
    """One Brevo account."""

    spec: ClassVar[Spec] = Spec(
        name="brevo",
        version="1",
        settings=BrevoSettings,
        carries={
            AddContact: _IMPORT,
            SetTraits: _LATER,
            ClearTraits: _LATER,
            AddMember: _LATER,
            RemoveMember: Limit(items=AT_ONCE),
            Suppress: _LATER,
        },
        fields={kind: Field(type=name) for kind, name in wire.TYPES.items()},
        fit=wire.fit,
        field_names=Names(length=50, upper=True, reserved=frozenset(_RESERVED.split())),
        rates=MappingProxyType({CONTACTS: (Rate(10, 1), Rate(36_000, 3600)), OTHER: (Rate(100, 3600),), FILES: ()}),
        share={OTHER: 0.5},
        in_flight=2,
        poll_after=(30.0, 60.0, 120.0, 300.0),
        reports={kind: Precision.CAMPAIGN for action in ACTIONS.values() for kind in action.kinds},
    )

    def __init__(self, settings: Settings, http: Http) -> None:
        if not isinstance(settings, BrevoSettings):
            raise errors.SettingsError("brevo: these are another connector's settings")
        self._place = settings.place()
        self._reads = Reads(http)

    def check(self) -> Account:
        about: Json = self._reads.call("GET", "/account", rate=OTHER).json()
        organisation = wire.part(about, "organization_id")
        return Account(str(organisation), about.get("companyName") or "", wire.plan(about))

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        fields = [target for target in wanted if target.kind is TargetKind.FIELD]
        listed = [target for target in wanted if target.kind in LISTED]
        found = self._reads.attributes(fields) if fields else {}
        by_title = self._reads.lists(self._reads.folder(self._place)) if listed else {}
        return found | {target: by_title[target.title] for target in listed if target.title in by_title}

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        refs = dict(self.find(wanted))
        missing = [target for target in wanted if target not in refs]
        for target in missing:
            if target.kind is TargetKind.FIELD:
                body = {"type": wire.TYPES[target.value or ValueKind.TEXT]}
                self._reads.call("POST", f"/contacts/attributes/normal/{target.title}", json=body)
                refs[target] = target.title
        listed = [target for target in missing if target.kind in LISTED]
        if listed:
            folder = self._reads.folder(self._place) or self._made("/contacts/folders", {"name": self._place})
            for target in listed:
                refs[target] = self._made("/contacts/lists", {"name": target.title, "folderId": int(folder)})
        return refs

    def _made(self, path: str, body: Json) -> Ref:
        return str(wire.part(self._reads.call("POST", path, json=body).json(), "id"))

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Imports answer with a process; removals and small additions answer at once, and cannot create."""
        changes = wire.contact_changes(batch.changes)
        verb = _verb(changes)
        if verb is None:
            yield from self._imported(batch.ref, changes)
            return
        for at in range(0, len(changes), AT_ONCE):
            yield from self._listed(batch.ref, changes[at : at + AT_ONCE], verb)

    def _imported(self, list_ref: Ref, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
        for change in changes:
            if not wire.is_importable(change):
                yield _rejected(change, Reason.OTHER, "brevo has no status: only people who opted in are created")
        for part in wire.imports(change for change in changes if wire.is_importable(change)):
            carried = [change for same in part.changes.values() for change in same]
            body = wire.import_body(part, list_ref)
            try:
                answer = self._reads.call("POST", "/contacts/import", json=body, timeout=PATIENCE)
            except errors.InvalidRequest as error:
                if error.status != HTTPStatus.NOT_FOUND and not wire.NO_LIST.search(wire.words(error.body)):
                    raise
                yield from (_rejected(change, Reason.UNKNOWN_TARGET, wire.words(error.body)) for change in carried)
                continue
            process = str(wire.process_id(answer.json()))
            yield from (Outcome(id=change.id, state=State.PENDING, job=process) for change in carried)

    def _listed(self, list_ref: Ref, changes: Sequence[ContactChange], verb: str) -> Iterator[Outcome]:
        people = list(dict.fromkeys(change.profile.email for change in changes))
        path = f"/contacts/lists/{list_ref}/contacts/{verb}"
        try:
            done = wire.succeeded(self._reads.call("POST", path, json={"emails": people}).json())
        except errors.InvalidRequest as error:
            words = wire.words(error.body)
            if error.status == HTTPStatus.NOT_FOUND:
                yield from (_rejected(change, Reason.UNKNOWN_TARGET, words) for change in changes)
                return
            if not wire.NO_CHANGE.search(words):
                raise
            done = set()
        doubtful = set(people) - done  # already there, or not a contact: the answer does not tell
        there = self._reads.held(list_ref, doubtful) if doubtful and verb == "add" else {}
        for change in changes:
            email = change.profile.email
            if email in done:
                yield Outcome(id=change.id, state=State.APPLIED)
            elif verb == "remove" or email in there:
                yield Outcome(id=change.id, state=State.NOOP)
            else:
                yield _rejected(change, Reason.GONE, "not a contact of the account")

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """One call for up to fifty jobs."""
        found = self._reads.processes({_process(job) for job in jobs})
        for job in jobs:
            process = found.get(_process(job), {})
            if process.get("status") == "completed":
                yield from self._settled(job, process)
            elif process.get("status") in {"failed", "cancelled"}:
                words = mask(str(process.get("error") or process["status"]))
                reason = Reason.TRY_LATER if process["status"] == "failed" else Reason.OTHER
                yield from (_rejected(change, reason, words) for change in wire.contact_changes(job.batch.changes))

    def _settled(self, job: Job, process: Json) -> Iterator[Outcome]:
        """Applied: completed, and named in no file of refusals. A recalled job, and a count without a file, are read back."""
        changes = wire.contact_changes(job.batch.changes)
        people = {change.profile.email for change in changes}
        refused: dict[str, str] = {}
        recalled = job.ref.endswith(RECALLED)
        is_unclear = recalled
        for name, about in wire.files(process).items():
            text = self._reads.file(about) if isinstance(about, str) else None
            is_unclear = is_unclear or text is None
            refused |= dict.fromkeys(wire.named(text or "", people), name)
        held = self._reads.held(job.batch.ref, people) if is_unclear else {}
        for change in changes:
            email = change.profile.email
            is_proven = wire.is_done(change, held.get(email)) if recalled else email in held
            if email in refused:
                yield _rejected(change, wire.FILES[refused[email]], refused[email])
            elif is_unclear and not is_proven:
                reason = Reason.TRY_LATER if recalled else Reason.INVALID_ADDRESS
                yield _rejected(change, reason, "not in the list after the import")
            else:
                yield Outcome(id=change.id, state=State.APPLIED)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """An import that began since may be the lost one: its job is followed, and proven by reading the list back.

        Removals and small additions are harmless to send again, and are not looked up.
        """
        changes = wire.contact_changes(batch.changes)
        rows = self._reads.recent_processes() if _verb(changes) is None else ()
        young = [row for row in rows if wire.may_be(row, since - SKEW)]
        if young:
            job = f"{young[0]['id']}{RECALLED}"
            yield from (Outcome(id=change.id, state=State.PENDING, job=job) for change in changes)

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        del target
        for part in self._reads.contacts(f"/contacts/lists/{ref}/contacts", 500):
            people = [Profile(normal(row.get("email") or ""), str(row["id"])) for row in part.rows]
            yield Page([one for one in people if wire.is_person(one.email)], str(part.offset), part.last)

    def count(self, target: Target, ref: Ref) -> int:
        """`uniqueSubscribers`: everyone in the list, also who is blocklisted; the other totals are retired."""
        del target
        return int(wire.part(self._reads.call("GET", f"/contacts/lists/{ref}").json(), "uniqueSubscribers"))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        """Attributes as Brevo holds them: a few people one by one, many by paging over the account."""
        wanted = {profile.email for profile in profiles}
        if len(wanted) > FEW:
            rows = [row for part in self._reads.contacts("/contacts", 1000) for row in part.rows]
        else:
            rows = [row for email in sorted(wanted) if (row := self._reads.contact(email))]
        known = {normal(row.get("email") or ""): wire.scalars(row) for row in rows}
        return {email: held for email, held in known.items() if email in wanted}

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        """Everyone on the blocklist among those modified since; the first time and once a week, among all."""
        sweep = Sweep.begin(since, now)
        ours: set[int] | None = None
        for part in self._reads.contacts("/contacts", 1000, offset=sweep.offset, params=sweep.params()):
            if ours is None and any(row.get("listUnsubscribed") for row in part.rows):
                ours = {int(ref) for ref in self._reads.lists(self._reads.folder(self._place)).values()}
            found = [left for row in part.rows if (left := wire.suppression(row, ours or ()))]
            sweep = sweep.after(part.rows, part.offset)
            yield Page(found, sweep.cursor(is_done=part.last), part.last)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """An empty page that is not the last means that exports run: come back later."""
        return Reading(self._reads, since, now).pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Where a read of suppressions stands: by Brevo's own `modifiedAt`, never by our clock."""

    modified: str = ""  # read what was modified since; empty: everyone
    swept: str = ""  # when everyone was last read
    newest: str = ""  # the latest `modifiedAt` seen so far
    offset: int = 0

    @classmethod
    def begin(cls, since: Cursor | None, now: datetime) -> Sweep:
        kept = cls(**json.loads(since)) if since else cls()
        if kept.offset or (kept.modified and now - wire.instant(kept.swept) < SWEEP_AGAIN):
            return kept
        return cls(swept=wire.moment(now))

    def params(self) -> Mapping[str, str | int]:
        return {"modifiedSince": self.modified} if self.modified else {}

    def after(self, rows: Iterable[Json], offset: int) -> Sweep:
        newest = max([self.newest, *(wire.moment(wire.instant(wire.part(row, "modifiedAt"))) for row in rows)])
        return replace(self, newest=newest, offset=offset)

    def cursor(self, *, is_done: bool) -> Cursor:
        if not is_done:
            return json.dumps(asdict(self))
        modified = wire.moment(wire.instant(self.newest) - LAG) if self.newest else self.modified
        return json.dumps({"modified": modified, "swept": self.swept})


def _verb(changes: Sequence[ContactChange]) -> str | None:
    """The call of a list's own that carries the changes; None: an import."""
    if isinstance(changes[0], RemoveMember):
        return "remove"
    return "add" if isinstance(changes[0], AddMember) and len(changes) <= SMALL else None


def _process(job: Job) -> int:
    return int(job.ref.removesuffix(RECALLED))


def _rejected(change: ContactChange, reason: Reason, words: str) -> Outcome:
    return Outcome(id=change.id, state=State.REJECTED, reason=reason, words=words)
