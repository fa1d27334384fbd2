"""The reference connector: read it from top to bottom to learn what a connector is."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from connectors import errors
from connectors.memory.dictionary import MAX_BYTES, MAX_RECORDS, Dictionary, Json
from connectors.memory.events import KINDS, LEFT, event, signed, totals
from connectors.memory.wire import MAX_TEXT, fit, outcomes, record
from connectors.pace import Rate
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import (
    Account,
    AddCode,
    AddContact,
    AddMember,
    ClearTraits,
    EngagementEvent,
    Outcome,
    Page,
    Precision,
    Profile,
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
    from datetime import datetime

    from connectors.http import Http
    from connectors.spec import Settings
    from connectors.types import Batch, Cursor, EventKind, Fitted, Job, Ref, Target

__all__ = ["Memory", "MemorySettings"]

_PLACES = MappingProxyType({TargetKind.SEGMENT: "lists", TargetKind.FIELD: "fields", TargetKind.POOL: "pools"})
_CONTACTS = "contacts"
_MISSING = frozenset({404})


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """What opens an account: its store, a dictionary, a path to a JSON file, or an open one (tests)."""

    store: dict[str, Any] | str | Dictionary
    api_key: str = field(default="memory", repr=False)
    prefix: str = ""
    base_url: str = "https://memory.invalid"

    def headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}

    def dictionary(self) -> Dictionary:
        """What answers instead of the network."""
        return self.store if isinstance(self.store, Dictionary) else Dictionary(self.store, self.api_key)


_LIMIT = Limit(items=MAX_RECORDS, bytes=MAX_BYTES, each=80)
_AFTER_CONTACT = Limit(items=MAX_RECORDS, bytes=MAX_BYTES, each=80, after=frozenset({AddContact}))


class Memory:
    """A provider that is a dictionary."""

    spec: ClassVar[Spec] = Spec(
        name="memory",
        version="1",
        settings=MemorySettings,
        carries={
            AddContact: _LIMIT,
            SetTraits: _AFTER_CONTACT,
            ClearTraits: _AFTER_CONTACT,
            AddMember: _AFTER_CONTACT,
            RemoveMember: _AFTER_CONTACT,
            Suppress: _AFTER_CONTACT,
            AddCode: _LIMIT,
        },
        fields={kind: Field(type=kind.value, max_bytes=MAX_TEXT) for kind in ValueKind},
        fit=fit,
        field_names=Names(length=30),
        rates={"default": (Rate(1000, 1.0),)},
        reports=dict.fromkeys(KINDS.values(), Precision.EXACT),
        poll_after=(0.0,),
    )

    def __init__(self, settings: Settings, http: Http) -> None:
        if not isinstance(settings, MemorySettings):
            raise errors.SettingsError("memory: these are another connector's settings")
        self._http = http.through(settings.dictionary())
        self._settings = settings

    def check(self) -> Account:
        about = self._http("GET", "/account").json()
        return Account(about["id"], about["name"])

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        found: dict[Target, Ref] = {}
        known: dict[str, Mapping[str, Ref]] = {}
        for target in targets:
            if target.kind is TargetKind.CONTACTS:
                found[target] = _CONTACTS
                continue
            place = _PLACES[target.kind]
            if place not in known:
                rows = (row for page in self._pages(f"/{place}", None) for row in page.items)
                known[place] = {row["title"]: row["key"] for row in rows}
            if target.title in known[place]:
                found[target] = known[place][target.title]
        return found

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        refs = dict(self.find(wanted))
        for target in wanted:
            if target not in refs:
                body = {"ref": target.title, "title": target.title}
                refs[target] = self._http("POST", f"/{_PLACES[target.kind]}", json=body).json()["ref"]
        return refs

    def push(self, batch: Batch) -> Iterator[Outcome]:
        body = {"records": [record(change) for change in batch.changes]}
        answer: Json = self._http("POST", _path(batch), json=body).json()
        if "job" in answer:
            return (Outcome(id=change.id, state=State.PENDING, job=answer["job"]) for change in batch.changes)
        return outcomes(batch.changes, answer["results"])

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for job in jobs:
            answer: Json = self._http("GET", f"/jobs/{job.ref}").json()
            if answer["state"] == "done":
                yield from outcomes(job.batch.changes, answer["results"])

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        for page in self._pages(f"/lists/{ref}" if target.kind is TargetKind.SEGMENT else "/contacts", None):
            yield Page([Profile(normal(row["key"]), row["ref"]) for row in page.items], page.cursor, page.last)

    def count(self, target: Target, ref: Ref) -> int:
        del target
        return int(self._http("GET", f"/lists/{ref}").json()["count"])

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        wanted = {profile.email for profile in profiles}
        pages = self._pages("/contacts", None)
        found = {normal(row["key"]): row["fields"] for page in pages for row in page.items}
        return {email: held for email, held in found.items() if email in wanted}

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        del now
        for page in self._pages("/events", since):
            yield Page([event(row) for row in page.items], page.cursor, page.last)

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        answers = {name: self._http("GET", f"/campaigns/{quote(name)}", accept=_MISSING) for name in campaigns}
        return {
            name: totals(answer.json()["people"]) for name, answer in answers.items() if answer.status not in _MISSING
        }

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        return [event(row) for row in signed(self._settings.api_key, headers, body, now)]

    def erase(self, profile: Profile) -> State:
        answer: Json = self._http("POST", "/erase", json={"email": profile.email}).json()
        return State.APPLIED if answer["erased"] else State.NOOP

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        del since, now  # a contact may leave long after it was created: every read is a complete sweep
        for page in self._pages("/contacts", None):
            left = [row for row in page.items if row["status"] in LEFT]
            found = [Suppression(email=normal(row["key"]), left=LEFT[row["status"]], ref=row["ref"]) for row in left]
            yield Page(found, page.cursor, page.last)

    def _pages(self, path: str, since: Cursor | None) -> Iterator[Page[Json]]:
        start, last = int(since or 0), False
        while not last:
            answer: Json = self._http("GET", path, params={"from": start}).json()
            start, last = answer["next"], answer["last"]
            yield Page(answer["rows"], str(start), last)


def _path(batch: Batch) -> str:
    match batch.changes[0]:
        case AddContact():
            return "/import"
        case AddMember() | RemoveMember():
            return f"/members/{batch.ref}"
        case AddCode():
            return f"/codes/{batch.ref}"
    return "/contacts"
