"""Targets made ready: ours are created, and the ledger knows of it before the call; others are never taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.types import Reason, Ref, Target, TargetKind
from engine.errors import GuardRefused
from engine.plan.destination import CONTACTS, flag_name, targets
from engine.push.delivery import retrying
from engine.push.trip import Trip

__all__ = ["ready", "restore"]

_OURS = frozenset({TargetKind.SEGMENT, TargetKind.POOL})  # what is in them must be ours alone


def ready(trip: Trip, *, recreate: frozenset[str] = frozenset()) -> None:
    """Every target of the config has a ref. Raises GuardRefused for a list or a pool that exists there and is not ours."""
    trip.refresh()
    wanted = targets(trip.carrier.destination, trip.targets)
    for (kind, name), known in trip.targets.items():
        is_asked = kind in _OURS and f"{trip.name}/{flag_name(kind, name)}" in recreate
        if is_asked and known.ref is not None:
            trip.ledger.targets.renew(trip.name, wanted.get((kind, name), known.target), plan=trip.plan)
    trip.refresh()
    unknown = [target for key, target in wanted.items() if key not in trip.targets]
    begun = [wanted[key] for key, known in trip.targets.items() if known.ref is None and key in wanted]
    if not unknown and not begun:
        return
    if unknown:
        _expect(trip, unknown)
    _create(trip, [*unknown, *begun])
    trip.refresh()


def restore(trip: Trip) -> bool:
    """Make the list that all contacts are on again, where changes were refused because somebody deleted it there.

    Departures need a place too, and nobody is in that list for its own sake. Returns whether it was made.
    """
    known = trip.targets.get((TargetKind.CONTACTS, CONTACTS))
    refused = {(one.reason, one.target) for one in trip.result.rejected}
    refused |= {(one.reason, one.target) for one in trip.ledger.rejections.of(trip.name)}
    is_missed = (Reason.UNKNOWN_TARGET, CONTACTS) in refused
    if known is None or known.ref is None or not is_missed or known.target in _find(trip, [known.target]):
        return False
    _create(trip, [known.target])
    trip.ledger.rejections.forgive(trip.name, [Reason.UNKNOWN_TARGET])
    trip.refresh()
    return True


def _expect(trip: Trip, unknown: Sequence[Target]) -> None:
    found = _find(trip, unknown)
    lists = [target.title for target in found if target.kind in _OURS]
    if lists:
        raise GuardRefused(
            f"{trip.name}: {', '.join(sorted(lists))} exists there and is not ours",
            place=f"destinations.{trip.name}",
            hint="give this destination another prefix, or rename it at the provider",
        )
    trip.ledger.targets.expect(trip.name, found, is_owned=False, plan=trip.plan)
    missing = [target for target in unknown if target not in found]
    trip.ledger.targets.expect(trip.name, missing, is_owned=True, plan=trip.plan)


def _find(trip: Trip, wanted: Sequence[Target]) -> Mapping[Target, Ref]:
    for attempt in retrying(trip.clock):
        with attempt:
            return trip.carrier.connector.find(wanted)
    return {}


def _create(trip: Trip, wanted: Sequence[Target]) -> None:
    refs: Mapping[Target, Ref] = {}
    for attempt in retrying(trip.clock):
        with attempt:
            trip.result.calls += 1
            refs = trip.carrier.connector.create(wanted)
    known = {(target.kind, target.name): target for target in wanted}
    trip.ledger.targets.record(trip.name, refs, plan=trip.plan)
    trip.result.created += [known[target.kind, target.name].title for target in refs]
