"""The laws on engagement: every act once, whatever the page, the cursor or the clock; and what is posted to us."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.base import PullsEngagement, ReadsTotals, ReceivesEvents
from connectors.testing.carrier import carry
from connectors.testing.lab import Lab, Posts, Readers, Surprises
from connectors.testing.stage import Stage, set_stage
from connectors.testing.staging import Staging
from connectors.types import AddMember, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.types import Change, EngagementEvent

__all__ = ["EngagementLaws"]

_PULLS = 10  # resumptions of one read
_BREAKS = 4  # places at which a read is broken off
_CROWD = 1_010  # acts: more than any provider gives in one page
_LATER = timedelta(days=2)  # past any provider's tolerance for a signed time


class EngagementLaws(Staging):
    """What people did with a mail."""

    def test_pulling_again_brings_the_same_events(self, lab: Lab) -> None:
        """Ids are stable, so that reading twice keeps one; every event keeps the provider's raw words."""
        stage, campaign = self.pulling(lab)
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
        others = [event.kind.value for event in events if event.email == stage.email(1) and event.kind in wanted]
        assert not others, f"somebody who did nothing is said to have done {others}"

    def test_a_pull_resumes_without_a_gap(self, lab: Lab) -> None:
        """After the last cursor comes what happened since, even when old events come once more."""
        stage, campaign = self.pulling(lab)
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

    def test_a_pull_resumes_at_any_page(self, lab: Lab) -> None:
        """Broken off after any page and resumed from its cursor: every act comes, and under one id."""
        stage, campaign = self.pulling(lab, _CROWD)
        people = [stage.email(number) for number in range(_CROWD)]
        for email in people:
            lab.react(campaign, email, EventKind.CLICK, lab.now(), url="https://shop.example/a")  # type: ignore[attr-defined]  # mailing() has seen to it
        lab.settle()
        pages = _pages(lab, None)
        clicks = {event.id: event.email for _, items in pages for event in items if event.kind is EventKind.CLICK}
        assert sorted(clicks.values()) == sorted(people), (
            f"{len(people)} people clicked once, and {len(clicks)} clicks came, of {len(set(clicks.values()))} people: "
            "read every page, and give one act one id"
        )
        step = max(1, len(pages) // _BREAKS)
        for at in range(0, len(pages) - 1, step):
            cursor, early = pages[at][0], [event for _, items in pages[: at + 1] for event in items]
            late = [event for _, items in _pages(lab, cursor) for event in items]
            found = {event.id for event in [*early, *late] if event.kind is EventKind.CLICK}
            assert clicks.keys() <= found, (
                f"resumed after page {at + 1}, {len(clicks.keys() - found)} clicks are missing"
            )
            assert found <= clicks.keys(), (
                f"resumed after page {at + 1}, {len(found - clicks.keys())} clicks have a new id"
            )

    def test_an_event_of_the_future_survives(self, lab: Lab) -> None:
        """A clock at the provider runs ahead: what it dates is read when its time has come, and hides nothing."""
        stage, campaign = self.pulling(lab)
        _react(lab, campaign, stage.email(0), EventKind.CLICK, ahead=_LATER)
        early, cursor = _pull(lab, None)
        _react(lab, campaign, stage.email(1), EventKind.CLICK)
        now, cursor = _pull(lab, cursor)
        clickers = {event.email for event in [*early, *now] if event.kind is EventKind.CLICK}
        assert stage.email(1) in clickers, "an event dated ahead moved the cursor past those of today"
        late, _ = _pull(lab, cursor, ahead=_LATER + timedelta(days=1))
        clickers |= {event.email for event in late if event.kind is EventKind.CLICK}
        assert stage.email(0) in clickers, "an event dated ahead was never read, also when its time had come"

    def test_an_unknown_event_is_other_and_keeps_its_words(self, lab: Lab) -> None:
        """What the table does not know is OTHER, never dropped and never another kind."""
        if not isinstance(lab, Surprises):
            pytest.skip("the lab has no act that the table does not know")
        stage, campaign = self.mailing(lab)
        _react(lab, campaign, stage.email(0), EventKind.CLICK)
        known = {event.id: event.kind for event in _heard(lab)}
        lab.surprise(campaign, stage.email(0), lab.now())
        lab.settle()
        after = _heard(lab)
        fresh = [event for event in after if event.id not in known]
        assert [event.kind for event in fresh] == [EventKind.OTHER], (
            f"an act without a word in the table became {[event.kind.value for event in fresh]}: make it one OTHER"
        )
        assert json.loads(fresh[0].raw), "an event that is OTHER is worth nothing without the provider's words in raw"
        assert known.items() <= {event.id: event.kind for event in after}.items(), "an unknown event changed others"

    def test_totals_count_people(self, lab: Lab) -> None:
        """The provider's report of a campaign: each person once a kind; an unknown campaign is absent."""
        connector = lab.connector
        if not isinstance(connector, ReadsTotals):
            pytest.skip(f"{connector.spec.name} has no reports")
        stage, campaign = self.mailing(lab, 3)
        for number, kind in ((0, EventKind.OPEN), (0, EventKind.CLICK), (1, EventKind.OPEN), (1, EventKind.OPEN)):
            _react(lab, campaign, stage.email(number), kind)
        told = _pull(lab, None)[0] if isinstance(connector, PullsEngagement) else ()
        [named] = {event.campaign for event in told if event.campaign} or {campaign}
        totals = connector.totals([named, "999999"])
        assert "999999" not in totals, "a campaign that the provider does not know has no totals"
        wanted = {EventKind.SEND: 3, EventKind.OPEN: 2, EventKind.CLICK: 1}
        found = {kind: count for kind, count in totals[named].items() if kind in wanted}
        assert found, "the report tells neither mails, opens nor clicks"
        assert found == {kind: wanted[kind] for kind in found}, f"totals() counts people, each once a kind: {found}"

    def test_what_is_posted_is_read(self, lab: Lab) -> None:
        """A webhook becomes events, the same ids each time; what the table does not know is OTHER."""
        connector, posts = self.posts(lab)
        kinds = set()
        for headers, body in posts:
            events = connector.parse(headers, body, lab.now())
            again = connector.parse(headers, body, lab.now())
            assert [event.id for event in events] == [event.id for event in again], "an event's id must not change"
            whole = all(json.loads(event.raw) and event.happened_at.tzinfo for event in events)
            assert whole, "an event that was posted keeps what the provider said, and an aware time in UTC"
            kinds |= {event.kind for event in events}
        known = kinds & {EventKind.CLICK, EventKind.UNSUBSCRIBE}
        assert known, "a click and an unsubscribe happened, and parse() saw neither in what was posted"

    def test_only_what_is_signed_is_believed(self, lab: Lab) -> None:
        """No signature, another's, another body, another day: Unauthorized, before a word of the body is read."""
        connector, posts = self.posts(lab)
        assert isinstance(lab, Posts)
        headers, body = posts[-1]
        forged = {name: "0" * len(value) for name, value in headers.items()}
        tries = [("unsigned", {}, body, lab.now()), ("forged", forged, body, lab.now())]
        tries.append(("forged and not even JSON", forged, b"<html>", lab.now()))
        if "body" in lab.signed:
            tries.append(("altered", dict(headers), body + b" ", lab.now()))
        if "time" in lab.signed:
            tries.append(("replayed after two days", dict(headers), body, lab.now() + _LATER))
        for name, sent, content, now in tries:
            with pytest.raises(errors.Unauthorized):
                pytest.fail(f"a body that is {name} gave {len(connector.parse(sent, content, now))} events: refuse it")

    def posts(self, lab: Lab) -> tuple[ReceivesEvents, Sequence[tuple[Mapping[str, str], bytes]]]:
        """What the provider posted about three acts; skips where there are no webhooks."""
        connector = lab.connector
        if not isinstance(connector, ReceivesEvents) or not isinstance(lab, Posts):
            pytest.skip("no webhooks here")
        stage, campaign = self.mailing(lab)
        for kind in (EventKind.OPEN, EventKind.CLICK):
            _react(lab, campaign, stage.email(0), kind)
        _react(lab, campaign, stage.email(1), EventKind.UNSUBSCRIBE)
        posts = lab.posted()
        assert posts, "the lab posted nothing about an open, a click and an unsubscribe"
        return connector, posts

    def mailing(self, lab: Lab, people: int = 2) -> tuple[Stage, str]:
        """A segment of people who got a mail; skips where the lab has no readers."""
        if not isinstance(lab, Readers):
            pytest.skip("the lab has no readers")
        stage = set_stage(lab, AddMember)
        members: Sequence[Change] = stage.changes(people)
        carry(lab, members, *stage.where)
        campaign = lab.mail(stage.refs["mine"], "Kit")
        lab.settle()
        return stage, campaign

    def pulling(self, lab: Lab, people: int = 2) -> tuple[Stage, str]:
        """The same, where the connector reads engagement."""
        if not isinstance(lab.connector, PullsEngagement):
            pytest.skip(f"{lab.connector.spec.name} has no engagement to pull")
        return self.mailing(lab, people)


def _react(lab: Lab, campaign: str, email: str, kind: EventKind, *, ahead: timedelta = timedelta()) -> None:
    assert isinstance(lab, Readers)
    url = "https://shop.example/a" if kind is EventKind.CLICK else None
    lab.react(campaign, email, kind, lab.now() + ahead, url=url)
    lab.settle()


def _heard(lab: Lab) -> Sequence[EngagementEvent]:
    """Everything that is known of engagement: pulled, or posted where there is nothing to pull."""
    connector = lab.connector
    if isinstance(connector, PullsEngagement):
        return _pull(lab, None)[0]
    if not isinstance(connector, ReceivesEvents) or not isinstance(lab, Posts):
        pytest.skip(f"{connector.spec.name} tells nothing of engagement")
    return [event for headers, body in lab.posted() for event in connector.parse(headers, body, lab.now())]


def _pull(lab: Lab, since: str | None, *, ahead: timedelta = timedelta()) -> tuple[list[EngagementEvent], str | None]:
    pages = _pages(lab, since, ahead=ahead)
    return [event for _, items in pages for event in items], pages[-1][0] if pages else since


def _pages(
    lab: Lab, since: str | None, *, ahead: timedelta = timedelta()
) -> list[tuple[str, Sequence[EngagementEvent]]]:
    """Every page of a read with its cursor, resumed until it says that it is the last."""
    assert isinstance(lab.connector, PullsEngagement)
    found: list[tuple[str, Sequence[EngagementEvent]]] = []
    cursor, is_whole = since, False
    for _ in range(_PULLS):
        is_whole = True  # no page at all: nothing new
        for page in lab.connector.pull(cursor, lab.now() + ahead):
            found.append((page.cursor, page.items))
            cursor, is_whole = page.cursor, page.last
            if not page.items and not page.last:
                lab.settle()  # the provider works on it: look again later
        if is_whole:
            break
    assert is_whole, f"a pull that was resumed {_PULLS} times never came to a page that is the last"
    return found
