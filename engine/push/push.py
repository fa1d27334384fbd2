"""A plan carried to all its destinations: what consent asks for first, everywhere; then everything else."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.base import ReadsMembers
from connectors.errors import ConnectorError
from connectors.http import Clock
from connectors.types import Suppress, TargetKind
from engine.errors import GuardRefused, OutOfTime, StalePlan
from engine.ledger import Ledger
from engine.plan.rows import UNDER_WAY
from engine.push.jobs import await_jobs
from engine.push.loading import groups
from engine.push.people import People
from engine.push.result import Result
from engine.push.settling import go_on, settle
from engine.push.targets import ready, restore
from engine.push.trip import Carrier, Limits, Progress, Trip

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.plan import Plan
    from engine.plan.spool import Rows

__all__ = ["push"]

_WORKERS = 8  # destinations at the same time
_OBJECTS = 300_000  # new objects between two looks for cycles: more than the changes under way are made of
_MEMBERS = frozenset({"AddMember", "RemoveMember"})


def _silent(destination: str, done: int, total: int) -> None:
    """No progress."""


def push(
    plan: Plan,
    carriers: Sequence[Carrier],
    ledger: Ledger,
    people: pa.Table | People,
    *,
    clock: Clock,
    now: datetime,
    limits: Limits | None = None,
    progress: Progress = _silent,
    recreate: frozenset[str] = frozenset(),
) -> list[Result]:
    """Carry the plan to these destinations; what is in the plan for others is left alone.

    `people` is the membership as of now, or what was kept of it: addresses come from it, and consent that fell since the plan withholds.
    `recreate`: "destination/segment" of lists that are gone and may be made again. Raises StalePlan when the ledger
    moved since the plan, by anything but this plan's own interrupted push.
    """
    checksum = plan.checksum
    if not ledger.is_current(plan.ledger_version, checksum):
        raise StalePlan("the ledger has moved since this plan was made", hint="make a new plan and review it")
    known = people if isinstance(people, People) else People(people)
    trips = [
        Trip(
            carrier=carrier, ledger=ledger, people=known, clock=clock, now=now, plan=checksum,
            limits=limits or Limits(), progress=progress, result=Result(carrier.destination.name),
        )
        for carrier in carriers
    ]  # fmt: skip
    with _few_collections():
        _all(settle, trips)
        _all(lambda trip: _first(trip, plan, recreate), trips, (None, "time"))  # also where the time is up
        _all(lambda trip: _rest(trip, plan, recreate), trips)
    for trip in trips:
        trip.result.pending = sum(change.is_pending for change in ledger.sending.of(trip.name))
    return [trip.result for trip in trips]


@contextmanager
def _few_collections() -> Iterator[None]:
    """Batches of changes are many small objects without cycles: looking for cycles took a quarter of a push."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _all(stage: Callable[[Trip], None], trips: Sequence[Trip], allowed: Collection[str | None] = (None,)) -> None:
    """One stage at every destination that still goes on; the next stage begins when all have ended."""
    going = [trip for trip in trips if trip.result.error is None and trip.result.stopped in allowed]
    if len(going) == 1:
        _guarded(stage, going[0])
    elif going:
        with ThreadPoolExecutor(max_workers=min(_WORKERS, len(going)), thread_name_prefix="push") as pool:
            list(pool.map(lambda trip: _guarded(stage, trip), going))


def _guarded(stage: Callable[[Trip], None], trip: Trip) -> None:
    """A destination's failure is its own."""
    try:
        stage(trip)
    except (ConnectorError, GuardRefused) as error:
        trip.result.error = error
    except OutOfTime:
        trip.result.stopped = trip.result.stopped or "time"


def _first(trip: Trip, plan: Plan, recreate: frozenset[str]) -> None:
    """People who have left: nothing else is pushed anywhere before this is done everywhere."""
    trip.refresh()
    mine = plan.stored.chosen(destination=trip.name)
    if trip.carrier.is_consent_only:  # a list may be what the guard refused: only the departures themselves
        mine = mine.chosen(kind=Suppress.__name__)
    trip.total = sum(run.changes for run in mine.runs)
    _count(trip, mine, recreate)
    restore(trip)
    _carry(trip, mine, is_first=True)
    if restore(trip):
        _carry(trip, mine, is_first=True)


def _rest(trip: Trip, plan: Plan, recreate: frozenset[str]) -> None:
    mine = plan.stored.chosen(destination=trip.name)
    if trip.carrier.is_consent_only or (len(mine) == 0 and not _lacks(trip, plan)):
        return
    account = plan.accounts.get(trip.name)
    if account is not None and trip.ledger.accounts.get(trip.name) is None:
        connector = trip.carrier.destination.connector
        trip.ledger.accounts.record(trip.name, account, name=trip.name, connector=connector, plan=trip.plan)
    ready(trip, recreate=recreate)
    _carry(trip, mine, is_first=False)


def _lacks(trip: Trip, plan: Plan) -> bool:
    mine = next((one for one in plan.destinations if one.name == trip.name), None)
    return mine is not None and bool(mine.lists_created or mine.fields_created or mine.pools_created)


def _carry(trip: Trip, mine: Rows, *, is_first: bool) -> None:
    """Each group in order; jobs end before the kinds that build upon them begin."""
    before: str | None = None
    for kind, target, parts in groups(trip, mine, is_first=is_first):
        if before is not None and (kind in _MEMBERS) != (before in _MEMBERS):
            await_jobs(trip)
            go_on(trip)
        before = kind
        for changes in parts:
            if changes:
                trip.carry(kind, target, changes)
            if trip.under_way >= UNDER_WAY:
                await_jobs(trip)
                go_on(trip)
            if not trip.under_way:
                trip.seen.clear()
    await_jobs(trip)
    go_on(trip)
    trip.seen.clear()


def _count(trip: Trip, mine: Rows, recreate: frozenset[str]) -> None:
    """The provider's own figures before the first write, of the lists that will change."""
    connector = trip.carrier.connector
    if not isinstance(connector, ReadsMembers):
        return
    touched = dict.fromkeys(run.target for run in mine.runs if run.kind in _MEMBERS)
    for name in touched:
        known = None if f"{trip.name}/{name}" in recreate else trip.targets.get((TargetKind.SEGMENT, name))
        trip.result.counts[name] = connector.count(known.target, known.ref) if known and known.ref else 0
