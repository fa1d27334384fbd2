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
    AddCode, AddMember, Batch, Change, ClearTraits, Fitted, Job, Outcome, Reason, Ref, RemoveMember, State, Suppress,
    normal,
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
            yield from _read_back(api, job.batch, 0)
        elif found and status == "complete":
            yield from _FINISHED[kind](api, job.batch, found)


def recall(api: Api, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Applied where the account shows it; the rest waits for a running import of that size, else nothing is told."""
    done = _proven(api, batch)
    rest = [change for change in batch.changes if change.id not in done]
    yield from each([change for change in batch.changes if change.id in done], State.APPLIED)
    is_import = rest and not isinstance(rest[0], RemoveMember | Suppress | AddCode)
    for item in _recent(api, since) if is_import else ():
        state = wire.attributes(item)
        if state.get("status") in {"queued", "processing"} and state.get("total_count") == len(_emails(batch)):
            yield from each(rest, State.PENDING, job=f"{_SETTLE}import:{item['id']}")
            return


def _listed(api: Api, jobs: Sequence[Job]) -> dict[Ref, wire.Document]:
    """Several imports, from the account's list of them: a hundred a call, where asking for each takes a call a job."""
    wanted = {job.ref.rpartition(":")[2]: job for job in jobs if job.ref.removeprefix(_SETTLE).startswith("import:")}
    found: dict[Ref, wire.Document] = {}
    for item in _recent(api, min(job.started_at for job in wanted.values())) if len(wanted) > 1 else ():
        if item["id"] in wanted:
            found[item["id"]] = item
        if len(found) == len(wanted):
            break
    return found


def _recent(api: Api, since: datetime) -> Iterator[wire.Document]:
    """The account's imports that were created since then, the newest first."""
    oldest = since - _SKEW
    for item in api.all(ROUTES["import"], "import-jobs", {"sort": "-created_at", "page[size]": wire.PAGE}):
        if (wire.instant(wire.attributes(item).get("created_at")) or oldest) < oldest:
            return
        yield item


# finished jobs


def _imported(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    """`complete` may hold failures; those that name nobody of ours are found by reading the rest back."""
    count = int(wire.attributes(job).get("failed_count") or 0)
    if not count:
        yield from each(batch.changes, State.APPLIED)
        return
    route = f"{ROUTES['import']}/{job['id']}/import-errors"
    failed = dict(map(wire.import_error, api.all(route, "import-errors", {"page[size]": wire.PAGE})))
    emails = {change.id: normal(change.profile.email) for change in contacts(batch)}
    rest = [change for change in batch.changes if emails[change.id] not in failed]
    for change in batch.changes:
        if emails[change.id] in failed:
            yield rejected(change, *failed[emails[change.id]])
    unnamed = count - len(failed.keys() & emails.values())
    yield from _read_back(api, replace(batch, changes=rest), unnamed) if unnamed else each(rest, State.APPLIED)


def _suppressed(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    state = wire.attributes(job)
    done, total = int(state.get("completed_count") or 0), int(state.get("total_count") or 0)
    if state.get("skipped_count") or done < total:
        yield from _read_back(api, batch, total - done)
    else:
        yield from each(batch.changes, State.APPLIED)


def _stored(api: Api, batch: Batch, job: wire.Document) -> Iterator[Outcome]:
    """Applied where the job names the code that it made; one that it did not make may have been there before."""
    state = wire.attributes(job)
    told = ((job.get("relationships") or {}).get("coupon-codes") or {}).get("data") or ()
    failed = int(state.get("failed_count") or 0)
    made = {item.get("id") for item in told} if failed else {_code(batch, change) for change in batch.changes}
    unmade = {_code(batch, change) for change in batch.changes} - made
    words = "; ".join({mask(str(error.get("detail"))): None for error in state.get("errors") or ()})[:200]
    reason, wait = (Reason.OTHER, None) if len(unmade) <= failed else (Reason.TRY_LATER, 0.0)
    for change in batch.changes:
        if _code(batch, change) in made:
            yield applied(change)
        else:
            yield noop(change) if _is_stored(api, batch, change) else rejected(change, reason, words, wait=wait)


# reading back


def _read_back(api: Api, batch: Batch, refused: int) -> Iterator[Outcome]:
    """Applied where the account shows it. More missing than were refused: reads lag behind, or nobody knows."""
    done = _proven(api, batch)
    missing = [change for change in batch.changes if change.id not in done]
    reason, wait = (Reason.OTHER, None) if len(missing) <= refused else (Reason.TRY_LATER, 0.0)
    yield from each([change for change in batch.changes if change.id in done], State.APPLIED)
    for change in missing:
        yield rejected(change, reason, "not found there when read back", wait=wait)


def _proven(api: Api, batch: Batch) -> set[str]:
    """The ids of the changes whose effect the account shows: one read for a hundred addresses, one for a code."""
    if not batch.changes:
        return set()
    kind = type(batch.changes[0])
    if kind is AddCode:
        return {change.id for change in batch.changes if _is_stored(api, batch, change)}
    changes, emails = contacts(batch), _emails(batch)
    if kind in {AddMember, RemoveMember}:
        there = {email for email, _ in reading.lookup(api, emails, list_ref=batch.ref)}
        return {change.id for change in changes if (normal(change.profile.email) in there) is (kind is AddMember)}
    if kind is Suppress:
        gone = reading.suppressed(api, emails)
        return {change.id for change in changes if normal(change.profile.email) in gone}
    held = reading.traits(api, emails)
    return {change.id for change in changes if _holds(held.get(normal(change.profile.email)), change)}


def _holds(values: Mapping[Ref, Fitted] | None, change: Change) -> bool:
    if values is None:
        return False
    if isinstance(change, ClearTraits):
        return values.keys().isdisjoint(change.fields)
    return getattr(change, "traits", {}).items() <= values.items()


def _is_stored(api: Api, batch: Batch, change: Change) -> bool:
    return api.one(f"/coupon-codes/{quote(_code(batch, change), safe='')}", "code") is not None


def _code(batch: Batch, change: Change) -> Ref:
    """A code's id there: the coupon's and its own (use_klaviyos_coupons_api, 2026-11)."""
    return f"{batch.ref}-{change.code}" if isinstance(change, AddCode) else ""


def _emails(batch: Batch) -> list[str]:
    return list(dict.fromkeys(normal(change.profile.email) for change in contacts(batch)))


_FINISHED: Mapping[str, Callable[[Api, Batch, wire.Document], Iterator[Outcome]]] = {
    "import": _imported,
    "suppress": _suppressed,
    "codes": _stored,
}
