"""What became of a write: a job's own result, record by record, or what the account shows when it is read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

from connectors.http import mask
from connectors.klaviyo import reading, wire
from connectors.klaviyo.api import Api
from connectors.outcomes import applied, contacts, each, noop, rejected
from connectors.types import (
    AddCode, AddContact, AddMember, Batch, Change, ClearTraits, Job, Outcome, Reason, Ref, RemoveMember, SetTraits,
    State, Suppress, normal,
)  # fmt: skip

ROUTES = {
    "import": "/profile-bulk-import-jobs",
    "suppress": "/profile-suppression-bulk-create-jobs",
    "codes": "/coupon-code-bulk-create-jobs",
}
"""Jobs by the word before their refs: `import:01ABC`; `settle:import:01ABC` is one that is only waited for."""
_SETTLE = "settle:"
_SKEW = timedelta(minutes=1)  # between our clock and theirs


def poll(api: Api, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """The outcomes of the finished jobs; a job that Klaviyo no longer knows is settled by reading back."""
    listed = _listed(api, jobs)
    for job in jobs:
        word, _, name = job.ref.removeprefix(_SETTLE).rpartition(":")
        kind = word or "import"
        found = listed.get(name) or api.one(f"{ROUTES[kind]}/{name}", f"{kind}-job")
        status = wire.attributes(found).get("status") if found else "cancelled"
        if status == "cancelled" or (status == "complete" and job.ref.startswith(_SETTLE)):
            yield from _read_back(api, job.batch, Reason.TRY_LATER)
        elif found and status == "complete":
            yield from _FINISHED[kind](api, job.batch, found)


def recall(api: Api, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Applied where the account shows it; the rest waits for a running import of that size, else nothing is told."""
    done = _proven(api, batch)
    rest = [change for change in batch.changes if change.id not in done]
    yield from each([change for change in batch.changes if change.id in done], State.APPLIED)
    job = _running(api, rest, len(batch.changes), since) if rest else None
    if job is not None:
        yield from each(rest, State.PENDING, job=f"{_SETTLE}import:{job}")


def _listed(api: Api, jobs: Sequence[Job]) -> dict[Ref, wire.Document]:
    """Imports from the account's list of them: a hundred a call, where asking for each would take a call a job."""
    wanted = {job.ref.rpartition(":")[2]: job for job in jobs if "import:" in job.ref}
    found: dict[Ref, wire.Document] = {}
    if len(wanted) > 1:
        for item in _recent(api, min(job.started_at for job in wanted.values())):
            if item["id"] in wanted:
                found[item["id"]] = item
            if len(found) == len(wanted):
                break
    return found


def _recent(api: Api, since: datetime) -> Iterator[wire.Document]:
    """The account's imports that were created since then, the newest first."""
    oldest = since - _SKEW
    for item in api.all(ROUTES["import"], "import-jobs", sort="-created_at", page_size=wire.PAGE):
        if (wire.instant(wire.attributes(item).get("created_at")) or oldest) < oldest:
            return
        yield item


def _running(api: Api, rest: Sequence[Change], size: int, since: datetime) -> Ref | None:
    if isinstance(rest[0], RemoveMember | Suppress | AddCode):
        return None
    for item in _recent(api, since):
        state = wire.attributes(item)
        if state.get("status") in {"queued", "processing"} and state.get("total_count") == size:
            return str(item["id"])
    return None


# finished jobs


def _imported(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    """`complete` may hold failures; those that name nobody of ours are found by reading the rest back."""
    count = int(wire.attributes(job).get("failed_count") or 0)
    errors = api.all(f"{ROUTES['import']}/{job['id']}/import-errors", "import-errors", page_size=wire.PAGE)
    failed = dict(map(wire.import_error, errors)) if count else {}
    named = {change.id: normal(change.profile.email) for change in contacts(batch)} if failed else {}
    bad = [change for change in batch.changes if named.get(change.id) in failed]
    for change in bad:
        yield rejected(change, *failed[named[change.id]])
    rest = [change for change in batch.changes if named.get(change.id) not in failed] if bad else batch.changes
    if len({named[change.id] for change in bad}) < count:
        yield from _read_back(api, replace(batch, changes=rest), Reason.OTHER)
    else:
        yield from each(rest, State.APPLIED)


def _suppressed(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    state = wire.attributes(job)
    done, total = int(state.get("completed_count") or 0), int(state.get("total_count") or 0)
    if state.get("skipped_count") or done < total:
        yield from _read_back(api, batch, Reason.OTHER)
    else:
        yield from each(batch.changes, State.APPLIED)


def _stored(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    """Applied where the job names the code that it made; one that it did not make may have been there before."""
    state = wire.attributes(job)
    told = ((job.get("relationships") or {}).get("coupon-codes") or {}).get("data") or ()
    made = {item.get("id") for item in told}
    failed = int(state.get("failed_count") or 0)
    words = "; ".join(dict.fromkeys(mask(str(error.get("detail"))) for error in state.get("errors") or ()))
    for change in batch.changes:
        if not failed or _code(batch, change) in made:
            yield applied(change)
        else:
            yield noop(change) if _is_stored(api, batch, change) else rejected(change, Reason.OTHER, words[:200])


# reading back


def _read_back(api: Api, batch: Batch, reason: Reason) -> Iterator[Outcome]:
    done = _proven(api, batch)
    wait = 0.0 if reason is Reason.TRY_LATER else None
    for change in batch.changes:
        shown = change.id in done
        yield applied(change) if shown else rejected(change, reason, "not found there when read back", wait=wait)


def _proven(api: Api, batch: Batch) -> set[str]:
    """The ids of the changes whose effect the account shows: one read for a hundred addresses."""
    return _PROOFS[type(batch.changes[0])](api, batch) if batch.changes else set()


def _on_list(api: Api, batch: Batch) -> set[str]:
    changes = contacts(batch)
    there = {email for email, _ in reading.lookup(api, _emails(batch), list_ref=batch.ref)}
    return {change.id for change in changes if (normal(change.profile.email) in there) is isinstance(change, AddMember)}


def _left(api: Api, batch: Batch) -> set[str]:
    gone = reading.suppressed(api, _emails(batch))
    return {change.id for change in contacts(batch) if normal(change.profile.email) in gone}


def _holds(api: Api, batch: Batch) -> set[str]:
    found = reading.traits(api, _emails(batch))
    done = set()
    for change in contacts(batch):
        values = found.get(normal(change.profile.email))
        if values is None:
            continue
        cleared = isinstance(change, ClearTraits) and values.keys().isdisjoint(change.fields)
        if cleared or (isinstance(change, AddContact | SetTraits) and change.traits.items() <= values.items()):
            done.add(change.id)
    return done


def _in_pool(api: Api, batch: Batch) -> set[str]:
    return {change.id for change in batch.changes if _is_stored(api, batch, change)}


def _is_stored(api: Api, batch: Batch, change: Change) -> bool:
    return api.one(f"/coupon-codes/{quote(_code(batch, change), safe='')}", "code") is not None


def _code(batch: Batch, change: Change) -> Ref:
    """A code's id there: the coupon's and its own (use_klaviyos_coupons_api, 2026-11)."""
    return f"{batch.ref}-{change.code}" if isinstance(change, AddCode) else ""


def _emails(batch: Batch) -> list[str]:
    return [change.profile.email for change in contacts(batch)]


_PROOFS: Mapping[type[Change], Callable[[Api, Batch], set[str]]] = {
    AddContact: _holds,
    SetTraits: _holds,
    ClearTraits: _holds,
    AddMember: _on_list,
    RemoveMember: _on_list,
    Suppress: _left,
    AddCode: _in_pool,
}
_FINISHED: Mapping[str, Callable[[Api, Batch, wire.Document], Iterator[Outcome]]] = {
    "import": _imported,
    "suppress": _suppressed,
    "codes": _stored,
}
