"""Provider jobs: asked until each tells what became of every change that it carries, or the deadline passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat

from connectors import errors
from connectors.base import RunsJobs
from connectors.types import Job, Outcome, Ref, State
from engine.ledger.outcomes import Sending
from engine.push.delivery import retrying
from engine.push.trip import Trip

__all__ = ["await_jobs"]

_Known = dict[str, tuple[Sending, Ref]]  # what waits, by id, with the job that carries it
_LEAST = 0.5  # seconds between two polls, whatever a connector declares: nobody asks without a pause


def await_jobs(trip: Trip, *, deadline: float | None = None) -> None:
    """Poll what waits, at least once; what is under way after `deadline` seconds stays pending for the next run."""
    until = trip.clock.monotonic() + (trip.limits.job_deadline if deadline is None else deadline)
    first, *rest = trip.carrier.destination.spec.poll_after or (2.0,)
    later = [max(delay, _LEAST) for delay in (rest or [first])]
    known = {change.change_id: (change, ref) for ref, changes in trip.waiting.items() for change in changes}
    for delay in chain([first], later, repeat(later[-1])):
        if not trip.waiting:
            return
        trip.pause()
        trip.clock.sleep(delay)
        _ask(trip, known)
        if trip.clock.monotonic() >= until:
            break
    trip.waiting.clear()
    trip.sent.clear()


def _ask(trip: Trip, known: _Known) -> None:
    connector = trip.carrier.connector
    if not isinstance(connector, RunsJobs):
        raise errors.UnexpectedResponse(f"{trip.name}: changes are pending, and the connector cannot poll")
    jobs = _jobs(trip)
    found: dict[str, Outcome] = {}
    try:
        for attempt in retrying(trip.clock):
            with attempt:
                trip.result.calls += 1
                _note(connector.poll(jobs), known, found)
    finally:
        _conclude(trip, known, found)


def _note(outcomes: Iterable[Outcome], known: _Known, found: dict[str, Outcome]) -> None:
    """Keep what is told, as it is told."""
    pending = State.PENDING
    for outcome in outcomes:
        if outcome.id not in known:
            raise errors.UnexpectedResponse(f"a job told about '{outcome.id}', which it does not carry")
        if outcome.state is not pending:
            found[outcome.id] = outcome


def _conclude(trip: Trip, known: _Known, found: Mapping[str, Outcome]) -> None:
    """Commit what is told; only the jobs that told something are looked at: many may wait behind one."""
    if not found:
        return
    ended = [known.pop(key) for key in found]
    trip.conclude([(change, outcome) for (change, _), outcome in zip(ended, found.values(), strict=True)])
    for ref in {ref for _, ref in ended}:
        trip.sent.pop(ref, None)
        trip.waiting[ref] = [change for change in trip.waiting[ref] if change.change_id in known]
        if not trip.waiting[ref]:
            del trip.waiting[ref]


def _jobs(trip: Trip) -> Sequence[Job]:
    """Each job with what it carries, by target: a job of one batch is one."""
    jobs = []
    for ref, changes in trip.waiting.items():
        if ref in trip.sent:
            jobs.append(trip.sent[ref])
            continue
        groups: dict[tuple[str, str], list[Sending]] = {}
        for change in changes:
            groups.setdefault((change.kind, change.target), []).append(change)
        jobs += [_job(trip, ref, kind, target, group) for (kind, target), group in groups.items()]
    return jobs


def _job(trip: Trip, ref: Ref, kind: str, target: str, changes: list[Sending]) -> Job:
    started = min((change.started_at for change in changes if change.started_at), default=trip.clock.utc())
    return Job(ref=ref, batch=trip.batch(kind, target, changes), started_at=started)
