"""What every emulated provider does for the people around it: lists deleted by hand, mails, leaving, one shared clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors import registry
from connectors.base import Connector, PullsEngagement, ReadsSuppressions
from connectors.http import Request
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.__main__ import KEYS
from connectors.sandbox.lab import SandboxClock
from connectors.types import EventKind, Target, TargetKind

VIP = Target(kind=TargetKind.SEGMENT, name="vip", title="shop VIP")
OTHER = Target(kind=TargetKind.SEGMENT, name="other", title="shop other")
each_provider = pytest.mark.parametrize("name", sorted(KEYS))
each_that_is_pulled = pytest.mark.parametrize("name", sorted(KEYS.keys() - {"activecampaign"}))  # which posts instead


def account(sandbox: Sandbox, name: str) -> Connector:
    options = {"api_key": KEYS[name], "base_url": sandbox.world.base_url + sandbox.providers[name].prefix}
    if needed := {"mailchimp": "audience", "activecampaign": "list_name"}.get(name):
        options[needed] = "Newsletter"
    return registry.build(name, options | {"prefix": "shop"}, handler=sandbox, clock=SandboxClock(sandbox.world))


def told(sandbox: Sandbox, method: str, path: str, body: object = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    answer = sandbox.handle(Request(method, f"http://sandbox.test{path}", {}, data))
    assert answer.status == 200, answer.body
    return answer.json()


def peopled(name: str) -> tuple[Sandbox, Connector, str]:
    """A sandbox, an account, and the ref of a list with thirty people."""
    sandbox = Sandbox()
    connector = account(sandbox, name)
    ref = connector.create([VIP, OTHER])[VIP]
    for number in range(30):
        sandbox.providers[name].seed(Contact(f"p{number}@example.com", "subscribed", {}, {ref}))
    return sandbox, connector, ref


def events(connector: Connector, sandbox: Sandbox) -> dict[str, EventKind]:
    assert isinstance(connector, PullsEngagement)
    found, cursor, is_whole = {}, None, False
    while not is_whole:
        is_whole = True
        for page in connector.pull(cursor, sandbox.world.now()):
            found |= {event.id: event for event in page.items}
            cursor, is_whole = page.cursor, page.last
            if not page.items and not page.last:
                sandbox.world.advance(60)
    return {f"{event.email} {event.kind}": event.kind for event in found.values()}


@each_provider
def test_a_list_deleted_by_hand_is_gone_and_its_people_stay(name: str) -> None:
    sandbox, connector, ref = peopled(name)
    told(sandbox, "POST", "/sandbox/lists/delete", {"provider": name, "ref": ref})
    assert set(connector.find([VIP, OTHER])) == {OTHER}
    assert len(sandbox.providers[name].contacts()) == 30
    assert all(ref not in contact.lists for contact in sandbox.providers[name].contacts().values())
    again = connector.create([VIP])[VIP]
    assert again != ref
    assert connector.find([VIP]) == {VIP: again}


@each_that_is_pulled
def test_what_readers_do_comes_back_through_the_api(name: str) -> None:
    sandbox, connector, _ = peopled(name)
    counts = told(sandbox, "POST", "/sandbox/readers", {"until": "2018-01-04T09:00Z", "seed": 3})["providers"][name]
    found = events(connector, sandbox)
    for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE):
        assert counts[kind.value] >= 1
        assert list(found.values()).count(kind) >= counts[kind.value]


@each_provider
def test_somebody_who_unsubscribes_is_found_at_the_next_pull(name: str) -> None:
    sandbox, connector, _ = peopled(name)
    sandbox.world.advance(3600)
    answer = told(sandbox, "POST", "/sandbox/unsubscribe", {"provider": name, "email": "p7@example.com"})
    assert (answer["status"], answer["mailable"]) == ("unsubscribed", False)
    sandbox.world.advance(3600)
    assert isinstance(connector, ReadsSuppressions)
    found = {item.email for page in connector.suppressions(None, sandbox.world.now()) for item in page.items}
    assert found == {"p7@example.com"}


@each_provider
def test_the_page_shows_each_provider(name: str) -> None:
    sandbox, _, _ = peopled(name)
    page = sandbox.handle(Request("GET", "http://sandbox.test/")).body.decode()
    assert "shop VIP" in page
    assert "p7@example.com" in page


@each_provider
def test_a_stranger_s_key_is_refused(name: str) -> None:
    from connectors import errors

    sandbox = Sandbox()
    base = sandbox.world.base_url + sandbox.providers[name].prefix
    wrong = {"api_key": "wrong-us1x", "base_url": base, "prefix": "shop"}
    options = wrong | {"audience": "Newsletter"} if name == "mailchimp" else wrong
    with pytest.raises((errors.Unauthorized, errors.SettingsError)):
        registry.build(name, options, handler=sandbox, clock=SandboxClock(sandbox.world)).check()
