"""Every write: imports by address, removals by id, suppressions. Nothing here can subscribe anyone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connectors.errors import InvalidRequest
from connectors.klaviyo import reading, wire
from connectors.klaviyo.results import IMPORTS, SUPPRESS, SUPPRESSIONS, each
from connectors.types import (
    AddContact,
    AddMember,
    ClearTraits,
    Consent,
    Outcome,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    normal,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connectors.http import Http
    from connectors.types import Batch, Change, ContactChange, Ref

_HEADERS = {"content-type": wire.MEDIA}


def send(http: Http, batch: Batch) -> Iterator[Outcome]:
    """One outcome a change; imports and suppressions are accepted as jobs."""
    if batch.changes:
        yield from _CARRIERS[type(batch.changes[0])](http, batch, batch.changes)


def _add_contacts(http: Http, batch: Batch, changes: Sequence[AddContact]) -> Iterator[Outcome]:
    """Klaviyo keeps no status that an import could set: only people who said yes are sent."""
    refused = [change.id for change in changes if change.status is not Consent.SUBSCRIBED]
    yield from each(refused, State.REJECTED, Reason.OTHER, words="only subscribed contacts are imported")
    accepted = [change for change in changes if change.status is Consent.SUBSCRIBED]
    yield from _import(http, batch, accepted)


def _add_members(http: Http, batch: Batch, changes: Sequence[AddMember]) -> Iterator[Outcome]:
    yield from _import(http, batch, changes, list_ref=batch.ref)


def _import(
    http: Http, batch: Batch, changes: Sequence[ContactChange], *, list_ref: Ref | None = None
) -> Iterator[Outcome]:
    _ = batch  # profiles are the account's, whatever the target
    sized = []
    for entry in wire.entries(changes):
        body = entry.body()
        if len(body) > wire.PROFILE_BYTES:
            yield from each(entry.ids, State.REJECTED, Reason.TOO_LONG, words="more than 100 KB a profile")
        else:
            sized.append((entry, body))
    for sent, body in wire.imports(sized, list_ref):
        yield from _submit(http, IMPORTS, "import", sent, body)


def _suppress(http: Http, batch: Batch, changes: Sequence[Suppress]) -> Iterator[Outcome]:
    _ = batch  # a suppression is the account's, whatever the target
    sent = wire.entries(changes)
    yield from _submit(http, SUPPRESSIONS, "suppress", sent, json.dumps(wire.suppression(sent)).encode())


def _submit(http: Http, route: str, rate: str, sent: Sequence[wire.Entry], body: bytes) -> Iterator[Outcome]:
    ids = [change_id for entry in sent for change_id in entry.ids]
    try:
        answer = http("POST", route, body=body, headers=_HEADERS, rate=rate)
    except InvalidRequest as error:
        if wire.is_list_gone(error):
            yield from each(ids, State.REJECTED, Reason.UNKNOWN_TARGET, words="the list is gone")
            return
        error.culprits = wire.culprits(error, sent)
        raise
    prefix = SUPPRESS if route == SUPPRESSIONS else ""
    yield from each(ids, State.PENDING, job=prefix + wire.job(answer))


def _remove(http: Http, batch: Batch, changes: Sequence[RemoveMember]) -> Iterator[Outcome]:
    """By profile id, looked up where the ledger has none; ids that Klaviyo refuses are looked up anew, once."""
    refs = {change.id: change.profile.ref for change in changes if change.profile.ref}
    refs |= _looked_up(http, [change for change in changes if change.id not in refs])
    try:
        _detach(http, batch.ref, refs.values())
    except InvalidRequest as error:
        if wire.is_list_gone(error):
            ids = (change.id for change in changes)
            yield from each(ids, State.REJECTED, Reason.UNKNOWN_TARGET, words="the list is gone")
            return
        bad = wire.bad_ids(error) & set(refs.values())
        if not bad:
            raise
        anew = _looked_up(http, [change for change in changes if refs.get(change.id) in bad])
        refs = {name: ref for name, ref in (refs | anew).items() if ref not in bad}
        _detach(http, batch.ref, refs.values())
    for change in changes:
        ref = refs.get(change.id)
        state, reason = (State.APPLIED, None) if ref else (State.NOOP, Reason.GONE)
        yield Outcome(id=change.id, state=state, reason=reason, ref=ref)


def _looked_up(http: Http, changes: Sequence[RemoveMember]) -> dict[str, Ref]:
    known = reading.refs(http, (change.profile.email for change in changes))
    found = {change.id: known.get(normal(change.profile.email)) for change in changes}
    return {name: ref for name, ref in found.items() if ref is not None}


def _detach(http: Http, list_ref: Ref, refs: Iterable[Ref]) -> None:
    data = [{"type": "profile", "id": ref} for ref in dict.fromkeys(refs)]
    if data:
        route = f"/lists/{list_ref}/relationships/profiles"
        http("DELETE", route, json={"data": data}, headers=_HEADERS, rate="list-remove")


_CARRIERS: Mapping[type[Change], Callable[[Http, Batch, Any], Iterator[Outcome]]] = {
    AddContact: _add_contacts,
    SetTraits: _import,
    ClearTraits: _import,
    AddMember: _add_members,
    RemoveMember: _remove,
    Suppress: _suppress,
}
