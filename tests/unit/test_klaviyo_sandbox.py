"""The emulated Klaviyo is as strict as its documents say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.http import Request, Response
from connectors.sandbox import Contact, Sandbox

BASE = "http://sandbox.test/klaviyo/api"
MEDIA = "application/vnd.api+json"
HEADERS = {
    "authorization": "Klaviyo-API-Key pk_sandbox",
    "revision": "2026-07-15",
    "accept": MEDIA,
    "content-type": MEDIA,
}
IMPORTS = "/profile-bulk-import-jobs"
MEMBERS = "/lists/LiSt01/relationships/profiles"


def account(**options: str) -> Sandbox:
    return Sandbox(only=("klaviyo",), options=options)


def call(sandbox: Sandbox, method: str, path: str, body: object = None, **headers: str) -> Response:
    sent = {**HEADERS, **headers}
    data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    return sandbox.handle(Request(method, BASE + path, {k: v for k, v in sent.items() if v}, data))


def imports(*emails: str, **attributes: object) -> dict[str, Any]:
    profiles = [{"type": "profile", "attributes": {"email": email, **attributes}} for email in emails]
    return {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}}


def jobs(kind: str, *emails: str) -> dict[str, Any]:
    profiles = [{"type": "profile", "attributes": {"email": email}} for email in emails]
    return {"data": {"type": f"profile-{kind}-job", "attributes": {"profiles": {"data": profiles}}}}


def members(count: int) -> dict[str, Any]:
    return {"data": [{"type": "profile", "id": f"id{number}"} for number in range(count)]}


def made(sandbox: Sandbox, name: str = "VIP") -> str:
    body = {"data": {"type": "list", "attributes": {"name": name}}}
    return str(call(sandbox, "POST", "/lists", body).json()["data"]["id"])


def suppressing(count: int) -> dict[str, Any]:
    return jobs("suppression-bulk-create", *(f"{number}@example.com" for number in range(count)))


MANY = [f"{number}@example.com" for number in range(10_001)]


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "headers"),
    [
        (401, "GET", "/lists", None, {"authorization": ""}),
        (401, "GET", "/lists", None, {"authorization": "Klaviyo-API-Key pk_live"}),
        (400, "GET", "/lists", None, {"revision": ""}),
        (410, "GET", "/lists", None, {"revision": "2023-02-22"}),
        (404, "GET", "/nothing", None, {}),
        (405, "DELETE", "/lists", None, {}),
        (415, "POST", IMPORTS, imports("a@example.com"), {"content-type": "text/plain"}),
        (400, "GET", "/lists?page%5Bsise%5D=10", None, {}),
        (400, "GET", "/lists?page%5Bsize%5D=11", None, {}),
        (400, "GET", "/profiles?page%5Bsize%5D=101", None, {}),
        (400, "GET", "/profiles?page%5Bcursor%5D=abc", None, {}),
        (400, "GET", "/events?page%5Bsize%5D=1001", None, {}),
        (400, "GET", "/lists?filter=equals(name,VIP)", None, {}),
        (400, "GET", '/lists?filter=contains(name,"VIP")', None, {}),
        (400, "GET", '/lists?filter=equals(nome,"VIP")', None, {}),
        (400, "GET", '/events?filter=greater-than(datetime,"2018-01-01T00:00:00Z")', None, {}),
        (400, "GET", '/profiles?filter=any(email,["a@example.com"]', None, {}),
        (400, "GET", f"/profiles?filter=any(email,{json.dumps(MANY[:101], separators=(',', ':'))})", None, {}),
        (414, "GET", f"/profiles?filter={'x' * 8_000}", None, {}),
        (400, "POST", IMPORTS, imports(*MANY), {}),
        (413, "POST", IMPORTS, imports(*MANY[:100], properties={"x": "é" * 25_500}), {}),
        (400, "POST", IMPORTS, imports("a@example.com", properties={"x": "é" * 60_000}), {}),
        (400, "POST", IMPORTS, imports("a@example.com", bogus=1), {}),
        (400, "POST", IMPORTS, imports("a@example.com", subscriptions={}), {}),
        (400, "POST", IMPORTS, imports("a@example.com", properties=[]), {}),
        (400, "POST", IMPORTS, imports(), {}),
        (400, "POST", IMPORTS, {"profiles": []}, {}),
        (400, "POST", "/lists", {"data": {"type": "list", "attributes": {"name": " "}}}, {}),
        (400, "POST", "/lists", {"data": {"type": "list", "attributes": {"name": "x", "opt_in": "y"}}}, {}),
        (404, "DELETE", MEMBERS, members(1), {}),
        (400, "POST", "/profile-suppression-bulk-create-jobs", suppressing(101), {}),
        (404, "GET", f"{IMPORTS}/01ABSENT", None, {}),
    ],
)
def test_what_the_documents_forbid_is_refused(
    status: int, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    sandbox = account()
    response = call(sandbox, method, path, body, **headers)
    assert response.status == status, response.body
    assert response.json()["errors"][0].keys() >= {"id", "status", "code", "title", "detail", "source"}
    assert not sandbox.providers["klaviyo"].contacts()


def test_a_membership_call_takes_a_thousand_ids_all_or_none() -> None:
    sandbox = account()
    ref = made(sandbox)
    path = f"/lists/{ref}/relationships/profiles"
    provider = sandbox.providers["klaviyo"]
    for number in range(2):
        provider.seed(Contact(f"{number}@example.com", lists={ref}, ref=f"id{number}"))
    assert call(sandbox, "DELETE", path, members(1_001)).status == 400
    refused = call(sandbox, "DELETE", path, members(4))
    assert refused.status == 400
    assert refused.json()["errors"][0]["detail"] == "Invalid profile IDs: id2, id3"
    assert all(contact.lists for contact in provider.contacts().values())
    for _ in range(2):
        done = call(sandbox, "DELETE", path, members(2))
        assert (done.status, done.body) == (204, b"")
    assert not any(contact.lists for contact in provider.contacts().values())


def test_one_malformed_address_refuses_the_whole_import_with_its_place() -> None:
    sandbox = account()
    response = call(sandbox, "POST", IMPORTS, imports("a@example.com", "bad", "b@example.com", "worse@"))
    pointers = [error["source"]["pointer"] for error in response.json()["errors"]]
    assert pointers == [f"/data/attributes/profiles/data/{index}/attributes/email" for index in (1, 3)]
    sandbox.world.finish()
    assert not sandbox.providers["klaviyo"].contacts()


def test_a_job_is_queued_then_runs_then_is_complete_and_only_then_seen() -> None:
    sandbox = account()
    job = call(sandbox, "POST", IMPORTS, imports("a@example.com")).json()["data"]["id"]
    states = []
    for _ in range(3):
        states.append(call(sandbox, "GET", f"{IMPORTS}/{job}").json()["data"]["attributes"]["status"])
        if states[-1] != "complete":
            assert not sandbox.providers["klaviyo"].contacts()
        sandbox.world.advance(2)
    assert states == ["queued", "processing", "complete"]


def test_an_import_changes_no_consent_and_lifts_no_suppression() -> None:
    sandbox = account()
    provider = sandbox.providers["klaviyo"]
    states = ("subscribed", "unsubscribed", "never", "suppressed", "cleaned", "complained")
    for state in states:
        provider.seed(Contact(f"{state}@example.com", state))
    call(sandbox, "POST", IMPORTS, imports(*(f"{state}@example.com" for state in states), properties={"x": 1}))
    sandbox.world.finish()
    assert {name: contact.status for name, contact in provider.contacts().items()} == {
        f"{state}@example.com": state for state in states
    }
    assert all(contact.fields == {"x": 1} for contact in provider.contacts().values())


def test_the_subscribe_job_lifts_suppressions_so_that_a_connector_that_calls_it_is_caught() -> None:
    sandbox = account()
    provider = sandbox.providers["klaviyo"]
    provider.seed(Contact("a@example.com", "unsubscribed"))
    body = jobs("subscription-bulk-create", "a@example.com")
    assert call(sandbox, "POST", "/profile-subscription-bulk-create-jobs", body).status == 202
    sandbox.world.finish()
    assert provider.contacts()["a@example.com"].status == "subscribed"
    body = jobs("subscription-bulk-delete", "a@example.com")
    assert call(sandbox, "POST", "/profile-subscription-bulk-delete-jobs", body).status == 202
    sandbox.world.finish()
    assert not provider.contacts()["a@example.com"].mailable


def test_null_and_unset_remove_a_property_and_missing_ones_stay() -> None:
    sandbox = account()
    provider = sandbox.providers["klaviyo"]
    provider.seed(Contact("a@example.com", fields={"x": 1, "y": 2, "z": 3}))
    body = imports("a@example.com", properties={"x": None})
    body["data"]["attributes"]["profiles"]["data"][0]["meta"] = {"patch_properties": {"unset": "y"}}
    call(sandbox, "POST", IMPORTS, body)
    sandbox.world.finish()
    assert provider.contacts()["a@example.com"].fields == {"z": 3}


@pytest.mark.parametrize(("wins", "value"), [("first", 1), ("last", 2)])
def test_which_of_two_records_wins_is_a_switch(wins: str, value: int) -> None:
    sandbox = account(duplicates=wins)
    body = imports("a@example.com", "A@example.com")
    for number, profile in enumerate(body["data"]["attributes"]["profiles"]["data"], start=1):
        profile["attributes"]["properties"] = {"x": number}
    call(sandbox, "POST", IMPORTS, body)
    sandbox.world.finish()
    (contact,) = sandbox.providers["klaviyo"].contacts().values()
    assert contact.fields == {"x": value}


def test_windows_refuse_with_retry_after_and_let_through_after_it() -> None:
    sandbox = account()
    answers = [call(sandbox, "GET", "/accounts") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[0].headers["ratelimit-limit"] == "1"
    assert answers[1].headers["retry-after"] == "1"
    assert "ratelimit-limit" not in answers[1].headers
    sandbox.world.advance(1)
    assert call(sandbox, "GET", "/accounts").status == 200


def test_a_day_has_a_hundred_and_fifty_new_lists() -> None:
    sandbox = account()
    for number in range(150):
        made(sandbox, str(number))
        sandbox.world.advance(1)
    refused = call(sandbox, "POST", "/lists", {"data": {"type": "list", "attributes": {"name": "more"}}})
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 80_000


def test_reads_lag_behind_writes_when_asked_to() -> None:
    sandbox = account(visibility="30")
    ref = made(sandbox)
    body = imports("a@example.com")
    body["data"]["relationships"] = {"lists": {"data": [{"type": "list", "id": ref}]}}
    call(sandbox, "POST", IMPORTS, body)
    sandbox.world.advance(10)
    assert call(sandbox, "GET", f"/lists/{ref}/profiles").json()["data"] == []
    assert sandbox.providers["klaviyo"].contacts()["a@example.com"].lists == {ref}
    sandbox.world.advance(30)
    (member,) = call(sandbox, "GET", f"/lists/{ref}/profiles").json()["data"]
    call(sandbox, "DELETE", f"/lists/{ref}/relationships/profiles", {"data": [{"type": "profile", "id": member["id"]}]})
    assert len(call(sandbox, "GET", f"/lists/{ref}/relationships/profiles").json()["data"]) == 1
    sandbox.world.advance(31)
    assert call(sandbox, "GET", f"/lists/{ref}/relationships/profiles").json()["data"] == []


def test_pages_are_twenty_by_default_and_a_cursor_shows_each_once_while_things_change() -> None:
    sandbox = account()
    provider = sandbox.providers["klaviyo"]
    for number in range(45):
        provider.seed(Contact(f"{number}@example.com"))
    path = "/profiles"
    seen: list[str] = []
    while path:
        page = call(sandbox, "GET", path).json()
        seen += [item["attributes"]["email"] for item in page["data"]]
        provider.seed(Contact(f"new.{len(seen)}@example.com"))
        path = page["links"].get("next", "").removeprefix(BASE)
        assert len(page["data"]) in {20, 5}
    assert sorted(seen) == sorted(f"{number}@example.com" for number in range(45))


def test_a_finished_job_is_forgotten_after_its_time() -> None:
    sandbox = account(job_expires="60")
    job = call(sandbox, "POST", IMPORTS, imports("a@example.com")).json()["data"]["id"]
    sandbox.world.finish()
    assert call(sandbox, "GET", f"{IMPORTS}/{job}").status == 200
    sandbox.world.advance(61)
    assert call(sandbox, "GET", f"{IMPORTS}/{job}").status == 404
    assert call(sandbox, "GET", IMPORTS).json()["data"] == []


def test_a_campaign_reaches_the_mailable_members_only() -> None:
    sandbox = account()
    provider = sandbox.providers["klaviyo"]
    ref = made(sandbox)
    for state in ("subscribed", "never", "unsubscribed", "suppressed"):
        provider.seed(Contact(f"{state}@example.com", state, lists={ref}))
    provider.mail(ref, "Soldes")
    path = '/events?filter=equals(metric_id,"RESQ6t")&include=profile&fields%5Bprofile%5D=email'
    page = call(sandbox, "GET", path).json()
    assert sorted(item["attributes"]["email"] for item in page["included"]) == [
        "never@example.com",
        "subscribed@example.com",
    ]
    assert provider.contacts()["never@example.com"].mailable
