"""Writes: new contacts and segment members at once, everything else as a /batches job followed to its results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus

from connectors import types
from connectors.answers import Json, instant
from connectors.errors import InvalidRequest
from connectors.http import Http
from connectors.mailchimp import reading, wire
from connectors.mailchimp.spec import SKEW, SLOW
from connectors.outcomes import applied, by_address, contacts, each, noop, parted, rejected, shows
from connectors.types import AddCode, AddContact, Batch, Change, Job, Outcome, Reason, Ref, State

_PENDING = "a pending consent is not sent: it would mail a confirmation request"
_PASSED_OVER = "the answer passes over this contact, and it is not in the audience"
_FIGURES = ("id", "status", "total_operations", "submitted_at", "response_body_url")
_UNSURE = frozenset({Reason.OTHER, Reason.INVALID_VALUE})  # of a code that was refused: it may be there
_NO_ARCHIVE = frozenset({400, 401, 403, 404, 410})  # another host's refusals, once ten minutes passed


def push(http: Http, batch: Batch, url: str) -> Iterator[Outcome]:
    """One call a batch, and look-ups only for what its answer leaves open. `url`: where codes are redeemed."""
    kind = type(batch.changes[0])
    if kind is AddContact:
        return _add(http, batch)
    return _move(http, batch) if kind in _MOVES else _submit(http, batch, url)


def _add(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Create contacts; those that exist are left as they are."""
    adds = [change for change in batch.changes if isinstance(change, AddContact)]
    sent, pending = parted(adds, lambda change: change.status in wire.STATUS)
    yield from each(pending, State.REJECTED, Reason.OTHER, words=_PENDING)
    if not sent:
        return
    body = {"members": [wire.member(change) for change in sent]}
    path = f"/lists/{batch.ref}?skip_merge_validation=true&skip_duplicate_check=true"
    waiting = by_address(sent)
    yield from wire.added(waiting, _written(http, path, body, sent))
    present = reading.contacts(http, batch.ref, waiting)  # passed over in silence (pmpro-mailchimp#152, 2026-05)
    for email, left in waiting.items():
        entry = present.get(email)
        yield from (wire.exists(one, entry) if entry else rejected(one, Reason.OTHER, _PASSED_OVER) for one in left)


def _move(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Put contacts into a segment, or take them out."""
    changes = contacts(batch)
    audience, _, segment = batch.ref.partition("/")
    asked, key = _MOVES[type(changes[0])]
    body = {asked: list(dict.fromkeys(change.profile.email for change in changes))}
    answer = _written(http, f"/lists/{audience}/segments/{segment}", body, changes)
    waiting, words = by_address(changes), wire.unmoved(answer)
    yield from wire.moved(waiting, answer, key)
    standing = reading.standing(http, batch.ref, waiting)  # there already, gone already, no contact: read, not guessed
    for email, left in waiting.items():
        is_in, said = standing.get(email), words.get(email) or None
        why = Reason.GONE if is_in is None else Reason.OTHER
        is_so = shows(left[0], {} if is_in else None)
        yield from (noop(change, words=said) if is_so else rejected(change, why, said) for change in left)


def _written(http: Http, path: str, body: Json, changes: Sequence[Change]) -> object:
    """The answer. Raises InvalidRequest with the culprits that it names: everyone, when the target is gone."""
    try:
        return http("POST", path, json=body, timeout=SLOW).json()
    except InvalidRequest as error:
        is_gone = error.status == HTTPStatus.NOT_FOUND
        everyone = dict.fromkeys((change.id for change in changes), Reason.UNKNOWN_TARGET)
        error.culprits.update(everyone if is_gone else wire.culprits(error.body, changes))
        raise


# jobs
def _submit(http: Http, batch: Batch, url: str) -> Iterator[Outcome]:
    """One job of an operation a change: all of them are pending."""
    body = {"operations": [wire.operation(batch.ref, change, url) for change in batch.changes]}
    job = http("POST", "/batches", json=body, timeout=SLOW).part("id")
    return each(batch.changes, State.PENDING, job=str(job))


def poll(http: Http, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes of the jobs that have finished; one call tells the state of all."""
    states = _states(http, dict.fromkeys(job.ref for job in jobs))
    for job in jobs:
        if job.ref not in states:  # results are kept for seven days
            yield from map(_silent, job.batch.changes)
        elif states[job.ref]["status"] == "finished" and (results := _results(http, states, job.ref)) is not None:
            waiting = {change.id: change for change in job.batch.changes}
            yield from _told(http, job.batch.ref, waiting, results)
            yield from map(_silent, waiting.values())


def _states(http: Http, jobs: Collection[Ref]) -> dict[Ref, Json]:
    """These jobs as they stand, several in one call; absent when forgotten."""
    return reading.some(http, "/batches", jobs, _FIGURES, few=1)


def _results(http: Http, states: dict[Ref, Json], job: Ref) -> Iterator[Json] | None:
    """All results of a finished job; None when they are to be asked for again. The archive's host gets no credentials.

    A link lives ten minutes: when one has run out, those of all `states` are renewed, once.
    """
    for renewed in (False, True):
        if renewed:
            states |= _states(http, states)
        if url := str(states[job].get("response_body_url") or ""):
            answer = http("GET", url, headers={"accept": "*/*"}, accept=_NO_ARCHIVE, timeout=SLOW)
            if answer.status not in _NO_ARCHIVE:
                return wire.results(answer.body)
    return None


def _told(http: Http, ref: Ref, waiting: dict[str, Change], results: Iterable[Json]) -> Iterator[Outcome]:
    """Outcomes of those of the changes that the results name; they leave `waiting`."""
    codes = cache(partial(_codes, http, ref))  # "already exists" may be said in any language: the pool tells
    for result in results:
        change = waiting.pop(str(result.get("operation_id")), None)
        if change is None:
            continue
        outcome = wire.settled(change, result)
        if isinstance(change, AddCode) and outcome.reason in _UNSURE and change.code in codes():
            outcome = noop(change)
        yield outcome


def _codes(http: Http, pool: Ref) -> frozenset[str]:
    entries = reading.every(http, f"{wire.pool(pool)}/promo-codes", "id", "code")
    return frozenset(str(entry["code"]) for entry in entries)


def _silent(change: Change) -> Outcome:
    return rejected(change, Reason.TRY_LATER, "the finished job says nothing about this change", wait=0.0)


# what became of a write whose answer was lost
def recall(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """An outcome for each change that is seen to be done, or to be under way; none for the others."""
    if type(batch.changes[0]) in _MOVES:
        within = reading.present(http, batch.ref)
        ids = {change.id: wire.subscriber(change.profile.email) for change in contacts(batch)}
        return (applied(one) for one in contacts(batch) if shows(one, {} if ids[one.id] in within else None))
    is_new = isinstance(batch.changes[0], AddContact)
    return _recall_added(http, batch, since) if is_new else _recall_job(http, batch, since)


def _recall_added(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """A contact that changed since and holds every value that we sent is ours; one of other values was there before."""
    path, fields, at = f"/lists/{batch.ref}/members", ("id", "status", "merge_fields"), reading.stamped(since - SKEW)
    changed = {entry["id"]: entry for entry in reading.every(http, path, *fields, since_last_changed=at)}
    for change in contacts(batch):
        entry = changed.get(wire.subscriber(change.profile.email))
        if entry is not None and entry.get("status") != wire.GONE:
            is_ours = shows(change, entry.get("merge_fields") or {})
            yield wire.done(change, entry) if is_ours else wire.exists(change, entry)


def _recall_job(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Results of finished jobs that name these changes; for the rest, a job that still runs and has their number."""
    left = {change.id: change for change in batch.changes}
    known = [(state, instant(state.get("submitted_at"))) for state in reading.every(http, "/batches", *_FIGURES)]
    young = {state["id"]: state for state, at in known if at is not None and at >= since - SKEW}
    for job, state in young.items():
        if left and state["status"] == "finished":
            yield from _told(http, batch.ref, left, _results(http, young, job) or ())
    running = (job for job, state in young.items() if state["status"] != "finished")
    ours = next((job for job in running if young[job].get("total_operations") in {0, len(left)}), None)
    yield from each([*left.values()], State.PENDING, job=ours) if ours else ()


_MOVES: Mapping[type[Change], tuple[str, str]] = {  # what a call says, and what its answer
    types.AddMember: ("members_to_add", "members_added"),
    types.RemoveMember: ("members_to_remove", "members_removed"),
}
