"""What Brevo's webhooks tell: known by a secret, with exact times and links, and the same twice."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brevo_account import LOYAL, Shop
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import errors
from connectors.brevo import Brevo
from connectors.types import EngagementEvent, EventKind, Precision

SECRET = "a-long-webhook-secret"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADERS = {"authorization": f"Bearer {SECRET}"}
ROW = {
    "id": 9,
    "camp_id": 7,
    "campaign name": "Soldes",
    "email": "Ada@Shop.test",
    "date_event": "2020-11-09 16:00:00",
    "event": "opened",
    "tag": "",
    "ts_sent": 1604933619,
    "ts_event": 1604933737,
    "ts": 1604937337,  # an hour late
}


def connector(**keys: str) -> Brevo:
    shop = Shop()
    return shop.open(shop.sandbox, **{"webhook_secret": SECRET, **keys})


def parse(*rows: dict[str, Any], headers: dict[str, str] = HEADERS) -> list[EngagementEvent]:
    return list(connector().parse(headers, json.dumps(rows).encode(), NOW))


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize("headers", [HEADERS, {"authorization": f"bearer  {SECRET}"}, basic(f"ciblage:{SECRET}")])
def test_the_secret_comes_as_a_token_or_as_the_password_of_the_address(headers: dict[str, str]) -> None:
    assert len(parse(ROW, headers=headers)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": SECRET},
        {"authorization": f"Digest {SECRET}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {SECRET[:-1]}"},
        {"authorization": f"Bearer {SECRET} {SECRET}"},
        {"authorization": "Basic not base64"},
        basic(f"{SECRET}:"),
        basic(f"ciblage:{SECRET}x"),
        {"authorization": "Bearer é"},
    ],
)
def test_anything_else_is_refused_before_the_body_is_read(headers: dict[str, str]) -> None:
    with pytest.raises(errors.Unauthorized) as refused:
        connector().parse(headers, b"not JSON at all", NOW)
    assert SECRET not in str(refused.value)


def test_without_a_secret_nothing_is_received_and_the_error_says_what_to_set() -> None:
    with pytest.raises(errors.SettingsError, match="set webhook_secret") as missing:
        connector(webhook_secret="").parse({"authorization": "Bearer "}, b"[]", NOW)
    assert missing.value.key == "webhook_secret"
    assert SECRET not in repr(Brevo.spec.settings(api_key="k", webhook_secret=SECRET))


@pytest.mark.parametrize(
    ("name", "kind", "hard", "is_machine"),
    [
        ("delivered", EventKind.DELIVERED, None, False),
        ("opened", EventKind.OPEN, None, False),
        ("proxy_open", EventKind.OPEN, None, True),
        ("click", EventKind.CLICK, None, False),
        ("hard_bounce", EventKind.BOUNCE, True, False),
        ("soft_bounce", EventKind.BOUNCE, False, False),
        ("spam", EventKind.COMPLAINT, None, False),
        ("unsubscribe", EventKind.UNSUBSCRIBE, None, False),
        ("list_addition", EventKind.OTHER, None, False),
        ("unique_coupon_sent", EventKind.OTHER, None, False),
    ],
)
def test_each_event_has_its_kind_and_what_is_unknown_is_kept(
    name: str, kind: EventKind, *, hard: bool | None, is_machine: bool
) -> None:
    [event] = parse(ROW | {"event": name})
    assert (event.kind, event.hard, event.is_machine) == (kind, hard, is_machine)
    assert (event.email, event.campaign, event.precision) == ("ada@shop.test", "7", Precision.EXACT)
    assert json.loads(event.raw) == ROW | {"event": name}


def test_times_are_exact_and_of_the_clock_that_can_be_trusted() -> None:
    [by_event] = parse(ROW)
    assert by_event.happened_at == datetime.fromtimestamp(1604933737, UTC)
    [by_epoch] = parse(ROW | {"ts_epoch": 1604933737250})
    assert by_epoch.happened_at == datetime.fromtimestamp(1604933737.25, UTC)
    [by_nothing] = parse({"event": "list_addition", "email": "ada@shop.test"})
    assert by_nothing.happened_at == NOW
    future = int((NOW + timedelta(days=400)).timestamp())
    assert parse(ROW | {"ts_event": future})[0].happened_at > NOW


@pytest.mark.parametrize("told", [1604933737000000, -5, 1e300, "1604933737", None, [1]])
def test_a_time_that_is_none_is_when_it_came_and_never_an_error(told: object) -> None:
    row = {"event": "click", "email": "ada@shop.test", "camp_id": 7, "ts_epoch": told}
    [event] = parse(row)
    assert event.happened_at == (NOW)
    assert parse(row)[0].id == event.id


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(ROW)), inner, max_size=5),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*ROW, "URL", "ts_epoch"]), _json))
@settings(max_examples=60, deadline=None)
def test_whatever_a_row_holds_it_is_read_or_brings_nothing(row: dict[str, Any]) -> None:
    whole = {"email": "ada@shop.test"} | row
    for event in parse(whole):
        assert json.loads(event.raw) == json.loads(json.dumps(whole))
        assert event.happened_at.tzinfo


def test_a_click_has_its_link_and_each_click_is_one() -> None:
    first, second, third = parse(
        ROW | {"event": "click", "URL": "https://shop.test/a"},
        ROW | {"event": "click", "URL": "https://shop.test/b"},
        ROW | {"event": "click", "URL": "https://shop.test/a", "ts_event": 1604933800},
    )
    assert (first.url, second.url) == ("https://shop.test/a", "https://shop.test/b")
    assert len({first.id, second.id, third.id}) == 3


def test_a_delivery_that_is_repeated_brings_the_same_ids() -> None:
    rows = [ROW | {"event": name} for name in ("opened", "click", "proxy_open", "spam", "list_addition")]
    assert [event.id for event in parse(*rows)] == [event.id for event in parse(*rows)]
    assert len({event.id for event in parse(*rows)}) == 5


@pytest.mark.parametrize("body", [[ROW], ROW, {"events": [ROW]}])
def test_every_envelope_is_opened(body: object) -> None:
    assert len(connector().parse(HEADERS, json.dumps(body).encode(), NOW)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"3", b"[3]", b'{"events": 3}', b"\xff"])
def test_a_body_of_another_shape_is_told(body: bytes) -> None:
    with pytest.raises(errors.UnexpectedResponse):
        connector().parse(HEADERS, body, NOW)


def test_who_has_no_address_brings_no_event_and_several_bring_several() -> None:
    rows = [
        {"event": "contact_deleted", "email": ["a@shop.test", "b@shop.test"], "ts": 1},
        {"event": "x"},
        ROW | {"email": ""},
    ]
    assert [event.email for event in parse(*rows)] == ["a@shop.test", "b@shop.test"]


@pytest.mark.parametrize("envelope", ["array", "events", "object"])
def test_what_the_webhook_told_first_a_pull_does_not_tell_again(envelope: str) -> None:
    shop = Shop(webhook_envelope=envelope)
    receiver = shop.open(shop.network, webhook_secret=SECRET)
    ref = receiver.create([LOYAL])[LOYAL]
    shop.seed("p1@shop.test", "p2@shop.test", lists={ref})
    campaign = shop.provider.mail(ref, "Soldes")
    shop.world.advance(3600)
    for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE):
        shop.provider.react(campaign, "p1@shop.test", kind, shop.world.now(), url="https://shop.test/a")
    told = [event for body in shop.provider.deliveries() for event in receiver.parse(HEADERS, body, shop.world.now())]
    assert {event.happened_at for event in told} == {shop.world.now()}
    assert [event.url for event in told if event.kind is EventKind.CLICK] == ["https://shop.test/a"]
    pulled = []
    for page in receiver.pull(None, shop.world.now()):
        pulled += page.items
        shop.world.advance(0 if page.items else 30)
    by_id = {event.id for event in told}
    again = {event.kind for event in pulled if event.email == "p1@shop.test" and event.id not in by_id}
    assert again == {EventKind.SEND, EventKind.DELIVERED, EventKind.CLICK}  # a pull knows no links
