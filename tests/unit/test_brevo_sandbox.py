"""The emulated Brevo: strict where the documentation is, silent where Brevo is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.http import Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.brevo import BrevoSandbox
from connectors.types import EventKind

BASE = "http://sandbox.test/brevo/v3"
KEYED: Mapping[str, str] = {"api-key": "xkeysib-sandbox-1", "content-type": "application/json"}


class Account:
    """An account and a bare client of it."""

    def __init__(self, **options: str) -> None:
        self.sandbox = Sandbox(only=("brevo",), options=options)
        provider = self.sandbox.providers["brevo"]
        assert isinstance(provider, BrevoSandbox)
        self.provider = provider
        self.world = self.sandbox.world

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] = KEYED
    ) -> tuple[int, Any, Mapping[str, str]]:
        raw = b"" if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else BASE + path
        answer: Response = self.sandbox.handle(Request(method, url, headers, raw))
        is_json = answer.body and answer.headers.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(answer.body) if is_json else answer.body.decode(), answer.headers

    def list(self, name: str = "L") -> int:
        _, folder, _ = self.call("POST", "/contacts/folders", {"name": "F"})
        _, made, _ = self.call("POST", "/contacts/lists", {"name": name, "folderId": folder["id"]})
        return int(made["id"])

    def bring(self, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Import and wait; returns the process."""
        if "listIds" not in more:
            more["listIds"] = [self.list()]
        status, answer, _ = self.call("POST", "/contacts/import", {"jsonBody": list(rows), **more})
        assert status == 202, answer
        self.world.finish()
        found: dict[str, Any] = self.call("GET", f"/processes/{answer['processId']}")[1]
        return found

    def attributes(self, email: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/contacts/{email}")[1]["attributes"]
        return found


@pytest.mark.parametrize(
    ("headers", "options", "words"),
    [
        ({}, {}, "authentication not found in headers"),
        ({"api-key": "nonsense"}, {}, "Key not found"),
        (KEYED, {"ip": "blocked"}, "unrecognised IP address"),
    ],
)
def test_strangers_get_brevos_own_words_and_no_limit_headers(
    headers: Mapping[str, str], options: dict[str, str], words: str
) -> None:
    status, body, found = Account(**options).call("GET", "/account", headers=headers)
    assert (status, body["code"]) == (401, "unauthorized")
    assert words in body["message"]
    assert not [name for name in found if name.startswith("x-sib-ratelimit")]


def test_an_unknown_reading_is_refused() -> None:
    with pytest.raises(ValueError, match="process_info is one of url, count"):
        Account(process_info="maybe")


def test_each_family_has_its_own_windows_and_resets_in_seconds() -> None:
    account = Account()
    for _ in range(10):
        assert account.call("GET", "/contacts/attributes")[0] == 200
    status, _, headers = account.call("GET", "/contacts/attributes")
    assert (status, headers["x-sib-ratelimit-remaining"], headers["x-sib-ratelimit-reset"]) == (429, "0", "1")
    assert "retry-after" not in headers
    account.world.advance(1)
    assert account.call("GET", "/contacts/attributes")[0] == 200
    for _ in range(100):
        assert account.call("GET", "/processes")[0] == 200
    status, _, headers = account.call("GET", "/account")
    assert (status, headers["x-sib-ratelimit-limit"], headers["x-sib-ratelimit-reset"]) == (429, "100", "3600")
    assert account.call("GET", "/contacts/attributes")[0] == 200


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/contacts", 1000),
        ("/contacts/lists/1/contacts", 500),
        ("/contacts/lists", 50),
        ("/contacts/folders", 50),
        ("/processes", 50),
        ("/emailCampaigns", 100),
    ],
)
def test_a_page_has_its_maximum(path: str, most: int) -> None:
    account = Account()
    account.list()
    assert account.call("GET", f"{path}?limit={most}")[0] == 200
    assert account.call("GET", f"{path}?limit={most + 1}")[1]["code"] == "out_of_range"


def test_pages_are_newest_first_unless_asked() -> None:
    account = Account()
    for number in range(5):
        account.provider.seed(Contact(f"p{number}@shop.test"))

    def page(query: str) -> list[int]:
        return [row["id"] for row in account.call("GET", f"/contacts?limit=2{query}")[1]["contacts"]]

    assert [page(""), page("&offset=2"), page("&offset=4"), page("&offset=6")] == [[5, 4], [3, 2], [1], []]
    assert [page("&sort=asc"), page("&sort=asc&offset=4")] == [[1, 2], [5]]


def test_an_import_needs_a_list_and_stays_under_ten_megabytes() -> None:
    account = Account()
    row = {"email": "a@shop.test"}
    assert account.call("POST", "/contacts/import", {"jsonBody": [row]})[1]["code"] == "missing_parameter"
    assert account.call("POST", "/contacts/import", {"jsonBody": [row], "listIds": [9]})[0] == 400
    big = {"jsonBody": [row | {"attributes": {"LASTNAME": "x" * 10_000_000}}], "listIds": [account.list()]}
    assert account.call("POST", "/contacts/import", big)[0] == 413
    assert account.call("POST", "/contacts/import", {"jsonBody": [row]}, {"api-key": "xkeysib-sandbox"})[0] == 415


def test_an_import_takes_its_time_and_mails_the_owner_unless_told_not_to() -> None:
    account = Account()
    target = account.list()
    body = {"jsonBody": [{"email": "a@shop.test"}], "listIds": [target]}
    account.call("POST", "/contacts/import", body)

    def status() -> str:
        return str(account.call("GET", "/processes")[1]["processes"][0]["status"])

    assert (status(), account.provider.contacts()) == ("queued", {})
    account.world.advance(6)
    assert (status(), account.provider.contacts()) == ("processing", {})
    account.world.advance(20)
    assert status() == "completed"
    assert account.provider.contacts()["a@shop.test"].lists == {str(target)}
    assert account.provider.account.notifications == 1
    account.call("POST", "/contacts/import", body | {"disableNotification": True})
    assert account.provider.account.notifications == 1


def test_what_an_import_does_not_understand_it_drops_in_silence() -> None:
    account = Account()
    for name, kind in (("AGE", "float"), ("VIP", "boolean"), ("BORN", "date")):
        assert account.call("POST", f"/contacts/attributes/normal/{name}", {"type": kind})[0] == 201
    row = {"AGE": "forty", "VIP": True, "BORN": "yesterday", "UNKNOWN": "x", "lastname": "low", "LASTNAME": "Roe"}
    process = account.bring({"email": "a@shop.test", "attributes": row})
    assert set(process["info"]["import"].values()) == {None}
    assert account.attributes("a@shop.test") == {"VIP": True, "LASTNAME": "Roe"}
    account.bring({"email": "a@shop.test", "attributes": {"VIP": False, "AGE": 0, "BORN": "1990-02-03"}})
    assert account.attributes("a@shop.test") == {"VIP": True, "LASTNAME": "Roe", "AGE": 0, "BORN": "1990-02-03"}


@pytest.mark.parametrize(("scope", "other"), [("record", "b"), ("import", None)])
def test_blanks_erase_only_when_told_to(scope: str, other: str | None) -> None:
    account = Account(empty_scope=scope)
    rows = [{"email": f"{name}@shop.test", "attributes": {"LASTNAME": name}} for name in "ab"]
    account.bring(*rows)
    blank: list[dict[str, Any]] = [{"email": "a@shop.test", "attributes": {"LASTNAME": ""}}, {"email": "b@shop.test"}]
    account.bring(*blank)
    assert account.attributes("a@shop.test") == {"LASTNAME": "a"}
    account.bring(*blank, emptyContactsAttributes=True)
    assert account.attributes("a@shop.test") == {}
    assert account.attributes("b@shop.test").get("LASTNAME") == other


def test_refused_addresses_are_in_a_file_elsewhere_that_asks_for_no_key() -> None:
    account = Account()
    process = account.bring({"email": "a@@shop.test"}, {"email": "b@shop.test"})
    url = process["info"]["import"]["invalid_emails"]
    assert not url.startswith(BASE)
    here = url.replace(account.world.archive_url, account.world.base_url)
    status, text, _ = account.call("GET", here, headers={})
    assert status == 200
    assert "a@@shop.test" in text
    assert "b@shop.test" not in text
    assert account.call("GET", here)[0] == 403


def test_a_phone_that_somebody_has_refuses_the_record() -> None:
    account = Account()
    account.bring({"email": "a@shop.test", "attributes": {"SMS": "+33612345678"}})
    process = account.bring({"email": "b@shop.test", "attributes": {"SMS": "+33612345678"}})
    assert process["info"]["import"]["duplicate_phone_id"]
    assert "b@shop.test" not in account.provider.contacts()


def test_lists_take_150_and_answer_400_when_there_is_nothing_to_do() -> None:
    account = Account()
    path = f"/contacts/lists/{account.list()}/contacts"
    account.provider.seed(Contact("a@shop.test"))
    both = {"emails": ["a@shop.test", "ghost@shop.test"]}
    status, answer, _ = account.call("POST", f"{path}/add", both)
    assert (status, answer["contacts"]) == (201, {"success": ["a@shop.test"], "failure": ["ghost@shop.test"]})
    status, answer, _ = account.call("POST", f"{path}/add", both)
    assert (status, answer["message"]) == (400, "Contact already in list and/or does not exist")
    assert account.call("POST", f"{path}/remove", both)[0] == 201
    status, answer, _ = account.call("POST", f"{path}/remove", both)
    assert (status, answer["message"]) == (400, "Contact already removed from list and/or does not exist")
    many = {"emails": [f"p{number}@shop.test" for number in range(151)]}
    assert account.call("POST", f"{path}/add", many)[1]["code"] == "out_of_range"
    assert account.call("POST", "/contacts/lists/99/contacts/add", both)[0] == 404


def test_who_is_blocklisted_may_be_listed_and_is_not_mailed() -> None:
    account = Account()
    target = account.list()
    account.provider.seed(Contact("gone@shop.test", "unsubscribed"))
    account.bring({"email": "gone@shop.test"}, {"email": "here@shop.test"}, listIds=[target])
    campaign = account.provider.mail(str(target), "Soldes")
    assert account.provider.contacts()["gone@shop.test"].lists == {str(target)}
    assert account.provider.account.campaigns[int(campaign)].recipients == [2]
    assert account.call("GET", f"/contacts/lists/{target}")[1]["uniqueSubscribers"] == 2


def test_false_subscribes_again_and_deletion_forgets() -> None:
    account = Account()
    account.provider.seed(Contact("gone@shop.test", "unsubscribed"))
    account.call("PUT", "/contacts/gone%40shop.test", {"attributes": {"LASTNAME": "x"}})
    assert not account.provider.contacts()["gone@shop.test"].mailable
    account.call("PUT", "/contacts/gone%40shop.test", {"emailBlacklisted": False})
    assert account.provider.contacts()["gone@shop.test"].mailable
    account.call("PUT", "/contacts/gone%40shop.test", {"emailBlacklisted": True})
    assert account.call("DELETE", "/contacts/gone%40shop.test")[0] == 204
    account.bring({"email": "gone@shop.test"})
    assert account.provider.contacts()["gone@shop.test"].mailable


@pytest.mark.parametrize(("reading", "is_mailable"), [("keep", False), ("resubscribe", True)])
def test_the_worst_reading_of_a_false_blocklist_subscribes_again(reading: str, *, is_mailable: bool) -> None:
    account = Account(false_blacklist=reading)
    account.provider.seed(Contact("gone@shop.test", "unsubscribed"))
    account.bring({"email": "gone@shop.test"})
    assert not account.provider.contacts()["gone@shop.test"].mailable
    account.bring({"email": "gone@shop.test"}, emailBlacklist=False)
    assert account.provider.contacts()["gone@shop.test"].mailable is is_mailable


def test_readers_who_act_later_act_when_their_time_comes() -> None:
    account = Account()
    target = account.list()
    account.bring({"email": "a@shop.test"}, listIds=[target])
    campaign = account.provider.mail(str(target), "Soldes")
    begun = account.world.now()
    account.world.advance(100)
    later = account.world.now()
    account.world.set(begun)
    account.provider.react(campaign, "a@shop.test", EventKind.UNSUBSCRIBE, later)
    assert account.provider.contacts()["a@shop.test"].mailable
    account.world.set(later)
    assert account.provider.contacts()["a@shop.test"].status == "unsubscribed"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/account", 405),
        ("GET", "/processes/7", 404),
        ("GET", "/contacts/x@y.z", 404),
    ],
)
def test_what_is_not_there_is_refused_in_json(method: str, path: str, status: int) -> None:
    found, body, headers = Account().call(method, path)
    assert found == status
    assert body["message"]
    assert headers["x-sib-ratelimit-reset"]


@pytest.mark.parametrize(
    "body", [{"type": "integer"}, {"type": "id"}, {}], ids=["no integers", "transactional only", "no type"]
)
def test_attribute_types_belong_to_categories(body: dict[str, str]) -> None:
    account = Account()
    assert account.call("POST", "/contacts/attributes/normal/AGE", body)[0] == 400
    assert account.call("POST", "/contacts/attributes/normal/age", {"type": "text"})[0] == 400
    assert account.call("POST", "/contacts/attributes/normal/LASTNAME", {"type": "text"})[0] == 400
