"""Every write: imports by address, removals by id, suppressions, codes, erasure. Nothing here can subscribe anyone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.errors import InvalidRequest, RateLimited
from connectors.klaviyo import reading, results, wire
from connectors.klaviyo.api import Api
from connectors.outcomes import applied, by_address, each, noop
from connectors.types import (
    AddCode, AddContact, AddMember, Batch, Change, ClearTraits, Consent, ContactChange, Job, Outcome, Profile, Reason,
    Ref, RemoveMember, SetTraits, State, Suppress, normal,
)  # fmt: skip

_QUEUED = 100  # jobs of codes that may wait (description, 2026-07-15)
_PAUSE = 30.0  # seconds until one of them is done


class Writing:
    """What a Klaviyo account is told, and what became of it."""

    _api: Api

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Imports, suppressions and codes (accepted as jobs), removals by id; one outcome a change."""
        if batch.changes:
            yield from _CARRIERS[type(batch.changes[0])](self._api, batch.ref, batch.changes)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return results.poll(self._api, jobs)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return results.recall(self._api, batch, since)

    def erase(self, profile: Profile) -> State:
        """Ask for the deletion of every profile of the address, or of the one that has another address by now."""
        whom: dict[str, object] = {"attributes": {"email": profile.email}}
        found = list(reading.lookup(self._api, [profile.email]))
        if not found and profile.ref:
            whom = {"id": profile.ref, "attributes": {}}
            found = list(reading.lookup(self._api, [profile.ref], by="id"))
        if not found:
            return State.NOOP
        body = wire.body("data-privacy-deletion-job", {"profile": {"data": {"type": "profile", **whom}}})
        self._api("POST", "/data-privacy-deletion-jobs", "erase", body)
        return State.PENDING


def _add_contacts(api: Api, ref: Ref, changes: Sequence[AddContact]) -> Iterator[Outcome]:
    """Klaviyo keeps no status that an import could set: only people who said yes are sent."""
    refused = [change for change in changes if change.status is not Consent.SUBSCRIBED]
    yield from each(refused, State.REJECTED, Reason.OTHER, words="only subscribed contacts are imported")
    yield from _set_traits(api, ref, [change for change in changes if change.status is Consent.SUBSCRIBED])


def _set_traits(api: Api, ref: Ref, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
    del ref  # profiles are the account's, whatever the target
    yield from _import(api, None, changes)


def _import(api: Api, list_ref: Ref | None, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
    sized = []
    for group in by_address(changes).values():
        body = wire.profile(group)
        if len(body) > wire.PROFILE_BYTES:
            yield from each(group, State.REJECTED, Reason.TOO_LONG, words="more than 100 KB a profile")
        else:
            sized.append((group, body))
    for sent, body in wire.imports(sized, list_ref):
        yield from _submit(api, "import", sent, body)


def _suppress(api: Api, ref: Ref, changes: Sequence[Suppress]) -> Iterator[Outcome]:
    del ref  # a suppression is the account's; no list is named, so that lists stay as they are
    groups = by_address(changes)
    profiles = [{"type": "profile", "attributes": {"email": email}} for email in groups]
    body = wire.body("profile-suppression-bulk-create-job", {"profiles": {"data": profiles}})
    yield from _submit(api, "suppress", list(groups.values()), body)


def _add_codes(api: Api, ref: Ref, changes: Sequence[AddCode]) -> Iterator[Outcome]:
    groups: dict[str, list[AddCode]] = {}
    for change in changes:
        groups.setdefault(change.code, []).append(change)
    codes = [wire.code(group[0], ref) for group in groups.values()]
    body = wire.body("coupon-code-bulk-create-job", {"coupon-codes": {"data": codes}})
    yield from _submit(api, "codes", list(groups.values()), body)


def _submit(api: Api, job: str, sent: wire.Groups, body: bytes) -> Iterator[Outcome]:
    changes = [change for group in sent for change in group]
    try:
        answer = api("POST", results.ROUTES[job], job, body)
    except InvalidRequest as error:
        if wire.is_target_gone(error):
            yield from each(changes, State.REJECTED, Reason.UNKNOWN_TARGET, words="the list or coupon is gone")
            return
        error.culprits = wire.culprits(error, sent)
        if job == "codes" and not error.culprits and _is_queue_full(api):
            raise RateLimited(f"{_QUEUED} jobs of codes wait at Klaviyo", wait=_PAUSE, status=error.status) from None
        raise
    yield from each(changes, State.PENDING, job=f"{job}:{wire.resource(answer.json())['id']}")


def _is_queue_full(api: Api) -> bool:
    waiting = api.all(results.ROUTES["codes"], "codes-jobs", {"filter": wire.clause("equals", "status", "queued")})
    return sum(1 for _ in waiting) >= _QUEUED


def _remove(api: Api, list_ref: Ref, changes: Sequence[RemoveMember]) -> Iterator[Outcome]:
    """By profile id, looked up where the ledger has none; ids that Klaviyo refuses are looked up anew, once."""
    refs = {change.id: change.profile.ref for change in changes if change.profile.ref}
    refs |= _looked_up(api, [change for change in changes if change.id not in refs])
    try:
        _detach(api, list_ref, refs.values())
    except InvalidRequest as error:
        if wire.is_target_gone(error):
            yield from each(changes, State.REJECTED, Reason.UNKNOWN_TARGET, words="the list is gone")
            return
        bad = wire.bad_ids(error) & set(refs.values())
        if not bad:
            raise
        anew = _looked_up(api, [change for change in changes if refs.get(change.id) in bad])
        refs = {name: ref for name, ref in (refs | anew).items() if ref not in bad}
        _detach(api, list_ref, refs.values())
    for change in changes:
        ref = refs.get(change.id)
        yield applied(change, ref) if ref else noop(change, Reason.GONE)


def _looked_up(api: Api, changes: Sequence[RemoveMember]) -> dict[str, Ref]:
    known = reading.refs(api, (change.profile.email for change in changes))
    return {change.id: known[email] for change in changes if (email := normal(change.profile.email)) in known}


def _detach(api: Api, list_ref: Ref, refs: Iterable[Ref]) -> None:
    data = [{"type": "profile", "id": ref} for ref in dict.fromkeys(refs)]
    if data:
        body = json.dumps({"data": data}).encode()
        api("DELETE", f"/lists/{list_ref}/relationships/profiles", "list-remove", body)


_CARRIERS: Mapping[type[Change], Callable[[Api, Ref, Any], Iterator[Outcome]]] = {
    AddContact: _add_contacts,
    SetTraits: _set_traits,
    ClearTraits: _set_traits,
    AddMember: _import,
    RemoveMember: _remove,
    Suppress: _suppress,
    AddCode: _add_codes,
}
