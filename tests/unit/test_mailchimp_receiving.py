"""Webhooks of an audience, totals of campaigns, and erasure."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from mailchimp_account import AUDIENCE, Shop, add, person

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.http import Request
from connectors.sandbox.mailchimp.webhooks import Delivery, deliver
from connectors.types import (
    ClearTraits,
    Consent,
    EngagementEvent,
    EventKind,
    Reason,
    State,
    Target,
    TargetKind,
    ValueKind,
)

ALL = {"unsubscribe": True, "cleaned": True, "subscribe": True, "upemail": True, "campaign": True}
HOOK: dict[str, Any] = {"url": "https://us.example/hook", "events": ALL, "sources": {"user": True, "admin": True}}


def hooked(options: dict[str, str] | None = None, people: int = 3) -> tuple[Shop, str]:
    """An account with a webhook whose secret is ours, and a campaign."""
    shop = Shop(options or {})
    headers = {"authorization": "Bearer sandbox-us1"}
    url = f"http://sandbox.test/mailchimp/3.0/lists/{AUDIENCE}/webhooks"
    made = shop.sandbox.handle(Request("POST", url, headers, json.dumps(HOOK).encode())).json()
    listed = shop.sandbox.handle(Request("GET", url, headers)).json()["webhooks"]
    assert "signing_secret" not in listed[0], "a secret is told once"
    other = Shop(settings={"webhook_secret": made.get("signing_secret", "kept")})
    shop.connector = other.connector.__class__(other.connector._settings, shop.connector._http)
    for number in range(people):
        shop.seed(number)
    return shop, shop.provider.mail(AUDIENCE, "Bonjour")


def take(shop: Shop, delivery: Delivery) -> list[EngagementEvent]:
    return list(shop.connector.parse(delivery.headers, delivery.body, shop.now))


def react(shop: Shop, campaign: str, number: int, kind: EventKind) -> EngagementEvent:
    shop.provider.react(campaign, person(number).email, kind, shop.now)
    [event] = take(shop, shop.provider.account.outbox[-1])
    return event


def sign(shop: Shop, body: bytes) -> dict[str, str]:
    """The headers of this body, signed now."""
    [hook] = shop.provider.account.webhooks.values()
    at = int(shop.now.timestamp())
    mark = hmac.new(hook.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-mailchimp-signature": f"t={at},v1={mark}"}


LEAVING = (EventKind.UNSUBSCRIBE, EventKind.COMPLAINT, EventKind.BOUNCE)


@pytest.mark.parametrize(
    "options", [{}, {"webhook_body": "json"}, {"webhook_zone": "elsewhere"}], ids=["usual", "json", "zone"]
)
def test_a_delivery_is_the_event_that_a_pull_brings(options: dict[str, str]) -> None:
    shop, campaign = hooked(options)
    told = [react(shop, campaign, number, kind) for number, kind in enumerate(LEAVING)]
    pulled = {event.id: event for page in shop.connector.pull(None, shop.now) for event in page.items}
    for event, kind in zip(told, LEAVING, strict=True):
        twin = pulled[event.id]
        assert (event.kind, event.email, event.campaign, event.hard) == (kind, twin.email, campaign, twin.hard)
        assert event.happened_at == twin.happened_at
        assert "192.0.2" not in event.raw
        assert "@" not in event.raw


def test_a_time_without_a_zone_is_never_too_early() -> None:
    shop, campaign = hooked({"webhook_zone": "elsewhere"})
    at = shop.now
    shop.provider.react(campaign, person(0).email, EventKind.UNSUBSCRIBE, at)
    [event] = take(shop, shop.provider.account.outbox[-1])
    assert event.happened_at >= at


def test_a_delivery_that_is_tried_again_keeps_its_time_and_id() -> None:
    shop, campaign = hooked()
    first = react(shop, campaign, 0, EventKind.UNSUBSCRIBE)
    shop.sandbox.world.advance(3600)
    body = shop.provider.account.outbox[-1].body
    [event] = shop.connector.parse(sign(shop, body), body, shop.now)
    assert (event.id, event.happened_at) == (first.id, first.happened_at)


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        ("subscribe", {"id": "8a", "email": "ann@example.com"}, EventKind.OTHER),
        ("upemail", {"new_id": "8a", "new_email": "ann@example.com", "old_email": "x@example.com"}, EventKind.OTHER),
        ("unsubscribe", {"id": "8a", "email": "Ann@Example.com", "action": "delete"}, EventKind.OTHER),
        ("unsubscribe", {"id": "8a", "email": "ann@example.com", "action": "unsub"}, EventKind.UNSUBSCRIBE),
    ],
)
def test_what_no_campaign_caused_is_told_too(kind: str, data: dict[str, object], what: EventKind) -> None:
    shop, _ = hooked()
    deliver(shop.provider.account, AUDIENCE, kind, data)
    delivery = shop.provider.account.outbox[-1]
    [event] = take(shop, delivery)
    assert (event.kind, event.email, event.campaign) == (what, "ann@example.com", None)
    assert json.loads(event.raw)["type"] == kind
    shop.sandbox.world.advance(60)
    deliver(shop.provider.account, AUDIENCE, kind, data)
    [later] = take(shop, shop.provider.account.outbox[-1])
    assert later.id != event.id, "it may happen again"


def test_a_delivery_of_nobody_is_no_event() -> None:
    shop, campaign = hooked()
    deliver(shop.provider.account, AUDIENCE, "campaign", {"id": campaign, "subject": "Bonjour", "status": "sent"})
    assert take(shop, shop.provider.account.outbox[-1]) == []


# refusals
def test_a_changed_body_or_signature_is_refused() -> None:
    shop, campaign = hooked()
    react(shop, campaign, 0, EventKind.UNSUBSCRIBE)
    good = shop.provider.account.outbox[-1]
    mark = good.headers["x-mailchimp-signature"]
    for headers, body in (
        (good.headers, good.body + b"x"),
        (good.headers, b"not a body at all"),
        ({"x-mailchimp-signature": mark[:-1] + ("0" if mark[-1] != "0" else "1")}, good.body),
        ({"x-mailchimp-signature": mark.replace("v1=", "v0=")}, good.body),
        ({"x-mailchimp-signature": mark.replace("t=", "t=1")}, good.body),
        ({}, good.body),
    ):
        with pytest.raises(Unauthorized) as refused:
            shop.connector.parse(headers, body, shop.now)
        assert "@" not in str(refused.value)


@pytest.mark.parametrize("seconds", [301, -301])
def test_a_replay_is_refused(seconds: int) -> None:
    shop, campaign = hooked()
    react(shop, campaign, 0, EventKind.UNSUBSCRIBE)
    delivery = shop.provider.account.outbox[-1]
    near = shop.now + timedelta(seconds=seconds - (1 if seconds > 0 else -1))
    assert shop.connector.parse(delivery.headers, delivery.body, near)
    with pytest.raises(Unauthorized, match="five minutes"):
        shop.connector.parse(delivery.headers, delivery.body, shop.now + timedelta(seconds=seconds))


def test_a_webhook_from_before_signing_is_refused() -> None:
    shop, campaign = hooked({"signing": "no"})
    shop.provider.react(campaign, person(0).email, EventKind.UNSUBSCRIBE, shop.now)
    with pytest.raises(Unauthorized, match="deleted and made again"):
        take(shop, shop.provider.account.outbox[-1])


def test_without_a_secret_nothing_is_taken() -> None:
    with pytest.raises(SettingsError, match="shows once") as refused:
        Shop().connector.parse({}, b"", Shop().now)
    assert refused.value.key == "webhook_secret"


@pytest.mark.parametrize("body", [b"", b"nothing=here", b"{", b'{"type": "unsubscribe"}', b"\xff"])
def test_a_signed_body_of_another_shape_is_unexpected(body: bytes) -> None:
    shop, _ = hooked()
    with pytest.raises(UnexpectedResponse):
        shop.connector.parse(sign(shop, body), body, shop.now)


def test_the_secret_is_not_shown() -> None:
    shop = Shop(settings={"webhook_secret": "s3cr3t-value"})
    assert "s3cr3t-value" not in repr(shop.connector._settings)


def test_one_address_has_one_webhook_and_it_can_be_removed() -> None:
    shop, _ = hooked()
    headers = {"authorization": "Bearer sandbox-us1"}
    url = f"http://sandbox.test/mailchimp/3.0/lists/{AUDIENCE}/webhooks"
    twice = json.dumps({**HOOK, "url": HOOK["url"] + "?again"}).encode()
    assert shop.sandbox.handle(Request("POST", url, headers, twice)).status == 400
    [ref] = shop.provider.account.webhooks
    assert shop.sandbox.handle(Request("DELETE", f"{url}/{ref}", headers)).status == 204
    assert shop.sandbox.handle(Request("DELETE", f"{url}/{ref}", headers)).status == 404


# totals
def test_totals_are_the_reports_own_figures_in_people() -> None:
    shop, campaign = hooked(people=5)
    second = shop.provider.mail(AUDIENCE, "Encore")
    for kind, number in ((EventKind.OPEN, 0), (EventKind.OPEN, 0), (EventKind.CLICK, 0), (EventKind.OPEN, 1)):
        shop.provider.react(campaign, person(number).email, kind, shop.now, url="https://shop.example")
    shop.provider.react(campaign, person(2).email, EventKind.BOUNCE, shop.now)
    shop.provider.react(campaign, person(3).email, EventKind.COMPLAINT, shop.now)
    before = len(shop.requests)
    found = shop.connector.totals([campaign, second, "ghost"])
    assert len(shop.requests) - before == 1
    assert found.keys() == {campaign, second}
    assert found[campaign] == {
        EventKind.SEND: 5,
        EventKind.OPEN: 2,
        EventKind.CLICK: 1,
        EventKind.BOUNCE: 1,
        EventKind.COMPLAINT: 1,
        EventKind.UNSUBSCRIBE: 0,
    }
    assert shop.connector.totals([]) == {}


def test_totals_match_what_is_pulled() -> None:
    shop, campaign = hooked(people=5)
    shop.sandbox.world.advance(60)
    for number, kind in enumerate((EventKind.OPEN, EventKind.CLICK, EventKind.BOUNCE, EventKind.UNSUBSCRIBE)):
        shop.provider.react(campaign, person(number).email, kind, shop.now, url="https://shop.example")
    events = [event for page in shop.connector.pull(None, shop.now) for event in page.items]
    totals = shop.connector.totals([campaign])[campaign]
    for kind, count in totals.items():
        assert len({event.email for event in events if event.kind is kind}) == count


# erasure
@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "archived"])
def test_erasing_is_for_good_and_asking_again_finds_nobody(status: str) -> None:
    shop = Shop()
    shop.seed(1, status)
    shop.seed(2)
    assert shop.connector.erase(person(1)) is State.APPLIED
    assert set(shop.provider.contacts()) == {person(2).email}
    assert shop.connector.erase(person(1)) is State.NOOP
    [outcome] = shop.push([add(1, Consent.SUBSCRIBED)]).values()
    assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.ERASED)


# clears
def test_a_value_that_an_empty_text_does_not_clear_is_told() -> None:
    for option, state in (("all", State.APPLIED), ("text", State.REJECTED)):
        shop = Shop({"clears": option})
        spent = Target(kind=TargetKind.FIELD, name="spent", title="SPENT", value=ValueKind.NUMBER)
        shop.connector.create([spent])
        shop.seed(1, SPENT=12)
        [outcome] = shop.push([ClearTraits(id="c", profile=person(1), fields=("SPENT",))]).values()
        assert outcome.state is state
        assert ("SPENT" in (outcome.words or "")) is (state is State.REJECTED)
