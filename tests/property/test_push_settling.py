"""What an earlier run left on its way, when the world has moved meanwhile; and what a broken connector may say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest
from plan_lab import Crash, Frail, Fuse, Lab, Limits, Person, people, replace

from connectors import errors
from connectors.types import Account, AddMember, Batch, Job, Outcome, SetTraits, State, Target


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


class Dying(Frail):
    """The process dies over the answer to the first call that carries this kind of change."""

    def __init__(self, lab: Lab, kind: type) -> None:
        super().__init__(lab.connector(), Fuse())
        self._kind = kind

    def push(self, batch: Batch) -> Iterator[Outcome]:
        outcomes = list(self.inner.push(batch))
        if isinstance(batch.changes[0], self._kind):
            raise Crash
        yield from outcomes


def die(lab: Lab, who: Sequence[Person], kind: type) -> None:
    with pytest.raises(Crash):
        lab.round(who, connector=Dying(lab, kind))
    assert {change.kind for change in lab.ledger.sending.of("news")} == {kind.__name__}


def test_a_value_that_may_have_arrived_is_not_believed_once_consent_fell(lab: Lab) -> None:
    lab.round(people(1))
    die(lab, people(1, name="Bo"), SetTraits)
    lab.round(people(1, name="Bo", consent="never"))
    assert lab.ledger.sending.of("news") == []
    contact = lab.ledger.contacts.of("news", ["c0@shop.example"])["c0@shop.example"]
    first_name = next(at for (_, name), at in lab.ledger.targets.of("news").items() if name == "first_name")
    assert first_name.position not in contact.fields
    kept = {name: value for name, value in lab.there()["c0@shop.example"][1].items() if name != "first_name"}
    lab.round(people(1, name="Bo"))
    assert lab.there()["c0@shop.example"][1] == {"first_name": "Bo", **kept}


def test_members_on_their_way_to_a_list_that_is_made_anew_are_planned_again(lab: Lab) -> None:
    lab.round([Person("c0", frozenset({"fresh"}))])
    die(lab, people(1), AddMember)
    (ref,) = [ref for ref, title in lab.store["lists"].items() if title == "c loyal"]
    lab.store["lists"].pop(ref)
    for contact in lab.store["contacts"].values():
        contact["lists"] = [one for one in contact["lists"] if one != ref]
    loyal = next(at for (_, name), at in lab.ledger.targets.of("news").items() if name == "loyal")
    lab.ledger.targets.renew("news", loyal.target)
    lab.round(people(1))
    assert lab.ledger.sending.of("news") == []
    lab.round(people(1))
    assert lab.there()["c0@shop.example"][2] == {"c loyal", "c fresh"}


def test_out_of_time_is_told_apart_from_a_signal(lab: Lab) -> None:
    result = lab.round(people(2), limits=Limits(until=lab.clock.monotonic()))
    assert (result.stopped, result.applied.total()) == ("time", 0)
    assert lab.ledger.sending.of("news") == []


class Odd(Frail):
    """Says of a job what no contract allows."""

    def __init__(self, lab: Lab, told: Outcome) -> None:
        super().__init__(lab.connector(), Fuse())
        self._told = told

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        yield self._told


def test_a_job_that_tells_about_a_stranger_is_an_error_and_never_success(lab: Lab) -> None:
    odd = Odd(lab, Outcome(id="stranger", state=State.APPLIED))
    result = lab.round(people(2), connector=odd, limits=Limits(job_deadline=0.0))
    assert isinstance(result.error, errors.UnexpectedResponse)
    assert "stranger" in str(result.error)
    lab.round(people(2))
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())


class Wordy(Frail):
    """Answers every change with the same kind of outcome."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        list(self.inner.push(batch))
        yield from (Outcome(id=change.id, state=State.PENDING) for change in batch.changes)


def test_pending_without_a_job_is_an_error_and_never_success(lab: Lab) -> None:
    result = lab.round(people(2), connector=Wordy(lab.connector(), Fuse()))
    assert isinstance(result.error, errors.UnexpectedResponse)
    assert result.applied.total() == 0
    lab.round(people(2))
    assert lab.plan(people(2)).is_empty


class Deaf:
    """Accepts changes as a job and cannot be asked about it."""

    def __init__(self, inner: Frail) -> None:
        self.inner = inner
        self.spec = inner.spec

    def check(self) -> Account:
        return self.inner.check()

    def find(self, targets: Sequence[Target]) -> Mapping[Target, str]:
        return self.inner.find(targets)

    def create(self, targets: Sequence[Target]) -> Mapping[Target, str]:
        return self.inner.create(targets)

    def push(self, batch: Batch) -> Iterator[Outcome]:
        yield from (Outcome(id=change.id, state=State.PENDING, job="j") for change in batch.changes)


def test_a_job_that_cannot_be_asked_about_is_an_error(lab: Lab) -> None:
    result = lab.round(people(1), connector=Deaf(Frail(lab.connector(), Fuse())))
    assert isinstance(result.error, errors.UnexpectedResponse)
    assert "cannot poll" in str(result.error)


class Meeting(Frail):
    """Each call waits until three are under way."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.connector(), Fuse())
        self._all_here = threading.Barrier(3, timeout=10)

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], AddMember):
            self._all_here.wait()
        yield from self.inner.push(batch)


def test_as_many_calls_are_under_way_as_the_connector_declares(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = lab.connector().spec
    one = {kind: replace(limit, items=1 if kind is AddMember else limit.items) for kind, limit in spec.carries.items()}
    monkeypatch.setattr(type(lab.connector()), "spec", replace(spec, carries=one, in_flight=3))
    lab.segments = ("loyal",)
    result = lab.round(people(6), connector=Meeting(lab))
    assert (result.error, result.applied["AddMember"]) == (None, 6)
    assert all(lists == {"c loyal"} for _, _, lists in lab.there().values())
    assert lab.plan(people(6)).is_empty
