"""Carries changes as the engine does: cut, push, reject culprits, halve, poll to the end; and writes down what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors import errors
from connectors.base import Recalls, RunsJobs
from connectors.spec import cut
from connectors.types import Batch, Job, Outcome, Reason, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.spec import Limit
    from connectors.testing.lab import Lab
    from connectors.types import Change, Ref, Target

__all__ = ["Carried", "carry"]

_ROUNDS = 30  # of settle and poll, after which a job is said to be silent


@dataclass(slots=True)
class Carried:
    """What became of the changes: every outcome that came, by change id, final ones and acceptances apart."""

    final: dict[str, list[Outcome]] = field(default_factory=dict)
    accepted: dict[str, list[Outcome]] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    refusals: list[errors.InvalidRequest] = field(default_factory=list)
    failures: list[errors.ConnectorError] = field(default_factory=list)
    watch: Callable[[Outcome], None] = lambda _outcome: None

    def note(self, outcome: Outcome) -> None:
        """Write an outcome down."""
        self.watch(outcome)
        place = self.accepted if outcome.state is State.PENDING else self.final
        place.setdefault(outcome.id, []).append(outcome)

    def of(self, change: Change) -> Outcome | None:
        """The change's final outcome, when it has one."""
        return next(iter(self.final.get(change.id, ())), None)

    def knows(self, change: Change) -> bool:
        """Something came for this change."""
        return change.id in self.final or change.id in self.accepted

    def rest(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Those of which nothing came yet."""
        return tuple(change for change in changes if not self.knows(change))


def carry(
    lab: Lab,
    changes: Sequence[Change],
    target: Target,
    ref: Ref,
    watch: Callable[[Outcome], None] = lambda _outcome: None,
    *,
    tries: int = 1,
) -> Carried:
    """Carry changes of one kind; `watch` sees each outcome at the moment it comes.

    With more than one of `tries`, a call that fails is looked up and sent again as a next run would do it.
    """
    carried = Carried(watch=watch)
    limit: Limit = lab.connector.spec.carries[type(changes[0])]
    for part in cut(changes, limit):
        _push(lab, Batch(target, ref, part), carried, tries)
    for _ in range(_ROUNDS):
        waiting = [change for change in changes if change.id in carried.accepted and change.id not in carried.final]
        if not waiting:
            break
        lab.settle()
        _poll(lab, _jobs(lab, waiting, carried), carried)
    return carried


def _push(lab: Lab, batch: Batch, carried: Carried, tries: int) -> None:
    carried.batches.append(batch)
    try:
        _deliver(lab, batch, carried, tries)
    except errors.InvalidRequest as refusal:
        carried.refusals.append(refusal)
        for part in _parts(carried, carried.rest(batch.changes), refusal):
            _push(lab, Batch(batch.target, batch.ref, part), carried, tries)


def _deliver(lab: Lab, batch: Batch, carried: Carried, tries: int) -> None:
    """Push what is left of a batch, and again after a failure; what an ambiguous one did is looked up first."""
    since, is_certain = lab.now(), True
    for left in reversed(range(tries)):
        connector, rest = lab.connector, carried.rest(batch.changes)
        if not is_certain and isinstance(connector, Recalls):
            first = len(lab.calls())
            for outcome in connector.recall(Batch(batch.target, batch.ref, rest), since):
                carried.note(outcome)
            writes = [call.path for call in lab.calls()[first:] if not call.is_read]
            assert not writes, f"recall() must only look what a write did, and wrote to {writes}"
            rest = carried.rest(batch.changes)
        if not rest:
            return
        try:
            for outcome in connector.push(Batch(batch.target, batch.ref, rest)):
                carried.note(outcome)
        except errors.InvalidRequest:
            raise
        except errors.ConnectorError as failure:
            carried.failures.append(failure)
            if not left:
                raise
            is_certain = is_certain and not _is_ambiguous(failure)
            lab.settle()
        else:
            return


def _is_ambiguous(failure: errors.ConnectorError) -> bool:
    """The write may have taken effect."""
    return isinstance(failure, errors.UnexpectedResponse) or (
        isinstance(failure, errors.Unavailable) and failure.ambiguous
    )


def _parts(carried: Carried, rest: Sequence[Change], refusal: errors.InvalidRequest) -> list[tuple[Change, ...]]:
    """Reject the culprits and send the rest; halve when none is named, until the culprit is alone."""
    named = {change.id: refusal.culprits[change.id] for change in rest if change.id in refusal.culprits}
    if not named and len(rest) == 1:
        named = {rest[0].id: Reason.OTHER}
    for change, reason in named.items():
        carried.note(Outcome(id=change, state=State.REJECTED, reason=reason))
    left = tuple(change for change in rest if change.id not in named)
    parts = [left] if named else [left[: len(left) // 2], left[len(left) // 2 :]]
    return [part for part in parts if part]


def _jobs(lab: Lab, waiting: Sequence[Change], carried: Carried) -> list[Job]:
    """Each job with the changes that its batch carried."""
    jobs: dict[tuple[Ref, int], list[Change]] = {}
    place = {change.id: at for at, batch in enumerate(carried.batches) for change in batch.changes}
    for change in waiting:
        job = carried.accepted[change.id][-1].job
        assert job, f"change {change.id} is PENDING without a job: name the provider's job in Outcome.job"
        jobs.setdefault((job, place[change.id]), []).append(change)
    return [
        Job(
            ref=job, batch=Batch(carried.batches[at].target, carried.batches[at].ref, tuple(part)), started_at=lab.now()
        )
        for (job, at), part in jobs.items()
    ]


def _poll(lab: Lab, jobs: Sequence[Job], carried: Carried) -> None:
    connector = lab.connector
    assert isinstance(connector, RunsJobs), "an outcome is PENDING, but the connector has no poll(jobs)"
    for outcome in connector.poll(jobs):
        carried.note(outcome)
