"""The laws on writing: outcomes, limits, values, leavers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.testing.carrier import carry
from connectors.testing.lab import Enforces, Imports, Lab
from connectors.testing.stage import picture
from connectors.testing.staging import BAD, SETTLED, Staging, each_kind, each_status, is_settled
from connectors.testing.targets import SAMPLES
from connectors.types import (
    AddCode,
    AddContact,
    Batch,
    ClearTraits,
    Outcome,
    Profile,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

if TYPE_CHECKING:
    from connectors.spec import Spec
    from connectors.types import Change

__all__ = ["WritingLaws"]

_KIT = re.compile(rb"kit\.(\d+)@")
_LONG = 4_000  # bytes that a value is tried with where no max_bytes is declared

each_value = pytest.mark.parametrize("value", ValueKind, ids=lambda value: value.value)


class WritingLaws(Staging):
    """What becomes of changes."""

    @each_kind
    def test_every_change_gets_exactly_one_outcome_by_its_id(self, lab: Lab, kind: type[Change]) -> None:
        """Silence, a stranger's id and a second outcome are all broken contracts."""
        stage = self.stage(lab, kind)
        changes = stage.changes(7)
        carried = carry(lab, changes, *stage.where)
        assert set(carried.final) == {change.id for change in changes}, (
            "yield one outcome for every change, carrying its id; "
            f"missing: {sorted({c.id for c in changes} - set(carried.final))}, "
            f"unknown: {sorted(set(carried.final) - {c.id for c in changes})}"
        )
        double = [name for name, found in carried.final.items() if len(found) > 1]
        assert not double, f"a change has one outcome; these have more: {double}"
        for change in changes:
            assert is_settled(carried, change), f"{change.id} is fine, and was refused: {carried.of(change)}"
            assert stage.shows(change), f"{change.id} is said to be applied, and the provider does not show it"

    @each_kind
    def test_sending_twice_is_harmless(self, lab: Lab, kind: type[Change]) -> None:
        """What was yielded before an exception stands and the rest is sent again, so twice must be safe."""
        stage = self.stage(lab, kind)
        changes = stage.changes(5)
        carry(lab, changes, *stage.where)
        before = picture(lab)
        again = carry(lab, changes, *stage.where)
        for change in changes:
            assert is_settled(again, change), f"{change.id} was applied, and is refused the second time"
        assert picture(lab) == before, "sending a batch again must change nothing at the provider"

    @each_kind
    def test_a_batch_over_the_limit_is_split(self, lab: Lab, kind: type[Change]) -> None:
        """One more than the limit, with long values: no call may hold more than the spec says, and all arrive."""
        stage = self.stage(lab, kind)
        limit = lab.connector.spec.carries[kind]
        changes = stage.changes(limit.items + 1, value="x" * _heavy(lab.connector.spec, kind))
        first = len(lab.calls())
        carried = carry(lab, changes, *stage.where)
        assert len(carried.batches) > 1, "connectors.spec.cut made one batch of more changes than Limit.items"
        assert not carried.refusals, (
            f"a call within the Limit was refused: the Limit is too high ({carried.refusals[0]})"
        )
        people = {truth.ref for truth in lab.truth().values()}
        for call in lab.calls()[first:]:
            assert not limit.bytes or call.size <= limit.bytes, (
                f"a call of {call.size} bytes exceeds Limit.bytes: raise `each`"
            )
            if not call.is_read:
                assert _named(call.body, people) <= limit.items, "a call holds more changes than Limit.items"
        refused = [change.id for change in changes if not is_settled(carried, change)]
        assert not refused, f"split batches must arrive whole; refused: {refused[:5]} of {len(refused)}"
        unshown = stage.unshown(changes)
        assert not unshown, f"{len(unshown)} of {len(changes)} are said to be done, and the provider does not show them"

    @each_kind
    def test_the_limit_is_the_provider_s_own(self, lab: Lab, kind: type[Change]) -> None:
        """One change more than the Limit in one call is refused: where the lab says that the provider counts."""
        stage = self.stage(lab, kind)
        if not isinstance(lab, Enforces) or kind not in lab.enforced:
            pytest.skip(f"the provider does not count {kind.__name__} in a call")
        limit = lab.connector.spec.carries[kind].items
        changes = stage.changes(limit + 1)
        try:
            found = list(lab.connector.push(Batch(*stage.where, changes)))
        except errors.InvalidRequest:
            return
        settled = [outcome.id for outcome in found if outcome.state is not State.REJECTED]
        assert not settled, (
            f"{limit + 1} {kind.__name__} went in one batch, and the provider took them: raise Limit.items"
        )

    @each_kind
    def test_one_bad_record_costs_one_record(self, lab: Lab, kind: type[Change]) -> None:
        """The good ones around it are applied, the bad one is refused, and only it."""
        if kind is AddCode:
            pytest.skip("a code has no address to be wrong")
        stage = self.stage(lab, kind)
        changes = stage.changes(6)
        changes.insert(1, stage.change(999, email=BAD))  # not in the middle: results may come back to front
        carried = carry(lab, changes, *stage.where)
        for change in changes:
            outcome = carried.of(change)
            assert outcome, f"{change.id} got no outcome beside a bad record"
            if change.id.endswith("-999"):
                is_bad = outcome.state is State.REJECTED or (kind is RemoveMember and outcome.state is State.NOOP)
                assert is_bad, f"'{BAD}' is no address, and its change is said to be {outcome.state}"
            else:
                assert outcome.state in SETTLED, f"{change.id} is fine, and was refused because of its neighbour"
                assert stage.shows(change), f"{change.id} is fine, and did not arrive because of its neighbour"

    @each_kind
    def test_nothing_but_an_add_creates(self, lab: Lab, kind: type[Change]) -> None:
        """A change for somebody who is not there leaves nobody there: who was erased does not come back by a merge tag."""
        if kind in {AddContact, AddCode}:
            pytest.skip(f"{kind.__name__} is there to create")
        if isinstance(lab, Imports) and kind in lab.creating:
            pytest.skip(f"the provider has no call for {kind.__name__} that cannot create: its capabilities say so")
        stage = self.stage(lab, kind)
        there, stranger = stage.changes(1)[0], stage.change(1)
        carried = carry(lab, [stranger, there], *stage.where)
        created = sorted(lab.truth().keys() - {stage.email(0)})
        assert not created, f"{kind.__name__} created a contact: look up who is there first, or use a call that cannot"
        outcome = carried.of(stranger)
        assert outcome, f"{stranger.id} got no outcome"
        assert outcome.state is not State.APPLIED, (
            f"{kind.__name__} for nobody is said to be applied: refuse it as GONE"
        )
        assert is_settled(carried, there), f"{there.id} is fine, and was refused because of its neighbour"

    @each_kind
    def test_a_person_named_twice_costs_nobody(self, lab: Lab, kind: type[Change]) -> None:
        """Two changes for one person in a batch: each has its outcome, and the neighbours theirs."""
        stage = self.stage(lab, kind)
        first, *others = stage.changes(4, value="same")
        twin = stage.change(0, value="same", name="twin")
        changes = [first, *others, twin]
        carried = carry(lab, changes, *stage.where)
        silent = [change.id for change in changes if carried.of(change) is None]
        assert not silent, f"two changes name one person, and these have no outcome: {silent}"
        lost = [change.id for change in [first, *others] if not is_settled(carried, change)]
        assert not lost, f"a person who is named twice sank {lost}"
        assert not stage.unshown([first, *others]), "a person who is named twice kept others from arriving"

    def test_another_spelling_is_the_same_person(self, lab: Lab) -> None:
        """The provider keeps an address as it was first typed; ours is in lower case: one contact, not two."""
        stage = self.stage(lab, SetTraits)
        email = stage.email(1)
        fields = {stage.targets["one"].title: "before", stage.targets["two"].title: "kept"}
        lab.seed(email.replace("kit", "Kit").replace("example", "EXAMPLE"), fields=fields, lists={stage.refs["other"]})
        people = len(lab.truth())
        change = stage.change(1)
        carried = carry(lab, [change], *stage.where)
        assert len(lab.truth()) == people, "one person became two: look addresses up in their normal form"
        assert is_settled(carried, change), f"known under another spelling, and refused: {carried.of(change)}"
        assert stage.shows(change), "known under another spelling, and not written to"

    @each_kind
    def test_accepted_is_not_applied(self, lab: Lab, kind: type[Change]) -> None:
        """APPLIED is said only when the provider has done it; a job's refusals are refusals."""
        stage = self.stage(lab, kind)
        changes = stage.changes(5)
        if kind is not AddCode:
            changes.insert(1, stage.change(999, email=BAD))
        by_id = {change.id: change for change in changes}

        def watch(outcome: Outcome) -> None:
            if outcome.state is State.APPLIED:
                assert stage.shows(by_id[outcome.id]), (
                    f"{outcome.id} is said to be applied, and the provider has not done it: "
                    "an accepted job is PENDING, and a record that the job refused is REJECTED"
                )

        carried = carry(lab, changes, *stage.where, watch)
        silent = [change.id for change in changes if carried.of(change) is None]
        assert not silent, f"the job is done, and poll() says nothing of {silent}"

    def test_leavers_leave_and_only_leave(self, lab: Lab) -> None:
        """Leaving a segment touches no other list, no field and no status, and nobody else."""
        stage = self.stage(lab, RemoveMember)
        people = [stage.seed(number, status) for number, status in enumerate(lab.statuses)]
        stayer = stage.seed(500)
        before, mine = picture(lab), stage.refs["mine"]
        carry(lab, [stage.change(number) for number in range(len(people))], *stage.where)
        after = picture(lab)
        assert after.keys() == before.keys(), "leaving a segment must not delete, archive or create a contact"
        for email in people:
            status, mailable, fields, lists = before[email]
            left = (status, mailable, fields, lists - {mine})
            assert after[email] in (left, before[email]), f"a {status} contact left a segment and became {after[email]}"
            assert not mailable or mine not in after[email][3], f"a {status} contact did not leave the segment"
        assert after[stayer] == before[stayer], "somebody who was not in the batch changed"

    @each_kind
    @each_status
    def test_no_consent_rises(self, lab: Lab, kind: type[Change], status: str) -> None:
        """Whatever is sent, for whomever: nobody is subscribed, revived or made mailable by it."""
        if status not in lab.statuses or kind is AddCode:
            pytest.skip(f"nothing to try for {status} and {kind.__name__}")
        stage = self.stage(lab, kind)
        email, bystander = stage.seed(1, status), stage.seed(2, status)
        before = picture(lab)
        carry(lab, [stage.change(1)], *stage.where)
        after = picture(lab)
        assert email in after, f"{kind.__name__} deleted a {status} contact"
        assert not after[email][1] or before[email][1], f"{kind.__name__} made a {status} contact mailable"
        if kind is Suppress:
            assert not after[email][1], f"Suppress left a {status} contact mailable"
        else:
            assert after[email][0] == before[email][0], f"{kind.__name__} made {status} into {after[email][0]}"
        assert after[bystander] == before[bystander], "somebody who was not in the batch changed"

    @each_kind
    def test_the_untouched_stay_untouched(self, lab: Lab, kind: type[Change]) -> None:
        """Everybody and every field that a batch does not name is the same after it."""
        stage = self.stage(lab, kind)
        changes = stage.changes(3)
        others = {stage.seed(600 + number, status) for number, status in enumerate(lab.statuses)}
        before, kept = picture(lab), stage.targets["two"].title
        carry(lab, changes, *stage.where)
        after = picture(lab)
        if kind is not AddCode:
            changed = [email for email in others if after.get(email) != before[email]]
            assert not changed, f"{len(changed)} contacts that the batch does not name are not what they were"
        for email in before.keys() & after.keys() - others:
            assert after[email][2].get(kept) == before[email][2].get(kept), (
                "a field that the batch does not name changed"
            )
        assert after.keys() - before.keys() <= {stage.email(number) for number in range(3)}, (
            "a contact was created that no change names"
        )

    def test_clearing_clears(self, lab: Lab) -> None:
        """A cleared field is empty, and only it."""
        stage = self.stage(lab, ClearTraits)
        [change] = stage.changes(1)
        carry(lab, [change], *stage.where)
        fields = lab.truth()[stage.email(0)].fields
        assert not fields.get(stage.targets["one"].title), (
            "ClearTraits says that it emptied a field, and its value is still there"
        )
        assert fields.get(stage.targets["two"].title) == "kept", "ClearTraits emptied a field that it did not name"

    @pytest.mark.parametrize(
        "text", ["Été à Noël", "木綿 🎁", 'a "quote", <b>&amp;', "l'eau \\ n", " x ", "123", "true"]
    )
    def test_values_arrive_as_they_were_sent(self, lab: Lab, text: str) -> None:
        """Unicode, quotes, markup and texts that look like other types."""
        stage = self.stage(lab, SetTraits)
        stage.seed(1)
        value = lab.connector.spec.fit(ValueKind.TEXT, text)
        change = stage.change(1, value=str(value))
        carry(lab, [change], *stage.where)
        held = lab.truth()[stage.email(1)].fields.get(stage.targets["one"].title)
        assert held == value, f"{value!r} became {held!r}: send what fit() returned as it is, or let fit() refuse it"

    @each_value
    def test_a_value_at_its_limit_arrives_whole(self, lab: Lab, value: ValueKind) -> None:
        """A value of each kind arrives as it was fitted; at `max_bytes` whole, and one byte more is refused by fit()."""
        stage = self.stage(lab, SetTraits)
        spec = lab.connector.spec
        if value not in spec.fields:
            pytest.skip(f"{spec.name} has no field for {value}")
        title = "KIT_AT_MAX" if spec.field_names.upper else "kit_at_max"
        field = Target(kind=TargetKind.FIELD, name="kind", title=title[: spec.field_names.length], value=value)
        ref = lab.connector.create([field])[field]
        for number, sample in enumerate(_longest(value, spec.fields[value].max_bytes)):
            fitted = spec.fit(value, sample)
            assert not isinstance(fitted, Reason), f"fit() refuses a {value} within max_bytes: {fitted}"
            email = stage.seed(number)
            change = SetTraits(id=f"long {number}", profile=Profile(email), traits={ref: fitted})
            carried = carry(lab, [change], *stage.where)
            assert is_settled(carried, change), f"a {value} that fit() returned was refused: {carried.of(change)}"
            held = lab.truth()[email].fields.get(field.title)
            assert _is_same(value, held, fitted), (
                f"a {value} did not arrive whole: fit() must refuse what is cut or changed"
            )
        most = spec.fields[value].max_bytes
        if most and value in {ValueKind.TEXT, ValueKind.URL}:
            for text in _texts(value, most + 1):
                told = spec.fit(value, text)
                assert told == Reason.TOO_LONG, f"{most + 1} bytes are more than max_bytes, and fit() says {told!r:.40}"


def _heavy(spec: Spec, kind: type[Change]) -> int:
    """Bytes of a value; of those that SetTraits writes, enough for a full batch to be too big for one call."""
    limit, field = spec.carries[kind], spec.fields[ValueKind.TEXT]
    weight = limit.bytes * 6 // (5 * limit.items) if limit.bytes and kind is SetTraits else 0
    return min(max(200, weight), field.max_bytes or _LONG)


def _is_same(value: ValueKind, held: object, fitted: object) -> bool:
    """The value itself; a provider may keep a date in an order of its own."""
    if value in {ValueKind.DATE, ValueKind.INSTANT}:
        return sorted(re.findall(r"\d+", str(held))) == sorted(re.findall(r"\d+", str(fitted)))
    return held == fitted


def _longest(value: ValueKind, most: int | None) -> list[object]:
    """A plain value, and the longest ones where length matters."""
    long = value in {ValueKind.TEXT, ValueKind.URL}
    return [SAMPLES[value], *(_texts(value, most or _LONG) if long else ())]


def _texts(value: ValueKind, size: int) -> list[str]:
    """Texts of exactly `size` bytes: letters of one byte, of two, of four, and an apostrophe at the end."""
    head = "https://shop.example/" if value is ValueKind.URL else ""
    return [f"{head}{_filled(letter, size - len(head))}" for letter in ("x", "é", "🎁")]


def _filled(letter: str, size: int) -> str:
    room = size - 1
    whole = letter * (room // len(letter.encode()))
    return "x" * (room - len(whole.encode())) + whole + "'"


def _named(body: bytes, refs: set[str]) -> int:
    """How many different people a body names, by address or by the provider's id."""
    words = {word.decode() for word in re.findall(rb"[A-Za-z0-9_-]+", body)}
    return max(len(set(_KIT.findall(body))), len(words & refs))
