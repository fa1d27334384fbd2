"""Writes as operations of a /batches job, followed to its result archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from connectors.http import Http
from connectors.mailchimp import pages, wire
from connectors.mailchimp.spec import SKEW, SLOW
from connectors.types import Batch, Change, Job, Outcome, Reason, Ref, State


def submit(http: Http, batch: Batch) -> Iterator[Outcome]:
    """One job of an operation a change: all of them are pending."""
    changes = wire.contacts(batch)
    body = {"operations": [wire.operation(batch.ref, change) for change in changes]}
    response = http("POST", "/batches", json=body, timeout=SLOW)
    job = str(wire.field(response.json(), "id"))
    yield from (Outcome(id=change.id, state=State.PENDING, job=job) for change in changes)


def poll(http: Http, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes of the jobs that have finished; one call tells the state of all."""
    states = _states(http, [job.ref for job in jobs])
    for job in jobs:
        state = states[job.ref]
        if state is None:
            yield from map(_unknown, job.batch.changes)
        elif state.get("status") == "finished":
            yield from _results(http, job, state)


def recall_updates(http: Http, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Results of finished jobs that name these changes; for the rest, a job that still runs and has their number."""
    left = {change.id: change for change in wire.contacts(batch)}
    running: list[wire.Json] = []
    for state in _since(http, since - SKEW):
        if not left:
            return
        if state.get("status") != "finished":
            running.append(state)
            continue
        for result in _read(http, state):
            change = left.pop(str(result.get("operation_id")), None)
            if change is not None:
                yield wire.settled(change, result)
    job = next((state for state in running if state.get("total_operations") in {0, len(left)}), None)
    if job is not None:
        yield from (Outcome(id=change, state=State.PENDING, job=str(job["id"])) for change in left)


def _since(http: Http, since: datetime) -> Iterator[wire.Json]:
    fields = ("id", "status", "total_operations", "submitted_at", "response_body_url")
    params = {"fields": ",".join([*(f"batches.{name}" for name in fields), "total_items"])}
    for part in pages.read(http, "/batches", "batches", params=params):
        for state in part.items:
            submitted = wire.moment(state.get("submitted_at"))
            if submitted is not None and submitted >= since:
                yield state


def _states(http: Http, jobs: Sequence[Ref]) -> dict[Ref, wire.Json | None]:
    """Each job's state, None for one that is not known any more (results are kept for seven days)."""
    fields = "batches.id,batches.status,batches.response_body_url,total_items"
    found: dict[Ref, wire.Json | None] = {}
    if len(jobs) > 1:
        for part in pages.read(http, "/batches", "batches", params={"fields": fields}):
            found |= {entry["id"]: entry for entry in part.items}
    return {job: found[job] if job in found else _job(http, job) for job in jobs}


def _job(http: Http, job: Ref) -> wire.Json | None:
    response = http("GET", f"/batches/{job}", accept=frozenset({HTTPStatus.NOT_FOUND}))
    return None if response.status == HTTPStatus.NOT_FOUND else wire.record(response.json())


def _results(http: Http, job: Job, state: wire.Json) -> Iterator[Outcome]:
    """One outcome a change; nothing when the results cannot be had now: the next poll asks for them again."""
    results = list(_read(http, state))
    if not results:
        return
    waiting = {change.id: change for change in wire.contacts(job.batch)}
    for result in results:
        change = waiting.pop(str(result.get("operation_id")), None)
        if change is not None:
            yield wire.settled(change, result)
    yield from map(_unknown, waiting.values())


def _read(http: Http, state: wire.Json) -> Iterator[wire.Json]:
    """All results of a finished job; a link that has run out is renewed once."""
    archive = _archive(http, state) or _archive(http, _job(http, state["id"]) or {})
    yield from wire.results(archive) if archive else ()


def _archive(http: Http, state: wire.Json) -> bytes | None:
    """The archive lies on another host, which gets no credentials and refuses with XML once ten minutes passed."""
    url = str(state.get("response_body_url") or "")
    refusals = frozenset({400, 401, 403, 404, 410})
    response = http("GET", url, headers={"accept": "*/*"}, accept=refusals, timeout=SLOW) if url else None
    return response.body if response is not None and response.status not in refusals else None


def _unknown(change: Change) -> Outcome:
    words = "the finished job says nothing about this change"
    return Outcome(id=change.id, state=State.REJECTED, reason=Reason.TRY_LATER, words=words, wait=0.0)
