"""What never gets out of a call: not in an error, not in the log."""

from __future__ import annotations

import base64
import json
import logging
import traceback

import httpx
import pytest
import respx
from http_lab import HOME, KEY, Hands, Script, api

from connectors import errors
from connectors.http import Http, Response, Wire, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no address here", "no address here"),
        ("<ada@example.com> is gone", "<…@…> is gone"),
        ('{"email":"ada.b+c@mail.example.co.uk"}', '{"email":"…@…"}'),
        ("/contacts/ada%40example.com/x", "/contacts/…%40…/x"),
        ("a@b.fr, c@d.fr", "…@…, …@…"),
        ("jürgen@müller.example", "…@…"),
    ],
)
def test_addresses_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 301])
def test_no_error_tells_an_address_or_a_key(status: int) -> None:
    body = json.dumps({"message": f"ada@example.com and key {KEY} are refused"}).encode()
    http, _, _ = api(Response(status, {}, body))
    with pytest.raises(errors.ConnectorError) as caught:
        http("POST", "/contacts/ada%40example.com", json={"email": "ada@example.com"})
    told = "".join(traceback.format_exception(caught.value))
    assert "ada" not in str(caught.value)
    assert KEY not in told
    assert "refused" in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_basic_key_that_a_provider_repeats_is_hidden_too() -> None:
    secret = "sandbox-0123456789-us1"
    header = "Basic " + base64.b64encode(f"any:{secret}".encode()).decode()
    script = Script([Response(401, {}, f'{{"detail":"{secret} is no key"}}'.encode())])
    http = Http(HOME, {"authorization": header}, handler=script, clock=Hands())
    with pytest.raises(errors.Unauthorized) as caught:
        http("GET", "/")
    assert secret not in str(caught.value)


def test_a_basic_header_that_is_no_base64_is_sent_as_it_is() -> None:
    script = Script([Response(200)])
    Http(HOME, {"authorization": "Basic xyz-!"}, handler=script, clock=Hands())("GET", "/")
    assert script.seen[0].headers["authorization"] == "Basic xyz-!"


def test_a_lost_call_tells_no_address() -> None:
    http, _, _ = api(ConnectionResetError("reset while sending ada@example.com"))
    with pytest.raises(errors.Unavailable) as caught:
        http("POST", "/contacts/ada@example.com")
    assert "ada" not in "".join(traceback.format_exception(caught.value)).split("Unavailable", 1)[1]
    assert caught.value.__suppress_context__


def test_the_log_tells_neither(caplog: pytest.LogCaptureFixture) -> None:
    router = respx.MockRouter()
    router.get(url__startswith=HOME).respond(200, json={})
    wire = Wire(httpx.MockTransport(router.handler))
    http = Http(HOME, {"Api-Key": KEY}, handler=wire, clock=Hands())
    with caplog.at_level(logging.DEBUG):
        http("GET", "/contacts/ada%40example.com", params={"email": "bob@example.com"})
    wire.close()
    [told] = [record.about for record in caplog.records if record.name == "ciblage.http"]  # type: ignore[attr-defined]  # ours
    assert told == {
        "method": "GET",
        "path": "/v3/contacts/…%40…",
        "status": 200,
        "ms": 0,
        "attempt": 1,
        "request_id": "#1",
    }
    assert "ada" not in caplog.text
    assert "bob" not in caplog.text
    assert KEY not in caplog.text
