"""A job is asked for as often as the connector declares, and never without a pause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace as changed

import pytest
from hand_clock import HandClock
from plan_lab import NOW, Frail, Fuse, Lab, people, table

from connectors.types import Batch, Job, Outcome, State
from engine.push.push import push
from engine.push.trip import Carrier, Limits


class Watched(HandClock):
    """Writes down every wait, and gives up on a loop that never waits."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < 100, "polled without a pause"
        super().sleep(seconds)


class NeverDone(Frail):
    """A connector whose jobs never end."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        return (Outcome(id=change.id, state=State.PENDING, job="j") for change in batch.changes)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return iter(())


@pytest.mark.parametrize(
    ("declared", "waits"),
    [
        ((0.0,), [0.0, 0.5, 0.5, 0.5]),
        ((2.0, 5.0), [2.0, 5.0, 5.0]),
        ((0.0, 0.0, 3.0), [0.0, 0.5, 3.0, 3.0]),
        ((), [2.0, 2.0, 2.0]),
    ],
)
def test_a_job_that_never_ends_is_asked_for_with_pauses(declared: tuple[float, ...], waits: list[float]) -> None:
    lab, clock = Lab(clock=Watched()), Watched()
    lab.clock = clock
    connector = NeverDone(lab.connector(), Fuse())
    connector.spec = changed(connector.spec, poll_after=declared)
    destination = changed(lab.destination, spec=connector.spec)
    everyone = people(2)
    wide = table(everyone, ["loyal", "fresh"])
    limits = Limits(job_deadline=sum(waits))
    carrier = Carrier(destination, connector)  # type: ignore[arg-type]  # a connector around another
    [result] = push(lab.plan(everyone), [carrier], lab.ledger, wide, clock=clock, now=NOW, limits=limits)
    assert result.pending == 2
    assert clock.slept[: len(waits)] == waits
    lab.close()
