"""Brevo's engagement: exports asked for and collected without sleeping, resumable at any page."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

from brevo_account import LOYAL, Shop

from connectors.answers import figures
from connectors.brevo.events import TOTALS
from connectors.http import Request, Response
from connectors.types import EngagementEvent, EventKind, Precision, Target, TargetKind


class Readers(Shop):
    """An account with ten readers of one list."""

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self.list = self.connector.create([LOYAL])[LOYAL]
        self.seed(*(f"p{number}@shop.test" for number in range(10)), lists={self.list})

    def mail(self) -> tuple[str, datetime]:
        return self.provider.mail(self.list, "Soldes"), self.world.now()

    def act(self, campaign: str, kind: EventKind, *numbers: int) -> None:
        for number in numbers:
            self.provider.react(campaign, f"p{number}@shop.test", kind, self.world.now())

    def pull(self, cursor: str | None = None) -> tuple[list[EngagementEvent], str, bool]:
        """One reading, the caller sleeping when told to."""
        found: list[EngagementEvent] = []
        last = False
        for page in self.connector.pull(cursor, self.world.now()):
            assert not last, "a page came after the last"
            found += page.items
            cursor, last = page.cursor, page.last
            if not page.items and not page.last:
                self.clock.sleep(30)
        return found, cursor or "", last

    def count(self) -> Counter[str]:
        found = super().count()
        return Counter({path.split("/_files")[0]: found[path] for path in found})


def _who(events: list[EngagementEvent], kind: EventKind) -> set[str]:
    return {event.email for event in events if event.kind is kind}


def test_every_act_is_told_at_the_campaigns_send_time() -> None:
    shop = Readers()
    campaign, sent = shop.mail()
    shop.world.advance(3 * 3600)
    shop.act(campaign, EventKind.OPEN, 0, 1, 2)
    shop.act(campaign, EventKind.CLICK, 1)
    shop.act(campaign, EventKind.UNSUBSCRIBE, 2)
    shop.act(campaign, EventKind.COMPLAINT, 3)
    shop.act(campaign, EventKind.BOUNCE, 9)
    events, _, is_whole = shop.pull()
    assert is_whole
    assert {event.happened_at for event in events} == {sent}
    assert {event.precision for event in events} == {Precision.CAMPAIGN}
    assert {event.campaign for event in events} == {campaign}
    assert _who(events, EventKind.OPEN) == {"p0@shop.test", "p1@shop.test", "p2@shop.test"}
    assert _who(events, EventKind.CLICK) == {"p1@shop.test"}
    assert _who(events, EventKind.UNSUBSCRIBE) == {"p2@shop.test", "p3@shop.test"}
    assert {(event.email, event.hard) for event in events if event.kind is EventKind.BOUNCE} == {("p9@shop.test", True)}
    assert len(_who(events, EventKind.SEND)) == 10
    assert _who(events, EventKind.DELIVERED) == {f"p{number}@shop.test" for number in range(9)}
    assert len({event.id for event in events}) == len({(event.email, event.kind) for event in events})
    assert all(json.loads(event.raw)["row"] for event in events)


def test_nothing_new_costs_one_call_and_only_moved_figures_are_exported_again() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 0)
    _, cursor, _ = shop.pull()
    shop.world.advance(86_400)
    shop.count()
    events, cursor, is_whole = shop.pull(cursor)
    assert (events, is_whole) == ([], True)
    assert shop.count() == {"GET /emailCampaigns": 1}
    shop.act(campaign, EventKind.CLICK, 0, 1)  # p1 opens by clicking
    shop.world.advance(60)
    events, cursor, _ = shop.pull(cursor)
    calls = shop.count()
    assert calls["POST /contacts/export"] == 2  # openers and clickers moved
    assert _who(events, EventKind.CLICK) == {"p0@shop.test", "p1@shop.test"}
    assert shop.pull(cursor)[0] == []


def test_a_campaign_that_nobody_got_asks_for_no_export() -> None:
    shop = Readers()
    empty = Target(kind=TargetKind.SEGMENT, name="empty", title="Empty")
    shop.provider.mail(shop.connector.create([empty])[empty], "Nobody")
    shop.count()
    events, _, is_whole = shop.pull()
    assert (events, is_whole) == ([], True)
    assert shop.count() == {"GET /emailCampaigns": 1}


def test_a_pull_stops_and_resumes_at_any_page() -> None:
    def mailed() -> Readers:
        shop = Readers()
        shop.seed(*(f"p{number}@shop.test" for number in range(10, 6000)), lists={shop.list})  # over a page of one file
        campaign, _ = shop.mail()
        shop.act(campaign, EventKind.OPEN, *range(8))
        shop.act(campaign, EventKind.CLICK, 2, 3)
        return shop

    expected = Counter(event.id for event in mailed().pull()[0])
    shop = mailed()
    seen: Counter[str] = Counter()
    cursor: str | None = None
    for _ in range(20):
        page = next(iter(shop.connector.pull(cursor, shop.world.now())))  # one page, then the process dies
        seen.update(event.id for event in page.items)
        cursor = page.cursor
        if page.last:
            break
        shop.clock.sleep(0 if page.items else 30)
    assert page.last
    assert seen == expected


def test_a_pull_that_waits_too_long_ends_unfinished_and_goes_on_later() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 4)
    found: list[EngagementEvent] = []
    for page in shop.connector.pull(None, shop.world.now()):  # a caller that never sleeps
        found += page.items
    assert (found, page.last) == ([], False)
    asked = shop.count()
    assert asked["GET /processes"] <= 25
    shop.world.finish()
    events, _, is_whole = shop.pull(page.cursor)
    assert is_whole
    assert _who(events, EventKind.OPEN) == {"p4@shop.test"}
    assert shop.count()["POST /contacts/export"] == 0


def test_an_export_that_fails_is_left_to_the_next_pull() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 4)

    def spoil() -> None:
        for process in shop.provider.account.processes.values():
            process.status = "failed"

    found: list[EngagementEvent] = []
    for page in shop.connector.pull(None, shop.world.now()):
        found += page.items
        spoil()
    assert (found, page.last) == ([], True)
    shop.world.advance(60)
    events, _, _ = shop.pull(page.cursor)
    assert _who(events, EventKind.OPEN) == {"p4@shop.test"}


def test_an_export_that_brevo_has_forgotten_holds_nothing_up() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 4)
    cursor = next(iter(shop.connector.pull(None, shop.world.now()))).cursor
    shop.world.finish()
    shop.provider.account.processes.clear()
    shop.world.advance(86_400)
    events, _, is_whole = shop.pull(cursor)
    assert is_whole
    assert _who(events, EventKind.OPEN) == {"p4@shop.test"}


def test_a_link_that_has_expired_is_asked_for_again() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 4)
    cursor = next(iter(shop.connector.pull(None, shop.world.now()))).cursor
    shop.world.finish()
    shop.provider.account.files.clear()
    events, _, is_whole = shop.pull(cursor)
    assert is_whole
    assert _who(events, EventKind.OPEN) == {"p4@shop.test"}


def test_missing_figures_are_unknown_never_zero() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.CLICK, 4)

    class Silent:
        """Leaves the totals out."""

        def handle(self, request: Request) -> Response:
            answer = shop.sandbox.handle(request)
            if "/emailCampaigns" not in request.url:
                return answer
            body = answer.json()
            for row in body["campaigns"]:
                row["statistics"] = {}
            return Response(200, answer.headers, json.dumps(body).encode())

    shop.connector = shop.open(Silent())
    events, _, is_whole = shop.pull()
    assert is_whole
    assert _who(events, EventKind.CLICK) == {"p4@shop.test"}


def test_a_campaign_deleted_between_two_pages_costs_only_itself() -> None:
    shop = Readers()
    gone, _ = shop.mail()
    kept, _ = shop.mail()
    shop.act(kept, EventKind.OPEN, 4)

    class Forgetful:
        """Deletes the first campaign as soon as it was listed."""

        def handle(self, request: Request) -> Response:
            answer = shop.sandbox.handle(request)
            if "/emailCampaigns" in request.url:
                shop.provider.account.campaigns.pop(int(gone), None)
            return answer

    shop.connector = shop.open(Forgetful())
    events, _, is_whole = shop.pull()
    assert is_whole
    assert {event.campaign for event in events} == {kept}


def test_campaigns_of_the_last_month_are_looked_at_again_and_older_ones_are_not() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    _, cursor, _ = shop.pull()
    shop.world.set(shop.world.now() + timedelta(days=20))
    shop.act(campaign, EventKind.OPEN, 1)
    events, cursor, _ = shop.pull(cursor)
    assert _who(events, EventKind.OPEN) == {"p1@shop.test"}
    shop.world.set(shop.world.now() + timedelta(days=20))
    _, cursor, _ = shop.pull(cursor)
    assert json.loads(cursor)["seen"] == {}  # what is no longer looked at is no longer remembered
    shop.act(campaign, EventKind.OPEN, 2)
    shop.world.set(shop.world.now() + timedelta(days=1))
    assert shop.pull(cursor)[0] == []


def test_the_cursor_of_an_older_version_is_read_on_and_all_is_told_again() -> None:
    shop = Readers()
    campaign, sent = shop.mail()
    shop.act(campaign, EventKind.OPEN, 1)
    about = {"campaign": int(campaign), "sent": sent.isoformat(), "action": "openers", "figures": [1], "attempts": 1}
    older = {"pulled": sent.isoformat(), "seen": {campaign: {"openers": [1]}}, "exports": [about]}
    events, _, is_whole = shop.pull(json.dumps(older))
    assert is_whole
    assert _who(events, EventKind.OPEN) == {"p1@shop.test"}


def test_after_a_long_silence_nothing_in_between_is_missed() -> None:
    shop = Readers()
    _, cursor, _ = shop.pull()
    shop.world.set(shop.world.now() + timedelta(days=2))
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 1)
    shop.world.set(shop.world.now() + timedelta(days=100))
    assert _who(shop.pull(cursor)[0], EventKind.OPEN) == {"p1@shop.test"}


# totals


def test_totals_are_brevos_own_figures_in_people() -> None:
    shop = Readers()
    campaign, _ = shop.mail()
    shop.act(campaign, EventKind.OPEN, 0, 0, 1)
    shop.act(campaign, EventKind.CLICK, 1, 1, 1)
    shop.act(campaign, EventKind.COMPLAINT, 2)
    shop.act(campaign, EventKind.UNSUBSCRIBE, 3)
    shop.act(campaign, EventKind.BOUNCE, 9)
    shop.count()
    assert shop.connector.totals([campaign]) == {
        campaign: {
            EventKind.SEND: 10,
            EventKind.DELIVERED: 9,
            EventKind.OPEN: 2,
            EventKind.CLICK: 1,
            EventKind.BOUNCE: 1,
            EventKind.COMPLAINT: 1,
            EventKind.UNSUBSCRIBE: 1,
        }
    }
    assert shop.count() == {"GET /emailCampaigns": 1}
    events, _, _ = shop.pull()
    for kind in (EventKind.SEND, EventKind.DELIVERED, EventKind.OPEN, EventKind.CLICK, EventKind.BOUNCE):
        assert len(_who(events, kind)) == shop.connector.totals([campaign])[campaign][kind]


def test_totals_of_many_campaigns_cost_a_call_a_hundred_and_old_ones_a_call_each() -> None:
    shop = Readers()
    old, _ = shop.mail()
    shop.act(old, EventKind.OPEN, 1)
    shop.world.set(shop.world.now() + timedelta(days=200))
    fresh = [shop.mail()[0] for _ in range(150)]
    shop.count()
    assert len(shop.connector.totals(fresh)) == 150
    assert shop.count() == {"GET /emailCampaigns": 2}
    assert shop.connector.totals([old])[old][EventKind.OPEN] == 1  # the list tells nothing of old ones
    assert shop.count() == {"GET /emailCampaigns": 2, f"GET /emailCampaigns/{old}": 1}
    assert shop.connector.totals(["4711"]) == {}
    assert shop.connector.totals([]) == {}
    assert shop.count()["GET /emailCampaigns/4711"] == 1


def test_a_figure_that_the_report_has_not_is_absent_never_zero() -> None:
    assert figures({"sent": 5, "delivered": None, "hardBounces": 1}, TOTALS) == {EventKind.SEND: 5}
