"""What the connector reads from the emulated account: members, those who left, engagement."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from klaviyo_account import (
    CONTACTS,
    LOYAL,
    calls_so_far,
    email,
    list_of,
    open_account,
)

from connectors.sandbox.lab import SandboxLab
from connectors.testing import carry
from connectors.types import EventKind, Left, Profile, Suppress

# reading


def test_members_and_their_count_are_read_past_every_page() -> None:
    lab = open_account()
    ref = list_of(lab)
    for number in range(250):
        lab.seed(email(number), lists=[ref] if number else [])
    pages = list(lab.connector.members(LOYAL, ref))
    assert [len(page.items) for page in pages] == [100, 100, 49]
    assert [page.last for page in pages] == [False, False, True]
    assert {profile.email for page in pages for profile in page.items} == {email(number) for number in range(1, 250)}
    assert lab.connector.count(LOYAL, ref) == 249
    assert lab.connector.count(CONTACTS, "") == 250


@pytest.mark.parametrize(("people", "calls"), [(0, 1), (1_000, 10), (1_001, 11)])
def test_a_long_list_is_asked_for_its_own_figure(people: int, calls: int) -> None:
    lab = open_account()
    ref = list_of(lab)
    for number in range(people):
        lab.seed(email(number), lists=[ref])
    before = calls_so_far(lab)
    assert lab.connector.count(LOYAL, ref) == people
    assert len(lab.sandbox.calls) - before == calls


def test_lookups_ask_for_whole_pages_and_match_addresses_in_any_case() -> None:
    lab = open_account(lower_case="no")
    for number in range(150):
        lab.seed(f"Person.{number}@Example.com", fields={"x": number, "list": "no scalar"})
    profiles = [Profile(email(number)) for number in range(0, 300, 2)]
    assert len(lab.connector.resolve(profiles)) == 75
    assert lab.connector.traits(profiles)[email(4)]["x"] == 4


def test_suppressions_are_swept_whole_then_read_on_with_an_overlap() -> None:
    lab = open_account()
    for number in range(240):
        lab.seed(email(number), status=("unsubscribed", "cleaned", "complained", "suppressed", "never")[number % 5])
    first = list(lab.connector.suppressions(None, lab.now()))
    found = {entry.email: entry.left for page in first for entry in page.items}
    assert len(found) == 192
    assert set(found.values()) == {Left.UNSUBSCRIBED, Left.BOUNCED, Left.COMPLAINT, Left.OTHER}
    lab.sandbox.world.advance(3 * 86_400)
    lab.seed(email(999), status="unsubscribed")
    cursor = first[-1].cursor
    again = [e for page in lab.connector.suppressions(cursor, lab.now()) for e in page.items]
    assert email(999) in {entry.email for entry in again}
    latest = list(lab.connector.suppressions(cursor, lab.now()))[-1].cursor
    (only, end) = lab.connector.suppressions(latest, lab.now())
    assert [entry.email for entry in only.items] == [email(999)]
    assert (end.items, end.last) == ((), True)


def test_a_sweep_that_broke_off_misses_nobody_who_has_an_older_reason_beside_a_new_one() -> None:
    lab = open_account()
    for number in range(150):
        lab.seed(email(number), status="unsubscribed")
        lab.sandbox.world.advance(86_400)
    carry(lab, [Suppress(id="s", profile=Profile(email(1)))], CONTACTS, "")  # of the first page, and newer than all
    first = next(iter(lab.connector.suppressions(None, lab.now())))
    assert {entry.email for entry in first.items} == {email(number) for number in range(100)}
    rest = [entry.email for page in lab.connector.suppressions(first.cursor, lab.now()) for entry in page.items]
    assert {email(number) for number in range(100, 150)} <= set(rest)


# engagement


def _campaign(lab: SandboxLab, people: int) -> str:
    ref = list_of(lab)
    for number in range(people):
        lab.seed(email(number), lists=[ref])
    return lab.mail(ref, "Soldes")


def _pulled(lab: SandboxLab, since: str | None = None) -> tuple[list[object], str]:
    pages = list(lab.connector.pull(since, lab.now()))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [event for page in pages for event in page.items], pages[-1].cursor


def test_events_keep_who_what_when_which_mail_and_the_machines() -> None:
    lab = open_account()
    campaign = _campaign(lab, 3)
    at = lab.now() + timedelta(hours=1)
    lab.provider.react(campaign, email(0), EventKind.OPEN, at)
    lab.provider.react(campaign, email(1), EventKind.OPEN, at, is_machine=True)
    lab.provider.react(campaign, email(0), EventKind.CLICK, at, url="https://shop.example/x")
    lab.provider.react(campaign, email(2), EventKind.BOUNCE, at)
    lab.provider.react(campaign, email(1), EventKind.UNSUBSCRIBE, at)
    lab.provider.react(campaign, email(1), EventKind.COMPLAINT, at)
    lab.provider.react(campaign, email(0), EventKind.OTHER, at)
    lab.sandbox.world.advance(7200)
    found, _ = _pulled(lab)
    told = {(event.kind, event.email): event for event in found}
    assert len(told) == len(found) == 10
    click = told[EventKind.CLICK, email(0)]
    message = lab.provider._account.messages[campaign]
    assert (click.url, click.campaign, click.message, click.happened_at) == (
        "https://shop.example/x",
        message,
        message,
        at,
    )
    assert [told[EventKind.OPEN, email(n)].is_machine for n in (0, 1)] == [False, True]
    assert told[EventKind.BOUNCE, email(2)].hard is True
    other = told[EventKind.OTHER, email(0)]
    assert json.loads(other.raw)["Campaign Name"] == "Soldes"


@pytest.mark.parametrize("page", ["1000", "200"])
def test_events_are_read_past_every_page_under_both_readings_of_its_size(page: str) -> None:
    lab = open_account(events_page=page)
    _campaign(lab, 1_250)
    found, _ = _pulled(lab)
    assert len({event.id for event in found}) == len(found) == 1_250


def test_late_events_are_caught_and_future_ones_never_freeze_the_cursor() -> None:
    lab = open_account()
    campaign = _campaign(lab, 2)
    lab.provider.react(campaign, email(0), EventKind.OPEN, lab.now() + timedelta(days=300))
    first, cursor = _pulled(lab)
    assert len(first) == 3
    lab.sandbox.world.advance(3600)
    lab.provider.react(campaign, email(1), EventKind.OPEN, lab.now())
    lab.provider.react(campaign, email(1), EventKind.OPEN, lab.now() - timedelta(minutes=50))  # arrives late
    found, cursor = _pulled(lab, cursor)
    new = {event.id for event in found} - {event.id for event in first}
    assert len(new) == 2
    assert all(mark <= lab.now().timestamp() for mark in json.loads(cursor)["t"].values())


def test_cursors_of_an_older_version_are_read_as_none() -> None:
    lab = open_account()
    _campaign(lab, 2)
    lab.seed(email(9), status="unsubscribed")
    lab.sandbox.world.advance(3 * 86_400)
    then = lab.now().isoformat()
    found, _ = _pulled(lab, json.dumps({"RESQ6t": then}))
    assert len(found) == 2
    suppressed = [entry.email for page in lab.connector.suppressions(then, lab.now()) for entry in page.items]
    assert suppressed == [email(9)]


def test_another_integrations_metric_of_the_same_name_is_not_read() -> None:
    lab = open_account()
    _campaign(lab, 1)
    account = lab.provider._account
    (own,) = account.events["RESQ6t"]
    account.events["CustoM"].append(own)
    found, _ = _pulled(lab)
    assert [event.kind for event in found] == [EventKind.SEND]
