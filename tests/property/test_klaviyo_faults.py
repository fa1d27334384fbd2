"""Whatever goes wrong on the wire, trying again ends where it should: nobody lost, nobody told twice, no consent raised."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import errors, registry
from connectors.http import Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    Job,
    Outcome,
    Profile,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Target,
    TargetKind,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.types import Change

OPTIONS = {"api_key": "pk_sandbox_faults", "base_url": "http://sandbox.test/klaviyo/api"}
LIST = Target(kind=TargetKind.SEGMENT, name="s", title="s")
STATUSES = ("subscribed", "unsubscribed", "never", "suppressed", "cleaned", "complained")
HTML = Response(403, {"content-type": "text/html"}, b"<html>Just a moment...</html>")
FAULTS = ("none", "throttled", "challenge", "unavailable", "reset before", "reset after", "timeout after", "nonsense")


class Weather:
    """A handler through which calls go wrong in a drawn order, and then go well."""

    def __init__(self, sandbox: Sandbox, faults: Sequence[str]) -> None:
        self.sandbox = sandbox
        self.faults = list(faults)

    def handle(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "throttled":
            return Response(429, {"retry-after": "2", "content-type": "application/json"}, b'{"errors":[]}')
        if fault == "challenge":
            return HTML
        if fault == "unavailable":
            return Response(503, {}, b"")
        if fault == "reset before":
            raise ConnectionResetError
        response = self.sandbox.handle(request)
        if fault in {"reset after", "timeout after"}:
            raise ConnectionResetError if fault == "reset after" else TimeoutError
        if fault == "nonsense":
            return Response(response.status, response.headers, response.body[: len(response.body) // 2])
        return response


def _persist(weather: Weather, connector: object, changes: Sequence[Change], ref: str) -> dict[str, Outcome]:
    """As an engine does: send, look up what is ambiguous, send the rest again, poll to the end."""
    final: dict[str, Outcome] = {}
    waiting: dict[str, str] = {}
    ambiguous = False
    for _ in range(40):
        rest = [change for change in changes if change.id not in final and change.id not in waiting]
        batch = Batch(LIST, ref, rest)
        try:
            for name in dict.fromkeys(waiting.values()):
                carried = [change for change in changes if waiting.get(change.id) == name]
                job = Job(ref=name, batch=Batch(LIST, ref, carried), started_at=weather.sandbox.world.now())
                for outcome in connector.poll([job]):
                    waiting.pop(outcome.id)
                    if outcome.reason != "try_later":
                        assert final.setdefault(outcome.id, outcome) is outcome
            sent = connector.recall(batch, weather.sandbox.world.now()) if ambiguous and rest else ()
            outcomes = [*sent]
            told = {outcome.id for outcome in outcomes}
            again = [change for change in rest if change.id not in told]
            if again:
                outcomes += connector.push(Batch(LIST, ref, again))
            ambiguous = False
        except (errors.Unavailable, errors.RateLimited, errors.UnexpectedResponse):
            ambiguous = True
            weather.sandbox.world.advance(10)
            continue
        for outcome in outcomes:
            if outcome.state is State.PENDING:
                waiting[outcome.id] = outcome.job or ""
            else:
                final[outcome.id] = outcome
        if not waiting and len(final) == len(changes):
            return final
        weather.sandbox.world.advance(10)
    pytest.fail("the changes never came to an end")


def _changes(kind: str) -> list[Change]:
    people = [Profile(f"{status}@example.com") for status in STATUSES]
    make = {
        "add": partial(AddContact, status=Consent.SUBSCRIBED, traits={"x": "new"}),
        "set": partial(SetTraits, traits={"x": "new"}),
        "clear": partial(ClearTraits, fields=("x",)),
        "join": AddMember,
        "leave": RemoveMember,
        "suppress": Suppress,
    }[kind]
    return [make(id=profile.email, profile=profile) for profile in people]


@given(faults=st.lists(st.sampled_from(FAULTS), max_size=12))
@settings(max_examples=30, deadline=None)
def test_any_weather_ends_with_every_code_in_its_pool_once(faults: list[str]) -> None:
    sandbox = Sandbox(only=("klaviyo",))
    weather = Weather(sandbox, [])
    connector = registry.build("klaviyo", OPTIONS, handler=weather, clock=SandboxClock(sandbox.world))
    pool = Target(kind=TargetKind.POOL, name="p", title="VIP")
    ref = connector.create([pool])[pool]
    weather.faults = list(faults)
    final = _persist(weather, connector, [AddCode(id=code, code=code) for code in ("A1", "B2", "C3")], ref)
    assert {outcome.state for outcome in final.values()} <= {State.APPLIED, State.NOOP}
    assert sorted(sandbox.providers["klaviyo"].codes()[ref]) == ["A1", "B2", "C3"]


@pytest.mark.parametrize("kind", ["add", "set", "clear", "join", "leave", "suppress"])
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=12))
@settings(max_examples=30, deadline=None)
def test_any_weather_ends_in_the_same_state_and_raises_no_consent(kind: str, faults: list[str]) -> None:
    sandbox = Sandbox(only=("klaviyo",))
    provider = sandbox.providers["klaviyo"]
    weather = Weather(sandbox, [])
    connector = registry.build("klaviyo", OPTIONS, handler=weather, clock=SandboxClock(sandbox.world))
    ref = connector.create([LIST])[LIST]
    there = set() if kind == "join" else {ref}
    for status in STATUSES:
        provider.seed(Contact(f"{status}@example.com", status, fields={"x": "old", "theirs": 1}, lists=there))
    before = provider.contacts()
    weather.faults = list(faults)
    final = _persist(weather, connector, _changes(kind), ref)
    sandbox.world.finish()
    after = provider.contacts()
    assert {outcome.state for outcome in final.values()} <= {State.APPLIED, State.NOOP}
    assert after.keys() == before.keys()
    for email, contact in after.items():
        assert contact.fields.get("theirs") == 1
        assert contact.fields.get("x") == {"add": "new", "set": "new", "clear": None}.get(kind, "old")
        assert contact.lists == (set() if kind == "leave" else {ref})
        assert contact.mailable <= before[email].mailable
        if kind != "suppress":
            assert contact.status == before[email].status
        else:
            assert not contact.mailable
