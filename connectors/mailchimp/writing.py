"""Writes: new contacts and segment members at once, everything else as a /batches job followed to its results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from connectors import errors, types
from connectors.http import Http
from connectors.mailchimp import reading, wire
from connectors.mailchimp.spec import SKEW, SLOW
from connectors.outcomes import applied, contacts, each, noop, rejected
from connectors.types import AddCode, AddContact, AddMember, Batch, ContactChange, Outcome, Reason, State

_FIGURES = ("id", "status", "total_operations", "submitted_at", "response_body_url")
_NO_ARCHIVE = frozenset({400, 401, 403, 404, 410})  # another host's refusals, once ten minutes passed


def add(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Create contacts; those that exist are left as they are."""
    adds = [change for change in batch.changes if isinstance(change, AddContact)]
    sent = [change for change in adds if change.status in wire.STATUS]
    words = "a pending consent is not sent: it would mail a confirmation request"
    yield from (rejected(change, Reason.OTHER, words) for change in adds if change.status not in wire.STATUS)
    if not sent:
        return
    params = {"skip_merge_validation": "true", "skip_duplicate_check": "true"}
    body = {"members": [wire.member(change) for change in sent]}
    told, waiting = wire.added(sent, _write(http, f"/lists/{batch.ref}", body, sent, params))
    yield from told
    yield from _unmentioned(http, batch.ref, waiting)


def _unmentioned(http: Http, audience: str, waiting: Mapping[str, Sequence[ContactChange]]) -> Iterator[Outcome]:
    """Batch add passes over some addresses in silence (pmpro-mailchimp#152, 2026-05): they are looked up."""
    wanted = {wire.subscriber(email): email for email in waiting}
    entries = reading.some(http, audience, wanted, ("id", "status"))
    present = {wanted[entry["id"]] for entry in entries if entry["id"] in wanted}
    words = "the answer passes over this contact, and it is not in the audience"
    for email, changes in waiting.items():
        is_in = email in present
        yield from (wire.exists(change) if is_in else rejected(change, Reason.OTHER, words) for change in changes)


def move(http: Http, batch: Batch) -> Iterator[Outcome]:
    """Put contacts into a segment, or take them out."""
    changes = contacts(batch)
    is_add = isinstance(changes[0], AddMember)
    audience, _, segment = batch.ref.partition("/")
    addresses = list(dict.fromkeys(change.profile.email for change in changes))
    body = {"members_to_add" if is_add else "members_to_remove": addresses}
    answer = _write(http, f"/lists/{audience}/segments/{segment}", body, changes)
    told, waiting, words = wire.moved(changes, answer, "members_added" if is_add else "members_removed")
    yield from told
    standing = reading.standing(http, batch.ref, waiting) if waiting else {}
    for email, left in waiting.items():  # present already, absent already, no contact: it is read, not guessed
        is_in, said = standing.get(wire.subscriber(email)), words.get(email) or None
        is_so = is_in is is_add or (is_in is None and not is_add)
        why = Reason.GONE if is_in is None else Reason.OTHER
        yield from (noop(change, words=said) if is_so else rejected(change, why, said) for change in left)


def _write(
    http: Http, path: str, body: object, changes: Sequence[ContactChange], params: Mapping[str, str] | None = None
) -> wire.Json:
    """The answer. Raises InvalidRequest with the culprits that it names: everyone, when the target is gone."""
    try:
        answer: wire.Json = http("POST", path, json=body, params=params, timeout=SLOW).json()
    except errors.InvalidRequest as error:
        is_gone = error.status == HTTPStatus.NOT_FOUND
        everyone = dict.fromkeys((change.id for change in changes), Reason.UNKNOWN_TARGET)
        error.culprits.update(everyone if is_gone else wire.culprits(error.body, changes))
        raise
    return answer


# jobs
def submit(http: Http, batch: Batch, url: str = "") -> Iterator[Outcome]:
    """One job of an operation a change: all of them are pending. `url`: where codes are redeemed."""
    body = {"operations": [wire.operation(batch.ref, change, url) for change in batch.changes]}
    job = http("POST", "/batches", json=body, timeout=SLOW).part("id")
    return each(batch.changes, State.PENDING, job=str(job))


def poll(http: Http, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
    """Outcomes of the jobs that have finished; one call tells the state of all."""
    known = {entry["id"]: entry for entry in _batches(http)} if len(jobs) > 1 else {}
    for job in jobs:
        state = known.get(job.ref) or _job(http, job.ref)
        if state is None:  # results are kept for seven days
            yield from map(_silent, job.batch.changes)
        elif state.get("status") == "finished":
            yield from _results(http, job.batch, state)


def _batches(http: Http) -> Iterator[wire.Json]:
    return reading.rows(http, "/batches", "batches", _FIGURES)


def _job(http: Http, job: types.Ref) -> wire.Json | None:
    response = http("GET", f"/batches/{job}", accept=frozenset({HTTPStatus.NOT_FOUND}))
    return None if response.status == HTTPStatus.NOT_FOUND else wire.record(response.json(), "id", "status")


def _results(http: Http, batch: Batch, state: wire.Json) -> Iterator[Outcome]:
    """One outcome a change; nothing when the results cannot be had now: the next poll asks for them again."""
    results, waiting = _read(http, state), {change.id: change for change in batch.changes}
    if results is not None:
        yield from _told(http, batch.ref, waiting, results)
        yield from map(_silent, waiting.values())


def _told(
    http: Http, ref: types.Ref, waiting: dict[str, types.Change], results: Iterable[wire.Json]
) -> Iterator[Outcome]:
    """Outcomes of those of the changes that the results name; they leave `waiting`."""
    unsure: list[tuple[AddCode, Outcome]] = []
    for result in results:
        change = waiting.pop(str(result.get("operation_id")), None)
        if change is None:
            continue
        outcome = wire.settled(change, result)
        if isinstance(change, AddCode) and outcome.state is State.REJECTED:
            unsure.append((change, outcome))
        else:
            yield outcome
    known = codes(http, ref) if unsure else frozenset()  # "already exists" may be said in any language
    yield from (noop(change) if change.code in known else outcome for change, outcome in unsure)


def _read(http: Http, state: wire.Json) -> Iterator[wire.Json] | None:
    """All results of a finished job; a link that has run out is renewed once. The archive's host gets no credentials."""
    for renewed in (False, True):
        found = _job(http, str(state["id"])) if renewed else state
        url = str((found or {}).get("response_body_url") or "")
        response = http("GET", url, headers={"accept": "*/*"}, accept=_NO_ARCHIVE, timeout=SLOW) if url else None
        if response is not None and response.status not in _NO_ARCHIVE:
            return wire.results(response.body)
    return None


def _silent(change: types.Change) -> Outcome:
    return rejected(change, Reason.TRY_LATER, "the finished job says nothing about this change", wait=0.0)


def codes(http: Http, ref: types.Ref) -> frozenset[str]:
    """The codes that a pool holds; none of a pool that is gone."""
    try:
        found = reading.rows(http, f"{wire.rule(ref)}/promo-codes", "promo_codes", ["id", "code"])
        return frozenset(str(entry["code"]) for entry in found)
    except errors.InvalidRequest as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return frozenset()
        raise


# what became of a write whose answer was lost
def recall(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """An outcome for each change that is seen to be done, or to be under way; none for the others."""
    first = batch.changes[0]
    if isinstance(first, AddContact):
        return _recall_added(http, batch, since)
    if isinstance(first, (AddMember, types.RemoveMember)):
        return _recall_moved(http, batch)
    return _recall_job(http, batch, since)


def _recall_added(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    changed = {"since_last_changed": wire.stamp(since - SKEW)}
    entries = reading.everyone(http, batch.ref, ("id", "status", "merge_fields"), **changed)
    found = {entry["id"]: entry for entry in entries if entry.get("status") not in wire.GONE}
    for change in contacts(batch):
        entry = found.get(wire.subscriber(change.profile.email))
        if entry is not None:
            yield wire.recalled(change, entry)


def _recall_moved(http: Http, batch: Batch) -> Iterator[Outcome]:
    within = reading.present(http, batch.ref)
    for change in contacts(batch):
        if (wire.subscriber(change.profile.email) in within) == isinstance(change, AddMember):
            yield applied(change)


def _recall_job(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Results of finished jobs that name these changes; for the rest, a job that still runs and has their number."""
    left, running = {change.id: change for change in batch.changes}, list[wire.Json]()
    for state in _batches(http):
        submitted = wire.moment(state.get("submitted_at"))
        if submitted is None or submitted < since - SKEW:
            continue
        if state.get("status") != "finished":
            running.append(state)
            continue
        yield from _told(http, batch.ref, left, _read(http, state) or ())
        if not left:
            return
    job = next((state for state in running if state.get("total_operations") in {0, len(left)}), None)
    if job is not None:
        yield from each(list(left.values()), State.PENDING, job=str(job["id"]))
