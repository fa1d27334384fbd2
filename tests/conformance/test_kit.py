"""The kit catches broken connectors: for every law, copies of the reference connector that break it."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
import test_kit_faults
import test_kit_reads
import test_kit_targets
from broken import KIT, ORDINARY, Broken, Case, label, laws, prove
from memory_lab import KEY, MemoryLab

from connectors import errors
from connectors.memory import Memory
from connectors.memory.wire import outcomes
from connectors.spec import Limit, Spec
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Cursor,
    EngagementEvent,
    Job,
    Outcome,
    Page,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Suppression,
    Target,
    TargetKind,
)

COUNT = itertools.count()


class Silent(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        return itertools.islice(super().push(batch), len(batch.changes) - 1)


class Strange(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        yield from super().push(batch)
        yield Outcome(id="unheard-of", state=State.APPLIED)


class Stammering(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        for outcome in super().push(batch):
            yield outcome
            yield outcome


class Lying(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        return (Outcome(id=change.id, state=State.APPLIED) for change in batch.changes)


class Refusing(Broken):
    """What is there already is an error."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for outcome in super().push(batch):
            repeated = isinstance(batch.changes[0], AddMember) and outcome.state is State.NOOP
            yield dataclasses.replace(outcome, state=State.REJECTED) if repeated else outcome

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for outcome in super().poll(jobs):
            yield dataclasses.replace(outcome, state=State.REJECTED) if outcome.reason is Reason.EXISTS else outcome


class Toggling(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        for row in self.rows(batch):
            if batch.ref in row["lists"] and isinstance(batch.changes[0], AddMember):
                row["lists"] = []
                return (Outcome(id=change.id, state=State.NOOP) for change in batch.changes)
        return super().push(batch)


def limited(limit: Limit) -> Spec:
    return dataclasses.replace(Memory.spec, carries=dict.fromkeys(Memory.spec.carries, limit))


class Boastful(Broken):
    """It declares more than the provider takes."""

    spec: ClassVar[Spec] = limited(Limit(items=500))


class Heavy(Broken):
    """Its calls are bigger than it says."""

    spec: ClassVar[Spec] = limited(Limit(items=200, bytes=8_000, each=-200))


class Overfull(Broken):
    """It holds back a batch and sends both at once."""

    spec: ClassVar[Spec] = limited(Limit(items=60))
    held: Batch | None = None

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if self.held is None:
            self.held = batch
            return iter(())
        both, self.held = [*self.held.changes, *batch.changes], None
        return super().push(Batch(batch.target, batch.ref, both))


class Brittle(Broken):
    """One bad record sinks the batch."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        if any(outcome.state is State.REJECTED for outcome in found):
            return (dataclasses.replace(outcome, state=State.REJECTED) for outcome in found)
        return iter(found)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        found = list(super().poll(jobs))
        if any(outcome.state is State.REJECTED for outcome in found):
            return (dataclasses.replace(outcome, state=State.REJECTED) for outcome in found)
        return iter(found)


class Positional(Broken):
    """Results are matched by their place."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        return (dataclasses.replace(found[-1 - at], id=outcome.id) for at, outcome in enumerate(found))

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        found = list(super().poll(jobs))
        return (dataclasses.replace(found[-1 - at], id=outcome.id) for at, outcome in enumerate(found))


class Forgiving(Broken):
    """What the provider refuses is said to be done."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for outcome in super().push(batch):
            is_bad = outcome.state is State.REJECTED
            yield Outcome(id=outcome.id, state=State.APPLIED) if is_bad else outcome


class Hasty(Broken):
    """Accepted is called applied."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        return (dataclasses.replace(outcome, state=State.APPLIED) for outcome in super().push(batch))


class Trusting(Broken):
    """A finished job is called a good one."""

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return (Outcome(id=outcome.id, state=State.APPLIED) for outcome in super().poll(jobs))


class Waiting(Broken):
    """A finished job is never told."""

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return iter(list(super().poll(jobs))[:0])


class Deleting(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        for change in batch.changes:
            if isinstance(change, RemoveMember):
                self.contacts.pop(change.profile.email, None)
        return iter(found)


class Unsubscribing(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        for row in self.rows(batch):
            row["status"] = "unsubscribed" if isinstance(batch.changes[0], RemoveMember) else row["status"]
        return super().push(batch)


class Clearing(Broken):
    """Whoever leaves one list leaves all."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        for row in self.rows(batch):
            row["lists"] = []
        return iter(found)


class Clinging(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], RemoveMember):
            return (Outcome(id=change.id, state=State.NOOP) for change in batch.changes)
        return super().push(batch)


class Subscribing(Broken):
    """Each kind sends a status along."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        for row in self.rows(batch):
            row["status"] = "subscribed"
        return iter(found)


class Lukewarm(Broken):
    """It suppresses nobody."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], Suppress):
            return (Outcome(id=change.id, state=State.NOOP) for change in batch.changes)
        return super().push(batch)


class Conjuring(Broken):
    """Whom it does not find, it makes."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for change in batch.changes:
            if isinstance(change, (SetTraits, AddMember)):
                new = {"ref": change.profile.email, "status": "subscribed", "fields": {}, "lists": []}
                self.contacts.setdefault(change.profile.email, new)
        return super().push(batch)


class Doubling(Broken):
    """It creates without looking."""

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        for target in wanted:
            if target.kind is TargetKind.SEGMENT:
                self._http("POST", "/lists", json={"title": target.title})
        return super().create(wanted)


class Eager(Broken):
    """What it does not find it makes."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        found = dict(super().find(wanted))
        for target in wanted:
            if target.title == "kit ghost":
                found[target] = self._http("POST", "/lists", json={"title": target.title}).json()["ref"]
        return found


class Guessing(Broken):
    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        return {target: target.title for target in wanted if target.title == "kit ghost"} | dict(super().find(wanted))


class Smearing(Broken):
    """Fields that were not named are emptied."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        for row in self.rows(batch):
            row["fields"].pop("kit_two", None)
        return iter(found)


class Sweeping(Broken):
    """The whole account is touched."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for row in self.contacts.values():
            row["fields"]["kit_one"] = "swept"
        return super().push(batch)


class Keeping(Broken):
    """A clear is a no-op."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], ClearTraits):
            return (Outcome(id=change.id, state=State.APPLIED) for change in batch.changes)
        return super().push(batch)


class Plain(Broken):
    """Only ASCII gets through."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        plain = [
            dataclasses.replace(
                change, traits={k: str(v).encode("ascii", "replace").decode() for k, v in change.traits.items()}
            )
            for change in batch.changes
            if isinstance(change, SetTraits)
        ]
        return super().push(Batch(batch.target, batch.ref, plain or batch.changes))


class FirstPage(Broken):
    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        return itertools.islice(super().suppressions(since, now), 1)


class Dreaming(Broken):
    """Events get a new id each time."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            items = [dataclasses.replace(event, id=f"{next(COUNT)}") for event in page.items]
            yield Page(items, page.cursor, page.last)


class Hollow(Broken):
    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            yield Page([dataclasses.replace(event, raw="{}") for event in page.items], page.cursor, page.last)


class Skipping(Broken):
    """The cursor runs ahead."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            yield Page(page.items, str(int(page.cursor) + 1), page.last)


class Quoting(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        for outcome, change in zip(super().push(batch), batch.changes, strict=True):
            email = change.code if isinstance(change, AddCode) else change.profile.email
            yield dataclasses.replace(outcome, words=f"about {email}")


class Chatting(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        logging.getLogger("chat").info("with %s", KEY)
        return super().push(batch)


ONE, TWICE, SPLIT = (
    KIT.test_every_change_gets_exactly_one_outcome_by_its_id,
    KIT.test_sending_twice_is_harmless,
    KIT.test_a_batch_over_the_limit_is_split,
)
BAD, ACCEPTED, LEAVERS, CONSENT = (
    KIT.test_one_bad_record_costs_one_record,
    KIT.test_accepted_is_not_applied,
    KIT.test_leavers_leave_and_only_leave,
    KIT.test_no_consent_rises,
)
CREATE, FIND, OTHERS, CLEAR = (
    KIT.test_creating_twice_creates_once,
    KIT.test_finding_only_reads,
    KIT.test_the_untouched_stay_untouched,
    KIT.test_clearing_clears,
)
VALUES, LEFT, SAME, RESUME, PRIVATE = (
    KIT.test_values_arrive_as_they_were_sent,
    KIT.test_every_suppression_is_found,
    KIT.test_pulling_again_brings_the_same_events,
    KIT.test_a_pull_resumes_without_a_gap,
    KIT.test_secrets_and_addresses_stay_private,
)

CASES: list[Case] = [
    *[(Silent, ONE, {"kind": kind}) for kind in ORDINARY],
    *[(Strange, ONE, {"kind": kind}) for kind in ORDINARY],
    *[(Stammering, ONE, {"kind": kind}) for kind in ORDINARY],
    *[(Lying, ONE, {"kind": kind}) for kind in (AddContact, *ORDINARY)],
    *[(Refusing, TWICE, {"kind": kind}) for kind in (AddContact, AddMember)],
    (Toggling, TWICE, {"kind": AddMember}),
    *[(Boastful, SPLIT, {"kind": kind}) for kind in (AddContact, *ORDINARY)],
    (Heavy, SPLIT, {"kind": SetTraits}),
    (Overfull, SPLIT, {"kind": SetTraits}),
    *[(Brittle, BAD, {"kind": kind}) for kind in (AddContact, *ORDINARY)],
    *[(Positional, BAD, {"kind": kind}) for kind in (AddContact, *ORDINARY)],
    *[(Forgiving, BAD, {"kind": kind}) for kind in ORDINARY],
    *[(Forgiving, ACCEPTED, {"kind": kind}) for kind in ORDINARY],
    (Hasty, ACCEPTED, {"kind": AddContact}),
    (Trusting, ACCEPTED, {"kind": AddContact}),
    (Waiting, ACCEPTED, {"kind": AddContact}),
    *[(cls, LEAVERS, {}) for cls in (Deleting, Unsubscribing, Clearing, Clinging)],
    *[
        (Subscribing, CONSENT, {"kind": kind, "status": status})
        for kind in (AddContact, SetTraits, ClearTraits, AddMember, RemoveMember, Suppress)
        for status in ("unsubscribed", "pending", "cleaned", "never", "complained")
    ],
    (Lukewarm, CONSENT, {"kind": Suppress, "status": "subscribed"}),
    (Doubling, CREATE, {}),
    (Eager, FIND, {}),
    (Guessing, FIND, {}),
    *[(cls, OTHERS, {"kind": kind}) for cls in (Smearing, Sweeping) for kind in ORDINARY],
    *[(Conjuring, KIT.test_nothing_but_an_add_creates, {"kind": kind}) for kind in ORDINARY],
    (Keeping, CLEAR, {}),
    (Plain, VALUES, {"text": "Été"}),
    (FirstPage, LEFT, {}),
    *[(cls, SAME, {}) for cls in (Dreaming, Hollow)],
    (Skipping, RESUME, {}),
    *[(cls, PRIVATE, {"kind": SetTraits}) for cls in (Quoting, Chatting)],
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_broken_connector_fails_its_law(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    prove(case, caplog)


class Wholesale(Memory):
    """Its provider refuses a whole call for one bad record, and names nobody."""

    names_culprits = False

    def push(self, batch: Batch) -> Iterator[Outcome]:
        bad = [c.id for c in batch.changes if not isinstance(c, AddCode) and "@" not in c.profile.email]
        if bad:
            culprits = dict.fromkeys(bad, Reason.INVALID_ADDRESS) if self.names_culprits else {}
            raise errors.InvalidRequest("refused", culprits=culprits)
        return super().push(batch)


class Naming(Wholesale):
    """… or names the culprits."""

    names_culprits = True


@pytest.mark.parametrize("connector", [Wholesale, Naming])
@pytest.mark.parametrize("kind", [AddContact, SetTraits, RemoveMember])
def test_a_call_refused_as_a_whole_costs_one_record_all_the_same(connector: type[Memory], kind: type[Change]) -> None:
    BAD(MemoryLab(connector), kind)
    ACCEPTED(MemoryLab(connector), kind)


def test_every_law_has_a_connector_that_breaks_it() -> None:
    everywhere = [*CASES, *test_kit_targets.CASES, *test_kit_reads.CASES, *test_kit_faults.CASES]
    assert {law.__name__ for _, law, _ in everywhere} == laws()


def test_every_broken_connector_is_tried() -> None:
    assert {case[0] for case in CASES} == {cls for cls in Broken.__subclasses__() if cls.__module__ == __name__}


def test_results_are_never_matched_by_their_place() -> None:
    changes = [AddCode(id=f"change {code}", code=code) for code in "ABC"]
    results = [{"key": "C", "error": "gone"}, {"key": "A"}, {"key": "B"}]
    refused = [outcome.id for outcome in outcomes(changes, results) if outcome.state is State.REJECTED]
    assert refused == ["change C"]


def test_the_spec_names_every_law_and_no_other() -> None:
    spec = (Path(__file__).parents[2] / "docs/connector-spec.md").read_text("utf-8")
    named = set(re.findall(r"\[`(test_\w+)`\]", spec))
    assert named == laws()
