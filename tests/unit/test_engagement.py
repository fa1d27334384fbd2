"""What came back is kept once, whatever happens between two pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from hand_clock import HandClock

from connectors.types import EngagementEvent, EventKind, Left, Page, Suppression
from engine.engagement import Patience, is_swept, pull
from engine.engagement.parts import Parts
from engine.engagement.totals import Compared, Difference, compare
from engine.ledger import Ledger

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def event(number: int, kind: EventKind = EventKind.OPEN) -> EngagementEvent:
    at = NOW - timedelta(hours=1) + timedelta(minutes=number)
    return EngagementEvent(id=f"e{number}", kind=kind, email=f"p{number}@example.com", happened_at=at, campaign="c")


class Provider:
    """Answers the pages that it is given; breaks off before page `breaks_at`, once."""

    spec = SimpleNamespace(poll_after=(30.0, 60.0))

    def __init__(self, events: list[Page[EngagementEvent]], left: list[Page[Suppression]], breaks_at: int = -1) -> None:
        self.events, self.left, self.breaks_at = events, left, breaks_at
        self.asked: list[str | None] = []

    def check(self) -> None: ...
    def find(self) -> None: ...
    def create(self) -> None: ...
    def push(self) -> None: ...

    def pull(self, since: str | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        self.asked.append(since)
        start = int(since or 0)
        for number, page in enumerate(self.events[start:], start):
            if number == self.breaks_at:
                self.breaks_at = -1
                raise ConnectionError
            yield page

    def suppressions(self, since: str | None, now: datetime) -> Iterator[Page[Suppression]]:
        yield from self.left if since is None else self.left[-1:]


def read(parts: Parts) -> list[str]:
    return sorted(i for path in parts.paths() for i in pq.read_table(path)["event_id"].to_pylist())


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "engagement")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}", "maison") as opened:
        yield opened


LEFT = [Page([Suppression(email="gone@example.com", left=Left.UNSUBSCRIBED, at=NOW)], "1"), Page([], "2", last=True)]
EVENTS = [Page([event(0), event(1)], "1"), Page([event(1), event(2, EventKind.CLICK)], "2", last=True)]


def bring(provider: Provider, ledger: Ledger, parts: Parts, clock: HandClock | None = None) -> object:
    return pull("news", provider, ledger, parts, now=NOW, patience=Patience(clock or HandClock(NOW)))  # type: ignore[arg-type]  # a fake connector


def test_events_and_suppressions_are_kept_and_counted(ledger: Ledger, parts: Parts) -> None:
    pulled = bring(Provider(EVENTS, LEFT), ledger, parts)
    assert read(parts) == ["news:e0", "news:e1", "news:e2"]
    assert pulled.events == {"open": 2, "click": 1}  # type: ignore[attr-defined]
    assert pulled.suppressions == 1  # type: ignore[attr-defined]
    assert ledger.suppressions.addresses("news") == {"gone@example.com"}


def test_a_second_pull_starts_at_the_saved_cursor_and_keeps_nothing_twice(ledger: Ledger, parts: Parts) -> None:
    bring(Provider(EVENTS, LEFT), ledger, parts)
    again = Provider([*EVENTS, Page([event(2, EventKind.CLICK), event(3)], "3", last=True)], LEFT)
    pulled = bring(again, ledger, parts)
    assert again.asked == ["2"]
    assert pulled.events == {"open": 1}  # type: ignore[attr-defined]
    assert read(parts) == ["news:e0", "news:e1", "news:e2", "news:e3"]


@pytest.mark.parametrize("breaks_at", [0, 1])
def test_a_pull_that_breaks_off_loses_and_doubles_nothing(ledger: Ledger, parts: Parts, breaks_at: int) -> None:
    provider = Provider(EVENTS, LEFT, breaks_at)
    with pytest.raises(ConnectionError):
        bring(provider, ledger, parts)
    bring(provider, ledger, parts)
    assert read(parts) == ["news:e0", "news:e1", "news:e2"]


def test_a_crash_between_part_and_cursor_doubles_nothing(ledger: Ledger, parts: Parts) -> None:
    parts.keep("news", None, EVENTS[0].items)
    bring(Provider(EVENTS, LEFT), ledger, parts)
    assert read(parts) == ["news:e0", "news:e1", "news:e2"]


def test_a_first_sweep_counts_only_when_it_is_complete(ledger: Ledger, parts: Parts) -> None:
    pulled = bring(Provider(EVENTS, LEFT[:1]), ledger, parts)
    assert not is_swept(ledger, "news")
    assert "nothing is sent" in pulled.error  # type: ignore[attr-defined]
    assert ledger.suppressions.addresses("news") == {"gone@example.com"}
    bring(Provider(EVENTS, LEFT), ledger, parts)
    assert is_swept(ledger, "news")


def test_a_later_sweep_that_broke_off_begins_again_and_sends_nothing_until_it_has_ended(
    ledger: Ledger, parts: Parts
) -> None:
    bring(Provider(EVENTS, LEFT), ledger, parts)
    before = ledger.cursors.get("news", "suppressions")
    pulled = bring(Provider(EVENTS, [replace(LEFT[1], cursor="3", last=False)]), ledger, parts)
    assert ledger.cursors.get("news", "suppressions") == before, "who left meanwhile may stand in what was read already"
    assert "nothing is sent" in pulled.error  # type: ignore[attr-defined]
    bring(Provider(EVENTS, [replace(LEFT[1], cursor="4")]), ledger, parts)
    assert ledger.cursors.get("news", "suppressions") == "4"


def test_a_provider_that_prepares_an_answer_is_waited_for_but_not_for_ever(ledger: Ledger, parts: Parts) -> None:
    clock = HandClock(NOW)
    preparing = [Page([], "0")] * 3
    pulled = bring(Provider([*preparing, Page([event(0)], "4", last=True)], LEFT), ledger, parts, clock)
    assert clock.seconds == 30 + 60 + 60
    assert pulled.is_complete  # type: ignore[attr-defined]
    slow = bring(Provider([Page([], "0")] * 500, LEFT), ledger, parts, clock)
    assert not slow.is_complete  # type: ignore[attr-defined]


def test_parts_can_be_read_by_their_owner_alone(ledger: Ledger, parts: Parts) -> None:
    bring(Provider(EVENTS, LEFT), ledger, parts)
    assert {path.stat().st_mode & 0o777 for path in parts.paths()} == {0o600}


class Reporter(Provider):
    """Reports what it is told to."""

    def __init__(self, events: list[Page[EngagementEvent]], reports: dict[str, dict[EventKind, int]]) -> None:
        super().__init__(events, LEFT)
        self.reports = reports
        self.reported: list[str] = []

    def totals(self, campaigns: list[str]) -> dict[str, dict[EventKind, int]]:
        self.reported = campaigns
        return {campaign: found for campaign, found in self.reports.items() if campaign in campaigns}


def named(event: EngagementEvent, campaign: str | None, **more: object) -> EngagementEvent:
    return replace(event, id=f"{event.id}:{campaign}", campaign=campaign, **more)  # type: ignore[arg-type]


def test_campaigns_are_compared_in_people_and_only_by_what_the_provider_reports(ledger: Ledger, parts: Parts) -> None:
    twice = replace(event(1), id="again", email="p0@example.com")  # one person opened twice
    events = [event(0), twice, event(2), event(3, EventKind.CLICK), event(4, EventKind.BOUNCE)]
    reporter = Reporter([Page(events, "1", last=True)], {"c": {EventKind.OPEN: 2, EventKind.CLICK: 4}})
    bring(reporter, ledger, parts)
    found = compare("news", reporter, parts, since=NOW - timedelta(days=30))
    assert found == Compared(
        destination="news",
        campaigns=1,
        differences=(Difference(campaign="c", kind=EventKind.CLICK, ours=1, theirs=4),),
    )


def test_a_kind_that_we_hold_nothing_of_differs_too(ledger: Ledger, parts: Parts) -> None:
    reporter = Reporter([Page([event(0)], "1", last=True)], {"c": {EventKind.OPEN: 1, EventKind.COMPLAINT: 1}})
    bring(reporter, ledger, parts)
    (found,) = compare("news", reporter, parts, since=NOW - timedelta(days=30)).differences
    assert (found.kind, found.ours, found.theirs) == (EventKind.COMPLAINT, 0, 1)


def test_only_the_newest_campaigns_of_this_destination_are_asked_for(ledger: Ledger, parts: Parts) -> None:
    old = named(event(0), "old", happened_at=NOW - timedelta(days=40))
    events = [old, named(event(1), "first"), named(event(2), "second"), named(event(3), None)]
    parts.keep("other", "0", [named(event(9), "elsewhere")])
    reporter = Reporter([Page(events, "1", last=True)], {})
    bring(reporter, ledger, parts)
    assert compare("news", reporter, parts, since=NOW - timedelta(days=30)) == Compared(destination="news")
    assert reporter.reported == ["second", "first"]
