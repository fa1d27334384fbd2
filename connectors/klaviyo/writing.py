"""Every write: imports by address, removals by id, suppressions, codes. Nothing here can subscribe anyone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from connectors.answers import Json
from connectors.errors import InvalidRequest, RateLimited
from connectors.klaviyo import results, wire
from connectors.klaviyo.api import Api
from connectors.klaviyo.spec import PROFILE_BYTES
from connectors.outcomes import applied, by_address, by_code, contacts, each, noop, parted, said_yes
from connectors.types import (
    AddCode, AddMember, Batch, ContactChange, Outcome, Reason, Ref, RemoveMember, State, Suppress, normal,
)  # fmt: skip

_QUEUED = 100  # jobs of codes that may wait (description, 2026-07-15)
_PAUSE = 30.0  # seconds until one of them is done


def push(api: Api, batch: Batch) -> Iterator[Outcome]:
    """Imports, suppressions and codes (accepted as jobs), removals by id; one outcome a change."""
    return _CARRIERS.get(type(batch.changes[0]), _import)(api, batch)


def _import(api: Api, batch: Batch) -> Iterator[Outcome]:
    """Klaviyo keeps no status that an import could set: only people who said yes are sent."""
    willing, refused = parted(contacts(batch), said_yes)
    yield from each(refused, State.REJECTED, Reason.OTHER, words="only subscribed contacts are imported")
    profiles = [(same, wire.profile(same)) for same in by_address(willing).values()]
    sent, large = parted(profiles, lambda told: len(orjson.dumps(told[1])) <= PROFILE_BYTES)
    for same, _ in large:
        yield from each(same, State.REJECTED, Reason.TOO_LONG, words="more than 100 KB a profile")
    lists = [{"type": "list", "id": batch.ref}] if isinstance(batch.changes[0], AddMember) else []
    if sent:
        yield from _submit(api, "import", [same for same, _ in sent], [profile for _, profile in sent], lists)


def _suppress(api: Api, batch: Batch) -> Iterator[Outcome]:
    """A suppression is the account's; no list is named, so that lists stay as they are."""
    people = by_address(contacts(batch))
    profiles = [{"type": "profile", "attributes": {"email": email}} for email in people]
    return _submit(api, "suppress", [*people.values()], profiles)


def _add_codes(api: Api, batch: Batch) -> Iterator[Outcome]:
    codes = by_code(batch)
    return _submit(api, "codes", [*codes.values()], [wire.code(same[0], batch.ref) for same in codes.values()])


def _submit(
    api: Api, kind: str, sent: wire.Groups, records: Sequence[object], lists: Sequence[Json] = ()
) -> Iterator[Outcome]:
    work = results.JOBS[kind]
    into = {"relationships": {"lists": {"data": lists}}} if lists else {}
    body = wire.body(work.type, {work.holds: {"data": records}}, **into)
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
    refs = {change.id: change.profile.ref for change in changes if change.profile.ref}
    refs |= _looked_up(api, [change for change in changes if change.id not in refs])
    try:
        _detach(api, batch.ref, refs.values())
    except InvalidRequest as error:
        bad = wire.bad_ids(error) & set(refs.values())
        if not bad:
            error.culprits = wire.culprits(error, [changes])
            raise
        refs |= _looked_up(api, [change for change in changes if refs.get(change.id) in bad])
        refs = {name: ref for name, ref in refs.items() if ref not in bad}
        _detach(api, batch.ref, refs.values())
    for change in changes:
        ref = refs.get(change.id)
        yield applied(change, ref) if ref else noop(change, Reason.GONE)


def _looked_up(api: Api, changes: Sequence[ContactChange]) -> dict[str, Ref]:
    known = {email: profile["id"] for email, profile in api.profiles(change.profile.email for change in changes)}
    return {change.id: known[email] for change in changes if (email := normal(change.profile.email)) in known}


def _detach(api: Api, list_ref: Ref, refs: Iterable[Ref]) -> None:
    if data := [{"type": "profile", "id": ref} for ref in dict.fromkeys(refs)]:
        api("DELETE", f"/lists/{list_ref}/relationships/profiles", "list-remove", {"data": data})


_CARRIERS = {RemoveMember: _remove, Suppress: _suppress, AddCode: _add_codes}
