"""Every write: imports by address, removals by id, suppressions, codes. Nothing here can subscribe anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.errors import InvalidRequest, RateLimited
from connectors.klaviyo import reading, wire
from connectors.klaviyo.api import Api
from connectors.klaviyo.results import ROUTES
from connectors.outcomes import applied, by_address, each, noop
from connectors.types import (
    AddCode, AddContact, AddMember, Batch, Change, ClearTraits, Consent, ContactChange, Outcome, Profile, Reason, Ref,
    RemoveMember, SetTraits, State, Suppress, normal,
)  # fmt: skip

_QUEUED = 100  # jobs of codes that may wait (description, 2026-07-15)
_PAUSE = 30.0  # seconds until one of them is done


def send(api: Api, batch: Batch) -> Iterator[Outcome]:
    """One outcome a change; all but removals are accepted as jobs."""
    if batch.changes:
        yield from _CARRIERS[type(batch.changes[0])](api, batch.ref, batch.changes)


def _add_contacts(api: Api, ref: Ref, changes: Sequence[AddContact]) -> Iterator[Outcome]:
    """Klaviyo keeps no status that an import could set: only people who said yes are sent."""
    del ref  # profiles are the account's, whatever the target
    refused = [change for change in changes if change.status is not Consent.SUBSCRIBED]
    yield from each(refused, State.REJECTED, Reason.OTHER, words="only subscribed contacts are imported")
    yield from _import(api, [change for change in changes if change.status is Consent.SUBSCRIBED])


def _set_traits(api: Api, ref: Ref, changes: Sequence[ContactChange]) -> Iterator[Outcome]:
    del ref  # profiles are the account's, whatever the target
    yield from _import(api, changes)


def _add_members(api: Api, ref: Ref, changes: Sequence[AddMember]) -> Iterator[Outcome]:
    yield from _import(api, changes, ref)


def _import(api: Api, changes: Sequence[ContactChange], list_ref: Ref | None = None) -> Iterator[Outcome]:
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
    del ref  # a suppression is the account's, whatever the target
    groups = by_address(changes)
    yield from _submit(api, "suppress", list(groups.values()), wire.suppression(groups))


def _add_codes(api: Api, ref: Ref, changes: Sequence[AddCode]) -> Iterator[Outcome]:
    groups: dict[str, list[AddCode]] = {}
    for change in changes:
        groups.setdefault(change.code, []).append(change)
    first = [group[0] for group in groups.values()]
    yield from _submit(api, "codes", list(groups.values()), wire.codes(first, ref))


def _submit(api: Api, job: str, sent: wire.Groups, body: bytes) -> Iterator[Outcome]:
    changes = [change for group in sent for change in group]
    try:
        answer = api("POST", ROUTES[job], body=body, rate=job)
    except InvalidRequest as error:
        if wire.is_target_gone(error):
            yield from each(changes, State.REJECTED, Reason.UNKNOWN_TARGET, words="the list or coupon is gone")
            return
        error.culprits = wire.culprits(error, sent)
        if job == "codes" and not error.culprits and _is_queue_full(api):
            raise RateLimited(f"{_QUEUED} jobs of codes wait at Klaviyo", wait=_PAUSE, status=error.status) from None
        raise
    yield from each(changes, State.PENDING, job=f"{job}:{wire.resource(answer)['id']}")


def _is_queue_full(api: Api) -> bool:
    waiting = api.all(ROUTES["codes"], "codes-jobs", filter=wire.equals("status", "queued"))
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
        api("DELETE", f"/lists/{list_ref}/relationships/profiles", json={"data": data}, rate="list-remove")


_CARRIERS: Mapping[type[Change], Callable[[Api, Ref, Any], Iterator[Outcome]]] = {
    AddContact: _add_contacts,
    SetTraits: _set_traits,
    ClearTraits: _set_traits,
    AddMember: _add_members,
    RemoveMember: _remove,
    Suppress: _suppress,
    AddCode: _add_codes,
}


def erase(api: Api, profile: Profile) -> State:
    """Ask for the deletion of every profile of the address, or of the one that has another address by now."""
    named = next((item for _, item in reading.lookup(api, [profile.email])), None)
    if named is None and profile.ref:
        named = next((item for _, item in reading.lookup(api, [profile.ref], by="id")), None)
        whom: dict[str, object] = {"id": profile.ref, "attributes": {}}
    else:
        whom = {"attributes": {"email": profile.email}}
    if named is None:
        return State.NOOP
    asked = {"profile": {"data": {"type": "profile", **whom}}}
    body = {"data": {"type": "data-privacy-deletion-job", "attributes": asked}}
    api("POST", "/data-privacy-deletion-jobs", json=body, rate="erase")
    return State.PENDING
