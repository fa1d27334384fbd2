"""R-GRD-02: a segment whose size jumps by more than its bound since the last run waits until somebody confirms it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import NOW, Lab, people

from engine.ledger.runs import SIZES, Run
from engine.plan.destination import Destination
from engine.plan.file import load, save
from engine.plan.guard import SMALL, Permits, Refusal, guard
from engine.plan.survey import survey

FREE = Permits(is_approved=True)


@dataclass
class Bounded(Lab):
    """Half as many again, or half as few, and no more."""

    @property
    def destination(self) -> Destination:
        return replace(super().destination, jumps={"loyal": 0.5}, removable={"loyal": 1.0, "fresh": 1.0})

    def ran(self, **sizes: int) -> None:
        run = Run(command="run", started_at=NOW, now=NOW, config_hash="h", summary={})
        self.ledger.runs.end(self.ledger.runs.begin(run), summary={SIZES: sizes}, exit_code=0)

    def refusals(self, count: int, permits: Permits = FREE) -> list[Refusal]:
        seen = survey(self.destination, self.connector(), self.ledger)
        return guard(self.plan(people(count)), self.ledger, {self.name: seen}, permits)


@pytest.fixture
def lab() -> Iterator[Bounded]:
    made = Bounded()
    yield made
    made.close()


def test_r_grd_02_a_jump_is_refused_with_both_sizes_and_the_flag(lab: Bounded) -> None:
    lab.ran(loyal=20, fresh=20)
    assert lab.refusals(30) == []
    [found] = lab.refusals(31)
    assert (found.kind, found.target, found.flag) == ("jump", "loyal", "--force news/loyal")
    assert found.message == "news: “loyal” has 31 customers, and the last run saw 20: a jump of more than 50%"
    assert found.lets_consent_pass
    assert lab.refusals(31, Permits(force=frozenset({"news/loyal"}), is_approved=True)) == []


def test_r_grd_02_it_may_fall_as_far_as_it_may_rise(lab: Bounded) -> None:
    lab.round(people(20))
    lab.ran(loyal=20)
    assert lab.refusals(10) == []
    assert [one.kind for one in lab.refusals(9)] == ["jump"]


def test_r_grd_02_without_a_size_to_compare_with_or_anything_to_send_nothing_is_refused(lab: Bounded) -> None:
    assert lab.refusals(100) == []
    lab.ran(fresh=2)
    assert lab.refusals(100) == []
    lab.round(people(30))
    lab.ran(loyal=5)
    assert lab.refusals(30) == []


@given(before=st.integers(0, 40), now=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_r_grd_02_small_segments_are_measured_against_ten(before: int, now: int) -> None:
    lab = Bounded()
    lab.ran(loyal=before)
    assert bool(lab.refusals(now)) == (abs(now - before) > 0.5 * max(before, SMALL) and now > 0)
    lab.close()


def test_r_grd_02_the_latest_run_that_wrote_sizes_counts(lab: Bounded) -> None:
    lab.ran(loyal=2)
    lab.ran(loyal=20)
    run = Run(command="pull", started_at=NOW, now=NOW, config_hash="h", summary={"destinations": 1})
    lab.ledger.runs.begin(run)
    assert lab.ledger.runs.last_sizes() == {"loyal": 20}


def test_r_grd_02_the_bound_travels_with_a_reviewed_plan(lab: Bounded, tmp_path: Path) -> None:
    lab.ran(loyal=20)
    path = tmp_path / "plan.parquet"
    save(lab.plan(people(31)), path)
    found = guard(load(path), lab.ledger, {}, FREE)
    assert [one.kind for one in found] == ["jump"]
