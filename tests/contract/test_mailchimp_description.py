"""What Mailchimp's emulation answers to calls that the connector does not make, or not so, is as described (3.0.90)."""

from __future__ import annotations

import json

import pytest
from official import ABSENT, SPECS, Judge

from connectors.http import Request
from connectors.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)
BASE = "http://sandbox.test/mailchimp/3.0"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ping", None),
        ("GET", "/lists/a1b2c3d4e5", None),
        ("GET", "/lists/ghost", None),
        ("GET", "/campaigns", None),
        ("GET", "/lists", None),
        ("GET", "/lists/a1b2c3d4e5/merge-fields", None),
        ("GET", "/lists/a1b2c3d4e5/members", None),
        ("GET", "/batches?count=2000", None),
        ("POST", "/lists/a1b2c3d4e5/members", {"email_address": "new@example.com", "status": "subscribed"}),
        ("POST", "/lists/a1b2c3d4e5/members", {"email_address": "known@example.com", "status": "subscribed"}),
        ("PUT", "/lists/a1b2c3d4e5/members/x", {"email_address": "x@example.com", "status_if_new": "transactional"}),
        ("PATCH", "/lists/a1b2c3d4e5/members/ghost", {"status": "unsubscribed"}),
        ("DELETE", "/lists/a1b2c3d4e5/members/known@example.com", None),
        ("POST", "/lists/a1b2c3d4e5/members/known@example.com/actions/delete-permanent", None),
        ("GET", "/lists/a1b2c3d4e5/segments/1", None),
        ("DELETE", "/lists/a1b2c3d4e5", None),
    ],
)
def test_the_sandbox_answers_as_described(method: str, path: str, body: object) -> None:
    judge = Judge(Sandbox(only=("mailchimp",)), "mailchimp")
    headers = {"authorization": "Basic eDpzYW5kYm94LXVzMQ==", "content-type": "application/json"}
    known = json.dumps({"email_address": "known@example.com", "status": "subscribed"}).encode()
    judge.handle(Request("POST", f"{BASE}/lists/a1b2c3d4e5/members", headers, known))
    answer = judge.handle(Request(method, BASE + path, headers, json.dumps(body).encode() if body else b""))
    assert answer.headers["x-request-id"]
    expected = ["$"] if "2000" in path else []  # more than the description's maximum is refused, by both
    assert [one.partition(": ")[2][:1] for one in judge.wrong] == expected
