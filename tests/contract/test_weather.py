"""Whatever goes wrong on the wire, a connector sends only what is described, raises only what is named, and raises no consent."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from official import ABSENT, BY_HAND, ELSEWHERE, FILES, SPECS, Judge
from rounds import Round

from connectors import errors
from connectors.http import Handler, Request, Response
from connectors.sandbox import Contact, Sandbox

needs_files = pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)
NAMES = [*BY_HAND, *(pytest.param(name, marks=needs_files) for name in sorted(FILES))]
LEFT = ("unsubscribed", "cleaned", "archived", "complained", "suppressed")
PASSING = (errors.RateLimited, errors.Unavailable, errors.UnexpectedResponse)
TRIES = 12


class Sheltered(Judge):
    """Judges the answers that no fault has touched, and every call; a call that got no answer was sent all the same."""

    def __init__(self, inner: Handler, provider: str) -> None:
        super().__init__(inner, provider)
        assert isinstance(inner, Sandbox)
        self.sandbox = inner

    def is_told_by_the_provider(self) -> bool:
        return not self.sandbox.calls[-1].fault

    def handle(self, request: Request) -> Response:
        try:
            return super().handle(request)
        except (ConnectionError, TimeoutError):
            if not any(part in request.url for part in ELSEWHERE):
                self._check(request)
            raise


def patient(sandbox: Sandbox, call: Callable[..., Any]) -> Callable[..., Any]:
    """The ability, tried again for as long as the weather is to blame."""

    def tried(*arguments: Any) -> Any:
        for _ in range(TRIES):
            try:
                found = call(*arguments)
                return list(found) if hasattr(found, "__next__") else found
            except PASSING:
                sandbox.world.advance(60)
        return call(*arguments)

    return tried


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_in_any_weather_calls_are_as_described_and_no_consent_rises(name: str, seed: int) -> None:
    it = Round(name, judged_by=Sheltered)
    connector, provider = it.connector, it.provider
    abilities = {one: getattr(connector, one) for one in dir(connector) if not one.startswith("_")}
    it.connector = SimpleNamespace(
        **{one: patient(it.sandbox, value) if callable(value) else value for one, value in abilities.items()}
    )
    for status in LEFT:
        provider.seed(Contact(f"left.{status}@example.com", status))
    it.people = [*it.people, *(type(it.people[0])(f"left.{status}@example.com") for status in LEFT)]
    it.sandbox.faults.ask_mix(0.12, seed=seed)
    it.all()
    assert dict.fromkeys(it.judge.wrong) == {}
    assert sum(bool(call.fault) for call in it.sandbox.calls) > 5, "there was weather"
    people = provider.contacts()
    assert [status for status in LEFT if people[f"left.{status}@example.com"].mailable] == []
