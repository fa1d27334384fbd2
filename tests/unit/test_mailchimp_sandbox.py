"""The emulated Mailchimp is as strict as the real one is documented to be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from mailchimp_account import AUDIENCE, Shop, person

from connectors.http import Request, Response
from connectors.types import EventKind

LIST = f"/lists/{AUDIENCE}"
KEY = {"authorization": "Bearer sandbox-us1"}


def call(shop: Shop, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Response:
    data = b"" if body is None else json.dumps(body).encode()
    url = f"http://sandbox.test/mailchimp/3.0{path}"
    return shop.sandbox.handle(Request(method, url, KEY if headers is None else headers, data))


def ask(shop: Shop, method: str, path: str, body: object = None) -> tuple[int, Any]:
    response = call(shop, method, path, body)
    return response.status, response.json()


def people(count: int, **more: object) -> dict[str, object]:
    return {"members": [{"email_address": person(n).email, "status": "subscribed", **more} for n in range(count)]}


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer k-us2"}, {"authorization": "Basic !"}, {"authorization": "Basic "}]
)
def test_another_key_is_refused(headers: dict[str, str]) -> None:
    response = call(Shop(), "GET", "/ping", headers=headers)
    assert response.status == 401
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.headers["x-request-id"]


def test_any_user_name_goes_with_the_key() -> None:
    token = base64.b64encode(b"anyone:sandbox-us1").decode()
    assert call(Shop(), "GET", "/ping", headers={"authorization": f"Basic {token}"}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/ping", 405),
        ("GET", "/lists?colour=red", 400),
        ("GET", "/lists?count=1001", 400),
        ("GET", "/lists?offset=-1", 400),
        ("GET", "/lists?fields=lists.id&exclude_fields=lists.name", 400),
        ("GET", f"{LIST}/members?status=asleep", 400),
        ("GET", f"{LIST}/members?unsubscribed_since=2018-01-01", 400),
        ("GET", f"{LIST}/members?since_last_changed=yesterday", 400),
        ("GET", f"{LIST}/segments?include_cleaned=True", 400),
        ("GET", f"{LIST}/segments/7", 404),
        ("GET", "/reports/ghost", 404),
        ("GET", "/batches/ghost", 404),
    ],
)
def test_what_is_not_documented_is_refused(method: str, path: str, status: int) -> None:
    assert call(Shop(), method, path).status == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (LIST, people(501)),
        (LIST, {}),
        (LIST, []),
        (LIST, {"members": "all"}),
        (LIST, {"members": [{"email_address": "a@b.test"}]}),
        (LIST, people(1, status_if_new="subscribed")),
        (LIST, people(1, status="archived")),
        (LIST, people(1, merge_fields=None)),
        (f"{LIST}/merge-fields", {"tag": "ELEVEN_CHAR", "name": "n", "type": "text"}),
        (f"{LIST}/merge-fields", {"tag": "lower", "name": "n", "type": "text"}),
        (f"{LIST}/merge-fields", {"tag": "FNAME", "name": "n", "type": "text"}),
        (f"{LIST}/merge-fields", {"tag": "X", "name": "n", "type": "boolean"}),
        (f"{LIST}/segments", {"name": "x" * 101, "static_segment": []}),
        (f"{LIST}/members", {"email_address": "a@b.test", "status": "subscribed", "merge_fields": {"FNAME": 7}}),
        ("/batches", {"operations": [{"method": "HEAD", "path": "/ping"}]}),
        ("/batches", {"operations": [{"method": "POST", "path": "/ping", "body": {}}]}),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(path: str, body: object) -> None:
    status, problem = ask(Shop(), "POST", path, body)
    assert (status, problem["status"]) == (400, 400)


def test_a_segment_takes_500_at_a_time() -> None:
    shop = Shop()
    _, segment = ask(shop, "POST", f"{LIST}/segments", {"name": "S", "static_segment": []})
    body = {"members_to_add": [person(number).email for number in range(501)]}
    status, problem = ask(shop, "POST", f"{LIST}/segments/{segment['id']}", body)
    assert (status, "at most 500 items" in problem["detail"]) == (400, True)
    _, saved = ask(shop, "POST", f"{LIST}/segments", {"name": "T", "options": {"match": "all", "conditions": []}})
    assert ask(shop, "POST", f"{LIST}/segments/{saved['id']}", {"members_to_add": []})[0] == 404


def test_pages_are_ten_long_unless_asked() -> None:
    shop = Shop()
    ask(shop, "POST", LIST, people(25))
    assert len(ask(shop, "GET", f"{LIST}/members")[1]["members"]) == 10
    _, page = ask(shop, "GET", f"{LIST}/members?count=20&offset=10&fields=members.email_address,total_items")
    assert (len(page["members"]), page["total_items"], set(page["members"][0])) == (15, 25, {"email_address"})
    _, page = ask(shop, "GET", f"{LIST}/members?exclude_fields=members.merge_fields,total_items")
    assert "merge_fields" not in page["members"][0]
    assert "total_items" not in page


def test_only_the_api_can_bring_back_whom_it_unsubscribed() -> None:
    shop = Shop()
    ask(shop, "POST", LIST, people(2))
    campaign = shop.provider.mail(AUDIENCE, "x")
    shop.provider.react(campaign, person(0).email, EventKind.UNSUBSCRIBE, shop.now)
    ask(shop, "PATCH", f"{LIST}/members/{person(1).email}", {"status": "unsubscribed"})
    again = [ask(shop, "PATCH", f"{LIST}/members/{person(n).email}", {"status": "subscribed"}) for n in range(2)]
    assert [status for status, _ in again] == [400, 200]
    assert again[0][1]["title"] == "Member In Compliance State"
    _, answer = ask(shop, "POST", LIST, {**people(2), "update_existing": True})
    assert (answer["total_updated"], answer["error_count"]) == (1, 1)
    assert (
        ask(shop, "PUT", f"{LIST}/members/x", {"email_address": person(0).email, "status_if_new": "subscribed"})[0]
        == 200
    )
    assert shop.truth(0).status == "unsubscribed"


def test_archived_come_back_by_put_and_the_erased_never() -> None:
    shop = Shop()
    ask(shop, "POST", LIST, people(2))
    path, body = f"{LIST}/members/{person(0).email}", {"email_address": person(0).email, "status_if_new": "subscribed"}
    assert (call(shop, "DELETE", path).status, call(shop, "DELETE", path).status) == (204, 405)
    assert ask(shop, "PUT", path, body)[1]["status"] == "subscribed"
    assert call(shop, "POST", f"{path}/actions/delete-permanent").status == 204
    status, problem = ask(shop, "PUT", path, body)
    assert (status, problem["title"]) == (400, "Forgotten Email Not Subscribed")
    assert ask(shop, "POST", LIST, people(1))[1]["errors"][0]["error_code"] == "ERROR_GENERIC"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", "12.5", "twelve"),
        ("date", "31-12-2017", "2017-13-01"),
        ("birthday", "12/31", "31/12"),
        ("url", "https://a.test", "a.test"),
        ("zip", "75001", "7500"),
        ("radio", "red", "blue"),
        ("address", {"addr1": "1", "city": "Paris", "state": "-", "zip": "75001"}, {"addr1": "1"}),
    ],
)
def test_merge_values_are_checked(kind: str, good: object, bad: object) -> None:
    shop = Shop()
    field = {"tag": "X", "name": "X", "type": kind, "options": {"choices": ["red"]}}
    assert ask(shop, "POST", f"{LIST}/merge-fields", field)[0] == 200
    status, problem = ask(shop, "POST", f"{LIST}/members", people(1, merge_fields={"X": bad})["members"][0])  # type: ignore[index]
    assert (status, problem["errors"][0]["field"]) == (400, "X")
    body = people(1, merge_fields={"X": good, "GHOST": "dropped"})
    assert ask(shop, "POST", LIST, body)[1]["total_created"] == 1
    assert set(shop.truth(0).fields) == {"X"}


def test_a_long_text_is_cut_at_255_bytes() -> None:
    shop = Shop()
    ask(shop, "POST", LIST, people(1, merge_fields={"FNAME": "é" * 200}))
    assert shop.truth(0).fields["FNAME"] == "é" * 127


def test_a_required_field_is_asked_for_unless_validation_is_skipped() -> None:
    shop = Shop()
    ask(shop, "POST", f"{LIST}/merge-fields", {"tag": "R", "name": "R", "type": "text", "required": True})
    _, answer = ask(shop, "POST", LIST, people(1))
    assert (answer["errors"][0]["field"], answer["errors"][0]["field_message"]) == ("R", "Please enter a value")
    assert ask(shop, "POST", f"{LIST}?skip_merge_validation=true", people(1))[1]["total_created"] == 1


def test_an_address_twice_in_a_call_is_an_error_unless_it_is_ignored() -> None:
    shop = Shop()
    twice = {"members": [*people(1)["members"], *people(1)["members"]]}  # type: ignore[misc]
    assert ask(shop, "POST", LIST, twice)[1]["error_count"] == 1
    _, answer = ask(shop, "POST", f"{LIST}?skip_duplicate_check=true", twice)
    assert [error["error_code"] for error in answer["errors"]] == ["ERROR_CONTACT_EXISTS"]


def test_one_job_runs_after_the_other_and_a_deleted_one_not_at_all() -> None:
    shop = Shop()
    operation = {"method": "POST", "path": f"{LIST}/members", "body": json.dumps(people(1)["members"][0])}  # type: ignore[index]
    jobs = [ask(shop, "POST", "/batches", {"operations": [operation]})[1]["id"] for _ in range(3)]
    assert call(shop, "DELETE", f"/batches/{jobs[1]}").status == 204
    shop.sandbox.world.advance(16)
    states = [ask(shop, "GET", f"/batches/{job}")[1].get("status") for job in (jobs[0], jobs[2])]
    assert states == ["finished", "pending"]
    shop.sandbox.world.finish()
    _, last = ask(shop, "GET", f"/batches/{jobs[2]}")
    assert (last["finished_operations"], last["errored_operations"]) == (1, 1), "the contact exists by then"


def test_the_archive_refuses_credentials_and_late_comers() -> None:
    shop = Shop()
    _, job = ask(shop, "POST", "/batches", {"operations": [{"method": "GET", "path": "/ping"}]})
    shop.sandbox.world.finish()
    url = ask(shop, "GET", f"/batches/{job['id']}")[1]["response_body_url"]
    assert shop.sandbox.handle(Request("GET", url, KEY)).status == 400
    assert shop.sandbox.handle(Request("GET", url)).status == 200
    shop.sandbox.world.advance(601)
    late = shop.sandbox.handle(Request("GET", url))
    assert (late.status, late.headers["content-type"]) == (403, "application/xml")


def test_a_segment_can_be_replaced_emptied_and_deleted() -> None:
    shop = Shop()
    ask(shop, "POST", LIST, people(3))
    emails = [person(number).email for number in range(3)]
    _, made = ask(shop, "POST", f"{LIST}/segments", {"name": "S", "static_segment": [*emails[:2], "ghost@b.test"]})
    path = f"{LIST}/segments/{made['id']}"
    assert made["member_count"] == 2
    assert ask(shop, "PATCH", path, {"static_segment": emails[2:]})[1]["member_count"] == 1
    assert ask(shop, "PATCH", path, {"static_segment": []})[1]["member_count"] == 0
    shop.provider.drop(next(iter(shop.provider.lists())))
    assert call(shop, "DELETE", path).status == 404


def test_texts_are_translated_on_demand() -> None:
    status, problem = ask(Shop({"language": "de"}), "GET", "/lists/ghost")
    assert (status, problem["title"]) == (404, "Nicht gefunden")


def test_a_job_may_have_a_limit_of_operations() -> None:
    shop = Shop({"operations_limit": "2"})
    operation = {"method": "GET", "path": "/ping"}
    headers = {"authorization": "Bearer sandbox-us1"}
    url = "http://sandbox.test/mailchimp/3.0/batches"
    for count, status in ((2, 200), (3, 400)):
        body = json.dumps({"operations": [operation] * count}).encode()
        assert shop.sandbox.handle(Request("POST", url, headers, body)).status == status
