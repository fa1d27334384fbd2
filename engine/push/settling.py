"""What earlier runs left on its way, cleared up before anything else: looked up, sent again, or undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from connectors.base import Recalls
from connectors.types import AddMember, Outcome, RemoveMember, SetTraits, State, Suppress
from engine.ledger.outcomes import Sending
from engine.plan.destination import CONTACTS, KINDS
from engine.plan.rows import content_hash
from engine.push.delivery import retrying
from engine.push.jobs import await_jobs
from engine.push.pools import KIND, usable
from engine.push.result import Result
from engine.push.trip import Trip, place_of

__all__ = ["settle"]

_RAISES = frozenset({"AddContact", "SetTraits", "AddMember"})  # kinds that ask for consent, now as then


def settle(trip: Trip) -> None:
    """Give every change of earlier runs its final outcome, counted in `Result.settled`."""
    trip.refresh()
    if not trip.ledger.sending.of(trip.name):
        return
    outer, trip.result = trip.result, Result(trip.name)
    try:
        _await_earlier(trip)
        left = [change for change in trip.ledger.sending.of(trip.name) if not change.is_pending]
        for (kind, target), changes in _groups(left).items():
            _again(trip, kind, target, _recalled(trip, kind, target, changes))
        await_jobs(trip)
        go_on(trip)
    finally:
        trip.seen.clear()
        inner, trip.result = trip.result, outer
        _report(outer, inner)


def go_on(trip: Trip) -> None:
    """Contacts that turned out to exist get their traits by the route that cannot create."""
    changes, trip.continued = trip.continued, []
    if changes:
        trip.carry(SetTraits.__name__, CONTACTS, changes)
        await_jobs(trip)


def _await_earlier(trip: Trip) -> None:
    """Ask for the jobs of earlier runs; those older than their deadline count as unknown from now on."""
    pending = [change for change in trip.ledger.sending.of(trip.name) if change.is_pending and change.job]
    for change in pending:
        trip.waiting.setdefault(str(change.job), []).append(change)
    if not pending:
        return
    youngest = max(change.started_at or trip.clock.utc() for change in pending)
    age = (trip.clock.utc() - youngest).total_seconds()
    await_jobs(trip, deadline=max(0.0, trip.limits.job_deadline - age))
    oldest = trip.clock.utc() - timedelta(seconds=trip.limits.job_deadline)
    left = [change for change in trip.ledger.sending.of(trip.name) if change.is_pending]
    lost = [change.change_id for change in left if change.started_at is None or change.started_at <= oldest]
    trip.ledger.sending.lose(trip.name, lost, plan=trip.plan)


def _groups(changes: Sequence[Sending]) -> Mapping[tuple[str, str], list[Sending]]:
    """By kind and target, in the order in which kinds are carried."""
    groups: dict[tuple[str, str], list[Sending]] = {}
    order = list(KINDS)
    for change in sorted(changes, key=lambda change: (order.index(change.kind), change.target)):
        groups.setdefault((change.kind, change.target), []).append(change)
    return groups


def _recalled(trip: Trip, kind: str, target: str, changes: Sequence[Sending]) -> list[Sending]:
    """Ask the provider what it did with them, where it can tell; returns those of which nothing is known."""
    connector = trip.carrier.connector
    if not isinstance(connector, Recalls) or not _has_place(trip, kind, target):
        return list(changes)
    known = {change.change_id: change for change in changes}
    since = min(change.started_at or trip.clock.utc() for change in changes)
    found: dict[str, Outcome] = {}
    for attempt in retrying(trip.clock):
        with attempt:
            trip.result.calls += 1
            outcomes = connector.recall(trip.batch(kind, target, changes), since)
            found |= {outcome.id: outcome for outcome in outcomes if outcome.id in known}
    trip.conclude([(known[key], outcome) for key, outcome in found.items() if outcome.state is not State.PENDING])
    jobs = {key: outcome.job for key, outcome in found.items() if outcome.state is State.PENDING and outcome.job}
    trip.ledger.sending.wait(trip.name, jobs, plan=trip.plan)
    for key, job in jobs.items():
        trip.waiting.setdefault(job, []).append(known[key]._replace(job=job))
    return [change for key, change in known.items() if key not in found]


def _again(trip: Trip, kind: str, target: str, changes: Sequence[Sending]) -> None:
    """Send them again, which is harmless; but never what consent forbids by now (that is undone), nor codes that are over."""
    if not changes:
        return
    if not _has_place(trip, kind, target):
        trip.ledger.sending.withdraw(trip.name, [change.change_id for change in changes], plan=trip.plan)
        return
    addresses = [change.address for change in changes]
    may = trip.people.reachable(addresses) - trip.ledger.suppressions.addresses(trip.name)
    if kind == Suppress.__name__:
        may = frozenset(addresses) - trip.people.reachable(addresses)
    elif kind == KIND:
        may = frozenset(usable(trip, target))
    elif kind not in _RAISES:
        may = frozenset(addresses)
    good = [change for change in changes if change.address in may]
    if good:
        trip.carry(kind, target, good, is_begun=True)
    _undo(trip, kind, [change for change in changes if change.address not in may])


def _undo(trip: Trip, kind: str, changes: Sequence[Sending]) -> None:
    """Take back what may have arrived and is not wanted any more."""
    said_no = trip.people.said_no([change.address for change in changes])
    back = {AddMember.__name__: RemoveMember.__name__, "AddContact": Suppress.__name__}.get(kind)
    if back is None or KINDS[back] not in trip.carrier.destination.spec.carries:
        undone: list[Sending] = []
    else:
        undone = [change for change in changes if back == RemoveMember.__name__ or change.address in said_no]
    left = [change for change in changes if change not in undone]
    if left:
        trip.ledger.sending.drop(trip.name, left, trip.settlement)
        trip.seen.clear()
    for target, group in _by_target(undone).items():
        place = target if back == RemoveMember.__name__ else CONTACTS
        opposite = [_opposite(trip, str(back), place, change) for change in group]
        trip.carry(str(back), place, opposite)


def _opposite(trip: Trip, kind: str, target: str, change: Sending) -> Sending:
    digest = content_hash(trip.name, kind, target, change.address, {})
    return change._replace(
        kind=kind, target=target, content_hash=digest, fields={}, defaults=frozenset(), status=None, job=None
    )


def _by_target(changes: Sequence[Sending]) -> Mapping[str, list[Sending]]:
    groups: dict[str, list[Sending]] = {}
    for change in changes:
        groups.setdefault(change.target, []).append(change)
    return groups


def _has_place(trip: Trip, kind: str, target: str) -> bool:
    known = trip.targets.get(place_of(kind, target))
    return known is not None and known.ref is not None


def _report(outer: Result, inner: Result) -> None:
    """Fold what was settled into the run's own result."""
    tally = {"applied": inner.applied.total(), "noop": inner.noop.total(), "rejected": len(inner.rejected)}
    outer.settled.update({what: count for what, count in tally.items() if count})
    outer.rejected += inner.rejected
    outer.calls += inner.calls
    outer.stopped = inner.stopped
