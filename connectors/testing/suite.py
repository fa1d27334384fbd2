"""The laws of a connector, one test each: subclass, supply the fixture `lab`, done."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from connectors.base import PullsEngagement, ReadsSuppressions
from connectors.testing.carrier import Carried, carry
from connectors.testing.lab import STATUSES, Lab, Readers
from connectors.testing.stage import KINDS, Stage, picture, set_stage
from connectors.types import (
    AddCode,
    AddMember,
    ClearTraits,
    EventKind,
    Outcome,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    TargetKind,
    ValueKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.types import Change, EngagementEvent

__all__ = ["ConnectorSuite"]

_KIT = re.compile(rb"kit\.(\d+)@")
_PULLS = 10  # resumptions of one read
_BAD = "kit.bad.address"  # no provider takes it
_SETTLED = {State.APPLIED, State.NOOP}
_LEAVING = frozenset({"unsubscribed", "pending", "cleaned", "archived", "suppressed", "complained"})

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
each_status = pytest.mark.parametrize("status", STATUSES)


class ConnectorSuite:
    """The laws; a law is skipped only for a kind or an ability that the connector does not declare."""

    @pytest.fixture
    def lab(self) -> Lab:
        """A fresh account: yours."""
        pytest.fail("supply a fixture `lab` in your subclass: see docs/connector-spec.md")

    def stage(self, lab: Lab, kind: type[Change]) -> Stage:
        """The stage for a kind, or a skip when the connector does not carry it."""
        if kind not in lab.connector.spec.carries:
            pytest.skip(f"{lab.connector.spec.name} does not carry {kind.__name__}")
        return set_stage(lab, kind)

    # 1
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
            assert _settled(carried, change), f"{change.id} is fine, and was refused: {carried.of(change)}"
            assert stage.shows(change), f"{change.id} is said to be applied, and the provider does not show it"

    # 2
    @each_kind
    def test_sending_twice_is_harmless(self, lab: Lab, kind: type[Change]) -> None:
        """What was yielded before an exception stands and the rest is sent again, so twice must be safe."""
        stage = self.stage(lab, kind)
        changes = stage.changes(5)
        carry(lab, changes, *stage.where)
        before = picture(lab)
        again = carry(lab, changes, *stage.where)
        for change in changes:
            assert _settled(again, change), f"{change.id} was applied, and is refused the second time"
        assert picture(lab) == before, "sending a batch again must change nothing at the provider"

    # 3
    @each_kind
    def test_a_batch_over_the_limit_is_split(self, lab: Lab, kind: type[Change]) -> None:
        """One more than the limit, with long values: no call may hold more than the spec says, and all arrive."""
        stage = self.stage(lab, kind)
        limit = lab.connector.spec.carries[kind]
        changes = stage.changes(limit.items + 1, value="x" * 200)
        first = len(lab.calls())
        carried = carry(lab, changes, *stage.where)
        assert len(carried.batches) > 1
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
        refused = [change.id for change in changes if not _settled(carried, change)]
        assert not refused, f"split batches must arrive whole; refused: {refused[:5]} of {len(refused)}"

    # 4
    @each_kind
    def test_one_bad_record_costs_one_record(self, lab: Lab, kind: type[Change]) -> None:
        """The good ones around it are applied, the bad one is refused, and only it."""
        if kind is AddCode:
            pytest.skip("a code has no address to be wrong")
        stage = self.stage(lab, kind)
        changes = stage.changes(6)
        changes.insert(1, stage.change(999, email=_BAD))  # not in the middle: results may come back to front
        carried = carry(lab, changes, *stage.where)
        for change in changes:
            outcome = carried.of(change)
            assert outcome, f"{change.id} got no outcome beside a bad record"
            if change.id.endswith("-999"):
                is_bad = outcome.state is State.REJECTED or (kind is RemoveMember and outcome.state is State.NOOP)
                assert is_bad, f"'{_BAD}' is no address, and its change is said to be {outcome.state}"
            else:
                assert outcome.state in _SETTLED, f"{change.id} is fine, and was refused because of its neighbour"
                assert stage.shows(change), f"{change.id} is fine, and did not arrive because of its neighbour"

    # 5
    @each_kind
    def test_accepted_is_not_applied(self, lab: Lab, kind: type[Change]) -> None:
        """APPLIED is said only when the provider has done it; a job's refusals are refusals."""
        stage = self.stage(lab, kind)
        changes = stage.changes(5)
        if kind is not AddCode:
            changes.insert(1, stage.change(999, email=_BAD))
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

    # 6
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

    # 7
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

    # 8
    def test_creating_twice_creates_once(self, lab: Lab) -> None:
        """create() finds first; a second connector, which remembers nothing, gets the same refs."""
        stage = set_stage(lab, AddCode if AddCode in lab.connector.spec.carries else AddMember)
        lists = dict(lab.lists())
        again = lab.connector.create(stage.targets.values())
        refs = {name: again.get(target) for name, target in stage.targets.items()}
        assert refs == dict(stage.refs), "creating what exists must return the ref that it has"
        assert dict(lab.lists()) == lists, "creating twice made another list"

    # 9
    def test_finding_only_reads(self, lab: Lab) -> None:
        """find() sends no write, and leaves out what is missing."""
        stage = set_stage(lab, AddMember)
        wanted = [*stage.targets.values()]
        ghost = type(wanted[0])(kind=TargetKind.SEGMENT, name="ghost", title="kit ghost")
        first = len(lab.calls())
        found = lab.connector.find([*wanted, ghost])
        writes = [call.path for call in lab.calls()[first:] if not call.is_read]
        assert not writes, f"find() must only read, and wrote to {writes}"
        assert ghost not in found, "find() must leave out what does not exist"
        assert {name: found.get(target) for name, target in stage.targets.items()} == dict(stage.refs)

    # 10
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
            assert {email: after.get(email) for email in others} == {email: before[email] for email in others}
        for email in before.keys() & after.keys() - others:
            assert after[email][2].get(kept) == before[email][2].get(kept), "a field that was not named changed"
        assert after.keys() - before.keys() <= {stage.email(number) for number in range(3)}, "a stranger was created"

    # 11
    def test_clearing_clears(self, lab: Lab) -> None:
        """A cleared field is empty, and only it."""
        stage = self.stage(lab, ClearTraits)
        [change] = stage.changes(1)
        carry(lab, [change], *stage.where)
        fields = lab.truth()[stage.email(0)].fields
        assert not fields.get(stage.targets["one"].title), "ClearTraits left the value"
        assert fields.get(stage.targets["two"].title) == "kept", "ClearTraits emptied a field that it did not name"

    # 12
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
        assert lab.truth()[stage.email(1)].fields[stage.targets["one"].title] == value

    # 13
    def test_every_suppression_is_found(self, lab: Lab) -> None:
        """More leavers than a page holds, in every state that a provider has; and nobody who may be mailed."""
        connector = lab.connector
        if not isinstance(connector, ReadsSuppressions):
            pytest.skip(f"{connector.spec.name} does not read suppressions")
        stage = set_stage(lab, AddMember)
        for number, status in enumerate(lab.statuses):
            for copy in range(130 if status == "unsubscribed" else 3):
                stage.seed(number * 1000 + copy, status)
        truth = lab.truth()
        gone = {email for email, contact in truth.items() if not contact.mailable and contact.status in _LEAVING}
        found = {item.email for page in connector.suppressions(None, lab.now()) for item in page.items}
        assert gone <= found, (
            f"{len(gone - found)} of {len(gone)} who left were not found: read every page, every state"
        )
        may = sorted({truth[email].status for email in found if email in truth and truth[email].mailable})
        assert not may, f"contacts that may be mailed are called suppressed: {may}"

    # 14
    def test_pulling_again_brings_the_same_events(self, lab: Lab) -> None:
        """Ids are stable, so that reading twice keeps one; every event keeps the provider's raw words."""
        stage, campaign = self.mailing(lab)
        for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE):
            _react(lab, campaign, stage.email(0), kind)
        events, _ = _pull(lab, None)
        again, _ = _pull(lab, None)
        assert {event.id for event in events} == {event.id for event in again}, "an event's id must not change"
        for event in events:
            assert json.loads(event.raw), "every event keeps what the provider said"
            assert event.happened_at.tzinfo, "an event's time is aware, in UTC"
        wanted = {EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE} & set(lab.connector.spec.reports)
        assert {event.kind for event in events if event.email == stage.email(0)} >= wanted, "an act is missing"
        assert not [event for event in events if event.email == stage.email(1) and event.kind in wanted]

    # 15
    def test_a_pull_resumes_without_a_gap(self, lab: Lab) -> None:
        """After the last cursor comes what happened since, even when old events come once more."""
        stage, campaign = self.mailing(lab)
        _react(lab, campaign, stage.email(0), EventKind.CLICK)
        events, cursor = _pull(lab, None)
        lab.settle()
        _react(lab, campaign, stage.email(1), EventKind.CLICK)
        later, _ = _pull(lab, cursor)
        fresh = {event.id for event in later} - {event.id for event in events}
        found = {event.email for event in later if event.id in fresh and event.kind is EventKind.CLICK}
        assert found == {stage.email(1)}, (
            f"the new click and only it is new after the cursor, found {len(fresh)} events"
        )

    # 16
    @each_kind
    def test_secrets_and_addresses_stay_private(
        self, lab: Lab, kind: type[Change], caplog: pytest.LogCaptureFixture
    ) -> None:
        """No log line and no outcome's words hold a key or an address."""
        stage = self.stage(lab, kind)
        changes = [*stage.changes(2), stage.change(999, email=f"kit.bad..@{lab.domain}")]
        with caplog.at_level("DEBUG"):
            lab.connector.check()
            carried = carry(lab, changes, *stage.where)
        words = [outcome.words or "" for found in carried.final.values() for outcome in found]
        told = "\n".join([caplog.text, *words, repr(lab.connector)])
        assert not [secret for secret in lab.secrets if secret in told], "a secret is in a log or an outcome"
        assert "kit." not in told, "an address is in a log or an outcome: use connectors.http.mask"

    def mailing(self, lab: Lab) -> tuple[Stage, str]:
        """A segment of two people who got a mail; skips where the provider or the lab has no readers."""
        if not isinstance(lab.connector, PullsEngagement) or not isinstance(lab, Readers):
            pytest.skip("no engagement to pull here")
        stage = set_stage(lab, AddMember)
        people: Sequence[Change] = stage.changes(2)
        carry(lab, people, *stage.where)
        campaign = lab.mail(stage.refs["mine"], "Kit")
        lab.settle()
        return stage, campaign


def _settled(carried: Carried, change: Change) -> bool:
    outcome = carried.of(change)
    return outcome is not None and outcome.state in _SETTLED


def _named(body: bytes, refs: set[str]) -> int:
    """How many different people a body names, by address or by the provider's id."""
    words = {word.decode() for word in re.findall(rb"[A-Za-z0-9_-]+", body)}
    return max(len(set(_KIT.findall(body))), len(words & refs))


def _react(lab: Lab, campaign: str, email: str, kind: EventKind) -> None:
    assert isinstance(lab, Readers)
    lab.react(campaign, email, kind, lab.now(), url="https://shop.example/a" if kind is EventKind.CLICK else None)
    lab.settle()


def _pull(lab: Lab, since: str | None) -> tuple[list[EngagementEvent], str | None]:
    assert isinstance(lab.connector, PullsEngagement)
    events: list[EngagementEvent] = []
    cursor, is_whole = since, False
    for _ in range(_PULLS):
        is_whole = True  # no page at all: nothing new
        for page in lab.connector.pull(cursor, lab.now()):
            events.extend(page.items)
            cursor, is_whole = page.cursor, page.last
            if not page.items and not page.last:
                lab.settle()  # the provider works on it: look again later
        if is_whole:
            break
    assert is_whole, f"a pull that was resumed {_PULLS} times never came to a page that is the last"
    return events, cursor
