"""What Brevo's connector reads over its emulation: who has left, members, traits, and answers of an odd shape."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from brevo_account import CODE, CONTACTS, KEY, LOYAL, Shop, left, member

from connectors import errors
from connectors.brevo import Brevo, reads
from connectors.http import Http, Request, Response
from connectors.types import (
    Batch,
    Job,
    Profile,
    State,
    Suppress,
    Target,
    TargetKind,
)

# who has left


def test_after_the_first_sweep_only_what_changed_is_read() -> None:
    shop = Shop()
    for number in range(1500):
        shop.seed(f"p{number}@shop.test", status="unsubscribed" if number % 100 == 0 else "subscribed")
    shop.world.advance(3600)
    shop.seed("newest@shop.test")
    shop.count()
    first, cursor = left(shop, None)
    assert len(first) == 15
    assert shop.count() == {"GET /contacts": 2}
    shop.world.advance(86_400)
    shop.seed("p7@shop.test", status="unsubscribed")
    second, cursor = left(shop, cursor)
    assert second == {"p7@shop.test"}
    assert shop.count() == {"GET /contacts": 1}


def test_whoever_left_without_a_trace_is_found_by_the_weekly_sweep() -> None:
    shop = Shop(unsubscribe_moves_modified="no")
    shop.seed("p1@shop.test", "p2@shop.test")
    shop.world.advance(3600)
    shop.seed("newest@shop.test")
    _, cursor = left(shop, None)
    shop.world.advance(86_400)
    shop.provider.account.people["p1@shop.test"].blacklisted = True
    second, cursor = left(shop, cursor)
    assert second == set()
    shop.world.advance(6 * 86_400)
    third, _ = left(shop, cursor)
    assert third == {"p1@shop.test"}


def test_a_sweep_that_stops_resumes_and_deletions_hide_nobody() -> None:
    shop = Shop()
    for number in range(2200):
        shop.seed(f"p{number}@shop.test", status="unsubscribed")
    reading = shop.connector.suppressions(None, shop.world.now())
    page = next(reading)
    found = {item.email for item in page.items}
    for number in range(15):  # deleted behind the reader: everyone after them moves up
        shop.connector._http("DELETE", f"/contacts/p{number}@shop.test")
    rest, _ = left(shop, page.cursor)
    assert found | rest == {f"p{number}@shop.test" for number in range(2200)}


def test_who_left_a_list_of_ours_has_left() -> None:
    shop = Shop()
    refs = shop.targets()
    shop.seed("p1@shop.test", "p2@shop.test")
    shop.provider.account.people["p1@shop.test"].unlisted = {int(refs[LOYAL])}
    shop.provider.account.people["p2@shop.test"].unlisted = {777}
    assert left(shop, None)[0] == {"p1@shop.test"}


def test_a_slow_sweep_keeps_to_the_slow_window_and_a_fast_one_is_not_held_up() -> None:
    for reading, limit in (("slow", 3000.0), ("fast", 30.0)):
        shop = Shop(bare_contacts=reading)
        for number in range(60):
            shop.seed(f"p{number}@shop.test")
        begun = shop.world.now()
        for _ in reads.pages(shop.connector._http, "/contacts", "contacts", 1):
            pass
        seconds = (shop.world.now() - begun).total_seconds()
        assert seconds >= limit if reading == "slow" else seconds <= limit
        assert {call.status for call in shop.sandbox.calls} == {200}


def test_a_page_that_is_cut_short_loses_nobody() -> None:
    rows = [{"id": number, "email": f"p{number}@shop.test"} for number in range(95)]

    class Short:
        """Gives forty whatever is asked."""

        def handle(self, request: Request) -> Response:
            offset = int(request.url.split("offset=")[1].split("&")[0])
            body = {"count": len(rows), "contacts": rows[offset : offset + 40]}
            return Response(200, {}, json.dumps(body).encode())

    settings = Brevo.spec.settings(api_key=KEY)
    http = Http(settings.base_url, settings.headers(), handler=Short(), clock=Shop().clock)
    pages = list(Brevo(settings, http).members(LOYAL, "1"))
    assert [one.email for page in pages for one in page.items] == [row["email"] for row in rows]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"count": 3}', b"null", b'"down for maintenance"'])
def test_an_answer_of_an_unknown_shape_is_never_taken_for_nobody(body: bytes) -> None:
    class Odd:
        def handle(self, request: Request) -> Response:
            return Response(200, {}, body)

    settings = Brevo.spec.settings(api_key=KEY)
    shop = Shop()
    connector = Brevo(
        settings, Http(settings.base_url, settings.headers(), handler=Odd(), clock=shop.clock, rates=Brevo.spec.rates)
    )
    job = Job(ref="1", batch=Batch(CONTACTS, "1", (Suppress(id="1", profile=member(1)),)), started_at=shop.world.now())
    for read in (
        lambda: list(connector.suppressions(None, shop.world.now())),
        lambda: list(connector.members(LOYAL, "1")),
        lambda: list(connector.pull(None, shop.world.now())),
        lambda: list(connector.poll([job])),
        lambda: connector.count(LOYAL, "1"),
        lambda: connector.find([LOYAL]),
        lambda: connector.find([CODE]),
        connector.check,
    ):
        with pytest.raises(errors.UnexpectedResponse):
            read()


def test_an_account_without_anything_is_read_as_empty() -> None:
    class Empty:
        def handle(self, request: Request) -> Response:
            return Response(200, {}, b'{"count": 0}')

    settings = Brevo.spec.settings(api_key=KEY)
    shop = Shop()
    connector = Brevo(settings, Http(settings.base_url, settings.headers(), handler=Empty(), clock=shop.clock))
    assert connector.find([LOYAL]) == {}
    pages = list(connector.suppressions(None, shop.world.now()))
    assert not any(page.items for page in pages)
    assert pages[-1].last


def test_a_suppression_pushed_blocks_and_is_read_back() -> None:
    shop = Shop()
    ref = shop.targets()[CONTACTS]
    shop.seed("p1@shop.test", "p2@shop.test")
    outcomes = shop.carry(CONTACTS, ref, [Suppress(id="1", profile=member(1))])
    assert outcomes["1"].state is State.APPLIED
    assert left(shop, None)[0] == {"p1@shop.test"}


# members and traits


def test_the_traits_of_many_are_read_by_pages() -> None:
    shop = Shop()
    shop.targets()
    for number in range(30):
        shop.seed(f"p{number}@shop.test", fields={"CODE": str(number)})
    shop.count()
    found = shop.connector.traits([member(number) for number in range(25)])
    assert found == {f"p{number}@shop.test": {"CODE": str(number)} for number in range(25)}
    assert shop.count() == {"GET /contacts": 1}


# erasure


def test_who_is_erased_is_gone_for_good_and_asking_again_proves_it() -> None:
    shop = Shop()
    shop.seed("o'brien+1@shop.test", "p2@shop.test")
    person = Profile("o'brien+1@shop.test")
    assert shop.connector.erase(person) is State.APPLIED
    assert set(shop.provider.contacts()) == {"p2@shop.test"}
    assert shop.connector.erase(person) is State.NOOP


def test_the_accounts_owner_cannot_be_erased_and_that_is_told() -> None:
    shop = Shop()
    shop.seed("owner@example.com")
    assert shop.connector.erase(Profile("owner@example.com")) is State.REJECTED
    assert "owner@example.com" in shop.provider.contacts()


def test_a_refused_key_is_never_taken_for_erased() -> None:
    shop = Shop()
    with pytest.raises(errors.Unauthorized):
        shop.open(shop.sandbox, api_key="xkeysib-other").erase(member(1))


# targets


def test_creating_reads_the_folder_once() -> None:
    shop = Shop()
    shop.targets()
    shop.count()
    other = Target(kind=TargetKind.SEGMENT, name="other", title="Other")
    shop.connector.create([CONTACTS, LOYAL, other])
    assert shop.count() == {"GET /contacts/folders": 1, "GET /contacts/folders/1/lists": 1, "POST /contacts/lists": 1}


def test_looking_for_people_never_reads_more_pages_than_people() -> None:
    shop = Shop()
    ref = shop.targets()[LOYAL]
    for number in range(1000):
        shop.seed(f"p{number}@shop.test", lists={ref})
    wanted = {f"p{number}@shop.test" for number in range(970, 1000)} | {"stranger@shop.test"}

    class Narrow:
        """Pages of twenty-five, whatever is asked."""

        def handle(self, request: Request) -> Response:
            url = request.url.replace("limit=500", "limit=25")
            return shop.sandbox.handle(replace(request, url=url))

    shop.count()
    shop.world.advance(2)
    found = reads.people(shop.open(Narrow())._http, wanted, ref)
    assert set(found) == wanted - {"stranger@shop.test"}
    calls = shop.count()
    assert calls[f"GET /contacts/lists/{ref}/contacts"] == len(wanted)
    assert sum(calls.values()) <= 2 * len(wanted)
