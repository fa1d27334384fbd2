"""One audience of one Mailchimp account: it maps and sends, and keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, cast

from connectors import errors
from connectors.base import Settings, Spec
from connectors.http import Http, Response
from connectors.mailchimp import pages, sdk, wire
from connectors.mailchimp.spec import FIELD_TYPES, FIELDS_AT_MOST, SPEC, MailchimpSettings
from connectors.types import (
    Account,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    ContactChange,
    Cursor,
    EngagementEvent,
    Fitted,
    Job,
    Outcome,
    Page,
    Profile,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Suppression,
    Target,
    TargetKind,
)

_SLOW = 130.0  # seconds: the provider gives up at 120; giving up before it leaves the write running
_SKEW = timedelta(minutes=10)  # between our clock and theirs, when an ambiguous write is looked up
_FEW = 25  # contacts looked up one by one; more are read as a list
_EVERYONE = {"include_cleaned": "true", "include_transactional": "true", "include_unsubscribed": "true"}


class Mailchimp:
    """Contacts by batch add (create-only) and PATCH (never creates), segments as static segments."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: Settings, http: Http) -> None:
        self._settings = cast("MailchimpSettings", settings)
        self._http = http
        self._routes: Mapping[type[Change], Callable[[Batch], Iterator[Outcome]]] = {
            AddContact: self._add,
            SetTraits: self._update,
            ClearTraits: self._update,
            Suppress: self._update,
            AddMember: self._move,
            RemoveMember: self._move,
        }

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
        audience = self._audience() if wanted else ""
        found: dict[Target, Ref] = {target: audience for target in wanted if target.kind is TargetKind.CONTACTS}
        found |= self._segments(audience, [target for target in wanted if target.kind is TargetKind.SEGMENT])
        found |= self._fields(audience, [target for target in wanted if target.kind is TargetKind.FIELD])[0]
        return found

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Segments and fields that are missing; never an audience. Raises SettingsError when a field has no room."""
        wanted = list(targets)
        audience = self._audience() if wanted else ""
        found = dict(self.find(wanted))
        missing = [target for target in wanted if target not in found]
        fields = [target for target in missing if target.kind is TargetKind.FIELD]
        if fields:
            present = self._fields(audience, fields)[1]
            if present + len(fields) > FIELDS_AT_MOST:
                raise errors.SettingsError(
                    f"mailchimp: the audience has {present} merge fields and takes {FIELDS_AT_MOST} at most"
                )
        for target in missing:
            found[target] = self._create(audience, target)
        return found

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """One call a batch, and look-ups only for what its answer leaves open."""
        if not batch.changes:
            return iter(())
        return self._routes[type(batch.changes[0])](batch)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Outcomes of the jobs that have finished, from their result archives; one call tells the state of all."""
        states = self._states([job.ref for job in jobs])
        for job in jobs:
            state = states[job.ref]
            if state is None:
                yield from (_unknown(change) for change in job.batch.changes)
            elif state.get("status") == "finished":
                yield from self._results(job, state)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """What an ambiguous write did: an outcome for each change that is seen to be done, none for the others."""
        changes = _contacts(batch)
        if changes and isinstance(changes[0], AddContact):
            yield from self._recall_added(batch.ref, changes, since)
        elif changes and isinstance(changes[0], (AddMember, RemoveMember)):
            present = self._ids(*_member_path(batch.ref))
            for change in changes:
                if (wire.subscriber(change.profile.email) in present) == isinstance(change, AddMember):
                    yield Outcome(id=change.id, state=State.APPLIED)
        elif changes:
            yield from self._recall_jobs(batch, since)

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        """Everyone there, of every status but archived; the cursor is an offset."""
        _ = target
        path, params = _member_path(ref)
        params |= {"fields": "members.id,members.email_address,members.status,total_items"}
        for part in pages.read(self._http, path, "members", params=params):
            profiles = [
                Profile(wire.normal(str(entry["email_address"])), entry.get("id"))
                for entry in part.items
                if entry.get("status") not in wire.GONE
            ]
            yield Page(profiles, str(part.following or ""), last=part.following is None)

    def count(self, target: Target, ref: Ref) -> int:
        """Everyone in it, whatever the status (not the cached `stats`, not `member_count`'s subscribers alone)."""
        _ = target
        path, params = _member_path(ref)
        answer = self._http("GET", path, params={**params, "count": 1, "fields": "total_items"}).json()
        return int(answer["total_items"])

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        """Merge fields that hold something; a handful is asked for one by one, more are read as a list."""
        audience = self._audience()
        wanted = {wire.subscriber(profile.email): profile.email for profile in profiles}
        fields = ("id", "status", "merge_fields")
        entries = self._few(audience, wanted, fields) if len(wanted) <= _FEW else self._all(audience, fields)
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

    # targets
    def _audience(self) -> str:
        """The id of the audience of the settings. Raises SettingsError."""
        wanted = self._settings.audience.strip()
        fields = ["lists.id", "lists.name", "total_items"]
        lists = sdk.ask(self._http, "lists.get_all_lists", count=pages.COUNT, fields=fields)
        known = {str(entry["id"]): str(entry["name"]) for entry in wire.items(lists, "lists")}
        found = [wanted] if wanted in known else [ref for ref, name in known.items() if name == wanted]
        if len(found) != 1:
            trouble = "is the name of several audiences: give its id" if found else "does not exist in this account"
            raise errors.SettingsError(f"mailchimp: the audience '{wanted}' {trouble}")
        return found[0]

    def _segments(self, audience: str, targets: Sequence[Target]) -> dict[Target, Ref]:
        if not targets:
            return {}
        params = {"type": "static", "fields": "segments.id,segments.name,total_items"}
        names: dict[str, int] = {}
        for part in pages.read(self._http, f"/lists/{audience}/segments", "segments", params=params):
            for entry in part.items:
                names[entry["name"]] = min(entry["id"], names.get(entry["name"], entry["id"]))
        return {target: f"{audience}/{names[target.title]}" for target in targets if target.title in names}

    def _fields(self, audience: str, targets: Sequence[Target]) -> tuple[dict[Target, Ref], int]:
        """The targets that exist, and how many merge fields there are."""
        if not targets:
            return {}, 0
        fields = ["merge_fields.tag", "merge_fields.type", "total_items"]
        answer = sdk.ask(self._http, "lists.get_list_merge_fields", audience, count=pages.COUNT, fields=fields)
        types = {str(entry["tag"]): str(entry["type"]) for entry in wire.items(answer, "merge_fields")}
        for target in targets:
            wanted = _field_type(target)
            if types.get(target.title, wanted) != wanted:
                raise errors.SettingsError(
                    f"mailchimp: merge field {target.title} exists with type {types[target.title]}, "
                    f"and '{target.name}' needs {wanted}; give the merge tag another name"
                )
        return {target: target.title for target in targets if target.title in types}, len(types)

    def _create(self, audience: str, target: Target) -> Ref:
        if target.kind is TargetKind.SEGMENT:
            made = sdk.ask(self._http, "lists.create_segment", audience, {"name": target.title, "static_segment": []})
            return f"{audience}/{made['id']}"
        if target.kind is not TargetKind.FIELD:
            raise errors.SettingsError(f"mailchimp: {target.kind.value} '{target.title}' cannot be created")
        body = {"tag": target.title, "name": target.name[:50], "type": _field_type(target), "public": False}
        try:
            made = sdk.ask(self._http, "lists.add_list_merge_field", audience, body | {"required": False})
        except errors.InvalidRequest as error:
            raise errors.SettingsError(f"mailchimp: merge field {target.title} was refused: {error}") from None
        if made.get("tag") != target.title:
            raise errors.UnexpectedResponse(f"mailchimp: merge field {target.title} was created as {made.get('tag')}")
        return target.title

    # writes
    def _add(self, batch: Batch) -> Iterator[Outcome]:
        adds = [change for change in batch.changes if isinstance(change, AddContact)]
        sent = [change for change in adds if change.status in wire.STATUS]
        why = wire.Failure(Reason.OTHER, "a pending consent is not sent: it would mail a confirmation request")
        yield from (wire.rejected(change, why) for change in adds if change.status not in wire.STATUS)
        if not sent:
            return
        params = {"skip_merge_validation": "true", "skip_duplicate_check": "true"}
        body = {"members": [wire.member(change) for change in sent]}
        response = self._write(f"/lists/{batch.ref}", body, sent, params)
        if response is None:
            yield from map(_no_target, sent)
            return
        outcomes, waiting = wire.added(sent, response.json())
        yield from outcomes
        yield from self._unmentioned(batch.ref, waiting)

    def _unmentioned(self, audience: str, waiting: Mapping[str, Sequence[ContactChange]]) -> Iterator[Outcome]:
        """Batch add passes over some addresses in silence (pmpro-mailchimp#152, 2026-05): they are looked up."""
        wanted = {wire.subscriber(email): email for email in waiting}
        fields = ("id", "status")
        entries = self._few(audience, wanted, fields) if len(wanted) <= _FEW else self._all(audience, fields)
        present = {wanted[entry["id"]] for entry in entries if entry["id"] in wanted}
        why = wire.Failure(Reason.OTHER, "the answer passes over this contact, and it is not in the audience")
        for email, changes in waiting.items():
            yield from (wire.exists(change) if email in present else wire.rejected(change, why) for change in changes)

    def _update(self, batch: Batch) -> Iterator[Outcome]:
        changes = _contacts(batch)
        body = {"operations": [wire.operation(batch.ref, change) for change in changes]}
        response = self._http("POST", "/batches", json=body, timeout=_SLOW)
        job = str(wire.field(response.json(), "id"))
        yield from (Outcome(id=change.id, state=State.PENDING, job=job) for change in changes)

    def _move(self, batch: Batch) -> Iterator[Outcome]:
        changes = _contacts(batch)
        is_add = isinstance(changes[0], AddMember)
        audience, _, segment = batch.ref.partition("/")
        addresses = [change.profile.email for change in changes]
        body = {"members_to_add" if is_add else "members_to_remove": list(dict.fromkeys(addresses))}
        response = self._write(f"/lists/{audience}/segments/{segment}", body, changes)
        if response is None:
            yield from map(_no_target, changes)
            return
        key = "members_added" if is_add else "members_removed"
        outcomes, waiting, words = wire.moved(changes, response.json(), key)
        yield from outcomes
        if waiting:
            yield from self._unmoved(batch.ref, waiting, words, is_add=is_add)

    def _unmoved(
        self, ref: Ref, waiting: Mapping[str, Sequence[ContactChange]], words: Mapping[str, str], *, is_add: bool
    ) -> Iterator[Outcome]:
        """What the answer does not say (present already, absent already, not a contact) is read, not guessed."""
        standing = self._standing(ref, waiting)
        for email, changes in waiting.items():
            is_in = standing.get(wire.subscriber(email))
            for change in changes:
                if is_in is is_add or (is_in is None and not is_add):
                    yield Outcome(id=change.id, state=State.NOOP, words=words.get(email) or None)
                else:
                    reason = Reason.GONE if is_in is None else Reason.OTHER
                    yield wire.rejected(change, wire.Failure(reason, words.get(email, "")))

    def _write(
        self, path: str, body: object, changes: Sequence[ContactChange], params: Mapping[str, str] | None = None
    ) -> Response | None:
        """The answer; None when the target is gone. Raises InvalidRequest with the culprits that the answer names."""
        try:
            return self._http("POST", path, json=body, params=params, timeout=_SLOW)
        except errors.InvalidRequest as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP's own number
                return None
            error.culprits.update(wire.culprits(error.body, changes))
            raise

    # jobs
    def _states(self, jobs: Sequence[Ref]) -> dict[Ref, wire.Json | None]:
        """Each job's state, None for one that is not known any more (results are kept for seven days)."""
        fields = "batches.id,batches.status,batches.response_body_url,total_items"
        found: dict[Ref, wire.Json | None] = {}
        if len(jobs) > 1:
            for part in pages.read(self._http, "/batches", "batches", params={"fields": fields}):
                found |= {entry["id"]: entry for entry in part.items}
        return {job: found[job] if job in found else self._job(job) for job in jobs}

    def _job(self, job: Ref) -> wire.Json | None:
        response = self._http("GET", f"/batches/{job}", accept=frozenset({404}))
        return None if response.status == 404 else wire.record(response.json())  # noqa: PLR2004 - HTTP's own number

    def _results(self, job: Job, state: wire.Json) -> Iterator[Outcome]:
        """One outcome a change; nothing when the results cannot be had now: the next poll asks for them again."""
        results = list(self._read(state))
        if not results:
            return
        waiting = {change.id: change for change in _contacts(job.batch)}
        for result in results:
            change = waiting.pop(str(result.get("operation_id")), None)
            if change is not None:
                yield wire.settled(change, result)
        yield from map(_unknown, waiting.values())

    def _read(self, state: wire.Json) -> Iterator[wire.Json]:
        """All results of a finished job; a link that has run out is renewed once."""
        archive = self._archive(state) or self._archive(self._job(state["id"]) or {})
        yield from wire.results(archive) if archive else ()

    def _archive(self, state: wire.Json) -> bytes | None:
        """The archive lies on another host, which gets no credentials and refuses with XML once ten minutes passed."""
        url = str(state.get("response_body_url") or "")
        refusals = frozenset({400, 401, 403, 404, 410})
        response = self._http("GET", url, headers={"accept": "*/*"}, accept=refusals, timeout=_SLOW) if url else None
        return response.body if response is not None and response.status not in refusals else None

    # look-ups
    def _few(self, audience: str, ids: Iterable[str], fields: Sequence[str]) -> Iterator[wire.Json]:
        for ref in ids:
            path, params = f"/lists/{audience}/members/{ref}", {"fields": ",".join(fields)}
            response = self._http("GET", path, params=params, accept=frozenset({404}))
            if response.status != 404:  # noqa: PLR2004 - HTTP's own number
                yield wire.record(response.json())

    def _all(self, audience: str, fields: Sequence[str], **params: str) -> Iterator[wire.Json]:
        names = ",".join([*(f"members.{name}" for name in fields), "total_items"])
        for part in pages.read(self._http, f"/lists/{audience}/members", "members", params={**params, "fields": names}):
            yield from part.items

    def _ids(self, path: str, params: Mapping[str, str]) -> set[str]:
        asked = {**params, "fields": "members.id,total_items"}
        return {entry["id"] for part in pages.read(self._http, path, "members", params=asked) for entry in part.items}

    def _standing(self, ref: Ref, emails: Iterable[str]) -> dict[str, bool]:
        """By subscriber id: in the segment or not; absent when not a contact (any more)."""
        audience, _, segment = ref.partition("/")
        ids = {wire.subscriber(email): email for email in emails}
        fields = ("id", "status", "tags_count", "tags")
        entries = list(self._few(audience, ids, fields) if len(ids) <= _FEW else self._all(audience, ("id", "status")))
        is_listed = all(len(entry.get("tags", ())) == entry.get("tags_count", -1) for entry in entries)
        present = None if is_listed else self._ids(*_member_path(ref))
        return {
            entry["id"]: entry["id"] in present
            if present is not None
            else any(str(tag.get("id")) == segment for tag in entry["tags"])
            for entry in entries
            if entry["id"] in ids and entry.get("status") not in wire.GONE
        }

    def _recall_added(self, audience: str, changes: Sequence[ContactChange], since: datetime) -> Iterator[Outcome]:
        changed = {"since_last_changed": wire.stamp(since - _SKEW)}
        entries = self._all(audience, ("id", "status", "merge_fields"), **changed)
        found = {entry["id"]: entry for entry in entries if entry.get("status") not in wire.GONE}
        for change in changes:
            entry = found.get(wire.subscriber(change.profile.email))
            if entry is not None:
                yield wire.recalled(change, entry)

    def _recall_jobs(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """Results of finished jobs that name these changes; for the rest, a job that still runs and has their number."""
        left = {change.id: change for change in _contacts(batch)}
        running: list[wire.Json] = []
        for state in self._jobs_since(since - _SKEW):
            if state.get("status") != "finished":
                running.append(state)
                continue
            for result in self._read(state):
                change = left.pop(str(result.get("operation_id")), None)
                if change is not None:
                    yield wire.settled(change, result)
        job = next((state for state in running if state.get("total_operations") in {0, len(left)}), None)
        if job is not None:
            yield from (Outcome(id=change, state=State.PENDING, job=str(job["id"])) for change in left)

    def _jobs_since(self, since: datetime) -> Iterator[wire.Json]:
        fields = ("id", "status", "total_operations", "submitted_at", "response_body_url")
        params = {"fields": ",".join([*(f"batches.{name}" for name in fields), "total_items"])}
        for part in pages.read(self._http, "/batches", "batches", params=params):
            for state in part.items:
                submitted = wire.moment(state.get("submitted_at"))
                if submitted is not None and submitted >= since:
                    yield state


def _contacts(batch: Batch) -> list[ContactChange]:
    return [cast("ContactChange", change) for change in batch.changes]


def _field_type(target: Target) -> str:
    if target.value is None:
        raise errors.SettingsError(f"mailchimp: the field '{target.name}' has no value kind")
    return FIELD_TYPES[target.value].type


def _member_path(ref: Ref) -> tuple[str, dict[str, str]]:
    """Where the members of an audience or of a segment are read; a segment leaves out the unsubscribed unless asked."""
    audience, _, segment = ref.partition("/")
    if segment:
        return f"/lists/{audience}/segments/{segment}/members", dict(_EVERYONE)
    return f"/lists/{audience}/members", {}


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value != ""


def _no_target(change: Change) -> Outcome:
    return Outcome(id=change.id, state=State.REJECTED, reason=Reason.UNKNOWN_TARGET)


def _unknown(change: Change) -> Outcome:
    words = "the finished job says nothing about this change"
    return Outcome(id=change.id, state=State.REJECTED, reason=Reason.TRY_LATER, words=words, wait=0.0)
