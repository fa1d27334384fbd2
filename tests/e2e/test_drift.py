"""What others changed, shown and put right on the command line, at three providers behind real sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from round_lab import PROVIDERS, SEGMENTS, TITLES, Lab, contact, writes

from connectors.http import Request

SHARED = {"newsletter": "tea", "flows": "loyal", "mailing": "tea"}


def lists(said: Any) -> dict[str, dict[str, Any]]:
    return {one["destination"]: {found["segment"]: found for found in one["lists"]} for one in said["destinations"]}


def test_where_nobody_else_wrote_there_is_no_drift_and_nothing_is_written(begun: Lab) -> None:
    begun.later(hours=1)
    with begun.calls() as calls:
        said = begun.done("drift")
    assert writes(calls) == []
    for destination, segments in SEGMENTS.items():
        for segment in segments:
            found = lists(said)[destination][segment]
            assert found["ours"] == found["there"] == len(begun.shop.expected(segment))
            assert not any(found[what] for what in ("missing", "gone", "suppressed", "foreign", "unproven"))
    assert [one["values"] for one in said["destinations"]] == [[], [], []]
    assert all(one["looked"] for one in said["destinations"])


@pytest.mark.parametrize("destination", PROVIDERS)
def test_what_others_changed_is_shown_and_a_repair_leaves_nothing_of_it(begun: Lab, destination: str) -> None:
    provider, segment = PROVIDERS[destination], SHARED[destination]
    title = TITLES[segment]
    address = min(begun.shop.expected(segment))
    one = begun.there(provider)[address]
    begun.seed(provider, contact(address, fields={**one.fields, **changed(one.fields)}, lists=list(one.lists)))
    take_out(begun, provider, title, address)
    begun.seed(provider, contact("guest@else.example", lists=[begun.lists(provider)[title]]))
    assert address not in begun.members(provider, title)
    begun.later(hours=1)
    said = begun.done("drift")
    found = lists(said)[destination][segment]
    assert (found["missing"], found["foreign"]) == (1, 1)
    values = {value["tag"]: value["changed"] for mine in said["destinations"] for value in mine["values"]}
    assert values == {"favourite": 1}
    text = begun.ciblage("drift").out
    assert "@" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    with begun.calls() as calls:
        shown = begun.done("drift", "--repair")
    assert writes(calls) == []
    assert sum(mine["changes"] for mine in shown["planned"]["plan"]["destinations"]) == 2
    begun.done("drift", "--repair", "--yes")
    assert address in begun.members(provider, title)
    assert "guest@else.example" in begun.members(provider, title)
    assert begun.values(provider, address)["favourite"] == next(
        one.category for one in begun.shop.customers.values() if one.address == address
    )
    begun.later(hours=1)
    after = begun.done("drift")
    assert all(not mine["values"] for mine in after["destinations"])
    assert lists(after)[destination][segment]["missing"] == 0
    assert lists(after)[destination][segment]["foreign"] == 1
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []


def take_out(lab: Lab, provider: str, title: str, address: str) -> None:
    """Somebody else takes a person out of a list."""
    one, ref = lab.there(provider)[address], lab.lists(provider)[title]
    klaviyo = {"authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2025-07-15", "accept": "application/vnd.api+json",
               "content-type": "application/vnd.api+json"}  # fmt: skip
    calls: dict[str, tuple[str, str, dict[str, str], dict[str, object]]] = {
        "klaviyo": ("DELETE", f"/klaviyo/api/lists/{ref}/relationships/profiles", klaviyo,
                    {"data": [{"type": "profile", "id": one.ref}]}),
        "brevo": ("POST", f"/brevo/v3/contacts/lists/{ref}/contacts/remove",
                  {"api-key": "xkeysib-sandbox", "content-type": "application/json"}, {"emails": [address]}),
    }  # fmt: skip
    if provider == "mailchimp":
        lab.seed(provider, contact(address, fields=dict(one.fields), lists=[at for at in one.lists if at != ref]))
        return
    method, path, headers, body = calls[provider]
    answer = lab.sandbox.handle(Request(method, f"{lab.url}{path}", headers, json.dumps(body).encode()))
    assert answer.status < 300, answer.body


def changed(fields: Any) -> dict[str, str]:
    """A value as somebody else wrote it."""
    return {name: "Somebody" for name in fields if name.lower().replace(" ", "_") == "favourite"}


def test_a_repair_may_be_read_first_and_pushed_as_a_plan(begun: Lab) -> None:
    address = min(begun.shop.expected("tea"))
    take_out(begun, "mailchimp", TITLES["tea"], address)
    begun.later(hours=1)
    file = begun.folder / "repair.parquet"
    checksum = begun.done("drift", "--repair", "--out", file)["planned"]["checksum"]
    begun.done("push", "--plan", file, "--checksum", checksum)
    assert address in begun.members("mailchimp", TITLES["tea"])


def test_what_was_written_moments_ago_is_unproven(begun: Lab) -> None:
    begun.shop.change(80, orders=5, category="tea", newest=5)
    begun.stock()
    begun.later(days=1)
    begun.done("push")
    one = begun.there("mailchimp")["c80@example.com"]
    begun.seed("mailchimp", contact("c80@example.com", fields=dict(one.fields), lists=[]))
    tea = lists(begun.done("drift"))["newsletter"]["tea"]
    assert (tea["missing"], tea["unproven"]) == (0, 1)
    begun.later(hours=1)
    tea = lists(begun.done("drift"))["newsletter"]["tea"]
    assert (tea["missing"], tea["unproven"]) == (1, 0)
