"""One batch delivered: tried again where that makes sense, split where someone in it is refused, one outcome each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from connectors import errors, http
from connectors.base import Connector, Recalls
from connectors.http import Clock, mask
from connectors.types import Batch, Change, Outcome, Reason, State

if TYPE_CHECKING:
    import tenacity

__all__ = ["Delivery", "deliver", "retrying"]

_ATTEMPTS = 5
_PATIENCE = 900.0  # seconds that a provider may ask us to wait; beyond it the destination is left for the next run


@dataclass(slots=True)
class Delivery:
    """Outcomes by change id, and why it ended early.

    `is_certain`: what has no outcome had no effect. `unsure`: changes that were sent at least once without an answer.
    """

    batch: Batch
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    error: errors.ConnectorError | None = None
    is_certain: bool = True
    calls: int = 0
    unsure: set[str] = field(default_factory=set)

    def rest(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Those of the changes that have no outcome yet."""
        if len(self.outcomes) == len(self.batch.changes):  # each id is the batch's own
            return ()
        return tuple([change for change in changes if change.id not in self.outcomes])

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Keep what a connector says, as it says it. Raises UnexpectedResponse for an id that is not ours, or twice."""
        known, told = {change.id for change in self.batch.changes}, self.outcomes
        pending = State.PENDING
        for outcome in outcomes:
            key = outcome.id
            if key not in known or key in told:
                raise errors.UnexpectedResponse(f"an outcome for '{key}' that was not asked for, or a second one")
            if outcome.state is pending and not outcome.job:
                raise errors.UnexpectedResponse(f"change '{key}' is pending without a job")
            told[key] = outcome


def deliver(connector: Connector, batch: Batch, *, clock: Clock, since: datetime) -> Delivery:
    """Send a batch to its end. An error stops it; what came before the error stands."""
    delivery = Delivery(batch)
    waiting: list[tuple[Change, ...]] = [tuple(batch.changes)]
    try:
        while waiting:
            waiting += _carry(connector, delivery, waiting.pop(0), clock=clock, since=since)
    except errors.ConnectorError as error:
        delivery.error = error
        if isinstance(error, errors.UnexpectedResponse) or delivery.outcomes:
            delivery.is_certain = False
    return delivery


def _carry(
    connector: Connector, delivery: Delivery, changes: tuple[Change, ...], *, clock: Clock, since: datetime
) -> list[tuple[Change, ...]]:
    """Send some changes; returns the parts that are left to send after a refusal."""
    try:
        for attempt in retrying(clock):
            with attempt:
                _attempt(connector, delivery, changes, since=since)
    except errors.InvalidRequest as refusal:
        return _parts(delivery, delivery.rest(changes), refusal)
    missing = delivery.rest(changes)
    if missing:
        raise errors.UnexpectedResponse(f"{len(missing)} changes of {len(changes)} got no outcome")
    return []


def _attempt(connector: Connector, delivery: Delivery, changes: tuple[Change, ...], *, since: datetime) -> None:
    batch = delivery.batch
    rest = delivery.rest(changes)
    if not delivery.is_certain and isinstance(connector, Recalls):
        delivery.calls += 1
        delivery.note(connector.recall(Batch(batch.target, batch.ref, rest), since))
        rest = delivery.rest(changes)
    if not rest:
        return
    delivery.calls += 1
    try:
        delivery.note(connector.push(Batch(batch.target, batch.ref, rest)))
    except errors.Unavailable as error:
        delivery.is_certain = delivery.is_certain and not error.ambiguous
        delivery.unsure |= {change.id for change in rest} if error.ambiguous else set()
        raise


def _parts(delivery: Delivery, rest: tuple[Change, ...], refusal: errors.InvalidRequest) -> list[tuple[Change, ...]]:
    """Reject the culprits and send the rest; halve when none is named, until the culprit is alone."""
    named = {change.id: refusal.culprits[change.id] for change in rest if change.id in refusal.culprits}
    if not named and len(rest) == 1:
        named = {rest[0].id: Reason.OTHER}
    words = mask(str(refusal))
    for key, reason in named.items():
        delivery.outcomes[key] = Outcome(id=key, state=State.REJECTED, reason=reason, words=words)
    left = tuple(change for change in rest if change.id not in named)
    parts = [left] if named else [left[: len(left) // 2], left[len(left) // 2 :]]
    return [part for part in parts if part]


def retrying(clock: Clock) -> tenacity.Retrying:
    """Tries of a call that waits for its provider, patiently."""
    return http.retrying(clock, attempts=_ATTEMPTS, patience=_PATIENCE)
