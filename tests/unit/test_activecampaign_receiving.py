"""What ActiveCampaign's deliveries and reports tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from activecampaign_account import LOYAL, Shop

from connectors import errors
from connectors.types import EventKind

NOW = datetime(2018, 1, 1, 9, tzinfo=UTC)


def mailed(shop: Shop) -> tuple[str, list[tuple[dict[str, str], bytes]]]:
    hook = {"url": "https://shop.example/newsletter?token=hush-hush", "events": ["sent", "open", "click", "forward"]}
    shop.account.webhooks.append(hook)
    ref = shop.refs()[LOYAL]
    for at in range(3):
        shop.seed(f"p{at}@example.com", lists=[ref])
    campaign = shop.provider.mail(ref, "Soldes")
    shop.provider.react(campaign, "p0@example.com", EventKind.OPEN, NOW)
    shop.provider.react(campaign, "p0@example.com", EventKind.OPEN, NOW)
    shop.provider.react(campaign, "p0@example.com", EventKind.CLICK, NOW, url="https://shop.example/a?b=c")
    shop.provider.react(campaign, "p1@example.com", EventKind.OTHER, NOW)
    return campaign, shop.account.posted


def test_a_delivery_is_one_event_and_what_is_not_known_is_kept_as_other() -> None:
    shop = Shop(webhook_secret="hush-hush")
    campaign, posted = mailed(shop)
    events = [event for headers, body in posted for event in shop.connector.parse(headers, body, NOW)]
    kinds = [EventKind.SEND] * 3 + [EventKind.OPEN] * 2 + [EventKind.CLICK, EventKind.OTHER]
    assert [event.kind for event in events] == kinds
    click = events[5]
    assert (click.email, click.url, click.campaign) == ("p0@example.com", "https://shop.example/a?b=c", campaign)
    assert json.loads(events[6].raw)["type"] == "forward"
    assert {event.happened_at for event in events} == {NOW}


@pytest.mark.parametrize("path", ["/newsletter", "/newsletter?token=", "/newsletter?token=hush-hush2", ""])
def test_a_delivery_without_the_secret_is_refused_before_it_is_read(path: str) -> None:
    shop = Shop(webhook_secret="hush-hush")
    with pytest.raises(errors.Unauthorized):
        shop.connector.parse({":path": path}, b"\xff not a form", NOW)


def test_without_a_secret_nothing_is_received() -> None:
    with pytest.raises(errors.SettingsError, match="webhook_secret"):
        Shop().connector.parse({":path": "/newsletter?token="}, b"", NOW)


def test_a_delivery_about_nobody_is_not_an_event() -> None:
    shop = Shop(webhook_secret="hush-hush")
    with pytest.raises(errors.UnexpectedResponse):
        shop.connector.parse({":path": "/n?token=hush-hush"}, b"type=open", NOW)


def test_totals_count_people_and_unknown_campaigns_have_none() -> None:
    shop = Shop()
    campaign, _ = mailed(shop)
    assert shop.connector.totals([campaign, "999"]) == {
        campaign: {
            EventKind.SEND: 3,
            EventKind.OPEN: 1,
            EventKind.CLICK: 1,
            EventKind.BOUNCE: 0,
            EventKind.UNSUBSCRIBE: 0,
        }
    }
