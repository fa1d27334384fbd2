"""Every write: imports by address, removals by id, suppressions, codes. Nothing here can subscribe anyone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import orjson

from connectors import types
from connectors.answers import Json
from connectors.errors import InvalidRequest, RateLimited
from connectors.klaviyo import results, wire
from connectors.klaviyo.api import Api
from connectors.klaviyo.spec import PROFILE_BYTES
from connectors.outcomes import applied, by_address, by_code, contacts, each, noop, parted, said_yes
from connectors.types import Batch, Outcome, Reason, Ref, State

_QUEUED = 100  # jobs of codes that may wait (description, 2026-07-15)
_PAUSE = 30.0  # seconds until one of them is done

Told: TypeAlias = tuple[Sequence[types.Change], Json]
"""Changes of one address or code, and the one record of a job that carries them."""


def push(api: Api, batch: Batch) -> Iterator[Outcome]:
    """Imports, suppressions and codes (accepted as jobs), removals by id; one outcome a change."""
    return _CARRIERS.get(type(batch.changes[0]), _submit_people)(api, batch)


def _submit_people(api: Api, batch: Batch) -> Iterator[Outcome]:
    """Imports, of people who said yes: Klaviyo keeps no status that one could set. Suppressions are the account's: no list."""
    first = batch.changes[0]
    willing, refused = parted(contacts(batch), said_yes)
    yield from each(refused, State.REJECTED, Reason.OTHER, words="only subscribed contacts are imported")
    told = [(same, wire.profile(same)) for same in by_address(willing).values()]
    sent, large = parted(told, lambda one: len(orjson.dumps(one[1])) <= PROFILE_BYTES)
    for same, _ in large:
        yield from each(same, State.REJECTED, Reason.TOO_LONG, words="more than 100 KB a profile")
    if sent:
        kind = "suppress" if isinstance(first, types.Suppress) else "import"
        yield from _submit(api, kind, sent, batch.ref if isinstance(first, types.AddMember) else None)


def _submit_codes(api: Api, batch: Batch) -> Iterator[Outcome]:
    return _submit(api, "codes", [(same, wire.code(same[0], batch.ref)) for same in by_code(batch).values()])


def _submit(api: Api, kind: str, told: Sequence[Told], list_ref: Ref | None = None) -> Iterator[Outcome]:
    """Ask for a job, and of an import that it puts its people into the list."""
    work, sent = results.JOBS[kind], [same for same, _ in told]
    into = {"relationships": {"lists": {"data": [{"type": "list", "id": list_ref}]}}} if list_ref else {}
    body = wire.body(work.type, {work.holds: {"data": [record for _, record in told]}}, **into)
    try:
        job = api("POST", work.route, kind, body).part("data", "id")
    except InvalidRequest as error:
        error.culprits = wire.culprits(error, sent)
        if kind == "codes" and not error.culprits and _is_queue_full(api):
            raise RateLimited(f"{_QUEUED} jobs of codes wait at Klaviyo", wait=_PAUSE, status=error.status) from None
        raise
    yield from each([change for same in sent for change in same], State.PENDING, job=f"{kind}:{job}")


def _is_queue_full(api: Api) -> bool:
    query = {"filter": wire.clause("equals", "status", "queued")}
    return sum(1 for _ in api.all(results.JOBS["codes"].route, "codes-jobs", query)) >= _QUEUED


def _remove(api: Api, batch: Batch) -> Iterator[Outcome]:
    """By profile id, looked up where the ledger has none; ids that Klaviyo refuses are looked up anew, once."""
    changes = contacts(batch)
    refs = {change.profile.email: change.profile.ref for change in changes}
    refs |= api.ids(email for email, ref in refs.items() if not ref)
    try:
        _detach(api, batch.ref, refs)
    except InvalidRequest as error:
        bad = wire.bad_ids(error).intersection(refs.values())
        if not bad:
            error.culprits = wire.culprits(error, [changes])
            raise
        refs |= api.ids(email for email, ref in refs.items() if ref in bad)
        refs = {email: ref for email, ref in refs.items() if ref not in bad}
        _detach(api, batch.ref, refs)
    for change in changes:
        ref = refs.get(change.profile.email)
        yield applied(change, ref) if ref else noop(change, Reason.GONE)


def _detach(api: Api, list_ref: Ref, refs: Mapping[str, Ref | None]) -> None:
    if data := [{"type": "profile", "id": ref} for ref in dict.fromkeys(refs.values()) if ref]:
        api("DELETE", f"/lists/{list_ref}/relationships/profiles", "list-remove", {"data": data})


_CARRIERS = {types.RemoveMember: _remove, types.AddCode: _submit_codes}
