"""The laws under faults: whatever breaks on the wire, nobody's consent rises, and nothing is lost or claimed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.testing.carrier import Carried, carry
from connectors.testing.lab import FAULTS, Faulty, Lab
from connectors.testing.stage import KINDS, Stage, picture, set_stage
from connectors.testing.staging import OUTAGES, Staging, each_kind, is_settled
from connectors.types import AddCode, Outcome, Reason, State, Suppress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.types import Change

__all__ = ["FaultLaws"]

_TRIES = 4  # of one batch: a fault strikes once
_LASTING = frozenset({"endless", "failing", "bad_record"})  # those that a second try does not mend

each_fault = pytest.mark.parametrize("fault", FAULTS)


class FaultLaws(Staging):
    """Each fault, with each kind of change."""

    @each_kind
    @each_fault
    def test_no_consent_rises_under_any_fault(self, lab: Lab, fault: str, kind: type[Change]) -> None:
        """Everybody in every state, one kind of change, and the wire breaks in the middle."""
        if not isinstance(lab, Faulty) or fault not in lab.faults or kind is AddCode:
            pytest.skip(f"nothing to try for {fault} and {kind.__name__}")
        stage = self.stage(lab, kind)
        with _unrisen(stage, f"the wire met '{fault}'") as changes:
            _endure(lab, stage, fault, changes)

    @each_kind
    @pytest.mark.parametrize("outage", OUTAGES)
    def test_no_consent_rises_when_look_ups_fail(self, lab: Lab, outage: str, kind: type[Change]) -> None:
        """Nobody can be looked up while a batch is sent: unknown is never new, and never subscribed."""
        if not isinstance(lab, Faulty) or outage not in lab.faults or kind is AddCode:
            pytest.skip(f"nothing to try for {outage} and {kind.__name__}")
        stage = self.stage(lab, kind)
        with _unrisen(stage, f"every look-up met '{outage}'") as changes:
            lab.fault(outage, reads=True)
            with suppress(errors.ConnectorError):
                carry(lab, changes, *stage.where)
            lab.fault(None)
            lab.settle()

    @each_fault
    def test_a_fault_costs_nothing_and_nothing_is_claimed(self, lab: Lab, fault: str) -> None:
        """What is said to be applied is there; looked up and sent again, all of it is, and nobody else changes."""
        if not isinstance(lab, Faulty) or fault not in lab.faults:
            pytest.skip(f"the lab cannot make '{fault}'")
        for at, kind in enumerate(kind for kind in KINDS if kind in lab.connector.spec.carries):
            stage = set_stage(lab, kind)
            changes = stage.changes(4, start=100 * at)
            bystander = stage.seed(100 * at + 50)
            before = picture(lab)
            _judge(stage, fault, changes, _endure(lab, stage, fault, changes, is_watched=True))
            if kind is not AddCode:
                assert picture(lab)[bystander] == before[bystander], (
                    f"{kind.__name__} met '{fault}': a bystander changed"
                )


@contextmanager
def _unrisen(stage: Stage, what: str) -> Iterator[Sequence[Change]]:
    """Changes for a person in each state; afterwards all are there, and nobody's consent is more than it was."""
    lab, kind = stage.lab, stage.kind.__name__
    people = [(stage.seed(at, status), status) for at, status in enumerate(lab.statuses)]
    before = picture(lab)
    yield [stage.change(at) for at in range(len(people))]
    after = picture(lab)
    for email, status in people:
        assert email in after, f"{kind} deleted a {status} contact when {what}"
        rose = after[email][1] and not before[email][1]
        assert not rose, f"{kind} made a {status} contact mailable when {what}"
        now = after[email][0]
        assert stage.kind is Suppress or now == before[email][0], f"{kind} made {status} into {now} when {what}"


def _judge(stage: Stage, fault: str, changes: Sequence[Change], carried: Carried) -> None:
    """What is lost, and what is claimed, of changes that met a fault."""
    kind = stage.kind.__name__
    is_enough = _is_applied if fault == "bad_record" else is_settled  # a refused removal reads like one of a stranger
    refused = [change.id for change in changes if not is_enough(carried, change)]
    if fault not in _LASTING:
        assert not refused, f"'{fault}' struck {kind} once, and these were lost: {refused}"
    if fault == "bad_record":
        assert len(refused) <= 1, f"one record of {kind} was refused, and {len(refused)} were lost"
    unshown = [change.id for change in stage.unshown([one for one in changes if is_enough(carried, one)])]
    assert not unshown, f"{kind} met '{fault}': said to be done, and not there: {unshown}"


def _endure(lab: Lab, stage: Stage, fault: str, changes: Sequence[Change], *, is_watched: bool = False) -> Carried:
    """Carry the changes over a wire that breaks once; those that are to be tried later are."""
    assert isinstance(lab, Faulty)
    by_id = {change.id: change for change in changes}

    def watch(outcome: Outcome) -> None:
        if is_watched and outcome.state is State.APPLIED:
            assert stage.shows(by_id[outcome.id]), (
                f"{outcome.id} met '{fault}' and is said to be applied, and the provider has not done it"
            )

    lab.fault(fault)
    try:
        carried = carry(lab, changes, *stage.where, watch, tries=_TRIES)
        lab.fault(None)
        later = [change for change in changes if _is_for_later(carried.of(change))]
        if later:
            lab.settle()
            carried.final |= carry(lab, later, *stage.where, watch, tries=_TRIES).final
    except errors.ConnectorError as error:
        pytest.fail(f"{stage.kind.__name__} met '{fault}' once, and fails for good: {error!r}")
    finally:
        lab.fault(None)
        lab.settle()
    return carried


def _is_applied(carried: Carried, change: Change) -> bool:
    outcome = carried.of(change)
    return outcome is not None and outcome.state is State.APPLIED


def _is_for_later(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.reason is Reason.TRY_LATER
