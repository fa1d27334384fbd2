"""Totals, erasure, webhooks and scopes against the emulated account."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from klaviyo_account import (
    CONTACTS,
    KEY,
    LOYAL,
    SECRET,
    SETTINGS,
    calls_so_far,
    contacts,
    email,
    leaves,
    list_of,
    open_account,
    push,
)

from connectors import registry
from connectors.base import Erases, ReadsTotals, ReceivesEvents
from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.http import Request, Response
from connectors.klaviyo.spec import FAMILIES
from connectors.sandbox.klaviyo.webhooks import sign
from connectors.sandbox.lab import SandboxClock, SandboxLab
from connectors.types import EventKind, Precision, Profile, State, Suppress

HOOK = "01WEBHOOK"


def mailed(lab: SandboxLab, people: int) -> str:
    ref = list_of(lab)
    for number in range(people):
        lab.seed(email(number), lists=[ref])
    return lab.mail(ref, "Soldes")


def test_the_abilities_are_told_and_every_kind_of_event_is_exact() -> None:
    connector = open_account().connector
    assert all(isinstance(connector, ability) for ability in (ReadsTotals, Erases, ReceivesEvents))
    assert set(connector.spec.reports.values()) == {Precision.EXACT}


def test_somebody_whom_klaviyo_cannot_call_pending_is_not_mailed_there() -> None:
    lab = open_account()
    lab.seed(email(1), status="pending")
    assert not lab.truth()[email(1)].mailable


# totals


@pytest.mark.parametrize("options", [{}, {"report_page": "1", "conversion_metric": "orders"}])
def test_totals_count_people_by_the_id_of_the_campaign_and_of_its_message(options: dict[str, str]) -> None:
    lab = open_account(**options)
    first, second = mailed(lab, 4), mailed(lab, 2)
    for number, kind in ((0, EventKind.OPEN), (0, EventKind.OPEN), (1, EventKind.OPEN), (0, EventKind.CLICK)):
        lab.react(first, email(number), kind, lab.now())
    lab.react(first, email(3), EventKind.BOUNCE, lab.now())
    message = lab.provider._account.messages[first]
    found = lab.connector.totals([first, message, second, "unknown"])
    assert found[first] == found[message]
    assert found.keys() == {first, message, second}
    assert found[first] == {
        EventKind.SEND: 4,
        EventKind.DELIVERED: 3,
        EventKind.OPEN: 2,
        EventKind.CLICK: 1,
        EventKind.BOUNCE: 1,
        EventKind.COMPLAINT: 0,
        EventKind.UNSUBSCRIBE: 0,
    }
    pulled = {event.campaign for page in lab.connector.pull(None, lab.now()) for event in page.items}
    assert message in pulled


def test_any_number_of_campaigns_is_one_report_and_none_is_no_call() -> None:
    lab = open_account()
    campaigns = [mailed(lab, 1) for _ in range(30)]
    before = calls_so_far(lab)
    assert lab.connector.totals([]) == {}
    assert calls_so_far(lab) - before <= 1
    assert len(lab.connector.totals(campaigns)) == 30
    assert len([call for call in lab.sandbox.calls if call.path.endswith("reports")]) == 1


def test_reports_keep_within_two_a_minute_and_225_a_day() -> None:
    lab = open_account()
    campaign = mailed(lab, 1)
    times = []
    for _ in range(200):
        lab.connector.totals([campaign])
        times.append(lab.now())
    assert {call.status for call in lab.sandbox.calls} <= {200, 201}
    assert max(sum(at - timedelta(minutes=1) < other <= at for other in times) for at in times) <= 2
    assert times[-1] - times[0] > timedelta(days=1)  # 200 are more than our share of a day


# erasure


def test_erasing_goes_on_at_klaviyo_and_asking_again_tells_the_end() -> None:
    lab = open_account()
    ref = list_of(lab)
    lab.seed(email(1), lists=[ref], status="unsubscribed")
    lab.seed(email(2), lists=[ref])
    assert lab.connector.erase(Profile(email(1))) is State.PENDING
    assert lab.connector.erase(Profile(email(1))) is State.PENDING
    lab.settle()
    assert lab.connector.erase(Profile(email(1))) is State.NOOP
    assert set(lab.truth()) == {email(2)}


def test_somebody_who_has_another_address_by_now_is_erased_by_the_id_that_we_keep() -> None:
    lab = open_account()
    lab.seed("new@example.com")
    ref = lab.truth()["new@example.com"].ref
    assert lab.connector.erase(Profile("old@example.com", ref)) is State.PENDING
    sent = json.loads(lab.sandbox.calls[-1].body)["data"]["attributes"]["profile"]["data"]
    assert sent == {"type": "profile", "id": ref, "attributes": {}}
    lab.settle()
    assert lab.connector.erase(Profile("old@example.com", ref)) is State.NOOP
    assert lab.connector.erase(Profile("nobody@example.com")) is State.NOOP


# webhooks


def entry(ref: str, *, name: str = "opened_email", source: str = "klaviyo", event: str = "e1") -> dict[str, object]:
    told = {
        "datetime": "2018-01-01T09:00:00+00:00",
        "event_properties": {"$message": "01M", "URL": "https://x.example"},
    }
    owner = {"profile": {"data": {"type": "profile", "id": ref}}}
    item = {"type": "event", "id": event, "attributes": told, "relationships": owner}
    return {"external_id": event, "topic": f"event:{source}.{name}", "payload": {"data": item}}


def signed(lab: SandboxLab, body: bytes, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    moment = format_datetime(at or lab.now(), usegmt=True)
    return {
        "klaviyo-webhook-id": HOOK,
        "klaviyo-timestamp": moment,
        "klaviyo-signature": sign(secret, body, moment),
    }


def delivery(*entries: dict[str, object], webhook: str | None = HOOK) -> bytes:
    meta = {"timestamp": "2018-01-01T09:00:00Z"} | ({"klaviyo_webhook_id": webhook} if webhook else {})
    return json.dumps({"data": entries, "meta": meta}).encode()


@pytest.mark.parametrize("profile", ["absent", "included"])
@pytest.mark.parametrize("meta", ["full", "bare"])
def test_what_a_webhook_tells_is_what_a_pull_tells(profile: str, meta: str) -> None:
    lab = open_account(webhook_secret=SECRET, webhook_profile=profile, webhook_meta=meta)
    campaign = mailed(lab, 2)
    for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.BOUNCE, EventKind.OTHER):
        lab.react(campaign, email(0), kind, lab.now(), url="https://shop.example/x")
    posted = [
        event for headers, body in lab.provider.posted() for event in lab.connector.parse(headers, body, lab.now())
    ]
    pulled = {event.id: event for page in lab.connector.pull(None, lab.now()) for event in page.items}
    assert len(posted) == 4
    assert posted == [pulled[event.id] for event in posted]


def test_addresses_of_a_delivery_are_looked_up_a_hundred_a_call() -> None:
    lab = open_account()
    for number in range(250):
        lab.seed(email(number))
    refs = {contact.ref: name for name, contact in lab.truth().items()}
    body = delivery(*(entry(ref, event=ref) for ref in refs), entry("01DELETED", event="gone"))
    before = calls_so_far(lab)
    events = lab.connector.parse(signed(lab, body), body, lab.now())
    assert {event.id: event.email for event in events} == refs
    assert calls_so_far(lab) - before == 3


def test_only_klaviyos_own_topics_about_mail_are_read_and_unknown_ones_are_other() -> None:
    lab = open_account()
    lab.seed(email(1))
    ref = lab.truth()[email(1)].ref
    topics = {"unsubscribed_from_email_marketing": 1, "updated_email_preferences": 2, "sent_sms": 3}
    entries = [entry(ref, name=name, event=str(number)) for name, number in topics.items()]
    body = delivery(*entries, entry(ref, source="api", event="4"))
    found = {event.id: event.kind for event in lab.connector.parse(signed(lab, body), body, lab.now())}
    assert found == {"1": EventKind.UNSUBSCRIBE, "2": EventKind.OTHER}


def test_nothing_unsigned_forged_old_or_of_another_webhook_is_believed() -> None:
    lab = open_account()
    lab.seed(email(1))
    body = delivery(entry(lab.truth()[email(1)].ref))
    good, minute = signed(lab, body), timedelta(minutes=1)
    assert len(lab.connector.parse(good, body, lab.now() + 4 * minute)) == 1
    other = delivery(entry("01X"), webhook="01OTHER")
    refused = [
        ({}, body, lab.now()),
        ({**good, "klaviyo-signature": "é"}, body, lab.now()),
        (signed(lab, body, secret="another secret of theirs"), body, lab.now()),
        (good, body + b" ", lab.now()),
        ({**good, "klaviyo-timestamp": format_datetime(lab.now() + minute, usegmt=True)}, body, lab.now()),
        (good, body, lab.now() + 6 * minute),
        (signed(lab, body, lab.now() + 6 * minute), body, lab.now()),
        (signed(lab, other), other, lab.now()),
    ]
    before = calls_so_far(lab)
    for headers, content, now in refused:
        with pytest.raises(Unauthorized):
            lab.connector.parse(headers, content, now)
    assert calls_so_far(lab) == before


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>", b"[]", b"{}", b'{"data":{}}', b'{"data":["x"]}', b'{"data":[{"payload":{}}]}'),
        b'{"data":[{"topic":"event:klaviyo.opened_email","payload":"x"}]}',
        b'{"data":[{"topic":"event:klaviyo.opened_email","payload":{"data":{"type":"event"}}}]}',
    ],
)
def test_a_signed_delivery_of_another_shape_is_an_error(body: bytes) -> None:
    lab = open_account()
    with pytest.raises(UnexpectedResponse):
        lab.connector.parse(signed(lab, body), body, lab.now())


@pytest.mark.parametrize(("moment", "is_date"), [("yesterday", False), ("Mon, 01 Jan 2018 09:00:00 -0000", True)])
def test_a_signed_time_is_a_date_of_http(moment: str, is_date: bool) -> None:  # noqa: FBT001 - pytest's parameter
    lab = open_account()
    body = delivery(entry("01UNKNOWN"))
    headers = {**signed(lab, body), "klaviyo-timestamp": moment, "klaviyo-signature": sign(SECRET, body, moment)}
    if is_date:
        assert lab.connector.parse(headers, body, lab.now()) == []
        return
    with pytest.raises(UnexpectedResponse, match="date"):
        lab.connector.parse(headers, body, lab.now())


class Empty:
    """An account that has nothing at all."""

    def handle(self, request: Request) -> Response:
        return Response(200, {"content-type": "application/vnd.api+json"}, b'{"data":[],"links":{}}')


def test_an_account_without_anything_is_read_to_its_end_and_a_key_that_opens_none_is_an_error() -> None:
    lab = open_account()
    connector = registry.build("klaviyo", SETTINGS, handler=Empty(), clock=SandboxClock(lab.sandbox.world))
    (page,) = connector.pull(None, lab.now())
    assert (list(page.items), page.last) == ([], True)
    assert connector.totals(["01M"]) == {}
    with pytest.raises(UnexpectedResponse, match="no account"):
        connector.check()


def test_without_a_secret_nothing_is_received_and_a_short_one_is_refused() -> None:
    lab = open_account()
    plain = {"api_key": KEY, "base_url": "http://sandbox.test/klaviyo/api"}
    connector = registry.build("klaviyo", plain, handler=lab.sandbox, clock=SandboxClock(lab.sandbox.world))
    with pytest.raises(SettingsError, match="webhook_secret") as refusal:
        connector.parse({}, b"{}", lab.now())
    assert refusal.value.key == "webhook_secret"
    with pytest.raises(SettingsError, match="16"):
        lab.connector.spec.settings(api_key=KEY, webhook_secret="short")
    assert SECRET not in repr(lab.connector.spec.settings(api_key=KEY, webhook_secret=SECRET))


# scopes


@pytest.mark.parametrize("code", ["permission_denied", "anything"])
def test_a_missing_scope_is_named_with_what_to_do(code: str) -> None:
    lab = open_account(missing_scopes="data-privacy:write profiles:write", scope_code=code)
    lab.seed(email(1))
    for refused in (
        lambda: lab.connector.erase(Profile(email(1))),
        lambda: push(lab, CONTACTS, "", contacts([1])),
        lambda: push(lab, LOYAL, list_of(lab), leaves([1])),
        lambda: push(lab, CONTACTS, "", [Suppress(id="s", profile=Profile(email(1)))]),
    ):
        with pytest.raises(Unauthorized, match=r"lacks a scope: this needs .*write.*Make a new key.*api_key") as told:
            refused()
        assert told.value.status == 403
        assert email(1) not in str(told.value)


def test_every_family_of_calls_has_its_windows_and_its_scopes() -> None:
    assert all(windows and scopes for windows, scopes in FAMILIES.values())
    assert open_account().connector.spec.rates == {name: windows for name, (windows, _) in FAMILIES.items()}
