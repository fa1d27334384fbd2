"""What became of a write: a job's own result, record by record, or what the account shows when it is read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from connectors.klaviyo import reading, wire
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    ClearTraits,
    Outcome,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    normal,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.http import Http
    from connectors.types import Batch, ContactChange, Job, Ref

IMPORTS = "/profile-bulk-import-jobs"
SUPPRESSIONS = "/profile-suppression-bulk-create-jobs"
SUPPRESS, SETTLE = "suppress:", "settle:"  # jobs that are no plain import are told apart by their refs
_SKEW = timedelta(minutes=1)  # between our clock and theirs
_FEW = 3  # more jobs than this are read from the account's list of jobs, a hundred a call


def each(
    ids: Iterable[str],
    state: State,
    reason: Reason | None = None,
    *,
    words: str | None = None,
    job: Ref | None = None,
    wait: float | None = None,
) -> Iterator[Outcome]:
    """The same outcome for several changes."""
    for change_id in ids:
        yield Outcome(id=change_id, state=state, reason=reason, words=words, job=job, wait=wait)


def poll(http: Http, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """The outcomes of the finished jobs; a job that Klaviyo no longer knows is settled by reading back."""
    listed = _listed(http, [job for job in jobs if not job.ref.startswith(SUPPRESS)])
    for job in jobs:
        state = listed.get(job.ref.removeprefix(SETTLE)) or _state(http, job.ref)
        status = state.get("status") if state else "gone"
        if status in {"gone", "cancelled"} or (status == "complete" and job.ref.startswith(SETTLE)):
            yield from _read_back(http, job.batch, Reason.TRY_LATER)
        elif state and status == "complete":
            yield from _suppressed(http, job, state) if job.ref.startswith(SUPPRESS) else _imported(http, job, state)


def recall(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Applied where the account shows it; the rest waits for a running import of that size, else nothing is told."""
    done = _proven(http, batch)
    yield from each(done, State.APPLIED)
    rest = [change.id for change in batch.changes if change.id not in done]
    job = _running(http, batch, since) if rest else None
    if job is not None:
        yield from each(rest, State.PENDING, job=f"{SETTLE}{job}")


def _listed(http: Http, jobs: Sequence[Job]) -> dict[Ref, wire.Document]:
    wanted = {job.ref.removeprefix(SETTLE) for job in jobs}
    if len(wanted) <= _FEW:
        return {}
    found: dict[Ref, wire.Document] = {}
    for ref, state in _recent(http, min(job.started_at for job in jobs) - _SKEW):
        if ref in wanted:
            found[ref] = state
            if len(found) == len(wanted):
                break
    return found


def _recent(http: Http, oldest: datetime) -> Iterator[tuple[Ref, wire.Document]]:
    """The account's import jobs that were created since then, the newest first."""
    for page in reading.pages(http, IMPORTS, "import-jobs", sort="-created_at", page_size=wire.PAGE):
        for item in wire.items(page):
            state = wire.attributes(item)
            if (wire.instant(state.get("created_at")) or oldest) < oldest:
                return
            yield item["id"], state


def _state(http: Http, ref: Ref) -> wire.Document | None:
    route, rate = (SUPPRESSIONS, "suppress-job") if ref.startswith(SUPPRESS) else (IMPORTS, "import-job")
    name = ref.removeprefix(SUPPRESS).removeprefix(SETTLE)
    answer = http("GET", f"{route}/{name}", rate=rate, accept=frozenset({HTTPStatus.NOT_FOUND}))
    return None if answer.status == HTTPStatus.NOT_FOUND else wire.attributes(wire.document(answer)["data"])


def _imported(http: Http, job: Job, state: wire.Document) -> Iterator[Outcome]:
    """`complete` may hold failures; those that name nobody of ours are found by reading the rest back."""
    count = int(state.get("failed_count") or 0)
    failed = _failures(http, job.ref) if count else {}
    rest = []
    named = set()
    for change in _changes(job.batch):
        email = normal(change.profile.email)
        if email in failed:
            named.add(email)
            yield Outcome(id=change.id, state=State.REJECTED, reason=failed[email][0], words=failed[email][1])
        else:
            rest.append(change)
    if len(named) < count:
        yield from _read_back(http, replace(job.batch, changes=rest), Reason.OTHER)
    else:
        yield from each((change.id for change in rest), State.APPLIED)


def _failures(http: Http, ref: Ref) -> Mapping[str, tuple[Reason, str]]:
    found: dict[str, tuple[Reason, str]] = {}
    for page in reading.pages(http, f"{IMPORTS}/{ref}/import-errors", "import-errors", page_size=wire.PAGE):
        for item in wire.items(page):
            email, reason, words = wire.import_error(item)
            if email:
                found[email] = (reason, words)
    return found


def _suppressed(http: Http, job: Job, state: wire.Document) -> Iterator[Outcome]:
    done, total = int(state.get("completed_count") or 0), int(state.get("total_count") or 0)
    if state.get("skipped_count") or done < total:
        yield from _read_back(http, job.batch, Reason.OTHER)
    else:
        yield from each((change.id for change in job.batch.changes), State.APPLIED)


def _running(http: Http, batch: Batch, since: datetime) -> Ref | None:
    imports = [change for change in _changes(batch) if not isinstance(change, RemoveMember | Suppress)]
    count = len(wire.entries(imports))
    for ref, state in _recent(http, since - _SKEW) if imports else ():
        if state.get("status") in {"queued", "processing"} and state.get("total_count") == count:
            return ref
    return None


def _read_back(http: Http, batch: Batch, reason: Reason) -> Iterator[Outcome]:
    done = _proven(http, batch)
    yield from each(done, State.APPLIED)
    rest = (change.id for change in batch.changes if change.id not in done)
    wait = 0.0 if reason is Reason.TRY_LATER else None
    yield from each(rest, State.REJECTED, reason, words="not found there when read back", wait=wait)


def _proven(http: Http, batch: Batch) -> set[str]:
    """The ids of the changes whose effect the account shows: one read for a hundred addresses."""
    changes = _changes(batch)
    emails = [change.profile.email for change in changes]
    kinds = {type(change) for change in changes}
    listed = {AddMember, RemoveMember} & kinds
    there = {email for email, _ in reading.lookup(http, emails, list_ref=batch.ref)} if listed else frozenset()
    left = reading.lookup(http, emails, suppressed=True) if Suppress in kinds else ()
    gone = {email for email, item in left if wire.suppressions(item)}
    kept = reading.traits(http, emails) if {AddContact, SetTraits, ClearTraits} & kinds else {}

    def shows(change: ContactChange) -> bool:
        email = normal(change.profile.email)
        if isinstance(change, AddMember | RemoveMember):
            return (email in there) is isinstance(change, AddMember)
        if isinstance(change, Suppress):
            return email in gone
        values = kept.get(email)
        if values is None:
            return False
        if isinstance(change, ClearTraits):
            return values.keys().isdisjoint(change.fields)
        return change.traits.items() <= values.items()

    return {change.id for change in changes if shows(change)}


def _changes(batch: Batch) -> list[ContactChange]:
    """The batch's changes; Klaviyo's own code pools are not carried."""
    return [change for change in batch.changes if not isinstance(change, AddCode)]
