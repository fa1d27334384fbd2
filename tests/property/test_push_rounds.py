"""Calls that hold few changes are committed many at a time: what did not leave is not on its way, what arrived is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import Frail, Fuse, Lab, Limits, people

from connectors import errors
from connectors.memory import Memory
from connectors.types import AddMember, Batch, Outcome
from engine.plan.destination import Destination

WHO = people(9)


class SmallCalls(Lab):
    """A provider whose calls hold one change."""

    in_flight = 1

    @property
    def destination(self) -> Destination:
        carries = {kind: replace(limit, items=1) for kind, limit in Memory.spec.carries.items()}
        return replace(super().destination, spec=replace(Memory.spec, carries=carries, in_flight=self.in_flight))


@pytest.fixture
def lab() -> Iterator[SmallCalls]:
    made = SmallCalls()
    yield made
    made.close()


class Members(Frail):
    """Counts the calls that add members; one of them fails before it does anything."""

    def __init__(self, lab: Lab, *, fails_at: int = 0) -> None:
        super().__init__(lab.connector(), Fuse())
        self.calls = 0
        self._fails_at = fails_at

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], AddMember):
            self.calls += 1
            if self.calls == self._fails_at:
                raise errors.Unauthorized("the key was revoked")
        yield from self.inner.push(batch)


def inside(lab: Lab) -> int:
    return sum(len(lists) for _, _, lists in lab.there().values())


def test_calls_of_one_change_are_committed_together(lab: SmallCalls) -> None:
    before = lab.ledger.version()
    result = lab.round(WHO)
    assert result.applied == {"AddContact": 9, "AddMember": 18}
    assert result.calls >= 27
    assert lab.ledger.version() - before < 27


@given(stop=st.integers(1, 17), in_flight=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_a_stop_amid_a_round_leaves_nothing_on_its_way(stop: int, in_flight: int) -> None:
    lab = SmallCalls()
    lab.in_flight = in_flight
    connector = Members(lab)
    result = lab.round(WHO, connector=connector, limits=Limits(is_stopped=lambda: connector.calls >= stop))
    assert result.stopped == "signal"
    assert lab.ledger.sending.of("news") == []
    assert connector.calls < stop + in_flight
    assert inside(lab) == result.applied["AddMember"] == connector.calls
    after = lab.round(WHO)
    assert after.applied["AddMember"] == 18 - connector.calls
    assert inside(lab) == 18
    lab.close()


@given(fails_at=st.integers(1, 18), in_flight=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_a_call_that_fails_ends_its_round_and_takes_nothing_from_the_others(fails_at: int, in_flight: int) -> None:
    lab = SmallCalls()
    lab.in_flight = in_flight
    connector = Members(lab, fails_at=fails_at)
    result = lab.round(WHO, connector=connector)
    assert isinstance(result.error, errors.Unauthorized)
    assert connector.calls < fails_at + in_flight
    assert lab.ledger.sending.of("news") == []
    assert inside(lab) == result.applied["AddMember"] == connector.calls - 1
    assert lab.round(WHO).applied["AddMember"] == 18 - result.applied["AddMember"]
    assert inside(lab) == 18
    lab.close()
