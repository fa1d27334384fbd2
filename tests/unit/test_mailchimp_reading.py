"""What Mailchimp reports back: engagement and suppressions, by cursors that lose nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailchimp_account import AUDIENCE, LOYAL, Shop, person

from connectors.http import Request, Response
from connectors.mailchimp import events
from connectors.mailchimp.wire import subscriber
from connectors.types import Cursor, EngagementEvent, EventKind, Left, Page, Precision, Suppression


def mailed(count: int, **options: str) -> tuple[Shop, str]:
    shop = Shop(options)
    for number in range(count):
        shop.seed(number)
    return shop, shop.provider.mail(AUDIENCE, "Bonjour")


def pull(shop: Shop, since: Cursor | None = None) -> tuple[list[EngagementEvent], Cursor]:
    pages = list(shop.connector.pull(since, shop.now))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(page.items for page in pages[:-1])
    return [event for page in pages for event in page.items], pages[-1].cursor


def test_each_act_is_one_event_with_its_precision() -> None:
    shop, campaign = mailed(2)
    at, email = shop.now + timedelta(minutes=5), person(0).email
    shop.sandbox.world.advance(600)
    shop.provider.react(campaign, email, EventKind.OPEN, at, is_machine=True)
    shop.provider.react(campaign, email, EventKind.OPEN, at + timedelta(seconds=9))
    shop.provider.react(campaign, email, EventKind.CLICK, at, url="https://shop.example/a")
    shop.provider.react(campaign, email, EventKind.CLICK, at, url="https://shop.example/b")
    shop.provider.react(campaign, email, EventKind.COMPLAINT, at)
    shop.provider.react(campaign, person(1).email, EventKind.BOUNCE, at)
    found, _ = pull(shop)
    assert len({event.id for event in found}) == len(found) == 8
    assert {(event.kind, event.is_machine) for event in found if event.kind is EventKind.OPEN} == {
        (EventKind.OPEN, True),
        (EventKind.OPEN, False),
    }
    assert {event.url for event in found if event.kind is EventKind.CLICK} == {
        "https://shop.example/a",
        "https://shop.example/b",
    }
    [bounce] = [event for event in found if event.kind is EventKind.BOUNCE]
    assert (bounce.hard, bounce.email, bounce.happened_at) == (True, person(1).email, at)
    sends = [event for event in found if event.kind is EventKind.SEND]
    assert {(event.precision, event.message) for event in sends} == {(Precision.CAMPAIGN, "Bonjour")}
    [complaint] = [event for event in found if event.kind is EventKind.COMPLAINT]
    assert (complaint.happened_at, complaint.precision, complaint.campaign) == (at, Precision.EXACT, campaign)
    assert not any("192.0.2.1" in event.raw for event in found), "a reader's IP address is not kept"


def test_an_unknown_action_is_other_with_its_raw_words() -> None:
    stream = next(stream for stream in events.STREAMS if stream.path == "email-activity")
    record = {"email_id": "x", "email_address": "a@b.test", "activity": [{"action": "fold", "timestamp": ""}]}
    [event] = stream.events({"id": "c", "send_time": "2018-01-01T09:00:00+00:00"}, record)
    assert (event.kind, json.loads(event.raw)["action"]) == (EventKind.OTHER, "fold")
    assert event.happened_at == datetime(2018, 1, 1, 9, tzinfo=UTC)


def test_a_quiet_campaign_costs_one_call() -> None:
    shop, campaign = mailed(3)
    shop.provider.react(campaign, person(0).email, EventKind.OPEN, shop.now)
    _, cursor = pull(shop)
    shop.sandbox.world.advance(4 * 86_400)
    _, cursor = pull(shop, cursor)
    shop.sandbox.world.advance(600)
    before = len(shop.requests)
    again, _ = pull(shop, cursor)
    assert again == []
    assert len(shop.requests) - before == 2, "the audience and the reports"


def test_campaigns_of_other_audiences_and_old_ones_are_not_read() -> None:
    shop, _ = mailed(1)
    shop.provider.add_audience("ffff000000", "Other")
    shop.provider.mail("ffff000000", "Foreign")
    assert {event.message for event in pull(shop)[0]} == {"Bonjour"}
    shop.sandbox.world.advance(91 * 86_400)
    found, cursor = pull(shop)
    assert (found, json.loads(cursor)) == ([], {"n": {}, "t": {}})


def test_a_figure_that_a_report_does_not_tell_is_not_zero() -> None:
    shop, campaign = mailed(2)
    shop.provider.react(campaign, person(0).email, EventKind.UNSUBSCRIBE, shop.now)

    def shortened(request: Request) -> Response | None:
        if not request.url.partition("?")[0].endswith("/reports"):
            return None
        answer = shop.sandbox.handle(request).json()
        for report in answer["reports"]:
            del report["unsubscribed"], report["emails_sent"]
        return Response(200, {}, json.dumps(answer).encode())

    shop.answer = shortened
    found, cursor = pull(shop)
    assert [event.kind for event in found] == [EventKind.SEND, EventKind.SEND, EventKind.UNSUBSCRIBE]
    assert [event.id for event in pull(shop, cursor)[0]] == [event.id for event in found], "it is asked each time"


def test_totals_of_one_campaign_and_of_many_are_one_call_and_a_forgotten_one_is_absent() -> None:
    shop, campaign = mailed(2)
    others = [shop.provider.mail(AUDIENCE, f"Soldes {number}") for number in range(30)]
    for wanted in ([campaign], ["ghost"], [campaign, *others, "ghost"]):
        before = len(shop.requests)
        found = shop.connector.totals(wanted)
        assert found.keys() == {*wanted} - {"ghost"}
        assert all(totals[EventKind.SEND] == 2 for totals in found.values())
        assert len(shop.requests) - before == 1
    assert shop.connector.totals([]) == {}


def test_an_event_dated_in_the_future_hides_nothing_that_comes() -> None:
    shop, campaign = mailed(2)
    shop.provider.react(
        campaign, person(0).email, EventKind.CLICK, shop.now + timedelta(days=400), url="https://a.test"
    )
    found, cursor = pull(shop)
    assert [event.happened_at.year for event in found if event.kind is EventKind.CLICK] == [2019]
    shop.sandbox.world.advance(7200)
    shop.provider.react(campaign, person(1).email, EventKind.CLICK, shop.now, url="https://a.test")
    later, _ = pull(shop, cursor)
    assert person(1).email in {event.email for event in later if event.kind is EventKind.CLICK}


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_a_pull_resumes_at_any_page(data: st.DataObject) -> None:
    shop, first = mailed(1300)
    second = shop.provider.mail(AUDIENCE, "Encore")
    for number in range(1200):
        shop.provider.react(first, person(number).email, EventKind.OPEN, shop.now)
        shop.provider.react(second, person(number).email, EventKind.CLICK, shop.now, url="https://shop.example")
    whole = {event.id for event in pull(shop)[0]}
    assert len(whole) == 2 * 1300 + 2 * 1200
    seen: set[str] = set()
    cursor: Cursor | None = None
    while True:
        page = _some_page(shop, cursor, seen, data.draw(st.integers(0, 4)))
        cursor = page.cursor
        if page.last:
            break
    assert seen == whole


def _some_page(shop: Shop, cursor: Cursor | None, seen: set[str], stop: int) -> Page[EngagementEvent]:
    """Read until the process "dies" after that many pages; what it took is kept."""
    for number, page in enumerate(shop.connector.pull(cursor, shop.now)):
        seen |= {event.id for event in page.items}
        if number == stop or page.last:
            return page
    raise AssertionError("a pull ends with its last page")


@pytest.mark.parametrize(
    "cursor",
    [
        "not json",
        "[1]",
        '{"t": 1}',
        '{"at": []}',
        '{"c": {"c1": {"n": {"sent-to": 2}, "t": {}}}, "at": [1514797200, "c1", 1, 0, null]}',
        '{"t": {"unsubscribed": 1514797200}, "at": [2, 0, null]}',
    ],
)
def test_a_cursor_of_another_kind_or_an_older_version_tells_everything_again(cursor: str) -> None:
    shop, _ = mailed(2)
    shop.seed(7, "unsubscribed")
    assert [event.id for event in pull(shop, cursor)[0]] == [event.id for event in pull(shop)[0]] != []
    assert sweep(shop, cursor)[0] == sweep(shop)[0] != []


# suppressions
def sweep(shop: Shop, since: Cursor | None = None) -> tuple[list[Suppression], Cursor]:
    pages = list(shop.connector.suppressions(since, shop.now))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [item for page in pages for item in page.items], pages[-1].cursor


def test_each_way_of_leaving_has_its_name() -> None:
    shop = Shop()
    for number, status in enumerate(("unsubscribed", "cleaned", "archived", "pending", "complained", "subscribed")):
        shop.seed(number, status)
    found, _ = sweep(shop)
    assert {(item.email, item.left) for item in found} == {
        (person(0).email, Left.UNSUBSCRIBED),
        (person(1).email, Left.BOUNCED),
        (person(2).email, Left.ARCHIVED),
        (person(3).email, Left.PENDING),
        (person(4).email, Left.UNSUBSCRIBED),
        (person(4).email, Left.COMPLAINT),
    }
    assert all((item.at, item.ref) == (shop.now, subscriber(item.email)) for item in found)


def test_the_second_sweep_brings_what_changed() -> None:
    shop = Shop()
    for number in range(5):
        shop.seed(number, "unsubscribed")
    _, cursor = sweep(shop)
    shop.sandbox.world.advance(86_400)
    shop.seed(7, "unsubscribed")
    shop.seed(8, "cleaned")
    shop.sandbox.world.advance(86_400)
    later, cursor = sweep(shop, cursor)
    assert {person(7).email, person(8).email} <= {item.email for item in later}
    last, _ = sweep(shop, cursor)
    assert {item.email for item in last} <= {item.email for item in later}, "an overlap, and nothing else"


def test_a_change_during_the_sweep_is_found_by_the_next() -> None:
    shop = Shop()
    shop.seed(0, "unsubscribed")
    is_late = iter([True])

    def meanwhile(request: Request) -> Response | None:
        if "status=cleaned" in request.url and next(is_late, False):
            shop.sandbox.world.advance(7200)
            shop.seed(1, "unsubscribed")
            shop.sandbox.world.advance(7200)
            shop.seed(2, "cleaned")
        return None

    shop.answer = meanwhile
    first, cursor = sweep(shop)
    assert {item.email for item in first} == {person(0).email, person(2).email}
    assert person(1).email in {item.email for item in sweep(shop, cursor)[0]}


def test_a_sweep_resumes_at_any_page() -> None:
    shop = Shop()
    for number in range(2500):
        shop.seed(number, "unsubscribed" if number % 2 else "cleaned")
    pages = list(shop.connector.suppressions(None, shop.now))
    assert [len(page.items) for page in pages if page.items] == [1000, 250, 1000, 250]
    whole = {item.email for page in pages for item in page.items}
    assert len(whole) == 2500
    for stop in range(len(pages) - 1):
        before = {item.email for page in pages[: stop + 1] for item in page.items}
        rest = {item.email for item in sweep(shop, pages[stop].cursor)[0]}
        assert before | rest == whole


def test_the_segment_of_a_campaign_gets_it_alone() -> None:
    shop = Shop()
    ref = shop.loyal()
    shop.seed(1, lists={ref})
    shop.seed(2)
    shop.provider.mail(ref, LOYAL.title)
    assert {event.email for event in pull(shop)[0]} == {person(1).email}
