"""Faults are asked for by name, drawn by a seed and taken back, in process, over HTTP and on a socket."""

from __future__ import annotations

import http.client
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from fault_lab import (
    HEADERS,
    NEW_LIST,
    ask,
    call,
    each_provider,
    fresh,
)

from connectors.http import Request, Response, Wire
from connectors.sandbox import FAULTS, Faults, Provider
from connectors.sandbox.server import serving

# asking


def test_a_fault_that_is_not_known_is_answered_with_the_nearest_one() -> None:
    sandbox = fresh("brevo")
    answer = ask(sandbox, "POST", {"fault": "throtled"})
    assert answer.status == 400
    assert "did you mean 'throttled'?" in answer.json()["error"]
    assert "did you mean 'times'?" in ask(sandbox, "POST", {"fault": "500", "time": 2}).json()["error"]
    assert "klaviyo" in ask(sandbox, "POST", {"fault": "html-403", "provider": "brevo"}).json()["error"]
    assert "['brevo']" in ask(sandbox, "POST", {"fault": "500", "provider": "acme"}).json()["error"]
    assert "did you mean '503'?" in ask(sandbox, "POST", {"mix": 0.1, "faults": ["5003"]}).json()["error"]
    assert "share of all calls" in ask(sandbox, "POST", {"mix": 10}).json()["error"]
    assert "no pattern" in ask(sandbox, "POST", {"fault": "500", "when": "("}).json()["error"]
    assert "`times`" in ask(sandbox, "POST", {"fault": "500", "times": 0}).json()["error"]
    assert "say {fault: name}" in ask(sandbox, "POST", {}).json()["error"]
    assert ask(sandbox, "GET").json()["faults"] == []


def test_faults_are_asked_for_shown_and_taken_back_over_http() -> None:
    sandbox = fresh("brevo")
    asked = {"fault": "503", "provider": "brevo", "times": 3, "when": "GET /brevo/v3/acc"}
    shown = ask(sandbox, "POST", asked).json()
    assert shown["known"].keys() == FAULTS.keys()
    assert {key: shown["faults"][0][key] for key in asked} == asked
    assert call(sandbox, "brevo", "GET", "/contacts").status == 200
    assert call(sandbox, "brevo", "GET", "/account").status == 503
    assert ask(sandbox, "GET").json()["faults"][0]["struck"] == 1
    assert ask(sandbox, "DELETE").status == 204
    assert call(sandbox, "brevo", "GET", "/account").status == 200
    ask(sandbox, "POST", {"mix": 1, "faults": ["503"]})
    assert call(sandbox, "brevo", "GET", "/account").status == 503
    sandbox.reset()
    assert call(sandbox, "brevo", "GET", "/account").status == 200, "an empty world is a whole one"


def course(seed: int) -> list[str]:
    sandbox = fresh("klaviyo")
    sandbox.faults.ask_mix(0.3, seed=seed)
    for _ in range(200):
        with suppress(ConnectionError, TimeoutError):
            call(sandbox, "klaviyo", "GET", "/lists")
        sandbox.world.advance(1)
    return [one.fault for one in sandbox.calls]


def test_a_mix_is_one_course_of_things_by_its_seed() -> None:
    first = course(8)
    assert first == course(8)
    assert first != course(7)
    struck = [fault for fault in first if fault]
    assert 30 < len(struck) < 90
    assert {"throttled", "html-403", "500", "reset-after", "slow"} <= set(struck)
    assert "bodiless-403" not in struck, "Mailchimp's alone"


def test_faults_asked_together_meet_one_call_together() -> None:
    sandbox = fresh("brevo")
    sandbox.faults.ask("slow", seconds=5)
    sandbox.faults.ask("throttled")
    began = sandbox.world.now()
    assert call(sandbox, "brevo", "GET", "/account").status == 429
    assert sandbox.world.now() - began == timedelta(seconds=5)
    assert sandbox.calls[-1].fault == "throttled, slow"


def test_a_kit_s_own_fault_goes_around_the_provider() -> None:
    class Loud(Faults):
        def serve(self, provider: Provider, request: Request) -> Response:
            answer = super().serve(provider, request)
            return replace(answer, headers={**answer.headers, "x-loud": provider.name})

    sandbox = fresh("brevo")
    sandbox.world.faults = Loud()
    assert call(sandbox, "brevo", "GET", "/account").headers["x-loud"] == "brevo"


# on a socket


@pytest.mark.parametrize("fault", ["reset-before", "reset-after"])
def test_on_a_socket_the_connection_is_reset(fault: str) -> None:
    sandbox = fresh("brevo")
    sandbox.faults.ask(fault)
    with serving(sandbox) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        body = json.dumps(NEW_LIST["brevo"])
        headers = {**HEADERS["brevo"], "content-type": "application/json"}
        connection.request("POST", "/brevo/v3/contacts/lists", body, headers)
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.request("GET", "/brevo/v3/account", headers=HEADERS["brevo"])
        assert connection.getresponse().status == 200, "the next connection is whole"
        connection.close()
    assert bool(sandbox.providers["brevo"].lists()) is (fault == "reset-after")


def test_on_a_socket_the_client_waits_until_it_gives_up() -> None:
    sandbox = fresh("brevo")
    sandbox.faults.ask("slow", seconds=90)
    wire = Wire()
    with serving(sandbox):
        url = f"{sandbox.world.base_url}/brevo/v3/contacts/lists"
        headers = {**HEADERS["brevo"], "content-type": "application/json"}
        with pytest.raises(TimeoutError):
            wire.handle(Request("POST", url, headers, json.dumps(NEW_LIST["brevo"]).encode(), timeout=0.2))
    wire.close()
    assert list(sandbox.providers["brevo"].lists().values()) == ["one"]


# contacts in every state

STATES = {"mailchimp": {"subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional"}}


@each_provider
@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional",
                                    "never", "suppressed", "complained"])  # fmt: skip
def test_a_contact_is_seeded_in_every_state_and_only_who_may_be_mailed_is_mailable(name: str, status: str) -> None:
    sandbox = fresh(name)
    body = {"provider": name, "contacts": [{"email": "ann@example.com", "status": status, "fields": {}}]}
    answer = sandbox.handle(Request("POST", "http://x.test/sandbox/seed", {}, json.dumps(body).encode()))
    assert answer.status == 200
    contact = sandbox.providers[name].contacts()["ann@example.com"]
    if status in {"subscribed", "unsubscribed", "cleaned", "archived", "suppressed", "complained"}:
        assert contact.mailable is (status == "subscribed")
    if status in STATES.get(name, ()):
        assert contact.status == status


def test_a_state_that_nobody_knows_is_refused() -> None:
    sandbox = fresh("brevo")
    body = {"provider": "brevo", "contacts": [{"email": "ann@example.com", "status": "subscribd"}]}
    answer = sandbox.handle(Request("POST", "http://x.test/sandbox/seed", {}, json.dumps(body).encode()))
    assert answer.status == 400
    assert "did you mean 'subscribed'?" in answer.json()["error"]
    assert sandbox.providers["brevo"].contacts() == {}
