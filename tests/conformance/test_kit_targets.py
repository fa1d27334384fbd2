"""The kit catches connectors that break the laws on the account, on targets and on names; on limits and values."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import pytest
from broken import KIT, Broken, Case, label, prove

from connectors import errors
from connectors.memory import Memory
from connectors.spec import Limit, Spec
from connectors.types import (
    Account,
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Fitted,
    Outcome,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Target,
    TargetKind,
    ValueKind,
)

COUNT = itertools.count()


class Incomplete(Broken):
    """Whoever came into a list stays there."""

    spec: ClassVar[Spec] = dataclasses.replace(
        Memory.spec, carries={kind: limit for kind, limit in Memory.spec.carries.items() if kind is not RemoveMember}
    )


class Empty(Broken):
    spec: ClassVar[Spec] = dataclasses.replace(Memory.spec, carries={})


class Picky(Broken):
    """It declares a kind of value that it refuses."""

    spec: ClassVar[Spec] = dataclasses.replace(Memory.spec, fit=lambda _kind, _value: Reason.INVALID_VALUE)


class Unready(Broken):
    """A prerequisite that it does not carry."""

    spec: ClassVar[Spec] = dataclasses.replace(
        Memory.spec, carries={AddCode: Limit(items=1, after=frozenset({AddContact}))}
    )


class Nameless(Broken):
    def check(self) -> Account:
        return dataclasses.replace(super().check(), id="")


class Changeable(Broken):
    def check(self) -> Account:
        return dataclasses.replace(super().check(), id=f"{next(COUNT)}")


class Assuming(Broken):
    """It proves nothing."""

    def check(self) -> Account:
        return Account("memory", "A dictionary")


class Forceful(Broken):
    """It creates without looking."""

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        for target in wanted:
            if target.kind is TargetKind.SEGMENT:
                self._http("POST", "/lists", json={"title": target.title})
        return super().create(wanted)


class Inventive(Broken):
    """An answer that was lost is made up."""

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        try:
            return super().create(wanted)
        except errors.Unavailable:
            return dict.fromkeys(wanted, "made up")


class FirstShelf(Broken):
    """It looks at the first page of lists and fields."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        found = super().find(targets)
        first = [*self.store["lists"]][:50] + [*self.store["fields"]][:50] + ["contacts"]
        return {target: ref for target, ref in found.items() if ref in first}


class Shortening(Broken):
    """Long names are cut."""

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = {target: dataclasses.replace(target, title=target.title[:29]) for target in targets}
        refs = super().create(wanted.values())
        return {target: refs[short] for target, short in wanted.items()}

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = {target: dataclasses.replace(target, title=target.title[:29]) for target in targets}
        refs = super().find(wanted.values())
        return {target: refs[short] for target, short in wanted.items() if short in refs}


class Escaping(Broken):
    """An apostrophe is doubled, as for a database."""

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = {target: dataclasses.replace(target, title=target.title.replace("'", "''")) for target in targets}
        refs = super().create(wanted.values())
        return {target: refs[escaped] for target, escaped in wanted.items()}


def limited(items: int) -> Spec:
    carries = {kind: dataclasses.replace(limit, items=items) for kind, limit in Memory.spec.carries.items()}
    return dataclasses.replace(Memory.spec, carries=carries)


class Modest(Broken):
    """It declares less than the provider takes."""

    spec: ClassVar[Spec] = limited(100)


class Partial(Broken):
    """A thousand asked, nine hundred and eighty done: the rest is on the second page of a look-up."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if isinstance(batch.changes[0], RemoveMember):
            found = super().push(Batch(batch.target, batch.ref, batch.changes[:20]))
            yield from found
            yield from (Outcome(id=change.id, state=State.APPLIED) for change in batch.changes[20:])
        else:
            yield from super().push(batch)


class Merging(Broken):
    """One outcome a person."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        people = {change.profile.email: change.id for change in batch.changes if not isinstance(change, AddCode)}
        return (outcome for outcome in found if not people or outcome.id in people.values())


class Strict(Broken):
    """Two for one person is too much."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        people = [change.profile.email for change in batch.changes if not isinstance(change, AddCode)]
        if len(people) > len(set(people)):
            return (Outcome(id=change.id, state=State.REJECTED, reason=Reason.OTHER) for change in batch.changes)
        return super().push(batch)


class Literal(Broken):
    """It compares addresses letter by letter."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        known = {row.get("spelled") for row in self.contacts.values()}
        for outcome, change in zip(super().push(batch), batch.changes, strict=True):
            is_known = isinstance(change, (AddCode, AddContact)) or change.profile.email in known
            yield outcome if is_known else Outcome(id=change.id, state=State.REJECTED, reason=Reason.GONE)


class Twofold(Broken):
    """Another spelling is another contact."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        known = {row.get("spelled") for row in self.contacts.values()}
        for change in batch.changes:
            if isinstance(change, SetTraits) and change.profile.email not in known:
                self.contacts[f"{change.profile.email} "] = dict(self.contacts[change.profile.email])
        return super().push(batch)


class Cutting(Broken):
    """Long values are cut in silence."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        short = [
            dataclasses.replace(
                change, traits={k: v[:120] if isinstance(v, str) else v for k, v in change.traits.items()}
            )
            for change in batch.changes
            if isinstance(change, SetTraits)
        ]
        return super().push(Batch(batch.target, batch.ref, short or batch.changes))


def anything(kind: ValueKind, value: object) -> Fitted | Reason:
    fitted = Memory.spec.fit(kind, value)
    return str(value) if fitted == Reason.TOO_LONG else fitted


class Generous(Broken):
    """A value that is too long is let through."""

    spec: ClassVar[Spec] = dataclasses.replace(Memory.spec, fit=anything)


class Sleeping(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        getattr(time, "sleep")(0)  # noqa: B009 - what is forbidden, for the kit to hear
        return super().push(batch)


CASES: list[Case] = [
    *[(cls, KIT.test_the_spec_holds_together, {}) for cls in (Incomplete, Empty, Picky, Unready)],
    *[(cls, KIT.test_the_account_is_told, {}) for cls in (Nameless, Changeable, Assuming)],
    *[(cls, KIT.test_a_lost_answer_creates_once, {"fault": "reset_after"}) for cls in (Forceful, Inventive)],
    (FirstShelf, KIT.test_finding_reads_every_page, {}),
    *[(cls, KIT.test_names_arrive_as_they_were_given, {}) for cls in (Shortening, Escaping)],
    *[(Modest, KIT.test_the_limit_is_the_provider_s_own, {"kind": kind}) for kind in (AddMember, SetTraits, AddCode)],
    (Partial, KIT.test_a_batch_over_the_limit_is_split, {"kind": RemoveMember}),
    *[(Merging, KIT.test_a_person_named_twice_costs_nobody, {"kind": kind}) for kind in (SetTraits, AddMember)],
    (Strict, KIT.test_a_person_named_twice_costs_nobody, {"kind": SetTraits}),
    *[(cls, KIT.test_another_spelling_is_the_same_person, {}) for cls in (Literal, Twofold)],
    *[
        (Cutting, KIT.test_a_value_at_its_limit_arrives_whole, {"value": kind})
        for kind in (ValueKind.TEXT, ValueKind.URL)
    ],
    (Generous, KIT.test_a_value_at_its_limit_arrives_whole, {"value": ValueKind.TEXT}),
    (Sleeping, KIT.test_nobody_sleeps_and_no_thread_starts, {"kind": SetTraits}),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_broken_connector_fails_its_law(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    prove(case, caplog)


def test_every_broken_connector_is_tried() -> None:
    here = {cls for cls in Broken.__subclasses__() if cls.__module__ == __name__}
    assert {case[0] for case in CASES} == here
