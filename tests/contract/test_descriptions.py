"""Whatever a connector sends and its emulation answers satisfies the provider's own description: a whole round of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from amendments import ADDITIONS, AMENDMENTS
from official import ABSENT, BY_HAND, FILES, HOST, SPECS, Judge, call_sites
from operations import USED
from rounds import Round

from connectors.http import Request, Response
from connectors.sandbox import Sandbox

needs_files = pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)
described_by_their_own = pytest.mark.parametrize("name", sorted(FILES))
each_provider = pytest.mark.parametrize(
    "name", [*BY_HAND, *(pytest.param(name, marks=needs_files) for name in sorted(FILES))]
)
READINGS: dict[tuple[str, str], dict[str, str]] = {
    ("mailchimp", "usual"): {},
    ("mailchimp", "worst"): {"archived_add": "revives", "left_add": "generic", "patch_archived": "missing",
                             "readd": "error", "double_optin": "yes", "language": "de"},
    ("klaviyo", "usual"): {"async_errors": "late"},
    ("klaviyo", "worst"): {"async_errors": "late", "events_page": "200", "payload": "nested", "absent_member": "400",
                           "lower_case": "no", "visibility": "5"},
    ("brevo", "usual"): {},
    ("brevo", "worst"): {"bad_address_in_list": "refuse", "date_format": "dmy", "empty_scope": "import",
                         "existing_join": "no", "unknown_list": "404", "unique_subscribers": "mailable"},
    ("activecampaign", "usual"): {},
    ("activecampaign", "worst"): {"email_filter": "ignored", "list_filter": "ignored", "tag_path": "missing", "ids_filter": "ignored",
                                  "join_total": "missing", "failure_index": "1", "unknown_field": "refused"},
}  # fmt: skip


@cache
def played(name: str, reading: str = "usual") -> Round:
    """One round, played once a session for all who look at it."""
    found = Round(name, READINGS[name, reading])
    found.all()
    return found


@pytest.mark.parametrize(
    ("name", "reading"),
    [pytest.param(*one, marks=[] if one[0] in BY_HAND else needs_files) for one in sorted(READINGS)],
)
def test_every_call_and_every_answer_satisfies_the_official_description(name: str, reading: str) -> None:
    assert dict.fromkeys(played(name, reading).judge.wrong) == {}


@each_provider
def test_the_round_meets_exactly_the_operations_that_the_connector_is_known_to_use(name: str) -> None:
    met = played(name).judge.met | played(name, "worst").judge.met
    used = USED[name]
    assert met - used == set(), "new: tell it in the table"
    assert used - met == set(), "no longer called: take it from the table"


@each_provider
def test_no_call_in_the_connector_s_source_is_left_unchecked(name: str) -> None:
    reached = played(name).judge.sites | played(name, "worst").judge.sites
    missed = [
        f"{file}:{lines.start}" for file, lines in call_sites(name) if not any((file, n) in reached for n in lines)
    ]
    assert missed == []


# the judge itself

PLACES: dict[str, tuple[dict[str, str], str, str, str, dict[str, Any]]] = {
    "mailchimp": (
        {"authorization": "Basic eDpzYW5kYm94LXVzMQ=="}, "/lists", "lists", "/lists/a1b2c3d4e5/segments",
        {"name": "x", "static_segment": []},
    ),
    "klaviyo": (
        {"authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2026-07-15"}, "/api/lists", "data", "/api/lists",
        {"data": {"type": "list", "attributes": {"name": "x"}}},
    ),
    "brevo": ({"api-key": "xkeysib-sandbox"}, "/contacts/lists", "lists", "/contacts/folders", {"name": "x"}),
}  # fmt: skip


class Tampering:
    """A provider whose answers are changed on the way."""

    def __init__(self, name: str, change: Callable[[Response], Response]) -> None:
        self.sandbox = Sandbox(only=(name,))
        self.change = change

    def handle(self, request: Request) -> Response:
        return self.change(self.sandbox.handle(request))


def judged(
    name: str, method: str, path: str, body: object = None, change: Callable[[Response], Response] | None = None
) -> str:
    """What the judge says against one call."""
    judge = Judge(Tampering(name, change or (lambda response: response)), name)
    media = "application/vnd.api+json" if name == "klaviyo" else "application/json"
    headers = {**PLACES[name][0], "accept": media, **({"content-type": media} if body is not None else {})}
    data = b"" if body is None else json.dumps(body).encode()
    judge.handle(Request(method, HOST + FILES[name][1] + path, headers, data))
    return "; ".join(judge.wrong)


@needs_files
@described_by_their_own
def test_the_judge_lets_what_is_right_pass(name: str) -> None:
    _, place, _, writing, body = PLACES[name]
    assert judged(name, "GET", place) == ""
    assert judged(name, "POST", writing, body) == ""


@needs_files
@described_by_their_own
def test_the_judge_sees_what_is_wrong_with_a_call(name: str) -> None:
    _, place, _, writing, body = PLACES[name]
    assert "has no parameter" in judged(name, "GET", f"{place}?nonsense=1")
    assert "has no GET" in judged(name, "GET", "/nowhere/at/all")
    assert "Additional properties" in judged(name, "POST", writing, {**body, "nonsense": 1})
    assert "not of type" in judged(name, "POST", writing, json.loads(json.dumps(body).replace('"x"', "[7]")))
    assert "takes no body" in judged(name, "GET", place, {"a": 1})


@needs_files
@described_by_their_own
def test_the_judge_sees_what_is_wrong_with_an_answer(name: str) -> None:
    _, place, rows, _, _ = PLACES[name]

    def changed(response: Response, **keys: object) -> Response:
        return replace(response, body=json.dumps({**response.json(), **keys}).encode())

    assert "Additional properties" in judged(name, "GET", place, change=lambda one: changed(one, nonsense=1))
    assert "not of type" in judged(name, "GET", place, change=lambda one: changed(one, **{rows: "none"}))
    assert judged(name, "GET", place, change=lambda one: replace(one, body=one.body[:-3]))
    assert judged(name, "GET", place, change=lambda one: replace(one, headers={"content-type": "text/html"}))


@needs_files
def test_the_judge_knows_the_operations_of_a_job() -> None:
    operation = {"method": "PATCH", "path": "/lists/a/members/b", "operation_id": "1", "body": '{"nonsense": 1}'}
    assert "Additional properties" in judged("mailchimp", "POST", "/batches", {"operations": [operation]})


@needs_files
def test_every_amendment_tells_its_reason_and_its_place_is_there() -> None:
    for one in AMENDMENTS:
        assert one.reason
        document = json.loads((SPECS / FILES[one.provider][0]).read_text("utf-8"))
        one.apply(document)
    for addition in ADDITIONS:
        document = json.loads((SPECS / FILES[addition.provider][0]).read_text("utf-8"))
        before = json.dumps(document)
        addition.apply(document)
        assert json.dumps(document) != before, "the description has learnt it: take the addition out"
